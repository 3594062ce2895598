/* test_sink_mqtt.c: what the contract suite, which runs against mosquitto, cannot bring about: old
 * brokers, refusals of each kind, connections that end at a chosen message, and what the messages
 * look like. */
#include <errno.h>

#include "mqtt_batch.h"
#include "mqtt_broker.h"
#include "sink_play.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqtt_protocol.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage {
    struct play play;
    struct broker broker;
    /* for the judges */
    unsigned at;
    atomic_uint times;
    int reason;
};

static struct stage *new_stage(void)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct fh_config_sink *config = &stage->play.config;
    assert_non_null(stage);
    snprintf(config->name, sizeof(config->name), "out");
    snprintf(config->type, sizeof(config->type), "mqtt");
    snprintf(config->position_topic, sizeof(config->position_topic), "position/{device}");
    config->batch_records = 1000;
    config->batch_ms = 1;
    config->timeout_ms = PLAY_PATIENCE_MS; /* a slow broker is no silent one */
    config->server_count = 1;
    stage->broker.userdata = stage;
    return stage;
}

static void start(struct stage *stage)
{
    assert_int_equal(broker_start(&stage->broker), 0);
    snprintf(stage->play.config.servers[0], sizeof(stage->play.config.servers[0]),
             "mqtt://127.0.0.1:%d", stage->broker.port);
    play_open(&stage->play);
}

static void end(struct stage *stage)
{
    stage->play.ops->close(stage->play.sink);
    broker_stop(&stage->broker);
    free(stage);
}

static void deliver(struct stage *stage, unsigned first, unsigned last)
{
    assert_int_equal(play_write(&stage->play, first, last), 0);
    int r = play_accept_all(&stage->play);
    if (r < 0) {
        fail_msg("accept: %s", stage->play.err.text);
    }
}

/* Each of first..last is there, the first time each in this order. */
static void expect_in_order(struct stage *stage, unsigned first, unsigned last)
{
    unsigned next = first;
    for (size_t i = 0; i < stage->broker.count; i++) {
        const struct broker_message *message = &stage->broker.message[i];
        if (!message->retain && message->n == next) {
            next++;
        } else if (!message->retain && message->n > next) {
            fail_msg("%u came before %u", message->n, next);
        }
    }
    assert_int_equal(next, last + 1);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void a_message_carries_its_key(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    char path[] = "/tmp/test_sink_mqtt.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "pa ss\n", 6), 6);
    close(fd);
    snprintf(stage->play.config.user, sizeof(stage->play.config.user), "u");
    snprintf(stage->play.config.password_file, sizeof(stage->play.config.password_file), "%s",
             path);
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 3);
    assert_int_equal(stage->broker.version, 5);
    assert_string_equal(stage->broker.client_id, "firehosed-out");
    assert_string_equal(stage->broker.user, "u");
    assert_string_equal(stage->broker.password, "pa ss");
    assert_int_equal(broker_count(&stage->broker), 3);
    assert_string_equal(stage->broker.message[0].topic, "firehose/t/T");
    assert_true(stage->broker.message[0].has_key);
    assert_false(stage->broker.message[0].retain);
    unlink(path);
    end(stage);
}

static void topics_are_plain(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    snprintf(stage->play.config.topic, sizeof(stage->play.config.topic), "{tenant}/{device}/x");
    stage->play.tenant = "$SYS+#";
    stage->play.device = "a/b c\x01";
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 1);
    assert_string_equal(stage->broker.message[0].topic, "_SYS__/a_b_c_/x");
    end(stage);
}

static void a_topic_that_is_too_long_is_put_aside(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    char device[2000];
    memset(device, 'd', sizeof(device));
    device[sizeof(device) - 1] = '\0';
    snprintf(stage->play.config.topic, sizeof(stage->play.config.topic), "{device}");
    start(stage);
    play_lead(&stage->play, 3);
    stage->play.device = device;
    deliver(stage, 1, 1);
    assert_int_equal(stage->play.refused_count, 1);
    assert_non_null(strstr(stage->play.refused[0], "topic"));
    end(stage);
}

