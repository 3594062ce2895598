/* webhook.c: the webhook sink: a batch is posted as requests that keep the order of each device
 * (webhook_plan), and is accepted when every one of them was answered with 2xx. Owns what an answer
 * leads to: on, again, wait, halve, dead letter.
 *
 * A request that is sent again carries the same records and the same Idempotency-Key; until it is
 * done with, nothing of its lane overtakes it. Only a record that is refused all alone goes into
 * the dead letters, and only for an answer that is about records (webhook_answer). */
#include "types.h"
#include "webhook_answer.h"
#include "webhook_http.h"

#include "fh/sigpipe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* accept returns after this time even though answers are missing, so that the delivery thread can
 * look after its orders; the fence is looked at in between. */
#define ACCEPT_MS 500
#define TURN_MS   50

/* Requests of the size batch_records are under way on every lane; a batch is as many. Far below
 * what a report can hold (FH_REPORT_KEYS_MAX). */
#define BATCH_RECORDS_MAX 200000

struct lane {
    unsigned failures; /* of the request it is at, in a row */
    unsigned conflicts;
    struct fh_time not_before;
};

struct webhook {
    struct fh_config_sink config;
    const struct fh_sink_context *context;
    struct fh_webhook_http *http;
    struct fh_collect batch;
    struct fh_webhook_plan plan;
    struct lane lane[FH_WEBHOOK_LANES_MAX];
    uint64_t epoch; /* 0: not leading */

    /* What concerns every request. */
    unsigned failures;
    struct fh_time quiet_until;
    bool credentials_doubted;
    struct fh_error reason; /* why the batch is not accepted yet; "" = it is under way */
};

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    (void)config;
    snprintf(text, size,
             "at least once; a request sent again has the same Idempotency-Key, after a failover "
             "records may come again: drop by recordUid");
}

static void webhook_close(void *opaque)
{
    struct webhook *sink = opaque;
    if (!sink) {
        return;
    }
    fh_webhook_http_free(sink->http);
    fh_webhook_plan_done(&sink->plan);
    fh_collect_done(&sink->batch);
    free(sink);
}

static int webhook_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                        struct fh_error *err, void **ret)
{
    struct webhook *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    sink->config = *config;
    sink->context = context;
    fh_collect_init(&sink->batch);
    fh_webhook_plan_init(&sink->plan);
    int r = fh_webhook_http_new(&sink->config, context, err, &sink->http);
    if (r < 0) {
        webhook_close(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

static void forget_batch(struct webhook *sink)
{
    fh_webhook_http_cancel(sink->http);
    fh_webhook_plan_drop(&sink->plan);
    fh_collect_clear(&sink->batch);
    sink->reason.text[0] = '\0';
}

static int webhook_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct webhook *sink = opaque;
    int r = fh_webhook_http_credentials(sink->http, err);
    if (r < 0) {
        return r;
    }
    forget_batch(sink);
    sink->epoch = epoch;
    sink->failures = 0;
    sink->quiet_until = (struct fh_time){0};
    return 0;
}

/* batch_records is the size of a request; a batch keeps every lane busy with one. */
static struct fh_config_sink batch_limits(const struct webhook *sink)
{
    int64_t records = sink->config.batch_records * sink->config.concurrency;
    return (struct fh_config_sink){.batch_records =
                                       records < BATCH_RECORDS_MAX ? records : BATCH_RECORDS_MAX,
                                   .batch_ms = sink->config.batch_ms};
}

static int64_t webhook_due_in(void *opaque, struct fh_time now)
{
    struct webhook *sink = opaque;
    struct fh_config_sink limits = batch_limits(sink);
    return sink->plan.lanes > 0 ? 0 : fh_collect_due_in(&sink->batch, &limits, now);
}

static int webhook_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct webhook *sink = opaque;
    if (sink->epoch == 0) {
        return fh_error_set(err, -EPERM, "sink \"%s\" was told to be quiet", sink->config.name);
    }
    bool full = sink->batch.count >= (size_t)batch_limits(sink).batch_records ||
                sink->batch.bytes.len >= FH_COLLECT_BYTES_MAX;
    if (sink->plan.lanes > 0 || full) {
        return fh_error_set(err, -EAGAIN, "the batch is full and waits for %s",
                            fh_webhook_http_name(sink->http));
    }
    int r = fh_collect_add(&sink->batch, write, fh_now());
    return r < 0 ? fh_error_set(err, r, "no memory for the batch of sink \"%s\"", sink->config.name)
                 : 0;
}

/* ---- what an answer leads to ---- */

static uint32_t any_number(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number)) {
        number = (uint32_t)fh_now().ns;
    }
    return number;
}

