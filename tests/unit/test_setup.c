/* test_setup.c: the answers of "firehosectl setup", the configurations they become, and how files
 * come into their place. */
#include "setup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct fh_setup_plan plan;
static char place[64];

static int fresh(void **state)
{
    (void)state;
    fh_setup_plan_init(&plan);
    memset(plan.host[0].public_key, 'P', 40);
    memset(plan.host[1].public_key, 'Q', 40);
    snprintf(place, sizeof(place), "/tmp/fh-setup-XXXXXX");
    return mkdtemp(place) ? 0 : -1;
}

static int gone(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", place);
    return system(command);
}

static void set(const char *option, const char *value)
{
    struct fh_error err = {""};
    if (fh_setup_set(&plan, option, value, &err) != 0) {
        fail_msg("--%s %s: %s", option, value, err.text);
    }
}

static void refuses(const char *option, const char *value, const char *word)
{
    struct fh_setup_plan before = plan;
    struct fh_error err = {""};
    assert_int_equal(fh_setup_set(&plan, option, value, &err), -EINVAL);
    assert_non_null(strstr(err.text, word));
    assert_memory_equal(&before, &plan, sizeof(plan)); /* untouched */
}

static void render(size_t host, struct fh_config *config, char *text, size_t size)
{
    struct fh_buf buf;
    struct fh_config_findings findings = {0};
    fh_buf_init(&buf, 65536);
    assert_int_equal(fh_setup_render(&plan, host, &buf), 0);
    snprintf(text, size, "%s", fh_buf_string(&buf));
    if (fh_config_parse(text, "conf", config, &findings) != 0) {
        fail_msg("%s\n%s", findings.finding[0].text, text);
    }
    assert_int_equal(findings.count, 0); /* no warning either */
    fh_buf_done(&buf);
}

static struct fh_config config[2];
static char text[2][8192];

static void two_hosts_fit_together(void **state)
{
    (void)state;
    set("address", "10.0.0.1,10.1.0.1");
    set("peer-address", "10.0.0.2:6000,node-b.example");
    set("port", "5999");
    set("prefer", "safety");
    set("preferred", "peer");
    set("channel", "websocket");
    set("receivers", "12");
    plan.own_ca = true;
    for (size_t i = 0; i < 2; i++) {
        render(i, &config[i], text[i], sizeof(text[i]));
    }
    assert_string_equal(config[0].node.name, "a");
    assert_string_equal(config[1].node.name, "b");
    assert_int_equal(config[0].firehose.replica_id, 1);
    assert_int_equal(config[1].firehose.replica_id, 2);
    assert_string_equal(config[0].pair.listen, "tcp://0.0.0.0:5999");
    assert_string_equal(config[1].pair.listen, "tcp://0.0.0.0:6000");
    assert_int_equal(config[0].pair.peer_count, 2);
    assert_string_equal(config[0].pair.peers[0], "tcp://10.0.0.2:6000");
    assert_string_equal(config[0].pair.peers[1], "tcp://node-b.example:5999");
    assert_string_equal(config[1].pair.peers[1], "tcp://10.1.0.1:5999");
    assert_string_equal(config[0].pair.peer_public_key, plan.host[1].public_key);
    assert_string_equal(config[1].pair.peer_public_key, plan.host[0].public_key);
    assert_false(config[0].pair.preferred);
    assert_true(config[1].pair.preferred);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(config[i].pair.prefer, FH_PREFER_SAFETY);
        assert_int_equal(config[i].firehose.channel, FH_CHANNEL_WEBSOCKET);
        assert_int_equal(config[i].firehose.ranges.count, 12);
        assert_string_equal(config[i].firehose.ca_file, "/etc/firehosed/ca.pem");
        assert_string_equal(config[i].firehose.api_key_file, "/etc/firehosed/api_key");
        assert_string_equal(config[i].pair.secret_key_file, "/etc/firehosed/pair.key");
        assert_string_equal(config[i].node.state_dir, "/var/lib/firehosed");
        assert_string_equal(config[i].sinks[0].directory, "/var/lib/firehosed/events");
    }
}

