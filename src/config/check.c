/* check.c: owns the rules that need more than one option, or more than a range. Never changes a
 * value. An option that was refused already stays out of it: one mistake, one finding. */
#include "loading.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_PATH_MAX 107 /* sun_path without its NUL */
#define Z85_KEY_LEN     40

static const struct fh_origin *origin_of(const struct fh_loading *loading, const char *path,
                                         size_t sink)
{
    size_t section_len = strcspn(path, ".");
    int index = fh_option_find(path, section_len, path + section_len + 1);
    return &loading->origin[sink][index];
}

static int section_line(const struct fh_loading *loading, const char *name)
{
    for (size_t i = 0; i < fh_section_count; i++) {
        if (strcmp(fh_sections[i].name, name) == 0) {
            return abs(loading->section_line[i]);
        }
    }
    return 0;
}

int fh_line_of(const struct fh_loading *loading, const char *path, size_t sink)
{
    int line = origin_of(loading, path, sink)->line;
    if (line > 0) {
        return line;
    }
    char section[32];
    snprintf(section, sizeof(section), "%.*s", (int)strcspn(path, "."), path);
    return strcmp(section, FH_SINKS_SECTION) == 0 ? loading->sink_line[sink]
                                                  : section_line(loading, section);
}

bool fh_given(const struct fh_loading *loading, const char *path, size_t sink)
{
    return origin_of(loading, path, sink)->line > 0;
}

bool fh_usable(const struct fh_loading *loading, const char *path, size_t sink)
{
    return !origin_of(loading, path, sink)->bad;
}

static void check_required_options(struct fh_loading *loading, const char *section, size_t sink)
{
    for (size_t i = 0; i < fh_option_count; i++) {
        const struct fh_option *option = &fh_options[i];
        if (!option->required || !fh_option_in(option, section)) {
            continue;
        }
        int line = fh_line_of(loading, option->path, sink);
        if (!fh_given(loading, option->path, sink)) {
            fh_refuse(loading, line, "%s is missing; add %s", option->path, option->example);
        } else if (fh_usable(loading, option->path, sink) &&
                   *(const char *)fh_option_value(option, loading->config, sink) == '\0') {
            fh_refuse(loading, line, "%s is empty; write %s", option->path, option->example);
        }
    }
}

static void check_required(struct fh_loading *loading)
{
    for (size_t i = 0; i < fh_section_count; i++) {
        const struct fh_section *section = &fh_sections[i];
        if (loading->section_line[i] == 0) {
            if (section->required) {
                fh_refuse(loading, 0, "the section %s is missing; add %s", section->name,
                          section->example);
            }
        } else if (loading->section_line[i] > 0 && strcmp(section->name, FH_SINKS_SECTION) != 0) {
            check_required_options(loading, section->name, 0);
        }
    }
    if (loading->errors == 0 && loading->config->sink_count == 0) {
        fh_refuse(loading, section_line(loading, FH_SINKS_SECTION),
                  "sinks is empty; events need at least one place to go");
    }
    for (size_t sink = 0; sink < loading->config->sink_count; sink++) {
        check_required_options(loading, FH_SINKS_SECTION, sink);
    }
}

/* Names become parts of file names and of log lines. */
static bool is_plain_name(const char *name)
{
    if (*name == '.' || *name == '-') {
        return false;
    }
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("._-", *name)) {
            return false;
        }
    }
    return true;
}

void fh_check_name(struct fh_loading *loading, const char *path, const char *name, size_t sink)
{
    if (!is_plain_name(name)) {
        fh_refuse(loading, fh_line_of(loading, path, sink),
                  "%s is \"%.40s\"; use letters, digits, dot, dash and underscore only, starting "
                  "with a letter, digit or underscore",
                  path, name);
    }
}

