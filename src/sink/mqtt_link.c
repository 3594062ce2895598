/* mqtt_link.c: owns the handle of libmosquitto and the thread that serves it. Never connects a
 * second time. */
#include "mqtt_link.h"

#include <errno.h>
#include <inttypes.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KEEPALIVE_S    20
#define SERVE_EVERY_MS 1000 /* keep-alive, and the fence */
#define PACKETS        100  /* a turn */
#define IDS            65536
#define STOP_WAIT_MS   1000

struct fh_mqtt_link {
    struct fh_mqtt_settings settings;
    struct fh_mqtt_server server;
    bool version5;
    int wake;             /* eventfd: something to write, or stop */
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    unsigned users; /* owner and thread */
    bool stop, finished;
    struct mosquitto *mosquitto; /* the thread's alone until it is connecting */
    enum fh_mqtt_state state;
    enum fh_mqtt_end end;
    struct fh_error why, last_log;
    int broken, broken_errno; /* a write of the owner's failed */
    uint32_t *token;          /* by message id */
    size_t unanswered;
    struct fh_time quiet_since; /* an answer has been due since then, unless none is */
    struct fh_mqtt_answer answer[FH_MQTT_WINDOW]; /* not fetched yet; a ring */
    size_t answer_first, answer_count;
};

/* ---- what libmosquitto tells; always under the lock ---- */

static void end_with(struct fh_mqtt_link *link, enum fh_mqtt_end end, const char *what,
                     const char *detail)
{
    if (link->state == FH_MQTT_ENDED) {
        return;
    }
    link->state = FH_MQTT_ENDED;
    link->end = end;
    fh_error_set(&link->why, -ENOTCONN, "the broker at %s:%d %s%s%s", link->server.host,
                 link->server.port, what, detail[0] != '\0' ? ": " : "", detail);
    pthread_cond_broadcast(&link->changed);
}

static void on_connect(struct mosquitto *mosquitto, void *userdata, int reason, int flags,
                       const mosquitto_property *properties)
{
    struct fh_mqtt_link *link = userdata;
    (void)mosquitto;
    (void)flags;
    (void)properties;
    if (reason == 0) {
        link->state = FH_MQTT_READY;
        pthread_cond_broadcast(&link->changed);
        return;
    }
    bool version = link->version5 && (reason == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION ||
                                      reason == CONNACK_REFUSED_PROTOCOL_VERSION);
    end_with(link, version ? FH_MQTT_END_VERSION : FH_MQTT_END_OTHER, "refuses us",
             link->version5 ? mosquitto_reason_string(reason) : mosquitto_connack_string(reason));
}

static void on_disconnect(struct mosquitto *mosquitto, void *userdata, int reason,
                          const mosquitto_property *properties)
{
    struct fh_mqtt_link *link = userdata;
    (void)mosquitto;
    (void)properties;
    if (reason == MQTT_RC_SESSION_TAKEN_OVER) {
        end_with(link, FH_MQTT_END_TAKEN, "ended our connection",
                 "another client connected under the same sinks.client_id");
    } else if (reason >= 128) {
        end_with(link, FH_MQTT_END_OTHER, "ended our connection", mosquitto_reason_string(reason));
    }
}

static void on_publish(struct mosquitto *mosquitto, void *userdata, int id, int reason,
                       const mosquitto_property *properties)
{
    struct fh_mqtt_link *link = userdata;
    (void)mosquitto;
    (void)properties;
    if (id <= 0 || id >= IDS || link->answer_count == FH_MQTT_WINDOW) {
        return;
    }
    link->quiet_since = fh_now();
    size_t at = (link->answer_first + link->answer_count++) % FH_MQTT_WINDOW;
    link->answer[at] = (struct fh_mqtt_answer){.token = link->token[id], .reason = reason};
    pthread_cond_broadcast(&link->changed);
}

/* The only place where libmosquitto says why TLS failed. */
static void on_log(struct mosquitto *mosquitto, void *userdata, int level, const char *text)
{
    struct fh_mqtt_link *link = userdata;
    (void)mosquitto;
    if (level == MOSQ_LOG_ERR) {
        fh_error_set(&link->last_log, -EIO, "%s", text);
    }
}

/* ---- the thread ---- */

