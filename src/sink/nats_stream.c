/* nats_stream.c: owns what we ask of a stream and how it is read back. Publishes nothing. */
#include "nats_stream.h"
#include "nats_link.h"

#include "fh/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS  1000000
#define PORTION    256 /* keys told at a time */
#define SILENCE_MS 500 /* then ask the server whether more is to come */

static void destroy_info(jsStreamInfo **info)
{
    jsStreamInfo_Destroy(*info);
}

/* ---- the stream ---- */

static int make_stream(jsCtx *js, const struct fh_config_sink *config, const char *filter,
                       struct fh_error *err, jsStreamInfo **ret)
{
    jsStreamConfig wanted;
    jsErrCode code = (jsErrCode)0;
    char what[128];
    jsStreamConfig_Init(&wanted);
    wanted.Name = config->stream;
    wanted.Description = "events of firehosed";
    wanted.Subjects = (const char *[1]){filter};
    wanted.SubjectsLen = 1;
    wanted.Storage = js_FileStorage;
    wanted.Replicas = config->stream_replicas;
    wanted.Duplicates = config->duplicate_window_seconds * 1000 * NS_PER_MS;
    natsStatus status = js_AddStream(ret, js, &wanted, NULL, &code);
    if (status == NATS_OK) {
        return 0;
    }
    snprintf(what, sizeof(what), "make stream %s with %" PRId64 " copies", config->stream,
             config->stream_replicas);
    return fh_nats_fail(err, status, code, what);
}

static int find_stream(jsCtx *js, const struct fh_config_sink *config, const char *filter,
                       struct fh_error *err, jsStreamInfo **ret, bool *ret_made)
{
    jsErrCode code = (jsErrCode)0;
    char what[128];
    *ret_made = false;
    natsStatus status = js_GetStreamInfo(ret, js, config->stream, NULL, &code);
    if (status == NATS_OK) {
        return 0;
    }
    if (status == NATS_NOT_FOUND || code == JSStreamNotFoundErr) {
        if (config->stream_replicas > 0) {
            *ret_made = true;
            return make_stream(js, config, filter, err, ret);
        }
        return fh_error_set(err, -ENOENT,
                            "there is no stream %s; make it (subjects %s, duplicate window %" PRId64
                            " s), or let stream_replicas make it",
                            config->stream, filter, config->duplicate_window_seconds);
    }
    snprintf(what, sizeof(what), "look at stream %s", config->stream);
    return fh_nats_fail(err, status, code, what);
}

static bool takes(const jsStreamConfig *stream, const char *filter)
{
    for (int i = 0; i < stream->SubjectsLen; i++) {
        if (fh_nats_subject_covers(stream->Subjects[i], filter)) {
            return true;
        }
    }
    return false;
}

static int check_stream(const jsStreamInfo *info, const struct fh_config_sink *config,
                        const char *filter, struct fh_error *err)
{
    const jsStreamConfig *stream = info->Config;
    int64_t window_ms = stream->Duplicates / NS_PER_MS;
    if (stream->Sealed || stream->Mirror) {
        return fh_error_set(err, -EROFS, "stream %s %s; name one that takes messages",
                            config->stream, stream->Sealed ? "is sealed" : "mirrors another");
    }
    if (stream->NoAck) {
        return fh_error_set(err, -EINVAL,
                            "stream %s does not acknowledge (no_ack), so that nobody knows what "
                            "arrived; let it",
                            config->stream);
    }
    if (!takes(stream, filter)) {
        return fh_error_set(err, -EINVAL,
                            "stream %s does not take the subjects %s (it takes %s%s); add them to "
                            "it, or change topic",
                            config->stream, filter,
                            stream->SubjectsLen > 0 ? stream->Subjects[0] : "none",
                            stream->SubjectsLen > 1 ? ", ..." : "");
    }
    if (window_ms < config->duplicate_window_seconds * 1000) {
        return fh_error_set(err, -EINVAL,
                            "stream %s recognises duplicates for %" PRId64
                            " ms only, and the promise of %" PRId64
                            " s rests upon it; lengthen its duplicate window, or lower "
                            "duplicate_window_seconds",
                            config->stream, window_ms, config->duplicate_window_seconds);
    }
    return 0;
}

