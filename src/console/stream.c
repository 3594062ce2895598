/* stream.c: what goes out to which browser, and when. An event is written once and sent to all who
 * get the same; a floor's devices are written once for those who follow it, and once for those who
 * begin. Who reads too slowly is cut off by the server (web.h) and costs nothing until he is. */
#include "stream.h"

#include <errno.h>
#include <string.h>

void streams_init(struct streams *streams)
{
    memset(streams, 0, sizeof(*streams));
    pthread_mutex_init(&streams->lock, NULL);
    fh_buf_init(&streams->text.buf, FH_WEB_STREAM_UNSENT_MAX);
}

void streams_done(struct streams *streams)
{
    fh_buf_done(&streams->text.buf);
    pthread_mutex_destroy(&streams->lock);
}

int streams_open(struct streams *streams, struct fh_web_stream *web, const char *floor,
                 const char *place)
{
    floor = floor ? floor : "";
    place = place ? place : "";
    if (strlen(floor) > CONSOLE_ID_MAX || strlen(place) > CONSOLE_ID_MAX) {
        return -ENOENT;
    }
    int r = -EBUSY;
    pthread_mutex_lock(&streams->lock);
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX && r < 0; i++) {
        struct stream *stream = &streams->stream[i];
        if (!stream->web) {
            *stream = (struct stream){.web = web, .fresh = true, .full = true, .index = SPACE_NONE};
            memcpy(stream->floor, floor, strlen(floor) + 1);
            memcpy(stream->place, place, strlen(place) + 1);
            r = 0;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    return r;
}

void streams_close(struct streams *streams, const struct fh_web_stream *web)
{
    pthread_mutex_lock(&streams->lock);
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        if (streams->stream[i].web == web) {
            streams->stream[i].web = NULL;
        }
    }
    pthread_mutex_unlock(&streams->lock);
}

static bool is_open(const struct stream *stream)
{
    return stream->web && !stream->lost;
}

static void send_to(struct stream *stream, const struct text *text)
{
    if (fh_web_send(stream->web, text->buf.data, text->buf.len) < 0) {
        stream->lost = true;
    }
}

/* ready: the text is whole. To all, or to those alone that have just come. */
static void send_all(struct streams *streams, bool ready, bool fresh_only)
{
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX && ready; i++) {
        struct stream *stream = &streams->stream[i];
        if (is_open(stream) && (stream->fresh || !fresh_only)) {
            send_to(stream, &streams->text);
        }
    }
}

static bool anybody(const struct streams *streams, bool fresh)
{
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        if (is_open(&streams->stream[i]) && (streams->stream[i].fresh || !fresh)) {
            return true;
        }
    }
    return false;
}

static void send_pair(struct streams *streams, const struct stream_view *view)
{
    bool fresh = anybody(streams, true);
    if (view->snapshot && (view->pair_due || fresh)) {
        send_all(streams, show_pair(&streams->text, view->snapshot), !view->pair_due);
    }
    if (fresh) { /* before a sample, so that no sample is in neither or in both */
        send_all(streams, show_history(&streams->text, view->graph), true);
    }
}

static void send_sample(struct streams *streams, const struct stream_view *view)
{
    bool ready = view->sample_due && show_sample(&streams->text, view->graph);
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX && ready; i++) {
        struct stream *stream = &streams->stream[i];
        if (is_open(stream) && !stream->fresh) { /* the history just sent ends with it */
            send_to(stream, &streams->text);
        }
    }
}

static void send_space(struct streams *streams, const struct stream_view *view, struct fh_time now)
{
    bool due = fh_time_diff_ms(now, streams->space_at) >= STREAM_SPACE_MS &&
               space_version(view->space) != streams->space_version;
    if (due || anybody(streams, true)) {
        send_all(streams,
                 show_space(&streams->text, view->space, view->skipped, view->occupancy->left_out),
                 !due);
    }
    if (due) {
        streams->space_at = now;
        streams->space_version = space_version(view->space);
    }
}

/* The hour of a place to who begins to look at it, and every sample after that: as with history and
 * sample, none is in neither or in both. */
