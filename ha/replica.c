/* replica.c: owns the comparison of what the two replicas bring. Never decides what to do about it.
 */
#include "replica.h"

#include <stddef.h>

#define RECORDS_MIN 64 /* fewer in a minute say too little */
#define MINUTES_MIN 2
#define FOUND_MIN   8  /* copies that say the same, before it is believed */
#define FOUND_LAST  16 /* the latest ones count */
#define FOUND_SHARE 4  /* a way of differing counts when more than a quarter of them show it */
#define UNSURE_MAX  3  /* slices without a copy: what was the same need not be so any more */
#define OTHER_FOR   (600000 / FH_REPLICA_SLICE_MS) /* slices for which one that differs counts */

static void compare_minute(struct fh_replica_state *state, const struct fh_replica_minute *own,
                           const struct fh_replica_minute *peer)
{
    size_t at = state->minutes % FH_REPLICA_WINDOW;
    uint32_t compared = 0;
    uint32_t matched = 0;
    for (size_t i = 0; i < FH_REPLICA_BUCKETS; i++) {
        if (own->digest[i] != 0 || peer->digest[i] != 0) {
            compared++;
            matched += own->digest[i] == peer->digest[i];
        }
    }
    uint32_t fewer = own->count < peer->count ? own->count : peer->count;
    uint32_t more = own->count < peer->count ? peer->count : own->count;
    state->window[at].compared = compared;
    state->window[at].matched = matched;
    state->window[at].alike = fewer >= RECORDS_MIN && fewer >= more - more / 5;
    state->minutes++;
}

void fh_replica_compare(struct fh_replica_state *state, const struct fh_replica_minutes *own,
                        const struct fh_replica_minutes *peer)
{
    for (;;) { /* the oldest of those not compared yet */
        const struct fh_replica_minute *ours = NULL;
        const struct fh_replica_minute *theirs = NULL;
        for (size_t i = 0; i < FH_REPLICA_MINUTES; i++) {
            for (size_t j = 0; j < FH_REPLICA_MINUTES; j++) {
                int64_t minute = own->minute[i].minute;
                if (minute > state->judged && minute == peer->minute[j].minute &&
                    (!ours || minute < ours->minute)) {
                    ours = &own->minute[i];
                    theirs = &peer->minute[j];
                }
            }
        }
        if (!ours) {
            return;
        }
        state->judged = ours->minute;
        compare_minute(state, ours, theirs);
    }
}

static uint32_t window_size(const struct fh_replica_state *state)
{
    return state->minutes < FH_REPLICA_WINDOW ? state->minutes : FH_REPLICA_WINDOW;
}

bool fh_replica_match(const struct fh_replica_state *state, uint32_t *ret_per_mille,
                      uint32_t *ret_minutes)
{
    uint32_t compared = 0;
    uint32_t matched = 0;
    for (uint32_t i = 0; i < window_size(state); i++) {
        compared += state->window[i].compared;
        matched += state->window[i].matched;
    }
    if (compared == 0) {
        return false;
    }
    *ret_per_mille = 1000 * matched / compared;
    *ret_minutes = window_size(state);
    return true;
}

bool fh_replica_differ(const struct fh_replica_state *state)
{
    uint32_t alike = 0;
    for (uint32_t i = 0; i < window_size(state); i++) {
        if (state->window[i].matched > 0) {
            return false;
        }
        alike += state->window[i].alike;
    }
    return alike >= MINUTES_MIN;
}

/* ---- samples ------------------------------------------------------------------------------- */

static int64_t stamp_of(const struct fh_replica_slice *slice, size_t i)
{
    return slice->number * FH_REPLICA_SLICE_MS + slice->sample[i].offset_ms;
}

static bool is_near(int64_t ours, int64_t theirs)
{
    int64_t apart = ours - theirs;
    return apart >= -FH_STAMPS_APART_MS && apart <= FH_STAMPS_APART_MS;
}

/* Slices in which a copy of something in that one may lie. */
static bool is_neighbour(const struct fh_replica_slice *own, int64_t number)
{
    int64_t reach = FH_STAMPS_APART_MS / FH_REPLICA_SLICE_MS + 1;
    return own->number != 0 && own->number >= number - reach && own->number <= number + reach;
}

struct copy {
    bool found;
    bool same_uid;
    int64_t apart_ms;
    unsigned slices; /* looked through, each of which would have chosen it */
};

/* Of equal payloads, which events that repeat themselves have, the one with the same uid, else the
 * nearest one. */
static void look_in(const struct fh_replica_slice *own, const struct fh_replica_sample *wanted,
                    int64_t stamp_ms, struct copy *copy)
{
    for (uint32_t i = 0; i < own->count; i++) {
        const struct fh_replica_sample *sample = &own->sample[i];
        int64_t apart_ms = stamp_of(own, i) - stamp_ms;
        apart_ms = apart_ms < 0 ? -apart_ms : apart_ms;
        if (sample->lot != wanted->lot || sample->payload != wanted->payload ||
            !is_near(stamp_of(own, i), stamp_ms)) {
            continue;
        }
        bool same_uid = sample->uid == wanted->uid;
        bool better =
            !copy->found || (same_uid == copy->same_uid ? apart_ms < copy->apart_ms : same_uid);
        if (better) {
            *copy = (struct copy){true, same_uid, apart_ms, copy->slices};
        }
    }
    bool chooses = own->count < FH_REPLICA_SAMPLES || wanted->lot < own->sample[own->count - 1].lot;
    copy->slices += chooses;
}