static void check_node(struct fh_loading *loading)
{
    const struct fh_config_node *node = &loading->config->node;
    fh_check_name(loading, "node.name", node->name, 0);
    if (strlen(node->control_socket) > SOCKET_PATH_MAX) {
        fh_refuse(loading, fh_line_of(loading, "node.control_socket", 0),
                  "node.control_socket is %zu bytes long; the path of a socket has at most %d",
                  strlen(node->control_socket), SOCKET_PATH_MAX);
    }
    const char *const empty[] = {node->state_dir[0] == '\0' ? "node.state_dir" : NULL,
                                 node->control_socket[0] == '\0' ? "node.control_socket" : NULL};
    for (size_t i = 0; i < FH_ARRAY_LEN(empty); i++) {
        if (empty[i]) {
            fh_refuse(loading, fh_line_of(loading, empty[i], 0),
                      "%s is empty; leave it out for its default", empty[i]);
        }
    }
}

static void check_url(struct fh_loading *loading)
{
    const char *url = loading->config->firehose.url;
    int line = fh_line_of(loading, "firehose.url", 0);
    struct fh_error err;
    if (!fh_usable(loading, "firehose.url", 0) || url[0] == '\0') {
        return;
    }
    if (fh_url_check(url, &err) < 0) {
        fh_refuse(loading, line, "firehose.url %s", err.text);
    } else if (!fh_url_is_https(url) && !fh_url_is_loopback(url)) {
        fh_refuse(loading, line,
                  "firehose.url must be https: over http the API key would travel in clear (http "
                  "is allowed to 127.0.0.0/8, [::1] and localhost only)");
    }
}

static void check_path(struct fh_loading *loading, const char *option, const char *path)
{
    bool good = path[0] == '/';
    for (const char *c = path; *c; c++) {
        good = good && *c > ' ' && *c < 0x7f && !strchr("?#\\", *c);
    }
    if (!good) {
        fh_refuse(loading, fh_line_of(loading, option, 0),
                  "%s must start with / and contain no blanks, ? or #", option);
    }
}

/* Both options hold values that are allowed alone: first must not exceed second. */
static void check_order(struct fh_loading *loading, const char *first, int64_t first_value,
                        const char *second, int64_t second_value, const char *why)
{
    if (!fh_usable(loading, first, 0) || !fh_usable(loading, second, 0) ||
        first_value <= second_value) {
        return;
    }
    const char *given = fh_given(loading, first, 0) ? first : second;
    fh_refuse(loading, fh_line_of(loading, given, 0),
              "%s is %" PRId64 ", more than %s, which is %" PRId64 "; %s", first, first_value,
              second, second_value, why);
}

static void check_ranges(struct fh_loading *loading)
{
    const struct fh_config_firehose *firehose = &loading->config->firehose;
    int line = fh_line_of(loading, "firehose.ranges", 0);
    if (fh_given(loading, "firehose.ranges", 0) && fh_given(loading, "firehose.receivers", 0)) {
        fh_refuse(loading, line,
                  "firehose.receivers and firehose.ranges are both given; keep one of them");
        return;
    }
    if (firehose->range_holes != 0) {
        char holes[64] = "";
        for (unsigned p = 1; p <= FH_PARTITIONS; p++) {
            if (firehose->range_holes & 1U << (p - 1)) {
                size_t used = strlen(holes);
                snprintf(holes + used, sizeof(holes) - used, "%s%u", used > 0 ? ", " : "", p);
            }
        }
        fh_warn(loading, line,
                "firehose.ranges leaves out partition %s; right only if another pair reads it",
                holes);
    }
    if (fh_given(loading, "firehose.threads", 0) && fh_usable(loading, "firehose.threads", 0) &&
        firehose->threads > (int64_t)firehose->ranges.count) {
        fh_warn(loading, fh_line_of(loading, "firehose.threads", 0),
                "firehose.threads is %" PRId64 ", but there are %zu receivers; so many are used",
                firehose->threads, firehose->ranges.count);
    }
}

static void check_multiplex(struct fh_loading *loading)
{
    const struct fh_config_firehose *firehose = &loading->config->firehose;
    int line = fh_line_of(loading, "firehose.multiplex", 0);
    if (!firehose->multiplex) {
        return;
    }
    if (firehose->channel == FH_CHANNEL_WEBSOCKET && fh_usable(loading, "firehose.channel", 0)) {
        fh_refuse(loading, line,
                  "firehose.multiplex needs HTTP/2, but a WebSocket has a connection of its own; "
                  "remove it, or use another channel");
    } else if (firehose->http_version == FH_HTTP_1_1) {
        fh_refuse(loading, line,
                  "firehose.multiplex needs HTTP/2, but firehose.http_version is \"1.1\"; remove "
                  "one of them");
    }
}

