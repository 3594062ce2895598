/* etcd.c: owns the course of each request to etcd, step by step. Never blocks the loop; gives no
 * answer when there is none to trust.
 *
 *   acquire   read -> (somebody else's, or too old: denied) -> grant an etcd lease -> write both
 *             keys if they are still as read -> granted; else judge again by what stands there now
 *   renew     keep the etcd lease alive -> read -> the key is still ours under that lease: granted.
 *             The read goes through the quorum: an old leader that is cut off could still keep a
 *             lease "alive" that the new one lets expire. Another note (alone.h): write both keys.
 *             Lease gone: as acquire.
 *   release   read -> ours: delete one key and note the release in the other -> revoke the etcd
 *             lease -> released
 *
 * The moment the lease counts from is that of the call, before the first step. A step that finds no
 * server, or one in trouble, is tried at the next endpoint; every step can be repeated. */
#include "etcd_codec.h"
#include "etcd_http.h"
#include "internal.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zmq.h>

#define ROUNDS_MAX      8 /* a view that keeps changing: somebody plays with our keys */
#define EXCHANGE_MIN_MS 50
#define CODE_NOT_FOUND  5
#define CODE_NO_TOKEN   16

enum step { STEP_LOGIN, STEP_READ, STEP_GRANT, STEP_WRITE, STEP_KEEPALIVE, STEP_REVOKE };

static const char *const step_path[] = {
    [STEP_LOGIN] = "/v3/auth/authenticate",   [STEP_READ] = "/v3/kv/txn",
    [STEP_GRANT] = "/v3/lease/grant",         [STEP_WRITE] = "/v3/kv/txn",
    [STEP_KEEPALIVE] = "/v3/lease/keepalive", [STEP_REVOKE] = "/v3/lease/revoke",
};

/* One request on its way. */
struct course {
    struct etcd *etcd;
    struct fh_arbiter_request request; /* number 0: this place is free */
    enum step step;
    enum step after_login;
    struct fh_etcd_view view;
    struct fh_alone_note note; /* what is granted with the lease */
    int64_t lease_id;
    int64_t ttl_s;
    bool kept_alive; /* renew: the etcd lease is alive, the key remains to be looked at */
    bool logged_in_again;
    int rounds;
    size_t endpoint;
    size_t tried; /* endpoints, in this step */
    struct fh_etcd_exchange *exchange;
    char trouble[160];
};

struct etcd {
    struct fh_arbiter *arbiter;
    struct fh_etcd_http *http;
    struct fh_config_arbiter config;
    char prefix[96];
    char node[32];
    char mark[41];
    char password[256];
    char token[FH_ETCD_TOKEN_MAX];
    size_t endpoint;  /* the one that worked last */
    int64_t lease_id; /* the etcd lease our key is attached to, 0: none known */
    uint64_t lease_epoch;
    struct course course[FH_ARBITER_PENDING_MAX];
};

static void start_step(struct course *course, enum step step);

/* ---- the end of a request ---- */

static void finish(struct course *course, struct fh_arbiter_answer *answer)
{
    answer->request = course->request.number;
    struct fh_arbiter *arbiter = course->etcd->arbiter;
    if (course->exchange) {
        fh_etcd_http_cancel(course->exchange);
    }
    memset(course, 0, sizeof(*course)); /* before the answer: it may bring the next request */
    fh_arbiter_finish(arbiter, answer);
}

FH_PRINTF(2, 3)
static void give_up(struct course *course, const char *format, ...)
{
    struct fh_arbiter_answer answer = {.result = FH_ARBITER_UNREACHABLE,
                                       .epoch = course->request.epoch};
    va_list args;
    va_start(args, format);
    vsnprintf(answer.text, sizeof(answer.text), format, args);
    va_end(args);
    finish(course, &answer);
}

