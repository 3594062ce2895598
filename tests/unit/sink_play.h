/* sink_play.h: a sink in a unit test: opened with a hand-made configuration, and fed with records
 * whose facts are known: {"n":N}, uid "event-N", of the type and device the test says. */
#ifndef TEST_SINK_PLAY_H
#define TEST_SINK_PLAY_H

#include "fh/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define PLAY_REFUSED_MAX 16
#define PLAY_PATIENCE_MS 60000

struct play {
    struct fh_config_sink config;
    struct fh_sink_context context;
    const struct fh_sink_ops *ops;
    void *sink;
    struct fh_error err;
    atomic_bool fenced;
    uint64_t dropped;
    char refused[PLAY_REFUSED_MAX][128]; /* "RECORD: reason" */
    size_t refused_count;
    /* of the records written next */
    const char *type, *device, *tenant;
    size_t padding; /* bytes added to each */
};

static inline bool play_fenced(void *userdata)
{
    return ((struct play *)userdata)->fenced;
}

static inline int play_refused(void *userdata, struct fh_slice record, const char *reason,
                               struct fh_error *err)
{
    struct play *play = userdata;
    (void)err;
    assert_true(play->refused_count < PLAY_REFUSED_MAX);
    snprintf(play->refused[play->refused_count++], sizeof(play->refused[0]), "%.*s: %s",
             record.len < 20 ? (int)record.len : 20, record.data, reason);
    return 0;
}

static inline void play_dropped(void *userdata, uint64_t records)
{
    ((struct play *)userdata)->dropped += records;
}

static inline void play_open(struct play *play)
{
    play->context = (struct fh_sink_context){.node = "a",
                                             .state_dir = "/tmp",
                                             .fenced = play_fenced,
                                             .refused = play_refused,
                                             .dropped = play_dropped,
                                             .userdata = play};
    play->type = play->type ? play->type : "T";
    play->tenant = play->tenant ? play->tenant : "t";
    play->device = play->device ? play->device : "d";
    play->ops = fh_sink_for(&play->config);
    assert_non_null(play->ops);
    if (play->ops->open(&play->config, &play->context, &play->err, &play->sink) != 0) {
        fail_msg("open: %s", play->err.text);
    }
}

static inline struct fh_slice play_text(const char *text)
{
    return (struct fh_slice){text, strlen(text)};
}

static inline struct fh_record_key play_key(unsigned n)
{
    return (struct fh_record_key){.fingerprint = n * UINT64_C(0x9E3779B97F4A7C15),
                                  .timestamp_ms = 1000 + (int64_t)n};
}

/* One write of the records first..last; the answer of the sink. */
static inline int play_write(struct play *play, unsigned first, unsigned last)
{
    uint32_t count = last - first + 1;
    struct fh_slice *record = calloc(count, sizeof(*record));
    struct fh_record_key *key = calloc(count, sizeof(*key));
    struct fh_record_facts *facts = calloc(count, sizeof(*facts));
    uint64_t *sequence = calloc(count, sizeof(*sequence));
    size_t room = 64 + play->padding;
    char *text = calloc(count, room);
    char(*uid)[24] = calloc(count, sizeof(*uid));
    for (uint32_t i = 0; i < count; i++) {
        char *at = text + i * room;
        int len = snprintf(at, room, "{\"n\":%u", first + i);
        if (play->padding > 0) {
            len += snprintf(at + len, room - (size_t)len, ",\"x\":\"");
            memset(at + len, 'x', play->padding);
            len += (int)play->padding;
            at[len++] = '"';
        }
        at[len++] = '}';
        snprintf(uid[i], sizeof(uid[i]), "event-%u", first + i);
        record[i] = (struct fh_slice){at, (size_t)len};
        key[i] = play_key(first + i);
        facts[i].uid = play_text(uid[i]);
        facts[i].type = play_text(play->type);
        facts[i].tenant = play_text(play->tenant);
        facts[i].device = play_text(play->device);
        facts[i].timestamp_ms = key[i].timestamp_ms;
        sequence[i] = first + i;
    }
    struct fh_sink_write write = {.record = record,
                                  .key = key,
                                  .facts = facts,
                                  .sequence = sequence,
                                  .count = count,
                                  .epoch = 7};
    int r = play->ops->write(play->sink, &write, &play->err);
    free(record);
    free(key);
    free(facts);
    free(sequence);
    free(text);
    free(uid);
    return r;
}

static inline int play_accept(struct play *play)
{
    char position[FH_SINK_POSITION_MAX] = "";
    return play->ops->accept(play->sink, position, &play->err);
}

/* accept, again while it says -EAGAIN, for at most a minute. */
static inline int play_accept_all(struct play *play)
{
    struct fh_time until = fh_time_add_ms(fh_now(), PLAY_PATIENCE_MS);
    int r = 0;
    while ((r = play_accept(play)) == -EAGAIN && fh_time_before(fh_now(), until)) {
    }
    return r;
}

static inline void play_lead(struct play *play, uint64_t epoch)
{
    struct fh_time until = fh_time_add_ms(fh_now(), PLAY_PATIENCE_MS);
    int r = 0;
    while ((r = play->ops->lead(play->sink, epoch, &play->err)) < 0 &&
           fh_time_before(fh_now(), until)) {
    }
    if (r < 0) {
        fail_msg("lead: %s", play->err.text);
    }
}

static inline void play_says(const struct play *play, const char *part)
{
    if (!strstr(play->err.text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", play->err.text, part);
    }
}

#endif
