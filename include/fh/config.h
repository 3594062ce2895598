/* config.h: the configuration as a plain struct, filled by src/config from one option table.
 *
 * Strings are fixed arrays: a struct fh_config is copied by assignment and owns nothing. Paths and
 * ranges of every value: src/config/schema.c, which the checker, the dump and the manual use. */
#ifndef FH_CONFIG_H
#define FH_CONFIG_H

#include "fh/envelope.h"
#include "fh/err.h"
#include "fh/partition.h"
#include "fh/report.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_PATH_MAX      512
#define FH_URL_MAX       1024
#define FH_SINKS_MAX     16
#define FH_PATHS_MAX     4
#define FH_ENDPOINTS_MAX 8
#define FH_API_KEY_MAX   512
#define FH_PAIR_KEY_MAX  41 /* Z85 of 32 bytes, and the end */

enum fh_channel { FH_CHANNEL_HTTP, FH_CHANNEL_WEBSOCKET, FH_CHANNEL_GRPC };
enum fh_http_version { FH_HTTP_AUTO, FH_HTTP_1_1, FH_HTTP_2 };
enum fh_prefer { FH_PREFER_AVAILABILITY, FH_PREFER_SAFETY };
enum fh_arbiter_type { FH_ARBITER_NONE, FH_ARBITER_WITNESS, FH_ARBITER_ETCD };
enum fh_sync { FH_SYNC_ALWAYS, FH_SYNC_INTERVAL };
enum fh_compression { FH_COMPRESS_NONE, FH_COMPRESS_ZSTD };

struct fh_config_node {
    char name[32];                    /* node.name */
    char state_dir[FH_PATH_MAX];      /* node.state_dir */
    char control_socket[FH_PATH_MAX]; /* node.control_socket */
};

struct fh_config_log {
    int64_t level; /* LOG_ERR .. LOG_DEBUG of syslog(3); LOG_INFO */
};

struct fh_config_firehose {
    char url[FH_URL_MAX];           /* base, http:// or https:// */
    char path[256];                 /* default /api/partners/v1/firehose/events */
    char api_key_file[FH_PATH_MAX]; /* or systemd credential "api_key" when empty */
    char ca_file[FH_PATH_MAX];      /* "" = the system's */
    char proxy[FH_URL_MAX];         /* "" = from the environment */
    enum fh_channel channel;
    enum fh_http_version http_version;
    int64_t replica_id;         /* 0..3; 0 = do not send (single node) */
    struct fh_ranges ranges;    /* from receivers = N or ranges = (...) */
    uint16_t range_holes;       /* bit per partition nobody of ours reads */
    int64_t threads;            /* receiver threads, 1..12 */
    bool multiplex;             /* the receivers of a thread share an HTTP/2 connection */
    int64_t silence_ms;         /* 35000 */
    int64_t connect_timeout_ms; /* 10000 */
    int64_t backoff_min_ms;     /* 1000 */
    int64_t backoff_max_ms;     /* 300000 */
    int64_t backoff_reset_ms;   /* 300000 */
    int64_t refused_retry_ms;   /* 300000: after 401, 403, 404 */
    int64_t overlap_min_ms;     /* 10000 */
    int64_t replay_window_ms;   /* 3300000 = 55 min */
    int64_t max_line_bytes;     /* 8 MiB */

    /* channel = "grpc" */
    char grpc_path[256];              /* default /firehose_api_v1.Firehose/GetEvents */
    char descriptor_set[FH_PATH_MAX]; /* schema of the records; "" = built in */
    bool keep_unknown;                /* false; fields no schema knows, as "_unknown" */
};

struct fh_config_dedup {
    enum fh_dedup_key key;
    int64_t window_minutes; /* 120 */
    int64_t max_records;    /* 100 million */
};

struct fh_config_store {
    int64_t size_limit;       /* bytes of the database file, 8 GiB */
    int64_t block_bytes;      /* raw bytes per LZ4 block, 256 KiB */
    int64_t commit_ms;        /* group commit, 5 */
    int64_t cache_bytes;      /* newest blocks kept decompressed for the sinks, 64 MiB */
    int64_t queue_bytes;      /* receivers -> store, 64 MiB */
    enum fh_sync sync;        /* always: every commit is fsynced */
    int64_t sync_interval_ms; /* with sync = "interval" */
    int64_t quarantine_bytes; /* size of quarantine.ndjson before it rolls, 16 MiB */
};

