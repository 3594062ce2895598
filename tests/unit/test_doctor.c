/* test_doctor.c: what doctor concludes from what it has seen. */
#include "doctor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct fh_doctor_report report;

static int fresh(void **state)
{
    (void)state;
    memset(&report, 0, sizeof(report));
    return 0;
}

static void expect(size_t index, enum fh_doctor_result result, const char *check, const char *words)
{
    assert_true(index < report.count);
    const struct fh_doctor_line *line = &report.line[index];
    if (line->result != result || strcmp(line->check, check) != 0 || !strstr(line->text, words)) {
        fail_msg("finding %zu: %d %s %s", index, (int)line->result, line->check, line->text);
    }
}

static void findings_are_lines(void **state)
{
    (void)state;
    struct fh_buf text;
    fh_doctor_say(&report, FH_DOCTOR_OK, "dns", "good");
    fh_doctor_say(&report, FH_DOCTOR_WARN, "clock", "two\nlines\x1b[31m");
    assert_true(fh_doctor_healthy(&report));
    fh_doctor_say(&report, FH_DOCTOR_FAIL, "key", "%s", "bad");
    assert_false(fh_doctor_healthy(&report));
    fh_buf_init(&text, 65536);
    assert_int_equal(fh_doctor_text(&report, &text), 0);
    assert_string_equal(fh_buf_string(&text), "ok    dns         good\n"
                                              "warn  clock       two?lines?[31m\n"
                                              "FAIL  key         bad\n"
                                              "1 ok, 1 to look at, 1 failed\n");
    fh_buf_done(&text);
    cJSON *json = fh_doctor_json(&report);
    char *printed = cJSON_PrintUnformatted(json);
    assert_non_null(strstr(printed,
                           "{\"ok\":false,\"checks\":[{\"check\":\"dns\",\"result\":\"ok\","
                           "\"text\":\"good\"}"));
    cJSON_free(printed);
    cJSON_Delete(json);
}

static void too_many_findings_lose_no_failure(void **state)
{
    (void)state;
    for (int i = 0; i < FH_DOCTOR_LINES + 5; i++) {
        fh_doctor_say(&report, FH_DOCTOR_OK, "disk", "%d", i);
    }
    assert_int_equal(report.count, FH_DOCTOR_LINES);
    assert_true(fh_doctor_healthy(&report));
    fh_doctor_say(&report, FH_DOCTOR_FAIL, "disk", "bad");
    assert_int_equal(report.count, FH_DOCTOR_LINES);
    assert_false(fh_doctor_healthy(&report));
    expect(FH_DOCTOR_LINES - 1, FH_DOCTOR_FAIL, "disk", "more");
}

/* Only what is certain counts: whole seconds and the way there and back excuse a good deal. */
static void clocks(void **state)
{
    (void)state;
    static const struct {
        int64_t asked, answered, date;
        enum fh_doctor_result result;
        const char *words;
    } cases[] = {
        {10000, 10050, 10000, FH_DOCTOR_OK, "within"},
        {12900, 12950, 10000, FH_DOCTOR_OK, "within"}, /* 1.9 s at least */
        {13000, 13010, 10000, FH_DOCTOR_WARN, "2.0 s ahead"},
        {15000, 15010, 10000, FH_DOCTOR_WARN, "4.0 s ahead"},
        {7000, 8000, 10000, FH_DOCTOR_OK, "within"},
        {7000, 7900, 10000, FH_DOCTOR_WARN, "2.1 s behind"},
        {0, 60000, 30000, FH_DOCTOR_OK, "within"}, /* a slow answer proves nothing */
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        fh_doctor_clock(&report, cases[i].asked, cases[i].answered, cases[i].date);
        expect(i, cases[i].result, "clock", cases[i].words);
    }
}

static void certificates(void **state)
{
    (void)state;
    fh_doctor_certificate(&report, 1000, -1);
    expect(0, FH_DOCTOR_OK, "tls", "good");
    fh_doctor_certificate(&report, 1000, 1000);
    expect(1, FH_DOCTOR_FAIL, "tls", "expired");
    fh_doctor_certificate(&report, 1000, 1000 + 13 * 86400);
    expect(2, FH_DOCTOR_WARN, "tls", "13 days");
    fh_doctor_certificate(&report, 1000, 1000 + 400 * 86400);
    expect(3, FH_DOCTOR_OK, "tls", "400 days");
}

