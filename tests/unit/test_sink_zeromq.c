/* test_sink_zeromq.c: what the contract suite cannot see of the ZeroMQ sink: the frames, what
 * counts as delivered when a consumer does not read, does not confirm or dies, who is let in, and
 * what is dropped and counted. The consumers are sockets of this very process. */
#include <errno.h>

#include "own_loopback.h"
#include "sink_play.h"
#include "zeromq.h"

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define PATIENCE_MS PLAY_PATIENCE_MS

static void *zmq;
static int port; /* of the play that is on */

static struct play *new_play(enum fh_zeromq_pattern pattern)
{
    struct play *play = calloc(1, sizeof(*play));
    snprintf(play->config.name, sizeof(play->config.name), "out");
    snprintf(play->config.type, sizeof(play->config.type), "zeromq");
    play->config.pattern = pattern;
    play->config.batch_records = 1000;
    play->config.batch_ms = 1;
    play->config.timeout_ms = 2000;
    play->config.high_water = 10000;
    struct sockaddr_in address = own_loopback(0);
    char host[INET_ADDRSTRLEN];
    port = own_loopback_port();
    assert_true(port > 0);
    snprintf(play->config.listen, sizeof(play->config.listen), "tcp://%s:%d",
             inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host)), port);
    return play;
}

static void end_play(struct play *play)
{
    play->ops->close(play->sink);
    free(play);
}

static void *consumer(const struct play *play, int type)
{
    int linger_ms = 1000;
    int timeout_ms = PATIENCE_MS;
    int reconnect_ms = 20;
    void *socket = zmq_socket(zmq, type);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof(reconnect_ms));
    if (type == ZMQ_SUB) {
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    }
    assert_int_equal(zmq_connect(socket, play->config.listen), 0);
    return socket;
}

/* It takes next to nothing into its own memory. */
static void *lazy_consumer(const struct play *play, int type)
{
    int one = 1;
    int bytes = 4096;
    void *socket = zmq_socket(zmq, type);
    int linger_ms = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
    zmq_setsockopt(socket, ZMQ_RCVHWM, &one, sizeof(one));
    zmq_setsockopt(socket, ZMQ_RCVBUF, &bytes, sizeof(bytes));
    if (type == ZMQ_SUB) {
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    }
    assert_int_equal(zmq_connect(socket, play->config.listen), 0);
    return socket;
}

/* The five frames of a message as texts (records are cut); false: none came in time. */
static bool receive(void *socket, char frame[5][64])
{
    for (int i = 0; i < 5; i++) {
        int len = zmq_recv(socket, frame[i], 63, 0);
        if (len < 0) {
            return false;
        }
        frame[i][len < 63 ? len : 63] = '\0';
        int more = 0;
        size_t size = sizeof(more);
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
        assert_int_equal(more, i < 4);
    }
    return true;
}

static void expect_record(void *socket, unsigned n)
{
    char frame[5][64];
    char text[64];
    assert_true(receive(socket, frame));
    snprintf(text, sizeof(text), "{\"n\":%u", n);
    if (strncmp(frame[4], text, strlen(text)) != 0) {
        fail_msg("%.20s came, %s expected", frame[4], text);
    }
}

static void confirm(void *socket, unsigned n)
{
    char text[FH_KEY_TEXT_SIZE];
    fh_key_print(play_key(n), text);
    assert_true(zmq_send(socket, text, strlen(text), 0) >= 0);
}

/* Nothing more comes: asked after something later was seen to have come, so no waiting. */
static void expect_nothing(void *socket)
{
    char frame[64];
    assert_int_equal(zmq_recv(socket, frame, sizeof(frame), ZMQ_DONTWAIT), -1);
    assert_int_equal(zmq_errno(), EAGAIN);
}

/* ---- push -------------------------------------------------------------------------------------
 */

