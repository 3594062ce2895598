/* arbiter.c: owns the requests under way, their numbers and time-outs, and the choice of the
 * implementation. Never interprets an answer. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fh_arbiter {
    const struct fh_arbiter_backend *backend;
    void *state;
    const struct fh_arbiter_handler *handler;
    void *userdata;
    sd_event *event;
    sd_event_source *timer;
    int64_t ttl_ms;
    int64_t timeout_ms;
    uint64_t last_number;
    struct fh_arbiter_request pending[FH_ARBITER_PENDING_MAX];
};

sd_event *fh_arbiter_event(struct fh_arbiter *arbiter)
{
    return arbiter->event;
}

const struct fh_arbiter_request *fh_arbiter_pending(const struct fh_arbiter *arbiter, size_t index)
{
    return &arbiter->pending[index];
}

int64_t fh_arbiter_ttl_ms(const struct fh_arbiter *arbiter)
{
    return arbiter->ttl_ms;
}

static void set_timer(struct fh_arbiter *arbiter)
{
    struct fh_time first = {INT64_MAX};
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        const struct fh_arbiter_request *request = &arbiter->pending[i];
        if (request->number != 0 && fh_time_before(request->deadline, first)) {
            first = request->deadline;
        }
    }
    if (first.ns == INT64_MAX) {
        sd_event_source_set_enabled(arbiter->timer, SD_EVENT_OFF);
    } else {
        /* rounded up: a timer that fires too early would find nothing to do and spin */
        sd_event_source_set_time(arbiter->timer, (uint64_t)(first.ns + 999) / 1000);
        sd_event_source_set_enabled(arbiter->timer, SD_EVENT_ONESHOT);
    }
}

void fh_arbiter_finish(struct fh_arbiter *arbiter, const struct fh_arbiter_answer *answer)
{
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        struct fh_arbiter_request *request = &arbiter->pending[i];
        if (answer->request != 0 && request->number == answer->request) {
            struct fh_arbiter_answer full = *answer;
            full.asked_at = request->asked_at;
            request->number = 0;
            set_timer(arbiter);
            arbiter->handler->answer(arbiter->userdata, &full);
            return;
        }
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    struct fh_arbiter *arbiter = userdata;
    struct fh_time now = fh_now();
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        const struct fh_arbiter_request *request = &arbiter->pending[i];
        if (request->number == 0 || fh_time_before(now, request->deadline)) {
            continue;
        }
        struct fh_arbiter_answer answer = {
            .request = request->number, .result = FH_ARBITER_UNREACHABLE, .epoch = request->epoch};
        arbiter->backend->forget(arbiter->state, request, answer.text, sizeof(answer.text));
        fh_arbiter_finish(arbiter, &answer);
    }
    set_timer(arbiter);
    return 0;
}

/* A free place, or that of the oldest, whose asker has long stopped waiting. */
static struct fh_arbiter_request *place_for_request(struct fh_arbiter *arbiter)
{
    struct fh_arbiter_request *oldest = &arbiter->pending[0];
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        struct fh_arbiter_request *request = &arbiter->pending[i];
        if (request->number < oldest->number) {
            oldest = request; /* a free one has number 0 */
        }
    }
    if (oldest->number != 0) {
        char text[200];
        arbiter->backend->forget(arbiter->state, oldest, text, sizeof(text));
    }
    return oldest;
}

static uint64_t ask(struct fh_arbiter *arbiter, enum fh_arbiter_operation operation, uint64_t epoch,
                    const struct fh_arbiter_claim *claim)
{
    struct fh_alone_claim copy = {0};
    if (claim) {
        copy = (struct fh_alone_claim){claim->stint, claim->knows_other, claim->careful};
    }
    struct fh_arbiter_request *request = place_for_request(arbiter);
    /* Before it is sent, on whatever path and however late: the lease must not seem longer. */
    struct fh_time now = fh_now();
    *request = (struct fh_arbiter_request){
        .number = ++arbiter->last_number,
        .operation = operation,
        .epoch = epoch,
        .claim = copy,
        .asked_at = now,
        .deadline = fh_time_add_ms(now, arbiter->timeout_ms),
    };
    set_timer(arbiter);
    arbiter->backend->ask(arbiter->state, request);
    return arbiter->last_number;
}

uint64_t fh_arbiter_acquire(struct fh_arbiter *arbiter, uint64_t epoch,
                            const struct fh_arbiter_claim *claim)
{
    return ask(arbiter, FH_ARBITER_ACQUIRE, epoch, claim);
}

uint64_t fh_arbiter_renew(struct fh_arbiter *arbiter, uint64_t epoch,
                          const struct fh_arbiter_claim *claim)
{
    return ask(arbiter, FH_ARBITER_RENEW, epoch, claim);
}

uint64_t fh_arbiter_release(struct fh_arbiter *arbiter, uint64_t epoch,
                            const struct fh_arbiter_claim *claim)
{
    return ask(arbiter, FH_ARBITER_RELEASE, epoch, claim);
}

static int open_all(struct fh_arbiter *arbiter, const struct fh_config *config,
                    const char *secret_key, struct fh_error *err)
{
    int r = sd_event_add_time(arbiter->event, &arbiter->timer, CLOCK_BOOTTIME, 0, 1000, on_timer,
                              arbiter);
    if (r >= 0) {
        r = sd_event_source_set_enabled(arbiter->timer, SD_EVENT_OFF);
    }
    if (r < 0) {
        char text[128];
        return fh_error_set(err, r, "cannot set up the arbiter's timer: %s",
                            fh_strerror(r, text, sizeof(text)));
    }
    return arbiter->backend->open(arbiter, config, secret_key, err, &arbiter->state);
}

int fh_arbiter_new(const struct fh_config *config, const char secret_key[41], sd_event *event,
                   const struct fh_arbiter_handler *handler, void *userdata, struct fh_error *err,
                   struct fh_arbiter **ret)
{
    if (config->arbiter.type == FH_ARBITER_NONE) {
        return fh_error_set(err, -EINVAL, "arbiter.type is \"none\"");
    }
    struct fh_arbiter *arbiter = calloc(1, sizeof(*arbiter));
    if (!arbiter) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    arbiter->backend =
        config->arbiter.type == FH_ARBITER_ETCD ? &fh_arbiter_etcd : &fh_arbiter_witness;
    arbiter->handler = handler;
    arbiter->userdata = userdata;
    arbiter->event = sd_event_ref(event);
    arbiter->ttl_ms = config->arbiter.ttl_ms;
    arbiter->timeout_ms = config->arbiter.request_timeout_ms;
    int r = open_all(arbiter, config, secret_key, err);
    if (r < 0) {
        fh_arbiter_free(arbiter);
        return r;
    }
    *ret = arbiter;
    return 0;
}

void fh_arbiter_free(struct fh_arbiter *arbiter)
{
    if (!arbiter) {
        return;
    }
    if (arbiter->state) {
        arbiter->backend->close(arbiter->state);
    }
    sd_event_source_disable_unref(arbiter->timer);
    sd_event_unref(arbiter->event);
    free(arbiter);
}
