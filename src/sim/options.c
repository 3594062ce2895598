/* options.c: owns the table of options and the two ways into it. Never opens a socket, a
 * certificate or a replay file: what they contain is judged by whoever uses them. */
#include "options.h"

#include "fh/clock.h"

#include <errno.h>
#include <libconfig.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_FLAG, KIND_UNSIGNED, KIND_INT64, KIND_UINT64, KIND_DOUBLE, KIND_LIST };

struct row {
    const char *name;
    enum kind kind;
    int key_kind;    /* of a list of keys; or one of LIST_... */
    size_t offset;   /* in struct sim_options; for lists: unused */
    size_t size;     /* of a text */
    double min, max; /* of a number */
    const char *argument;
    const char *help;
};

#define LIST_HOSTS     (-1)
#define LIST_DESCRIBED (-2) /* keys with their permissions behind colons */
#define LIST_NO_HTTP   (-3)

#define AT(field)   offsetof(struct sim_options, field)
#define SIZE(field) sizeof(((struct sim_options *)NULL)->field)
#define TEXT(name, field, argument, help)                                                          \
    {                                                                                              \
        name, KIND_TEXT, 0, AT(field), SIZE(field), 0, 0, argument, help                           \
    }
#define FLAG(name, field, help)                                                                    \
    {                                                                                              \
        name, KIND_FLAG, 0, AT(field), 0, 0, 0, NULL, help                                         \
    }
#define NUMBER(name, kind, field, min, max, help)                                                  \
    {                                                                                              \
        name, kind, 0, AT(field), 0, min, max, "N", help                                           \
    }
#define LIST(name, key_kind, argument, help)                                                       \
    {                                                                                              \
        name, KIND_LIST, key_kind, 0, 0, 0, 0, argument, help                                      \
    }

/* clang-format off */
static const struct row rows[] = {
    TEXT("config", config, "FILE", "read options from a libconfig file; the command line wins"),
    TEXT("listen", listen, "ADDR:PORT", "where to listen; port 0 lets the kernel choose (default 127.0.0.1:8443)"),
    LIST("api-key", SIM_KEY_ON_PREMISE, "KEY", "accept this key (on-premise activation); may be repeated"),
    LIST("cloud-key", SIM_KEY_CLOUD, "KEY", "accept this key as a cloud activation: replicaId answers 400"),
    LIST("blocked-key", SIM_KEY_BLOCKED, "KEY", "this key is known and blocked: 401"),
    LIST("no-http-key", LIST_NO_HTTP, "KEY", "this key has no HTTP channel: 403 there"),
    LIST("key", LIST_DESCRIBED, "KEY[:WORD]...", "a key with words behind colons: channels=http,websocket,grpc cloud on-premise blocked"),
    TEXT("tls-cert", tls_cert, "FILE", "server certificate chain, PEM"),
    TEXT("tls-key", tls_key, "FILE", "its private key, PEM"),
    TEXT("make-cert", make_cert, "DIR", "make a CA and a certificate for localhost there; clients trust DIR/ca.pem"),
    LIST("host", LIST_HOSTS, "NAME", "a further name or address in the made certificate; may be repeated"),
    FLAG("plain", plain, "no TLS (HTTP/1.1, and HTTP/2 with prior knowledge)"),
    FLAG("http1-only", http1_only, "do not offer HTTP/2"),
    TEXT("rate", rate, "N|max", "events per second, 1 to 1000000; max: as fast as the slowest reader (default 100)"),
    NUMBER("seed", KIND_UINT64, world.seed, 0, 1e19, "same seed and options, same stream (default 1)"),
    NUMBER("start-ms", KIND_INT64, world.start_ms, 0, 9e15, "world time of the first event, epoch ms (default now)"),
    NUMBER("devices", KIND_UNSIGNED, world.devices, 1, 1e6, "Wi-Fi devices on the campus (default 5000)"),
    NUMBER("uid-bits", KIND_UNSIGNED, world.uid_bits, 8, 32, "random bits of recordUid (default 32)"),
    NUMBER("lateness-ms", KIND_INT64, world.lateness_ms, 0, 3600000, "stamps lie up to this much in the past (default 2000)"),
    NUMBER("jitter-ms", KIND_INT64, world.replica_jitter_ms, 0, 60000, "each replica's own order within this (default 50)"),
    NUMBER("window-minutes", KIND_INT64, window_minutes, 1, 10080, "kept for replay (default 60)"),
    NUMBER("window-mb", KIND_UINT64, window_mb, 1, 1048576, "at most this much memory for it (default 1024)"),
    TEXT("old-timestamp", old_timestamp, "clamp|error", "fromTimestamp before the window: start at the oldest, or 400 (default clamp)"),
    TEXT("replay-compares", replay_compares, "record|arrival", "what fromTimestamp is compared with: the stamp, or when it was issued (default record)"),
    NUMBER("replica-default", KIND_UNSIGNED, replica_default, 0, 1, "no replicaId, or 0, means replica 1, or with 0 a replica of its own (default 1)"),
    NUMBER("ping-ms", KIND_INT64, ping_ms, 0, 3600000, "between WebSocket pings; 0: never (default 30000)"),
    TEXT("grpc-package", grpc_package, "NAME", "of the gRPC service (default firehose_api_v1)"),
    TEXT("grpc-path", grpc_path, "PATH", "of the gRPC method (default /PACKAGE.Firehose/GetEvents)"),
    FLAG("grpc-gzip", grpc_gzip, "compress gRPC messages for clients that accept gzip"),
    TEXT("replay", replay, "FILE", "serve this NDJSON recording instead of the simulation"),
    NUMBER("speed", KIND_DOUBLE, world.replay_speed, 0.001, 1e6, "of the recording (default 1)"),
    NUMBER("events", KIND_UINT64, events, 0, 1e15, "stop producing after so many (default 0: never)"),
    FLAG("paused", paused, "world time stands still until POST /sim/start"),
    NUMBER("keep-alive-ms", KIND_INT64, keep_alive_ms, 10, 3600000, "KEEP_ALIVE after this silence (default 15000)"),
    NUMBER("max-replica", KIND_UNSIGNED, max_replica, 1, SIM_REPLICAS, "a higher replicaId answers 429 (default 3)"),
    NUMBER("max-connections", KIND_UNSIGNED, max_connections, 1, 1000, "per key and replica, then 429 (default 12)"),
    NUMBER("threads", KIND_UNSIGNED, threads, 1, SIM_THREADS_MAX, "threads that serve connections (default 1)"),
    NUMBER("send-buffer", KIND_UNSIGNED, send_buffer, 0, 1e9, "SO_SNDBUF in bytes (default 0: the kernel's choice)"),
    FLAG("no-ledger", world.ledger, "do not remember what was issued (saves 16 bytes an event)"),
    FLAG("help", help, "this text"),
    FLAG("version", version, "print the version"),
};
/* clang-format on */