static void a_message_has_five_frames(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    char frame[5][64];
    char key[FH_KEY_TEXT_SIZE];
    play->type = "DEVICE_COUNT";
    play_open(play);
    play_lead(play, 23);
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(play_write(play, 5, 5), 0);
    assert_int_equal(play_accept_all(play), 0);
    assert_true(receive(pull, frame));
    fh_key_print(play_key(5), key);
    assert_string_equal(frame[0], "DEVICE_COUNT");
    assert_string_equal(frame[1], key);
    assert_string_equal(frame[2], "event-5");
    assert_string_equal(frame[3], "23");
    assert_string_equal(frame[4], "{\"n\":5}");
    zmq_close(pull);
    end_play(play);
}

static void nobody_there_is_no_error(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play_open(play);
    play_lead(play, 1);
    assert_int_equal(play_write(play, 1, 100), 0);
    assert_int_equal(play_accept(play), -EAGAIN);
    play_says(play, "no consumer is connected");
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(play_accept_all(play), 0);
    for (unsigned n = 1; n <= 100; n++) {
        expect_record(pull, n);
    }
    expect_nothing(pull);
    zmq_close(pull);
    end_play(play);
}

/* What waits in our queue, or in the kernel's, is not delivered, and all of it goes to the next
 * consumer when the first one dies. */
