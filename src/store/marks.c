/* marks.c: owns pending records, early keys and cursors. Never reads the database, never locks. */
#include "marks.h"

#include "keytab.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define LOOKED_AT_MAX 65536 /* under the store's lock, others wait */

struct pending {
    struct fh_record_key key;
    uint64_t sequence;
    uint16_t
        sinks; /* a bit for each the record is not delivered to; 0: done, waits to be removed */
};

struct peer_row {
    uint64_t id;
    uint64_t newest_match; /* highest sequence one of its keys matched */
    uint32_t early;        /* keys of it that are early */
    uint16_t sink;
    int64_t age_ms;
};

struct sink_marks {
    uint64_t cursor;
    uint64_t pending;
    uint64_t low;           /* position: nothing pending for this sink in front of it */
    struct fh_keytab early; /* value: id of the peer row */
};

struct fh_marks {
    const struct fh_allocator *allocator;
    size_t sinks;
    struct sink_marks sink[FH_MARKS_SINKS];
    /* Pending, ascending by sequence. A record's position never changes until compact(); position
     * p lies in entry[p - base]. Positions start at 1, as values in a table must. */
    struct pending *entry;
    uint64_t base;
    size_t head, used, capacity; /* entries head..used-1 of the array are in use */
    size_t live;                 /* of these with sinks != 0 */
    struct fh_keytab by_key;     /* value: position */
    uint64_t explicit_until;
    struct peer_row *row; /* ascending by id */
    size_t rows, row_capacity;
    uint64_t next_row;
    size_t row_scan; /* where fh_marks_drop_rows goes on */
};

int fh_marks_new(size_t sinks, const struct fh_allocator *allocator, struct fh_marks **ret)
{
    assert(sinks <= FH_MARKS_SINKS);
    struct fh_marks *marks = allocator->allocate(sizeof(*marks));
    if (!marks) {
        return -ENOMEM;
    }
    memset(marks, 0, sizeof(*marks));
    marks->allocator = allocator;
    marks->sinks = sinks;
    marks->base = 1;
    marks->explicit_until = 1;
    marks->next_row = 1;
    fh_keytab_init(&marks->by_key, allocator);
    for (size_t i = 0; i < FH_MARKS_SINKS; i++) {
        marks->sink[i].cursor = 1;
        marks->sink[i].low = 1;
        fh_keytab_init(&marks->sink[i].early, allocator);
    }
    *ret = marks;
    return 0;
}

void fh_marks_free(struct fh_marks *marks)
{
    if (!marks) {
        return;
    }
    const struct fh_allocator *allocator = marks->allocator;
    fh_keytab_done(&marks->by_key);
    for (size_t i = 0; i < FH_MARKS_SINKS; i++) {
        fh_keytab_done(&marks->sink[i].early);
    }
    allocator->release(marks->entry);
    allocator->release(marks->row);
    allocator->release(marks);
}

void fh_marks_set_apart(struct fh_marks *marks, int64_t apart_ms)
{
    assert(marks->used == 0 && marks->by_key.count == 0 && fh_marks_early_count(marks) == 0);
    marks->by_key.apart_ms = apart_ms;
    for (size_t i = 0; i < FH_MARKS_SINKS; i++) {
        marks->sink[i].early.apart_ms = apart_ms;
    }
}

uint64_t fh_marks_cursor(const struct fh_marks *marks, size_t sink)
{
    return marks->sink[sink].cursor;
}

void fh_marks_load_cursor(struct fh_marks *marks, size_t sink, uint64_t cursor)
{
    assert(marks->used == 0);
    marks->sink[sink].cursor = cursor;
}

uint64_t fh_marks_lowest_cursor(const struct fh_marks *marks)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < marks->sinks; i++) {
        if (marks->sink[i].cursor < lowest) {
            lowest = marks->sink[i].cursor;
        }
    }
    return lowest;
}

uint64_t fh_marks_explicit_until(const struct fh_marks *marks)
{
    return marks->explicit_until;
}

