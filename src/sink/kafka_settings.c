/* kafka_settings.c: owns the settings of librdkafka's handles and what librdkafka says. The
 * password goes from its file into the handle and nowhere else; librdkafka never writes to stderr.
 */
#include "kafka_internal.h"

#include "fh/atomic_file.h"
#include "fh/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECRET_MAX ((size_t)4096)

struct setting {
    const char *name, *value;
};

/* Ours, which properties may change. A batch is handed over at once, so there is little to linger
 * for; the queue only has to hold one batch; and a commit is a small packet that must not wait for
 * the acknowledgement of the one before it. */
static const struct setting producer_defaults[] = {
    {"socket.nagle.disable", "true"},
    {"linger.ms", "5"},
    {"queue.buffering.max.messages", "1000000"},
    {"queue.buffering.max.kbytes", "2097151"},
    {"log.connection.close", "false"},
};
static const struct setting reader_defaults[] = {
    {"socket.nagle.disable", "true"},
    {"queued.max.messages.kbytes", "16384"},
    {"fetch.wait.max.ms", "100"},
    {"log.connection.close", "false"},
};
/* Ours, which the promise rests upon. */
static const struct setting producer_fixed[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
};
static const struct setting reader_fixed[] = {
    {"enable.partition.eof", "true"},
    {"auto.offset.reset", "earliest"},
    {"enable.auto.commit", "false"},
};

/* Properties nobody may set, and what to do instead. */
static const struct setting refused[] = {
    {"bootstrap.servers", "name the brokers in servers"},
    {"metadata.broker.list", "name the brokers in servers"},
    {"transactional.id", "set transactional_id, the same on both nodes"},
    {"sasl.username", "set user"},
    {"sasl.password", "set password_file: a password does not belong into the configuration"},
    {"enable.idempotence", "without it a record sent again may be there twice"},
    {"acks", "a record counts as delivered when all in-sync replicas have it"},
    {"request.required.acks", "a record counts as delivered when all in-sync replicas have it"},
    {"isolation.level", "what a takeover finds must be what is committed"},
    {"partitioner", "records of one device must go to one partition; consistent, murmur2 and "
                    "fnv1a are allowed"},
    {"delivery.report.only.error", "the offsets of what was delivered are needed"},
    {"enable.partition.eof", "reading back after a takeover needs it"},
    {"auto.offset.reset", "reading back after a takeover starts at the oldest record there is"},
    {"enable.auto.commit", "nothing is committed for a group when reading back"},
    {"test.mock.num.brokers", "a mock cluster keeps nothing"},
    {"log_level", "what librdkafka says goes to our log at level debug"},
    {"log.queue", "what librdkafka says goes to our log at level debug"},
};

/* ---- what librdkafka says ---------------------------------------------------------------------
 */

static void note(struct fh_kafka *kafka, const char *text)
{
    struct fh_kafka_notice *notice = &kafka->notice;
    pthread_mutex_lock(&notice->lock);
    snprintf(notice->text, sizeof(notice->text), "%s", text);
    for (char *at = notice->text; *at; at++) {
        if ((unsigned char)*at < ' ') {
            *at = ' ';
        }
    }
    pthread_mutex_unlock(&notice->lock);
}

const char *fh_kafka_notice_text(struct fh_kafka *kafka, char text[192])
{
    struct fh_kafka_notice *notice = &kafka->notice;
    pthread_mutex_lock(&notice->lock);
    snprintf(text, 192, notice->text[0] ? " (%s)" : "%s", notice->text);
    pthread_mutex_unlock(&notice->lock);
    return text;
}

void fh_kafka_notice_clear(struct fh_kafka *kafka)
{
    note(kafka, "");
}

/* librdkafka's threads. */
static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    struct fh_kafka *kafka = rd_kafka_opaque(handle);
    fh_log(LOG_DEBUG, "sink \"%s\": librdkafka: %s: %s", kafka->config.name, facility, text);
    if (level <= LOG_ERR) {
        note(kafka, text);
    }
}

/* Delivery thread, inside a call of ours. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    (void)handle;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* says less than what came before it */
        note(opaque, reason);
    }
}

