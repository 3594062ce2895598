/* sync.c: owns the bookkeeping of reports between the nodes and the judgement of readiness. Never
 * sends or stores anything. */
#include "sync.h"

#include "mutants.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How far back in source time a joining node asks for reports beyond what it seems to need:
 * covers overlap and lateness of a stream that resumes. */
#define WANT_MARGIN_MS 600000

void fh_sync_init(struct fh_sync_state *sync, int64_t heartbeat_ms, int64_t failure_ms)
{
    memset(sync, 0, sizeof(*sync));
    sync->heartbeat_ms = heartbeat_ms;
    sync->failure_ms = failure_ms;
    snprintf(sync->lacks, sizeof(sync->lacks), "no primary heard yet");
}

void fh_sync_local(struct fh_sync_state *sync, const struct fh_sync_local *local)
{
    sync->local = *local;
    sync->local_known = true;
    /* More than we ever handed over can only come from before; the rest is told one by one. */
    if (sync->peer_store != 0 && local->peer_report_store == sync->peer_store &&
        local->peer_report_applied > sync->handed) {
        sync->applied = local->peer_report_applied;
        sync->handed = sync->applied;
        sync->received = sync->received > sync->applied ? sync->received : sync->applied;
    }
    /* While delivering, only what was really sent counts: the host may tell of a report in its
     * figures before it hands it to us, and then its message would look like an old one. */
    if (!sync->counting_live && local->own_report_last > sync->live) {
        sync->live = local->own_report_last;
    }
}

void fh_sync_peer_joined(struct fh_sync_state *sync, uint64_t peer_store)
{
    if (sync->peer_store != peer_store && (sync->peer_store == 0 || !FH_MUTANT(OLD_STORE))) {
        sync->peer_store = peer_store;
        bool known = sync->local.peer_report_store == peer_store;
        sync->introduced = known || FH_MUTANT(INTRODUCED_EARLY);
        sync->applied = known ? sync->local.peer_report_applied : 0;
        sync->received = sync->applied;
        sync->handed = sync->applied;
    }
    sync->refused = 0;
    sync->beyond = 0;
    sync->wanting = false;
    sync->retry_at = (struct fh_time){0};
    memset(sync->resumed_at, 0, sizeof(sync->resumed_at));
    /* A node back with a wiped disk holds less than it did. */
    sync->confirmed = 0;
    fh_sync_peer_lost(sync);
}

void fh_sync_peer_lost(struct fh_sync_state *sync)
{
    sync->wanting = false;
    sync->sent_first = 0;
    sync->sent_count = 0;
    sync->sent_bytes = 0;
    sync->asked.from = 0;
    sync->answer_stale = sync->answering;
    sync->in_sync = false;
    sync->behind_since = (struct fh_time){0};
}

/* ---- receiving ---- */

enum fh_sync_verdict fh_sync_take(struct fh_sync_state *sync, struct fh_time now,
                                  const struct fh_wire_report *report, uint64_t barrier, bool lead)
{
    if (report->number <= sync->received && !FH_MUTANT(REPORT_TWICE)) {
        return FH_SYNC_REPEATED;
    }
    if (report->previous > sync->received && !FH_MUTANT(GAP_IGNORED)) {
        if (report->number > sync->beyond) {
            sync->beyond = report->number; /* ask at once, not with the next heartbeat */
        }
        return FH_SYNC_GAP;
    }
    struct fh_report head;
    if (fh_report_peek(report->bytes.data, report->bytes.len, &head) < 0 ||
        (head.state == FH_REPORT_PREPARED && (lead || head.epoch < barrier) &&
         !FH_MUTANT(BARRIER_DROPPED))) {
        sync->refused = report->number;
        sync->wanting = false;
        sync->retry_at = fh_time_add_ms(now, sync->heartbeat_ms);
        return FH_SYNC_REFUSED;
    }
    sync->refused = 0;
    sync->received = report->number;
    sync->handed = report->number;
    /* Progress. But while nothing is missing except the end of the answer, which may be lost, new
     * reports that come in quick succession must not put off the next question for ever. */
    sync->want_at = sync->introduced || FH_MUTANT(QUESTION_PUT_OFF) ? now : sync->want_at;
    return FH_SYNC_HAND_OVER;
}