struct fh_config_pair {
    bool present;
    char listen[FH_URL_MAX];              /* tcp://ADDR:PORT */
    char peers[FH_PATHS_MAX][FH_URL_MAX]; /* one per path */
    size_t peer_count;
    char secret_key_file[FH_PATH_MAX]; /* Z85, mode 0600; or credential "pair_key" when empty */
    char peer_public_key[41];          /* Z85 */
    int64_t heartbeat_ms;              /* 300 */
    int64_t failure_after;             /* 5 heartbeats */
    bool preferred;                    /* false */
    enum fh_prefer prefer;
    int64_t join_timeout_ms;   /* 5000 */
    int64_t handover_after_ms; /* 30000; 0: never because of health */
    int64_t damping_ms;        /* 600000 */
    bool datagrams;            /* true: heartbeats over UDP, too */
};

struct fh_config_arbiter {
    enum fh_arbiter_type type;
    int64_t ttl_ms;             /* 2000: how long a lease lasts */
    int64_t request_timeout_ms; /* 1000 */
    /* type = "witness" */
    char addresses[FH_PATHS_MAX][FH_URL_MAX]; /* tcp://HOST:PORT, one per path */
    size_t address_count;
    char witness_public_key[41]; /* Z85 */
    /* type = "etcd" */
    char endpoints[FH_ENDPOINTS_MAX][FH_URL_MAX]; /* http:// or https:// */
    size_t endpoint_count;
    char ca_file[FH_PATH_MAX]; /* "" = the system's */
    char cert_file[FH_PATH_MAX];
    char key_file[FH_PATH_MAX];
    char user[64];
    char password_file[FH_PATH_MAX];
    char pair_name[64]; /* "" = made from the public keys of both nodes */
};

/* Names a request's Host may have besides addresses, localhost and the host's own name. */
#define FH_WEB_HOSTS_MAX 8
#define FH_WEB_HOST_MAX  128

struct fh_config_metrics {
    bool present;             /* the section is there: serve them */
    char listen[FH_URL_MAX];  /* ADDRESS:PORT; "" = none */
    char socket[FH_PATH_MAX]; /* UNIX socket; "" = none */
    char hosts[FH_WEB_HOSTS_MAX][FH_WEB_HOST_MAX];
    size_t host_count;
};

struct fh_config_console {
    bool present;
    char listen[FH_URL_MAX];
    char socket[FH_PATH_MAX];
    char hosts[FH_WEB_HOSTS_MAX][FH_WEB_HOST_MAX];
    size_t host_count;
    char assets[FH_PATH_MAX]; /* directory with the page */
    bool maps;                /* false; fetch floor images from the service */
    bool device_ids;          /* false; show the service's device ids */
};

/* Lists of one sink. */
#define FH_SINK_LIST_MAX   32
#define FH_SINK_FILTER_MAX 64  /* bytes of an event type, a tenant or a location, with NUL */
#define FH_SINK_FIELD_MAX  96  /* bytes of the path of a field, with NUL */
#define FH_SINK_WORD_MAX   256 /* bytes of an argument, a header, a property, with NUL */

enum fh_zeromq_pattern { FH_ZEROMQ_PUSH, FH_ZEROMQ_PUB, FH_ZEROMQ_DEALER };
enum fh_webhook_body { FH_BODY_NDJSON, FH_BODY_ARRAY };
enum fh_command_ack { FH_ACK_PIPE, FH_ACK_LINES };

/* What belongs to which type says the table in src/config/schema.c; the rest keeps its default. */
struct fh_config_sink {
    char name[FH_SINK_NAME_MAX];
    char type[16]; /* file, zeromq, webhook, command, kafka, nats, mqtt */
    bool required; /* true */