/* ---- settings ---------------------------------------------------------------------------------
 */

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct fh_error *err)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
        return fh_error_set(err, -EINVAL, "properties: %s", text);
    }
    return 0;
}

static int set_all(rd_kafka_conf_t *conf, const struct setting *settings, size_t count,
                   struct fh_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = set(conf, settings[i].name, settings[i].value, err);
    }
    return r;
}

static bool may_set(const char *name, const char *value, const char **ret_reason)
{
    static const char *const partitioners[] = {
        "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a", "fnv1a_random"};
    for (size_t i = 0; strcmp(name, "partitioner") == 0 && i < FH_ARRAY_LEN(partitioners); i++) {
        if (strcmp(value, partitioners[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(refused); i++) {
        if (strcmp(name, refused[i].name) == 0) {
            *ret_reason = refused[i].value;
            return false;
        }
    }
    return true;
}

static int set_properties(rd_kafka_conf_t *conf, const struct fh_config_sink *config,
                          struct fh_error *err)
{
    for (size_t i = 0; i < config->property_count; i++) {
        char name[FH_SINK_WORD_MAX];
        const char *reason = "";
        snprintf(name, sizeof(name), "%s", config->properties[i]);
        char *equals = strchr(name, '=');
        if (!equals || equals == name) {
            return fh_error_set(err, -EINVAL, "properties: \"%.60s\" is not NAME=VALUE",
                                equals ? name : "one of them");
        }
        *equals = '\0';
        if (!may_set(name, equals + 1, &reason)) {
            return fh_error_set(err, -EINVAL, "properties: %s cannot be set: %s", name, reason);
        }
        int r = set(conf, name, equals + 1, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void wipe_text(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
    }
}

/* Without SASL librdkafka would pass over user and password, and connect as nobody. */
static int check_user(const rd_kafka_conf_t *conf, const struct fh_config_sink *config,
                      struct fh_error *err)
{
    char protocol[32] = "";
    size_t size = sizeof(protocol);
    (void)rd_kafka_conf_get(conf, "security.protocol", protocol, &size);
    if ((config->user[0] != '\0') != (config->password_file[0] != '\0')) {
        return fh_error_set(err, -EINVAL, "user and password_file belong together");
    }
    if (config->user[0] != '\0' && strncasecmp(protocol, "sasl_", 5) != 0) {
        return fh_error_set(
            err, -EINVAL,
            "user and password_file mean nothing without security.protocol=SASL_SSL "
            "in properties (it is %s)",
            protocol);
    }
    return 0;
}

static int set_user(rd_kafka_conf_t *conf, const struct fh_config_sink *config,
                    struct fh_error *err)
{
    int r = check_user(conf, config, err);
    if (r < 0 || config->user[0] == '\0') {
        return r;
    }
    r = set(conf, "sasl.username", config->user, err);
    if (r < 0) {
        return r;
    }
    FH_CLEANUP(wipe_text) char *text = NULL;
    r = fh_file_read(config->password_file, SECRET_MAX, 1, &text, err);
    if (r < 0) {
        fh_error_prefix(err, "password_file");
        return r;
    }
    text[strcspn(text, "\r\n")] = '\0';
    if (text[0] == '\0') {
        return fh_error_set(err, -EINVAL, "%s is empty; put the password into its first line",
                            config->password_file);
    }
    struct fh_error ignored; /* librdkafka's sentence could hold the value */
    if (set(conf, "sasl.password", text, &ignored) < 0) {
        return fh_error_set(err, -EINVAL, "%s: librdkafka does not take this password",
                            config->password_file);
    }
    return 0;
}

static int set_servers(rd_kafka_conf_t *conf, const struct fh_config_sink *config,
                       struct fh_error *err)
{
    char servers[FH_ENDPOINTS_MAX * FH_SINK_WORD_MAX] = "";
    size_t used = 0;
    for (size_t i = 0; i < config->server_count; i++) {
        used += (size_t)snprintf(servers + used, sizeof(servers) - used, "%s%s", i > 0 ? "," : "",
                                 config->servers[i]);
    }
    return set(conf, "bootstrap.servers", servers, err);
}

static rd_kafka_conf_t *conf_new(struct fh_kafka *kafka)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

static void conf_done(rd_kafka_conf_t **conf)
{
    if (*conf) {
        rd_kafka_conf_destroy(*conf);
    }
}

/* The handle takes the settings over when it can be made. */
static int handle_new(rd_kafka_type_t type, rd_kafka_conf_t **inout_conf, struct fh_error *err,
                      rd_kafka_t **ret)
{
    char text[320];
    rd_kafka_t *handle = rd_kafka_new(type, *inout_conf, text, sizeof(text));
    if (!handle) {
        return fh_error_set(err, -EINVAL, "librdkafka refuses these settings: %s", text);
    }
    *inout_conf = NULL;
    *ret = handle;
    return 0;
}

static int producer_new(struct fh_kafka *kafka, bool connected, struct fh_error *err,
                        rd_kafka_t **ret)
{
    FH_CLEANUP(conf_done) rd_kafka_conf_t *conf = conf_new(kafka);
    rd_kafka_conf_set_dr_msg_cb(conf, fh_kafka_delivered);
    int r = set_all(conf, producer_defaults, FH_ARRAY_LEN(producer_defaults), err);
    if (r == 0 && kafka->context.node) {
        char name[96];
        snprintf(name, sizeof(name), "firehosed-%s", kafka->context.node);
        r = set(conf, "client.id", name, err);
    }
    r = r < 0 ? r : set_properties(conf, &kafka->config, err);
    r = r < 0 ? r : set_all(conf, producer_fixed, FH_ARRAY_LEN(producer_fixed), err);
    r = r < 0 ? r : set(conf, "transactional.id", kafka->transactional_id, err);
    r = r < 0 ? r : set_user(conf, &kafka->config, err);
    r = r < 0 || !connected ? r : set_servers(conf, &kafka->config, err);
    return r < 0 ? r : handle_new(RD_KAFKA_PRODUCER, &conf, err, ret);
}

static int reader_new(struct fh_kafka *kafka, bool connected, bool committed, struct fh_error *err,
                      rd_kafka_t **ret)
{
    FH_CLEANUP(conf_done) rd_kafka_conf_t *conf = conf_new(kafka);
    int r = set_all(conf, reader_defaults, FH_ARRAY_LEN(reader_defaults), err);
    r = r < 0 ? r : set_properties(conf, &kafka->config, err);
    r = r < 0 ? r : set_all(conf, reader_fixed, FH_ARRAY_LEN(reader_fixed), err);
    r = r < 0
            ? r
            : set(conf, "isolation.level", committed ? "read_committed" : "read_uncommitted", err);
    r = r < 0 ? r : set_user(conf, &kafka->config, err);
    r = r < 0 || !connected ? r : set_servers(conf, &kafka->config, err);
    return r < 0 ? r : handle_new(RD_KAFKA_CONSUMER, &conf, err, ret);
}

int fh_kafka_check(struct fh_kafka *kafka, struct fh_error *err)
{
    rd_kafka_t *handle = NULL;
    int r = producer_new(kafka, false, err, &handle);
    if (r == 0) {
        fh_kafka_handle_free(handle);
        r = reader_new(kafka, false, true, err, &handle);
    }
    if (r == 0) {
        fh_kafka_handle_free(handle);
    }
    fh_kafka_notice_clear(kafka); /* that there are no servers */
    return r;
}

int fh_kafka_producer_new(struct fh_kafka *kafka, struct fh_error *err, rd_kafka_t **ret)
{
    return producer_new(kafka, true, err, ret);
}

int fh_kafka_reader_new(struct fh_kafka *kafka, bool committed, struct fh_error *err,
                        rd_kafka_t **ret)
{
    return reader_new(kafka, true, committed, err, ret);
}

void fh_kafka_handle_free(rd_kafka_t *handle)
{
    if (!handle) {
        return;
    }
    if (rd_kafka_type(handle) == RD_KAFKA_PRODUCER) {
        rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