void fh_sync_answered(struct fh_sync_state *sync, struct fh_time now, uint64_t previous,
                      uint64_t through)
{
    bool complete = previous <= sync->received || FH_MUTANT(ANSWER_OVERTAKES);
    if (sync->wanting && complete && through > sync->received) {
        sync->received = through;
    }
    if (sync->wanting && through < sync->want_from) {
        sync->introduced = true;
    }
    sync->wanting = false;
    sync->want_at = now;
}

bool fh_sync_applied(struct fh_sync_state *sync, uint64_t store_id, uint64_t number)
{
    if (store_id != sync->peer_store || number <= sync->applied) {
        return false;
    }
    sync->applied = number;
    return true;
}

bool fh_sync_drained(const struct fh_sync_state *sync)
{
    return sync->handed <= sync->applied;
}

uint64_t fh_sync_held(const struct fh_sync_state *sync)
{
    /* Numbers passed over because they do not concern us need no storing. */
    return fh_sync_drained(sync) ? sync->received : sync->applied;
}

/* The oldest known stamp of all, 0 when a checkpoint knows nothing. */
static int64_t oldest(const struct fh_checkpoint *checkpoint)
{
    return fh_checkpoint_of_range(checkpoint, (struct fh_range){1, FH_PARTITIONS});
}

/* Reports about records older than anything we keep or will resume from are of no use. */
static int64_t want_since(const struct fh_sync_state *sync,
                          const struct fh_checkpoint *peer_delivered)
{
    int64_t since = oldest(peer_delivered);
    if (since == 0) {
        return 0;
    }
    const int64_t own[] = {oldest(&sync->local.delivered), oldest(&sync->local.covered_from)};
    for (size_t i = 0; i < 2; i++) {
        if (own[i] != 0 && own[i] < since) {
            since = own[i];
        }
    }
    return since > WANT_MARGIN_MS ? since - WANT_MARGIN_MS : 0;
}

bool fh_sync_want(struct fh_sync_state *sync, struct fh_time now, uint64_t peer_last,
                  const struct fh_checkpoint *peer_delivered, uint64_t *ret_from,
                  int64_t *ret_min_timestamp_ms)
{
    if (sync->beyond > peer_last) {
        peer_last = sync->beyond;
    }
    if (sync->peer_store == 0 || (sync->received >= peer_last && sync->introduced) ||
        !fh_sync_drained(sync) || fh_time_before(now, sync->retry_at)) {
        return false;
    }
    /* A question or its answer can get lost; then it is asked again. */
    if (sync->wanting && fh_time_diff_ms(now, sync->want_at) < sync->failure_ms / 2) {
        return false;
    }
    sync->wanting = true;
    sync->want_at = now;
    *ret_from = sync->want_from = sync->received + 1;
    *ret_min_timestamp_ms = want_since(sync, peer_delivered);
    return true;
}

/* ---- sending ---- */

void fh_sync_delivering(struct fh_sync_state *sync, bool delivering)
{
    sync->counting_live = delivering;
}

static void forget_confirmed(struct fh_sync_state *sync)
{
    while (sync->sent_count > 0 && sync->sent[sync->sent_first].number <= sync->confirmed) {
        sync->sent_bytes -= sync->sent[sync->sent_first].len;
        sync->sent_first = (sync->sent_first + 1) % FH_SYNC_SENT_MAX;
        sync->sent_count--;
    }
}

bool fh_sync_send(struct fh_sync_state *sync, struct fh_time now, uint64_t number, size_t len,
                  uint64_t *ret_previous)
{
    if (number <= sync->live || !sync->counting_live) {
        /* Part of an answer, or something repeated. In an answer all between two reports was
         * looked at and left out. */
        bool chained = sync->answering && !sync->answer_stale && number > sync->answer_chain;
        *ret_previous = chained ? sync->answer_chain : number - 1;
        if (chained) {
            sync->answer_chain = number;
        }
        if (number > sync->live) {
            sync->live = number;
        }
        return true;
    }
    *ret_previous = number - 1;
    sync->live = number;
    sync->fresh_from = sync->fresh_from == 0 ? number : sync->fresh_from;
    sync->fresh = number;
    if (sync->sent_count == FH_SYNC_SENT_MAX || sync->sent_bytes + len > FH_SYNC_SENT_BYTES_MAX) {
        return false;
    }
    size_t at = (sync->sent_first + sync->sent_count) % FH_SYNC_SENT_MAX;
    sync->sent[at].number = number;
    sync->sent[at].len = (uint32_t)len;
    sync->sent[at].at = now;
    sync->sent_count++;
    sync->sent_bytes += len;
    return true;
}

