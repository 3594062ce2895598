/* stream.c: an open text/event-stream.
 *
 * Owns the bytes that wait to be sent, never more than FH_WEB_STREAM_UNSENT_MAX. A stream with
 * nothing to send is suspended, which costs nothing; fh_web_send wakes the server's thread, which
 * resumes it. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A browser that lost the stream comes back after so long; also a first chunk, so that the headers
 * leave at once. */
#define FIRST_LINES "retry: 2000\n\n"

static ssize_t read_stream(void *userdata, uint64_t position, char *into, size_t max)
{
    struct fh_web_stream *stream = userdata;
    ssize_t n = 0;
    (void)position;
    pthread_mutex_lock(&stream->lock);
    size_t waiting = stream->out.len - stream->taken;
    stream->waked = false;
    if (stream->cut) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (waiting > 0) {
        n = (ssize_t)(waiting < max ? waiting : max);
        memcpy(into, stream->out.data + stream->taken, (size_t)n);
        stream->taken += (size_t)n;
        if (stream->taken == stream->out.len) {
            stream->taken = 0;
            fh_buf_clear(&stream->out);
        }
    }
    pthread_mutex_unlock(&stream->lock);
    stream->connection->deadline = fh_time_add_ms(fh_now(), stream->web->answer_ms);
    if (n == 0) {
        stream->suspended = true;
        stream->connection->deadline = (struct fh_time){0};
        MHD_suspend_connection(stream->mhd);
    }
    return n;
}

int fh_web_send(struct fh_web_stream *stream, const void *bytes, size_t len)
{
    pthread_mutex_lock(&stream->lock);
    int r = 0;
    if (stream->cut || len > FH_WEB_STREAM_UNSENT_MAX - (stream->out.len - stream->taken)) {
        r = -ENOBUFS;
        stream->cut = true;
    } else {
        /* What is sent stays in front of what is not until it is worth moving: twice the room. */
        if (stream->taken > stream->out.len / 2) {
            fh_buf_consume(&stream->out, stream->taken);
            stream->taken = 0;
        }
        r = fh_buf_append(&stream->out, bytes, len);
    }
    bool wake = !stream->waked;
    stream->waked = true;
    pthread_mutex_unlock(&stream->lock);
    if (wake) {
        web_wake(stream->web);
    }
    return r;
}

static void stream_free(struct fh_web_stream *stream)
{
    pthread_mutex_destroy(&stream->lock);
    fh_buf_done(&stream->out);
    free(stream);
}

static struct fh_web_stream *stream_new(struct fh_web_request *request,
                                        const struct fh_web_route *route)
{
    struct fh_web_stream *stream = calloc(1, sizeof(*stream));
    if (!stream) {
        return NULL;
    }
    stream->web = request->web;
    stream->route = route;
    stream->connection = request->connection;
    stream->mhd = request->mhd;
    pthread_mutex_init(&stream->lock, NULL);
    fh_buf_init(&stream->out, 2 * FH_WEB_STREAM_UNSENT_MAX);
    stream->next = stream->web->streams;
    if (stream->next) {
        stream->next->previous = stream;
    }
    stream->web->streams = stream;
    stream->connection->stream = stream;
    atomic_fetch_add(&stream->web->stream_count, 1);
    return stream;
}

static bool queue_response(struct fh_web_stream *stream)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 8192, read_stream, stream, NULL);
    if (!response) {
        return false;
    }
    web_add_headers(response);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    /* nginx and its kin would keep events back to fill their buffers */
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    enum MHD_Result queued = MHD_queue_response(stream->mhd, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued == MHD_YES;
}

int web_stream_open(struct fh_web_request *request, const struct fh_web_route *route)
{
    struct fh_web *web = request->web;
    if (atomic_load(&web->stream_count) >= FH_WEB_STREAMS_MAX) {
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    struct fh_web_stream *stream = stream_new(request, route);
    if (!stream) {
        return MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
    request->stream = stream; /* ends with the request, whatever happens below */
    fh_web_send(stream, FIRST_LINES, strlen(FIRST_LINES));
    int r = route->opened(web->userdata, request, stream);
    if (r < 0) {
        return r == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    stream->kept = true;
    return queue_response(stream) ? 0 : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

void web_stream_close(struct fh_web_stream *stream)
{
    struct fh_web *web = stream->web;
    pthread_mutex_lock(&stream->lock);
    bool uncounted = stream->cut && !stream->cut_off; /* its reader came by first */
    pthread_mutex_unlock(&stream->lock);
    if (uncounted) {
        atomic_fetch_add(&web->cut, 1);
    }
    if (stream->kept) {
        stream->route->closed(web->userdata, stream);
    }
    if (stream->next) {
        stream->next->previous = stream->previous;
    }
    *(stream->previous ? &stream->previous->next : &web->streams) = stream->next;
    stream->connection->stream = NULL;
    atomic_fetch_sub(&web->stream_count, 1);
    stream_free(stream);
}

void web_streams_resume(struct fh_web *web, bool all)
{
    for (struct fh_web_stream *stream = web->streams; stream; stream = stream->next) {
        pthread_mutex_lock(&stream->lock);
        bool cut = stream->cut;
        bool due = all || cut || stream->out.len > stream->taken;
        stream->waked = due && stream->suspended; /* the reader comes by: no need to wake again */
        pthread_mutex_unlock(&stream->lock);
        if (stream->suspended && due) {
            stream->suspended = false;
            stream->connection->deadline = fh_time_add_ms(fh_now(), web->answer_ms);
            MHD_resume_connection(stream->mhd);
        }
        if (cut &&
            !stream->cut_off) { /* it may be stuck in writing, where its reader is never asked */
            stream->cut_off = true;
            web_cut_off(web, stream->connection);
        }
    }
}