static void not_read_not_delivered(size_t padding)
{
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play->padding = padding;
    play_open(play);
    play_lead(play, 1);
    void *lazy = lazy_consumer(play, ZMQ_PULL);
    assert_int_equal(play_write(play, 1, 300), 0);
    do {
        assert_int_equal(play_accept(play), -EAGAIN);
    } while (!strstr(play->err.text, "do not read"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(play_accept(play), -EAGAIN);
    }
    zmq_close(lazy);
    void *pull = consumer(play, ZMQ_PULL);
    int high_water = 1000;
    zmq_setsockopt(pull, ZMQ_RCVHWM, &high_water, sizeof(high_water));
    unsigned seen = 0;
    int r = 0;
    while ((r = play_accept(play)) == -EAGAIN || seen < 300) {
        char frame[5][64];
        int timeout_ms = 10;
        zmq_setsockopt(pull, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
        while (receive(pull, frame)) {
            unsigned n = 0;
            assert_int_equal(sscanf(frame[4], "{\"n\":%u", &n), 1);
            /* what the first one had not been given may come twice, but each comes */
            seen = n == seen + 1 ? n : seen;
        }
        if (r == 0 && seen == 300) {
            break;
        }
    }
    assert_int_equal(r, 0);
    assert_int_equal(seen, 300);
    zmq_close(pull);
    end_play(play);
}

/* 30 MB do not fit into the kernel's buffers. */
static void what_libzmq_holds_is_not_delivered(void **state)
{
    (void)state;
    not_read_not_delivered(100000);
}

/* 300 KB do. */
static void what_the_kernel_holds_is_not_delivered(void **state)
{
    (void)state;
    not_read_not_delivered(1000);
}

/* The node may die, and take its queue along, right after accept: abandon does that here. */
static void what_is_accepted_outlives_the_node(void **state)
{
    (void)state;
    enum { ROUNDS = 30, COUNT = 200 };
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play->padding = 20000;
    play_open(play);
    void *pull = consumer(play, ZMQ_PULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        play_lead(play, 1 + round);
        assert_int_equal(play_write(play, round * COUNT + 1, (round + 1) * COUNT), 0);
        assert_int_equal(play_accept_all(play), 0);
        assert_int_equal(play->ops->abandon(play->sink, NULL, 0, &play->err), 0);
        for (unsigned n = round * COUNT + 1; n <= (round + 1) * COUNT; n++) {
            expect_record(pull, n);
        }
    }
    zmq_close(pull);
    end_play(play);
}

/* Probes of a monitoring system, and programs of another kind, do not disturb those who are in. */
static void who_is_not_let_in_disturbs_nobody(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    struct sockaddr_in address = own_loopback(port);
    char frame[64];
    play_open(play);
    play_lead(play, 1);
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(zmq_socket_monitor(pull, "inproc://pull", ZMQ_EVENT_DISCONNECTED), 0);
    void *watch = zmq_socket(zmq, ZMQ_PAIR);
    assert_int_equal(zmq_connect(watch, "inproc://pull"), 0);
    for (unsigned n = 1; n <= 20; n++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        if (n % 2 == 0) {
            assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
        }
        close(fd);
        assert_int_equal(play_write(play, n, n), 0);
        assert_int_equal(play_accept_all(play), 0);
        expect_record(pull, n);
    }
    assert_int_equal(zmq_recv(watch, frame, sizeof(frame), ZMQ_DONTWAIT), -1);
    zmq_socket_monitor(pull, NULL, 0); /* first: it waits for whoever watches */
    zmq_close(watch);
    zmq_close(pull);
    end_play(play);
}

static void after_abandon_nobody_listens(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play_open(play);
    play_lead(play, 1);
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(play_write(play, 1, 3), 0);
    assert_int_equal(play_accept_all(play), 0);
    assert_int_equal(play->ops->abandon(play->sink, NULL, 0, &play->err), 0);
    struct sockaddr_in address = own_loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    assert_int_equal(play_write(play, 4, 4), -EAGAIN);
    play_lead(play, 3);
    assert_int_equal(play_write(play, 4, 4), 0);
    assert_int_equal(play_accept_all(play), 0);
    for (unsigned n = 1; n <= 4; n++) {
        expect_record(pull, n);
    }
    zmq_close(pull);
    end_play(play);
}

static void fenced_it_says_nothing(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play_open(play);
    play_lead(play, 1);
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(play_write(play, 1, 1), 0);
    assert_int_equal(play_accept_all(play), 0);
    play->fenced = true;
    assert_int_equal(play_write(play, 2, 2), 0);
    assert_int_equal(play_accept(play), -EAGAIN);
    play_says(play, "must not deliver");
    play->fenced = false;
    assert_int_equal(play->ops->reopen(play->sink, &play->err), 0);
    assert_int_equal(play_write(play, 3, 3), 0);
    assert_int_equal(play_accept_all(play), 0);
    expect_record(pull, 1);
    expect_record(pull, 3);
    zmq_close(pull);
    end_play(play);
}

/* ---- dealer -----------------------------------------------------------------------------------
 */

static void only_what_is_confirmed_counts(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_DEALER);
    play_open(play);
    play_lead(play, 1);
    void *first = consumer(play, ZMQ_DEALER);
    assert_int_equal(play_write(play, 1, 10), 0);
    do {
        assert_int_equal(play_accept(play), -EAGAIN);
    } while (!strstr(play->err.text, "10 of 10 records are not confirmed"));
    for (unsigned n = 1; n <= 10; n++) {
        expect_record(first, n);
    }
    zmq_send(first, "nonsense", 8, 0);
    confirm(first, 99); /* not of this batch */
    for (unsigned n = 2; n <= 10; n += 2) {
        confirm(first, n);
        confirm(first, n);
    }
    do {
        assert_int_equal(play_accept(play), -EAGAIN);
    } while (!strstr(play->err.text, "5 of 10 records are not confirmed"));
    zmq_close(first);
    void *second = consumer(play, ZMQ_DEALER);
    while (play_accept(play) == -EAGAIN) {
        char frame[5][64];
        int timeout_ms = 10;
        zmq_setsockopt(second, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
        while (receive(second, frame)) {
            unsigned n = 0;
            assert_int_equal(sscanf(frame[4], "{\"n\":%u", &n), 1);
            assert_int_equal(n % 2, 1); /* those confirmed are not sent again */
            confirm(second, n);
        }
    }
    zmq_close(second);
    end_play(play);
}

/* Confirms what comes until the batch first.. is accepted; each record of it must have come. */
static void confirm_all(struct play *play, void *dealer, unsigned first, unsigned count)
{
    struct fh_time until = fh_time_add_ms(fh_now(), PATIENCE_MS);
    int timeout_ms = 2;
    bool seen[64] = {false};
    int r = 0;
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    do {
        char frame[5][64];
        while (receive(dealer, frame)) {
            unsigned n = 0;
            assert_int_equal(sscanf(frame[4], "{\"n\":%u", &n), 1);
            if (n >= first && n < first + count) {
                seen[n - first] = true;
            }
            confirm(dealer, n);
        }
        r = play_accept(play);
    } while (r == -EAGAIN && fh_time_before(fh_now(), until));
    if (r < 0) {
        fail_msg("accept: %s", play->err.text);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_true(seen[i]);
    }
}

/* The next batch is written while libzmq learns that the consumer is gone: for a moment it queues
 * messages for a connection whose end it has told of already. */
static void a_consumer_that_leaves_takes_nothing_along(void **state)
{
    (void)state;
    enum { ROUNDS = 60, COUNT = 20 };
    struct play *play = new_play(FH_ZEROMQ_DEALER);
    play_open(play);
    play_lead(play, 1);
    unsigned seed = (unsigned)fh_now().ns;
    print_message("seed %u\n", seed);
    srand(seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        void *dealer = consumer(play, ZMQ_DEALER);
        if (round == 0) {
            assert_int_equal(play_write(play, 1, COUNT), 0);
        }
        confirm_all(play, dealer, round * COUNT + 1, COUNT);
        zmq_close(dealer);
        usleep((useconds_t)rand() % 1500);
        unsigned next = (round + 1) * COUNT + 1;
        assert_int_equal(play_write(play, next, next + COUNT - 1), 0);
    }
    end_play(play);
}

static void confirmations_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct fh_zeromq_confirm book = {.entry = NULL};
    char text[FH_KEY_TEXT_SIZE];
    unsigned order[COUNT];
    unsigned seed = (unsigned)fh_now().ns;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            order[i] = i;
            assert_int_equal(fh_zeromq_confirm_add(&book, play_key(i)), 0);
        }
        for (unsigned i = COUNT - 1; i > 0; i--) {
            unsigned k = (unsigned)rand() % (i + 1);
            unsigned swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        for (unsigned i = 0; i < COUNT; i++) {
            assert_int_equal(book.confirmed, i);
            fh_key_print(play_key(order[i]), text);
            fh_zeromq_confirm_take(&book, text, strlen(text));
            fh_zeromq_confirm_take(&book, text, strlen(text));
            assert_true(book.entry[order[i]].confirmed);
        }
        assert_int_equal(book.confirmed, COUNT);
        fh_zeromq_confirm_clear(&book);
        fh_zeromq_confirm_take(&book, text, strlen(text));
        assert_int_equal(book.confirmed, 0);
    }
    fh_zeromq_confirm_done(&book);
}

