/* test_sink_kafka.c: the Kafka sink without a cluster: what open refuses, positions, patterns of
 * topics. */
#include "kafka_internal.h"
#include "types.h"

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

/* ---- positions --------------------------------------------------------------------------------
 */

static void test_positions_travel_as_text(void **state)
{
    (void)state;
    struct fh_kafka_places places = {.count = 0};
    struct fh_kafka_places back = {.count = 0};
    char text[FH_SINK_POSITION_MAX];
    fh_kafka_position_print(&places, text);
    assert_string_equal(text, "");
    assert_int_equal(fh_kafka_places_raise(&places, "firehose", 2, 35), 0);
    assert_int_equal(fh_kafka_places_raise(&places, "a.b-C_d", 0, INT64_MAX), 0);
    assert_int_equal(fh_kafka_places_raise(&places, "firehose", 0, 0), 0);
    assert_int_equal(fh_kafka_places_raise(&places, "firehose", 0, 36), 0);
    assert_int_equal(fh_kafka_places_raise(&places, "firehose", 0, 5), 0); /* never back */
    fh_kafka_position_print(&places, text);
    assert_string_equal(text, "1;a.b-C_d:1y2p0ij32e8e7;firehose:10,,z");
    assert_int_equal(fh_kafka_position_parse(text, &back), 0);
    assert_int_equal(back.count, places.count);
    for (size_t i = 0; i < places.count; i++) {
        assert_string_equal(back.place[i].topic, places.place[i].topic);
        assert_int_equal(back.place[i].partition, places.place[i].partition);
        assert_true(back.place[i].next == places.place[i].next);
    }
    assert_null(fh_kafka_places_find(&back, "firehose", 1));
    assert_null(fh_kafka_places_find(&back, "firehos", 0));
    fh_kafka_places_done(&places);
    fh_kafka_places_done(&back);
}

/* What does not fit is left out, and what is there is true. */
static void test_positions_have_an_end(void **state)
{
    (void)state;
    struct fh_kafka_places places = {.count = 0};
    char text[FH_SINK_POSITION_MAX];
    for (int32_t partition = 0; partition < 400; partition++) {
        assert_int_equal(
            fh_kafka_places_raise(&places, "firehose", partition, 1000000007 + partition), 0);
    }
    fh_kafka_position_print(&places, text);
    assert_true(strlen(text) < FH_SINK_POSITION_MAX);
    assert_true(strlen(text) > FH_SINK_POSITION_MAX - 10);
    struct fh_kafka_places back = {.count = 0};
    assert_int_equal(fh_kafka_position_parse(text, &back), 0);
    assert_true(back.count > 20);
    for (size_t i = 0; i < back.count; i++) {
        assert_true(back.place[i].next == 1000000007 + back.place[i].partition);
    }
    fh_kafka_places_clear(&places);
    assert_int_equal(fh_kafka_places_raise(&places, "far", 1000, 1), 0); /* 1000 commas */
    fh_kafka_position_print(&places, text);
    assert_string_equal(text, "");
    for (int32_t partition = 0; partition < FH_KAFKA_PLACES_MAX - 1; partition++) {
        assert_int_equal(fh_kafka_places_raise(&places, "many", partition, 1), 0);
    }
    assert_int_equal(fh_kafka_places_raise(&places, "many", FH_KAFKA_PLACES_MAX, 1), -ENOBUFS);
    fh_kafka_places_done(&places);
    fh_kafka_places_done(&back);
}

static void test_positions_that_are_none(void **state)
{
    (void)state;
    const char *const wrong[] = {"2;a:1", "a",    "1;",    "1;a",    "1;:1", "1;a:1!",
                                 "1;a:Z", "1a:1", "1;a;b", "1;a:1;", "",     "1;a:zzzzzzzzzzzzzzz"};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_kafka_places places = {.count = 0};
        assert_int_equal(fh_kafka_position_parse(wrong[i], &places), -EBADMSG);
        fh_kafka_places_done(&places);
    }
}

/* ---- topics -----------------------------------------------------------------------------------
 */