static void note_outcome(struct fh_replica_state *state, int64_t slice,
                         enum fh_replica_outcome outcome)
{
    if (outcome == FH_REPLICA_SAME) {
        state->unsure = 0;
    } else if (outcome != FH_REPLICA_MISSING && slice > state->other) {
        state->other = slice;
    }
    state->outcome[state->outcomes++ % FH_REPLICA_OUTCOMES] = (uint8_t)outcome;
}

static void judge_sample(struct fh_replica_state *state, const struct fh_replica_slice *own,
                         int64_t own_from_ms, const struct fh_replica_slice *peer, size_t i)
{
    struct copy copy = {.found = false};
    unsigned neighbours = 0;
    for (size_t k = 0; k < FH_REPLICA_SLICES; k++) {
        if (is_neighbour(&own[k], peer->number)) {
            neighbours++;
            look_in(&own[k], &peer->sample[i], stamp_of(peer, i), &copy);
        }
    }
    unsigned all = 2 * (FH_STAMPS_APART_MS / FH_REPLICA_SLICE_MS + 1) + 1;
    if (!copy.same_uid && stamp_of(peer, i) - FH_STAMPS_APART_MS <= own_from_ms) {
        return; /* its copy may be one that no slice has; what was found may be a twin */
    }
    if (copy.found) {
        if ((uint32_t)copy.apart_ms > state->apart_ms) {
            state->apart_ms = (uint32_t)copy.apart_ms;
        }
        static const enum fh_replica_outcome outcomes[2][2] = {
            {FH_REPLICA_OTHER_BOTH, FH_REPLICA_OTHER_UID},
            {FH_REPLICA_OTHER_STAMP, FH_REPLICA_SAME}};
        note_outcome(state, peer->number, outcomes[copy.same_uid][copy.apart_ms == 0]);
    } else if (neighbours == all && copy.slices == all) {
        note_outcome(state, peer->number, FH_REPLICA_MISSING);
    } /* else it may be here and not have been chosen */
}

void fh_replica_sample(struct fh_replica_state *state, const struct fh_replica_slice *own,
                       int64_t own_from_ms, const struct fh_replica_slice *peer)
{
    int64_t newest = 0;
    for (size_t i = 0; i < FH_REPLICA_SLICES; i++) {
        newest = own[i].number > newest ? own[i].number : newest;
        if (state->slice[i] == peer->number) {
            return;
        }
    }
    if (peer->number <= 0 || newest <= peer->number + 1) {
        return;
    }
    state->slice[state->slices++ % FH_REPLICA_SLICES] = peer->number;
    state->newest = peer->number > state->newest ? peer->number : state->newest;
    state->unsure += peer->count > 0;
    for (uint32_t i = 0; i < peer->count; i++) {
        judge_sample(state, own, own_from_ms, peer, i);
    }
}

static uint32_t outcomes_kept(const struct fh_replica_state *state)
{
    return state->outcomes < FH_REPLICA_OUTCOMES ? state->outcomes : FH_REPLICA_OUTCOMES;
}

bool fh_replica_sampled(const struct fh_replica_state *state, uint32_t *ret_per_mille,
                        uint32_t *ret_records)
{
    uint32_t kept = outcomes_kept(state);
    uint32_t found = 0;
    for (uint32_t i = 0; i < kept; i++) {
        found += state->outcome[i] != FH_REPLICA_MISSING;
    }
    if (kept < FOUND_MIN) {
        return false;
    }
    *ret_per_mille = 1000 * found / kept;
    *ret_records = kept;
    return true;
}

bool fh_replica_same(const struct fh_replica_state *state)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < outcomes_kept(state); i++) {
        same += state->outcome[i] == FH_REPLICA_SAME;
    }
    bool other = state->other != 0 && state->newest - state->other <= OTHER_FOR;
    return same >= FOUND_MIN && state->unsure < UNSURE_MAX && !other;
}

bool fh_replica_advice(const struct fh_replica_state *state, enum fh_dedup_key *ret)
{
    static const enum fh_dedup_key key[] = {[FH_REPLICA_OTHER_UID] = FH_KEY_CONTENT,
                                            [FH_REPLICA_OTHER_STAMP] = FH_KEY_UID_PAYLOAD,
                                            [FH_REPLICA_OTHER_BOTH] = FH_KEY_PAYLOAD};
    uint32_t seen[FH_REPLICA_OTHER_BOTH + 1] = {0};
    uint32_t found = 0;
    for (uint32_t i = 1; i <= outcomes_kept(state) && found < FOUND_LAST; i++) {
        uint8_t outcome = state->outcome[(state->outcomes - i) % FH_REPLICA_OUTCOMES];
        if (outcome == FH_REPLICA_SAME) {
            return false;
        }
        seen[outcome]++;
        found += outcome != FH_REPLICA_MISSING;
    }
    if (found < FOUND_MIN) {
        return false;
    }
    enum fh_dedup_key all = FH_KEY_UID_TIMESTAMP;
    for (unsigned outcome = FH_REPLICA_OTHER_UID; outcome <= FH_REPLICA_OTHER_BOTH; outcome++) {
        if (seen[outcome] * FOUND_SHARE > found) {
            all = fh_key_join(all, key[outcome]);
        }
    }
    *ret = all;
    return true;
}