/* ---- keys -------------------------------------------------------------------------------------
 */

static void *consumer_with_keys(const struct play *play, const char *server, const char *public_key,
                                const char *secret)
{
    int linger_ms = 0;
    int timeout_ms = PATIENCE_MS;
    void *socket = zmq_socket(zmq, ZMQ_PULL);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms));
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, 40);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, 40);
    char monitor[64];
    snprintf(monitor, sizeof(monitor), "inproc://watch-%p", socket);
    zmq_socket_monitor(socket, monitor, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    assert_int_equal(zmq_connect(socket, play->config.listen), 0);
    return socket;
}

static void only_known_keys_are_let_in(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    char public_key[3][41];
    char secret[3][41];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zmq_curve_keypair(public_key[i], secret[i]), 0);
    }
    char path[] = "/tmp/test_sink_zeromq.XXXXXX"; /* 0600 */
    int fd = mkstemp(path);
    assert_int_equal(write(fd, secret[0], 40), 40);
    close(fd);
    snprintf(play->config.secret_key_file, sizeof(play->config.secret_key_file), "%s", path);
    memcpy(play->config.client_keys[0], public_key[1], 41);
    play->config.client_key_count = 1;
    play_open(play);
    unlink(path);
    play_lead(play, 1);
    void *stranger = consumer_with_keys(play, public_key[0], public_key[2], secret[2]);
    void *watch = zmq_socket(zmq, ZMQ_PAIR);
    char monitor[64];
    char event[64];
    snprintf(monitor, sizeof(monitor), "inproc://watch-%p", stranger);
    assert_int_equal(zmq_connect(watch, monitor), 0);
    assert_int_equal(play_write(play, 1, 10), 0);
    assert_true(zmq_recv(watch, event, sizeof(event), 0) >= 0); /* it was refused */
    assert_int_equal(play_accept(play), -EAGAIN);
    void *friend = consumer_with_keys(play, public_key[0], public_key[1], secret[1]);
    assert_int_equal(play_accept_all(play), 0);
    for (unsigned n = 1; n <= 10; n++) {
        expect_record(friend, n);
    }
    expect_nothing(stranger);
    zmq_socket_monitor(stranger, NULL, 0); /* first: it waits for whoever watches */
    zmq_close(watch);
    zmq_close(stranger);
    zmq_close(friend);
    end_play(play);
}

