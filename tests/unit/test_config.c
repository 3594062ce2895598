/* test_config.c: every tests/config/NN-name.conf against its NN-name.ok, every file of etc/, and
 * what a table of cases cannot say: dump and read again, reload, the API key.
 *
 * An .ok file holds "accepted" or "refused" and then the findings, one a line, exactly. With
 * FH_UPDATE_EXPECTED=1 in the environment the .ok files are written anew: read the difference.
 *
 * Usage: test_config FOLDER_OF_CASES FOLDER_OF_EXAMPLES */
#include "fh/buf.h"
#include "fh/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *cases_folder;
static const char *examples_folder;
static char scratch[] = "/tmp/test_config.XXXXXX";

#define MINIMAL                                                                                    \
    "node: { name = \"a\"; };\n"                                                                   \
    "firehose: { url = \"https://partners.example/\"; };\n"                                        \
    "sinks: ( { name = \"s\"; type = \"file\"; directory = \"/events\"; } );\n"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void write_file(const char *path, const void *bytes, size_t len, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static char *in_scratch(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", scratch, name);
    return path;
}

static struct fh_config parsed(const char *text)
{
    struct fh_config config;
    struct fh_config_findings findings;
    int r = fh_config_parse(text, "test.conf", &config, &findings);
    if (r != 0) {
        for (size_t i = 0; i < findings.count; i++) {
            print_error("%s\n", findings.finding[i].text);
        }
    }
    assert_int_equal(r, 0);
    return config;
}

/* What the dump prints reads back as the same configuration. */
static void dump_reads_back(const struct fh_config *config)
{
    struct fh_buf buf;
    fh_buf_init(&buf, 1 << 20);
    assert_int_equal(fh_config_dump(config, &buf), 0);
    struct fh_config again = parsed(fh_buf_string(&buf));
    char changed[256];
    assert_int_equal(fh_config_restart_needed(config, &again, changed, sizeof(changed)), 0);
    assert_memory_equal(&again.firehose.ranges, &config->firehose.ranges,
                        sizeof(again.firehose.ranges));
    struct fh_buf twice;
    fh_buf_init(&twice, 1 << 20);
    assert_int_equal(fh_config_dump(&again, &twice), 0);
    assert_string_equal(fh_buf_string(&twice), fh_buf_string(&buf));
    fh_buf_done(&buf);
    fh_buf_done(&twice);
}

static void one_case(const char *conf)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", cases_folder, conf);
    char *text = read_file(path);
    assert_non_null(text);

    struct fh_config config;
    struct fh_config_findings findings;
    int r = fh_config_parse(text, conf, &config, &findings);
    char got[20 * 520 + 16];
    size_t used = (size_t)snprintf(got, sizeof(got), "%s\n", r == 0 ? "accepted" : "refused");
    for (size_t i = 0; i < findings.count; i++) {
        used += (size_t)snprintf(got + used, sizeof(got) - used, "%s\n", findings.finding[i].text);
    }
    assert_true(r == 0 || findings.count > 0); /* never refused without a word */

    snprintf(path, sizeof(path), "%s/%.*s.ok", cases_folder, (int)(strlen(conf) - strlen(".conf")),
             conf);
    if (getenv("FH_UPDATE_EXPECTED")) {
        write_file(path, got, strlen(got), 0644);
    }
    char *expected = read_file(path);
    if (!expected) {
        fail_msg("%s is missing", path);
    } else if (strcmp(expected, got) != 0) {
        fail_msg("%s: expected\n%sgot\n%s", conf, expected, got);
    }
    if (r == 0) {
        dump_reads_back(&config);
    }
    free(expected);
    free(text);
}

