/* setup_plan.c: owns the answers of "firehosectl setup" and the configuration they become. Never
 * touches a file or a terminal; what is right it lets the daemon's own parser say. */
#include "setup.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_TEXT_MAX 65536

/* Of the documentation (RFC 5737): stands where the address is not known yet. */
static const char *const unknown[2] = {"192.0.2.1", "192.0.2.2"};

void fh_setup_plan_init(struct fh_setup_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    snprintf(plan->url, sizeof(plan->url), "https://partners.ciscospaces.io/");
    snprintf(plan->channel, sizeof(plan->channel), "http");
    snprintf(plan->prefer, sizeof(plan->prefer), "availability");
    snprintf(plan->preferred, sizeof(plan->preferred), "this");
    snprintf(plan->receivers, sizeof(plan->receivers), "4");
    snprintf(plan->port, sizeof(plan->port), "5570");
    for (size_t i = 0; i < 2; i++) {
        struct fh_setup_host *host = &plan->host[i];
        snprintf(host->name, sizeof(host->name), "%s", i == 0 ? "a" : "b");
        snprintf(host->output, sizeof(host->output), FH_SETUP_DIRECTORY);
        snprintf(host->state_dir, sizeof(host->state_dir), FH_SETUP_STATE);
    }
}

/* ---- one answer -------------------------------------------------------------------------------
 */

/* It is put between quotes as it is. */
static int check_text(const char *option, const char *value, size_t size, struct fh_error *err)
{
    if (strlen(value) >= size) {
        return fh_error_set(err, -EINVAL, "--%s: longer than %zu characters", option, size - 1);
    }
    for (const char *at = value; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '"' || *at == '\\') {
            return fh_error_set(err, -EINVAL,
                                "--%s: quotes, backslashes and control characters are not allowed",
                                option);
        }
    }
    return 0;
}

/* "A,B" into a list; an IPv6 address gets its brackets. */
static int set_list(const char *option, const char *value, char (*list)[256], size_t *count,
                    struct fh_error *err)
{
    char found[FH_PATHS_MAX][256];
    size_t n = 0;
    int r = check_text(option, value, FH_PATHS_MAX * sizeof(found[0]), err);
    for (const char *at = value; r == 0 && *at;) {
        size_t len = strcspn(at, ",");
        const char *scheme = strncmp(at, "tcp://", 6) == 0 ? at + 6 : at;
        int bare = (int)(len - (size_t)(scheme - at));
        if (n == FH_PATHS_MAX || bare < 1 || bare > 200) {
            return fh_error_set(err, -EINVAL,
                                "--%s: 1 to %d addresses are possible, HOST or HOST:PORT, with "
                                "commas between",
                                option, FH_PATHS_MAX);
        }
        const char *colon = memchr(scheme, ':', (size_t)bare);
        bool v6 = colon && *scheme != '[' &&
                  memchr(colon + 1, ':', (size_t)(scheme + bare - colon - 1)) != NULL;
        snprintf(found[n++], sizeof(found[0]), v6 ? "[%.*s]" : "%.*s", bare, scheme);
        at += len + (at[len] == ',');
    }
    if (r == 0) {
        memcpy(list, found, sizeof(found[0]) * n);
        *count = n;
    }
    return r;
}

static int check_word(const char *option, const char *value, const char *first, const char *second,
                      struct fh_error *err)
{
    if (strcmp(value, first) != 0 && strcmp(value, second) != 0) {
        return fh_error_set(err, -EINVAL, "--%s: \"%.50s\" is neither %s nor %s", option, value,
                            first, second);
    }
    return 0;
}

static int check_number(const char *option, const char *value, long min, long max,
                        struct fh_error *err)
{
    size_t len = strlen(value);
    long number =
        len >= 1 && len <= 5 && strspn(value, "0123456789") == len ? strtol(value, NULL, 10) : -1;
    if (number < min || number > max) {
        return fh_error_set(err, -EINVAL, "--%s wants a whole number from %ld to %ld", option, min,
                            max);
    }
    return 0;
}

static int check_value(const char *option, const char *value, struct fh_error *err)
{
    if (strcmp(option, "preferred") == 0) {
        return check_word(option, value, "this", "peer", err);
    }
    if (strcmp(option, "prefer") == 0) {
        return check_word(option, value, "availability", "safety", err);
    }
    if (strcmp(option, "port") == 0) {
        return check_number(option, value, 1, 65535, err);
    }
    if (strcmp(option, "receivers") == 0) {
        return check_number(option, value, 1, FH_PARTITIONS, err);
    }
    bool directory =
        strcmp(option, "sink-dir") == 0 || strstr(option, "state-dir") || strstr(option, "output");
    if (directory && value[0] != '/') {
        return fh_error_set(err, -EINVAL, "--%s: \"%.200s\" does not begin with /", option, value);
    }
    return 0;
}

