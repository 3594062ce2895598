/* config.c: owns the way from the file to struct witness_config. Reads that one file only; never
 * opens a key or a socket. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define KEY_LEN 40

struct loading {
    const char *path;
    struct witness_config *config;
    witness_finding finding;
    void *userdata;
    bool failed;
};

FH_PRINTF(3, 4)
static void refuse(struct loading *loading, int line, const char *format, ...)
{
    char what[512];
    char text[1100];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(text, sizeof(text), line > 0 ? "%.500s:%d: %s" : "%.500s:%.0d %s", loading->path, line,
             what);
    for (char *c = text; *c; c++) {
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
    }
    loading->finding(loading->userdata, text);
    loading->failed = true;
}

static int line_of(const config_setting_t *setting)
{
    return (int)config_setting_source_line(setting);
}

/* Every key of the group is one of known (NULL-terminated). */
static void check_keys(struct loading *loading, const config_setting_t *group, const char *where,
                       const char *const *known)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        char all[256] = "";
        bool found = false;
        for (size_t k = 0; known[k]; k++) {
            size_t used = strlen(all);
            snprintf(all + used, sizeof(all) - used, "%s%s", k > 0 ? ", " : "", known[k]);
            found = found || strcmp(name, known[k]) == 0;
        }
        if (!found) {
            refuse(loading, line_of(setting), "unknown option %s%.60s; known here: %s", where, name,
                   all);
        }
    }
}

/* A string that fits; false (and a finding) when it does not. */
static bool take_string(struct loading *loading, const config_setting_t *setting, const char *name,
                        char *ret, size_t size)
{
    const char *text = setting ? config_setting_get_string(setting) : NULL;
    if (!text) {
        refuse(loading, setting ? line_of(setting) : 0, "%s must be a string", name);
        return false;
    }
    if (strlen(text) >= size || strpbrk(text, "\r\n\t")) {
        refuse(loading, line_of(setting), "%s is longer than %zu bytes or holds control characters",
               name, size - 1);
        return false;
    }
    snprintf(ret, size, "%s", text);
    return true;
}

static bool is_key(const char *text)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              ".-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == KEY_LEN && strspn(text, z85) == KEY_LEN;
}

/* tcp://HOST:PORT; ZeroMQ would take a port beyond 65535 for another one. */
static bool is_endpoint(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (strncmp(text, "tcp://", 6) != 0 || colon <= text + 6) {
        return false;
    }
    size_t len = strlen(colon + 1);
    long port = len >= 1 && len <= 5 && strspn(colon + 1, "0123456789") == len
                    ? strtol(colon + 1, NULL, 10)
                    : 0;
    return port >= 1 && port <= 65535;
}

static void read_listen(struct loading *loading, const config_setting_t *setting)
{
    struct witness_config *config = loading->config;
    int type = config_setting_type(setting);
    bool many = type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_ARRAY;
    int count = many ? config_setting_length(setting) : 1;
    if (count < 1 || count > WITNESS_ADDRESSES_MAX) {
        refuse(loading, line_of(setting), "witness.listen has %d addresses; 1 to %d are allowed",
               count, WITNESS_ADDRESSES_MAX);
        return;
    }
    for (int i = 0; i < count; i++) {
        char *into = config->listen[i];
        const config_setting_t *from =
            many ? config_setting_get_elem(setting, (unsigned)i) : setting;
        if (take_string(loading, from, "witness.listen", into, sizeof(config->listen[0])) &&
            !is_endpoint(into)) {
            refuse(loading, line_of(setting),
                   "witness.listen: \"%.100s\" must look like tcp://0.0.0.0:5571, with a port "
                   "from 1 to 65535",
                   into);
        }
    }
    config->listen_count = (size_t)count;
}

static void read_path(struct loading *loading, const config_setting_t *setting, const char *name,
                      char *into)
{
    if (take_string(loading, setting, name, into, WITNESS_PATH_MAX) && into[0] != '/') {
        refuse(loading, line_of(setting), "%s is \"%.100s\"; it must be an absolute path", name,
               into);
    }
}