static void send_occupancy(struct streams *streams, const struct stream_view *view)
{
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        struct stream *stream = &streams->stream[i];
        bool due = stream->fresh || view->occupancy_due;
        if (is_open(stream) && stream->place[0] && due &&
            show_occupancy(&streams->text, view->occupancy, stream->place, stream->fresh)) {
            send_to(stream, &streams->text);
        }
    }
}

/* ---- devices of a floor --------------------------------------------------------------------- */

static void look_at_map(const struct stream_view *view, uint32_t floor, struct show_map *ret)
{
    *ret = (struct show_map){.width = 0};
    if (floor == SPACE_NONE) {
        return;
    }
    const struct space_location *location = space_location(view->space, floor);
    show_map_of(location, ret);
    if (view->maps && ret->id[0]) {
        struct maps_known known;
        maps_look(view->maps, ret->id, location->tenant, &known);
        ret->image = known.image;
        if (known.width > 0 && known.length > 0) {
            ret->width = known.width;
            ret->length = known.length;
        }
    }
}

static bool same_map(const struct show_map *a, const struct show_map *b)
{
    return strcmp(a->id, b->id) == 0 && a->width >= b->width && a->width <= b->width &&
           a->length >= b->length && a->length <= b->length && a->image == b->image;
}

static bool looks_at(const struct stream *stream, const char *floor)
{
    return is_open(stream) && strcmp(stream->floor, floor) == 0;
}

/* From stream first on, all who look at its floor. */
static void send_floor(struct streams *streams, const struct stream_view *view, size_t first,
                       struct fh_time now)
{
    const char *id = streams->stream[first].floor;
    uint32_t floor = space_find(view->space, id);
    struct show_map map;
    look_at_map(view, floor, &map);
    bool forgotten = !space_remembers(view->space, streams->devices_since);
    for (int full = 0; full < 2; full++) {
        bool written = false, whole = false, any = false;
        for (size_t i = first; i < FH_WEB_STREAMS_MAX; i++) {
            struct stream *stream = &streams->stream[i];
            if (!looks_at(stream, id)) {
                continue;
            }
            stream->full = stream->full || forgotten || stream->index != floor;
            if (stream->full != (full == 1)) {
                continue;
            }
            if (!written) {
                whole = show_devices(&streams->text, view->space, id, floor, full == 1,
                                     streams->devices_since, &map, now.ns / 1000000, &any);
                written = true;
            }
            if (whole && (full == 1 || any || !same_map(&map, &stream->map))) {
                send_to(stream, &streams->text);
            }
            stream->map = map;
        }
    }
    for (size_t i = first; i < FH_WEB_STREAMS_MAX; i++) {
        if (looks_at(&streams->stream[i], id)) {
            streams->stream[i].index = floor;
            streams->stream[i].full = false;
        }
    }
}

static void send_devices(struct streams *streams, const struct stream_view *view,
                         struct fh_time now)
{
    if (fh_time_diff_ms(now, streams->devices_at) < STREAM_DEVICES_MS) {
        return;
    }
    for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
        const struct stream *stream = &streams->stream[i];
        bool sent = false; /* with one before it */
        for (size_t before = 0; before < i && !sent; before++) {
            sent = looks_at(&streams->stream[before], stream->floor);
        }
        if (is_open(stream) && stream->floor[0] && !sent) {
            send_floor(streams, view, i, now);
        }
    }
    streams->devices_at = now;
    streams->devices_since = space_changed(view->space);
}

void streams_tick(struct streams *streams, const struct stream_view *view, struct fh_time now)
{
    pthread_mutex_lock(&streams->lock);
    if (anybody(streams, false)) {
        send_pair(streams, view);
        send_sample(streams, view);
        send_space(streams, view, now);
        send_occupancy(streams, view);
        for (size_t i = 0; i < FH_WEB_STREAMS_MAX; i++) {
            streams->stream[i].fresh = false;
        }
        send_devices(streams, view, now);
    }
    pthread_mutex_unlock(&streams->lock);
}
