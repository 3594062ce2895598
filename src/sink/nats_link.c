/* nats_link.c: owns one connection and what is on its way over it.
 *
 * libnats answers from threads of its own. A call of theirs takes the link's lock, notes what it
 * was told and leaves; the sink's thread collects. Who is last to know the link frees it: the sink,
 * or libnats's "closed". */
#include "nats_link.h"
#include "nats_options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Answers that have begun to be told when the link is closed: they only take a lock. */
#define CLOSE_WAIT_MS 5000

struct flight {
    const natsMsg *message; /* NULL: free */
    size_t index;
};

struct fh_nats_link {
    const struct fh_config_sink *config;
    natsConnection *connection;
    jsCtx *js;
    jsPubOptions publish; /* what is equal for every message */

    pthread_mutex_t lock;   /* all below */
    pthread_cond_t changed; /* CLOCK_MONOTONIC */
    unsigned owners;        /* the sink; libnats until it has said "closed" */
    bool closed;
    struct flight flight[FH_NATS_IN_FLIGHT_MAX]; /* a ring, in the order of publication */
    size_t flight_first, flight_used;            /* slots from the oldest to the newest, gaps too */
    size_t in_flight;
    struct fh_nats_ack ack[FH_NATS_IN_FLIGHT_MAX]; /* not yet collected */
    size_t ack_count;
    char trouble[256]; /* why something failed, last; "" = nothing did */
};

/* ---- sentences ---- */

static const char *remedy(natsStatus status, jsErrCode code)
{
    switch ((int)code) {
    case JSStreamStoreFailedErr:
        return "; the stream is full and set to refuse new messages: raise its limits or let "
               "them be consumed, delivery goes on by itself";
    case JSInsufficientResourcesErr:
    case JSStorageResourcesExceededErr:
    case JSMemoryResourcesExceededErr:
    case JSAccountResourcesExceededErr:
        return "; give JetStream more room, delivery goes on by itself";
    case JSNotEnabledErr:
    case JSNotEnabledForAccountErr:
        return "; enable JetStream in the server, for this account";
    case JSStreamNotMatchErr:
        return "; another stream takes the subject: give each stream its own";
    default:
        break;
    }
    switch (status) {
    case NATS_NO_RESPONDERS:
        return "; no stream takes it just now: is JetStream on, and has the stream a leader?";
    case NATS_CONNECTION_AUTH_FAILED:
        return "; check user, password_file, token_file or credentials_file";
    case NATS_NOT_PERMITTED:
        return "; grant this user the subject in the server's permissions";
    case NATS_SSL_ERROR:
        return "; check ca_file, cert_file and key_file";
    case NATS_SECURE_CONNECTION_REQUIRED:
        return "; write tls:// in servers";
    case NATS_SECURE_CONNECTION_WANTED:
        return "; write nats:// in servers, or give the server TLS";
    case NATS_NO_SERVER:
        return "; is it running, and reachable from here?";
    default:
        return "";
    }
}

static int error_code(natsStatus status)
{
    switch (status) {
    case NATS_NO_MEMORY:
        return -ENOMEM;
    case NATS_TIMEOUT:
        return -ETIMEDOUT;
    case NATS_CONNECTION_AUTH_FAILED:
    case NATS_NOT_PERMITTED:
        return -EACCES;
    case NATS_NOT_FOUND:
        return -ENOENT;
    case NATS_SSL_ERROR:
    case NATS_SECURE_CONNECTION_REQUIRED:
    case NATS_SECURE_CONNECTION_WANTED:
        return -EPROTO;
    default:
        return -ECONNREFUSED;
    }
}

int fh_nats_fail(struct fh_error *err, natsStatus status, jsErrCode code, const char *what)
{
    natsStatus last = NATS_OK;
    const char *more = nats_GetLastError(&last);
    if (last != status || !more || more[0] == '\0') {
        more = natsStatus_GetText(status);
    }
    return fh_error_set(err, error_code(status), "cannot %s: %s%s", what, more,
                        remedy(status, code));
}

/* ---- libnats's threads ---- */

