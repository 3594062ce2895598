/* distort.c: owns what the line faults do to bytes, and the lines they hold back. Junk written here
 * is in no ledger; everything else is the world's own event in an odd coat. */
#include "distort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LATER_MAX      4096
#define REORDER_MAX_MS 1000 /* a held line goes out after this even if no event follows it */

struct sim_later {
    struct sim_later *next;
    struct fh_time due;
    int64_t events; /* goes out after so many further events; -1 = by time alone */
    size_t len;
    char line[];
};

static bool use(struct sim_stream *stream, enum sim_fault_type type, unsigned partition,
                struct sim_fault *ret)
{
    unsigned replica = sim_reader_info(stream->reader)->replica;
    return sim_faults_use(stream->server->faults, type, replica, partition, ret);
}

static int add_long_line(struct fh_buf *out, uint64_t bytes)
{
    static const char head[] = "{\"padding\":\"";
    static const char tail[] = "\"}\n";
    uint64_t frame = sizeof(head) - 1 + sizeof(tail) - 1;
    size_t padding = bytes > frame ? (size_t)(bytes - frame) : 0;
    int r = fh_buf_append(out, head, sizeof(head) - 1);
    if (r == 0) {
        r = fh_buf_reserve(out, padding + sizeof(tail));
    }
    if (r == 0) {
        memset(out->data + out->len, 'x', padding);
        out->len += padding;
        r = fh_buf_append(out, tail, sizeof(tail) - 1);
    }
    return r;
}

int sim_distort_before(struct sim_stream *stream, unsigned partition, struct fh_buf *out)
{
    static const char not_json[] = "this line is not JSON {\"recordUid\":\n";
    static const char bad_utf8[] = "{\"recordUid\":\"event-badc0de\",\"recordTimestamp\":1,"
                                   "\"spacesTenantName\":\"\xff\xfe\xc0\","
                                   "\"eventType\":\"\xff\xfe\xc0\"}\n";
    struct sim_fault fault;
    int r = 0;
    if (use(stream, SIM_FAULT_NOT_JSON, partition, &fault)) {
        r = fh_buf_append(out, not_json, sizeof(not_json) - 1);
    }
    if (r == 0 && use(stream, SIM_FAULT_BAD_UTF8, partition, &fault)) {
        r = fh_buf_append(out, bad_utf8, sizeof(bad_utf8) - 1);
    }
    if (r == 0 && use(stream, SIM_FAULT_LONG_LINE, partition, &fault)) {
        r = add_long_line(out, fault.bytes);
    }
    return r;
}

static int hold(struct sim_stream *stream, struct fh_time due, int64_t events, const char *line,
                size_t len)
{
    if (stream->later_count == LATER_MAX) {
        return -ENOSPC;
    }
    struct sim_later *later = malloc(sizeof(*later) + len);
    if (!later) {
        return -ENOMEM;
    }
    later->due = due;
    later->events = events;
    later->len = len;
    memcpy(later->line, line, len);
    struct sim_later **tail = &stream->later;
    while (*tail) {
        tail = &(*tail)->next;
    }
    later->next = NULL;
    *tail = later;
    stream->later_count++;
    return 0;
}

/* Send the held lines that are due; event_passed: one more event has gone by. */
static int release(struct sim_stream *stream, struct fh_time now, bool event_passed,
                   struct fh_buf *out)
{
    int r = 0;
    struct sim_later **link = &stream->later;
    while (*link && r == 0) {
        struct sim_later *later = *link;
        if (event_passed && later->events > 0) {
            later->events--;
        }
        if (later->events != 0 && fh_time_before(now, later->due)) {
            link = &later->next;
            continue;
        }
        r = fh_buf_append(out, later->line, later->len);
        *link = later->next;
        free(later);
        stream->later_count--;
    }
    return r;
}

static int insert(struct fh_buf *out, size_t at, const char *text)
{
    size_t len = strlen(text);
    int r = fh_buf_reserve(out, len);
    if (r == 0) {
        memmove(out->data + at + len, out->data + at, out->len - at);
        memcpy(out->data + at, text, len);
        out->len += len;
    }
    return r;
}