static void clear_text_stays_on_this_host(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUSH);
    play->ops = fh_sink_for(&play->config);
    snprintf(play->config.listen, sizeof(play->config.listen), "tcp://0.0.0.0:5580");
    assert_int_equal(play->ops->open(&play->config, &play->context, &play->err, &play->sink),
                     -EINVAL);
    play_says(play, "in clear");
    snprintf(play->config.listen, sizeof(play->config.listen), "ipc:///tmp/test_sink_zeromq.%d",
             (int)getpid());
    play_open(play);
    play_lead(play, 1);
    void *pull = consumer(play, ZMQ_PULL);
    assert_int_equal(play_write(play, 1, 2), 0);
    assert_int_equal(play_accept_all(play), 0);
    expect_record(pull, 1);
    zmq_close(pull);
    end_play(play);
}

static void a_key_others_can_read_is_refused(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUB);
    char public_key[41];
    char secret[41];
    assert_int_equal(zmq_curve_keypair(public_key, secret), 0);
    char path[] = "/tmp/test_sink_zeromq.XXXXXX"; /* 0600 */
    int fd = mkstemp(path);
    assert_int_equal(write(fd, secret, 40), 40);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    snprintf(play->config.secret_key_file, sizeof(play->config.secret_key_file), "%s", path);
    memcpy(play->config.client_keys[0], public_key, 41);
    play->config.client_key_count = 1;
    play->ops = fh_sink_for(&play->config);
    assert_true(play->ops->open(&play->config, &play->context, &play->err, &play->sink) < 0);
    assert_null(strstr(play->err.text, secret));
    unlink(path);
    free(play);
}

/* ---- pub --------------------------------------------------------------------------------------
 */

/* Writes, with the patience of the delivery thread. */
static void pub_write(struct play *play, unsigned first, unsigned last)
{
    struct fh_time until = fh_time_add_ms(fh_now(), PATIENCE_MS);
    int r = 0;
    while ((r = play_write(play, first, last)) == -EAGAIN && fh_time_before(fh_now(), until)) {
        usleep(1000);
    }
    assert_int_equal(r, 0);
}

static void pub_batch(struct play *play, unsigned first, unsigned last)
{
    char position[FH_SINK_POSITION_MAX];
    pub_write(play, first, last);
    assert_int_equal(play->ops->prepare(play->sink, position, &play->err), 0);
    assert_int_equal(play->ops->publish(play->sink, position, &play->err), 0);
}

/* Publishes records from n on until this subscriber gets them; those it gets are read. The number
 * of the next one. */