static void note_trouble(struct fh_nats_link *link, const char *text, const char *more)
{
    snprintf(link->trouble, sizeof(link->trouble), "%s%s", text && *text ? text : "no reason given",
             more);
}

static void free_link(struct fh_nats_link *link)
{
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

static void drop_owner(struct fh_nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    unsigned left = --link->owners;
    pthread_mutex_unlock(&link->lock);
    if (left == 0) {
        free_link(link);
    }
}

static void on_closed(natsConnection *connection, void *closure)
{
    struct fh_nats_link *link = closure;
    (void)connection;
    pthread_mutex_lock(&link->lock);
    link->closed = true;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
    drop_owner(link);
}

/* A publication that is not permitted is told here alone; its answer never comes. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    struct fh_nats_link *link = closure;
    const char *text = NULL;
    (void)subscription;
    if (natsConnection_GetLastError(connection, &text) == NATS_OK || !text) {
        text = natsStatus_GetText(status);
    }
    pthread_mutex_lock(&link->lock);
    note_trouble(link, text, remedy(status, (jsErrCode)0));
    link->closed = link->closed || status == NATS_NOT_PERMITTED;
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
}

/* Answers come in the order of publication but for failures, so the first slots are looked at
 * first. */
static size_t take_from_flight(struct fh_nats_link *link, const natsMsg *message)
{
    size_t index = SIZE_MAX;
    for (size_t i = 0; i < link->flight_used; i++) {
        struct flight *flight = &link->flight[(link->flight_first + i) % FH_NATS_IN_FLIGHT_MAX];
        if (flight->message == message) {
            index = flight->index;
            flight->message = NULL;
            link->in_flight--;
            break;
        }
    }
    while (link->flight_used > 0 && !link->flight[link->flight_first].message) {
        link->flight_first = (link->flight_first + 1) % FH_NATS_IN_FLIGHT_MAX;
        link->flight_used--;
    }
    return index;
}

static enum fh_nats_answer judge(struct fh_nats_link *link, const jsPubAck *ack,
                                 const jsPubAckErr *error)
{
    if (ack && ack->Sequence > 0) {
        return FH_NATS_STORED;
    }
    if (ack) {
        note_trouble(link, "the server has the message in work already", "");
        return FH_NATS_FAILED;
    }
    note_trouble(link, error->ErrText ? error->ErrText : natsStatus_GetText(error->Err),
                 remedy(error->Err, error->ErrCode));
    return error->ErrCode == JSStreamMessageExceedsMaximumErr ? FH_NATS_REFUSED : FH_NATS_FAILED;
}

static void on_ack(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure)
{
    struct fh_nats_link *link = closure;
    (void)js;
    pthread_mutex_lock(&link->lock);
    size_t index = take_from_flight(link, message);
    assert(index != SIZE_MAX && link->ack_count < FH_NATS_IN_FLIGHT_MAX);
    link->ack[link->ack_count++] = (struct fh_nats_ack){
        .index = index, .answer = judge(link, ack, error), .sequence = ack ? ack->Sequence : 0};
    pthread_cond_signal(&link->changed);
    pthread_mutex_unlock(&link->lock);
    natsMsg_Destroy(message);
}

/* ---- opening and closing ---- */

static struct fh_nats_link *new_link(const struct fh_config_sink *config)
{
    struct fh_nats_link *link = calloc(1, sizeof(*link));
    pthread_condattr_t attributes;
    if (!link) {
        return NULL;
    }
    link->config = config;
    link->owners = 2; /* libnats, too, which may let go of it at once */
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    jsPubOptions_Init(&link->publish);
    link->publish.ExpectStream = config->stream;
    return link;
}

static natsStatus set_callbacks(natsOptions *options, struct fh_nats_link *link)
{
    natsStatus status = natsOptions_SetClosedCB(options, on_closed, link);
    return status == NATS_OK ? natsOptions_SetErrorHandler(options, on_error, link) : status;
}

static natsStatus start_stream_context(struct fh_nats_link *link)
{
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = link->config->timeout_ms;
    options.PublishAsync.MaxPending = 2 * (int64_t)FH_NATS_IN_FLIGHT_MAX; /* ours is the bound */
    options.PublishAsync.AckHandler = on_ack;
    options.PublishAsync.AckHandlerClosure = link;
    return natsConnection_JetStream(&link->js, link->connection, &options);
}

static int fail_to_connect(const struct fh_config_sink *config, natsStatus status,
                           struct fh_error *err)
{
    char what[FH_SINK_WORD_MAX + 64];
    int len = snprintf(what, sizeof(what), "connect to %s", config->servers[0]);
    if (config->server_count > 1 && len > 0 && (size_t)len < sizeof(what)) {
        snprintf(what + len, sizeof(what) - (size_t)len, " or %zu others",
                 config->server_count - 1);
    }
    return fh_nats_fail(err, status, (jsErrCode)0, what);
}

int fh_nats_link_open(const struct fh_config_sink *config, const char *node, struct fh_error *err,
                      struct fh_nats_link **ret)
{
    natsOptions *options = NULL;
    int r = fh_nats_options_make(config, node, err, &options);
    if (r < 0) {
        return r;
    }
    struct fh_nats_link *link = new_link(config);
    if (!link) {
        natsOptions_Destroy(options);
        return fh_error_set(err, -ENOMEM, "no memory for a connection");
    }
    natsStatus status = set_callbacks(options, link);
    if (status == NATS_OK) {
        status = natsConnection_Connect(&link->connection, options);
    }
    natsOptions_Destroy(options);
    if (status != NATS_OK) {
        r = fail_to_connect(config, status, err);
        free_link(link); /* there is no connection that could say "closed" */
        return r;
    }
    status = start_stream_context(link);
    if (status != NATS_OK) {
        r = fh_nats_fail(err, status, (jsErrCode)0, "use JetStream");
        fh_nats_link_close(link);
        return r;
    }
    *ret = link;
    return 0;
}

static void wait_changed(struct fh_nats_link *link, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&link->changed, &link->lock, &until);
}

