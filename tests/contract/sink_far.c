/* sink_far.c: owns the rows of the suite and the far side of a test: a shell that runs
 * tests/lib/sink_TYPE.sh and is told what to do over a pipe. */
#include "sink_suite.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/* Types this build was made without are left out, and said. */
const struct suite_row suite_rows[] = {
    {"file", "file", "", SUITE_TWO_PHASE | SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"file", "file", "zstd", SUITE_TWO_PHASE | SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"webhook", "webhook", "", 0},
    {"webhook", "webhook", "array", 0},
    {"nats", "nats", "", 0},
    {"command", "command", "", SUITE_NO_HALT},
    {"command", "command", "none", SUITE_STAYS | SUITE_TAKES_ALL | SUITE_UNREAD | SUITE_NO_HALT},
    {"mqtt", "mqtt", "", 0},
    {"mqtt", "mqtt", "tls", 0},
    {"zeromq", "zeromq_push", "", SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"zeromq", "zeromq_push", "curve", SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"zeromq", "zeromq_dealer", "", SUITE_TAKES_ALL},
    {"zeromq", "zeromq_dealer", "python", SUITE_TAKES_ALL},
    {"zeromq-pub", "zeromq_pub", "",
     SUITE_TWO_PHASE | SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"zeromq-pub", "zeromq_pub", "curve",
     SUITE_TWO_PHASE | SUITE_STAYS | SUITE_TAKES_ALL | SUITE_NO_HALT},
    {"kafka", "kafka", "", 0},
    {"kafka", "kafka", "pattern", 0},
};
const size_t suite_row_count = FH_ARRAY_LEN(suite_rows);

static bool note_refused(struct suite_node *node, uint64_t number)
{
    if (node->refused_count == FH_ARRAY_LEN(node->refused)) {
        return false;
    }
    node->refused[node->refused_count++] = number;
    return true;
}

static int refused(void *userdata, struct fh_slice record, const char *reason, struct fh_error *err)
{
    struct suite_node *node = userdata;
    unsigned long long number = 0;
    char head[64] = "";
    memcpy(head, record.data, record.len < sizeof(head) - 1 ? record.len : sizeof(head) - 1);
    if (strlen(reason) == 0 || sscanf(head, "{\"recordUid\":\"event-%llu\"", &number) != 1 ||
        !note_refused(node, number)) {
        return fh_error_set(err, -EINVAL, "the suite was handed a senseless refusal: %s", reason);
    }
    return 0;
}

static bool is_fenced(void *userdata)
{
    return ((struct suite_node *)userdata)->fenced;
}

static void dropped(void *userdata, uint64_t records)
{
    ((struct suite_node *)userdata)->dropped += records;
}

