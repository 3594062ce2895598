/* envelope_room.h: scans a line with every implementation at once, placed against pages that cannot
 * be read, so that a read past either end of the line ends the test. For test_envelope.c and
 * test_json.c. */
#ifndef FH_TEST_ENVELOPE_ROOM_H
#define FH_TEST_ENVELOPE_ROOM_H

#include "fh/envelope.h"

#include "envelope_scan.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define ROOM ((size_t)1 << 16) /* readable bytes between the guard pages */

static char *room;

static inline int open_room(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all = mmap(NULL, ROOM + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        return -1;
    }
    room = all + page;
    return mprotect(room, ROOM, PROT_READ | PROT_WRITE);
}

static inline bool same_slice(struct fh_slice left, struct fh_slice right)
{
    return left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
}

/* Scan with every implementation, before one guard page and after the other; all must agree. The
 * line stays in the room for whoever looks at the slices. */
static inline enum fh_envelope_result scan(const char *text, size_t len, struct fh_envelope *ret)
{
    assert_true(len <= ROOM);
    char *at_end = room + ROOM - len;
    memcpy(at_end, text, len);
    enum fh_envelope_result result = fh_envelope_scan(at_end, len, ret);
    const struct fh_json_ops *ops = NULL;
    for (unsigned i = 0; (ops = fh_json_implementation(i)) != NULL; i++) {
        struct fh_envelope low;
        struct fh_envelope high;
        memcpy(room, text, len);
        enum fh_envelope_result low_result = fh_envelope_scan_with(ops, room, len, &low);
        memcpy(at_end, text, len);
        enum fh_envelope_result high_result = fh_envelope_scan_with(ops, at_end, len, &high);
        if (low_result != result || high_result != result ||
            low.error_offset != ret->error_offset || high.error_offset != ret->error_offset ||
            !same_slice(low.uid, high.uid) || !same_slice(ret->uid, high.uid) ||
            !same_slice(ret->type, high.type) || ret->timestamp_ms != high.timestamp_ms) {
            fail_msg("%s disagrees on: %.*s", ops->name, (int)len, text);
        }
    }
    return result;
}

static inline void expect(const char *text, enum fh_envelope_result wanted)
{
    struct fh_envelope envelope;
    enum fh_envelope_result result = scan(text, strlen(text), &envelope);
    if (result != wanted) {
        fail_msg("%s: got \"%s\", wanted \"%s\"", text, fh_envelope_reason(result),
                 fh_envelope_reason(wanted));
    }
}

static inline void expect_slice(struct fh_slice slice, const char *wanted)
{
    if (slice.len != strlen(wanted) || memcmp(slice.data, wanted, slice.len) != 0) {
        fail_msg("got \"%.*s\", wanted \"%s\"", (int)slice.len, slice.data, wanted);
    }
}

/* A record with one more member of this value: the value is valid or it is not. */
static inline void expect_inside(const char *value, enum fh_envelope_result wanted)
{
    char text[1024];
    int len =
        snprintf(text, sizeof(text),
                 "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\",\"x\":%s}", value);
    assert_true(len > 0 && (size_t)len < sizeof(text));
    expect(text, wanted);
    /* As an element, and as a member of an inner object: the same. */
    snprintf(text, sizeof(text),
             "{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\",\"x\":[{\"y\":[%s]}]}",
             value);
    expect(text, wanted);
}

#endif
