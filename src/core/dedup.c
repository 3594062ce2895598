/* dedup.c: owns the memory of records already seen. Never forgets a record inside the window
 * unless max_records forces it, and never allocates but through the allocator it was given.
 *
 * One set per minute of source time, in an array sorted by minute. A set is an array of 64-bit
 * fingerprints, 0 = empty, linear probing. A fingerprint's home is (fingerprint * capacity) >> 64,
 * so capacities need not be powers of two: a set grows by half when it is 85 % full. Doubling would
 * need 8 * (1 + 2) / 0.85 = 28 bytes per record while both tables exist; growing by half needs
 * 8 * (1 + 1.5) / 0.85 = 23.6, and 8 / 0.567 = 14.1 to 9.4 the rest of the time. Homes grow with
 * the fingerprint, so a growing set is read and written from front to back. */
#include "fh/dedup.h"

#include <errno.h>
#include <string.h>

#define CAPACITY_MIN 16
#define LOAD_PERCENT 85

struct minute_set {
    int64_t minute;
    uint64_t *slots; /* NULL while capacity is 0 */
    size_t capacity;
    size_t count;
};

struct fh_dedup {
    const struct fh_allocator *allocator;
    int64_t window_minutes;
    uint64_t max_records;
    bool anchored;  /* fh_dedup_advance was called */
    int64_t newest; /* minute last advanced to */
    int64_t oldest; /* with floored: minutes below cannot be known */
    bool floored;
    uint64_t records;
    uint64_t early_drops;
    uint64_t table_bytes;
    size_t last_hit; /* records come minute by minute: try the same set first */
    size_t set_count;
    size_t set_capacity;
    struct minute_set sets[]; /* sorted by minute */
};

/* 0 marks an empty slot. The contract excludes it; a peer's bytes might not. */
static uint64_t fingerprint_of(struct fh_record_key key)
{
    return key.fingerprint != 0 ? key.fingerprint : 1;
}

static size_t home_of(uint64_t fingerprint, size_t capacity)
{
    __extension__ typedef unsigned __int128 wide;
    return (size_t)(((wide)fingerprint * capacity) >> 64);
}

static size_t next_slot(size_t slot, size_t capacity)
{
    return slot + 1 < capacity ? slot + 1 : 0;
}

/* The slot that holds the fingerprint, or the empty one where it belongs. There is always an empty
 * one: a set is never filled beyond LOAD_PERCENT. */
static size_t find_slot(const struct minute_set *set, uint64_t fingerprint)
{
    size_t slot = home_of(fingerprint, set->capacity);
    while (set->slots[slot] != 0 && set->slots[slot] != fingerprint) {
        slot = next_slot(slot, set->capacity);
    }
    return slot;
}

static bool is_full(const struct minute_set *set)
{
    return (set->count + 1) * 100 > set->capacity * LOAD_PERCENT;
}

static int grow(struct fh_dedup *dedup, struct minute_set *set)
{
    size_t capacity = set->capacity == 0 ? CAPACITY_MIN : set->capacity + set->capacity / 2;
    uint64_t *slots = dedup->allocator->allocate(capacity * sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    memset(slots, 0, capacity * sizeof(*slots));
    struct minute_set bigger = {
        .minute = set->minute, .slots = slots, .capacity = capacity, .count = set->count};
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i] != 0) {
            slots[find_slot(&bigger, set->slots[i])] = set->slots[i];
        }
    }
    dedup->table_bytes += (capacity - set->capacity) * sizeof(*slots);
    dedup->allocator->release(set->slots);
    *set = bigger;
    return 0;
}

/* Index of the first set whose minute is at least this one. */
static size_t lower_bound(const struct fh_dedup *dedup, int64_t minute)
{
    size_t low = 0;
    size_t high = dedup->set_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dedup->sets[middle].minute < minute) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t index_of(const struct fh_dedup *dedup, int64_t minute)
{
    size_t last = dedup->last_hit;
    if (last < dedup->set_count && dedup->sets[last].minute == minute) {
        return last;
    }
    return lower_bound(dedup, minute);
}

static bool has_set(const struct fh_dedup *dedup, size_t index, int64_t minute)
{
    return index < dedup->set_count && dedup->sets[index].minute == minute;
}