static int is_conf(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static void every_case(void **state)
{
    (void)state;
    struct dirent **entry;
    int count = scandir(cases_folder, &entry, is_conf, alphasort);
    assert_true(count >= 20);
    for (int i = 0; i < count; i++) {
        one_case(entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
}

/* firehose-witness.conf is another program's. */
static int is_of_firehosed(const struct dirent *entry)
{
    return is_conf(entry) && strncmp(entry->d_name, "firehosed", strlen("firehosed")) == 0;
}

static void every_example(void **state)
{
    (void)state;
    struct dirent **entry;
    int count = scandir(examples_folder, &entry, is_of_firehosed, alphasort);
    assert_true(count >= 3);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", examples_folder, entry[i]->d_name);
        struct fh_config config;
        struct fh_config_findings findings;
        int r = fh_config_load(path, &config, &findings);
        if (r != 0 || findings.count > 0) {
            fail_msg("%s: %s", path, findings.count > 0 ? findings.finding[0].text : "refused");
        }
        dump_reads_back(&config);
        free(entry[i]);
    }
    free(entry);
}

/* The two halves fit together. */
static void the_pair_is_a_pair(void **state)
{
    (void)state;
    struct fh_config half[2];
    for (int i = 0; i < 2; i++) {
        char path[1024];
        struct fh_config_findings findings;
        snprintf(path, sizeof(path), "%s/firehosed-pair-%c.conf", examples_folder, 'a' + i);
        assert_int_equal(fh_config_load(path, &half[i], &findings), 0);
        assert_true(half[i].pair.present);
    }
    assert_int_not_equal(half[0].firehose.replica_id, half[1].firehose.replica_id);
    assert_true(half[0].pair.preferred != half[1].pair.preferred);
    assert_string_not_equal(half[0].node.name, half[1].node.name);
    assert_string_not_equal(half[0].pair.peer_public_key, half[1].pair.peer_public_key);
    assert_memory_equal(half[0].sinks, half[1].sinks, sizeof(half[0].sinks));
}

static void defaults(void **state)
{
    (void)state;
    struct fh_config config = parsed(MINIMAL);
    assert_string_equal(config.node.state_dir, "/var/lib/firehosed");
    assert_string_equal(config.node.control_socket, "/run/firehosed/control.sock");
    assert_string_equal(config.firehose.path, "/api/partners/v1/firehose/events");
    assert_string_equal(config.firehose.api_key_file, "");
    assert_int_equal(config.log.level, LOG_INFO);
    assert_int_equal(config.firehose.channel, FH_CHANNEL_HTTP);
    assert_int_equal(config.firehose.http_version, FH_HTTP_AUTO);
    assert_int_equal(config.firehose.replica_id, 0);
    assert_int_equal(config.firehose.ranges.count, 4);
    assert_int_equal(config.firehose.ranges.range[3].first, 10);
    assert_int_equal(config.firehose.range_holes, 0);
    assert_int_equal(config.firehose.threads, 1);
    assert_int_equal(config.firehose.silence_ms, 35000);
    assert_int_equal(config.firehose.connect_timeout_ms, 10000);
    assert_int_equal(config.firehose.backoff_min_ms, 1000);
    assert_int_equal(config.firehose.backoff_max_ms, 300000);
    assert_int_equal(config.firehose.backoff_reset_ms, 300000);
    assert_int_equal(config.firehose.refused_retry_ms, 300000);
    assert_int_equal(config.firehose.overlap_min_ms, 10000);
    assert_int_equal(config.firehose.replay_window_ms, 3300000);
    assert_int_equal(config.firehose.max_line_bytes, 8 << 20);
    assert_int_equal(config.dedup.key, FH_KEY_UID_TIMESTAMP);
    assert_int_equal(config.dedup.window_minutes, 120);
    assert_int_equal(config.dedup.max_records, 100000000);
    assert_int_equal(config.store.size_limit, INT64_C(8) << 30);
    assert_int_equal(config.store.block_bytes, 256 << 10);
    assert_int_equal(config.store.commit_ms, 5);
    assert_int_equal(config.store.cache_bytes, 64 << 20);
    assert_int_equal(config.store.queue_bytes, 64 << 20);
    assert_int_equal(config.store.sync, FH_SYNC_ALWAYS);
    assert_int_equal(config.store.quarantine_bytes, 16 << 20);
    assert_false(config.pair.present);
    assert_int_equal(config.pair.heartbeat_ms, 300);
    assert_int_equal(config.pair.failure_after, 5);
    assert_int_equal(config.pair.join_timeout_ms, 5000);
    assert_int_equal(config.pair.prefer, FH_PREFER_AVAILABILITY);
    assert_int_equal(config.arbiter.type, FH_ARBITER_NONE);
    assert_int_equal(config.sink_count, 1);
    assert_true(config.sinks[0].required);
    assert_string_equal(config.sinks[0].type, "file");
    assert_int_equal(config.sinks[0].roll_seconds, 10);
    assert_int_equal(config.sinks[0].roll_bytes, 256 << 20);
    assert_int_equal(config.sinks[0].compression, FH_COMPRESS_NONE);
}

static void every_kind_of_value(void **state)
{
    (void)state;
    struct fh_config config = parsed(
        "node: { name = \"n-1\"; };\n"
        "log: { level = \"debug\"; };\n"
        "firehose: { url = \"http://127.0.0.1:8080\"; http_version = \"2\";\n"
        "  ranges = ( [7, 12], [1, 3], [5] ); max_line_bytes = 0x10000; };\n"
        "dedup: { key = \"content\"; max_records = 5000000000; };\n"
        "store: { size_limit = 8589934592; cache_bytes = \"1GiB\"; queue_bytes = 4294967296L;\n"
        "  sync = \"interval\"; };\n"
        "sinks: ( { name = \"a\"; type = \"file\"; directory = \"/x \\\"y\\\\\"; required = "
        "false; },\n"
        "  { name = \"b\"; type = \"file\"; directory = \"/b\"; compression = \"zstd\"; } );\n");
    assert_int_equal(config.log.level, LOG_DEBUG);
    assert_int_equal(config.firehose.http_version, FH_HTTP_2);
    assert_int_equal(config.firehose.ranges.count, 3);
    assert_int_equal(config.firehose.ranges.range[0].first, 1);
    assert_int_equal(config.firehose.ranges.range[1].last, 5);
    assert_int_equal(config.firehose.range_holes, 1U << 3 | 1U << 5);
    assert_int_equal(config.firehose.max_line_bytes, 65536);
    assert_int_equal(config.dedup.key, FH_KEY_CONTENT);
    assert_int_equal(config.dedup.max_records, 5000000000);
    assert_int_equal(config.store.size_limit, 8589934592);
    assert_int_equal(config.store.cache_bytes, 1 << 30);
    assert_int_equal(config.store.queue_bytes, 4294967296);
    assert_int_equal(config.store.sync, FH_SYNC_INTERVAL);
    assert_int_equal(config.sink_count, 2);
    assert_string_equal(config.sinks[0].directory, "/x \"y\\");
    assert_false(config.sinks[0].required);
    assert_int_equal(config.sinks[1].compression, FH_COMPRESS_ZSTD);
    dump_reads_back(&config);
}

static void a_failed_parse_leaves_the_result_alone(void **state)
{
    (void)state;
    struct fh_config config = parsed(MINIMAL);
    struct fh_config before = config;
    struct fh_config_findings findings;
    assert_int_equal(fh_config_parse("node: { name = 5; };", "x", &config, &findings), -EINVAL);
    assert_memory_equal(&config, &before, sizeof(config));
    assert_true(findings.count > 0);
}

static void many_findings_stay_within_bounds(void **state)
{
    (void)state;
    char text[4096] = MINIMAL "store: {\n";
    for (int i = 0; i < 40; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "wrong%d = 1;\n", i);
    }
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "};\n");
    struct fh_config config;
    struct fh_config_findings findings;
    assert_int_equal(fh_config_parse(text, "x", &config, &findings), -EINVAL);
    assert_int_equal(findings.count, 20);
    assert_string_equal(findings.finding[19].text, "x: more was found; mend the above first");
    assert_int_equal(findings.finding[18].line, 23);
}