static void defaults(struct sim_options *options)
{
    memset(options, 0, sizeof(*options));
    snprintf(options->listen, sizeof(options->listen), "127.0.0.1:8443");
    snprintf(options->rate, sizeof(options->rate), "100");
    snprintf(options->old_timestamp, sizeof(options->old_timestamp), "clamp");
    snprintf(options->replay_compares, sizeof(options->replay_compares), "record");
    snprintf(options->grpc_package, sizeof(options->grpc_package), "firehose_api_v1");
    options->replica_default = 1;
    options->ping_ms = 30000;
    options->world.seed = 1;
    options->world.devices = 5000;
    options->world.uid_bits = 32;
    options->world.lateness_ms = 2000;
    options->world.replica_jitter_ms = 50;
    options->world.replay_speed = 1;
    options->keep_alive_ms = 15000;
    options->max_replica = SIM_REPLICAS;
    options->max_connections = 12;
    options->threads = 1;
    options->window_minutes = 60;
    options->window_mb = 1024;
}

/* "keep_alive_ms" and "keep-alive-ms" are the same name. */
static bool same_name(const char *wanted, const char *name, size_t len)
{
    if (strlen(name) != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = wanted[i] == '_' ? '-' : wanted[i];
        if (c != name[i]) {
            return false;
        }
    }
    return true;
}

static const struct row *find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        if (same_name(name, rows[i].name, len)) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool read_channels(const char *list, unsigned *ret)
{
    *ret = 0;
    while (*list) {
        size_t len = strcspn(list, ",");
        unsigned before = *ret;
        for (unsigned i = 0; i < SIM_CHANNELS; i++) {
            const char *name = sim_channel_name((enum sim_channel)i);
            if (len == strlen(name) && strncmp(list, name, len) == 0) {
                *ret |= 1U << i;
            }
        }
        if (*ret == before) {
            return false;
        }
        list += len + (list[len] == ',');
    }
    return true;
}