int fh_setup_set(struct fh_setup_plan *plan, const char *option, const char *value,
                 struct fh_error *err)
{
#define TEXT(name, member)                                                                         \
    {                                                                                              \
        name, offsetof(struct fh_setup_plan, member), sizeof(plan->member)                         \
    }
    static const struct {
        const char *option;
        size_t offset, size;
    } texts[] = {TEXT("url", url),
                 TEXT("channel", channel),
                 TEXT("prefer", prefer),
                 TEXT("preferred", preferred),
                 TEXT("sink-dir", sink_dir),
                 TEXT("witness-key", witness_key),
                 TEXT("receivers", receivers),
                 TEXT("port", port),
                 TEXT("name", host[0].name),
                 TEXT("output", host[0].output),
                 TEXT("state-dir", host[0].state_dir),
                 TEXT("peer-name", host[1].name),
                 TEXT("peer-output", host[1].output),
                 TEXT("peer-state-dir", host[1].state_dir)};
#undef TEXT
    struct fh_setup_host *host = plan->host;
    if (strcmp(option, "address") == 0) {
        return set_list(option, value, host[0].addresses, &host[0].address_count, err);
    }
    if (strcmp(option, "peer-address") == 0) {
        return set_list(option, value, host[1].addresses, &host[1].address_count, err);
    }
    if (strcmp(option, "witness") == 0) {
        return set_list(option, value, plan->witness, &plan->witness_count, err);
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        if (strcmp(option, texts[i].option) == 0) {
            int r = check_text(option, value, texts[i].size, err);
            r = r < 0 ? r : check_value(option, value, err);
            if (r == 0) {
                memcpy((char *)plan + texts[i].offset, value, strlen(value) + 1);
            }
            return r;
        }
    }
    return -ENOENT;
}

/* ---- the configuration ------------------------------------------------------------------------
 */

/* The colon before the port, NULL when there is none. */
static const char *port_of(const char *address)
{
    const char *bracket = strrchr(address, ']');
    const char *colon = strrchr(bracket ? bracket : address, ':');
    return colon && colon[1] ? colon : NULL;
}

const char *fh_setup_address_host(const char *address, char *into, size_t size)
{
    const char *colon = port_of(address);
    int len = colon ? (int)(colon - address) : (int)strlen(address);
    snprintf(into, size, "%.*s", len, address);
    return into;
}

static int render_addresses(const char (*list)[256], size_t count, const char *port,
                            struct fh_buf *into)
{
    int r = fh_buf_printf(into, "( ");
    for (size_t i = 0; i < count && r == 0; i++) {
        const char *colon = port_of(list[i]);
        r = fh_buf_printf(into, "%s\"tcp://%s%s%s\"", i > 0 ? ", " : "", list[i], colon ? "" : ":",
                          colon ? "" : port);
    }
    return r < 0 ? r : fh_buf_printf(into, " )");
}

static int render_pair(const struct fh_setup_plan *plan, size_t index, struct fh_buf *into)
{
    const struct fh_setup_host *own = &plan->host[index];
    const struct fh_setup_host *peer = &plan->host[1 - index];
    const char *own_port = own->address_count > 0 ? port_of(own->addresses[0]) : NULL;
    bool v6 = own->address_count > 0 && own->addresses[0][0] == '[';
    bool preferred = (strcmp(plan->preferred, "this") == 0) == (index == 0);
    int r = fh_buf_printf(into,
                          "\npair: {\n"
                          "    listen = \"tcp://%s:%s\";\n"
                          "    peers = ",
                          v6 ? "[::]" : "0.0.0.0", own_port ? own_port + 1 : plan->port);
    r = r < 0 ? r : render_addresses(peer->addresses, peer->address_count, plan->port, into);
    return r < 0 ? r
                 : fh_buf_printf(into,
                                 ";\n"
                                 "    secret_key_file = \"%s/" FH_SETUP_PAIR_KEY "\";\n"
                                 "    peer_public_key = \"%s\";    # of node %s\n"
                                 "    preferred = %s;    # primary when both start together\n"
                                 "    prefer = \"%s\";\n"
                                 "};\n",
                                 own->output, peer->public_key, peer->name,
                                 preferred ? "true" : "false", plan->prefer);
}

static int render_arbiter(const struct fh_setup_plan *plan, struct fh_buf *into)
{
    int r = fh_buf_printf(into, "\narbiter: {\n    type = \"witness\";\n    addresses = ");
    r = r < 0 ? r : render_addresses(plan->witness, plan->witness_count, "5571", into);
    return r < 0 ? r
                 : fh_buf_printf(into, ";\n    witness_public_key = \"%s\";\n};\n",
                                 plan->witness_key);
}