static void read_witness(struct loading *loading, const config_setting_t *group)
{
    static const char *const known[] = {"listen",     "secret_key_file", "state_dir",
                                        "ttl_max_ms", "log_level",       NULL};
    static const char *const levels[] = {"error", "warning", "notice", "info", "debug"};
    struct witness_config *config = loading->config;
    check_keys(loading, group, "witness.", known);
    const config_setting_t *setting = config_setting_get_member(group, "listen");
    if (setting) {
        read_listen(loading, setting);
    } else {
        refuse(loading, line_of(group),
               "witness.listen is missing; add listen = \"tcp://0.0.0.0:5571\";");
    }
    setting = config_setting_get_member(group, "secret_key_file");
    if (setting) {
        read_path(loading, setting, "witness.secret_key_file", config->secret_key_file);
    } else {
        refuse(loading, line_of(group),
               "witness.secret_key_file is missing; make a key with firehosectl keygen");
    }
    if ((setting = config_setting_get_member(group, "state_dir"))) {
        read_path(loading, setting, "witness.state_dir", config->state_dir);
    }
    if ((setting = config_setting_get_member(group, "ttl_max_ms"))) {
        config->ttl_max_ms = config_setting_get_int64(setting);
        if (config->ttl_max_ms < 500 || config->ttl_max_ms > 600000) {
            refuse(loading, line_of(setting),
                   "witness.ttl_max_ms must be an integer from 500 to 600000");
        }
    }
    if ((setting = config_setting_get_member(group, "log_level"))) {
        const char *level = config_setting_get_string(setting);
        config->level = -1;
        for (int i = 0; level && i < (int)FH_ARRAY_LEN(levels); i++) {
            config->level = strcmp(level, levels[i]) == 0 ? LOG_ERR + i : config->level;
        }
        if (config->level < 0) {
            refuse(loading, line_of(setting),
                   "witness.log_level must be error, warning, notice, info or debug");
        }
    }
}

/* The name becomes a file name. */
static bool is_plain_name(const char *name)
{
    if (*name == '\0' || *name == '.' || *name == '-') {
        return false;
    }
    for (; *name; name++) {
        if (!isalnum((unsigned char)*name) && !strchr("._-", *name)) {
            return false;
        }
    }
    return true;
}

static void read_keys(struct loading *loading, const config_setting_t *group,
                      struct witness_config_pair *pair)
{
    const config_setting_t *keys = config_setting_get_member(group, "public_keys");
    if (!keys || config_setting_length(keys) != 2) {
        refuse(
            loading, pair->line,
            "pairs: \"%.63s\" needs public_keys = ( \"...\", \"...\" ); with the keys of its two "
            "nodes",
            pair->name);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *key = config_setting_get_string_elem(keys, (int)i);
        if (!key || !is_key(key)) {
            refuse(loading, line_of(keys),
                   "pairs: \"%.63s\": key %u is no public key (40 characters in Z85); copy what "
                   "firehosectl keygen printed on the node",
                   pair->name, i + 1);
            continue;
        }
        memcpy(pair->public_key[i], key, KEY_LEN + 1);
    }
}

static void read_pair(struct loading *loading, const config_setting_t *group)
{
    static const char *const known[] = {"name", "public_keys", NULL};
    struct witness_config *config = loading->config;
    struct witness_config_pair *pair = &config->pair[config->pair_count];
    pair->line = line_of(group);
    if (!config_setting_is_group(group)) {
        refuse(loading, pair->line, "an entry of pairs must be a group { ... }");
        return;
    }
    check_keys(loading, group, "pairs.", known);
    const config_setting_t *name = config_setting_get_member(group, "name");
    if (!name) {
        refuse(loading, pair->line, "pairs.name is missing; add name = \"campus\";");
        return;
    }
    if (take_string(loading, name, "pairs.name", pair->name, sizeof(pair->name)) &&
        !is_plain_name(pair->name)) {
        refuse(loading, line_of(name),
               "pairs.name is \"%.63s\"; use letters, digits, dot, dash and underscore",
               pair->name);
    }
    read_keys(loading, group, pair);
    config->pair_count++;
}