/* Forget count whole sets from index on. */
static void drop_sets(struct fh_dedup *dedup, size_t index, size_t count)
{
    for (size_t i = index; i < index + count; i++) {
        dedup->records -= dedup->sets[i].count;
        dedup->table_bytes -= dedup->sets[i].capacity * sizeof(uint64_t);
        dedup->allocator->release(dedup->sets[i].slots);
    }
    memmove(&dedup->sets[index], &dedup->sets[index + count],
            (dedup->set_count - index - count) * sizeof(dedup->sets[0]));
    dedup->set_count -= count;
}

int fh_dedup_new(unsigned window_minutes, uint64_t max_records,
                 const struct fh_allocator *allocator, struct fh_dedup **ret)
{
    if (window_minutes < 1 || window_minutes > 1440 || max_records < 1) {
        return -EINVAL;
    }
    size_t ahead = window_minutes > FH_DEDUP_AHEAD_MIN ? window_minutes : FH_DEDUP_AHEAD_MIN;
    size_t capacity = (size_t)window_minutes + 1 + ahead;
    struct fh_dedup *dedup =
        allocator->allocate(sizeof(*dedup) + capacity * sizeof(dedup->sets[0]));
    if (!dedup) {
        return -ENOMEM;
    }
    *dedup = (struct fh_dedup){
        .allocator = allocator,
        .window_minutes = window_minutes,
        .max_records = max_records,
        .set_capacity = capacity,
    };
    *ret = dedup;
    return 0;
}

void fh_dedup_free(struct fh_dedup *dedup)
{
    if (dedup) {
        drop_sets(dedup, 0, dedup->set_count);
        dedup->allocator->release(dedup);
    }
}

/* Room for one more set at minute? Before the first advance any minute may have one. After it, the
 * minutes of the window always have room; of those ahead, the nearest win: a few records stamped in
 * the far future must not cost the coming minutes their sets. Returns -ERANGE for no. */
static int make_room(struct fh_dedup *dedup, int64_t minute)
{
    if (!dedup->anchored) {
        return dedup->set_count < dedup->set_capacity ? 0 : -ERANGE;
    }
    if (minute > dedup->newest) {
        size_t first_ahead = lower_bound(dedup, dedup->newest + 1);
        size_t limit = dedup->set_capacity - (size_t)dedup->window_minutes - 1;
        if (dedup->set_count - first_ahead < limit) {
            return 0;
        }
        if (minute > dedup->sets[dedup->set_count - 1].minute) {
            return -ERANGE;
        }
    } else if (dedup->set_count < dedup->set_capacity) {
        return 0;
    }
    dedup->early_drops += dedup->sets[dedup->set_count - 1].count;
    drop_sets(dedup, dedup->set_count - 1, 1);
    return 0;
}

/* max_records is reached: the oldest minute goes. From then on nothing can be known about it, or
 * about what is older, except when it is the minute still being filled. */
static void drop_oldest(struct fh_dedup *dedup, int64_t filling)
{
    int64_t minute = dedup->sets[0].minute;
    dedup->early_drops += dedup->sets[0].count;
    drop_sets(dedup, 0, 1);
    if (minute < filling && (!dedup->floored || minute >= dedup->oldest)) {
        dedup->floored = true;
        dedup->oldest = minute + 1;
    }
}

/* A late record of a minute in front of all that are remembered: a newer minute must not be
 * forgotten for it, nobody would know. Minutes ahead of the window may be wild, and go. */
static bool would_cost_newer(const struct fh_dedup *dedup, int64_t minute)
{
    return dedup->anchored && minute < dedup->sets[0].minute &&
           dedup->sets[0].minute <= dedup->newest;
}

static int set_for(struct fh_dedup *dedup, int64_t minute, struct minute_set **ret)
{
    size_t index = index_of(dedup, minute);
    if (!has_set(dedup, index, minute)) {
        int r = make_room(dedup, minute);
        if (r < 0) {
            return r;
        }
        index = lower_bound(dedup, minute);
        memmove(&dedup->sets[index + 1], &dedup->sets[index],
                (dedup->set_count - index) * sizeof(dedup->sets[0]));
        dedup->sets[index] = (struct minute_set){.minute = minute};
        dedup->set_count++;
    }
    dedup->last_hit = index;
    *ret = &dedup->sets[index];
    return 0;
}

static bool too_old(const struct fh_dedup *dedup, int64_t minute)
{
    return dedup->floored && minute < dedup->oldest;
}

