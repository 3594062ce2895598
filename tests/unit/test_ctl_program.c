/* test_ctl_program.c: the program firehosectl itself: exit codes, what goes to which stream, what
 * it refuses. A thread plays the daemon. argv[1]: the program. */
#include "fh/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *program;
static char place[64];

/* ---- a daemon ---------------------------------------------------------------------------------
 */

static int run_status(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                      cJSON **ret_result, struct fh_error *err)
{
    (void)userdata;
    (void)arguments;
    (void)client;
    (void)err;
    *ret_result = cJSON_Parse("{\"node\":\"a\",\"role\":\"primary\",\"epoch\":3}");
    return 0;
}

static int run_checkpoint(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                          cJSON **ret_result, struct fh_error *err)
{
    (void)userdata;
    (void)arguments;
    (void)client;
    (void)ret_result;
    return fh_error_set(err, -EAGAIN, "the store is not open yet");
}

static int run_tail(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    (void)userdata;
    (void)arguments;
    (void)ret_result;
    (void)err;
    fh_control_client_stream(client, NULL, NULL);
    for (int i = 1; i <= 5; i++) {
        char line[32];
        int n = snprintf(line, sizeof(line), "{\"n\":%d}", i);
        fh_control_client_send(client, line, (size_t)n);
    }
    /* Names are given by whoever owns the device. */
    static const char bold[] = "{\"n\":6,\"name\":\"\x1b[1m\xc2\x9b\x31m\x7f é\"}";
    fh_control_client_send(client, bold, sizeof(bold) - 1);
    return -ECANCELED; /* the stream ends after six */
}

static int run_stop(void *userdata, const cJSON *arguments, struct fh_control_client *client,
                    cJSON **ret_result, struct fh_error *err)
{
    (void)arguments;
    (void)client;
    (void)ret_result;
    (void)err;
    return sd_event_exit(userdata, 0);
}

static const struct fh_control_command commands[] = {{"status", run_status},
                                                     {"checkpoint", run_checkpoint},
                                                     {"tail", run_tail},
                                                     {"stop", run_stop},
                                                     {NULL, NULL}};

static pthread_barrier_t ready;

static void *serve(void *unused)
{
    (void)unused;
    char path[96];
    struct fh_error err = {""};
    sd_event *event = NULL;
    struct fh_control_server *server = NULL;
    snprintf(path, sizeof(path), "%s/sock", place);
    sd_event_new(&event);
    int r = fh_control_server_new(event, path, commands, event, &err, &server);
    pthread_barrier_wait(&ready);
    if (r == 0) {
        sd_event_loop(event);
    }
    fh_control_server_free(server);
    sd_event_unref(event);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    snprintf(place, sizeof(place), "/tmp/fh_ctl.XXXXXX");
    return mkdtemp(place) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", place);
    return system(command); // NOLINT(cert-env33-c)
}

/* Runs the program in place; stdout and stderr apart. Returns the exit status. */
static int run(const char *arguments, char *output, char *complaint, size_t size)
{
    char command[1024];
    snprintf(command, sizeof(command), "cd '%s' && '%s' %s 2>complaint", place, program, arguments);
    FILE *stream = popen(command, "r"); // NOLINT(cert-env33-c)
    assert_non_null(stream);
    size_t len = fread(output, 1, size - 1, stream);
    output[len] = '\0';
    int status = pclose(stream);
    char path[128];
    snprintf(path, sizeof(path), "%s/complaint", place);
    stream = fopen(path, "r");
    assert_non_null(stream);
    len = fread(complaint, 1, size - 1, stream);
    complaint[len] = '\0';
    fclose(stream);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The same with a terminal for its output. */
static void run_on_terminal(const char *arguments, char *output, size_t size)
{
    char command[1024];
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    const char *name = ptsname(terminal);
    int held =
        open(name, O_RDWR | O_NOCTTY | O_CLOEXEC); /* what is written stays until it is read */
    assert_true(held >= 0);
    snprintf(command, sizeof(command), "cd '%s' && '%s' %s 2>complaint >%s", place, program,
             arguments, name);
    (void)!system(command); // NOLINT(cert-env33-c)
    close(held);
    size_t len = 0;
    for (ssize_t n = 1; n > 0 && len<size - 1; len += n> 0 ? (size_t)n : 0) {
        n = read(terminal, output + len, size - 1 - len); /* an error at the end */
    }
    output[len] = '\0';
    close(terminal);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", place, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void help_is_the_command_table(void **state)
{
    (void)state;
    char out[8192];
    char complaint[8192];
    assert_int_equal(run("--help", out, complaint, sizeof(out)), 0);
    static const char *const names[] = {"status", "checkpoint", "tail", "keygen", "preview"};
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        assert_non_null(strstr(out, names[i]));
        char arguments[64];
        char help[8192];
        snprintf(arguments, sizeof(arguments), "%s --help", names[i]);
        assert_int_equal(run(arguments, help, complaint, sizeof(help)), 0);
        assert_non_null(strstr(help, "usage: firehosectl"));
        assert_string_equal(complaint, "");
    }
    assert_int_equal(run("--version", out, complaint, sizeof(out)), 0);
    assert_int_equal(strncmp(out, "firehosectl ", 12), 0);
}

static void wrong_usage_is_2(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "dance",
        "--dance",
        "status --dance",
        "status now",
        "tail --count",
        "tail --count many",
        "tail --count 0",
        "keygen",
        "preview",
        "preview --config x --replica 4",
        "--socket",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        char out[8192];
        char complaint[8192];
        assert_int_equal(run(wrong[i], out, complaint, sizeof(out)), 2);
        assert_string_equal(out, "");
        assert_string_not_equal(complaint, "");
    }
}