static void test_topics_of_a_pattern(void **state)
{
    (void)state;
    struct fh_pattern pattern;
    struct fh_error err;
    assert_int_equal(fh_pattern_compile("fh.{tenant}.{type}-x", "topic", &err, &pattern), 0);
    assert_true(fh_kafka_topic_matches(&pattern, "fh.t.DEVICE-x"));
    assert_true(fh_kafka_topic_matches(&pattern, "fh.a.b.c-x-x"));
    assert_false(fh_kafka_topic_matches(&pattern, "fh..T-x"));
    assert_false(fh_kafka_topic_matches(&pattern, "fh.t.T"));
    assert_false(fh_kafka_topic_matches(&pattern, "xfh.t.T-x"));
    assert_false(fh_kafka_topic_matches(&pattern, ""));
    assert_int_equal(fh_pattern_compile("firehose", "topic", &err, &pattern), 0);
    assert_true(fh_kafka_topic_matches(&pattern, "firehose"));
    assert_false(fh_kafka_topic_matches(&pattern, "firehoses"));
}

/* ---- open -------------------------------------------------------------------------------------
 */

static struct fh_config_sink minimal(void)
{
    struct fh_config_sink config = {.name = "out",
                                    .type = "kafka",
                                    .servers = {"127.0.0.1:1"},
                                    .server_count = 1,
                                    .batch_records = 10,
                                    .batch_ms = 10,
                                    .timeout_ms = 100};
    return config;
}

static int open_it(const struct fh_config_sink *config, struct fh_error *err)
{
    const struct fh_sink_context context = {.node = "a", .state_dir = "/nowhere"};
    void *sink = NULL;
    int r = fh_sink_kafka_ops.open(config, &context, err, &sink);
    fh_sink_kafka_ops.close(sink);
    return r;
}

static int with_property(const char *property, struct fh_error *err)
{
    struct fh_config_sink config = minimal();
    snprintf(config.properties[0], sizeof(config.properties[0]), "%s", property);
    config.property_count = 1;
    err->text[0] = '\0';
    return open_it(&config, err);
}

static void test_properties_by_name(void **state)
{
    (void)state;
    struct fh_error err;
    const char *const good[] = {"linger.ms=1",
                                "compression.type=lz4",
                                "client.rack=r1",
                                "partitioner=murmur2",
                                "security.protocol=ssl",
                                "client.id=",
                                "topic.metadata.refresh.interval.ms=1000"};
    for (size_t i = 0; i < FH_ARRAY_LEN(good); i++) {
        if (with_property(good[i], &err) != 0) {
            fail_msg("%s: %s", good[i], err.text);
        }
    }
    /* what is refused, and a word its sentence must have */
    const char *const bad[][2] = {{"transactional.id=x", "both nodes"},
                                  {"enable.idempotence=false", "twice"},
                                  {"acks=1", "in-sync"},
                                  {"isolation.level=read_uncommitted", "committed"},
                                  {"bootstrap.servers=h:1", "servers"},
                                  {"sasl.password=secret-word", "password_file"},
                                  {"partitioner=random", "one partition"},
                                  {"test.mock.num.brokers=3", "mock"},
                                  {"linger.ms=soon", "Invalid value"},
                                  {"no.such.thing=1", "No such configuration property"},
                                  {"linger.ms", "NAME=VALUE"},
                                  {"=1", "NAME=VALUE"},
                                  {"dr_msg_cb=1", "properties"},
                                  {"transaction.timeout.ms=0", "transaction.timeout.ms"}};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        if (with_property(bad[i][0], &err) != -EINVAL || !strstr(err.text, bad[i][1])) {
            fail_msg("%s: \"%s\"", bad[i][0], err.text);
        }
        assert_null(strstr(err.text, "secret-word"));
    }
    struct fh_config_sink config = minimal();
    snprintf(config.properties[0], sizeof(config.properties[0]), "security.protocol=ssl");
    snprintf(config.properties[1], sizeof(config.properties[1]), "ssl.ca.location=/nowhere/ca.pem");
    config.property_count = 2;
    assert_int_equal(open_it(&config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "ssl.ca.location"));
}