/* "KEY:channels=http,grpc:cloud": the words behind the key. */
static int describe_key(char *words, struct sim_key *key, struct fh_error *err)
{
    char *rest = NULL;
    for (char *word = strtok_r(words, ":", &rest); word; word = strtok_r(NULL, ":", &rest)) {
        if (strcmp(word, "cloud") == 0) {
            key->kind = SIM_KEY_CLOUD;
        } else if (strcmp(word, "blocked") == 0) {
            key->kind = SIM_KEY_BLOCKED;
        } else if (strncmp(word, "channels=", 9) == 0) {
            if (!read_channels(word + 9, &key->channels)) {
                return fh_error_set(err, -EINVAL,
                                    "--key: \"%.100s\" is not a list of http, websocket and grpc",
                                    word + 9);
            }
        } else if (strcmp(word, "on-premise") != 0 && strcmp(word, "onprem") != 0) {
            return fh_error_set(err, -EINVAL, "--key: unknown word \"%.100s\" behind the key",
                                word);
        }
    }
    return 0;
}

static int add_to_list(struct sim_options *options, const struct row *row, const char *value,
                       struct fh_error *err)
{
    if (row->key_kind == LIST_HOSTS) {
        if (options->host_count == SIM_HOSTS_MAX || strlen(value) >= sizeof(options->hosts[0])) {
            return fh_error_set(err, -EINVAL, "--host: at most %d names of up to 255 characters",
                                SIM_HOSTS_MAX);
        }
        snprintf(options->hosts[options->host_count++], sizeof(options->hosts[0]), "%s", value);
        return 0;
    }
    struct sim_key *key = &options->keys[options->key_count];
    if (options->key_count == SIM_KEYS_MAX || !*value || strlen(value) >= sizeof(key->text)) {
        return fh_error_set(err, -EINVAL, "--%s: at most %d keys of 1 to 255 characters", row->name,
                            SIM_KEYS_MAX);
    }
    snprintf(key->text, sizeof(key->text), "%s", value);
    key->kind = row->key_kind < 0 ? SIM_KEY_ON_PREMISE : (enum sim_key_kind)row->key_kind;
    key->channels = SIM_ALL_CHANNELS;
    if (row->key_kind == LIST_NO_HTTP) {
        key->channels &= ~(1U << SIM_CHANNEL_HTTP);
    }
    char *colon = row->key_kind == LIST_DESCRIBED ? strchr(key->text, ':') : NULL;
    if (colon) {
        *colon = '\0';
        int r = describe_key(colon + 1, key, err);
        if (r < 0) {
            return r;
        }
    }
    if (!*key->text) {
        return fh_error_set(err, -EINVAL, "--%s: the key is missing", row->name);
    }
    options->key_count++;
    return 0;
}

static int set_number(struct sim_options *options, const struct row *row, const char *value,
                      struct fh_error *err)
{
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    bool whole = row->kind == KIND_DOUBLE || (strspn(value, "0123456789") == strlen(value));
    if (!*value || *end || errno || !isfinite(number) || !whole || number < row->min ||
        number > row->max) {
        return fh_error_set(err, -EINVAL, "--%s: \"%s\" is not a%s number from %.15g to %.15g",
                            row->name, value, row->kind == KIND_DOUBLE ? "" : " whole", row->min,
                            row->max);
    }
    char *field = (char *)options + row->offset;
    uint64_t exact = row->kind == KIND_DOUBLE ? 0 : strtoull(value, NULL, 10);
    int64_t exact_signed = (int64_t)exact;
    unsigned small = (unsigned)exact;
    switch (row->kind) {
    case KIND_UNSIGNED:
        memcpy(field, &small, sizeof(small));
        break;
    case KIND_INT64:
        memcpy(field, &exact_signed, sizeof(exact_signed));
        break;
    case KIND_UINT64:
        memcpy(field, &exact, sizeof(exact));
        break;
    default:
        memcpy(field, &number, sizeof(number));
        break;
    }
    return 0;
}