static void the_last_position_of_each_device_is_retained(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    struct play *play = &stage->play;
    play->config.retain_position = true;
    start(stage);
    play_lead(play, 3);
    play->type = "DEVICE_LOCATION_UPDATE";
    play->device = "one";
    assert_int_equal(play_write(play, 1, 3), 0);
    play->device = "two";
    assert_int_equal(play_write(play, 4, 4), 0);
    play->type = "DEVICE_ENTRY";
    assert_int_equal(play_write(play, 5, 5), 0);
    play->type = "DEVICE_LOCATION_UPDATE";
    play->device = "";
    assert_int_equal(play_write(play, 6, 6), 0);
    assert_int_equal(play_accept_all(play), 0);
    assert_int_equal(broker_count(&stage->broker), 8);
    expect_in_order(stage, 1, 6);
    const struct broker_message *last = &stage->broker.message[6];
    assert_true(last[0].retain && last[1].retain);
    assert_string_equal(last[0].topic, "position/one");
    assert_int_equal(last[0].n, 3);
    assert_string_equal(last[1].topic, "position/two");
    assert_int_equal(last[1].n, 4);
    end(stage);
}

/* ---- brokers ----------------------------------------------------------------------------------
 */

static void an_old_broker_is_spoken_to_in_its_version(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.only_version3 = true;
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 50);
    assert_int_equal(stage->broker.version, 4);
    assert_int_equal(broker_connections(&stage->broker), 2);
    expect_in_order(stage, 1, 50);
    end(stage);
}

static void an_old_broker_may_hang_up(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.hang_up_on_version5 = true;
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 50);
    assert_int_equal(stage->broker.version, 4);
    end(stage);
}

static void no_more_is_under_way_than_the_broker_allows(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.receive_maximum = 2;
    stage->broker.gathers = true; /* the sink has the time to overdo it */
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 40);
    assert_in_range(stage->broker.most_outstanding, 1, 2);
    expect_in_order(stage, 1, 40);
    end(stage);
}

static void what_is_too_large_is_put_aside(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.packet_maximum = 1000;
    start(stage);
    play_lead(&stage->play, 3);
    assert_int_equal(play_write(&stage->play, 1, 1), 0);
    stage->play.padding = 2000;
    assert_int_equal(play_write(&stage->play, 2, 2), 0);
    stage->play.padding = 0;
    assert_int_equal(play_write(&stage->play, 3, 3), 0);
    assert_int_equal(play_accept_all(&stage->play), 0);
    assert_int_equal(stage->play.refused_count, 1);
    assert_non_null(strstr(stage->play.refused[0], "larger"));
    assert_int_equal(broker_count(&stage->broker), 2);
    end(stage);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* The record at is answered with reason, so many times. */
static int refuse(void *userdata, const struct broker_message *message, size_t index)
{
    struct stage *stage = userdata;
    (void)index;
    if (message->n == stage->at && stage->times > 0) {
        stage->times--;
        return stage->reason;
    }
    return 0;
}

static void refused_for_good_is_put_aside(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = refuse;
    stage->at = 5;
    stage->times = 1000;
    stage->reason = MQTT_RC_PAYLOAD_FORMAT_INVALID;
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 10);
    assert_int_equal(stage->play.refused_count, 1);
    assert_non_null(strstr(stage->play.refused[0], "{\"n\":5}: the broker refuses it"));
    end(stage);
}

/* Counts its tries in dropped, which this sink never uses. */
static int no_room_at_first(void *userdata, struct fh_slice record, const char *reason,
                            struct fh_error *err)
{
    struct play *play = userdata;
    if (play->dropped < 2) {
        play->dropped++;
        return fh_error_set(err, -ENOSPC, "no room for dead letters");
    }
    return play_refused(userdata, record, reason, err);
}

/* What the broker has acknowledged meanwhile is not sent again. */
static void without_room_for_dead_letters_it_waits(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = refuse;
    stage->at = 25;
    stage->times = 1000;
    stage->reason = MQTT_RC_PAYLOAD_FORMAT_INVALID;
    start(stage);
    stage->play.context.refused = no_room_at_first;
    play_lead(&stage->play, 3);
    deliver(stage, 1, 50);
    assert_int_equal(stage->play.refused_count, 1);
    assert_int_equal(broker_count(&stage->broker), 52);
    end(stage);
}