uint64_t fh_marks_pending(const struct fh_marks *marks, size_t sink, uint64_t next)
{
    const struct sink_marks *s = &marks->sink[sink];
    uint64_t gap = s->cursor > marks->explicit_until ? s->cursor : marks->explicit_until;
    return s->pending + (next > gap ? next - gap : 0);
}

/* ---- pending ------------------------------------------------------------------------------- */

static struct pending *at(const struct fh_marks *marks, uint64_t position)
{
    return &marks->entry[position - marks->base];
}

static uint64_t end_position(const struct fh_marks *marks)
{
    return marks->base + marks->used;
}

/* The cursor follows the lowest record that is not delivered. */
static void move_cursor(struct fh_marks *marks, size_t sink)
{
    struct sink_marks *s = &marks->sink[sink];
    uint64_t cursor = marks->explicit_until;
    if (s->pending > 0) {
        while (!(at(marks, s->low)->sinks & (1u << sink))) {
            s->low++;
        }
        cursor = at(marks, s->low)->sequence;
    } else {
        s->low = end_position(marks);
    }
    if (cursor > s->cursor) {
        s->cursor = cursor;
    }
}

/* Close the holes: positions change, so the table is made anew out of what it has room for. */
static void compact(struct fh_marks *marks)
{
    size_t kept = 0;
    if (marks->by_key.slot) {
        memset(marks->by_key.slot, 0, (marks->by_key.mask + 1) * sizeof(*marks->by_key.slot));
        marks->by_key.count = 0;
    }
    marks->base += marks->used; /* positions never come back */
    for (size_t i = marks->head; i < marks->used; i++) {
        if (marks->entry[i].sinks != 0) {
            marks->entry[kept] = marks->entry[i];
            int r = fh_keytab_add(&marks->by_key, marks->entry[kept].key, marks->base + kept);
            assert(r == 0); /* the same number was in it before */
            (void)r;
            kept++;
        }
    }
    marks->head = 0;
    marks->used = kept;
    for (size_t i = 0; i < marks->sinks; i++) {
        marks->sink[i].low = marks->base;
    }
}

static int make_room(struct fh_marks *marks)
{
    if (marks->used < marks->capacity) {
        return 0;
    }
    if (marks->capacity > 0 && marks->live <= marks->capacity / 2) {
        compact(marks);
        return 0;
    }
    size_t capacity = marks->capacity ? marks->capacity * 2 : 1024;
    struct pending *fresh = marks->allocator->allocate(capacity * sizeof(*fresh));
    if (!fresh) {
        return -ENOMEM;
    }
    if (marks->used > 0) {
        memcpy(fresh, marks->entry, marks->used * sizeof(*fresh));
    }
    marks->allocator->release(marks->entry);
    marks->entry = fresh;
    marks->capacity = capacity;
    return 0;
}

/* The bit of one sink; when it was the last the record leaves the table. */
static void clear(struct fh_marks *marks, uint64_t position, size_t sink)
{
    struct pending *entry = at(marks, position);
    entry->sinks &= (uint16_t) ~(1u << sink);
    marks->sink[sink].pending--;
    if (entry->sinks != 0) {
        return;
    }
    size_t slot = fh_keytab_find(&marks->by_key, entry->key);
    while (marks->by_key.slot[slot].value != position) {
        slot = fh_keytab_find_next(&marks->by_key, slot);
    }
    fh_keytab_remove(&marks->by_key, slot);
    marks->live--;
    while (marks->head < marks->used && marks->entry[marks->head].sinks == 0) {
        marks->head++;
    }
    if (marks->live == 0) {
        marks->base += marks->used;
        marks->head = marks->used = 0;
        for (size_t i = 0; i < marks->sinks; i++) {
            marks->sink[i].low = marks->base;
        }
        if (marks->capacity > 65536) { /* a backlog is gone: give its memory back */
            marks->allocator->release(marks->entry);
            marks->entry = NULL;
            marks->capacity = 0;
            fh_keytab_done(&marks->by_key);
        }
    }
}