static void deny(struct course *course, enum fh_etcd_verdict verdict)
{
    const struct fh_etcd_view *view = &course->view;
    struct fh_arbiter_answer answer = {.result = FH_ARBITER_DENIED,
                                       .epoch = view->epoch.record.epoch};
    if (view->lease.present) {
        uint64_t held = view->lease.record.epoch;
        answer.epoch = held > answer.epoch ? held : answer.epoch;
        memcpy(answer.holder, view->lease.record.node, sizeof(answer.holder));
    }
    if (verdict == FH_ETCD_HELD) {
        snprintf(answer.text, sizeof(answer.text), "%s holds the lease under epoch %" PRIu64,
                 answer.holder, view->lease.record.epoch);
    } else if (verdict == FH_ETCD_ALONE) {
        answer.alone = true;
        snprintf(answer.text, sizeof(answer.text),
                 "the other node led alone, and only it knows what it published then (epoch "
                 "%" PRIu64 " or before)",
                 answer.epoch);
    } else {
        snprintf(answer.text, sizeof(answer.text),
                 "epoch %" PRIu64 " is spent: epoch %" PRIu64 " has been granted",
                 course->request.epoch, answer.epoch);
    }
    finish(course, &answer);
}

static void granted(struct course *course)
{
    struct etcd *etcd = course->etcd;
    int64_t ttl_ms = course->ttl_s * 1000;
    struct fh_arbiter_answer answer = {.result = FH_ARBITER_GRANTED,
                                       .epoch = course->request.epoch,
                                       .ttl_ms = ttl_ms < etcd->config.ttl_ms ? ttl_ms
                                                                              : etcd->config.ttl_ms,
                                       .stint = course->note.stint,
                                       .other_alone = course->note.other};
    memcpy(answer.holder, etcd->node, sizeof(answer.holder));
    etcd->lease_id = course->lease_id;
    etcd->lease_epoch = course->request.epoch;
    finish(course, &answer);
}

static void released(struct course *course)
{
    struct fh_arbiter_answer answer = {.result = FH_ARBITER_RELEASED,
                                       .epoch = course->view.epoch.record.epoch};
    if (course->view.lease.present &&
        strcmp(course->view.lease.record.mark, course->etcd->mark) != 0) {
        memcpy(answer.holder, course->view.lease.record.node, sizeof(answer.holder));
    }
    finish(course, &answer);
}

/* ---- what a view means for the request ---- */

static void judge_release(struct course *course)
{
    const struct fh_etcd_entry *lease = &course->view.lease;
    bool ours = lease->present && strcmp(lease->record.mark, course->etcd->mark) == 0 &&
                course->request.epoch >= lease->record.epoch;
    const struct fh_etcd_entry *epoch = &course->view.epoch;
    /* run out by itself, but not noted as given back yet */
    bool unspent = !lease->present && epoch->present && !epoch->record.released &&
                   strcmp(epoch->record.mark, course->etcd->mark) == 0 &&
                   course->request.epoch >= epoch->record.epoch;
    course->lease_id = ours ? lease->lease : 0;
    if (ours || unspent) {
        start_step(course, STEP_WRITE);
    } else {
        released(course);
    }
}

static void judge(struct course *course)
{
    const struct etcd *etcd = course->etcd;
    if (++course->rounds > ROUNDS_MAX) {
        give_up(course, "the keys below %.90s keep changing: does somebody else write there?",
                etcd->prefix);
        return;
    }
    if (course->request.operation == FH_ARBITER_RELEASE) {
        judge_release(course);
        return;
    }
    const struct fh_arbiter_request *request = &course->request;
    course->note = fh_etcd_note(&course->view, etcd->mark, request->epoch, &request->claim);
    if (course->kept_alive &&
        fh_etcd_is_ours(&course->view, etcd->mark, request->epoch, course->lease_id)) {
        const struct fh_alone_note *noted = &course->view.epoch.record.alone;
        if (noted->stint == course->note.stint && noted->before == course->note.before &&
            noted->other == course->note.other) {
            granted(course);
        } else {
            start_step(course, STEP_WRITE);
        }
        return;
    }
    enum fh_etcd_verdict verdict =
        fh_etcd_judge(&course->view, etcd->mark, request->epoch, &request->claim);
    if (verdict != FH_ETCD_MAY) {
        deny(course, verdict);
    } else if (course->lease_id != 0 && !course->kept_alive) {
        start_step(course, STEP_WRITE); /* granted before the keys changed under us */
    } else {
        course->kept_alive = false;
        start_step(course, STEP_GRANT);
    }
}

/* ---- answers ---- */