/* Leave the envelope alone: the payload's key is the one after the event type. */
static void drop_payload(struct fh_buf *out, size_t start)
{
    static const char key[] = "\"eventType\":\"";
    char *found = memmem(out->data + start, out->len - start, key, sizeof(key) - 1);
    char *end = out->data + out->len;
    char *quote = found ? found + sizeof(key) - 1 : NULL;
    quote = quote ? memchr(quote, '"', (size_t)(end - quote)) : NULL;
    if (quote && end - quote > 3) {
        quote[1] = '}';
        quote[2] = '\n';
        out->len = (size_t)(quote + 3 - out->data);
    }
}

/* Faults that change how the line looks. */
static int dress(struct sim_stream *stream, unsigned partition, struct fh_buf *out, size_t start)
{
    struct sim_fault fault;
    int r = 0;
    if (use(stream, SIM_FAULT_MISSING_PAYLOAD, partition, &fault)) {
        drop_payload(out, start);
    }
    if (use(stream, SIM_FAULT_UNKNOWN_FIELDS, partition, &fault)) {
        r = insert(out, start + 1, "\"futureField\":{\"list\":[1,2.5,null],\"text\":\"\\u00e9\"},");
    }
    if (r == 0 && use(stream, SIM_FAULT_CRLF, partition, &fault)) {
        r = insert(out, out->len - 1, "\r");
    }
    if (r == 0 && use(stream, SIM_FAULT_EMPTY_LINES, partition, &fault)) {
        r = fh_buf_append(out, "\n", 1);
    }
    return r;
}

/* Faults that change when, how often and how far it is sent. */
static int place(struct sim_stream *stream, struct fh_time now, unsigned partition,
                 struct fh_buf *out, size_t start)
{
    struct sim_fault fault;
    size_t len = out->len - start;
    int r = 0;
    if (use(stream, SIM_FAULT_HALF_LINE, partition, &fault)) {
        if (!stream->whole) {
            out->len = start + len / 2;
        }
        stream->half = stream->ended = true;
        return 0;
    }
    if (use(stream, SIM_FAULT_OMIT, partition, &fault)) {
        out->len = start;
        return 0;
    }
    if (use(stream, SIM_FAULT_DUPLICATE, partition, &fault)) {
        if (fault.later_ms > 0) {
            r = hold(stream, fh_time_add_ms(now, fault.later_ms), -1, out->data + start, len);
        } else {
            r = fh_buf_reserve(out, len);
            if (r == 0) {
                memcpy(out->data + out->len, out->data + start, len);
                out->len += len;
            }
        }
    }
    if (r == 0 && use(stream, SIM_FAULT_REORDER, partition, &fault)) {
        size_t all = out->len - start;
        r = hold(stream, fh_time_add_ms(now, REORDER_MAX_MS), fault.by + 1, out->data + start, all);
        if (r == 0) {
            out->len = start;
        }
    }
    return r == -ENOSPC ? 0 : r; /* too much is held already: this one goes out as it is */
}

int sim_distort_after(struct sim_stream *stream, struct fh_time now, unsigned partition,
                      struct fh_buf *out, size_t start, size_t origin)
{
    int r = dress(stream, partition, out, start);
    if (r == 0) {
        r = place(stream, now, partition, out, start);
    }
    struct sim_fault fault;
    if (r == 0 && use(stream, SIM_FAULT_MANY_CHUNKS, partition, &fault)) {
        if (stream->tiny_end == 0) {
            stream->tiny_start = start - origin;
        }
        stream->tiny_end = out->len - origin;
    }
    if (r == 0 && stream->later && !stream->ended) {
        r = release(stream, now, true, out);
    }
    return r;
}

int sim_distort_release(struct sim_stream *stream, struct fh_time now, struct fh_buf *out)
{
    return release(stream, now, false, out);
}

struct fh_time sim_distort_due(const struct sim_stream *stream)
{
    struct fh_time due = {0};
    for (const struct sim_later *later = stream->later; later; later = later->next) {
        if (!fh_time_is_set(due) || fh_time_before(later->due, due)) {
            due = later->due;
        }
    }
    return due;
}

void sim_distort_done(struct sim_stream *stream)
{
    while (stream->later) {
        struct sim_later *next = stream->later->next;
        free(stream->later);
        stream->later = next;
    }
}