/* A key says which pair and node asks: it may stand in one place only. */
static void check_unique(struct loading *loading)
{
    const struct witness_config *config = loading->config;
    for (size_t i = 0; i < 2 * config->pair_count; i++) {
        const struct witness_config_pair *one = &config->pair[i / 2];
        for (size_t k = 0; k < i; k++) {
            const struct witness_config_pair *other = &config->pair[k / 2];
            if (one->public_key[i % 2][0] != '\0' &&
                strcmp(one->public_key[i % 2], other->public_key[k % 2]) == 0) {
                refuse(loading, one->line,
                       "the key %s is given twice (\"%s\", \"%s\"); each node has its own",
                       one->public_key[i % 2], other->name, one->name);
            }
            if (i % 2 == 0 && k % 2 == 0 && strcmp(one->name, other->name) == 0) {
                refuse(loading, one->line, "two pairs are named \"%s\"; give each its own name",
                       one->name);
            }
        }
    }
}

static void read_pairs(struct loading *loading, const config_setting_t *list)
{
    int count = config_setting_is_list(list) ? config_setting_length(list) : 0;
    if (count < 1 || count > WITNESS_PAIRS_MAX) {
        refuse(loading, line_of(list),
               "pairs must be a list of 1 to %d groups: pairs: ( { name = \"campus\"; public_keys "
               "= ( \"...\", \"...\" ); } );",
               WITNESS_PAIRS_MAX);
        return;
    }
    for (int i = 0; i < count; i++) {
        read_pair(loading, config_setting_get_elem(list, (unsigned)i));
    }
    check_unique(loading);
}

static void read_tree(struct loading *loading, const config_t *tree)
{
    static const char *const known[] = {"witness", "pairs", NULL};
    const config_setting_t *root = config_root_setting(tree);
    const config_setting_t *witness = config_setting_get_member(root, "witness");
    const config_setting_t *pairs = config_setting_get_member(root, "pairs");
    check_keys(loading, root, "", known);
    if (!witness || !config_setting_is_group(witness)) {
        refuse(loading, 0,
               "the section witness is missing; add witness: { listen = \"tcp://0.0.0.0:5571\"; "
               "secret_key_file = \"/etc/firehose-witness/witness.key\"; };");
    } else {
        read_witness(loading, witness);
    }
    if (!pairs) {
        refuse(loading, 0,
               "the section pairs is missing; add pairs: ( { name = \"campus\"; public_keys = ( "
               "\"...\", \"...\" ); } );");
    } else {
        read_pairs(loading, pairs);
    }
}

int witness_config_load(const char *path, struct witness_config *ret, witness_finding finding,
                        void *userdata)
{
    struct loading loading = {
        .path = path, .config = ret, .finding = finding, .userdata = userdata};
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->state_dir, sizeof(ret->state_dir), "/var/lib/firehose-witness");
    ret->ttl_max_ms = 10000;
    ret->level = LOG_INFO;
    if (access(path, R_OK) != 0) {
        int code = -errno;
        char text[128];
        refuse(&loading, 0, "cannot be read: %s", fh_strerror(code, text, sizeof(text)));
        return code;
    }
    config_t tree;
    config_init(&tree);
    if (config_read_file(&tree, path) != CONFIG_TRUE) {
        refuse(&loading, config_error_line(&tree),
               "%s; look here and at the line before for a missing ; or quote or bracket",
               config_error_text(&tree));
    } else {
        read_tree(&loading, &tree);
    }
    config_destroy(&tree);
    return loading.failed ? -EINVAL : 0;
}