/* False: the answer was of no use and the request goes another way. */
static bool took_error(struct course *course, const struct fh_etcd_answer *answer)
{
    struct etcd *etcd = course->etcd;
    if (answer->code == 0) {
        return true;
    }
    /* A token lives for minutes only, and not at all after a change of users. */
    bool stale = answer->code == CODE_NO_TOKEN || strstr(answer->error, "auth store is old");
    if (stale && etcd->config.user[0] != '\0' && course->step != STEP_LOGIN &&
        !course->logged_in_again) {
        course->logged_in_again = true;
        etcd->token[0] = '\0';
        start_step(course, course->step);
    } else if (answer->code == CODE_NOT_FOUND &&
               (course->step == STEP_WRITE || course->step == STEP_KEEPALIVE)) {
        course->lease_id = 0; /* the etcd lease ran out between two steps */
        start_step(course, STEP_READ);
    } else if (answer->code == CODE_NOT_FOUND && course->step == STEP_REVOKE) {
        released(course);
    } else {
        give_up(course, "etcd at %.60s says: %.100s", etcd->config.endpoints[course->endpoint],
                answer->error);
    }
    return false;
}

static void took_view(struct course *course, const struct fh_etcd_answer *answer)
{
    if (!answer->has_view) {
        give_up(course, "etcd at %.60s did not say what stands under our keys",
                course->etcd->config.endpoints[course->endpoint]);
        return;
    }
    course->view = answer->view;
    judge(course);
}

static void took_answer(struct course *course, const struct fh_etcd_answer *answer)
{
    struct etcd *etcd = course->etcd;
    switch (course->step) {
    case STEP_LOGIN:
        memcpy(etcd->token, answer->token, sizeof(etcd->token));
        if (etcd->token[0] == '\0') {
            give_up(course, "etcd gave no token for user %.60s", etcd->config.user);
        } else {
            start_step(course, course->after_login);
        }
        return;
    case STEP_READ:
        took_view(course, answer);
        return;
    case STEP_GRANT:
        course->lease_id = answer->lease_id;
        course->ttl_s = answer->ttl_s;
        if (answer->lease_id == 0 || answer->ttl_s == 0) {
            give_up(course, "etcd granted no lease and did not say why");
        } else {
            start_step(course, STEP_WRITE);
        }
        return;
    case STEP_WRITE:
        if (!answer->succeeded) {
            took_view(course, answer);
        } else if (course->request.operation != FH_ARBITER_RELEASE) {
            granted(course);
        } else if (course->lease_id != 0) {
            start_step(course, STEP_REVOKE);
        } else {
            released(course);
        }
        return;
    case STEP_KEEPALIVE:
        course->kept_alive = answer->ttl_s > 0;
        course->ttl_s = answer->ttl_s;
        course->lease_id = course->kept_alive ? course->lease_id : 0;
        start_step(course, STEP_READ);
        return;
    case STEP_REVOKE:
        released(course);
        return;
    }
}

/* This endpoint does not work: the next one, unless all were tried. */
static void next_endpoint(struct course *course, const char *why)
{
    struct etcd *etcd = course->etcd;
    size_t failed = course->endpoint;
    snprintf(course->trouble, sizeof(course->trouble), "%.60s: %.90s",
             etcd->config.endpoints[failed], why);
    if (etcd->endpoint == failed) {
        etcd->endpoint = (failed + 1) % etcd->config.endpoint_count;
    }
    if (++course->tried >= etcd->config.endpoint_count) {
        give_up(course, "no etcd endpoint answers; the last, %.150s", course->trouble);
        return;
    }
    course->endpoint = (failed + 1) % etcd->config.endpoint_count;
    start_step(course, course->step);
}

/* Somebody else wrote under our keys; or the gateway says something in plain words, not in JSON. */
static void not_understood(struct course *course, const struct fh_etcd_result *result)
{
    if (result->status == 200) {
        give_up(course, "what stands below %.90s in etcd is no record of ours: remove it",
                course->etcd->prefix);
        return;
    }
    char words[110];
    size_t len = result->len < sizeof(words) - 1 ? result->len : sizeof(words) - 1;
    memcpy(words, result->body, len);
    words[len] = '\0';
    for (char *c = words; *c; c++) {
        *c = *c < ' ' || *c > '~' ? ' ' : *c;
    }
    give_up(course, "etcd at %.50s answers (HTTP status %ld): %s",
            course->etcd->config.endpoints[course->endpoint], result->status, words);
}