static void refused_for_no_reason_is_tried_again_first(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = refuse;
    stage->at = 5;
    stage->times = 1000;
    stage->reason = MQTT_RC_IMPLEMENTATION_SPECIFIC;
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 10);
    assert_int_equal(stage->play.refused_count, 1);
    assert_int_equal(stage->times, 1000 - FH_MQTT_ATTEMPTS);
    end(stage);
}

static void without_the_right_it_waits(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = refuse;
    stage->at = 5;
    stage->times = FH_MQTT_ATTEMPTS + 1;
    stage->reason = MQTT_RC_NOT_AUTHORIZED;
    start(stage);
    play_lead(&stage->play, 3);
    assert_int_equal(play_write(&stage->play, 1, 10), 0);
    do {
        assert_int_equal(play_accept(&stage->play), -EAGAIN);
    } while (!strstr(stage->play.err.text, "uthori"));
    assert_int_equal(play_accept_all(&stage->play), 0);
    assert_int_equal(stage->play.refused_count, 0);
    assert_int_equal(broker_connections(&stage->broker), 1);
    end(stage);
}

static int close_at(void *userdata, const struct broker_message *message, size_t index)
{
    struct stage *stage = userdata;
    (void)index;
    if (message->n == stage->at && stage->times > 0) {
        stage->times--;
        return BROKER_CLOSE;
    }
    /* those just before it are taken and not acknowledged */
    return stage->times > 0 && message->n + 3 > stage->at ? BROKER_SILENT : 0;
}

static void after_a_lost_connection_it_goes_on_in_order(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = close_at;
    stage->at = 50;
    stage->times = 2;
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 100);
    assert_int_equal(broker_connections(&stage->broker), 3);
    expect_in_order(stage, 1, 100);
    assert_true(broker_count(&stage->broker) < 200); /* what was acknowledged is not repeated */
    end(stage);
}

static int swallow_one(void *userdata, const struct broker_message *message, size_t index)
{
    struct stage *stage = userdata;
    (void)index;
    if (message->n != stage->at || stage->times == 0) {
        return 0;
    }
    stage->times--;
    return BROKER_SILENT;
}

/* The connection lasts, and the answer never comes over it. */
static void after_a_lost_answer_it_connects_anew(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->play.config.timeout_ms = 500;
    stage->broker.judge = swallow_one;
    stage->at = 5;
    stage->times = 1000; /* until it has said so */
    start(stage);
    play_lead(&stage->play, 3);
    assert_int_equal(play_write(&stage->play, 1, 10), 0);
    struct fh_time until = fh_time_add_ms(fh_now(), PLAY_PATIENCE_MS);
    while (!strstr(stage->play.err.text, "within 500 ms") && fh_time_before(fh_now(), until)) {
        assert_int_equal(play_accept(&stage->play), -EAGAIN);
    }
    play_says(&stage->play, "within 500 ms");
    stage->times = 0;
    stage->play.config.timeout_ms = PLAY_PATIENCE_MS;
    stage->play.ops->reload(stage->play.sink, &stage->play.config);
    assert_int_equal(play_accept_all(&stage->play), 0);
    expect_in_order(stage, 1, 10);
    end(stage);
}