static void test_topics_that_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"fire hose", "a/b",       "x.{device}",
                                 "{uid}",     "{nothing}", "caf\xc3\xa9"};
    for (size_t i = 0; i < FH_ARRAY_LEN(wrong); i++) {
        struct fh_config_sink config = minimal();
        struct fh_error err;
        snprintf(config.topic, sizeof(config.topic), "%s", wrong[i]);
        assert_int_equal(open_it(&config, &err), -EINVAL);
        assert_non_null(strstr(err.text, "topic"));
    }
}

static void test_the_password_stays_in_its_file(void **state)
{
    (void)state;
    char path[] = "/tmp/fh-kafka-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hush-hush\n", 10), 10);
    close(fd);
    struct fh_config_sink config = minimal();
    struct fh_error err = {""};
    snprintf(config.properties[0], sizeof(config.properties[0]),
             "security.protocol=sasl_plaintext");
    snprintf(config.properties[1], sizeof(config.properties[1]), "sasl.mechanisms=PLAIN");
    config.property_count = 2;
    assert_int_equal(open_it(&config, &err), -EINVAL); /* librdkafka asks for user and password */
    snprintf(config.user, sizeof(config.user), "who");
    snprintf(config.password_file, sizeof(config.password_file), "%s", path);
    if (open_it(&config, &err) != 0) {
        fail_msg("%s", err.text);
    }
    config.property_count = 0; /* librdkafka would connect in clear, as nobody */
    assert_int_equal(open_it(&config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "security.protocol"));
    config.property_count = 2;
    config.user[0] = '\0';
    assert_int_equal(open_it(&config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "belong together"));
    snprintf(config.user, sizeof(config.user), "who");
    chmod(path, 0644);
    assert_int_equal(open_it(&config, &err), -EPERM);
    assert_null(strstr(err.text, "hush"));
    assert_int_equal(truncate(path, 0), 0);
    chmod(path, 0600);
    assert_int_equal(open_it(&config, &err), -EINVAL);
    unlink(path);
    assert_int_equal(open_it(&config, &err), -ENOENT);
}

static void test_the_promise_says_for_whom(void **state)
{
    (void)state;
    struct fh_config_sink config = minimal();
    char text[256];
    fh_sink_kafka_ops.promise(&config, text, sizeof(text));
    assert_int_equal(strncmp(text, "exactly once (transactions", 26), 0);
    assert_non_null(strstr(text, "read_committed"));
    assert_non_null(strstr(text, "topic firehose "));
}

/* Nothing answers at 127.0.0.1:1: in time, with the reason, and quiet before. */
static void test_nobody_there(void **state)
{
    (void)state;
    struct fh_config_sink config = minimal();
    const struct fh_sink_context context = {.node = "a", .state_dir = "/nowhere"};
    struct fh_error err = {""};
    void *sink;
    struct fh_slice record = {"{}", 2};
    struct fh_record_key key = {1, 1};
    struct fh_record_facts facts = {.location_count = 0};
    const struct fh_sink_write write = {
        .record = &record, .key = &key, .facts = &facts, .count = 1};
    const struct fh_sink_ops *ops = &fh_sink_kafka_ops;
    char position[FH_SINK_POSITION_MAX] = "untouched";
    assert_int_equal(ops->open(&config, &context, &err, &sink), 0);
    assert_int_equal(ops->write(sink, &write, &err), -ENOTCONN);
    assert_int_equal(ops->accept(sink, position, &err), -ENOTCONN);
    assert_int_equal(ops->lead(sink, 1, &err), -EAGAIN);
    assert_int_equal(ops->lead(sink, 1, &err), -EAGAIN);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_int_equal(ops->write(sink, &write, &err), -ENOTCONN);
    assert_int_equal(ops->abandon(sink, NULL, 0, &err), 0);
    assert_string_equal(position, "untouched");
    ops->close(sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_travel_as_text),
        cmocka_unit_test(test_positions_have_an_end),
        cmocka_unit_test(test_positions_that_are_none),
        cmocka_unit_test(test_topics_of_a_pattern),
        cmocka_unit_test(test_properties_by_name),
        cmocka_unit_test(test_topics_that_are_refused),
        cmocka_unit_test(test_the_password_stays_in_its_file),
        cmocka_unit_test(test_the_promise_says_for_whom),
        cmocka_unit_test(test_nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