static void on_done(void *userdata, const struct fh_etcd_result *result)
{
    struct course *course = userdata;
    struct fh_etcd_answer answer;
    course->exchange = NULL;
    if (result->trouble) {
        next_endpoint(course, result->trouble);
    } else if (result->status >= 500) {
        char why[48];
        bool told = fh_etcd_parse(result->body, result->len, &answer) == 0 && answer.code != 0;
        snprintf(why, sizeof(why), "HTTP status %ld", result->status);
        next_endpoint(course, told ? answer.error : why);
    } else if (fh_etcd_parse(result->body, result->len, &answer) < 0) {
        not_understood(course, result);
    } else if (took_error(course, &answer)) {
        course->etcd->endpoint = course->endpoint;
        took_answer(course, &answer);
    }
}

/* ---- steps ---- */

static int write_body(const struct course *course, struct fh_buf *into)
{
    const struct etcd *etcd = course->etcd;
    struct fh_etcd_record record = {.epoch = course->request.epoch};
    switch (course->step) {
    case STEP_LOGIN:
        return fh_etcd_login_body(into, etcd->config.user, etcd->password);
    case STEP_READ:
        return fh_etcd_read_body(into, etcd->prefix);
    case STEP_GRANT:
        return fh_buf_printf(into, "{\"TTL\":\"%" PRId64 "\"}", (etcd->config.ttl_ms + 999) / 1000);
    case STEP_WRITE:
        if (course->request.operation == FH_ARBITER_RELEASE) {
            bool same = course->request.epoch == course->view.epoch.record.epoch;
            return fh_etcd_release_body(into, etcd->prefix, &course->view,
                                        same ? course->request.claim.stint : 0);
        }
        memcpy(record.node, etcd->node, sizeof(record.node));
        memcpy(record.mark, etcd->mark, sizeof(record.mark));
        record.alone = course->note;
        return fh_etcd_grant_body(into, etcd->prefix, &course->view, &record, course->lease_id);
    case STEP_KEEPALIVE:
    case STEP_REVOKE:
        return fh_buf_printf(into, "{\"ID\":\"%" PRId64 "\"}", course->lease_id);
    }
    return -EINVAL;
}

/* A dead endpoint must leave time for the others. */
static int64_t exchange_ms(const struct etcd *etcd)
{
    int64_t ms = etcd->config.request_timeout_ms / (int64_t)etcd->config.endpoint_count;
    return ms > EXCHANGE_MIN_MS ? ms : EXCHANGE_MIN_MS;
}

static void start_step(struct course *course, enum step step)
{
    struct etcd *etcd = course->etcd;
    struct fh_buf body;
    char url[FH_URL_MAX + 32];
    if (step != course->step) {
        course->tried = 0;
    }
    course->step = step;
    if (etcd->config.user[0] != '\0' && etcd->token[0] == '\0' && step != STEP_LOGIN) {
        course->after_login = step;
        course->step = STEP_LOGIN;
    }
    const char *endpoint = etcd->config.endpoints[course->endpoint];
    size_t len = strlen(endpoint);
    len -= len > 0 && endpoint[len - 1] == '/' ? 1 : 0;
    snprintf(url, sizeof(url), "%.*s%s", (int)len, endpoint, step_path[course->step]);
    fh_buf_init(&body, 16384);
    int r = write_body(course, &body);
    const char *text = r == 0 ? fh_buf_string(&body) : NULL;
    r = text ? fh_etcd_http_post(etcd->http, url, course->step == STEP_LOGIN ? "" : etcd->token,
                                 text, body.len, exchange_ms(etcd), on_done, course,
                                 &course->exchange)
             : -ENOMEM;
    if (body.len > 0 && course->step == STEP_LOGIN) {
        explicit_bzero(body.data, body.len);
    }
    fh_buf_done(&body);
    if (r < 0) {
        /* the time-out tells: nothing is answered from within a call */
        snprintf(course->trouble, sizeof(course->trouble), "out of memory");
    }
}

static void etcd_ask(void *state, const struct fh_arbiter_request *request)
{
    struct etcd *etcd = state;
    struct course *course = &etcd->course[0];
    for (size_t i = 1; i < FH_ARBITER_PENDING_MAX && course->request.number != 0; i++) {
        course = &etcd->course[i];
    }
    if (course->request.number != 0) {
        return; /* cannot be: as many places as arbiter.c has requests */
    }
    *course = (struct course){.etcd = etcd, .request = *request, .endpoint = etcd->endpoint};
    bool known = request->operation == FH_ARBITER_RENEW && etcd->lease_id != 0 &&
                 etcd->lease_epoch == request->epoch;
    course->lease_id = known ? etcd->lease_id : 0;
    start_step(course, known ? STEP_KEEPALIVE : STEP_READ);
}