static void keys_and_channels(void **state)
{
    (void)state;
    fh_doctor_key(&report, true, true, 3, 0, "");
    expect(0, FH_DOCTOR_OK, "key", "accepted");
    expect(1, FH_DOCTOR_OK, "channel", "replica 3");
    fh_doctor_key(&report, false, true, 3, -EACCES, "answered with 401: the API key is bad");
    expect(2, FH_DOCTOR_FAIL, "key", "401");
    fh_doctor_key(&report, false, true, 3, -EACCES, "UNAUTHENTICATED: no");
    expect(3, FH_DOCTOR_FAIL, "key", "UNAUTH");
    fh_doctor_key(&report, false, true, 3, -EACCES, "answered with 403: not enabled");
    expect(4, FH_DOCTOR_OK, "key", "known");
    expect(5, FH_DOCTOR_FAIL, "channel", "403");
    fh_doctor_key(&report, false, true, 3, -EACCES, "answered with 400: replica");
    expect(6, FH_DOCTOR_FAIL, "key", "on-premise");
    fh_doctor_key(&report, false, false, 3, -EACCES, "answered with 400: replica");
    expect(7, FH_DOCTOR_OK, "key", "no replicas");
    fh_doctor_key(&report, false, false, 3, -EIO, "answered with 429: too many");
    expect(8, FH_DOCTOR_WARN, "key", "too many");
    fh_doctor_key(&report, false, false, 3, -EACCES, "answered with 404: nothing");
    expect(9, FH_DOCTOR_FAIL, "channel", "404");
    fh_doctor_key(&report, false, false, 3, -EIO, "reset");
    expect(10, FH_DOCTOR_FAIL, "key", "reset");
}

static struct fh_config own, peer;

static void make_pair(int64_t replica, int64_t other)
{
    memset(&own, 0, sizeof(own));
    own.pair.present = true;
    own.firehose.replica_id = replica;
    snprintf(own.node.name, sizeof(own.node.name), "a");
    snprintf(own.firehose.url, sizeof(own.firehose.url), "https://x/");
    peer = own;
    peer.firehose.replica_id = other;
    snprintf(peer.node.name, sizeof(peer.node.name), "b");
    memset(peer.pair.peer_public_key, 'K', 40);
}

/* A connection on a replica in use takes its events: what is not certain is left alone. */
static void spare_replicas(void **state)
{
    (void)state;
    make_pair(1, 2);
    assert_int_equal(fh_doctor_spare_replica(&own, NULL), 3);
    assert_int_equal(fh_doctor_spare_replica(&own, &peer), 3);
    make_pair(3, 1);
    assert_int_equal(fh_doctor_spare_replica(&own, NULL), 0);
    assert_int_equal(fh_doctor_spare_replica(&own, &peer), 2);
    make_pair(2, 3);
    assert_int_equal(fh_doctor_spare_replica(&own, &peer), 1);
    make_pair(0, 0);
    own.pair.present = false;
    assert_int_equal(fh_doctor_spare_replica(&own, NULL), 3);
    own.firehose.replica_id = 3;
    assert_int_equal(fh_doctor_spare_replica(&own, NULL), 2);
}

static void two_configurations(void **state)
{
    (void)state;
    char key[41] = "";
    memset(key, 'K', 40);
    make_pair(1, 2);
    fh_doctor_compare(&report, &own, &peer, key);
    assert_int_equal(report.count, 1);
    expect(0, FH_DOCTOR_OK, "peer-config", "fits");
    fresh(NULL);
    peer = own;
    peer.pair.preferred = own.pair.preferred = true;
    peer.pair.prefer = FH_PREFER_SAFETY;
    peer.dedup.key = FH_KEY_UID;
    peer.arbiter.type = FH_ARBITER_ETCD;
    snprintf(peer.firehose.url, sizeof(peer.firehose.url), "https://y/");
    fh_doctor_compare(&report, &own, &peer, key);
    static const char *const words[] = {"node.name",    "replica_id",  "firehose.url", "dedup.key",
                                        "arbiter.type", "pair.prefer", "preferred is", "KKKK"};
    assert_int_equal(report.count, FH_ARRAY_LEN(words));
    for (size_t i = 0; i < FH_ARRAY_LEN(words); i++) {
        expect(i, FH_DOCTOR_FAIL, "peer-config", words[i]);
    }
    fresh(NULL);
    peer.pair.present = false;
    fh_doctor_compare(&report, &own, &peer, key);
    expect(0, FH_DOCTOR_FAIL, "peer-config", "section pair");
}