static void check_firehose(struct fh_loading *loading)
{
    const struct fh_config_firehose *firehose = &loading->config->firehose;
    check_url(loading);
    check_path(loading, "firehose.path", firehose->path);
    check_path(loading, "firehose.grpc_path", firehose->grpc_path);
    check_ranges(loading);
    check_multiplex(loading);
    check_order(loading, "firehose.backoff_min_ms", firehose->backoff_min_ms,
                "firehose.backoff_max_ms", firehose->backoff_max_ms, "exchange them");
    check_order(loading, "firehose.overlap_min_ms", firehose->overlap_min_ms,
                "firehose.replay_window_ms", firehose->replay_window_ms,
                "the overlap is part of the replay window");
}

/* A replay longer than the memory would be delivered again. */
static void check_dedup(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    int64_t window_ms = config->dedup.window_minutes * 60000;
    int64_t replay_ms = config->firehose.replay_window_ms;
    if (!fh_usable(loading, "dedup.window_minutes", 0) ||
        !fh_usable(loading, "firehose.replay_window_ms", 0) || window_ms >= replay_ms) {
        return;
    }
    const char *given = fh_given(loading, "dedup.window_minutes", 0) ? "dedup.window_minutes"
                                                                     : "firehose.replay_window_ms";
    fh_refuse(loading, fh_line_of(loading, given, 0),
              "dedup.window_minutes is %" PRId64
              ", shorter than firehose.replay_window_ms (%" PRId64
              " ms): replayed records would be delivered twice; use at least %" PRId64,
              config->dedup.window_minutes, replay_ms, (replay_ms + 59999) / 60000);
}

static void check_sizes(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    const struct fh_config_store *store = &config->store;
    int64_t line_bytes = config->firehose.max_line_bytes;
    check_order(loading, "firehose.max_line_bytes", line_bytes, "store.queue_bytes",
                store->queue_bytes, "the longest record must fit into the queue");
    check_order(loading, "store.block_bytes", store->block_bytes, "store.cache_bytes",
                store->cache_bytes, "the cache must hold a block");
    if (fh_usable(loading, "firehose.max_line_bytes", 0) &&
        fh_usable(loading, "store.size_limit", 0) && line_bytes > store->size_limit / 2) {
        const char *given = fh_given(loading, "firehose.max_line_bytes", 0)
                                ? "firehose.max_line_bytes"
                                : "store.size_limit";
        fh_refuse(loading, fh_line_of(loading, given, 0),
                  "store.size_limit (%" PRId64 ") must be at least twice firehose.max_line_bytes "
                  "(%" PRId64 ")",
                  store->size_limit, line_bytes);
    }
}

static void check_replica(struct fh_loading *loading)
{
    if (loading->config->firehose.replica_id == 0 && fh_usable(loading, "firehose.replica_id", 0)) {
        fh_refuse(loading, fh_line_of(loading, "firehose.replica_id", 0),
                  "in a pair firehose.replica_id must be 1, 2 or 3, another one on each node: with "
                  "the same replica the nodes would take each other's events");
    }
}

static void check_peers(struct fh_loading *loading)
{
    const struct fh_config_pair *pair = &loading->config->pair;
    int line = fh_line_of(loading, "pair.peers", 0);
    struct fh_error err;
    for (size_t i = 0; i < pair->peer_count; i++) {
        if (fh_endpoint_check(pair->peers[i], false, &err) < 0) {
            fh_refuse(loading, line, "pair.peers: \"%.100s\" %s", pair->peers[i], err.text);
        } else if (strcmp(pair->peers[i], pair->listen) == 0) {
            fh_refuse(loading, line,
                      "pair.peers: \"%.100s\" is this node itself (pair.listen); name the other",
                      pair->peers[i]);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(pair->peers[i], pair->peers[k]) == 0) {
                fh_refuse(loading, line, "pair.peers names \"%.100s\" twice", pair->peers[i]);
                break;
            }
        }
    }
}