static struct peer_row *find_row(const struct fh_marks *marks, uint64_t id)
{
    size_t low = 0;
    size_t high = marks->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marks->row[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < marks->rows && marks->row[low].id == id ? &marks->row[low] : NULL;
}

static void row_matched(struct fh_marks *marks, uint64_t id, uint64_t sequence, bool was_early)
{
    struct peer_row *row = find_row(marks, id);
    if (!row) {
        return;
    }
    row->early -= was_early;
    if (sequence > row->newest_match) {
        row->newest_match = sequence;
    }
}

int fh_marks_add(struct fh_marks *marks, struct fh_record_key key, uint64_t sequence)
{
    assert(sequence >= marks->explicit_until);
    /* Room first: afterwards nothing can fail. */
    if (make_room(marks) < 0 || fh_keytab_reserve(&marks->by_key, 1) < 0) {
        return -ENOMEM;
    }
    uint16_t sinks = 0;
    for (size_t i = 0; i < marks->sinks; i++) {
        struct sink_marks *s = &marks->sink[i];
        size_t slot = fh_keytab_nearest(&s->early, key, NULL, NULL);
        if (slot != FH_KEYTAB_NONE) {
            row_matched(marks, s->early.slot[slot].value, sequence, true);
            fh_keytab_remove(&s->early, slot);
        } else if (sequence >= s->cursor) {
            sinks |= (uint16_t)(1u << i);
            s->pending++;
        }
    }
    marks->explicit_until = sequence + 1;
    if (sinks != 0) {
        uint64_t position = end_position(marks);
        marks->entry[marks->used++] = (struct pending){key, sequence, sinks};
        marks->live++;
        int r = fh_keytab_add(&marks->by_key, key, position);
        assert(r == 0);
        (void)r;
    }
    for (size_t i = 0; i < marks->sinks; i++) {
        move_cursor(marks, i);
    }
    return 0;
}

void fh_marks_skip_to(struct fh_marks *marks, uint64_t sequence)
{
    assert(sequence >= marks->explicit_until);
    marks->explicit_until = sequence;
    for (size_t i = 0; i < marks->sinks; i++) {
        move_cursor(marks, i);
    }
}

void fh_marks_deliver_below(struct fh_marks *marks, size_t sink, uint64_t sequence)
{
    struct sink_marks *s = &marks->sink[sink];
    while (s->pending > 0 && at(marks, s->low)->sequence < sequence) {
        uint64_t position = s->low++;
        if (at(marks, position)->sinks & (1u << sink)) {
            clear(marks, position, sink);
        }
    }
    if (sequence > s->cursor) {
        s->cursor = sequence;
    }
    move_cursor(marks, sink);
}

/* ---- the peer's reports --------------------------------------------------------------------- */

int fh_marks_row(struct fh_marks *marks, size_t sink, uint64_t id, int64_t age_ms, size_t keys,
                 uint64_t *ret_row)
{
    assert(id == 0 || id >= marks->next_row);
    if (fh_keytab_reserve(&marks->sink[sink].early, keys) < 0) {
        return -ENOMEM;
    }
    if (marks->rows == marks->row_capacity) {
        size_t capacity = marks->row_capacity ? marks->row_capacity * 2 : 64;
        struct peer_row *fresh = marks->allocator->allocate(capacity * sizeof(*fresh));
        if (!fresh) {
            return -ENOMEM;
        }
        if (marks->rows > 0) {
            memcpy(fresh, marks->row, marks->rows * sizeof(*fresh));
        }
        marks->allocator->release(marks->row);
        marks->row = fresh;
        marks->row_capacity = capacity;
    }
    id = id ? id : marks->next_row;
    marks->row[marks->rows++] =
        (struct peer_row){.id = id, .sink = (uint16_t)sink, .age_ms = age_ms};
    marks->next_row = id + 1;
    *ret_row = id;
    return 0;
}

struct lacking {
    const struct fh_marks *marks;
    size_t sink;
};

static bool is_lacking(const void *userdata, const struct fh_keytab_slot *slot)
{
    const struct lacking *lacking = userdata;
    return (at(lacking->marks, slot->value)->sinks & (1u << lacking->sink)) != 0;
}

int fh_marks_deliver(struct fh_marks *marks, size_t sink, struct fh_record_key key, uint64_t row,
                     uint64_t *ret_sequence)
{
    struct lacking lacking = {marks, sink};
    size_t slot = fh_keytab_nearest(&marks->by_key, key, is_lacking, &lacking);
    if (slot == FH_KEYTAB_NONE) {
        return 0;
    }
    uint64_t position = marks->by_key.slot[slot].value;
    *ret_sequence = at(marks, position)->sequence;
    row_matched(marks, row, *ret_sequence, false);
    clear(marks, position, sink);
    move_cursor(marks, sink);
    return 1;
}

void fh_marks_early(struct fh_marks *marks, size_t sink, struct fh_record_key key, uint64_t row)
{
    int r = fh_keytab_add(&marks->sink[sink].early, key, row);
    assert(r == 0); /* fh_marks_row made room */
    (void)r;
    struct peer_row *found = find_row(marks, row);
    assert(found);
    found->early++;
}

bool fh_marks_is_early(const struct fh_marks *marks, size_t sink, struct fh_record_key key)
{
    return fh_keytab_nearest(&marks->sink[sink].early, key, NULL, NULL) != FH_KEYTAB_NONE;
}

bool fh_marks_is_pending(const struct fh_marks *marks, size_t sink, struct fh_record_key key)
{
    struct lacking lacking = {marks, sink};
    return fh_keytab_nearest(&marks->by_key, key, is_lacking, &lacking) != FH_KEYTAB_NONE;
}

size_t fh_marks_early_keys(const struct fh_marks *marks, size_t sink, size_t *inout_slot,
                           struct fh_record_key *ret, size_t n)
{
    const struct fh_keytab *early = &marks->sink[sink].early;
    size_t count = 0;
    size_t slot = *inout_slot;
    for (; early->slot && slot <= early->mask && count < n; slot++) {
        if (early->slot[slot].value != 0) {
            ret[count++] = early->slot[slot].key;
        }
    }
    *inout_slot = !early->slot || slot > early->mask ? FH_KEYTAB_NONE : slot;
    return count;
}

size_t fh_marks_early_count(const struct fh_marks *marks)
{
    size_t count = 0;
    for (size_t i = 0; i < marks->sinks; i++) {
        count += marks->sink[i].early.count;
    }
    return count;
}

uint64_t fh_marks_next_row(const struct fh_marks *marks)
{
    return marks->next_row;
}

void fh_marks_skip_rows(struct fh_marks *marks, uint64_t next)
{
    marks->next_row = next > marks->next_row ? next : marks->next_row;
}

static bool needed(const struct fh_marks *marks, const struct peer_row *row)
{
    return row->early > 0 || row->newest_match >= marks->sink[row->sink].cursor;
}

bool fh_marks_row_needed(const struct fh_marks *marks, uint64_t row)
{
    const struct peer_row *found = find_row(marks, row);
    return found && needed(marks, found);
}

size_t fh_marks_drop_rows(struct fh_marks *marks, size_t limit,
                          void (*forget)(void *userdata, uint64_t row), void *userdata)
{
    /* A slice of the rows each time, round and round: most are needed on a standby that waits. */
    size_t start = marks->row_scan < marks->rows ? marks->row_scan : 0;
    size_t end = marks->rows - start > limit ? start + limit : marks->rows;
    size_t kept = start;
    for (size_t i = start; i < end; i++) {
        if (needed(marks, &marks->row[i])) {
            marks->row[kept++] = marks->row[i];
        } else {
            forget(userdata, marks->row[i].id);
        }
    }
    if (kept < end && marks->rows > end) {
        memmove(&marks->row[kept], &marks->row[end], (marks->rows - end) * sizeof(*marks->row));
    }
    size_t dropped = end - kept;
    marks->rows -= dropped;
    marks->row_scan = kept;
    return dropped;
}

struct expiry {
    struct fh_marks *marks;
    int64_t before_ms, after_ms;
};

static bool still_early(void *userdata, const struct fh_keytab_slot *slot)
{
    struct expiry *expiry = userdata;
    int64_t stamp = slot->key.timestamp_ms;
    struct peer_row *row = NULL;
    if (stamp > expiry->after_ms) { /* ahead of its time: goes by its report */
        row = find_row(expiry->marks, slot->value);
        stamp = row ? row->age_ms : stamp;
    }
    if (stamp >= expiry->before_ms && stamp <= expiry->after_ms) {
        return true;
    }
    row = row ? row : find_row(expiry->marks, slot->value);
    if (row) {
        row->early--;
    }
    return false;
}

void fh_marks_expire_early(struct fh_marks *marks, int64_t before_ms, int64_t after_ms)
{
    struct expiry expiry = {marks, before_ms, after_ms};
    for (size_t i = 0; i < marks->sinks; i++) {
        fh_keytab_filter(&marks->sink[i].early, still_early, &expiry);
    }
}

size_t fh_marks_give_up(struct fh_marks *marks, size_t sink, int64_t before_ms)
{
    struct sink_marks *s = &marks->sink[sink];
    size_t given_up = 0;
    for (uint64_t p = s->low; s->pending > 0 && p < end_position(marks); p++) {
        if (at(marks, p)->sinks & (1u << sink) && at(marks, p)->key.timestamp_ms < before_ms) {
            clear(marks, p, sink);
            given_up++;
        }
    }
    move_cursor(marks, sink);
    return given_up;
}

bool fh_marks_lowest_pending(const struct fh_marks *marks, size_t sink,
                             struct fh_record_key *ret_key, uint64_t *ret_sequence)
{
    const struct sink_marks *s = &marks->sink[sink];
    if (s->pending == 0) {
        return false;
    }
    uint64_t position = s->low;
    while (!(at(marks, position)->sinks & (1u << sink))) {
        position++;
    }
    *ret_key = at(marks, position)->key;
    *ret_sequence = at(marks, position)->sequence;
    return true;
}

/* ---- what to serve -------------------------------------------------------------------------- */

/* Index of the first entry with this sequence or a higher one. */
static size_t seek(const struct fh_marks *marks, uint64_t sequence)
{
    size_t low = marks->head;
    size_t high = marks->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marks->entry[middle].sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t fh_marks_unreported(const struct fh_marks *marks, uint16_t sinks, uint64_t first,
                           int64_t before_ms, uint64_t *ret_sequence, size_t n, uint64_t *ret_next)
{
    size_t found = 0;
    size_t i = seek(marks, first);
    size_t end = marks->used - i > LOOKED_AT_MAX ? i + LOOKED_AT_MAX : marks->used;
    for (; i < end && found < n; i++) {
        const struct pending *entry = &marks->entry[i];
        if (sinks != 0 && (entry->sinks & sinks) == sinks && entry->key.timestamp_ms < before_ms) {
            ret_sequence[found++] = entry->sequence;
        }
    }
    *ret_next = i < marks->used ? marks->entry[i].sequence : UINT64_MAX;
    return found;
}

uint32_t fh_marks_undelivered(const struct fh_marks *marks, size_t sink, uint64_t first,
                              uint32_t count, uint32_t *ret)
{
    const struct sink_marks *s = &marks->sink[sink];
    uint32_t found = 0;
    uint64_t end = first + count;
    uint64_t gap = marks->explicit_until > s->cursor ? marks->explicit_until : s->cursor;
    if (first >= gap) {
        return count;
    }
    for (size_t i = seek(marks, first); i < marks->used && marks->entry[i].sequence < end; i++) {
        if (marks->entry[i].sinks & (1u << sink)) {
            if (ret) {
                ret[found] = (uint32_t)(marks->entry[i].sequence - first);
            }
            found++;
        }
    }
    for (uint64_t sequence = gap; sequence < end; sequence++) {
        if (ret) {
            ret[found] = (uint32_t)(sequence - first);
        }
        found++;
    }
    return found;
}