static size_t unanswered(struct fh_nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    size_t count = link->in_flight;
    pthread_mutex_unlock(&link->lock);
    return count;
}

/* Take back what was not answered, and let calls of on_ack that have begun come to their end. */
static bool end_answers(struct fh_nats_link *link)
{
    natsMsgList pending = {.Msgs = NULL, .Count = 0};
    size_t taken_back = 0;
    /* libnats 3.4 must not be asked before the first publication. */
    if (unanswered(link) > 0 && js_PublishAsyncGetPendingList(&pending, link->js) == NATS_OK) {
        taken_back = (size_t)pending.Count;
        natsMsgList_Destroy(&pending);
    }
    struct fh_time until = fh_time_add_ms(fh_now(), CLOSE_WAIT_MS);
    pthread_mutex_lock(&link->lock);
    while (link->in_flight > taken_back && fh_time_before(fh_now(), until)) {
        wait_changed(link, 100);
    }
    bool ended = link->in_flight <= taken_back;
    pthread_mutex_unlock(&link->lock);
    return ended;
}

void fh_nats_link_close(struct fh_nats_link *link)
{
    if (!link) {
        return;
    }
    natsConnection_Close(link->connection);
    bool ended = !link->js || end_answers(link);
    jsCtx_Destroy(link->js);
    natsConnection_Destroy(link->connection);
    if (ended) { /* else rather lose the memory than let libnats write into it */
        drop_owner(link);
    }
}

jsCtx *fh_nats_link_stream(struct fh_nats_link *link)
{
    return link->js;
}

size_t fh_nats_link_in_flight(struct fh_nats_link *link)
{
    pthread_mutex_lock(&link->lock);
    size_t count = link->in_flight + link->ack_count;
    pthread_mutex_unlock(&link->lock);
    return count;
}

void fh_nats_link_explain(struct fh_nats_link *link, struct fh_error *err)
{
    pthread_mutex_lock(&link->lock);
    if (link->trouble[0] != '\0') {
        fh_error_set(err, -EIO, "%s", link->trouble);
    }
    pthread_mutex_unlock(&link->lock);
}