static void loading_files(void **state)
{
    (void)state;
    char path[256];
    struct fh_config config;
    struct fh_config_findings findings;
    in_scratch("missing.conf", path, sizeof(path));
    assert_int_equal(fh_config_load(path, &config, &findings), -ENOENT);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.finding[0].text, "missing.conf"));

    in_scratch("good.conf", path, sizeof(path));
    write_file(path, MINIMAL, strlen(MINIMAL), 0644);
    assert_int_equal(fh_config_load(path, &config, &findings), 0);
    assert_int_equal(findings.count, 0);

    static const char damaged[] = MINIMAL "\0\0\0";
    write_file(path, damaged, sizeof(damaged) - 1, 0644);
    assert_int_equal(fh_config_load(path, &config, &findings), -EINVAL);
    assert_non_null(strstr(findings.finding[0].text, "zero byte"));

    assert_int_equal(fh_config_load(scratch, &config, &findings), -EINVAL); /* a directory */
    assert_int_equal(findings.count, 1);
    if (geteuid() != 0) {
        write_file(path, MINIMAL, strlen(MINIMAL), 0);
        assert_int_equal(fh_config_load(path, &config, &findings), -EACCES);
    }
}

static void includes_are_refused_unopened(void **state)
{
    (void)state;
    char included[256];
    char text[512];
    write_file(in_scratch("included.conf", included, sizeof(included)), MINIMAL, strlen(MINIMAL),
               0644);
    snprintf(text, sizeof(text), "# first\n \t@include \"%s\"\n", included);
    struct fh_config config;
    struct fh_config_findings findings;
    assert_int_equal(fh_config_parse(text, "x", &config, &findings), -EINVAL);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.finding[0].line, 2);
    assert_non_null(strstr(findings.finding[0].text, "@include"));
}