    /* every type: which records (an empty list: all), and how much of each */
    char event_types[FH_SINK_LIST_MAX][FH_SINK_FILTER_MAX];
    size_t event_type_count;
    char tenants[FH_SINK_LIST_MAX][FH_SINK_FILTER_MAX];
    size_t tenant_count;
    char locations[FH_SINK_LIST_MAX][FH_SINK_FILTER_MAX]; /* ids, of any level */
    size_t location_count;
    char include[FH_SINK_LIST_MAX][FH_SINK_FIELD_MAX]; /* a.b.c; empty list: every field */
    size_t include_count;
    char drop[FH_SINK_LIST_MAX][FH_SINK_FIELD_MAX];
    size_t drop_count;
    bool envelope; /* add the member "_firehosed" */

    /* file */
    char directory[FH_PATH_MAX];
    int64_t roll_seconds; /* 10 */
    int64_t roll_bytes;   /* 256 MiB of NDJSON before compression */
    enum fh_compression compression;
    int64_t zstd_level;
    int64_t keep_hours; /* 0 = for ever */
    int64_t keep_bytes; /* 0 = as many as there are */
    char owner[64];     /* "" = the daemon's */
    char group[64];
    char mode[8]; /* octal, "0640" */

    /* all but file: when a batch ends */
    int64_t batch_records; /* 1000 */
    int64_t batch_ms;      /* 100 */
    int64_t timeout_ms;    /* 10000: one answer of the far side */

    /* webhook, kafka, nats, mqtt: the far side and who we are to it */
    char url[FH_URL_MAX];                             /* webhook */
    char servers[FH_ENDPOINTS_MAX][FH_SINK_WORD_MAX]; /* kafka, nats, mqtt */
    size_t server_count;
    char ca_file[FH_PATH_MAX]; /* "" = the system's */
    char cert_file[FH_PATH_MAX];
    char key_file[FH_PATH_MAX];
    char user[64];
    char password_file[FH_PATH_MAX];

    /* webhook */
    char token_file[FH_PATH_MAX]; /* Authorization: Bearer */
    char headers[FH_ENDPOINTS_MAX][FH_SINK_WORD_MAX];
    size_t header_count;
    int64_t concurrency; /* requests at a time, 4 */
    enum fh_webhook_body body;

    /* zeromq */
    enum fh_zeromq_pattern pattern;
    char listen[FH_SINK_WORD_MAX];
    char secret_key_file[FH_PATH_MAX]; /* CURVE; "" = none, on this host only */
    char client_keys[FH_SINK_LIST_MAX][41];
    size_t client_key_count;
    int64_t high_water; /* records per connection, 10000 */

    /* command */
    char command[FH_SINK_LIST_MAX][FH_SINK_WORD_MAX]; /* program and its arguments */
    size_t command_count;
    enum fh_command_ack acknowledge;

    /* kafka, mqtt: topic; nats: subject. Patterns, see src/sink/pattern.h */
    char topic[FH_SINK_WORD_MAX];
    char transactional_id[FH_SINK_WORD_MAX];             /* kafka; "" = firehosed-NAME */
    char properties[FH_SINK_LIST_MAX][FH_SINK_WORD_MAX]; /* kafka: NAME=VALUE of librdkafka */
    size_t property_count;
    char stream[FH_SINK_FILTER_MAX];       /* nats */
    int64_t stream_replicas;               /* nats: copies when we make the stream; 0 = we do not */
    int64_t duplicate_window_seconds;      /* nats: of a stream we make, 7200 */
    char credentials_file[FH_PATH_MAX];    /* nats */
    char client_id[FH_SINK_FILTER_MAX];    /* mqtt; "" = firehosed-NAME */
    bool retain_position;                  /* mqtt */
    char position_topic[FH_SINK_WORD_MAX]; /* mqtt: pattern of the retained ones */
};

struct fh_config {
    struct fh_config_node node;
    struct fh_config_log log;
    struct fh_config_firehose firehose;
    struct fh_config_dedup dedup;
    struct fh_config_store store;
    struct fh_config_pair pair;
    struct fh_config_arbiter arbiter;
    struct fh_config_metrics metrics;
    struct fh_config_console console;
    struct fh_config_sink sinks[FH_SINKS_MAX];
    size_t sink_count;
};

