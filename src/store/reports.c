/* reports.c: owns this node's own reports: numbering, what they do to the cursors, what is in
 * doubt, and the memory of what this node delivered. Never sends anything. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_keys(struct fh_record_key **keys)
{
    free(*keys);
}

static void free_bytes(void **bytes)
{
    free(*bytes);
}

int fh_store_decode_report(const void *bytes, size_t len, struct fh_report *ret,
                           struct fh_record_key **ret_keys)
{
    struct fh_report head = {0};
    int64_t newest_ms = 0;
    int64_t age_ms = 0;
    const void *payload = NULL;
    size_t payload_len = 0;
    int r = fh_row_decode(bytes, len, true, &newest_ms, &age_ms, &payload, &payload_len);
    if (r == 0) {
        r = fh_report_peek(payload, payload_len, &head);
    }
    if (r < 0) {
        return -EUCLEAN;
    }
    struct fh_record_key *keys = malloc((head.count ? head.count : 1) * sizeof(*keys));
    if (!keys) {
        return -ENOMEM;
    }
    r = fh_report_decode(payload, payload_len, keys, head.count, ret);
    if (r < 0) {
        free(keys);
        return -EUCLEAN;
    }
    *ret_keys = keys;
    return 0;
}

static int64_t newest_of(const struct fh_report *report)
{
    int64_t newest = INT64_MIN;
    for (uint32_t i = 0; i < report->count; i++) {
        if (report->keys[i].timestamp_ms > newest) {
            newest = report->keys[i].timestamp_ms;
        }
    }
    return newest;
}

int fh_store_encode_report(const struct fh_store *store, const struct fh_report *report,
                           void **ret_bytes, size_t *ret_len)
{
    size_t size = fh_report_size(report);
    void *encoding = malloc(size);
    void *row = malloc(FH_ROW_HEAD + size);
    if (!encoding || !row) {
        free(encoding);
        free(row);
        return -ENOMEM;
    }
    fh_report_encode(report, encoding);
    /* A report without keys lives as long as one about now. */
    int64_t newest = report->count > 0 ? newest_of(report) : store->meta.source_time_ms;
    fh_row_encode(newest, fh_store_age(store, newest), encoding, size, row);
    free(encoding);
    *ret_bytes = row;
    *ret_len = FH_ROW_HEAD + size;
    return 0;
}

static int valid(const struct fh_store *store, const struct fh_report *report)
{
    if (report->count > FH_REPORT_KEYS_MAX || (report->count > 0 && !report->keys) ||
        report->cursor_after > store->meta.next_sequence ||
        memchr(report->sink, '\0', sizeof(report->sink)) == NULL ||
        memchr(report->position, '\0', sizeof(report->position)) == NULL) {
        return -EINVAL;
    }
    return fh_store_find_sink(store, report->sink);
}

/* Is an older report of the sink still prepared? Then the cursor must not pass its records. */
static bool older_in_doubt(const struct fh_store *store, const struct fh_report *report)
{
    for (size_t i = 0; i < store->prepared.count; i++) {
        const struct fh_report *other = &store->prepared.item[i].report;
        if (other->number < report->number && strcmp(other->sink, report->sink) == 0) {
            return true;
        }
    }
    return false;
}

/* What a report says is delivered now. */
static int settle(struct fh_store *store, size_t sink, const struct fh_report *report)
{
    if (!older_in_doubt(store, report)) {
        fh_store_lock(store);
        fh_marks_deliver_below(store->marks, sink, report->cursor_after);
        fh_store_unlock(store);
        return 0;
    }
    int r = fh_store_fill_gap(store);
    if (r < 0) {
        return r;
    }
    fh_store_lock(store);
    for (uint32_t i = 0; i < report->count; i++) {
        uint64_t sequence;
        fh_marks_deliver(store->marks, sink, report->keys[i], 0, &sequence);
    }
    fh_store_unlock(store);
    return 0;
}

/* The set of own deliveries is only needed around a change of roles: forget it rather than keep it
 * up to date with every report of a primary. */
static void own_changed(struct fh_store *store, const struct fh_report *report)
{
    int64_t newest = newest_of(report);
    if (report->state != FH_REPORT_VOID && newest > store->own_newest_ms) {
        store->own_newest_ms = newest;
    }
    fh_keytab_done(&store->own);
    store->own_from_ms = INT64_MAX;
}

