/* stream.c: owns the body of one firehose request. Never knows how it is framed or sent. */
#include "stream.h"

#include "distort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH         128
#define LINE_GUESS    2048
#define SWALLOW_GUESS 1500 /* bytes of an event nobody renders */

struct sim_stream *sim_stream_new(struct sim_server *server, struct sim_reader *reader)
{
    struct sim_stream *stream = calloc(1, sizeof(*stream));
    if (stream) {
        stream->server = server;
        stream->reader = reader;
        stream->last_sent = fh_now();
    }
    return stream;
}

void sim_stream_free(struct sim_stream *stream)
{
    if (stream) {
        sim_distort_done(stream);
        sim_reader_close(stream->reader);
        free(stream);
    }
}

/* The caller holds the world's read lock. An event that has left the window meanwhile is lost to
 * this reader, as it is in a window that rolls. */
static int render(const struct sim_stream *stream, const struct sim_pick *pick, struct fh_buf *out)
{
    const struct sim_server *server = stream->server;
    if (pick->extra >= 0) {
        const struct sim_extra *extra = sim_extras_get(server->extras, (uint32_t)pick->extra);
        return fh_buf_append(out, extra->line, strlen(extra->line));
    }
    if (pick->position < sim_world_first(server->world)) {
        return 0;
    }
    unsigned replica = sim_reader_info(stream->reader)->replica;
    int r = fh_buf_reserve(out, LINE_GUESS);
    while (r == 0) {
        size_t room = out->capacity - out->len;
        size_t len =
            sim_world_render(server->world, replica, pick->position, out->data + out->len, room);
        if (len <= room) {
            out->len += len;
            return 0;
        }
        r = fh_buf_reserve(out, len);
    }
    return r;
}

static int render_plain(const struct sim_stream *stream, const struct sim_pick *picks, size_t count,
                        struct fh_buf *out)
{
    int r = 0;
    sim_world_lock_read(stream->server->world);
    for (size_t i = 0; i < count && r == 0; i++) {
        r = render(stream, &picks[i], out);
    }
    sim_world_unlock_read(stream->server->world);
    return r;
}

static int render_distorted(struct sim_stream *stream, struct fh_time now,
                            const struct sim_pick *picks, size_t count, struct fh_buf *out)
{
    size_t origin = out->len;
    int r = 0;
    for (size_t i = 0; i < count && r == 0 && !stream->ended; i++) {
        r = sim_distort_before(stream, picks[i].partition, out);
        size_t start = out->len;
        if (r == 0) {
            r = render_plain(stream, &picks[i], 1, out);
        }
        if (r == 0 && out->len > start) {
            r = sim_distort_after(stream, now, picks[i].partition, out, start, origin);
        }
    }
    return r;
}

static int keep_alive(struct sim_stream *stream, struct fh_time now, struct fh_buf *out)
{
    struct sim_server *server = stream->server;
    struct sim_reader_info *info = sim_reader_info(stream->reader);
    if (fh_time_diff_ms(now, stream->last_sent) < server->options->keep_alive_ms) {
        return 0;
    }
    stream->last_sent = now;
    struct sim_fault fault;
    if (sim_faults_at_events(server->faults) &&
        sim_faults_use(server->faults, SIM_FAULT_NO_KEEP_ALIVE, info->replica, 0, &fault)) {
        return 0;
    }
    int r = fh_buf_reserve(out, LINE_GUESS);
    if (r < 0) {
        return r;
    }
    size_t len = sim_world_keep_alive(server->world, out->data + out->len, LINE_GUESS);
    out->len += len <= LINE_GUESS ? len : 0;
    atomic_fetch_add_explicit(&info->keep_alives, 1, memory_order_relaxed);
    return 0;
}

/* The delay fault: true while nothing may be sent yet. */
static bool delayed(struct sim_stream *stream, struct fh_time now)
{
    if (fh_time_is_set(stream->not_before)) {
        if (fh_time_before(now, stream->not_before)) {
            return true;
        }
        stream->not_before = (struct fh_time){0};
        return false;
    }
    struct sim_fault fault;
    unsigned replica = sim_reader_info(stream->reader)->replica;
    if (sim_faults_at_events(stream->server->faults) &&
        sim_faults_use(stream->server->faults, SIM_FAULT_DELAY, replica, 0, &fault)) {
        stream->not_before = fh_time_add_ms(now, fault.ms);
        return true;
    }
    return false;
}

static size_t take(struct sim_stream *stream, unsigned pass, struct sim_pick *picks)
{
    if (stream->pass == pass) {
        stream->more = true; /* has had its turn this round: to be asked again in the next */
        return 0;
    }
    bool shared = false;
    size_t count = sim_reader_take(stream->reader, BATCH, picks, &shared);
    stream->more = count > 0;
    if (shared && count > 0) {
        stream->pass = pass;
    }
    return count;
}

int64_t sim_stream_fill(struct sim_stream *stream, struct fh_time now, unsigned pass,
                        struct fh_buf *out)
{
    size_t origin = out->len;
    stream->tiny_start = stream->tiny_end = 0;
    stream->more = false;
    if (stream->ended || delayed(stream, now)) {
        return 0;
    }
    struct sim_pick picks[BATCH];
    size_t count = take(stream, pass, picks);
    struct sim_reader_info *info = sim_reader_info(stream->reader);
    int r = stream->later ? sim_distort_release(stream, now, out) : 0;
    if (r == 0 && (stream->later || sim_faults_at_events(stream->server->faults))) {
        r = render_distorted(stream, now, picks, count, out);
    } else if (r == 0) {
        r = render_plain(stream, picks, count, out);
    }
    if (r == 0 && out->len == origin) {
        r = keep_alive(stream, now, out);
    }
    if (r < 0) {
        out->len = origin;
        return r;
    }
    if (out->len > origin) {
        stream->last_sent = now;
        atomic_fetch_add_explicit(&info->events, count, memory_order_relaxed);
    }
    return (int64_t)(out->len - origin);
}

struct fh_time sim_stream_due(const struct sim_stream *stream)
{
    struct fh_time due = fh_time_add_ms(stream->last_sent, stream->server->options->keep_alive_ms);
    if (fh_time_is_set(stream->not_before)) {
        due = stream->not_before;
    }
    struct fh_time held = sim_distort_due(stream);
    return fh_time_is_set(held) && fh_time_before(held, due) ? held : due;
}

uint64_t sim_stream_swallow(struct sim_stream *stream, unsigned pass)
{
    struct sim_pick picks[BATCH];
    return take(stream, pass, picks) * SWALLOW_GUESS;
}