static void files_and_disks(void **state)
{
    (void)state;
    struct stat st = {.st_mode = S_IFREG | 0600};
    fh_doctor_secret(&report, "o", "/p", &st, 0, "u");
    expect(0, FH_DOCTOR_OK, "secrets", "/p");
    fh_doctor_secret(&report, "o", "/p", &st, -EACCES, "u");
    expect(1, FH_DOCTOR_FAIL, "secrets", "chown u: /p");
    st.st_mode = S_IFREG | 0640;
    fh_doctor_secret(&report, "o", "/p", &st, 0, "u");
    expect(2, FH_DOCTOR_FAIL, "secrets", "0640");
    st.st_mode = S_IFDIR | 0700;
    fh_doctor_secret(&report, "o", "/p", &st, 0, "u");
    expect(3, FH_DOCTOR_FAIL, "secrets", "no file");
    assert_string_equal(fh_doctor_network_fs(0x6969), "NFS");
    assert_string_equal(fh_doctor_network_fs(0xFF534D42), "SMB");
    assert_string_equal(fh_doctor_network_fs((int64_t)(int32_t)0xFF534D42), "SMB"); /* 32 bits */
    assert_null(fh_doctor_network_fs(0xEF53));                                      /* ext4 */
    int64_t gib = INT64_C(1) << 30;
    fh_doctor_space(&report, "/s", 10 * gib, 0, 8 * gib);
    expect(4, FH_DOCTOR_OK, "disk", "10240 MiB free");
    fh_doctor_space(&report, "/s", 4 * gib, 6 * gib, 8 * gib);
    expect(5, FH_DOCTOR_OK, "disk", "2048 MiB left");
    fh_doctor_space(&report, "/s", gib, 0, 8 * gib);
    expect(6, FH_DOCTOR_WARN, "disk", "size_limit");
    fh_doctor_space(&report, "/s", 1000, 0, 8 * gib);
    expect(7, FH_DOCTOR_FAIL, "disk", "make room");
    fh_doctor_space(&report, "/s", 0, 8 * gib, 8 * gib); /* nothing is asked of it any more */
    expect(8, FH_DOCTOR_OK, "disk", "0 MiB");
}

static bool judge(const char *json)
{
    fresh(NULL);
    cJSON *status = cJSON_Parse(json);
    assert_non_null(status);
    bool certain = fh_doctor_status(&report, status);
    cJSON_Delete(status);
    return certain;
}

static void the_daemon_tells(void **state)
{
    (void)state;
    assert_false(judge("{}")); /* an older or newer daemon */
    assert_int_equal(report.count, 1);
    assert_true(judge("{\"node\":\"a\",\"version\":\"1\",\"role\":\"primary\",\"protected\":true,"
                      "\"receivers\":[{\"range\":\"1-12\",\"state\":\"streaming\"}],"
                      "\"peer\":{\"configured\":true,\"reachable\":true,\"node\":\"b\",\"role\":"
                      "\"standby\",\"paths\":[{\"address\":\"p\",\"up\":true,\"datagrams\":true},"
                      "{\"address\":\"q\",\"up\":true,\"datagrams\":false},"
                      "{\"address\":\"o\",\"up\":true,\"datagrams\":null},"
                      "{\"address\":\"r\",\"up\":false}]}}"));
    expect(0, FH_DOCTOR_OK, "daemon", "node \"a\", primary");
    expect(1, FH_DOCTOR_OK, "stream", "all 1");
    expect(2, FH_DOCTOR_OK, "peer", "\"b\" is standby");
    expect(3, FH_DOCTOR_OK, "datagrams", "p");
    expect(4, FH_DOCTOR_WARN, "datagrams", "q");
    expect(5, FH_DOCTOR_WARN, "peer", "r");
    assert_false(judge("{\"peer\":{\"configured\":true,\"reachable\":false}}"));
    assert_true(judge("{\"peer\":{\"configured\":true,\"reachable\":false,\"refused\":\"same "
                      "replica_id\"},\"sinks\":[{\"name\":\"s\",\"healthy\":false,\"required\":"
                      "true,\"last_error\":\"full\"}],\"receivers\":[{\"range\":\"1-12\","
                      "\"state\":\"refused\",\"last_error\":\"401\"}]}"));
    expect(1, FH_DOCTOR_FAIL, "stream", "401");
    expect(2, FH_DOCTOR_FAIL, "sinks", "full");
    expect(3, FH_DOCTOR_FAIL, "peer", "same replica_id");
    assert_true(judge("{\"protected\":true,\"peer\":{\"configured\":true,\"reachable\":true,"
                      "\"maintenance\":true}}"));
    expect(2, FH_DOCTOR_WARN, "peer", "the other node is in maintenance and does not take over");
    assert_true(judge("{\"protected\":true,\"maintenance\":true,\"peer\":{\"configured\":true,"
                      "\"reachable\":true}}"));
    expect(2, FH_DOCTOR_WARN, "peer", "this node is in maintenance and does not take over");
}

