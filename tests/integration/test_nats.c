/* test_nats.c: the NATS sink against nats-server: what a message carries, streams that will not do,
 * lost acknowledgements, duplicate windows that are over, servers that die, streams that are full.
 */
#include "nats_far.h"

#include "fh/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

static struct far_server server;
static struct far_view view;
static struct far_node a, b;

static int set_up(void **state)
{
    (void)state;
    far_server_start(&server, NULL);
    far_view_open(&view, &server);
    far_node_config(&a, server.port);
    far_node_config(&b, server.port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (a.sink) {
        far_node_close(&a);
    }
    if (b.sink) {
        far_node_close(&b);
    }
    far_view_close(&view);
    far_server_done(&server);
    return 0;
}

static void open_both(void)
{
    assert_int_equal(far_node_open(&a), 0);
    assert_int_equal(far_node_open(&b), 0);
}

/* The stream is there, both are open, a leads. */
static void begin(int64_t window_s, void (*change)(jsStreamConfig *config))
{
    far_make_stream(&view, window_s, change);
    open_both();
    far_node_lead(&a, 2);
}

/* lead() is refused, and the sentence has this in it. */
static void assert_no_lead(struct far_node *node, const char *expected)
{
    assert_int_equal(far_node_open(node), 0);
    far_node_no_lead(node, 2, expected);
    far_node_close(node);
}

static void test_what_a_message_carries(void **state)
{
    (void)state;
    static struct far_seen seen;
    a.config.stream_replicas = 1;
    a.config.duplicate_window_seconds = 77;
    open_both();
    far_node_lead(&a, 7);
    far_node_deliver(&a, 3, 4);
    far_look(&view, &seen);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.first_subject, "firehose.ten_ant_.A_TYPE_");
    assert_string_equal(seen.first_id, "daa66d2c7ddf743f-1700000000003:out");
    assert_string_equal(seen.first_uid, "uid_3");
    assert_string_equal(seen.first_epoch, "7");
    jsStreamInfo *info = NULL;
    assert_int_equal(js_GetStreamInfo(&info, view.js, "FIREHOSE", NULL, NULL), NATS_OK);
    assert_int_equal(info->Config->Duplicates, INT64_C(77) * 1000000000);
    assert_string_equal(info->Config->Subjects[0], "firehose.*.*");
    jsStreamInfo_Destroy(info);
    assert_true(strncmp(a.position, "2 ", 2) == 0 && strstr(a.position, " FIREHOSE"));
}

static void other_subjects(jsStreamConfig *config)
{
    static const char *subjects[] = {"firehose.t.*"};
    config->Subjects = subjects;
}

static void no_answers(jsStreamConfig *config)
{
    config->NoAck = true;
}

static void test_streams_that_will_not_do(void **state)
{
    (void)state;
    assert_no_lead(&a, "there is no stream FIREHOSE");
    far_make_stream(&view, 10, other_subjects);
    assert_no_lead(&a, "does not take the subjects firehose.*.*");
    js_DeleteStream(view.js, "FIREHOSE", NULL, NULL);
    far_make_stream(&view, 10, no_answers);
    assert_no_lead(&a, "does not acknowledge");
    js_DeleteStream(view.js, "FIREHOSE", NULL, NULL);
    far_make_stream(&view, 10, NULL);
    a.config.duplicate_window_seconds = 11;
    assert_no_lead(&a, "lengthen its duplicate window");
    a.config.duplicate_window_seconds = 10;
    assert_int_equal(far_node_open(&a), 0);
    far_node_lead(&a, 2);
    far_server_kill(&server);
    assert_no_lead(&b, "is it running");
}

static void test_open_refuses_nonsense(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *stream, *server, *says;
    } cases[] = {
        {"a..b", "S", "nats://h", "empty part"},
        {"a.{what}", "S", "nats://h", "is no pattern"},
        {"$JS.{type}", "S", "nats://h", "begin with $"},
        {"", "S.T", "nats://h", "is no name"},
        {"", "", "nats://h", "is no name"},
        {"", "S", "nats://u:secret@h", "no user or password"},
        {"", "S", "h:4222", "must look like"},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        snprintf(a.config.topic, sizeof(a.config.topic), "%s", cases[i].topic);
        snprintf(a.config.stream, sizeof(a.config.stream), "%s", cases[i].stream);
        snprintf(a.config.servers[0], sizeof(a.config.servers[0]), "%s", cases[i].server);
        assert_int_equal(far_node_open(&a), -EINVAL);
        if (!strstr(a.err.text, cases[i].says) || strstr(a.err.text, "secret")) {
            fail_msg("case %zu: %s", i, a.err.text);
        }
    }
}

/* Delivered and not reported; the duplicate window is over when the other node goes on. With
 * recover: once. Without: twice, so that this test could see it. */