int fh_nats_stream_open(jsCtx *js, const struct fh_config_sink *config, const char *filter,
                        struct fh_error *err, struct fh_nats_stream *ret)
{
    FH_CLEANUP(destroy_info) jsStreamInfo *info = NULL;
    bool made = false;
    int r = find_stream(js, config, filter, err, &info, &made);
    if (r == 0) {
        r = check_stream(info, config, filter, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = (struct fh_nats_stream){.window_ms = info->Config->Duplicates / NS_PER_MS,
                                   .replicas = info->Config->Replicas,
                                   .keeps = info->Config->Retention == js_LimitsPolicy,
                                   .made = made};
    ret->end.created_ns = info->Created;
    ret->end.sequence = info->State.LastSeq;
    snprintf(ret->end.stream, sizeof(ret->end.stream), "%s", config->stream);
    return 0;
}

/* ---- reading back ---- */

struct reading {
    const struct fh_config_sink *config;
    jsCtx *js;
    natsSubscription *subscription;
    fh_sink_found found;
    void *userdata;
    struct fh_record_key key[PORTION];
    size_t key_count;
    const struct fh_nats_range *range;
    uint64_t last; /* sequence of the message received last, of whomever */
};

static int tell(struct reading *reading, struct fh_error *err)
{
    size_t count = reading->key_count;
    reading->key_count = 0;
    if (count > 0 && reading->found(reading->userdata, reading->key, count) != 0) {
        return fh_error_set(err, -EAGAIN, "reading the stream back was stopped");
    }
    return 0;
}

static int take(struct reading *reading, natsMsg *msg, struct fh_error *err)
{
    const char *id = NULL;
    jsMsgMetaData *meta = NULL;
    natsStatus status = natsMsg_GetMetaData(&meta, msg);
    if (status != NATS_OK) {
        return fh_nats_fail(err, status, (jsErrCode)0, "read a message of the stream");
    }
    reading->last = meta->Sequence.Stream;
    jsMsgMetaData_Destroy(meta);
    if (natsMsgHeader_Get(msg, "Nats-Msg-Id", &id) == NATS_OK && id &&
        fh_nats_id_parse(id, reading->range->name, &reading->key[reading->key_count]) == 0) {
        reading->key_count++;
    }
    return reading->key_count == PORTION ? tell(reading, err) : 0;
}

/* The highest sequence up to end that still holds a message; 0 = none does. */
static uint64_t newest_of(const jsStreamState *state, uint64_t end)
{
    uint64_t newest = end;
    for (int i = state->DeletedLen; i > 0 && state->Deleted[i - 1] >= newest; i--) { /* rising */
        newest -= state->Deleted[i - 1] == newest ? 1 : 0;
    }
    return newest >= state->FirstSeq ? newest : 0;
}

/* 1 = that message is older than what is read. */
static int is_older(struct reading *reading, uint64_t sequence, struct fh_error *err)
{
    natsMsg *msg = NULL;
    jsErrCode code = (jsErrCode)0;
    natsStatus status =
        js_GetMsg(&msg, reading->js, reading->config->stream, sequence, NULL, &code);
    if (status != NATS_OK) {
        return fh_nats_fail(err, status, code, "look at the newest message of the stream");
    }
    int64_t time_ns = natsMsg_GetTime(msg);
    natsMsg_Destroy(msg);
    return time_ns < reading->range->since_ns ? 1 : 0;
}

/* Nothing came for a while: is nothing left up to the end? The last messages may have been removed.
 * The consumer cannot tell: its server may be one that has fallen behind, so the stream's leader is
 * asked. 1 = yes. */
static int is_through(struct reading *reading, struct fh_error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = (jsErrCode)0;
    jsOptions options;
    jsOptions_Init(&options);
    options.Wait = reading->config->timeout_ms;
    options.Stream.Info.DeletedDetails = true;
    natsStatus status =
        js_GetStreamInfo(&info, reading->js, reading->config->stream, &options, &code);
    if (status != NATS_OK) {
        return fh_nats_fail(err, status, code, "ask how much of the stream is left to read");
    }
    uint64_t newest = newest_of(&info->State, reading->range->end);
    jsStreamInfo_Destroy(info);
    if (newest <= reading->last || newest < reading->range->from) {
        return 1;
    }
    bool by_time = reading->range->from == 0 && reading->last == 0;
    return by_time ? is_older(reading, newest, err) : 0;
}

static int read_on(struct reading *reading, const struct fh_sink_context *context,
                   struct fh_error *err)
{
    int64_t silent_ms = 0;
    while (reading->last < reading->range->end) {
        natsMsg *msg = NULL;
        natsStatus status = natsSubscription_NextMsg(&msg, reading->subscription, SILENCE_MS);
        int r = 0;
        if (status == NATS_OK) {
            silent_ms = 0;
            r = take(reading, msg, err);
            natsMsg_Destroy(msg);
        } else if (status == NATS_TIMEOUT && silent_ms < reading->config->timeout_ms) {
            silent_ms += SILENCE_MS;
            r = is_through(reading, err);
        } else {
            r = fh_nats_fail(err, status, (jsErrCode)0, "read the stream back");
        }
        if (r != 0) {
            return r < 0 ? r : tell(reading, err);
        }
        if (reading->key_count == 0 && fh_sink_fenced(context)) {
            return fh_error_set(err, -EAGAIN, "this node must keep quiet for now");
        }
    }
    return tell(reading, err);
}

int fh_nats_stream_read(jsCtx *js, const struct fh_config_sink *config,
                        const struct fh_sink_context *context, const struct fh_nats_range *range,
                        fh_sink_found found, void *userdata, struct fh_error *err)
{
    struct reading reading = {
        .config = config, .js = js, .found = found, .userdata = userdata, .range = range};
    jsSubOptions options;
    jsErrCode code = (jsErrCode)0;
    if (range->end == 0 || range->from > range->end) {
        return 0;
    }
    jsSubOptions_Init(&options);
    options.Stream = config->stream;
    options.Ordered = true; /* libnats sees gaps, and begins anew behind what it has given us */
    options.Config.HeadersOnly = true;
    options.Config.DeliverPolicy =
        range->from > 0 ? js_DeliverByStartSequence : js_DeliverByStartTime;
    options.Config.OptStartSeq = range->from;
    options.Config.OptStartTime = range->from > 0 ? 0 : range->since_ns;
    natsStatus status = js_SubscribeSync(&reading.subscription, js, ">", NULL, &options, &code);
    if (status != NATS_OK) {
        return fh_nats_fail(err, status, code, "read the stream back");
    }
    int r = read_on(&reading, context, err);
    natsSubscription_Unsubscribe(reading.subscription);
    natsSubscription_Destroy(reading.subscription);
    return r;
}