static void in_force(const char *json, int64_t mtime_ms)
{
    fresh(NULL);
    cJSON *status = cJSON_Parse(json);
    assert_non_null(status);
    fh_doctor_in_force(&report, status, "/c", mtime_ms);
    cJSON_Delete(status);
}

static void the_configuration_in_force(void **state)
{
    (void)state;
    in_force("{\"config\":{\"file\":\"/c\",\"mtime_ms\":1700000000123,\"needs_restart\":\"\"}}",
             1700000000123);
    assert_int_equal(report.count, 0);
    /* an older one put back counts as well */
    in_force("{\"config\":{\"file\":\"/c\",\"mtime_ms\":1700000000123,\"needs_restart\":\"\"}}",
             1700000000000);
    expect(0, FH_DOCTOR_WARN, "config", "/c was changed after the daemon had read it");
    in_force(
        "{\"config\":{\"file\":\"/c\",\"mtime_ms\":5,\"needs_restart\":\"pair.peer_public_key\"}}",
        5);
    expect(0, FH_DOCTOR_WARN, "config", "old values of pair.peer_public_key: restart it");
    in_force("{\"config\":{\"file\":\"/d\",\"mtime_ms\":5,\"needs_restart\":\"x\"}}", 6);
    assert_int_equal(report.count, 0);
    in_force("{}", 6); /* an older daemon */
    assert_int_equal(report.count, 0);
}

/* ---- the unit's sandbox ---- */

static const char unit_as_installed[] =
    "LoadState=loaded\nNeedDaemonReload=no\nProtectSystem=strict\nProtectHome=yes\n"
    "PrivateTmp=yes\nReadWritePaths=\nStateDirectory=firehosed\nRuntimeDirectory=firehosed\n"
    "CacheDirectory=\nReadOnlyPaths=\nInaccessiblePaths=\nBindPaths=\nTemporaryFileSystem=\n";

static struct fh_doctor_unit unit;

static void read_unit(const char *text)
{
    memset(&unit, 0, sizeof(unit));
    snprintf(unit.name, sizeof(unit.name), "firehosed.service");
    fh_doctor_unit_read(&unit, text);
}

static void read_unit_and(const char *more)
{
    char text[2048];
    snprintf(text, sizeof(text), "%s%s", unit_as_installed, more);
    read_unit(text);
}

static bool may_write(const char *path)
{
    struct fh_doctor_place place = {
        .what = "directory of sink \"archive\"", .path = path, .real = path, .user = "firehosed"};
    report.count = 0;
    bool may = fh_doctor_sandbox(&report, &unit, &place);
    assert_int_equal(report.count, may ? 0 : 1);
    return may;
}

static void the_unit_as_installed(void **state)
{
    (void)state;
    read_unit(unit_as_installed);
    assert_true(unit.loaded);
    assert_false(unit.changed);
    assert_false(unit.uncertain);
    assert_true(may_write("/var/lib/firehosed"));
    assert_true(may_write("/var/lib/firehosed/events/today"));
    assert_true(may_write("/run/firehosed"));
    assert_false(may_write("/var/lib/firehosed2"));
    assert_false(may_write("/var/lib"));
    assert_false(may_write("/"));
    assert_false(may_write("/home/someone/events"));
    expect(0, FH_DOCTOR_FAIL, "sandbox", "hides it from the daemon (ProtectHome=yes)");
    assert_false(may_write("/var/tmp/events"));
    expect(0, FH_DOCTOR_FAIL, "sandbox", "of its own there, which ends with it (PrivateTmp=yes)");
    assert_false(may_write("/srv/events"));
    expect(0, FH_DOCTOR_FAIL, "sandbox",
           "directory of sink \"archive\" /srv/events: firehosed.service does not let the daemon "
           "write there (ProtectSystem=strict). As root: "
           "mkdir -p /etc/systemd/system/firehosed.service.d && "
           "printf '%s\\n' '[Service]' 'ReadWritePaths=/srv/events' "
           ">>/etc/systemd/system/firehosed.service.d/paths.conf && "
           "systemctl daemon-reload && systemctl restart firehosed.service");
}