static void test_window_is_over_before_the_takeover(void **state)
{
    (void)state;
    static struct far_seen seen;
    begin(1, NULL);
    far_node_recover(&a, "", FAR_BASE_MS);
    far_node_deliver(&a, 1, 20);
    char reported[FH_SINK_POSITION_MAX];
    memcpy(reported, a.position, sizeof(reported));
    far_node_deliver(&a, 21, 50); /* and a dies */
    far_node_close(&a);
    sleep(3);
    far_node_lead(&b, 3);
    far_node_recover(&b, reported, FAR_BASE_MS);
    assert_int_equal(b.found_count, 30); /* from the position on, no more */
    far_node_deliver(&b, 21, 60);
    far_expect(&view, 1, 60, 5);
    memset(b.found, 0, sizeof(b.found));
    struct fh_time since = fh_now();
    do { /* until the server has noticed that the window is over */
        sleep(2);
        far_node_deliver(&b, 60, 60);
        far_look(&view, &seen);
    } while (seen.count == 60 && fh_time_diff_ms(fh_now(), since) < FAR_PATIENCE_MS);
    assert_int_equal(seen.count, 61);
}

/* No position, or one of a stream that was removed and made anew: by time. */
static void test_recover_without_a_position(void **state)
{
    (void)state;
    begin(1, NULL);
    far_node_deliver(&a, 1, 30);
    int64_t now_ms = fh_wall_ms();
    far_node_lead(&b, 3);
    far_node_recover(&b, "", now_ms);
    assert_int_equal(b.found_count, 30);
    far_node_recover(&b, "", now_ms + 3600000); /* nothing is that new */
    assert_int_equal(b.found_count, 30);
    far_node_recover(&b, "", 0);
    assert_int_equal(b.found_count, 60);
    far_node_recover(&b, a.position, now_ms);
    assert_int_equal(b.found_count, 60);

    char old[FH_SINK_POSITION_MAX];
    memcpy(old, a.position, sizeof(old));
    js_DeleteStream(view.js, "FIREHOSE", NULL, NULL);
    far_make_stream(&view, 1, NULL);
    far_node_lead(&a, 4);
    far_node_deliver(&a, 31, 40);
    b.found_count = 0;
    far_node_lead(&b, 5);
    far_node_recover(&b, old, now_ms); /* sequence 30 of another stream */
    assert_int_equal(b.found_count, 10);
    far_node_recover(&b, "what is this", now_ms);
    assert_int_equal(b.found_count, 20);
}

/* The last messages were removed: nothing will come, and recover must not wait for it. Other
 * sinks' messages and foreign ones are passed over. */
static void test_recover_in_a_shared_stream(void **state)
{
    (void)state;
    static struct far_seen seen;
    far_make_stream(&view, 60, NULL);
    snprintf(b.config.name, sizeof(b.config.name), "other");
    open_both();
    far_node_lead(&a, 2);
    far_node_lead(&b, 2);
    far_node_deliver(&a, 1, 10);
    far_node_deliver(&b, 1, 20); /* the same records by another sink: no duplicates */
    far_look(&view, &seen);
    assert_int_equal(seen.count, 30);
    assert_int_equal(js_Publish(NULL, view.js, "firehose.foreign", "{\"n\":0,}", 8, NULL, NULL),
                     NATS_OK);
    far_node_recover(&a, "", 0);
    assert_int_equal(a.found_count, 10);
    for (uint64_t sequence = 26; sequence <= 31; sequence++) {
        assert_int_equal(js_DeleteMsg(view.js, "FIREHOSE", sequence, NULL, NULL), NATS_OK);
    }
    far_node_recover(&b, "", 0);
    assert_int_equal(b.found_count, 15);
    jsStreamInfo *info = NULL;
    assert_int_equal(js_PurgeStream(view.js, "FIREHOSE", NULL, NULL), NATS_OK);
    far_node_recover(&b, "", 0);
    assert_int_equal(b.found_count, 15);
    jsStreamInfo_Destroy(info);
}

/* A few calls of accept, as in a second of a delivery thread's life. */
static void accept_fails(struct far_node *node, const char *says)
{
    struct fh_time since = fh_now();
    char position[FH_SINK_POSITION_MAX] = "untouched";
    bool said = false;
    while (!said) {
        assert_int_equal(node->ops->accept(node->sink, position, &node->err), -EAGAIN);
        said = strstr(node->err.text, says) != NULL;
        if (!said && fh_time_diff_ms(fh_now(), since) > FAR_PATIENCE_MS) {
            fail_msg("\"%s\" does not say \"%s\"", node->err.text, says);
        }
        usleep(5000);
    }
    assert_string_equal(position, "untouched");
}