static void failed(struct fh_mqtt_link *link, int code, int saved_errno)
{
    char text[512];
    char buf[128];
    if (link->state == FH_MQTT_CONNECTING && code == MOSQ_ERR_CONN_LOST) {
        end_with(link, FH_MQTT_END_HUNG_UP, "hung up before it had answered", link->last_log.text);
        return;
    }
    snprintf(text, sizeof(text), "%.200s%s%.200s",
             code == MOSQ_ERR_ERRNO ? fh_strerror(saved_errno, buf, sizeof(buf))
                                    : mosquitto_strerror(code),
             link->last_log.text[0] != '\0' ? "; " : "", link->last_log.text);
    end_with(link, FH_MQTT_END_OTHER,
             link->state == FH_MQTT_CONNECTING ? "cannot be reached" : "is gone", text);
}

/* One turn, under the lock but for the waiting. */
static void serve(struct fh_mqtt_link *link)
{
    struct pollfd fds[] = {{.fd = mosquitto_socket(link->mosquitto), .events = POLLIN},
                           {.fd = link->wake, .events = POLLIN}};
    if (mosquitto_want_write(link->mosquitto)) {
        fds[0].events |= POLLOUT;
    }
    pthread_mutex_unlock(&link->lock);
    (void)poll(fds, 2, SERVE_EVERY_MS);
    pthread_mutex_lock(&link->lock);
    uint64_t count = 0;
    if ((fds[1].revents & POLLIN) && read(link->wake, &count, sizeof(count)) < 0) {
        count = 0; /* somebody else's wake-up; nothing to do about it */
    }
    if (link->stop || link->state == FH_MQTT_ENDED) {
        return;
    }
    if (fh_sink_fenced(link->settings.context)) {
        end_with(link, FH_MQTT_END_OTHER, "was left", "this node must not deliver now");
        return;
    }
    int r = MOSQ_ERR_SUCCESS;
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        r = mosquitto_loop_read(link->mosquitto, PACKETS);
    }
    if (r == MOSQ_ERR_SUCCESS && mosquitto_want_write(link->mosquitto)) {
        r = mosquitto_loop_write(link->mosquitto, PACKETS);
    }
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_loop_misc(link->mosquitto);
    }
    if (r != MOSQ_ERR_SUCCESS) {
        failed(link, r, errno);
    } else if (link->broken != MOSQ_ERR_SUCCESS) {
        failed(link, link->broken, link->broken_errno);
    }
}

static void release(struct fh_mqtt_link *link)
{
    unsigned left = --link->users;
    pthread_mutex_unlock(&link->lock);
    if (left > 0) {
        return;
    }
    mosquitto_destroy(link->mosquitto);
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
    close(link->wake);
    free(link->token);
    free(link);
}

/* The connection ends here, and not where the last user goes: by then it must be silent. */
static void *run(void *userdata)
{
    struct fh_mqtt_link *link = userdata;
    /* Resolves the name, which may take its time: without the lock. */
    int r =
        mosquitto_connect_async(link->mosquitto, link->server.host, link->server.port, KEEPALIVE_S);
    int saved_errno = errno;
    pthread_mutex_lock(&link->lock);
    if (r != MOSQ_ERR_SUCCESS) {
        failed(link, r, saved_errno);
    }
    while (!link->stop && link->state != FH_MQTT_ENDED) {
        serve(link);
    }
    if (link->stop && link->state == FH_MQTT_READY && link->unanswered == 0) {
        (void)mosquitto_disconnect(link->mosquitto);
    }
    mosquitto_destroy(link->mosquitto);
    link->mosquitto = NULL;
    link->finished = true;
    pthread_cond_broadcast(&link->changed);
    release(link);
    return NULL;
}

/* ---- life ---- */

static int set_tls(struct mosquitto *mosquitto, const struct fh_config_sink *config)
{
    const char *ca = config->ca_file[0] != '\0' ? config->ca_file : NULL;
    const char *cert = config->cert_file[0] != '\0' ? config->cert_file : NULL;
    const char *key = config->key_file[0] != '\0' ? config->key_file : NULL;
    int r = ca ? MOSQ_ERR_SUCCESS : mosquitto_int_option(mosquitto, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_tls_set(mosquitto, ca, NULL, cert, key, NULL);
    }
    return r == MOSQ_ERR_SUCCESS ? mosquitto_tls_opts_set(mosquitto, 1, NULL, NULL) : r;
}

