/* pipeline_fixture.h: the writer and the sinks' threads of a pipeline without receivers, a store of
 * its own, and a sink type whose far side does as the test says. Records are appended by the test
 * through a receiver's batch, so that they take the usual way. */
#ifndef FH_TEST_PIPELINE_FIXTURE_H
#define FH_TEST_PIPELINE_FIXTURE_H

#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants some of the above first */
#include <cmocka.h>

#define T0       1700000000000
#define KEYS_MAX 400000
#define WAIT_MS  60000

/* One sink and its far side; everything under lock but what open sets. */
struct far_side {
    pthread_mutex_t lock;
    const struct fh_sink_context *context;
    bool no_open;      /* open fails */
    int lead_result;   /* what lead() answers */
    int accept_result; /* what accept() answers */
    int write_result;
    int recover_result;
    size_t accept_limit;   /* accept takes nothing when more are there; 0: none */
    bool lost_answer;      /* accept takes the batch and says that it failed, once */
    bool hangs;            /* accept asks fenced() until that is true */
    bool prepares;         /* of two phases */
    unsigned refuse_every; /* write refuses each record whose number this divides; 0: none */
    unsigned leads, recovers, opens, abandons, accepts, asked_fate;
    uint64_t led_epoch;
    char asked_position[FH_SINK_POSITION_MAX];
    int64_t asked_since;
    bool wrote_before_recover;
    bool recovered;
    /* what is there: in order of arrival, twice what came twice */
    struct fh_record_key there[KEYS_MAX];
    size_t there_count;
    struct fh_record_key batch[KEYS_MAX];
    size_t batch_count;
    size_t prepared; /* of two phases: the first of the batch wait to be published or discarded */
    struct fh_time began;
    unsigned position;
    /* two phases */
    char part[FH_SINK_POSITION_MAX];
    enum fh_sink_fate fate;
    unsigned published, discarded;
};

struct fixture {
    struct fh_pipeline *pipeline;
    struct far_side far[3]; /* the last: of replays, whatever the sink */
    char directory[64];
    uint64_t size_limit; /* of the store; 0: 64 MiB */
    bool bulky;          /* records that compress badly */
    bool optional[2];
    void (*configure)(struct fh_config *config); /* called by fixture_start; NULL allowed */
    uint64_t appended;                           /* records so far; number n has key_of(n) */
    /* what the host was told */
    unsigned settled, settle_again, stopped, drained;
    uint64_t reports, report_keys, applied, epoch_done;
    struct fh_report last;
    uint64_t portion_next;
    char unreported[65536];
    size_t unreported_len;
    struct fh_record_key recovered_keys[KEYS_MAX];
    size_t recovered_count;
};

extern const struct fh_sink_ops fixture_one_phase, fixture_asked, fixture_two_phase;

/* Every fourth record is of TYPE_0, the next of TYPE_1, and so on. */
#define TYPES 4

static inline struct fh_record_key key_of(uint64_t number)
{
    return (struct fh_record_key){number * 0x9E3779B97F4A7C15u, T0 + (int64_t)number * 10};
}

/* sinks: the types, NULL-terminated. paired: there is another node. */
void fixture_start(struct fixture *f, const struct fh_sink_ops *const *sinks, bool paired);
/* Stop all threads and begin anew from what is stored. */
void fixture_restart(struct fixture *f, const struct fh_sink_ops *const *sinks, bool paired);
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* So many records more, and wait until they are stored; offer: without waiting. */
void fixture_append(struct fixture *f, uint64_t count);
void fixture_offer(struct fixture *f, uint64_t count);
void fixture_lead(struct fixture *f, uint64_t epoch);
/* Dispatch answers until the condition holds; fails the test after WAIT_MS. */
#define fixture_wait(f, condition)                                                                 \
    do {                                                                                           \
        struct fh_time end_ = fh_time_add_ms(fh_now(), WAIT_MS);                                   \
        while (fixture_turn(f), !(condition)) {                                                    \
            if (!fh_time_before(fh_now(), end_)) {                                                 \
                fail_msg("not within %d ms: %s", WAIT_MS, #condition);                             \
            }                                                                                      \
        }                                                                                          \
    } while (0)
void fixture_turn(struct fixture *f);
/* A value of a far side, read under its lock. */
#define FAR(f, i, member)                                                                          \
    __extension__({                                                                                \
        pthread_mutex_lock(&(f)->far[i].lock);                                                     \
        __typeof__((f)->far[i].member) value_ = (f)->far[i].member;                                \
        pthread_mutex_unlock(&(f)->far[i].lock);                                                   \
        value_;                                                                                    \
    })
#define SET_FAR(f, i, member, value)                                                               \
    do {                                                                                           \
        pthread_mutex_lock(&(f)->far[i].lock);                                                     \
        (f)->far[i].member = (value);                                                              \
        pthread_mutex_unlock(&(f)->far[i].lock);                                                   \
    } while (0)
/* Records from..to each so many times at the far side. */
void fixture_expect(struct fixture *f, size_t far, uint64_t from, uint64_t to, unsigned times);
uint64_t fixture_pending(struct fixture *f, size_t sink);
void fixture_peer_report(struct fixture *f, uint64_t number, const struct fh_report *report);

#endif