static void other_places(void **state)
{
    (void)state;
    set("address", "fd00::1");
    set("peer-address", "[fd00::2]:6000");
    set("state-dir", "/srv/a");
    set("output", "/opt/a");
    set("peer-state-dir", "/srv/b");
    set("sink-dir", "/data");
    set("witness", "10.0.0.3,tcp://10.1.0.3:5000");
    set("witness-key", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    render(0, &config[0], text[0], sizeof(text[0]));
    assert_string_equal(config[0].node.state_dir, "/srv/a");
    assert_string_equal(config[0].node.control_socket, "/srv/a/control.sock");
    assert_string_equal(config[0].firehose.api_key_file, "/opt/a/api_key");
    assert_string_equal(config[0].pair.listen, "tcp://[::]:5570");
    assert_string_equal(config[0].pair.peers[0], "tcp://[fd00::2]:6000");
    assert_string_equal(config[0].sinks[0].directory, "/data");
    /* read by the unit, which has a place for the socket where firehosectl looks for it */
    render(1, &config[1], text[1], sizeof(text[1]));
    assert_string_equal(config[1].node.state_dir, "/srv/b");
    assert_string_equal(config[1].node.control_socket, "/run/firehosed/control.sock");
    assert_int_equal(config[0].arbiter.type, FH_ARBITER_WITNESS);
    assert_string_equal(config[0].arbiter.addresses[0], "tcp://10.0.0.3:5571");
    assert_string_equal(config[0].arbiter.addresses[1], "tcp://10.1.0.3:5000");
    render(1, &config[1], text[1], sizeof(text[1]));
    assert_string_equal(config[1].pair.peers[0], "tcp://[fd00::1]:5570");
    assert_string_equal(config[1].pair.listen, "tcp://[::]:6000");
}

static void a_single_node(void **state)
{
    (void)state;
    plan.single = true;
    render(0, &config[0], text[0], sizeof(text[0]));
    assert_false(config[0].pair.present);
    assert_int_equal(config[0].firehose.replica_id, 0);
}

static void answers_are_judged(void **state)
{
    (void)state;
    struct fh_error err = {""};
    assert_int_equal(fh_setup_judge(&plan, &err), 0); /* what is not known counts as good */
    refuses("preferred", "me", "this");
    refuses("prefer", "both", "safety");
    refuses("port", "0", "65535");
    refuses("port", "99999", "65535");
    refuses("receivers", "13", "12");
    refuses("output", "etc", "/");
    refuses("url", "https://x\"; };", "quotes");
    refuses("name", "a\nb", "control");
    refuses("address", "a,b,c,d,e", "1 to 4");
    refuses("address", ",", "1 to 4");
    assert_int_equal(fh_setup_set(&plan, "no-such", "x", &err), -ENOENT);
    struct fh_setup_plan good = plan;
    static const struct {
        const char *option, *value, *word;
    } bad[] = {{"url", "http://partners.example/", "https"},
               {"url", "ftp://x/", "firehose.url"},
               {"channel", "smoke", "channel"},
               {"name", "no blanks", "node.name"},
               {"name", "b", "both nodes"},
               {"address", "host:99999", "65535"},
               {"witness", "host:x", "arbiter.addresses"},
               {"witness-key", "short", "--witness"}};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        plan = good;
        set(bad[i].option, bad[i].value);
        assert_int_equal(fh_setup_judge(&plan, &err), -EINVAL);
        if (!strstr(err.text, bad[i].word)) {
            fail_msg("--%s %s: %s", bad[i].option, bad[i].value, err.text);
        }
    }
    plan = good;
    set("address", "10.0.0.1");
    set("peer-address", "10.0.0.2,10.0.0.1");
    assert_int_equal(fh_setup_judge(&plan, &err), -EINVAL);
    assert_non_null(strstr(err.text, "10.0.0.1"));
}

static void hosts_of_addresses(void **state)
{
    (void)state;
    char host[64];
    assert_string_equal(fh_setup_address_host("a:1", host, sizeof(host)), "a");
    assert_string_equal(fh_setup_address_host("a", host, sizeof(host)), "a");
    assert_string_equal(fh_setup_address_host("[::1]", host, sizeof(host)), "[::1]");
    assert_string_equal(fh_setup_address_host("[::1]:5", host, sizeof(host)), "[::1]");
}

/* ---- files ------------------------------------------------------------------------------------
 */

static char directory[128];
static struct fh_setup_files files;