static int set_value(struct sim_options *options, const struct row *row, const char *value,
                     struct fh_error *err)
{
    switch (row->kind) {
    case KIND_LIST:
        return add_to_list(options, row, value, err);
    case KIND_FLAG:
        *((bool *)((char *)options + row->offset)) = true;
        return 0;
    case KIND_TEXT:
        if (strlen(value) >= row->size) {
            return fh_error_set(err, -EINVAL, "--%s: longer than %zu characters", row->name,
                                row->size - 1);
        }
        snprintf((char *)options + row->offset, row->size, "%s", value);
        return 0;
    default:
        return set_number(options, row, value, err);
    }
}

static int set_from_setting(struct sim_options *options, const struct row *row,
                            const config_setting_t *setting, struct fh_error *err)
{
    char text[SIM_TEXT_MAX];
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return set_value(options, row, config_setting_get_string(setting), err);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(text, sizeof(text), "%lld", config_setting_get_int64(setting));
        break;
    case CONFIG_TYPE_FLOAT:
        snprintf(text, sizeof(text), "%.15g", config_setting_get_float(setting));
        break;
    case CONFIG_TYPE_BOOL:
        if (row->kind != KIND_FLAG) {
            return fh_error_set(err, -EINVAL, "%s takes a value, not true or false", row->name);
        }
        return config_setting_get_bool(setting) ? set_value(options, row, "", err) : 0;
    default:
        return fh_error_set(err, -EINVAL, "%s: a string, a number or true/false is expected",
                            row->name);
    }
    if (row->kind == KIND_FLAG) {
        return fh_error_set(err, -EINVAL, "%s takes true or false", row->name);
    }
    return set_value(options, row, text, err);
}