/* A batch holds all that was undelivered between the one before and its end when it was read. What
 * is missing of that now, the peer has reported meanwhile - or an optional sink had to let it go,
 * and it came through after all: before this one is settled, nobody else moves the marks of its
 * records. */
static uint64_t taken_meanwhile(struct fh_store *store, size_t sink, const struct fh_report *report)
{
    uint64_t first = fh_store_prepared_until(store, report->sink);
    fh_store_lock(store);
    uint64_t cursor = fh_marks_cursor(store->marks, sink);
    first = cursor > first ? cursor : first;
    uint64_t left = 0;
    if (first < report->cursor_after) {
        left = fh_marks_undelivered(store->marks, sink, first,
                                    (uint32_t)(report->cursor_after - first), NULL);
    }
    fh_store_unlock(store);
    return report->count > left ? report->count - left : 0;
}

uint64_t fh_store_report_doubled(struct fh_store *store, const struct fh_report *report)
{
    int sink = valid(store, report);
    return sink < 0 || fh_store_gave_way(store, (size_t)sink)
               ? 0
               : taken_meanwhile(store, (size_t)sink, report);
}

int fh_store_report_add(struct fh_store *store, const struct fh_report *report,
                        uint64_t *ret_number)
{
    int sink = valid(store, report);
    if (sink < 0) {
        return sink;
    }
    struct fh_report own = *report;
    own.number = store->meta.next_report;
    fh_store_lock(store);
    int r = FH_LIST_RESERVE(&store->prepared);
    fh_store_unlock(store);
    void *bytes = NULL;
    size_t len = 0;
    if (r < 0 || FH_LIST_RESERVE(&store->reports) < 0 ||
        fh_store_encode_report(store, &own, &bytes, &len) < 0) {
        return -ENOMEM;
    }
    bool hearsay = fh_store_is_hearsay(&own); /* its keys were dealt with before */
    uint64_t let_go = !hearsay && fh_store_gave_way(store, (size_t)sink)
                          ? taken_meanwhile(store, (size_t)sink, &own)
                          : 0;
    if (own.state == FH_REPORT_DELIVERED && !hearsay) {
        r = fh_store_note_position(store, (size_t)sink, &own);
        r = r < 0 ? r : settle(store, (size_t)sink, &own);
        if (r < 0) {
            free(bytes);
            return r;
        }
        fh_store_came_through(store, (size_t)sink, let_go);
    } else if (own.state == FH_REPORT_PREPARED) {
        fh_store_lock(store);
        struct fh_prepared *entry = &store->prepared.item[store->prepared.count++];
        entry->report = own;
        entry->report.keys = NULL;
        entry->let_go = let_go;
        fh_store_unlock(store);
    }
    store->reports.item[store->reports.count++] = (struct fh_staged_row){own.number, bytes, len};
    store->meta.next_report++;
    store->meta_dirty = true;
    own_changed(store, &own);
    if (own.cursor_after > store->reported_until[sink] && !hearsay) {
        store->reported_until[sink] = own.cursor_after;
    }
    *ret_number = own.number;
    return 0;
}

/* The row of a report, staged or committed, decoded. */
static int find_report(struct fh_store *store, uint64_t number, struct fh_staged_row **ret_staged,
                       struct fh_report *ret, struct fh_record_key **ret_keys)
{
    *ret_staged = NULL;
    for (size_t i = 0; i < store->reports.count; i++) {
        struct fh_staged_row *row = &store->reports.item[i];
        if (row->number == number) {
            *ret_staged = row;
            return fh_store_decode_report(row->bytes, row->len, ret, ret_keys);
        }
    }
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    MDB_val value = {0, NULL};
    if (r == 0) {
        r = fh_lmdb_get(txn, store->table[FH_TABLE_REPORTS], number, &value);
    }
    return r < 0 ? r : fh_store_decode_report(value.mv_data, value.mv_size, ret, ret_keys);
}