bool fh_sync_confirmed(struct fh_sync_state *sync, uint64_t number)
{
    if (number <= sync->confirmed || number > sync->live) {
        return false;
    }
    sync->confirmed = number;
    forget_confirmed(sync);
    return true;
}

void fh_sync_asked(struct fh_sync_state *sync, uint64_t from, int64_t min_timestamp_ms)
{
    sync->asked.from = from;
    sync->asked.min_timestamp_ms = min_timestamp_ms;
}

bool fh_sync_next_question(struct fh_sync_state *sync, uint64_t *ret_from,
                           int64_t *ret_min_timestamp_ms)
{
    if (sync->answering || sync->asked.from == 0) {
        return false;
    }
    *ret_from = sync->asked.from;
    *ret_min_timestamp_ms = sync->asked.min_timestamp_ms;
    sync->answering = true;
    sync->answer_stale = false;
    sync->answer_chain = sync->asked.from - 1;
    sync->fresh_from = sync->fresh = 0;
    sync->asked.from = 0;
    return true;
}

bool fh_sync_answer_done(struct fh_sync_state *sync, uint64_t next_number, uint64_t *ret_previous,
                         uint64_t *ret_through)
{
    bool tell = sync->answering && !sync->answer_stale;
    sync->answering = false;
    sync->answer_stale = false;
    *ret_previous = sync->answer_chain;
    *ret_through = next_number > sync->answer_chain ? next_number - 1 : sync->answer_chain;
    /* New reports up to there were sent, too: should the end of the answer overtake them, or they
     * get lost, it must not have them passed over. */
    if (sync->fresh_from != 0 && sync->fresh_from <= *ret_through) {
        *ret_previous = sync->fresh < *ret_through ? sync->fresh : *ret_through;
    }
    return tell;
}

/* Caught up means: all is confirmed, or what is not has just been sent. */
static bool keeps_pace(const struct fh_sync_state *sync, struct fh_time now)
{
    if (sync->confirmed >= sync->live) {
        return true;
    }
    bool known = sync->sent_count > 0 && sync->sent_count < FH_SYNC_SENT_MAX &&
                 sync->sent[sync->sent_first].number == sync->confirmed + 1;
    /* Losing sync takes the failure time; getting it back takes a peer that keeps pace. */
    return known && fh_time_diff_ms(now, sync->sent[sync->sent_first].at) <
                        (sync->in_sync ? sync->failure_ms : sync->heartbeat_ms);
}

bool fh_sync_in_sync(struct fh_sync_state *sync, struct fh_time now, bool peer_present)
{
    bool in_sync = peer_present && keeps_pace(sync, now);
    if (in_sync && !sync->in_sync) {
        sync->in_sync_from = sync->live;
    }
    sync->in_sync = in_sync;
    return in_sync;
}

bool fh_sync_covers(const struct fh_sync_state *sync)
{
    return sync->in_sync && sync->confirmed >= sync->in_sync_from;
}

/* ---- readiness ---- */

/* Partition (1..12) whose own store begins behind the primary's delivered checkpoint. */
static int hole_at(const struct fh_sync_state *sync, const struct fh_wire_state *primary)
{
    for (int i = 0; i < FH_PARTITIONS; i++) {
        int64_t from = sync->local.covered_from.partition_ms[i];
        int64_t need = primary->delivered.partition_ms[i];
        if (need != 0 && (from == 0 || from > need)) {
            return i + 1;
        }
    }
    return 0;
}

/* Holes that resuming fills, a bit per partition; notes that it is ordered. Each hole has a time of
 * its own: the first events of several ranges do not come at once. */