/* The messages reach the stream, their acknowledgements are lost with the connection. */
static void lose_acknowledgements(int64_t window_s, unsigned wait_s, const char *replay)
{
    struct far_cut cut;
    far_cut_start(&cut, server.port);
    far_make_stream(&view, window_s, NULL);
    far_node_config(&a, cut.port);
    a.devices = 50;
    a.context.replay = replay;
    open_both();
    far_node_lead(&a, 2);
    far_node_deliver(&a, 1, 100);
    atomic_store(&cut.deaf, true);
    far_node_write(&a, 101, 300);
    accept_fails(&a, "not acknowledged");
    struct far_seen *seen = calloc(1, sizeof(*seen));
    struct fh_time since = fh_now();
    do {
        far_look(&view, seen);
    } while (seen->count <= 100 && fh_time_diff_ms(fh_now(), since) < FAR_PATIENCE_MS);
    assert_true(seen->count > 100); /* they are there, and nobody told us */
    free(seen);
    far_cut_now(&cut);
    atomic_store(&cut.deaf, false);
    sleep(wait_s);
    far_node_accept(&a);
    far_node_deliver(&a, 301, 320);
    far_expect(&view, 1, 320, 50);
    far_node_close(&a);
    far_cut_done(&cut);
}

static void test_acknowledgements_lost(void **state)
{
    (void)state;
    lose_acknowledgements(60, 0, NULL);
}

static void test_acknowledgements_lost_and_the_window_over(void **state)
{
    (void)state;
    lose_acknowledgements(1, 3, NULL);
}

/* A replay knows its own messages by its own name. */
static void test_acknowledgements_of_a_replay_lost(void **state)
{
    (void)state;
    lose_acknowledgements(1, 2, "r1");
}

#define CUTS 12 /* then there is peace, however slow this host */

static void *cut_at_random(void *userdata)
{
    struct far_cut *cut = userdata;
    unsigned seed = 7;
    while (!atomic_load(&cut->stop) && atomic_load(&cut->times) < CUTS) {
        usleep((useconds_t)(rand_r(&seed) % 300000));
        atomic_store(&cut->deaf, rand_r(&seed) % 2 == 0);
        usleep((useconds_t)(rand_r(&seed) % 3000));
        far_cut_now(cut);
        atomic_store(&cut->deaf, false);
    }
    return NULL;
}

/* The connection breaks again and again, now and then after some deafness. */
static void test_cut_again_and_again(void **state)
{
    (void)state;
    static struct far_cut cut; /* a failed test leaves the thread behind */
    pthread_t thread;
    far_cut_start(&cut, server.port);
    far_make_stream(&view, 1, NULL);
    far_node_config(&a, cut.port);
    a.config.timeout_ms = 300;
    a.devices = 40;
    open_both();
    far_node_lead(&a, 2);
    pthread_create(&thread, NULL, cut_at_random, &cut);
    uint64_t last = 0;
    for (; last < SEEN_MAX - 500 && atomic_load(&cut.times) < CUTS; last += 200) {
        far_node_deliver(&a, last + 1, last + 200);
    }
    atomic_store(&cut.stop, true);
    pthread_join(thread, NULL);
    print_message("%u cuts, %" PRIu64 " records\n", atomic_load(&cut.times), last);
    far_expect(&view, 1, last, 40);
    far_node_close(&a);
    atomic_store(&cut.stop, false);
    far_cut_done(&cut);
}

struct killer {
    atomic_uint kills;
    atomic_bool enough;
};

/* A server ends with the thread that started it: this one stays until it is not needed any more. */
static void *kill_at_random(void *userdata)
{
    struct killer *killer = userdata;
    unsigned seed = 11;
    while (atomic_load(&killer->kills) < 6) {
        usleep((useconds_t)(rand_r(&seed) % 600000));
        far_server_kill(&server);
        far_server_again(&server);
        atomic_fetch_add(&killer->kills, 1);
    }
    while (!atomic_load(&killer->enough)) {
        usleep(1000);
    }
    return NULL;
}

static void test_server_dies_again_and_again(void **state)
{
    (void)state;
    static struct killer killer; /* a failed test leaves the thread behind */
    pthread_t thread;
    far_make_stream(&view, 60, NULL);
    a.devices = 40;
    open_both();
    far_node_lead(&a, 2);
    pthread_create(&thread, NULL, kill_at_random, &killer);
    uint64_t last = 0;
    for (; last < SEEN_MAX - 500 && atomic_load(&killer.kills) < 6; last += 100) {
        far_node_deliver(&a, last + 1, last + 100);
    }
    atomic_store(&killer.enough, true);
    pthread_join(thread, NULL);
    far_server_kill(&server); /* its thread is gone, and so is it, sooner or later */
    far_server_again(&server);
    far_view_close(&view);
    far_view_open(&view, &server);
    print_message("%u kills, %" PRIu64 " records\n", atomic_load(&killer.kills), last);
    far_expect(&view, 1, last, 40);
}