/* One order, one answer; the rest of the answer after "ok" into answer. */
static bool ask(struct suite *suite, const char *order, char *answer, size_t size)
{
    char line[512] = "";
    fprintf(suite->orders, "%s\n", order);
    fflush(suite->orders);
    if (!fgets(line, sizeof(line), suite->answers)) {
        snprintf(answer, size, "the far side's shell ended at: %s", order);
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    bool good = strncmp(line, "ok", 2) == 0;
    snprintf(answer, size, "%.*s", (int)size - 1, good ? line + 2 : line);
    return good;
}

void suite_order(struct suite *suite, const char *format, ...)
{
    char order[256];
    char answer[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(order, sizeof(order), format, arguments);
    va_end(arguments);
    if (!ask(suite, order, answer, sizeof(answer))) {
        fail_msg("%s: %s", order, answer);
    }
}

static int start_shell(struct suite *suite)
{
    int in[2];
    int out[2];
    if (pipe(in) < 0 || pipe(out) < 0) {
        return -1;
    }
    suite->far_side = fork();
    if (suite->far_side == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        execl(FH_FAR_SIDE, FH_FAR_SIDE, suite->row->script, suite->place, suite->row->variant,
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    suite->orders = fdopen(in[1], "w");
    suite->answers = fdopen(out[0], "r");
    return suite->far_side > 0 && suite->orders && suite->answers ? 0 : -1;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 65536);
    size_t len = file && text ? fread(text, 1, 65535, file) : 0;
    if (file) {
        fclose(file);
    }
    (void)len;
    return text;
}

/* The sink's group as the script wrote it, through the daemon's own parser. */
static void configure(struct suite *suite, size_t index)
{
    struct suite_node *node = &suite->node[index];
    const char *name = index == 0 ? "a" : "b";
    char path[128];
    static char whole[70000];
    static struct fh_config config;
    static struct fh_config_findings findings;
    snprintf(path, sizeof(path), "%s/sink.%s", suite->place, name);
    suite_order(suite, "sink %s %s", name, path);
    char *group = read_text(path);
    snprintf(
        whole, sizeof(whole),
        "node: { name = \"%s\"; }; firehose: { url = \"https://partners.example/\"; }; sinks: ( "
        "%s );",
        name, group);
    free(group);
    memset(&findings, 0, sizeof(findings));
    if (fh_config_parse(whole, path, &config, &findings) < 0) {
        fail_msg("%s", findings.finding[0].text);
    }
    node->config = config.sinks[0];
    static char state_dirs[2][128];
    snprintf(state_dirs[index], sizeof(state_dirs[index]), "%s/%s", suite->place, name);
    node->context = (struct fh_sink_context){.node = name,
                                             .state_dir = state_dirs[index],
                                             .replica = (int64_t)index + 1,
                                             .fenced = is_fenced,
                                             .refused = refused,
                                             .dropped = dropped,
                                             .userdata = node};
}

static void open_node(struct suite *suite, size_t index)
{
    struct suite_node *node = &suite->node[index];
    char command[160];
    snprintf(command, sizeof(command), "mkdir -p '%s'", node->context.state_dir);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    node->ops = fh_sink_find(suite->row->type);
    assert_non_null(node->ops);
    if (node->ops->open(&node->config, &node->context, &node->err, &node->sink) != 0) {
        fail_msg("open: %s", node->err.text);
    }
}

int suite_setup(void **state)
{
    struct suite *suite = calloc(1, sizeof(*suite));
    char answer[512];
    char refuses[8] = "";
    char goes_down[8] = "";
    suite->row = *state;
    *state = suite;
    suite->wait_ms = 60000;
    snprintf(suite->place, sizeof(suite->place), "/tmp/fh_sink_contract.XXXXXX");
    if (!mkdtemp(suite->place) || start_shell(suite) < 0) {
        return -1;
    }
    if (!ask(suite, "check", answer, sizeof(answer))) {
        fail_msg("%s", answer);
    }
    if (!ask(suite, "promise", answer, sizeof(answer)) ||
        sscanf(answer, "%15s %7s %7s", suite->promise, refuses, goes_down) != 3) {
        fail_msg("promise: %s", answer);
    }
    assert_int_equal(strcmp(refuses, "yes") == 0, !(suite->row->traits & SUITE_TAKES_ALL));
    suite->stays = strcmp(goes_down, "yes") != 0;
    assert_true(suite->stays || !(suite->row->traits & SUITE_STAYS));
    suite_order(suite, "start");
    for (size_t i = 0; i < FH_ARRAY_LEN(suite->node); i++) {
        configure(suite, i);
        open_node(suite, i);
    }
    return 0;
}

int suite_teardown(void **state)
{
    struct suite *suite = *state;
    for (size_t i = 0; i < FH_ARRAY_LEN(suite->node); i++) {
        if (suite->node[i].ops) {
            suite->node[i].ops->close(suite->node[i].sink);
        }
    }
    if (suite->orders) {
        fclose(suite->orders); /* its shell ends the far side and removes the place */
        fclose(suite->answers);
    }
    if (suite->far_side > 0) {
        waitpid(suite->far_side, NULL, 0);
    }
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", suite->place);
    int r = system(command); // NOLINT(cert-env33-c)
    free(suite);
    return r;
}