static int set_up(struct fh_mqtt_link *link)
{
    const struct fh_mqtt_settings *settings = &link->settings;
    struct mosquitto *mosquitto = mosquitto_new(settings->client_id, true, link);
    if (!mosquitto) {
        return MOSQ_ERR_NOMEM;
    }
    link->mosquitto = mosquitto;
    mosquitto_connect_v5_callback_set(mosquitto, on_connect);
    mosquitto_disconnect_v5_callback_set(mosquitto, on_disconnect);
    mosquitto_publish_v5_callback_set(mosquitto, on_publish);
    mosquitto_log_callback_set(mosquitto, on_log);
    int r = mosquitto_int_option(mosquitto, MOSQ_OPT_PROTOCOL_VERSION,
                                 link->version5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_int_option(mosquitto, MOSQ_OPT_SEND_MAXIMUM, FH_MQTT_WINDOW);
    }
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_int_option(mosquitto, MOSQ_OPT_TCP_NODELAY, 1);
    }
    if (r == MOSQ_ERR_SUCCESS && settings->config->user[0] != '\0') {
        r = mosquitto_username_pw_set(mosquitto, settings->config->user,
                                      settings->password[0] != '\0' ? settings->password : NULL);
    }
    return r == MOSQ_ERR_SUCCESS && link->server.tls ? set_tls(mosquitto, settings->config) : r;
}

static struct fh_mqtt_link *allocate(void)
{
    struct fh_mqtt_link *link = calloc(1, sizeof(*link));
    if (!link) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&link->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&link->lock, NULL);
    link->users = 1;
    link->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    link->token = calloc(IDS, sizeof(*link->token));
    if (link->wake < 0 || !link->token) {
        pthread_mutex_lock(&link->lock);
        release(link);
        return NULL;
    }
    return link;
}

int fh_mqtt_link_start(const struct fh_mqtt_settings *settings, const struct fh_mqtt_server *server,
                       bool version5, struct fh_error *err, struct fh_mqtt_link **ret)
{
    struct fh_mqtt_link *link = allocate();
    if (!link) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    link->settings = *settings;
    link->server = *server;
    link->version5 = version5;
    link->quiet_since = fh_now();
    int r = set_up(link);
    if (r != MOSQ_ERR_SUCCESS) {
        fh_error_set(err, -EINVAL, "cannot set up a connection to %s: %s", server->host,
                     r == MOSQ_ERR_INVAL && server->tls
                         ? "sinks.ca_file, cert_file or key_file cannot be used"
                         : mosquitto_strerror(r));
        pthread_mutex_lock(&link->lock);
        release(link);
        return -EINVAL;
    }
    link->users = 2;
    pthread_t thread;
    r = pthread_create(&thread, NULL, run, link);
    if (r != 0) {
        pthread_mutex_lock(&link->lock);
        link->users = 1;
        release(link);
        return fh_error_set(err, -r, "cannot start a thread");
    }
    pthread_detach(thread);
    *ret = link;
    return 0;
}

static void wake(struct fh_mqtt_link *link)
{
    const uint64_t one = 1;
    if (write(link->wake, &one, sizeof(one)) < 0) {
        return; /* it has been woken already */
    }
}

/* Until something changes, at most so long; under the lock. */
static void wait_for_change(struct fh_mqtt_link *link, int64_t wait_ms)
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

/* A thread that is still resolving a name finds stop set before it sends anything; it is not waited
 * for longer than a moment, and frees what it uses when it is done. */
void fh_mqtt_link_stop(struct fh_mqtt_link *link)
{
    if (!link) {
        return;
    }
    struct fh_time until = fh_time_add_ms(fh_now(), STOP_WAIT_MS);
    pthread_mutex_lock(&link->lock);
    link->stop = true;
    wake(link);
    while (!link->finished && fh_time_before(fh_now(), until)) {
        wait_for_change(link, STOP_WAIT_MS);
    }
    release(link);
}

enum fh_mqtt_state fh_mqtt_link_state(struct fh_mqtt_link *link)
{
    pthread_mutex_lock(&link->lock);
    enum fh_mqtt_state state = link->state;
    pthread_mutex_unlock(&link->lock);
    return state;
}

enum fh_mqtt_end fh_mqtt_link_end(struct fh_mqtt_link *link, struct fh_error *why)
{
    pthread_mutex_lock(&link->lock);
    enum fh_mqtt_end end = link->end;
    *why = link->why;
    pthread_mutex_unlock(&link->lock);
    return end;
}

int64_t fh_mqtt_link_silence_ms(struct fh_mqtt_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool due = link->state == FH_MQTT_CONNECTING ||
               (link->state == FH_MQTT_READY && link->unanswered > link->answer_count);
    int64_t silence_ms = due ? fh_time_diff_ms(fh_now(), link->quiet_since) : 0;
    pthread_mutex_unlock(&link->lock);
    return silence_ms;
}

