/* report_codec.c: owns the byte form of a report, the same on disk and on the link. Never
 * allocates; trusts no length it reads.
 *
 *   0  4  "FHRP"            12  4  count               40  1  length of the sink's name
 *   4  2  version, 1        16  8  number              41  1  length of the position
 *   6  1  state             24  8  epoch               42  2  zero
 *   7  1  zero              32  8  cursor_after        44  name, position, count x (8 fingerprint,
 *   8  4  length of all                                    8 timestamp)
 *
 * All integers little-endian. The zeros are checked, so that one report has one encoding. */
#include "fh/report.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define VERSION   1
#define HEAD_SIZE 44
#define KEY_SIZE  16

static const char magic[4] = {'F', 'H', 'R', 'P'};

static void put(unsigned char *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

size_t fh_report_size(const struct fh_report *report)
{
    return HEAD_SIZE + strnlen(report->sink, FH_SINK_NAME_MAX - 1) +
           strnlen(report->position, FH_SINK_POSITION_MAX - 1) + (size_t)report->count * KEY_SIZE;
}

void fh_report_encode(const struct fh_report *report, void *bytes)
{
    assert(report->count <= FH_REPORT_KEYS_MAX);
    unsigned char *at = bytes;
    size_t sink_len = strnlen(report->sink, FH_SINK_NAME_MAX - 1);
    size_t position_len = strnlen(report->position, FH_SINK_POSITION_MAX - 1);
    memcpy(at, magic, sizeof(magic));
    put(at + 4, VERSION, 2);
    put(at + 6, (uint64_t)report->state, 1);
    put(at + 7, 0, 1);
    put(at + 8, fh_report_size(report), 4);
    put(at + 12, report->count, 4);
    put(at + 16, report->number, 8);
    put(at + 24, report->epoch, 8);
    put(at + 32, report->cursor_after, 8);
    put(at + 40, sink_len, 1);
    put(at + 41, position_len, 1);
    put(at + 42, 0, 2);
    at += HEAD_SIZE;
    memcpy(at, report->sink, sink_len);
    at += sink_len;
    memcpy(at, report->position, position_len);
    at += position_len;
    for (uint32_t i = 0; i < report->count; i++, at += KEY_SIZE) {
        put(at, report->keys[i].fingerprint, 8);
        put(at + 8, (uint64_t)report->keys[i].timestamp_ms, 8);
    }
}

/* Names and positions end up in logs and file names: no NUL, no control characters. */
static int get_text(const unsigned char *at, size_t len, char *ret, size_t size)
{
    if (len >= size) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < len; i++) {
        if (at[i] < 0x20 || at[i] == 0x7f) {
            return -EBADMSG;
        }
    }
    memcpy(ret, at, len);
    ret[len] = '\0';
    return 0;
}

int fh_report_peek(const void *bytes, size_t len, struct fh_report *ret)
{
    const unsigned char *at = bytes;
    if (len < HEAD_SIZE || memcmp(at, magic, sizeof(magic)) != 0) {
        return -EBADMSG;
    }
    if (get(at + 4, 2) != VERSION) {
        return -EPROTONOSUPPORT;
    }
    struct fh_report report = {
        .number = get(at + 16, 8),
        .epoch = get(at + 24, 8),
        .cursor_after = get(at + 32, 8),
        .count = (uint32_t)get(at + 12, 4),
    };
    size_t sink_len = at[40];
    size_t position_len = at[41];
    if (at[6] < FH_REPORT_PREPARED || at[6] > FH_REPORT_VOID || at[7] != 0 ||
        get(at + 42, 2) != 0 || report.count > FH_REPORT_KEYS_MAX ||
        len - HEAD_SIZE < sink_len + position_len) {
        return -EBADMSG;
    }
    report.state = (enum fh_report_state)at[6];
    size_t total = HEAD_SIZE + sink_len + position_len + (size_t)report.count * KEY_SIZE;
    if (get(at + 8, 4) != total) {
        return -EBADMSG;
    }
    if (get_text(at + HEAD_SIZE, sink_len, report.sink, sizeof(report.sink)) < 0 ||
        get_text(at + HEAD_SIZE + sink_len, position_len, report.position,
                 sizeof(report.position)) < 0) {
        return -EBADMSG;
    }
    *ret = report;
    return 0;
}

int fh_report_decode(const void *bytes, size_t len, struct fh_record_key *keys_room,
                     size_t keys_capacity, struct fh_report *ret)
{
    struct fh_report report;
    int r = fh_report_peek(bytes, len, &report);
    if (r < 0) {
        return r;
    }
    if (fh_report_size(&report) != len || report.count > keys_capacity) {
        return -EBADMSG;
    }
    const unsigned char *at = (const unsigned char *)bytes + len - (size_t)report.count * KEY_SIZE;
    for (uint32_t i = 0; i < report.count; i++, at += KEY_SIZE) {
        keys_room[i].fingerprint = get(at, 8);
        keys_room[i].timestamp_ms = (int64_t)get(at + 8, 8);
    }
    report.keys = keys_room;
    *ret = report;
    return 0;
}