static unsigned meet(struct play *play, void *socket, unsigned n)
{
    char frame[5][64];
    unsigned seen = 0;
    int timeout_ms = 10;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    do {
        pub_batch(play, n, n);
        n++;
    } while (!receive(socket, frame));
    timeout_ms = PATIENCE_MS;
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    while (sscanf(frame[4], "{\"n\":%u", &seen) == 1 && seen < n - 1) {
        assert_true(receive(socket, frame));
    }
    assert_int_equal(seen, n - 1);
    play->dropped = 0; /* of what nobody was there for yet */
    return n;
}

static void each_gets_the_types_it_asked_for(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUB);
    play_open(play);
    play_lead(play, 1);
    void *all = consumer(play, ZMQ_SUB);
    play->type = "DEVICE_ENTRY";
    unsigned first = meet(play, all, 1);
    void *some = zmq_socket(zmq, ZMQ_SUB);
    int timeout_ms = PATIENCE_MS;
    zmq_setsockopt(some, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    zmq_setsockopt(some, ZMQ_SUBSCRIBE, "DEVICE_EXIT", 11);
    assert_int_equal(zmq_connect(some, play->config.listen), 0);
    char frame[5][64];
    unsigned n = first;
    timeout_ms = 10;
    zmq_setsockopt(some, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    do { /* until its subscription has arrived */
        play->type = "DEVICE_ENTRY";
        pub_batch(play, n, n);
        play->type = "DEVICE_EXIT";
        pub_batch(play, n + 1, n + 1);
        n += 2;
    } while (!receive(some, frame));
    do {
        assert_string_equal(frame[0], "DEVICE_EXIT");
    } while (receive(some, frame));
    for (unsigned i = first; i < n; i++) {
        expect_record(all, i);
    }
    assert_int_equal(play->dropped, 0);
    zmq_close(all);
    zmq_close(some);
    end_play(play);
}

static void nothing_is_sent_before_publish(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUB);
    char position[3][FH_SINK_POSITION_MAX];
    enum fh_sink_fate fate = FH_SINK_MISSING;
    play_open(play);
    play_lead(play, 4);
    void *all = consumer(play, ZMQ_SUB);
    (void)meet(play, all, 100);
    pub_write(play, 1, 5);
    assert_int_equal(play->ops->prepare(play->sink, position[0], &play->err), 0);
    assert_int_equal(play->ops->fate(play->sink, position[0], &fate, &play->err), 0);
    assert_int_equal(fate, FH_SINK_PREPARED);
    assert_int_equal(play->ops->discard(play->sink, position[0], &play->err), 0);
    assert_int_equal(play->ops->publish(play->sink, position[0], &play->err), 0);
    /* the next batch may be begun while one waits */
    pub_write(play, 6, 7);
    assert_int_equal(play->ops->prepare(play->sink, position[1], &play->err), 0);
    pub_write(play, 8, 9);
    assert_int_equal(play->ops->publish(play->sink, position[1], &play->err), 0);
    assert_int_equal(play->ops->publish(play->sink, position[1], &play->err), 0);
    assert_int_equal(play->ops->fate(play->sink, position[1], &fate, &play->err), 0);
    assert_int_equal(fate, FH_SINK_PUBLISHED);
    assert_int_equal(play->ops->prepare(play->sink, position[2], &play->err), 0);
    assert_string_not_equal(position[1], position[2]);
    assert_int_equal(play->ops->publish(play->sink, position[2], &play->err), 0);
    for (unsigned n = 6; n <= 9; n++) {
        expect_record(all, n);
    }
    expect_nothing(all);
    /* of an earlier process: never again */
    assert_int_equal(play->ops->fate(play->sink, "3.17", &fate, &play->err), 0);
    assert_int_equal(fate, FH_SINK_PUBLISHED);
    zmq_close(all);
    end_play(play);
}