static const char *remedy(long status)
{
    switch (status) {
    case 401:
        return "; check token_file, or user and password_file";
    case 403:
        return "; it knows us and will not have us: check the credentials and its rules";
    case 404:
    case 405:
    case 410:
        return "; check url";
    case 407:
        return "; the proxy wants credentials: set them in the environment's https_proxy";
    case 415:
        return "; check body and the header Content-Type";
    default:
        return status >= 300 && status < 400 ? "; redirects are not followed: write the address it "
                                               "has moved to into url"
                                             : "";
    }
}

static void say_status(struct webhook *sink, const struct fh_webhook_result *result)
{
    char excerpt[128];
    fh_webhook_http_excerpt(sink->http, result->body, excerpt, sizeof(excerpt));
    char asked[48] = "";
    if (result->retry_after_s > 0) {
        snprintf(asked, sizeof(asked), "; it asks to wait %" PRId64 " s", result->retry_after_s);
    }
    fh_error_set(&sink->reason, 0, "%s answered %ld%s%s%s%s", fh_webhook_http_name(sink->http),
                 result->status, remedy(result->status), asked, excerpt[0] ? FH_SINK_SAYS : "",
                 excerpt);
}

static void say_trouble(struct webhook *sink, enum fh_webhook_verdict verdict,
                        const struct fh_webhook_result *result)
{
    fh_error_set(&sink->reason, 0, "no answer of %s: %.250s%s", fh_webhook_http_name(sink->http),
                 result->trouble_text,
                 verdict == FH_WEBHOOK_ASK
                     ? "; check url, ca_file, cert_file and key_file, and the "
                       "certificate of the service"
                     : "");
}

static void pause_lane(struct webhook *sink, uint32_t lane, enum fh_webhook_verdict verdict,
                       int64_t retry_after_s)
{
    struct lane *at = &sink->lane[lane];
    at->failures++;
    at->not_before = fh_time_add_ms(
        fh_now(), fh_webhook_delay(verdict, at->failures, any_number(), retry_after_s));
}

/* Several requests that fail together count as one failure. */
static void pause_all(struct webhook *sink, enum fh_webhook_verdict verdict, int64_t retry_after_s)
{
    struct fh_time now = fh_now();
    if (!fh_time_before(now, sink->quiet_until)) {
        sink->failures++;
    }
    struct fh_time until =
        fh_time_add_ms(now, fh_webhook_delay(verdict, sink->failures, any_number(), retry_after_s));
    if (fh_time_before(sink->quiet_until, until)) {
        sink->quiet_until = until;
    }
}

/* The service is there. What it asked all requests to wait for stands all the same: this answer may
 * be to one that was under way when another was told to wait. */
static void taken(struct webhook *sink)
{
    sink->failures = 0;
    if (!fh_time_before(fh_now(), sink->quiet_until)) {
        sink->reason.text[0] = '\0';
    }
}

/* The lane's request is dealt with. */
static void go_on(struct webhook *sink, uint32_t lane)
{
    fh_webhook_plan_next(&sink->plan, lane);
    sink->lane[lane] = (struct lane){0};
}