uint16_t fh_sync_holes(struct fh_sync_state *sync, struct fh_time now,
                       const struct fh_wire_state *peer)
{
    unsigned holes = 0;
    for (int i = 0; i < FH_PARTITIONS; i++) {
        int64_t need = peer->delivered.partition_ms[i];
        struct fh_time *at = &sync->resumed_at[i];
        if (need != 0 && sync->local.covered_from.partition_ms[i] > need &&
            (!fh_time_is_set(*at) || fh_time_diff_ms(now, *at) >= FH_SYNC_RESUME_MS)) {
            *at = now;
            holes |= 1u << i;
        }
    }
    return (uint16_t)holes;
}

static int64_t behind_ms(const struct fh_sync_state *sync, const struct fh_wire_state *primary)
{
    int64_t most = 0;
    for (int i = 0; i < FH_PARTITIONS; i++) {
        int64_t gap = primary->received.partition_ms[i] - sync->local.received.partition_ms[i];
        most = gap > most ? gap : most;
    }
    return most;
}

/* What changes with every message may be amiss for a moment: a ready standby stays ready for the
 * failure time. True: it is amiss for longer, or we were not ready anyway. */
static bool late(struct fh_sync_state *sync, struct fh_time now, bool was_ready, bool behind)
{
    if (!behind) {
        return false;
    }
    if (!fh_time_is_set(sync->behind_since)) {
        sync->behind_since = now;
    }
    return !was_ready || fh_time_diff_ms(now, sync->behind_since) >= sync->failure_ms;
}

/* Of two empty nodes the one that receives its first event later begins behind the other, and
 * resumes from there: its streams are closed and opened again. A standby that was ready until then
 * stays it for as long as this may take; promoted meanwhile, it would resume from the same point.
 */
static bool fills(struct fh_sync_state *sync, struct fh_time now, bool was_ready, bool hole)
{
    if (!was_ready || (!hole && sync->local.streams_live)) {
        sync->hole_since = (struct fh_time){0};
        return false;
    }
    if (hole && !fh_time_is_set(sync->hole_since)) {
        sync->hole_since = now;
    }
    return fh_time_is_set(sync->hole_since) &&
           fh_time_diff_ms(now, sync->hole_since) < 2 * sync->failure_ms;
}

#define LACKS(...) snprintf(sync->lacks, sizeof(sync->lacks), __VA_ARGS__)

uint16_t fh_sync_judge_ready(struct fh_sync_state *sync, struct fh_time now,
                             const struct fh_wire_state *primary, uint16_t own_partitions,
                             uint16_t primary_partitions)
{
    bool was_ready = sync->lacks[0] == '\0';
    uint64_t held = fh_sync_held(sync);
    bool reports_behind = held < primary->report_last || held < sync->beyond;
    int64_t gap_ms = behind_ms(sync, primary);
    bool stream_behind = gap_ms > FH_SYNC_CLOSE_MS;
    if (!reports_behind && !stream_behind) {
        sync->behind_since = (struct fh_time){0};
    }
    bool same_ranges = (primary_partitions & ~own_partitions) == 0;
    int partition = hole_at(sync, primary);
    bool filling = fills(sync, now, was_ready, partition != 0);
    bool resume = partition != 0 && same_ranges && (sync->local.streams_live || filling);
    if (!same_ranges) {
        LACKS("the primary reads partitions this node does not read; give both the same ranges");
    } else if (primary->dedup_key != 0 && sync->local.dedup_key != 0 &&
               primary->dedup_key != sync->local.dedup_key) {
        LACKS(
            "records are known by another dedup.key at the primary than here, so its reports name "
            "none of them; give both the same");
    } else if (!sync->introduced) {
        LACKS("the primary has not told yet all it knows as delivered");
    } else if (late(sync, now, was_ready, reports_behind)) {
        LACKS("report %" PRIu64 " of %" PRIu64 " of the primary applied%s", held,
              primary->report_last, sync->refused ? "; the next one is in doubt" : "");
    } else if (!sync->local.streams_live && !filling) {
        LACKS("own streams are not caught up with now");
    } else if (partition != 0 && !filling) {
        LACKS("own store begins behind the primary's checkpoint in partition %d; streams resume "
              "from there",
              partition);
    } else if (late(sync, now, was_ready, stream_behind)) {
        LACKS("own streams are %" PRId64 " s behind the primary's", gap_ms / 1000);
    } else {
        sync->lacks[0] = '\0';
    }
    return resume ? fh_sync_holes(sync, now, primary) : 0;
}