int fh_store_report_finish(struct fh_store *store, uint64_t number, enum fh_report_state state)
{
    size_t at = 0;
    while (at < store->prepared.count && store->prepared.item[at].report.number != number) {
        at++;
    }
    if (at == store->prepared.count) {
        return -ENOENT;
    }
    if (state != FH_REPORT_DELIVERED && state != FH_REPORT_VOID) {
        return -EINVAL;
    }
    struct fh_report report = {0};
    struct fh_staged_row *staged = NULL;
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    int r = find_report(store, number, &staged, &report, &keys);
    if (r < 0) {
        return r;
    }
    report.state = state;
    void *bytes = NULL;
    size_t len = 0;
    if (FH_LIST_RESERVE(&store->reports) < 0 ||
        fh_store_encode_report(store, &report, &bytes, &len) < 0) {
        return -ENOMEM;
    }
    int sink = fh_store_find_sink(store, report.sink);
    r = state == FH_REPORT_DELIVERED && sink >= 0 ? settle(store, (size_t)sink, &report) : 0;
    if (r < 0) {
        free(bytes);
        return r;
    }
    if (!staged) {
        staged = &store->reports.item[store->reports.count++];
    } else {
        free(staged->bytes);
    }
    *staged = (struct fh_staged_row){number, bytes, len};
    if (state == FH_REPORT_DELIVERED && sink >= 0) {
        fh_store_came_through(store, (size_t)sink, store->prepared.item[at].let_go);
    }
    fh_store_lock(store);
    store->prepared.count--;
    memmove(&store->prepared.item[at], &store->prepared.item[at + 1],
            (store->prepared.count - at) * sizeof(*store->prepared.item));
    fh_store_unlock(store);
    own_changed(store, &report);
    if (state == FH_REPORT_DELIVERED && sink >= 0 && fh_store_reissue(store, number)) {
        uint64_t again = 0;
        r = fh_store_report_add(store, &report, &again);
    }
    return r;
}

size_t fh_store_reports_in_doubt(struct fh_store *store, struct fh_report *reports, size_t n)
{
    fh_store_lock(store);
    size_t count = store->prepared.count < n ? store->prepared.count : n;
    for (size_t i = 0; i < count; i++) {
        reports[i] = store->prepared.item[i].report;
    }
    fh_store_unlock(store);
    return count;
}

uint64_t fh_store_report_overtaken(struct fh_store *store, const struct fh_report *report,
                                   uint64_t after)
{
    int sink = fh_store_find_sink(store, report->sink);
    if (sink < 0 || store->optional[sink]) {
        return 0; /* what an optional sink had to let go looks the same */
    }
    fh_store_lock(store);
    uint64_t cursor = fh_marks_cursor(store->marks, (size_t)sink);
    uint64_t first = cursor > after ? cursor : after;
    uint64_t left = 0;
    if (first < report->cursor_after) {
        left = fh_marks_undelivered(store->marks, (size_t)sink, first,
                                    (uint32_t)(report->cursor_after - first), NULL);
    }
    fh_store_unlock(store);
    return report->count > left ? report->count - left : 0;
}

/* ---- for a peer that asks ------------------------------------------------------------------- */

/* The first report at or after number, copied out so that no transaction is open while it is
 * sent. 1: *ret_bytes is to be freed. 0: none. */
static int copy_report(struct fh_store *store, uint64_t number, int64_t min_timestamp_ms,
                       uint64_t *ret_number, void **ret_bytes, size_t *ret_len)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    MDB_val value = {0, NULL};
    if (fh_lmdb_begin(store->env, MDB_RDONLY, &txn) < 0 ||
        fh_lmdb_open_cursor(txn, store->table[FH_TABLE_REPORTS], &cursor) < 0 ||
        fh_lmdb_seek(cursor, number, ret_number, &value) < 0) {
        return 0;
    }
    int64_t newest_ms = 0;
    int64_t age_ms = 0;
    const void *payload = NULL;
    *ret_bytes = NULL;
    if (fh_row_decode(value.mv_data, value.mv_size, true, &newest_ms, &age_ms, &payload, ret_len) <
            0 ||
        newest_ms < min_timestamp_ms) {
        return 1;
    }
    *ret_bytes = malloc(*ret_len ? *ret_len : 1);
    if (!*ret_bytes) {
        return 0;
    }
    memcpy(*ret_bytes, payload, *ret_len);
    return 1;
}