static int set_from_list(struct sim_options *options, const struct row *row,
                         const config_setting_t *setting, struct fh_error *err)
{
    if (row->kind != KIND_LIST || !config_setting_is_aggregate(setting)) {
        return set_from_setting(options, row, setting, err);
    }
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++) {
        const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
        int r = set_from_setting(options, row, element, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void destroy_config(config_t *config)
{
    config_destroy(config);
}

static int read_file(const char *path, struct sim_options *options, struct fh_error *err)
{
    FH_CLEANUP(destroy_config) config_t config;
    config_init(&config);
    if (config_read_file(&config, path) != CONFIG_TRUE) {
        int line = config_error_line(&config);
        return fh_error_set(err, -EINVAL, "%s:%d: %s", path, line, config_error_text(&config));
    }
    const config_setting_t *root = config_root_setting(&config);
    int count = config_setting_length(root);
    for (int i = 0; i < count; i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(setting);
        const struct row *row = find_row(name, strlen(name));
        int r = 0;
        if (!row || row->offset == AT(config)) {
            r = fh_error_set(err, -EINVAL, "unknown option \"%s\" (see firehose-sim --help)", name);
        } else {
            r = set_from_list(options, row, setting, err);
        }
        if (r < 0) {
            fh_error_prefix(err, "%s:%u", path, config_setting_source_line(setting));
            return r;
        }
    }
    return 0;
}

/* One pass over the arguments. only_config: take nothing but --config, so that the file can be
 * read before everything else and the command line wins. */
static int read_arguments(int argc, char **argv, bool only_config, struct sim_options *options,
                          struct fh_error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strncmp(word, "--", 2) != 0) {
            return fh_error_set(err, -EINVAL, "\"%s\" is not an option (see firehose-sim --help)",
                                word);
        }
        const char *name = word + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const struct row *row = find_row(name, len);
        if (!row) {
            return fh_error_set(err, -EINVAL, "unknown option \"%s\" (see firehose-sim --help)",
                                word);
        }
        const char *value = equals ? equals + 1 : NULL;
        if (row->kind == KIND_FLAG && value) {
            return fh_error_set(err, -EINVAL, "--%s takes no value", row->name);
        }
        if (row->kind != KIND_FLAG && !value) {
            if (++i == argc) {
                return fh_error_set(err, -EINVAL, "--%s needs a value: --%s %s", row->name,
                                    row->name, row->argument);
            }
            value = argv[i];
        }
        if (only_config == (row->offset == AT(config) && row->kind == KIND_TEXT)) {
            int r = set_value(options, row, value ? value : "", err);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static int judge_rate(struct sim_options *options, struct fh_error *err)
{
    if (strcmp(options->rate, "max") == 0) {
        options->rate_max = true;
        options->world.rate = SIM_RATE_AT_MAX;
        return 0;
    }
    char *end = NULL;
    options->world.rate = strtod(options->rate, &end);
    if (!*options->rate || *end || !(options->world.rate >= 1 && options->world.rate <= 1e6)) {
        return fh_error_set(err, -EINVAL,
                            "--rate: \"%s\" is neither a number from 1 to 1000000 nor max",
                            options->rate);
    }
    return 0;
}

static int judge(struct sim_options *options, struct fh_error *err)
{
    int r = judge_rate(options, err);
    if (r < 0) {
        return r;
    }
    if (options->key_count == 0) {
        return fh_error_set(err, -EINVAL, "no key is accepted: give at least one --api-key KEY");
    }
    bool files = *options->tls_cert || *options->tls_key;
    int ways = (options->plain ? 1 : 0) + (files ? 1 : 0) + (*options->make_cert ? 1 : 0);
    if (ways != 1) {
        return fh_error_set(err, -EINVAL,
                            "choose one: --make-cert DIR, --tls-cert FILE --tls-key FILE, or "
                            "--plain");
    }
    if (files && !(*options->tls_cert && *options->tls_key)) {
        return fh_error_set(err, -EINVAL, "--tls-cert and --tls-key go together");
    }
    if (strcmp(options->old_timestamp, "clamp") != 0 &&
        strcmp(options->old_timestamp, "error") != 0) {
        return fh_error_set(err, -EINVAL, "--old-timestamp: \"%s\" is neither clamp nor error",
                            options->old_timestamp);
    }
    if (strcmp(options->replay_compares, "record") != 0 &&
        strcmp(options->replay_compares, "arrival") != 0) {
        return fh_error_set(err, -EINVAL, "--replay-compares: \"%s\" is neither record nor arrival",
                            options->replay_compares);
    }
    if (!*options->grpc_path) {
        snprintf(options->grpc_path, sizeof(options->grpc_path), "/%s.Firehose/GetEvents",
                 options->grpc_package);
    }
    if (options->grpc_path[0] != '/') {
        return fh_error_set(err, -EINVAL, "--grpc-path: \"%.100s\" does not begin with a slash",
                            options->grpc_path);
    }
    /* The flag is --no-ledger; the world's field says the opposite. */
    options->world.ledger = !options->world.ledger;
    options->world.window_ms = options->window_minutes * 60000;
    options->world.window_bytes = options->window_mb << 20;
    options->world.replay_file = *options->replay ? options->replay : NULL;
    if (options->world.start_ms == 0) {
        options->world.start_ms = fh_wall_ms();
    }
    return 0;
}

int sim_options_parse(int argc, char **argv, struct fh_error *err, struct sim_options *ret_options)
{
    defaults(ret_options);
    int r = read_arguments(argc, argv, true, ret_options, err);
    if (r == 0 && *ret_options->config) {
        r = read_file(ret_options->config, ret_options, err);
    }
    if (r == 0) {
        r = read_arguments(argc, argv, false, ret_options, err);
    }
    if (r < 0 || ret_options->help || ret_options->version) {
        return r;
    }
    return judge(ret_options, err);
}

void sim_options_help(void)
{
    printf("firehose-sim: a simulated Cisco Spaces Partner Firehose\n\n"
           "usage: firehose-sim --api-key KEY (--make-cert DIR | --tls-cert FILE --tls-key FILE | "
           "--plain) [OPTION...]\n\n");
    for (size_t i = 0; i < FH_ARRAY_LEN(rows); i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", rows[i].name,
                 rows[i].argument ? rows[i].argument : "");
        printf("  %-28s %s\n", left, rows[i].help);
    }
    printf(
        "\nWhile it runs, over the same port (from loopback, or with the header X-Sim-Control):\n"
        "  GET  /sim/status             JSON: what was issued, who is connected\n"
        "  GET  /sim/ledger[?from=N]    a line \"uid timestamp partition\" per issued record;\n"
        "                               &replica=N: with the uids and stamps this replica\n"
        "                               shows now\n"
        "  GET  /sim/faults             JSON: the faults injected so far\n"
        "  POST /sim/start, /sim/stop   let world time pass, or stand still\n"
        "  POST /sim/rate?n=N           events per second from now on, or max\n"
        "  POST /sim/fault?type=TYPE[&replica=N][&partition=N][&...]\n"
        "  POST /sim/token[?...]        an activation token of an app on the premises\n"
        "\nEvery command, fault and parameter: firehose-sim(8).\n");
}