static void what_needs_a_restart(void **state)
{
    (void)state;
    struct fh_config old = parsed(MINIMAL);
    struct fh_config new = old;
    char text[256];
    assert_int_equal(fh_config_restart_needed(&old, &new, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    new.log.level = LOG_DEBUG;
    new.sinks[0].roll_seconds++;
    new.sinks[0].roll_bytes++;
    assert_int_equal(fh_config_restart_needed(&old, &new, text, sizeof(text)), 0);
    snprintf(new.node.name, sizeof(new.node.name), "%s", "b");
    new.firehose.silence_ms++;
    new.firehose.ranges.count = 1; /* split anew while running */
    new.sinks[0].directory[1] = 'E';
    new.store.sync = FH_SYNC_INTERVAL;
    assert_int_equal(fh_config_restart_needed(&old, &new, text, sizeof(text)), 4);
    assert_string_equal(text, "node.name, firehose.silence_ms, store.sync, sinks.s.directory");
    assert_int_equal(fh_config_restart_needed(&old, &new, text, 12), 4);
    assert_string_equal(text, "node.name");
    new = old;
    new.firehose.range_holes = 1; /* but not which partitions are read */
    assert_int_equal(fh_config_restart_needed(&old, &new, text, sizeof(text)), 1);
    assert_string_equal(text, "firehose.ranges");
    new = old;
    snprintf(new.sinks[0].name, sizeof(new.sinks[0].name), "%s", "t");
    new.pair.present = true;
    new.pair.heartbeat_ms = 5;
    assert_int_equal(fh_config_restart_needed(&old, &new, text, sizeof(text)), 2);
    assert_string_equal(text, "pair, sinks");
}

static int key_from(const char *content, size_t len, mode_t mode, char key[FH_API_KEY_MAX],
                    struct fh_error *err)
{
    struct fh_config config = parsed(MINIMAL);
    in_scratch("api_key", config.firehose.api_key_file, sizeof(config.firehose.api_key_file));
    write_file(config.firehose.api_key_file, content, len, mode);
    return fh_config_api_key(&config, key, err);
}

static void the_api_key(void **state)
{
    (void)state;
    char key[FH_API_KEY_MAX] = "before";
    struct fh_error err = {""};
    assert_int_equal(key_from("  SECRET-1234==\r\n\n", 18, 0600, key, &err), 0);
    assert_string_equal(key, "SECRET-1234==");
    snprintf(key, sizeof(key), "before");
    assert_int_equal(key_from("SECRET", 6, 0640, key, &err), -EPERM);
    assert_non_null(strstr(err.text, "api_key"));
    /* root's, as after a copy: nobody reads it but root */
    bool root = geteuid() == 0;
    struct fh_config config = parsed(MINIMAL);
    in_scratch("api_key", config.firehose.api_key_file, sizeof(config.firehose.api_key_file));
    assert_int_equal(chmod(config.firehose.api_key_file, 0), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    int r = fh_config_api_key(&config, key, &err);
    assert_int_equal(root ? seteuid(0) : 0, 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(err.text, "chown firehosed: "));
    assert_int_equal(key_from(" \n", 2, 0600, key, &err), -EINVAL);
    assert_int_equal(key_from("", 0, 0600, key, &err), -EINVAL);
    const char *bad[] = {"SECRET\nX-Other: 1", "SECRET TWO", "SECR\x01T", "SECR\xc3\xa9T"};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        assert_int_equal(key_from(bad[i], strlen(bad[i]), 0600, key, &err), -EINVAL);
        assert_null(strstr(err.text, "SECR")); /* never a part of the key */
    }
    char longest[FH_API_KEY_MAX];
    memset(longest, 'k', sizeof(longest));
    assert_int_equal(key_from(longest, FH_API_KEY_MAX, 0600, key, &err), -EINVAL);
    assert_string_equal(key, "before");
    assert_int_equal(key_from(longest, FH_API_KEY_MAX - 1, 0600, key, &err), 0);
    assert_int_equal(strlen(key), FH_API_KEY_MAX - 1);
}

static void the_credential(void **state)
{
    (void)state;
    struct fh_config config = parsed(MINIMAL);
    char key[FH_API_KEY_MAX];
    char path[256];
    struct fh_error err = {""};
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(fh_config_api_key(&config, key, &err), -ENOENT);
    assert_non_null(strstr(err.text, "firehose.api_key_file"));
    setenv("CREDENTIALS_DIRECTORY", scratch, 1);
    /* systemd's own permissions look like this when it grants by ACL */
    write_file(in_scratch("api_key", path, sizeof(path)), "from-systemd\n", 13, 0440);
    assert_int_equal(fh_config_api_key(&config, key, &err), 0);
    assert_string_equal(key, "from-systemd");
    unlink(path);
    assert_int_equal(fh_config_api_key(&config, key, &err), -ENOENT);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void the_key_of_the_pair(void **state)
{
    (void)state;
    struct fh_config config = parsed(MINIMAL);
    char key[FH_PAIR_KEY_MAX];
    char path[256];
    struct fh_error err = {""};
    static const char secret[] = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n";
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(fh_config_pair_key(&config, key, &err), -ENOENT);
    assert_non_null(strstr(err.text, "pair.secret_key_file"));
    setenv("CREDENTIALS_DIRECTORY", scratch, 1);
    assert_int_equal(fh_config_pair_key(&config, key, &err), -ENOENT);
    write_file(in_scratch("pair_key", path, sizeof(path)), secret, 41, 0440);
    assert_int_equal(fh_config_pair_key(&config, key, &err), 0);
    assert_memory_equal(key, secret, 40);
    write_file(path, "too short", 9, 0440);
    assert_int_equal(fh_config_pair_key(&config, key, &err), -EINVAL);
    assert_null(strstr(err.text, "too short"));
    unlink(path);
    unsetenv("CREDENTIALS_DIRECTORY");
    /* a file named by the option: nobody else may read it */
    in_scratch("pair.key", config.pair.secret_key_file, sizeof(config.pair.secret_key_file));
    write_file(config.pair.secret_key_file, secret, 41, 0640);
    assert_int_equal(fh_config_pair_key(&config, key, &err), -EPERM);
    assert_int_equal(chmod(config.pair.secret_key_file, 0600), 0);
    assert_int_equal(fh_config_pair_key(&config, key, &err), 0);
}

static void the_directories_of_the_unit(void **state)
{
    (void)state;
    setenv("STATE_DIRECTORY", "/var/lib/firehosed/campus:/var/lib/other", 1);
    setenv("RUNTIME_DIRECTORY", "/run/firehosed/campus", 1);
    struct fh_config config = parsed(MINIMAL);
    assert_string_equal(config.node.state_dir, "/var/lib/firehosed/campus");
    assert_string_equal(config.node.control_socket, "/run/firehosed/campus/control.sock");
    unsetenv("STATE_DIRECTORY");
    unsetenv("RUNTIME_DIRECTORY");
    config = parsed(MINIMAL);
    assert_string_equal(config.node.state_dir, "/var/lib/firehosed");
    assert_string_equal(config.node.control_socket, "/run/firehosed/control.sock");
}

static void the_reference_names_every_option(void **state)
{
    (void)state;
    struct fh_buf reference;
    struct fh_buf dump;
    fh_buf_init(&reference, 1 << 20);
    fh_buf_init(&dump, 1 << 20);
    assert_int_equal(fh_config_reference(&reference), 0);
    assert_int_equal(fh_config_dump(NULL, &dump), 0);
    assert_string_equal(fh_buf_string(&reference), fh_buf_string(&dump));
    const char *expected[] = {
        "  firehose.replica_id\n      an integer from 0 to 3; default 0\n",
        "  node.name\n      a string; must be given, e.g. name = \"a\";\n",
        "  store.size_limit\n      a size from \"16 MiB\" to \"16 TiB\"; default \"8 GiB\"\n",
        "\"notice\", \"info\", \"debug\"; default \"info\"; reloadable\n",
        "  sinks.required\n      true or false; default true\n",
        "  firehose.receivers\n      an integer from 1 to 12; default 4; reloadable\n",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(expected); i++) {
        if (!strstr(reference.data, expected[i])) {
            fail_msg("not in the reference: %s", expected[i]);
        }
    }
    fh_buf_done(&reference);
    fh_buf_init(&reference, 100);
    assert_int_equal(fh_config_reference(&reference), -ENOBUFS);
    fh_buf_done(&reference);
    fh_buf_done(&dump);
}

static void the_dump_hides_passwords(void **state)
{
    (void)state;
    struct fh_config config = parsed(MINIMAL);
    snprintf(config.firehose.proxy, sizeof(config.firehose.proxy), "%s",
             "http://user:SECRET@proxy.example:3128");
    struct fh_buf buf;
    fh_buf_init(&buf, 1 << 20);
    assert_int_equal(fh_config_dump(&config, &buf), 0);
    const char *text = fh_buf_string(&buf);
    assert_null(strstr(text, "SECRET"));
    assert_non_null(strstr(text, "proxy = \"http://***@proxy.example:3128\";"));
    fh_buf_done(&buf);
}

static int make_scratch(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    const char *names[] = {"good.conf", "included.conf", "api_key", "pair_key", "pair.key"};
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        char path[256];
        unlink(in_scratch(names[i], path, sizeof(path)));
    }
    return rmdir(scratch);
}

/* libconfig 1.5 forgets the string of a statement it cannot parse. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(every_example),
        cmocka_unit_test(the_pair_is_a_pair),
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(a_failed_parse_leaves_the_result_alone),
        cmocka_unit_test(many_findings_stay_within_bounds),
        cmocka_unit_test(loading_files),
        cmocka_unit_test(includes_are_refused_unopened),
        cmocka_unit_test(what_needs_a_restart),
        cmocka_unit_test(the_api_key),
        cmocka_unit_test(the_credential),
        cmocka_unit_test(the_key_of_the_pair),
        cmocka_unit_test(the_directories_of_the_unit),
        cmocka_unit_test(the_reference_names_every_option),
        cmocka_unit_test(the_dump_hides_passwords),
    };
    if (argc != 3) {
        fprintf(stderr, "usage: test_config FOLDER_OF_CASES FOLDER_OF_EXAMPLES\n");
        return 2;
    }
    cases_folder = argv[1];
    examples_folder = argv[2];
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
