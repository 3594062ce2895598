/* repair.c: records that came to one node only. Owns both sides of it: the standby's search for
 * what the primary never reported, and the primary's taking of it. Never talks to the peer.
 *
 * The nodes read replicas of their own, and a service may fail to give one of them what it gives
 * the other; connections that it takes for alive swallow records, too (firehose-api.md 11.3). By
 * uid and timestamp the primary knows what it has, so whatever is offered in error is dropped there
 * as it would be when a receiver brought it again. Known by anything else, records are told apart
 * by how often one connection showed the same content, and what comes by no connection cannot be
 * counted: then nothing is offered or taken. Writer thread. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A record waits until the peer's reports were SETTLED_MS of source time past it a round ago. By
 * then also the samples of what came after it were compared (ha/replica.h): if the replicas had
 * begun to differ, it would be known. */
#define SETTLED_MS    5000
#define ROUND_MS      10000
#define PORTION_BYTES ((size_t)256 * 1024)      /* heartbeats must not wait long behind it ... */
#define OFFER_MAX     ((size_t)4 * 1024 * 1024) /* ... except for one record; FH_HA_OFFER_MAX */

#define TOLD_QUIET_MS 3000   /* the journal is told when no more have come for so long ... */
#define TOLD_AGAIN_MS 600000 /* ... and not more often than this */

static bool by_uid(struct fh_pipeline *pipeline)
{
    return atomic_load(&pipeline->key) == FH_KEY_UID_TIMESTAMP && !pipeline->writer_failed;
}

void fh_repair_init(struct fh_pipeline *pipeline)
{
    pipeline->repair.before_ms = pipeline->repair.next_before_ms = INT64_MIN;
}

/* ---- standby ---- */

static int add_line(void *userdata, struct fh_slice line)
{
    struct fh_buf *portion = userdata;
    size_t len = portion->len;
    /* Of a gap that this node declared, the other one knows better: it had the events or has
     * declared a gap of its own. */
    if (line.len >= OFFER_MAX || fh_gap_is_record(line)) {
        return 0;
    }
    if (len > 0 && len + line.len + 1 > PORTION_BYTES) {
        return 1;
    }
    if (fh_buf_append(portion, line.data, line.len) < 0 || fh_buf_append(portion, "\n", 1) < 0) {
        portion->len = len;
        return 1;
    }
    return 0;
}

static bool begin_round(struct fh_pipeline *pipeline)
{
    struct repair *repair = &pipeline->repair;
    struct fh_time now = fh_now();
    if (fh_time_is_set(repair->round_at) && fh_time_diff_ms(now, repair->round_at) < ROUND_MS) {
        return false;
    }
    int64_t reported = fh_store_peer_reported(pipeline->store);
    repair->round_at = now;
    repair->before_ms = repair->next_before_ms;
    repair->next_before_ms = reported < INT64_MIN + SETTLED_MS ? INT64_MIN : reported - SETTLED_MS;
    return true;
}

void fh_repair_find(struct fh_pipeline *pipeline)
{
    struct repair *repair = &pipeline->repair;
    if (!by_uid(pipeline) || (repair->sequence == 0 && !begin_round(pipeline))) {
        return;
    }
    struct fh_buf portion;
    struct fh_error err = {""};
    uint64_t first = repair->sequence;
    fh_buf_init(&portion, OFFER_MAX);
    int r = fh_store_unreported(pipeline->store, repair->before_ms, &repair->sequence, add_line,
                                &portion, &err);
    if (r < 0 || (r == 1 && portion.len == 0 && repair->sequence == first)) {
        repair->sequence = 0; /* in the next round again */
    }
    /* Promoted, this node could not get past it. */
    if (err.text[0] != '\0' && !repair->damage_told) {
        fh_log_event(LOG_ERR, FH_LOG_STORE_DAMAGED, NULL, 0, "%s", err.text);
        repair->damage_told = true;
    }
    if (portion.len > 0) {
        fh_answer_send(pipeline, fh_answer_new(ANSWER_UNREPORTED, portion.data, portion.len));
    }
    fh_buf_done(&portion);
}

/* ---- primary ---- */

static int take_line(struct fh_pipeline *pipeline, struct fh_slice line)
{
    struct fh_envelope envelope;
    if (line.len > (size_t)pipeline->config.firehose.max_line_bytes || fh_gap_is_record(line) ||
        fh_envelope_scan(line.data, line.len, &envelope) != FH_ENVELOPE_OK ||
        fh_envelope_is_keep_alive(&envelope)) {
        return 0;
    }
    struct fh_record_key key = {
        fh_envelope_fingerprint(&envelope, line.data, line.len, FH_KEY_UID_TIMESTAMP),
        envelope.timestamp_ms};
    /* Not taken either: what is too old to tell whether it was seen. */
    int r = fh_dedup_add(pipeline->dedup, key);
    if (r <= 0) {
        return r == -ENOMEM ? r : 0;
    }
    r = fh_writer_append(pipeline, key, line);
    if (r < 0) {
        fh_dedup_remove(pipeline->dedup, key);
        return r;
    }
    atomic_fetch_add(&pipeline->repaired, 1);
    return 0;
}

void fh_repair_take(struct fh_pipeline *pipeline, const char *lines, size_t len)
{
    const char *end = lines + len;
    bool room = !fh_time_is_set(pipeline->commit_again) && !atomic_load(&pipeline->backpressure);
    int r = by_uid(pipeline) && room ? 0 : -ENOSPC;
    uint64_t before = atomic_load(&pipeline->repaired);
    while (r == 0 && lines < end) {
        const char *newline = memchr(lines, '\n', (size_t)(end - lines));
        const char *stop = newline ? newline : end;
        r = take_line(pipeline, (struct fh_slice){lines, (size_t)(stop - lines)});
        lines = newline ? newline + 1 : end;
    }
    if (atomic_load(&pipeline->repaired) > before) {
        fh_writer_arrived(pipeline, fh_now());
    }
    atomic_store(&pipeline->offer_taken, false);
}

void fh_repair_tell(struct fh_pipeline *pipeline)
{
    struct repair *repair = &pipeline->repair;
    uint64_t repaired = atomic_load(&pipeline->repaired);
    if (repaired == repair->told) {
        return;
    }
    struct fh_time now = fh_now();
    if (repaired != repair->seen) {
        repair->seen = repaired;
        repair->seen_at = now;
    }
    bool again =
        !fh_time_is_set(repair->told_at) || fh_time_diff_ms(now, repair->told_at) >= TOLD_AGAIN_MS;
    if (again && fh_time_diff_ms(now, repair->seen_at) >= TOLD_QUIET_MS) {
        fh_log_event(LOG_NOTICE, FH_LOG_REPAIRED, NULL, 0,
                     "%" PRIu64 " events that the own stream did not bring were taken from the "
                     "standby, which had received them (%" PRIu64 " since this process started)",
                     repaired - repair->told, repaired);
        repair->told = repaired;
        repair->told_at = now;
    }
}
