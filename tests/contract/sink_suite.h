/* sink_suite.h: one suite for all sinks. It plays the part of the delivery thread and of two nodes
 * against real far sides, which tests/lib/sink_TYPE.sh starts, stops and reads.
 *
 * A new sink joins with one row in suite_rows (sink_far.c) and its tests/lib/sink_TYPE.sh:
 *   FAR_PROMISE  exactly: each record once, whatever happens. least: each at least once. most: none
 *                twice, none that was not sent, and all as long as nothing fails.
 *                (So a sink that promises "at most once" reports before it sends: two phases, of
 * which the first only remembers.) FAR_REFUSES  yes: far_start sets the far side up so that it
 * refuses for good each record that has the word "poison" in it, and such records are larger than
 * 300 KB. So a limit on the size of a message (a broker's), or looking for the word (a web
 * service), both do. far_down, far_up  the far side is away for a while and forgets nothing it has
 * acknowledged; FAR_DOWN=no when there is no such thing.
 *
 * Records are {"recordUid":"event-N","eventType":"T","recordTimestamp":...,"spacesTenantId":"t",
 * "n":N,"device":"dD"}, of five devices in turn. */
#ifndef TEST_SINK_SUITE_H
#define TEST_SINK_SUITE_H

#include "fh/sink.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

#define SUITE_RECORDS_MAX 4096
#define SUITE_DEVICES     5
#define SUITE_POISON_SIZE ((size_t)320 * 1024)

struct suite_row {
    const char *type;    /* of the registry */
    const char *script;  /* tests/lib/sink_SCRIPT.sh */
    const char *variant; /* FAR_VARIANT */
    unsigned traits;     /* tests that mean nothing to this row are not registered */
};
#define SUITE_TWO_PHASE 1U  /* the pipeline keeps the fence: publish() is not called */
#define SUITE_STAYS     2U  /* FAR_DOWN=no */
#define SUITE_TAKES_ALL 4U  /* FAR_REFUSES=no */
#define SUITE_UNREAD    8U  /* accepted before it is read: no order between two nodes at a time */
#define SUITE_NO_HALT   16U /* no process that answers could stand still */
extern const struct suite_row suite_rows[];
extern const size_t suite_row_count;

/* One of two nodes that share a far side. */
struct suite_node {
    struct fh_config_sink config;
    struct fh_sink_context context;
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_error err;
    atomic_bool fenced;  /* what the pipeline would answer; sinks ask from any thread */
    uint64_t refused[8]; /* numbers of the records that were dead-lettered */
    size_t refused_count;
    uint64_t dropped;
    bool found[SUITE_RECORDS_MAX];       /* by recover */
    char position[FH_SINK_POSITION_MAX]; /* of the last batch accepted */
};

struct suite {
    const struct suite_row *row;
    char place[64];
    char promise[16];
    bool stays;    /* not ours to stop: a real cluster (tests/external) */
    bool troubled; /* something failed: at most once may lose, and nothing else may */
    int64_t wait_ms;
    FILE *orders, *answers;
    pid_t far_side;
    struct suite_node node[2];
    uint64_t poison; /* number of the record that is refused; 0 = none */
};

/* sink_far.c: fixtures of cmocka; initial state: a row. A far side whose programs are not there
 * skips the test, and says what is missing. */
int suite_setup(void **state);
int suite_teardown(void **state);
void suite_order(struct suite *suite, const char *format, ...) FH_PRINTF(2, 3);
/* sink_play.c: the delivery thread's part. All of these fail the test when the sink does not do it.
 */
void suite_lead(struct suite *suite, size_t node, uint64_t epoch);
/* With the position of the node's last accepted batch, or another's. */
void suite_recover(struct suite *suite, size_t node, const char *position);
/* One write of the records first..last; found: leave out those recover has found. Negative errno as
 * the sink answered, -EAGAIN included. */
int suite_write(struct suite *suite, size_t node, uint64_t first, uint64_t last);
/* As the pipeline does: again after -EAGAIN, all over after other errors; until accepted, or
 * prepared and published. For at most 60 s. Records found by recover are left out. */
void suite_deliver(struct suite *suite, size_t node, uint64_t first, uint64_t last);
/* Wait until what the far side shows is what was promised of the records first..last (all that were
 * written), and no more. */
void suite_expect(struct suite *suite, uint64_t first, uint64_t last);
/* How many different records are visible now. */
size_t suite_visible(struct suite *suite);

#endif