/* Read and check a file. All findings are collected (up to 20), one line each. A text starts with
 * "NAME:LINE: " ("NAME: " for line 0; a warning goes on with "warning: "), so it can be printed as
 * it is, and says what is wrong and what to write instead: the nearest known key for an unknown
 * one, the allowed range for a value. 0 (findings may hold warnings), or -EINVAL / -ENOENT /
 * -EACCES with the sentences in findings and *ret untouched. */
struct fh_config_findings {
    size_t count;
    struct {
        int line; /* 0: the file as a whole */
        bool warning;
        char text[512];
    } finding[20];
};
int fh_config_load(const char *path, struct fh_config *ret, struct fh_config_findings *findings);
/* The same from memory; name stands for the file in sentences. No file access (fuzzed). */
int fh_config_parse(const char *text, const char *name, struct fh_config *ret,
                    struct fh_config_findings *findings);
/* What stands between the text of a file and libconfig: refuses @include (it would open files) and
 * what has no end, and marks integers that need 64 bits, which libconfig before 1.7 cuts. Lines
 * keep their numbers. 0 and the text to parse appended to ret; or negative with the line (0: none)
 * and a sentence. */
struct fh_buf;
int fh_config_prepare(const char *text, struct fh_buf *ret, int *ret_line, struct fh_error *err);
/* "http[s]://HOST[:PORT][/PATH]" taken apart. 0, or -EINVAL with the end of a sentence ("must
 * ..."). */
struct fh_url_parts {
    char host[256];   /* without brackets */
    char port[8];     /* "" when none is given */
    const char *path; /* into text, "" when there is none */
    bool https;
    bool loopback; /* this host: localhost, 127.0.0.0/8, [::1] */
};
int fh_config_url(const char *text, struct fh_error *err, struct fh_url_parts *ret);
/* Print every option with its value, or (values NULL) type, range, default and sentence. */
int fh_config_dump(const struct fh_config *values, struct fh_buf *into);
int fh_config_reference(struct fh_buf *into);
/* The rules of one type of sink that need more than one option; a sentence that names them. Used by
 * fh_config_load, and by the sink itself. 0 or -EINVAL. */
int fh_config_check_zeromq(const struct fh_config_sink *sink, struct fh_error *err);
int fh_config_check_mqtt(const struct fh_config_sink *sink, struct fh_error *err);
int fh_config_check_nats(const struct fh_config_sink *sink, struct fh_error *err);
int fh_config_check_webhook(const struct fh_config_sink *sink, struct fh_error *err);
int fh_config_check_command(const struct fh_config_sink *sink, struct fh_error *err);
/* sinks.mode of a file sink, in octal. */
int fh_config_file_mode(const char *text, struct fh_error *err, unsigned *ret);
/* "mqtt[s]://HOST[:PORT]" taken apart. 0 or -EINVAL. */
struct fh_mqtt_server {
    char host[256]; /* without brackets */
    int port;
    bool tls;
    bool loopback;
};
int fh_config_mqtt_server(const char *text, struct fh_error *err, struct fh_mqtt_server *ret);
/* What changed between two configurations and cannot be taken over while running: the paths of
 * those options, comma-separated, into text. Returns their number. */
size_t fh_config_restart_needed(const struct fh_config *before, const struct fh_config *after,
                                char *text, size_t size);
/* The API key: from api_key_file, or $CREDENTIALS_DIRECTORY/api_key. Trimmed; refuses a file that
 * others may read, an empty key and control characters. The key itself never enters a sentence. */
int fh_config_api_key(const struct fh_config *config, char key[FH_API_KEY_MAX],
                      struct fh_error *err);
/* This node's CURVE secret key, Z85: from pair.secret_key_file, or $CREDENTIALS_DIRECTORY/pair_key.
 * Refuses what fh_config_api_key() refuses. The caller wipes it. */
int fh_config_pair_key(const struct fh_config *config, char key[FH_PAIR_KEY_MAX],
                       struct fh_error *err);

#endif