static void what_nobody_takes_is_counted(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUB);
    play->config.timeout_ms = 100;
    play_open(play);
    /* somebody may be about to connect: it waits so long, and a test that stood still begins anew
     */
    struct fh_time began = fh_now();
    play_lead(play, 1);
    while (play_write(play, 1, 10) != -EAGAIN) {
        assert_true(fh_time_diff_ms(fh_now(), began) >= 100);
        assert_int_equal(play->ops->abandon(play->sink, NULL, 0, &play->err), 0);
        began = fh_now();
        play_lead(play, 1);
    }
    play_says(play, "first subscriber");
    pub_batch(play, 1, 10);
    assert_int_equal(play->dropped, 10);
    /* what waits when the role ends is never sent */
    char position[FH_SINK_POSITION_MAX];
    const char *keep[] = {position};
    pub_write(play, 11, 15);
    assert_int_equal(play->ops->prepare(play->sink, position, &play->err), 0);
    assert_int_equal(play->ops->abandon(play->sink, keep, 1, &play->err), 0);
    assert_int_equal(play->ops->publish(play->sink, position, &play->err), 0);
    assert_int_equal(play->dropped, 15);
    end_play(play);
}

static void a_slow_subscriber_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct play *play = new_play(FH_ZEROMQ_PUB);
    play->padding = 40000;
    play->config.high_water = 150;
    play_open(play);
    play_lead(play, 1);
    void *slow = lazy_consumer(play, ZMQ_SUB);
    void *fast = consumer(play, ZMQ_SUB);
    unsigned next = 1;
    /* both are there: the fast one has one; the slow one's first is taken as the sign */
    int timeout_ms = 50;
    char frame[5][64];
    zmq_setsockopt(slow, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    zmq_setsockopt(fast, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    bool both[2] = {false, false};
    while (!both[0] || !both[1]) {
        pub_batch(play, next, next);
        next++;
        both[0] = both[0] || receive(slow, frame);
        both[1] = receive(fast, frame) || both[1];
    }
    play->dropped = 0; /* of what nobody was there for yet */
    timeout_ms = PATIENCE_MS;
    zmq_setsockopt(fast, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    for (unsigned first = next; play->dropped == 0; first += 100) {
        assert_true(first < next + 10000);
        pub_batch(play, first, first + 99);
        unsigned n = 0;
        do { /* what it had not read above comes first */
            assert_true(receive(fast, frame));
            assert_int_equal(sscanf(frame[4], "{\"n\":%u", &n), 1);
            assert_true(n <= first + 99);
        } while (n < first + 99);
    }
    assert_true(play->dropped <= 100);
    zmq_close(slow);
    zmq_close(fast);
    end_play(play);
}

static int new_context(void **state)
{
    (void)state;
    zmq = zmq_ctx_new();
    return zmq ? 0 : -1;
}

static int end_context(void **state)
{
    (void)state;
    return zmq_ctx_term(zmq);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_five_frames),
        cmocka_unit_test(nobody_there_is_no_error),
        cmocka_unit_test(what_libzmq_holds_is_not_delivered),
        cmocka_unit_test(what_the_kernel_holds_is_not_delivered),
        cmocka_unit_test(what_is_accepted_outlives_the_node),
        cmocka_unit_test(who_is_not_let_in_disturbs_nobody),
        cmocka_unit_test(after_abandon_nobody_listens),
        cmocka_unit_test(fenced_it_says_nothing),
        cmocka_unit_test(only_what_is_confirmed_counts),
        cmocka_unit_test(a_consumer_that_leaves_takes_nothing_along),
        cmocka_unit_test(confirmations_in_any_order),
        cmocka_unit_test(only_known_keys_are_let_in),
        cmocka_unit_test(clear_text_stays_on_this_host),
        cmocka_unit_test(a_key_others_can_read_is_refused),
        cmocka_unit_test(each_gets_the_types_it_asked_for),
        cmocka_unit_test(nothing_is_sent_before_publish),
        cmocka_unit_test(what_nobody_takes_is_counted),
        cmocka_unit_test(a_slow_subscriber_does_not_hold_up_the_others),
    };
    return cmocka_run_group_tests_name("zeromq sink", tests, new_context, end_context);
}