/* Halve what was refused, or part with the one record that is left of it. */
static void refused(struct webhook *sink, uint32_t lane, const struct fh_webhook_result *result)
{
    struct fh_webhook_range range;
    if (fh_webhook_plan_split(&sink->plan, lane)) {
        sink->lane[lane] = (struct lane){0};
        return;
    }
    (void)fh_webhook_plan_at(&sink->plan, lane, &range);
    struct fh_collect_item item;
    fh_collect_get(&sink->batch, sink->plan.order[range.from], &item);
    char excerpt[256];
    char reason[320];
    fh_webhook_http_excerpt(sink->http, result->body, excerpt, sizeof(excerpt));
    snprintf(reason, sizeof(reason), "answered with status %ld%s%s", result->status,
             excerpt[0] ? ": " : "", excerpt);
    if (fh_sink_refused(sink->context, item.record, reason, &sink->reason) < 0) {
        /* asked, and refused, once more later: that does no harm */
        pause_lane(sink, lane, FH_WEBHOOK_AGAIN, 0);
        return;
    }
    go_on(sink, lane);
}

static void on_done(void *userdata, uint32_t lane, const struct fh_webhook_result *result)
{
    struct webhook *sink = userdata;
    if (result->fenced) {
        return; /* sent again should this node ever be allowed to */
    }
    struct lane *at = &sink->lane[lane];
    enum fh_webhook_verdict verdict = result->status > 0
                                          ? fh_webhook_judge(result->status, at->conflicts)
                                          : fh_webhook_judge_trouble(result->trouble);
    at->conflicts += result->status == 409 ? 1 : 0;
    if (verdict == FH_WEBHOOK_ACCEPTED || verdict == FH_WEBHOOK_REFUSED) {
        taken(sink);
    } else if (result->status > 0) {
        say_status(sink, result);
    } else {
        say_trouble(sink, verdict, result);
    }
    switch (verdict) {
    case FH_WEBHOOK_ACCEPTED:
        go_on(sink, lane);
        break;
    case FH_WEBHOOK_AGAIN:
        pause_lane(sink, lane, verdict, result->retry_after_s);
        break;
    case FH_WEBHOOK_ASK:
        sink->credentials_doubted = true;
        pause_all(sink, verdict, result->retry_after_s);
        break;
    case FH_WEBHOOK_WAIT:
        pause_all(sink, verdict, result->retry_after_s);
        break;
    case FH_WEBHOOK_REFUSED:
        refused(sink, lane, result);
        break;
    }
}

/* ---- accept ---- */

static struct fh_time earliest(const struct webhook *sink, uint32_t lane)
{
    struct fh_time own = sink->lane[lane].not_before;
    return fh_time_before(own, sink->quiet_until) ? sink->quiet_until : own;
}

/* Begin what may be begun. Returns how many lanes have something left; *inout_next becomes the
 * instant the first of those that wait may go on, when that is earlier. */
static int begin_requests(struct webhook *sink, struct fh_time *inout_next, struct fh_error *err)
{
    int left = 0;
    struct fh_time now = fh_now();
    for (uint32_t lane = 0; lane < sink->plan.lanes; lane++) {
        struct fh_webhook_range range;
        if (!fh_webhook_plan_at(&sink->plan, lane, &range)) {
            continue;
        }
        left++;
        if (fh_webhook_http_lane_busy(sink->http, lane)) {
            continue;
        }
        struct fh_time when = earliest(sink, lane);
        if (fh_time_before(now, when)) {
            *inout_next = fh_time_before(when, *inout_next) ? when : *inout_next;
            continue;
        }
        if (fh_sink_fenced(sink->context)) {
            continue;
        }
        int r =
            fh_webhook_http_send(sink->http, lane, &sink->plan, &sink->batch, range, sink->epoch);
        if (r < 0) {
            return fh_error_set(err, r, "no memory for a request of sink \"%s\"",
                                sink->config.name);
        }
    }
    return left;
}

