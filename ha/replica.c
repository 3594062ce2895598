/* replica.c: owns the comparison of what the two replicas bring. Never decides what to do about it.
 */
#include "replica.h"

#include <stddef.h>

#define RECORDS_MIN 64 /* fewer in a minute say too little */
#define MINUTES_MIN 2

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