uint64_t fh_store_reports_from(struct fh_store *store, uint64_t number, int64_t min_timestamp_ms,
                               size_t limit, fh_store_report_take take, void *userdata)
{
    for (size_t taken = 0; taken < limit;) {
        uint64_t found = 0;
        void *bytes FH_CLEANUP(free_bytes) = NULL;
        size_t len = 0;
        if (copy_report(store, number, min_timestamp_ms, &found, &bytes, &len) == 0) {
            break;
        }
        number = found + 1;
        if (bytes) {
            taken++;
            if (take(userdata, found, bytes, len) != 0) {
                break;
            }
        }
    }
    return number;
}

/* ---- what this node itself delivered --------------------------------------------------------- */

#define OWN_TOLD 0x100 /* beside the number of the sink, from 1 on: by hearsay */

static bool has_value(const void *userdata, const struct fh_keytab_slot *slot)
{
    return slot->value == *(const uint64_t *)userdata;
}

enum fh_own fh_store_own_delivered(struct fh_store *store, size_t sink, struct fh_record_key key)
{
    uint64_t value = sink + 1;
    if (fh_keytab_nearest(&store->own, key, has_value, &value) != FH_KEYTAB_NONE) {
        return FH_OWN_DELIVERED;
    }
    value |= OWN_TOLD;
    return fh_keytab_nearest(&store->own, key, has_value, &value) != FH_KEYTAB_NONE ? FH_OWN_TOLD
                                                                                    : FH_OWN_NONE;
}

static int own_take(struct fh_store *store, const void *bytes, size_t len, int64_t from_ms)
{
    struct fh_report report = {0};
    struct fh_record_key *keys FH_CLEANUP(free_keys) = NULL;
    int r = fh_store_decode_report(bytes, len, &report, &keys);
    int sink = r < 0 ? r : fh_store_find_sink(store, report.sink);
    if (r < 0 || sink < 0 || report.state == FH_REPORT_VOID) {
        return r;
    }
    uint64_t value = ((uint64_t)sink + 1) | (fh_store_is_hearsay(&report) ? OWN_TOLD : 0);
    for (uint32_t i = 0; r == 0 && i < report.count; i++) {
        if (keys[i].timestamp_ms >= from_ms) {
            r = fh_keytab_add(&store->own, keys[i], value);
        }
    }
    return r;
}

static int own_scan(struct fh_store *store, int64_t from_ms)
{
    MDB_txn *txn FH_CLEANUP(fh_lmdb_abort) = NULL;
    MDB_cursor *cursor FH_CLEANUP(fh_lmdb_cursor_close) = NULL;
    int r = fh_lmdb_begin(store->env, MDB_RDONLY, &txn);
    if (r == 0) {
        r = fh_lmdb_open_cursor(txn, store->table[FH_TABLE_REPORTS], &cursor);
    }
    for (uint64_t number = 0; r == 0; number++) {
        MDB_val value = {0, NULL};
        int64_t newest_ms = 0;
        int64_t age_ms = 0;
        const void *payload = NULL;
        size_t len = 0;
        r = fh_lmdb_seek(cursor, number, &number, &value);
        if (r == 0 && (fh_row_decode(value.mv_data, value.mv_size, false, &newest_ms, &age_ms,
                                     &payload, &len) < 0 ||
                       newest_ms >= from_ms)) {
            r = own_take(store, value.mv_data, value.mv_size, from_ms);
        }
    }
    return r == -ENOENT ? 0 : r;
}

int fh_store_own_prepare(struct fh_store *store, int64_t from_ms)
{
    from_ms -= from_ms > INT64_MIN + store->apart_ms ? store->apart_ms : 0;
    if (from_ms >= store->own_from_ms || from_ms > store->own_newest_ms) {
        return 0;
    }
    from_ms -= from_ms > INT64_MIN + 60000 ? 60000 : 0; /* the next one may ask for a little more */
    fh_keytab_done(&store->own);
    store->own_from_ms = INT64_MAX;
    int r = own_scan(store, from_ms);
    for (size_t i = 0; r == 0 && i < store->reports.count; i++) {
        r = own_take(store, store->reports.item[i].bytes, store->reports.item[i].len, from_ms);
    }
    if (r < 0) {
        fh_keytab_done(&store->own);
        return r;
    }
    store->own_from_ms = from_ms;
    return 0;
}