static int make_plan(struct webhook *sink, struct fh_error *err)
{
    if (sink->plan.lanes > 0) {
        return 0;
    }
    memset(sink->lane, 0, sizeof(sink->lane));
    sink->reason.text[0] = '\0';
    int r = fh_webhook_plan_make(&sink->plan, &sink->batch, (uint32_t)sink->config.batch_records,
                                 (uint32_t)sink->config.concurrency);
    return r < 0 ? fh_error_set(err, r, "no memory for the batch of sink \"%s\"", sink->config.name)
                 : 0;
}

static int not_yet(struct webhook *sink, struct fh_error *err)
{
    if (fh_sink_fenced(sink->context)) {
        fh_webhook_http_cancel(sink->http);
        return fh_error_set(err, -EAGAIN, "this node must keep quiet at present");
    }
    return sink->reason.text[0] != '\0' ? fh_error_set(err, -EAGAIN, "%s", sink->reason.text)
                                        : fh_error_set(err, -EAGAIN, "%s has not answered yet",
                                                       fh_webhook_http_name(sink->http));
}

static int turn_until(struct webhook *sink, struct fh_time deadline, struct fh_error *err)
{
    for (;;) {
        struct fh_time next = deadline;
        int left = begin_requests(sink, &next, err);
        if (left <= 0) {
            return left;
        }
        struct fh_time now = fh_now();
        if (!fh_time_before(now, deadline) || fh_sink_fenced(sink->context)) {
            return not_yet(sink, err);
        }
        int64_t wait_ms = fh_time_diff_ms(next, now) + 1;
        fh_webhook_http_turn(sink->http, (int)(wait_ms < TURN_MS ? wait_ms : TURN_MS), on_done,
                             sink);
    }
}

static int webhook_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct webhook *sink = opaque;
    position[0] = '\0';
    if (sink->batch.count == 0) {
        return 0;
    }
    int r = make_plan(sink, err);
    struct fh_time now = fh_now();
    if (r == 0 && sink->credentials_doubted && !fh_time_before(now, sink->quiet_until)) {
        r = fh_webhook_http_credentials(sink->http, err);
        if (r < 0) {
            sink->reason = *err;
            pause_all(sink, FH_WEBHOOK_ASK, 0);
            return -EAGAIN;
        }
        sink->credentials_doubted = false;
    }
    struct fh_sigpipe_hold hold;
    fh_sigpipe_block(&hold); /* of a connection; libcurl leaves it to us */
    if (r == 0) {
        int64_t limit = sink->config.timeout_ms < ACCEPT_MS ? sink->config.timeout_ms : ACCEPT_MS;
        r = turn_until(sink, fh_time_add_ms(now, limit), err);
    }
    fh_sigpipe_unblock(&hold);
    if (r == 0) {
        forget_batch(sink);
    }
    return r;
}

static int webhook_abandon(void *opaque, const char *const *keep, size_t keep_count,
                           struct fh_error *err)
{
    struct webhook *sink = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    forget_batch(sink);
    sink->epoch = 0;
    return 0;
}

static int webhook_reopen(void *opaque, struct fh_error *err)
{
    struct webhook *sink = opaque;
    (void)err;
    forget_batch(sink);
    return 0;
}

static void webhook_reload(void *opaque, const struct fh_config_sink *config)
{
    struct webhook *sink = opaque;
    sink->config.batch_records = config->batch_records;
    sink->config.batch_ms = config->batch_ms;
    sink->config.timeout_ms = config->timeout_ms;
    sink->quiet_until = (struct fh_time){0};
    sink->credentials_doubted = true; /* read them again with the next batch */
}

const struct fh_sink_ops fh_sink_webhook_ops = {
    .type = "webhook",
    .wants_facts = true,
    .promise = promise,
    .open = webhook_open,
    .lead = webhook_lead,
    .write = webhook_write,
    .due_in = webhook_due_in,
    .accept = webhook_accept,
    .abandon = webhook_abandon,
    .reopen = webhook_reopen,
    .reload = webhook_reload,
    .close = webhook_close,
};