static void etcd_forget(void *state, const struct fh_arbiter_request *request, char *text,
                        size_t size)
{
    struct etcd *etcd = state;
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        struct course *course = &etcd->course[i];
        if (course->request.number != request->number) {
            continue;
        }
        const char *endpoint = etcd->config.endpoints[course->endpoint];
        snprintf(text, size, "etcd did not answer in time; asked last: %.60s%s%.90s", endpoint,
                 course->trouble[0] != '\0' ? "; before, " : "", course->trouble);
        if (etcd->endpoint == course->endpoint) {
            etcd->endpoint = (etcd->endpoint + 1) % etcd->config.endpoint_count;
        }
        if (course->exchange) {
            fh_etcd_http_cancel(course->exchange);
        }
        memset(course, 0, sizeof(*course));
        return;
    }
    snprintf(text, size, "etcd did not answer in time");
}

/* ---- life ---- */

static void etcd_close(void *state)
{
    struct etcd *etcd = state;
    for (size_t i = 0; i < FH_ARBITER_PENDING_MAX; i++) {
        if (etcd->course[i].exchange) {
            fh_etcd_http_cancel(etcd->course[i].exchange);
        }
    }
    fh_etcd_http_free(etcd->http);
    explicit_bzero(etcd->password, sizeof(etcd->password));
    explicit_bzero(etcd->token, sizeof(etcd->token));
    free(etcd);
}

/* Both nodes come to the same name: their keys in order. */
static void name_pair(struct etcd *etcd, const char *peer_key)
{
    char keys[84];
    if (etcd->config.pair_name[0] != '\0') {
        snprintf(etcd->prefix, sizeof(etcd->prefix), "/firehosed/%s/", etcd->config.pair_name);
        return;
    }
    bool first = strcmp(etcd->mark, peer_key) < 0;
    int len = snprintf(keys, sizeof(keys), "%s%s", first ? etcd->mark : peer_key,
                       first ? peer_key : etcd->mark);
    snprintf(etcd->prefix, sizeof(etcd->prefix), "/firehosed/%016" PRIx64 "/",
             (uint64_t)XXH64(keys, (size_t)len, 0));
}

static int read_password(struct etcd *etcd, struct fh_error *err)
{
    char *text = NULL;
    if (etcd->config.user[0] == '\0') {
        return 0;
    }
    int r = fh_file_read(etcd->config.password_file, sizeof(etcd->password) - 1, 1, &text, err);
    if (r < 0) {
        fh_error_prefix(err, "arbiter.password_file");
        return r;
    }
    size_t len = strcspn(text, "\r\n");
    memcpy(etcd->password, text, len);
    explicit_bzero(text, strlen(text));
    free(text);
    return len > 0 ? 0
                   : fh_error_set(err, -EINVAL,
                                  "%s is empty; put the password of arbiter.user "
                                  "into it",
                                  etcd->config.password_file);
}

static int etcd_open(struct fh_arbiter *arbiter, const struct fh_config *config,
                     const char *secret_key, struct fh_error *err, void **ret_state)
{
    struct etcd *etcd = calloc(1, sizeof(*etcd));
    if (!etcd) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    etcd->arbiter = arbiter;
    etcd->config = config->arbiter;
    memcpy(etcd->node, config->node.name, sizeof(etcd->node));
    int r = zmq_curve_public(etcd->mark, secret_key) == 0
                ? 0
                : fh_error_set(err, -EINVAL,
                               "pair.secret_key_file does not hold a key (make one "
                               "with firehosectl keygen)");
    if (r == 0) {
        name_pair(etcd, config->pair.peer_public_key);
        r = read_password(etcd, err);
    }
    if (r == 0) {
        r = fh_etcd_http_new(&etcd->config, fh_arbiter_event(arbiter), err, &etcd->http);
    }
    if (r < 0) {
        etcd_close(etcd);
        return r;
    }
    *ret_state = etcd;
    return 0;
}

const struct fh_arbiter_backend fh_arbiter_etcd = {
    .open = etcd_open,
    .ask = etcd_ask,
    .forget = etcd_forget,
    .close = etcd_close,
};
