/* source_fixture.h: what the tests of the receivers share: a handler that keeps everything it is
 * given, a configuration with short times, and the log as text. For tests only. */
#ifndef FH_TEST_SOURCE_FIXTURE_H
#define FH_TEST_SOURCE_FIXTURE_H

#include "scripted_server.h"

#include "fh/source.h"

#include <stdatomic.h>

#define TEST_KEY "0123456789ABCDEF0123456789ABCDEF"

struct collected {
    char *text; /* lines, each followed by \n */
    size_t len;
    size_t capacity;
    size_t lines;
    uint64_t last_offset;
    size_t truncated;
    unsigned connected;
    unsigned disconnected;
    unsigned flushes;
    size_t unflushed; /* lines since the last flush */
    int64_t asked_from_ms;
    char reason[512]; /* of the last disconnect */
};

struct fixture {
    struct fh_config config;
    struct scripted_server server;
    struct fh_sources *sources;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct collected collected[FH_PARTITIONS]; /* under lock */
    atomic_bool full;                          /* can_take says no */
    atomic_llong resume_from;
    atomic_uint refusals;  /* how often can_take said no */
    unsigned refuse_every; /* can_take says no every nth time; 0 = never */
    atomic_uint asked;
    size_t line_limit; /* can_take says no from this many lines on; 0 = no limit */
    int stderr_fd;
    int log_fd;
    char log_file[64];
};

/* cmocka's setup and teardown. Teardown fails when the key stands in the log. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Start the server with this script and point the configuration at it. */
void fixture_serve(struct fixture *fixture, scripted_play play, bool tls);
void fixture_serve_with(struct fixture *fixture, scripted_play play, void *userdata, bool tls);
/* Create and start the receivers. */
void fixture_start(struct fixture *fixture);
extern const struct fh_source_handler fixture_handler;

/* Wait for receiver 0; false when it did not come for a minute. */
bool fixture_wait_lines(struct fixture *fixture, size_t lines);
bool fixture_wait_connected(struct fixture *fixture, unsigned connected);
bool fixture_wait_disconnected(struct fixture *fixture, unsigned disconnected);
/* A state that does not last may pass unseen: wait for one that stays, or for what it leaves. */
bool fixture_wait_state(struct fixture *fixture, enum fh_receiver_state state);
bool fixture_wait_failures(struct fixture *fixture, unsigned failures);
bool fixture_wait_logged(struct fixture *fixture, const char *needle);
/* Wake the receivers again and again until so many lines have come; false after a minute in which
 * none came. */
bool fixture_wake_until_lines(struct fixture *fixture, size_t lines);
void fixture_collected(struct fixture *fixture, unsigned receiver, struct collected *ret);
/* The text receiver 0 has collected so far contains needle. */
bool fixture_has(struct fixture *fixture, const char *needle);
/* The text receiver 0 has collected equals expected. */
bool fixture_text_is(struct fixture *fixture, const char *expected, size_t len);
/* How often needle stands in what was logged so far. */
unsigned fixture_logged(struct fixture *fixture, const char *needle);

#endif