static void small(jsStreamConfig *config)
{
    config->MaxMsgs = 30;
    config->Discard = js_DiscardNew;
}

/* Full: nothing is lost, nothing is overtaken; and it goes on when there is room. */
static void test_stream_is_full(void **state)
{
    (void)state;
    static struct far_seen seen;
    begin(60, small);
    far_node_deliver(&a, 1, 20);
    far_node_write(&a, 21, 50);
    accept_fails(&a, "the stream is full");
    far_expect(&view, 1, 30, 5);
    far_look(&view, &seen);
    assert_int_equal(a.refused, 0);
    jsOptions keep;
    jsOptions_Init(&keep);
    keep.Stream.Purge.Keep = 1;
    assert_int_equal(js_PurgeStream(view.js, "FIREHOSE", &keep, NULL), NATS_OK);
    far_node_accept(&a);
    far_expect(&view, 30, 50, 5);
}

static void small_messages(jsStreamConfig *config)
{
    config->MaxMsgSize = 200; /* with headers */
}

static void test_stream_takes_no_large_messages(void **state)
{
    (void)state;
    static struct far_seen seen;
    begin(60, small_messages);
    static char text[400];
    memset(text, 'x', sizeof(text));
    struct fh_slice record = {text, sizeof(text)};
    struct fh_record_key key = {.fingerprint = 1, .timestamp_ms = 1};
    struct fh_record_facts facts = {.type = {"T", 1}, .device = {"d1", 2}};
    struct fh_sink_write write = {
        .record = &record, .key = &key, .facts = &facts, .count = 1, .epoch = 2};
    assert_int_equal(a.ops->write(a.sink, &write, &a.err), 0);
    far_node_deliver(&a, 1, 10);
    assert_int_equal(a.refused, 1);
    assert_non_null(strstr(a.refused_why, "max_msg_size"));
    far_look(&view, &seen);
    assert_int_equal(seen.count, 10);
}

/* The stream goes away, and comes back empty, under a node that delivers. */
static void test_stream_is_made_anew(void **state)
{
    (void)state;
    begin(60, NULL);
    far_node_deliver(&a, 1, 100);
    js_DeleteStream(view.js, "FIREHOSE", NULL, NULL);
    far_node_write(&a, 101, 150);
    accept_fails(&a, "stream");
    far_make_stream(&view, 60, NULL);
    far_node_accept(&a);
    far_node_deliver(&a, 151, 160);
    far_expect(&view, 101, 160, 5);
    assert_true(strncmp(a.position, "60 ", 3) == 0);
}

static void consumed(jsStreamConfig *config)
{
    config->Retention = js_WorkQueuePolicy;
}

/* Such a stream cannot be read back, and need not: duplicates are known for the window. */
static void test_work_queue(void **state)
{
    (void)state;
    natsSubscription *subscription = NULL;
    begin(60, consumed);
    far_node_deliver(&a, 1, 10);
    far_node_lead(&b, 3);
    far_node_recover(&b, "", 0);
    assert_int_equal(b.found_count, 0);
    far_node_deliver(&b, 1, 20);
    int count = 0;
    assert_int_equal(js_SubscribeSync(&subscription, view.js, ">", NULL,
                                      &(jsSubOptions){.Stream = "FIREHOSE",
                                                      .Config = {.Durable = "w",
                                                                 .AckPolicy = js_AckExplicit,
                                                                 .DeliverPolicy = js_DeliverAll}},
                                      NULL),
                     NATS_OK);
    for (natsMsg *msg; natsSubscription_NextMsg(&msg, subscription,
                                                count < 20 ? FAR_PATIENCE_MS : 500) == NATS_OK;
         count++) {
        natsMsg_Ack(msg, NULL);
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(subscription);
    assert_int_equal(count, 20);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_message_carries),
        TEST(test_streams_that_will_not_do),
        TEST(test_open_refuses_nonsense),
        TEST(test_window_is_over_before_the_takeover),
        TEST(test_recover_without_a_position),
        TEST(test_recover_in_a_shared_stream),
        TEST(test_acknowledgements_lost),
        TEST(test_acknowledgements_lost_and_the_window_over),
        TEST(test_acknowledgements_of_a_replay_lost),
        TEST(test_cut_again_and_again),
        TEST(test_server_dies_again_and_again),
        TEST(test_stream_is_full),
        TEST(test_stream_takes_no_large_messages),
        TEST(test_stream_is_made_anew),
        TEST(test_work_queue),
    };
    return far_possible() ? cmocka_run_group_tests(tests, NULL, far_library_done) : 77;
}