static void collect(const char *conf, const char *key)
{
    struct fh_error err = {""};
    snprintf(directory, sizeof(directory), "%s/etc/deep", place);
    fh_setup_files_init(&files, directory, 0700);
    assert_int_equal(fh_setup_files_add(&files, "api_key", key, strlen(key), 0600, &err), 0);
    assert_int_equal(fh_setup_files_add(&files, FH_SETUP_CONF, conf, strlen(conf), 0640, &err), 0);
}

static void expect_file(const char *name, const char *contents, mode_t mode)
{
    char path[256];
    char found[8192] = "";
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(found, contents);
}

static void files_come_into_place(void **state)
{
    (void)state;
    struct fh_error err = {""};
    plan.single = true;
    render(0, &config[0], text[0], sizeof(text[0]));
    collect(text[0], "secret\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_true(files.file[0].change && files.file[1].change);
    assert_int_equal(fh_setup_files_place(&files, &err), 0);
    expect_file("api_key", "secret\n", 0600);
    expect_file(FH_SETUP_CONF, text[0], 0640);

    /* Again: nothing to do, but a mode somebody widened is put right. */
    char path[256];
    snprintf(path, sizeof(path), "%s/api_key", directory);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_false(files.file[0].change || files.file[1].change);
    assert_int_equal(fh_setup_files_place(&files, &err), 0);
    expect_file("api_key", "secret\n", 0600);

    /* Other contents: named, and refused; the secret is in no sentence. */
    collect(text[0], "another\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), -EEXIST);
    assert_non_null(strstr(err.text, path));
    assert_null(strstr(err.text, "another"));
    assert_int_equal(fh_setup_files_compare(&files, true, &err), 0);
    assert_int_equal(fh_setup_files_place(&files, &err), 0);
    expect_file("api_key", "another\n", 0600);

    /* The old configuration is kept. */
    set("name", "z");
    render(0, &config[0], text[1], sizeof(text[1]));
    collect(text[1], "another\n");
    assert_int_equal(fh_setup_files_compare(&files, true, &err), 0);
    assert_int_equal(fh_setup_files_place(&files, &err), 0);
    expect_file(FH_SETUP_CONF, text[1], 0640);
    expect_file(FH_SETUP_CONF ".old", text[0], 0640);
}

/* What the daemon would refuse never gets into place, nor does anything beside it. */
static void bad_files_leave_nothing(void **state)
{
    (void)state;
    struct fh_error err = {""};
    char command[256];
    plan.single = true;
    render(0, &config[0], text[0], sizeof(text[0]));
    collect("node: { };\n", "secret\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_int_equal(fh_setup_files_place(&files, &err), -EINVAL);
    assert_non_null(strstr(err.text, "node.name"));
    snprintf(command, sizeof(command), "test -z \"$(ls -A %s)\"", directory);
    assert_int_equal(system(command), 0);
    collect(text[0], "two words\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_int_equal(fh_setup_files_place(&files, &err), -EINVAL);
    assert_null(strstr(err.text, "two words"));
    assert_int_equal(system(command), 0);
}

static void the_template_may_be_replaced(void **state)
{
    (void)state;
    struct fh_error err = {""};
    plan.single = true;
    set("url", "https://partners.example/");
    render(0, &config[0], text[0], sizeof(text[0]));
    collect(text[0], "secret\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_int_equal(fh_setup_files_place(&files, &err), 0);
    set("url", "https://partners.ciscospaces.io/");
    render(0, &config[0], text[1], sizeof(text[1]));
    collect(text[1], "secret\n");
    assert_int_equal(fh_setup_files_compare(&files, false, &err), 0);
    assert_true(files.file[1].change);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_hosts_fit_together, fresh, gone),
        cmocka_unit_test_setup_teardown(other_places, fresh, gone),
        cmocka_unit_test_setup_teardown(a_single_node, fresh, gone),
        cmocka_unit_test_setup_teardown(answers_are_judged, fresh, gone),
        cmocka_unit_test_setup_teardown(hosts_of_addresses, fresh, gone),
        cmocka_unit_test_setup_teardown(files_come_into_place, fresh, gone),
        cmocka_unit_test_setup_teardown(bad_files_leave_nothing, fresh, gone),
        cmocka_unit_test_setup_teardown(the_template_may_be_replaced, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