/* ---- publishing ---- */

static natsStatus make_message(const struct fh_nats_message *message, natsMsg **ret)
{
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%" PRIu64, message->epoch);
    natsMsg *msg = NULL;
    natsStatus status = natsMsg_Create(&msg, message->subject, NULL, message->record.data,
                                       (int)message->record.len);
    if (status == NATS_OK) {
        status = natsMsgHeader_Set(msg, "Firehosed-Uid", message->uid);
    }
    if (status == NATS_OK) {
        status = natsMsgHeader_Set(msg, "Firehosed-Epoch", epoch);
    }
    if (status == NATS_OK && message->replay) {
        status = natsMsgHeader_Set(msg, "Firehosed-Replay", message->replay);
    }
    if (status != NATS_OK) {
        natsMsg_Destroy(msg);
        return status;
    }
    *ret = msg;
    return NATS_OK;
}

/* False: no room. The answer may come before js_PublishMsgAsync returns. */
static bool put_into_flight(struct fh_nats_link *link, const natsMsg *msg, size_t index)
{
    pthread_mutex_lock(&link->lock);
    bool room = link->flight_used < FH_NATS_IN_FLIGHT_MAX &&
                link->in_flight + link->ack_count < FH_NATS_IN_FLIGHT_MAX;
    if (room) {
        size_t at = (link->flight_first + link->flight_used++) % FH_NATS_IN_FLIGHT_MAX;
        link->flight[at] = (struct flight){.message = msg, .index = index};
        link->in_flight++;
    }
    pthread_mutex_unlock(&link->lock);
    return room;
}

int fh_nats_link_publish(struct fh_nats_link *link, const struct fh_nats_message *message,
                         struct fh_error *err)
{
    natsMsg *msg = NULL;
    if (message->record.len > INT32_MAX / 2) {
        return fh_error_set(err, -EMSGSIZE, "the record is larger than any server takes");
    }
    natsStatus status = make_message(message, &msg);
    if (status != NATS_OK) {
        return fh_nats_fail(err, status, (jsErrCode)0, "make a message");
    }
    if (!put_into_flight(link, msg, message->index)) {
        natsMsg_Destroy(msg);
        return -EAGAIN;
    }
    const natsMsg *identity = msg;
    link->publish.MsgId = message->id;
    status = js_PublishMsgAsync(link->js, &msg, &link->publish);
    if (status == NATS_OK) {
        return 0;
    }
    pthread_mutex_lock(&link->lock);
    take_from_flight(link, identity);
    pthread_mutex_unlock(&link->lock);
    natsMsg_Destroy(msg);
    if (status == NATS_MAX_PAYLOAD) {
        return fh_error_set(err, -EMSGSIZE,
                            "the record and its headers are larger than max_payload of the server "
                            "(%" PRId64 " bytes)",
                            natsConnection_GetMaxPayload(link->connection));
    }
    return fh_nats_fail(err, status, (jsErrCode)0, "publish");
}

size_t fh_nats_link_answers(struct fh_nats_link *link, int64_t wait_ms, struct fh_nats_ack *ack,
                            size_t room, bool *ret_broken, struct fh_error *err)
{
    struct fh_time until = fh_time_add_ms(fh_now(), wait_ms);
    pthread_mutex_lock(&link->lock);
    for (int64_t left = wait_ms; link->ack_count == 0 && !link->closed && left > 0;
         left = fh_time_diff_ms(until, fh_now())) {
        wait_changed(link, left);
    }
    size_t count = link->ack_count < room ? link->ack_count : room;
    memcpy(ack, link->ack, count * sizeof(*ack));
    link->ack_count -= count;
    memmove(link->ack, link->ack + count, link->ack_count * sizeof(*ack));
    *ret_broken = link->closed && link->ack_count == 0;
    if (link->trouble[0] != '\0') {
        fh_error_set(err, -EIO, "%s", link->trouble);
    } else if (*ret_broken) {
        fh_error_set(err, -EIO, "the connection ended");
    }
    pthread_mutex_unlock(&link->lock);
    return count;
}