/* An empty set would take the place of another minute's. */
static void drop_if_empty(struct fh_dedup *dedup, const struct minute_set *set)
{
    if (set->count == 0) {
        drop_sets(dedup, (size_t)(set - dedup->sets), 1);
    }
}

int fh_dedup_add(struct fh_dedup *dedup, struct fh_record_key key)
{
    uint64_t fingerprint = fingerprint_of(key);
    int64_t minute = fh_minute_of(key.timestamp_ms);
    if (too_old(dedup, minute)) {
        return -ERANGE;
    }
    size_t index = index_of(dedup, minute);
    if (has_set(dedup, index, minute)) {
        const struct minute_set *known = &dedup->sets[index];
        dedup->last_hit = index;
        if (known->slots[find_slot(known, fingerprint)] == fingerprint) {
            return 0;
        }
    }
    while (dedup->records >= dedup->max_records) {
        if (would_cost_newer(dedup, minute)) {
            dedup->floored = true;
            dedup->oldest = dedup->sets[0].minute;
            return -ERANGE;
        }
        drop_oldest(dedup, minute);
    }
    struct minute_set *set;
    int r = set_for(dedup, minute, &set);
    if (r < 0) {
        return r;
    }
    if (is_full(set)) {
        r = grow(dedup, set);
        if (r < 0) {
            drop_if_empty(dedup, set);
            return r;
        }
    }
    set->slots[find_slot(set, fingerprint)] = fingerprint;
    set->count++;
    dedup->records++;
    return 1;
}

bool fh_dedup_contains(const struct fh_dedup *dedup, struct fh_record_key key)
{
    uint64_t fingerprint = fingerprint_of(key);
    int64_t minute = fh_minute_of(key.timestamp_ms);
    size_t index = index_of(dedup, minute);
    if (!has_set(dedup, index, minute)) {
        return false;
    }
    const struct minute_set *set = &dedup->sets[index];
    return set->slots[find_slot(set, fingerprint)] == fingerprint;
}

void fh_dedup_remove(struct fh_dedup *dedup, struct fh_record_key key)
{
    if (!fh_dedup_contains(dedup, key)) {
        return;
    }
    struct minute_set *set = &dedup->sets[index_of(dedup, fh_minute_of(key.timestamp_ms))];
    size_t hole = find_slot(set, fingerprint_of(key));
    /* Close the hole: move back each follower whose home does not lie between the hole and it,
     * else a later look-up would stop at the hole and miss it. */
    for (size_t slot = next_slot(hole, set->capacity); set->slots[slot] != 0;
         slot = next_slot(slot, set->capacity)) {
        size_t home = home_of(set->slots[slot], set->capacity);
        bool stays = hole < slot ? (home > hole && home <= slot) : (home > hole || home <= slot);
        if (!stays) {
            set->slots[hole] = set->slots[slot];
            hole = slot;
        }
    }
    set->slots[hole] = 0;
    set->count--;
    dedup->records--;
    drop_if_empty(dedup, set);
}

void fh_dedup_advance(struct fh_dedup *dedup, int64_t timestamp_ms)
{
    int64_t minute = fh_minute_of(timestamp_ms);
    if (dedup->anchored && minute <= dedup->newest) {
        return;
    }
    dedup->anchored = true;
    dedup->newest = minute;
    int64_t oldest = minute - dedup->window_minutes;
    if (!dedup->floored || oldest > dedup->oldest) {
        dedup->floored = true;
        dedup->oldest = oldest;
    }
    drop_sets(dedup, 0, lower_bound(dedup, dedup->oldest));
}

void fh_dedup_forget(struct fh_dedup *dedup, int64_t timestamp_ms)
{
    int64_t oldest = fh_minute_of(timestamp_ms);
    if (!dedup->floored || oldest > dedup->oldest) {
        dedup->floored = true;
        dedup->oldest = oldest;
        drop_sets(dedup, 0, lower_bound(dedup, oldest));
    }
}

void fh_dedup_stats(const struct fh_dedup *dedup, struct fh_dedup_stats *ret)
{
    *ret = (struct fh_dedup_stats){
        .records = dedup->records,
        .bytes = sizeof(*dedup) + dedup->set_capacity * sizeof(dedup->sets[0]) + dedup->table_bytes,
        .minutes = dedup->set_count,
        .early_drops = dedup->early_drops,
    };
}