/* It takes the connection and is never heard of again, whether or not it is alive. */
static void a_broker_that_does_not_greet_is_left(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t size = sizeof(address);
    int mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(mute, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(mute, 8), 0);
    assert_int_equal(getsockname(mute, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(broker_start(&stage->broker), 0);
    stage->play.config.timeout_ms = 500;
    stage->play.config.server_count = 2;
    snprintf(stage->play.config.servers[0], sizeof(stage->play.config.servers[0]),
             "mqtt://127.0.0.1:%d", ntohs(address.sin_port));
    snprintf(stage->play.config.servers[1], sizeof(stage->play.config.servers[1]),
             "mqtt://127.0.0.1:%d", stage->broker.port);
    play_open(&stage->play);
    play_lead(&stage->play, 3);                           /* or it fails */
    assert_true(broker_connections(&stage->broker) >= 1); /* it may be slow, too */
    close(mute);
    end(stage);
}

static void write_password(const char *path, const char *password)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(password, file);
    assert_int_equal(fclose(file), 0);
}

/* It may have been changed since the last connection. */
static void the_password_is_read_at_each_connection(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    char path[] = "/tmp/fh-mqtt-XXXXXX"; /* 0600 */
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(stage->play.config.user, sizeof(stage->play.config.user), "who");
    snprintf(stage->play.config.password_file, sizeof(stage->play.config.password_file), "%s",
             path);
    write_password(path, "one\n");
    start(stage);
    play_lead(&stage->play, 3);
    deliver(stage, 1, 1);
    assert_string_equal(stage->broker.password, "one");
    assert_int_equal(stage->play.ops->abandon(stage->play.sink, NULL, 0, &stage->play.err), 0);
    write_password(path, "two\n");
    play_lead(&stage->play, 4);
    deliver(stage, 2, 2);
    assert_string_equal(stage->broker.password, "two");
    assert_int_equal(stage->play.ops->abandon(stage->play.sink, NULL, 0, &stage->play.err), 0);
    assert_int_equal(unlink(path), 0);
    assert_true(stage->play.ops->lead(stage->play.sink, 5, &stage->play.err) < 0);
    assert_non_null(strstr(stage->play.err.text, path));
    end(stage);
}

static int take_over(void *userdata, const struct broker_message *message, size_t index)
{
    struct stage *stage = userdata;
    (void)index;
    return message->n == stage->at && stage->times-- > 0 ? BROKER_TAKEOVER : 0;
}

static void who_was_pushed_out_says_by_whom(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    stage->broker.judge = take_over;
    stage->at = 5;
    stage->times = 1;
    start(stage);
    play_lead(&stage->play, 3);
    struct fh_time began = fh_now();
    assert_int_equal(play_write(&stage->play, 1, 10), 0);
    do {
        assert_int_equal(play_accept(&stage->play), -EAGAIN);
    } while (!strstr(stage->play.err.text, "sinks.client_id"));
    /* it does not push back before 3 s are over */
    assert_true(broker_connections(&stage->broker) == 1 ||
                fh_time_diff_ms(fh_now(), began) >= 3000);
    assert_int_equal(stage->play.ops->abandon(stage->play.sink, NULL, 0, &stage->play.err), 0);
    end(stage);
}

static void fenced_it_does_not_even_connect(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    start(stage);
    stage->play.fenced = true;
    assert_int_equal(stage->play.ops->lead(stage->play.sink, 3, &stage->play.err), -EAGAIN);
    play_says(&stage->play, "must not deliver");
    assert_int_equal(play_write(&stage->play, 1, 5), 0);
    assert_int_equal(play_accept(&stage->play), -EAGAIN);
    assert_int_equal(broker_connections(&stage->broker), 0);
    stage->play.fenced = false;
    assert_int_equal(play_accept_all(&stage->play), 0);
    assert_int_equal(broker_connections(&stage->broker), 1);
    /* and a connection that is there is left: the thread that serves it asks too */
    stage->play.fenced = true;
    assert_int_equal(play_write(&stage->play, 6, 9), 0);
    assert_int_equal(play_accept(&stage->play), -EAGAIN);
    assert_int_equal(stage->play.ops->abandon(stage->play.sink, NULL, 0, &stage->play.err), 0);
    assert_int_equal(broker_count(&stage->broker), 5);
    end(stage);
}

/* ---- without a broker -------------------------------------------------------------------------
 */

static void a_broker_that_is_away_is_named(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    struct fh_time until = fh_time_add_ms(fh_now(), PLAY_PATIENCE_MS);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t size = sizeof(address);
    int closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* nobody else gets the port */
    assert_int_equal(bind(closed, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(closed, (struct sockaddr *)&address, &size), 0);
    snprintf(stage->play.config.servers[0], sizeof(stage->play.config.servers[0]),
             "mqtt://127.0.0.1:%d", ntohs(address.sin_port));
    play_open(&stage->play);
    do {
        assert_int_equal(stage->play.ops->lead(stage->play.sink, 1, &stage->play.err), -EAGAIN);
        assert_true(fh_time_before(fh_now(), until));
    } while (!strstr(stage->play.err.text, "cannot be reached"));
    play_says(&stage->play, "127.0.0.1");
    assert_int_equal(play_write(&stage->play, 1, 5), 0); /* kept in memory */
    assert_int_equal(play_accept(&stage->play), -EAGAIN);
    stage->play.ops->close(stage->play.sink);
    close(closed);
    free(stage);
}

static void refuse_to_open(struct stage *stage, const char *says)
{
    struct play *play = &stage->play;
    snprintf(play->config.servers[0], sizeof(play->config.servers[0]), "mqtt://127.0.0.1");
    play->ops = fh_sink_for(&play->config);
    assert_true(play->ops->open(&play->config, &play->context, &play->err, &play->sink) < 0);
    play_says(play, says);
}

static void mistakes_are_told_at_open(void **state)
{
    (void)state;
    struct stage *stage = new_stage();
    struct fh_config_sink *config = &stage->play.config;
    snprintf(config->topic, sizeof(config->topic), "a/+/{type}");
    refuse_to_open(stage, "sinks.topic");
    snprintf(config->topic, sizeof(config->topic), "$SYS/{type}");
    refuse_to_open(stage, "sinks.topic");
    snprintf(config->topic, sizeof(config->topic), "a/{kind}");
    refuse_to_open(stage, "{kind}");
    snprintf(config->topic, sizeof(config->topic), "a/{type}");
    config->retain_position = true;
    snprintf(config->position_topic, sizeof(config->position_topic), "#/{device}");
    refuse_to_open(stage, "sinks.position_topic");
    config->retain_position = false;
    char path[] = "/tmp/test_sink_mqtt.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "open secret\n", 12), 12);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    snprintf(config->user, sizeof(config->user), "u");
    snprintf(config->password_file, sizeof(config->password_file), "%s", path);
    refuse_to_open(stage, path);
    assert_null(strstr(stage->play.err.text, "open secret"));
    unlink(path);
    free(stage);
}

static void what_each_answer_means(void **state)
{
    (void)state;
    assert_int_equal(fh_mqtt_judge(0, 1), FH_MQTT_TAKEN);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_NO_MATCHING_SUBSCRIBERS, 1), FH_MQTT_TAKEN);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_NOT_AUTHORIZED, 1000), FH_MQTT_AGAIN);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_QUOTA_EXCEEDED, 200), FH_MQTT_AGAIN);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_TOPIC_NAME_INVALID, 1), FH_MQTT_NEVER);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_PACKET_TOO_LARGE, 1), FH_MQTT_NEVER);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_UNSPECIFIED, FH_MQTT_ATTEMPTS - 1), FH_MQTT_AGAIN);
    assert_int_equal(fh_mqtt_judge(MQTT_RC_UNSPECIFIED, FH_MQTT_ATTEMPTS), FH_MQTT_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_carries_its_key),
        cmocka_unit_test(topics_are_plain),
        cmocka_unit_test(a_topic_that_is_too_long_is_put_aside),
        cmocka_unit_test(the_last_position_of_each_device_is_retained),
        cmocka_unit_test(an_old_broker_is_spoken_to_in_its_version),
        cmocka_unit_test(an_old_broker_may_hang_up),
        cmocka_unit_test(no_more_is_under_way_than_the_broker_allows),
        cmocka_unit_test(what_is_too_large_is_put_aside),
        cmocka_unit_test(refused_for_good_is_put_aside),
        cmocka_unit_test(without_room_for_dead_letters_it_waits),
        cmocka_unit_test(refused_for_no_reason_is_tried_again_first),
        cmocka_unit_test(without_the_right_it_waits),
        cmocka_unit_test(after_a_lost_connection_it_goes_on_in_order),
        cmocka_unit_test(after_a_lost_answer_it_connects_anew),
        cmocka_unit_test(a_broker_that_does_not_greet_is_left),
        cmocka_unit_test(the_password_is_read_at_each_connection),
        cmocka_unit_test(who_was_pushed_out_says_by_whom),
        cmocka_unit_test(fenced_it_does_not_even_connect),
        cmocka_unit_test(a_broker_that_is_away_is_named),
        cmocka_unit_test(mistakes_are_told_at_open),
        cmocka_unit_test(what_each_answer_means),
    };
    return cmocka_run_group_tests_name("mqtt sink", tests, NULL, NULL);
}