static void no_daemon_is_1_with_a_hint(void **state)
{
    (void)state;
    char out[8192];
    char complaint[8192];
    assert_int_equal(run("--socket ./nobody status", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(complaint, "is it running"));
    assert_string_equal(out, "");
}

static void asks_the_daemon(void **state)
{
    (void)state;
    char out[8192];
    char complaint[8192];
    pthread_t thread;
    pthread_barrier_init(&ready, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    pthread_barrier_wait(&ready);

    assert_int_equal(run("--socket sock status", out, complaint, sizeof(out)), 0);
    assert_string_equal(out, "node        a\nrole        primary, epoch 3\n");
    assert_int_equal(run("status --json --socket sock", out, complaint, sizeof(out)), 0);
    cJSON *result = cJSON_Parse(out);
    assert_int_equal(cJSON_GetObjectItem(result, "epoch")->valueint, 3);
    cJSON_Delete(result);

    assert_int_equal(run("--socket sock checkpoint", out, complaint, sizeof(out)), 1);
    assert_string_equal(complaint, "firehosectl: the store is not open yet\n");

    assert_int_equal(run("--socket sock tail --count 3", out, complaint, sizeof(out)), 0);
    assert_string_equal(out, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    assert_int_equal(run("--socket sock tail", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(out, "{\"n\":5}\n"));
    assert_non_null(strstr(complaint, "ended the stream"));
    assert_non_null(strstr(out, "\"\x1b[1m\xc2\x9b\x31m\x7f é\"")); /* as it came: no terminal */
    run_on_terminal("--socket sock tail", out, sizeof(out));
    assert_non_null(strstr(out, "{\"n\":5}\r\n"));
    assert_non_null(strstr(out, "\"\\u001b[1m\\u009b\x31m\\u007f é\"}\r\n"));

    char path[96];
    snprintf(path, sizeof(path), "%s/sock", place);
    struct fh_error err = {""};
    int fd = fh_control_connect(path, &err);
    assert_true(fd >= 0);
    assert_int_equal(fh_control_call(fd, "stop", NULL, 60000, &result, &err), 0);
    close(fd);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_barrier_destroy(&ready);
}

static void keygen_keeps_the_secret(void **state)
{
    (void)state;
    char out[8192];
    char complaint[8192];
    char path[128];
    struct stat st;
    assert_int_equal(run("keygen --secret s --public p", out, complaint, sizeof(out)), 0);
    assert_int_equal(strlen(out), 41); /* Z85 and a newline: nothing else, for scripts */
    snprintf(path, sizeof(path), "%s/s", place);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 41);
    char secret[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(secret, sizeof(secret), file));
    fclose(file);
    assert_null(strstr(out, secret));
    assert_null(strstr(complaint, secret));
    char public_key[64] = "";
    snprintf(path, sizeof(path), "%s/p", place);
    file = fopen(path, "r");
    assert_non_null(fgets(public_key, sizeof(public_key), file));
    fclose(file);
    assert_string_equal(out, public_key);

    /* nothing is overwritten, and a refusal leaves nothing behind */
    assert_int_equal(run("keygen --secret s", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(complaint, "left as it is"));
    assert_string_equal(out, "");
    assert_int_equal(run("keygen --secret s2 --public p", out, complaint, sizeof(out)), 1);
    snprintf(path, sizeof(path), "%s/s2", place);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(run("keygen --secret s2 --public no/such/p", out, complaint, sizeof(out)), 1);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(run("keygen --secret no/such/s", out, complaint, sizeof(out)), 1);
}

static const char config_head[] =
    "node: { name = \"a\"; };\n"
    "sinks: ( { name = \"archive\"; type = \"file\"; directory = \"/nowhere\"; } );\n";

static void preview_spares_the_replicas_in_use(void **state)
{
    (void)state;
    char out[8192];
    char complaint[8192];
    char config[2048];
    put("key", "secret\n");
    snprintf(config, sizeof(config),
             "%sfirehose: { url = \"http://127.0.0.1:9/\"; api_key_file = \"%s/key\"; "
             "replica_id = 2; connect_timeout_ms = 1000; };\n",
             config_head, place);
    put("conf", config);
    assert_int_equal(run("preview --config conf --replica 2", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(complaint, "replica 2 is refused: this node's daemon reads it"));
    assert_int_equal(run("preview --config missing", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(complaint, "missing"));
    /* Neither the default nor a forced one is refused: they fail because nobody serves there. */
    static const char *const allowed[] = {"preview --config conf --count 1",
                                          "preview --config conf --count 1 --replica 2 --force"};
    for (size_t i = 0; i < FH_ARRAY_LEN(allowed); i++) {
        assert_int_equal(run(allowed[i], out, complaint, sizeof(out)), 1);
        assert_null(strstr(complaint, "is refused:"));
        assert_string_equal(out, "");
    }
    put("taken", "keep me\n");
    assert_int_equal(
        run("preview --config conf --count 1 --capture taken", out, complaint, sizeof(out)), 1);
    assert_non_null(strstr(complaint, "cannot create taken: File exists"));
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: test_ctl_program PROGRAM\n");
        return 2;
    }
    program = realpath(argv[1], NULL); /* the tests run it from elsewhere */
    if (!program) {
        perror(argv[1]);
        return 2;
    }
    const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        TEST(help_is_the_command_table),  TEST(wrong_usage_is_2),
        TEST(no_daemon_is_1_with_a_hint), TEST(asks_the_daemon),
        TEST(keygen_keeps_the_secret),    TEST(preview_spares_the_replicas_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