void fh_mqtt_link_give_up(struct fh_mqtt_link *link, const char *what)
{
    pthread_mutex_lock(&link->lock);
    end_with(link, FH_MQTT_END_OTHER, what, "");
    wake(link);
    pthread_mutex_unlock(&link->lock);
}

/* ---- messages ---- */

/* MQTT 5 has a place for what belongs to a record and is not in it. */
static int make_properties(const struct fh_collect_item *item, uint64_t epoch, const char *replay,
                           mosquitto_property **ret)
{
    char key[FH_KEY_TEXT_SIZE];
    char uid[FH_UID_MAX + 1];
    char number[24];
    size_t len = item->facts.uid.len < FH_UID_MAX ? item->facts.uid.len : FH_UID_MAX;
    fh_key_print(item->key, key);
    memcpy(uid, item->facts.uid.data, len);
    uid[len] = '\0';
    snprintf(number, sizeof(number), "%" PRIu64, epoch);
    const char *const pairs[][2] = {{"firehosed-key", key},
                                    {"firehosed-uid", uid},
                                    {"firehosed-epoch", number},
                                    {"firehosed-replay", replay}};
    int r = mosquitto_property_add_byte(ret, MQTT_PROP_PAYLOAD_FORMAT_INDICATOR, 1);
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_property_add_string(ret, MQTT_PROP_CONTENT_TYPE, "application/json");
    }
    size_t count = FH_ARRAY_LEN(pairs) - (replay ? 0 : 1);
    for (size_t i = 0; i < count && r == MOSQ_ERR_SUCCESS; i++) {
        r = mosquitto_property_add_string_pair(ret, MQTT_PROP_USER_PROPERTY, pairs[i][0],
                                               pairs[i][1]);
        /* a uid with characters MQTT has no place for stands in the record only */
        r = r == MOSQ_ERR_MALFORMED_UTF8 ? MOSQ_ERR_SUCCESS : r;
    }
    return r;
}

static int publish(struct fh_mqtt_link *link, const char *topic, bool retain,
                   const struct fh_collect_item *item, uint64_t epoch, uint32_t token)
{
    mosquitto_property *properties = NULL;
    int id = 0;
    int r = link->version5
                ? make_properties(item, epoch, link->settings.context->replay, &properties)
                : MOSQ_ERR_SUCCESS;
    if (r == MOSQ_ERR_SUCCESS) {
        r = mosquitto_publish_v5(link->mosquitto, &id, topic, (int)item->record.len,
                                 item->record.data, 1, retain, properties);
    }
    mosquitto_property_free_all(&properties);
    switch (r) {
    case MOSQ_ERR_SUCCESS:
        link->token[id & (IDS - 1)] = token;
        if (link->unanswered++ == link->answer_count) { /* none was due */
            link->quiet_since = fh_now();
        }
        return 0;
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_PAYLOAD_SIZE:
        return -EMSGSIZE;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
        return -EINVAL;
    case MOSQ_ERR_NOMEM:
        return -ENOMEM;
    default:
        /* the thread reads what the broker may have said first: that is the better reason */
        link->broken = r;
        link->broken_errno = errno;
        return -ENOTCONN;
    }
}

int fh_mqtt_link_publish(struct fh_mqtt_link *link, const char *topic, bool retain,
                         const struct fh_collect_item *item, uint64_t epoch, uint32_t token)
{
    pthread_mutex_lock(&link->lock);
    int r = -ENOTCONN;
    if (link->state == FH_MQTT_READY && !link->finished) {
        r = link->unanswered >= FH_MQTT_WINDOW ? -EAGAIN
                                               : publish(link, topic, retain, item, epoch, token);
        if (r != 0 || mosquitto_want_write(link->mosquitto)) {
            wake(link);
        }
    }
    pthread_mutex_unlock(&link->lock);
    return r;
}

size_t fh_mqtt_link_answers(struct fh_mqtt_link *link, struct fh_mqtt_answer *answers, size_t room,
                            int64_t wait_ms)
{
    pthread_mutex_lock(&link->lock);
    if (link->answer_count == 0 && link->state != FH_MQTT_ENDED && wait_ms > 0) {
        wait_for_change(link, wait_ms);
    }
    size_t count = 0;
    while (count < room && link->answer_count > 0) {
        answers[count++] = link->answer[link->answer_first];
        link->answer_first = (link->answer_first + 1) % FH_MQTT_WINDOW;
        link->answer_count--;
        link->unanswered--;
    }
    pthread_mutex_unlock(&link->lock);
    return count;
}