void fh_check_public_key(struct fh_loading *loading, const char *path, const char *key,
                         const char *where)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              ".-:+=^!/*?&<>()[]{}@%$#";
    size_t len = strlen(key);
    if (len > 0 && (len != Z85_KEY_LEN || strspn(key, z85) != len)) {
        fh_refuse(loading, fh_line_of(loading, path, 0),
                  "%s is no public key (40 characters in Z85); copy what firehosectl keygen "
                  "printed on %s",
                  path, where);
    }
}

static void check_pair(struct fh_loading *loading)
{
    const struct fh_config_pair *pair = &loading->config->pair;
    struct fh_error err;
    if (!pair->present) {
        return;
    }
    check_replica(loading);
    if (pair->listen[0] != '\0' && fh_endpoint_check(pair->listen, true, &err) < 0) {
        fh_refuse(loading, fh_line_of(loading, "pair.listen", 0), "pair.listen %s", err.text);
    }
    check_peers(loading);
    fh_check_public_key(loading, "pair.peer_public_key", pair->peer_public_key, "the other node");
    int64_t failure_ms = pair->heartbeat_ms * pair->failure_after;
    if (pair->join_timeout_ms <= failure_ms && fh_usable(loading, "pair.join_timeout_ms", 0)) {
        fh_warn(loading, fh_line_of(loading, "pair.join_timeout_ms", 0),
                "pair.join_timeout_ms is %" PRId64 ", not longer than heartbeat_ms x failure_after "
                "(%" PRId64 " ms): a node that starts may not hear the other in time",
                pair->join_timeout_ms, failure_ms);
    }
}

static bool is_empty(const struct fh_option *option, struct fh_config *config, size_t sink)
{
    return option->type == FH_OPTION_STRINGS
               ? *fh_option_strings_count(option, config, sink) == 0
               : *(const char *)fh_option_value(option, config, sink) == '\0';
}

/* What belongs to another type is refused rather than ignored: it was meant to do something. */
static void check_sink_options(struct fh_loading *loading, size_t sink)
{
    const char *type = loading->config->sinks[sink].type;
    for (size_t i = 0; i < fh_option_count && type[0] != '\0'; i++) {
        const struct fh_option *option = &fh_options[i];
        if (!fh_option_in(option, FH_SINKS_SECTION) || !option->types) {
            continue;
        }
        bool belongs = fh_option_for_type(option, type);
        if (!belongs && fh_given(loading, option->path, sink)) {
            fh_refuse(loading, fh_line_of(loading, option->path, sink),
                      "%s does not belong to a %s sink (it is for: %s); remove it", option->path,
                      type, option->types);
        } else if (belongs && option->needed && fh_usable(loading, option->path, sink) &&
                   is_empty(option, loading->config, sink)) {
            fh_refuse(loading, fh_line_of(loading, option->path, sink),
                      "%s is missing; a %s sink needs it: %s", option->path, type, option->example);
        }
    }
}

static void check_sinks(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    for (size_t i = 0; i < config->sink_count; i++) {
        const struct fh_config_sink *sink = &config->sinks[i];
        fh_check_name(loading, "sinks.name", sink->name, i);
        for (size_t k = 0; k < i && sink->name[0] != '\0'; k++) {
            if (strcmp(sink->name, config->sinks[k].name) == 0) {
                fh_refuse(loading, fh_line_of(loading, "sinks.name", i),
                          "two sinks are named \"%s\"; give each its own name", sink->name);
                break;
            }
        }
        check_sink_options(loading, i);
        fh_config_check_shape(loading, i);
        fh_config_check_messaging(loading, i);
        fh_config_check_nats_sink(loading, i);
        fh_config_check_output(loading, i);
        fh_config_check_alike(loading, i);
    }
}

void fh_config_check(struct fh_loading *loading)
{
    check_required(loading);
    check_node(loading);
    check_firehose(loading);
    check_dedup(loading);
    check_sizes(loading);
    check_pair(loading);
    fh_config_check_arbiter(loading);
    fh_config_check_watch(loading);
    check_sinks(loading);
}