static void the_remedy_is_complete(void **state)
{
    (void)state;
    struct fh_doctor_place place = {.what = "directory of sink \"archive\"",
                                    .path = "/srv/new",
                                    .real = "/data/new",
                                    .user = "fire",
                                    .missing = true};
    read_unit(unit_as_installed);
    assert_false(fh_doctor_sandbox(&report, &unit, &place));
    expect(0, FH_DOCTOR_FAIL, "sandbox", "As root: install -d -o fire /srv/new && mkdir -p ");
    expect(0, FH_DOCTOR_FAIL, "sandbox", "'ReadWritePaths=/srv/new' >>");
    place.path = "/srv/it's new";
    assert_false(fh_doctor_sandbox(&report, &unit, &place));
    expect(1, FH_DOCTOR_FAIL, "sandbox", "install -d -o fire '/srv/it'\\''s new' && mkdir -p ");
    assert_false(may_write("/srv/a b 100% \"it's\" \\"));
    expect(0, FH_DOCTOR_FAIL, "sandbox",
           "'ReadWritePaths=\"/srv/a b 100%% \\\"it'\\''s\\\" \\\\\"' >>");
    char longest[FH_PATH_MAX];
    memset(longest, '\'', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    assert_false(may_write(longest)); /* cut, and no more */
}

static void what_the_operator_has_allowed(void **state)
{
    (void)state;
    read_unit_and("ReadWritePaths=/srv/events -/mnt/a \"/srv/a b\" \"/srv/\\\"q\\\"\"\n");
    assert_true(may_write("/srv/events"));
    assert_true(may_write("/srv/events/x"));
    assert_true(may_write("/mnt/a/b"));
    assert_true(may_write("/srv/a b/c"));
    assert_true(may_write("/srv/\"q\""));
    assert_false(may_write("/srv/eventsx"));
    assert_false(may_write("/srv/a"));
    bool needed[] = {true, false, true, true};
    for (size_t i = 0; i < FH_ARRAY_LEN(needed); i++) {
        assert_int_equal(unit.rule[unit.rules - FH_ARRAY_LEN(needed) + i].needed, needed[i]);
    }
    report.count = 0;
    fh_doctor_rule_missing(&report, &unit, &unit.rule[unit.rules - 2], "fire");
    expect(0, FH_DOCTOR_FAIL, "sandbox",
           "firehosed.service has ReadWritePaths=/srv/a b, which is not there: systemd does not "
           "start it so (226/NAMESPACE): install -d -o fire '/srv/a b'");
    read_unit_and("ReadWritePaths=/ \nReadOnlyPaths=/srv\n");
    assert_false(may_write("/var/out")); /* of two for one path the stricter */
    assert_false(may_write("/srv/out"));
    expect(0, FH_DOCTOR_FAIL, "sandbox", "(ReadOnlyPaths=)");
    read_unit_and("ReadWritePaths=/srv /srv/secret/out\nReadOnlyPaths=/srv/ro\n"
                  "InaccessiblePaths=-/srv/secret\nCacheDirectory=c\nLogsDirectory=l\n");
    assert_true(may_write("/srv/out"));
    assert_false(may_write("/srv/ro/out"));
    assert_false(may_write("/srv/secret/out")); /* nothing can be shown again below */
    assert_true(may_write("/var/cache/c/x"));
    assert_true(may_write("/var/log/l"));
}

static void other_units(void **state)
{
    (void)state;
    read_unit("LoadState=loaded\nNeedDaemonReload=yes\nProtectSystem=full\nProtectHome=read-only\n"
              "PrivateTmp=no\n");
    assert_true(unit.changed);
    assert_true(may_write("/srv/events"));
    assert_true(may_write("/tmp/events"));
    assert_false(may_write("/etc/events"));
    assert_false(may_write("/home/x"));
    read_unit("LoadState=loaded\nProtectSystem=yes\nProtectHome=tmpfs\n");
    assert_true(may_write("/etc/events"));
    assert_false(may_write("/usr/events"));
    assert_false(may_write("/root/events"));
    read_unit("LoadState=loaded\nProtectSystem=no\nProtectHome=no\n");
    assert_true(may_write("/usr/events"));
    read_unit("LoadState=not-found\n");
    assert_false(unit.loaded);
    read_unit_and("BindPaths=/data:/srv:rbind\n");
    assert_false(may_write("/srv/events"));
    expect(0, FH_DOCTOR_WARN, "sandbox", "does not let the daemon write there");
    read_unit("nonsense\n=\n\n=x\nReadWritePaths=\"open\nProtectSystem");
    assert_true(may_write("/srv"));
}

static void state_is(const char *text, bool answers)
{
    memset(&report, 0, sizeof(report));
    read_unit_and(text);
    fh_doctor_unit_state(&report, &unit, answers);
}

static void the_unit_keeps_it_running(void **state)
{
    (void)state;
    state_is("ActiveState=active\nSubState=running\nResult=success\nUnitFileState=enabled\n", true);
    assert_int_equal(report.count, 0);
    state_is("ActiveState=active\nSubState=running\nResult=success\nUnitFileState=disabled\n",
             true);
    expect(0, FH_DOCTOR_WARN, "daemon", "systemctl enable firehosed.service");
    /* before the first start, and stopped by intention */
    state_is("ActiveState=inactive\nSubState=dead\nResult=success\nUnitFileState=disabled\n",
             false);
    assert_int_equal(report.count, 0);
    state_is("ActiveState=failed\nSubState=failed\nResult=exit-code\nUnitFileState=enabled\n",
             false);
    expect(0, FH_DOCTOR_FAIL, "daemon",
           "has failed (exit-code); why: journalctl -xeu firehosed.service");
    state_is("ActiveState=activating\nSubState=auto-restart\nResult=signal\n", false);
    expect(0, FH_DOCTOR_FAIL, "daemon", "again and again (signal)");
    /* another socket than the unit's: who answers is not the unit's */
    state_is("ActiveState=failed\nSubState=failed\nResult=exit-code\n", true);
    assert_int_equal(report.count, 0);
    state_is("", false); /* nothing is known */
    assert_int_equal(report.count, 0);
}

static void more_rules_than_are_kept(void **state)
{
    (void)state;
    struct fh_buf text;
    fh_buf_init(&text, 65536);
    assert_int_equal(fh_buf_printf(&text, "%sReadWritePaths=", unit_as_installed), 0);
    for (int i = 0; i < FH_DOCTOR_RULES; i++) {
        assert_int_equal(fh_buf_printf(&text, "/srv/%d ", i), 0);
    }
    read_unit(fh_buf_string(&text));
    fh_buf_done(&text);
    assert_int_equal(unit.rules, FH_DOCTOR_RULES);
    assert_true(unit.uncertain);
    assert_true(may_write("/srv/1"));
    assert_false(may_write("/other"));
    expect(0, FH_DOCTOR_WARN, "sandbox", "/other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(findings_are_lines, fresh),
        cmocka_unit_test_setup(too_many_findings_lose_no_failure, fresh),
        cmocka_unit_test_setup(clocks, fresh),
        cmocka_unit_test_setup(certificates, fresh),
        cmocka_unit_test_setup(keys_and_channels, fresh),
        cmocka_unit_test_setup(spare_replicas, fresh),
        cmocka_unit_test_setup(two_configurations, fresh),
        cmocka_unit_test_setup(files_and_disks, fresh),
        cmocka_unit_test_setup(the_daemon_tells, fresh),
        cmocka_unit_test_setup(the_configuration_in_force, fresh),
        cmocka_unit_test_setup(the_unit_as_installed, fresh),
        cmocka_unit_test_setup(the_remedy_is_complete, fresh),
        cmocka_unit_test_setup(what_the_operator_has_allowed, fresh),
        cmocka_unit_test_setup(other_units, fresh),
        cmocka_unit_test_setup(the_unit_keeps_it_running, fresh),
        cmocka_unit_test_setup(more_rules_than_are_kept, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