static int render_node(const struct fh_setup_plan *plan, size_t index, struct fh_buf *into)
{
    const struct fh_setup_host *host = &plan->host[index];
    int r = fh_buf_printf(into,
                          "# Written by firehosectl setup. What is not said here keeps its default;"
                          " see firehosed.conf(5).\n"
                          "# After a change:  firehosed --config %s/" FH_SETUP_CONF
                          " --check  and  firehosectl doctor\n\n"
                          "node: {\n    name = \"%s\";\n",
                          host->output, host->name);
    if (r == 0 && strcmp(host->state_dir, FH_SETUP_STATE) != 0) {
        r = fh_buf_printf(into, "    state_dir = \"%s\";\n", host->state_dir);
        /* where the unit reads it, the unit has a place for the socket */
        if (r == 0 && strcmp(host->output, FH_SETUP_DIRECTORY) != 0) {
            r = fh_buf_printf(into, "    control_socket = \"%s/control.sock\";\n", host->state_dir);
        }
    }
    r = r < 0 ? r
              : fh_buf_printf(into,
                              "};\n\nfirehose: {\n    url = \"%s\";\n"
                              "    api_key_file = \"%s/" FH_SETUP_API_KEY "\";\n",
                              plan->url, host->output);
    if (r == 0 && plan->own_ca) {
        r = fh_buf_printf(into, "    ca_file = \"%s/" FH_SETUP_CA "\";\n", host->output);
    }
    if (r == 0 && !plan->single) {
        r = fh_buf_printf(into, "    replica_id = %zu;    # another on the other node\n",
                          index + 1);
    }
    return r < 0 ? r
                 : fh_buf_printf(into, "    channel = \"%s\";\n    receivers = %s;\n};\n",
                                 plan->channel, plan->receivers);
}

int fh_setup_render(const struct fh_setup_plan *plan, size_t index, struct fh_buf *into)
{
    const struct fh_setup_host *host = &plan->host[index];
    int r = render_node(plan, index, into);
    if (r == 0 && !plan->single) {
        r = render_pair(plan, index, into);
    }
    if (r == 0 && !plan->single && plan->witness_count > 0) {
        r = render_arbiter(plan, into);
    }
    return r < 0 ? r
                 : fh_buf_printf(into,
                                 "\nsinks: (\n    {\n        name = \"archive\";\n"
                                 "        type = \"file\";\n        directory = \"%s%s\";\n"
                                 "    }\n);\n",
                                 plan->sink_dir[0] ? plan->sink_dir : host->state_dir,
                                 plan->sink_dir[0] ? "" : "/events");
}

/* ---- the judgement ----------------------------------------------------------------------------
 */

/* The first finding that is no warning, without the name of a file that is not there yet. */
static int judge_text(const char *text, struct fh_error *err)
{
    static struct fh_config config; /* large */
    struct fh_config_findings findings = {0};
    int r = fh_config_parse(text, "setup", &config, &findings);
    for (size_t i = 0; r < 0 && i < findings.count; i++) {
        if (!findings.finding[i].warning) {
            const char *sentence = strstr(findings.finding[i].text, ": ");
            return fh_error_set(err, -EINVAL, "%s",
                                sentence ? sentence + 2 : findings.finding[i].text);
        }
    }
    return r;
}

/* What two configurations say together; no parser of one of them can see it. */
static int judge_both(const struct fh_setup_plan *plan, struct fh_error *err)
{
    const struct fh_setup_host *host = plan->host;
    if (strcmp(host[0].name, host[1].name) == 0) {
        return fh_error_set(err, -EINVAL, "both nodes are called \"%s\"; give them two names",
                            host[0].name);
    }
    for (size_t i = 0; i < host[0].address_count; i++) {
        for (size_t j = 0; j < host[1].address_count; j++) {
            if (strcmp(host[0].addresses[i], host[1].addresses[j]) == 0) {
                return fh_error_set(err, -EINVAL, "%s cannot be the address of both nodes",
                                    host[0].addresses[i]);
            }
        }
    }
    if (plan->witness_count == 0 && plan->witness_key[0]) {
        return fh_error_set(err, -EINVAL, "--witness-key is of no use without --witness");
    }
    return 0;
}

int fh_setup_judge(const struct fh_setup_plan *plan, struct fh_error *err)
{
    struct fh_setup_plan whole = *plan;
    int r = plan->single ? 0 : judge_both(plan, err);
    for (size_t i = 0; i < 2; i++) {
        struct fh_setup_host *host = &whole.host[i];
        if (host->address_count == 0) {
            snprintf(host->addresses[0], sizeof(host->addresses[0]), "%s", unknown[i]);
            host->address_count = 1;
        }
        if (!host->public_key[0]) {
            memset(host->public_key, i == 0 ? 'A' : 'B', 40);
        }
    }
    if (whole.witness_count > 0 && !whole.witness_key[0]) {
        memset(whole.witness_key, 'C', 40);
    }
    for (size_t i = 0; r == 0 && i < (plan->single ? 1U : 2U); i++) {
        struct fh_buf text;
        fh_buf_init(&text, CONFIG_TEXT_MAX);
        r = fh_setup_render(&whole, i, &text);
        const char *string = r == 0 ? fh_buf_string(&text) : NULL;
        r = string ? judge_text(string, err) : -ENOMEM;
        fh_buf_done(&text);
    }
    explicit_bzero(&whole, sizeof(whole));
    return r;
}
