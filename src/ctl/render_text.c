/* render_text.c: the result for people. Never talks to the daemon and reads no clock. */
#include "members.h"
#include "render.h"
#include "table.h"
#include "terminal.h"
#include "words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is said goes here; the first failure is kept and ends the rest. */
struct page {
    struct fh_buf *into;
    int error;
};

static void say(struct page *page, const char *format, ...) FH_PRINTF(2, 3);
static void say(struct page *page, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (page->error == 0) {
        page->error = fh_buf_append(page->into, text, strlen(text));
    }
}

/* ---- strings that may be missing --------------------------------------------------------------
 */

/* Without control characters, cut to size. */
static const char *printable(const char *from, char *text, size_t size)
{
    snprintf(text, size, "%s", from);
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++) {
        size_t obeyed = fh_terminal_obeys(text + at, len - at);
        if (obeyed > 0) {
            memset(text + at, '?', obeyed);
        }
    }
    return text;
}

/* The string that can be printed, "" when there is none. */
static const char *string(const cJSON *object, const char *name, char *text, size_t size)
{
    const cJSON *item = member(object, name);
    return printable(cJSON_IsString(item) ? item->valuestring : "", text, size);
}

/* ---- the parts of the status ------------------------------------------------------------------
 */

static void say_node(const cJSON *status, struct page *page)
{
    char text[256];
    char version[64];
    char uptime[64];
    say(page, "node        %s", string(status, "node", text, sizeof(text)));
    if (string(status, "version", version, sizeof(version))[0]) {
        say(page, ", firehosed %s", version);
    }
    int64_t uptime_ms = number(status, "uptime_ms", -1);
    if (uptime_ms >= 0) {
        fh_words_duration(uptime_ms, uptime, sizeof(uptime));
        say(page, ", up %s", uptime);
    }
    say(page, "\nrole        %s", string(status, "role", text, sizeof(text)));
    if (number(status, "epoch", -1) >= 0) {
        say(page, ", epoch %" PRId64, number(status, "epoch", 0));
    }
    if (string(status, "role_reason", text, sizeof(text))[0]) {
        say(page, " (%s)", text);
    }
    say(page, "\n");
}

/* Why the pair is not protected, in the order in which an operator has to mend it. */
static void why_unprotected(const cJSON *status, char *text, size_t size)
{
    const cJSON *peer = member(status, "peer");
    char detail[256];
    if (cJSON_IsFalse(member(peer, "configured"))) {
        snprintf(text, size, "a single node: no pair is configured");
    } else if (string(peer, "refused", detail, sizeof(detail))[0]) {
        snprintf(text, size, "no pair is formed: %s", detail);
    } else if (cJSON_IsFalse(member(peer, "reachable"))) {
        snprintf(text, size, "the peer is not reachable");
    } else if (string(status, "sync", detail, sizeof(detail))[0]) {
        snprintf(text, size, "not in sync: %s", detail);
    } else if (cJSON_IsFalse(member(peer, "ready"))) {
        snprintf(text, size, "the peer is not ready");
    } else {
        snprintf(text, size, "see the journal");
    }
}

static void say_protection(const cJSON *status, struct page *page)
{
    char text[512];
    const cJSON *protected = member(status, "protected");
    const char *held = is_true(member(status, "peer"), "maintenance") ? "the other node"
                       : is_true(status, "maintenance")               ? "this node"
                                                                      : NULL;
    if (cJSON_IsTrue(protected) && held) { /* both hold every event, and yet nobody takes over */
        say(page, "protected   yes, but %s is in maintenance and does not take over\n", held);
    } else if (cJSON_IsTrue(protected)) {
        say(page, "protected   yes\n");
    } else if (cJSON_IsFalse(protected)) {
        why_unprotected(status, text, sizeof(text));
        say(page, "protected   NO: %s\n", text);
    }
}

static void say_orders(const cJSON *status, struct page *page)
{
    const cJSON *arbiter = member(status, "arbiter");
    char text[256];
    char lease[64];
    if (is_true(status, "maintenance")) {
        say(page, "maintenance on: this node does not promote itself\n");
    }
    if (is_true(status, "fenced")) {
        say(page, "FENCED      publishes nothing until it knows that it may lead\n");
    }
    if (is_true(status, "switching")) {
        say(page, "switching   the role is being handed over\n");
    }
    if (!is_true(arbiter, "configured")) {
        return;
    }
    string(arbiter, "type", text, sizeof(text));
    say(page, "arbiter     %s, %s", text, arbiter_words(arbiter));
    if (string(arbiter, "holder", text, sizeof(text))[0]) {
        say(page, ", lease held by %s", text);
    }
    if (number(arbiter, "lease_ms", 0) > 0) {
        fh_words_duration(number(arbiter, "lease_ms", 0), lease, sizeof(lease));
        say(page, " (ours, %s left)", lease);
    }
    say(page, "\n");
    if (string(arbiter, "last_error", text, sizeof(text))[0]) {
        say(page, "  last error: %s\n", text);
    }
}

static void say_peer(const cJSON *status, struct page *page)
{
    const cJSON *peer = member(status, "peer");
    char text[512];
    char age[64];
    if (!cJSON_IsObject(peer) || cJSON_IsFalse(member(peer, "configured"))) {
        return;
    }
    string(peer, "node", text, sizeof(text));
    say(page, "peer        %s, %s", text[0] ? text : "(name not known yet)",
        is_true(peer, "reachable") ? "reachable" : "NOT REACHABLE");
    if (string(peer, "role", text, sizeof(text))[0]) {
        say(page, ", %s%s%s, epoch %" PRId64, text, is_true(peer, "ready") ? " (ready)" : "",
            is_true(peer, "maintenance") ? " in maintenance" : "", number(peer, "epoch", 0));
    }
    int64_t heard = number(peer, "last_heard_ms", -1);
    fh_words_duration(heard, age, sizeof(age));
    say(page, heard < 0 ? ", never heard\n" : ", heard %s ago\n", age);
    if (string(peer, "refused", text, sizeof(text))[0]) {
        say(page, "  REFUSED   %s\n", text);
    }
    const cJSON *path;
    cJSON_ArrayForEach(path, member(peer, "paths"))
    {
        say(page, "  path      %s %s%s\n", string(path, "address", text, sizeof(text)),
            is_true(path, "up") ? "up" : "DOWN",
            cJSON_IsFalse(member(path, "datagrams")) ? ", no datagrams" : "");
    }
}

static void receiver_row(const cJSON *receiver, char (*cell)[FH_TABLE_CELL], char *note,
                         size_t note_size)
{
    char error[400];
    char retry[64];
    string(receiver, "range", cell[0], FH_TABLE_CELL);
    string(receiver, "state", cell[1], FH_TABLE_CELL);
    snprintf(cell[2], FH_TABLE_CELL, "%" PRId64, number(receiver, "events", 0));
    fh_words_time(number(receiver, "last_timestamp", 0), cell[3], FH_TABLE_CELL);
    fh_words_duration(number(receiver, "lag_ms", -1), cell[4], FH_TABLE_CELL);
    fh_words_duration(number(receiver, "last_byte_age_ms", -1), cell[5], FH_TABLE_CELL);
    snprintf(cell[6], FH_TABLE_CELL, "%" PRId64, number(receiver, "failures", 0));
    string(receiver, "protocol", cell[7], FH_TABLE_CELL);
    bool streaming = strcmp(cell[1], "streaming") == 0;
    int64_t retry_ms = number(receiver, "retry_in_ms", 0);
    fh_words_duration(retry_ms, retry, sizeof(retry));
    string(receiver, "last_error", error, sizeof(error));
    /* While it streams again, an old error is history and only worries people. */
    if (!streaming && error[0]) {
        snprintf(note, note_size, "%s%s%s", error, retry_ms > 0 ? "; next try in " : "",
                 retry_ms > 0 ? retry : "");
    }
}

static void say_receivers(const cJSON *status, struct fh_table *table, struct page *page)
{
    static const char *const headings[FH_TABLE_COLUMNS] = {
        "RANGE", "STATE", "EVENTS", "LAST EVENT", "BEHIND", "LAST BYTE", "FAILURES", "PROTOCOL"};
    const cJSON *list = member(status, "receivers");
    if (cJSON_GetArraySize(list) == 0) {
        return;
    }
    *table = (struct fh_table){.columns = FH_TABLE_COLUMNS, .right = 1U << 2 | 1U << 6};
    char(*cell)[FH_TABLE_CELL] = fh_table_row(table);
    for (size_t i = 0; i < FH_TABLE_COLUMNS; i++) {
        snprintf(cell[i], FH_TABLE_CELL, "%s", headings[i]);
    }
    const cJSON *receiver;
    cJSON_ArrayForEach(receiver, list)
    {
        cell = fh_table_row(table);
        if (!cell) {
            break;
        }
        receiver_row(receiver, cell, table->note[table->rows - 1], sizeof(table->note[0]));
    }
    say(page, "\nreceivers\n");
    if (page->error == 0) {
        page->error = fh_table_print(table, page->into);
    }
}

static void say_replay(const cJSON *replay, struct page *page)
{
    char id[64];
    char state[32];
    if (strcmp(string(replay, "state", state, sizeof(state)), "running") == 0) {
        say(page, "    REPLAY %s is running: %" PRId64 " of %" PRId64 " events\n",
            string(replay, "id", id, sizeof(id)), number(replay, "looked_at", 0),
            number(replay, "records", 0));
    }
}

static void say_sinks(const cJSON *status, struct page *page)
{
    const cJSON *list = member(status, "sinks");
    if (cJSON_GetArraySize(list) == 0) {
        return;
    }
    say(page, "\nsinks\n");
    const cJSON *sink;
    cJSON_ArrayForEach(sink, list)
    {
        char name[64];
        char type[32];
        char text[1024];
        say(page, "  %s (%s%s): delivered %" PRId64 ", pending %" PRId64,
            string(sink, "name", name, sizeof(name)), string(sink, "type", type, sizeof(type)),
            cJSON_IsFalse(member(sink, "required")) ? ", not required" : "",
            number(sink, "delivered", 0), number(sink, "pending", 0));
        if (number(sink, "filtered", 0) > 0) {
            say(page, ", filtered out %" PRId64, number(sink, "filtered", 0));
        }
        if (number(sink, "dropped", 0) > 0) {
            say(page, ", dropped %" PRId64, number(sink, "dropped", 0));
        }
        say(page, "%s\n", cJSON_IsFalse(member(sink, "healthy")) ? ", UNHEALTHY" : "");
        if (number(sink, "missed", 0) > 0) {
            say(page, "    MISSED for want of room in the store: %" PRId64 "\n",
                number(sink, "missed", 0));
        }
        if (number(sink, "refused", 0) > 0) {
            say(page, "    REFUSED by the far side: %" PRId64 ", kept in %s\n",
                number(sink, "refused", 0), string(sink, "dead_letters", text, sizeof(text)));
        }
        say_replay(member(sink, "replay"), page);
        if (string(sink, "promise", text, sizeof(text))[0]) {
            say(page, "    promise: %s\n", text);
        }
        if (string(sink, "last_error", text, sizeof(text))[0]) {
            say(page, "    last error: %s\n", text);
        }
    }
}

static void say_counters(const cJSON *status, struct page *page)
{
    const cJSON *counters = member(status, "counters");
    const cJSON *item;
    bool first = true;
    cJSON_ArrayForEach(item, counters)
    {
        if (!cJSON_IsNumber(item) || !item->string) {
            continue;
        }
        char name[64];
        snprintf(name, sizeof(name), "%s", item->string);
        for (char *at = name; *at; at++) {
            *at = *at == '_' ? ' ' : (unsigned char)*at < 0x20 ? '?' : *at;
        }
        say(page, "%s%s %.0f", first ? "\ncounters    " : ", ", name, item->valuedouble);
        first = false;
    }
    if (!first) {
        say(page, "\n");
    }
}

struct type_row {
    const char *name;
    int64_t count;
};

static int compare_rows(const void *left, const void *right)
{
    const struct type_row *a = left;
    const struct type_row *b = right;
    return a->count > b->count ? -1 : a->count < b->count;
}

/* The types received, the most frequent first, as many in a line as are good to read. */
static void say_types(const cJSON *status, struct page *page)
{
    const cJSON *types = member(member(status, "counters"), "types");
    struct type_row row[FH_TABLE_ROWS] = {{NULL, 0}};
    size_t rows = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, types)
    {
        if (cJSON_IsNumber(item) && item->string && rows < FH_TABLE_ROWS) {
            row[rows++] = (struct type_row){item->string, whole(item, 0)};
        }
    }
    qsort(row, rows, sizeof(row[0]), compare_rows);
    size_t column = 0;
    for (size_t i = 0; i < rows; i++) {
        char name[64];
        char text[96];
        printable(row[i].name, name, sizeof(name));
        int len = snprintf(text, sizeof(text), "%s %" PRId64, name, row[i].count);
        bool wrap = column + (size_t)len > 100;
        say(page, "%s%s", i == 0 ? "types       " : wrap ? ",\n            " : ", ", text);
        column = (i == 0 || wrap ? 12 : column + 2) + (size_t)len;
    }
    say(page, rows > 0 ? "\n" : "");
}

/* Oldest known stamp of a {"1": ms, ...} object; 0 when none is known. */
static int64_t oldest(const cJSON *map)
{
    int64_t result = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        int64_t ms = whole(item, 0);
        if (ms > 0 && (result == 0 || ms < result)) {
            result = ms;
        }
    }
    return result;
}

static void say_checkpoint(const cJSON *status, struct page *page)
{
    const cJSON *checkpoint = member(status, "checkpoint");
    char received[64];
    char delivered[64];
    if (!cJSON_IsObject(checkpoint)) {
        return;
    }
    fh_words_time(oldest(member(checkpoint, "received")), received, sizeof(received));
    fh_words_time(oldest(member(checkpoint, "delivered")), delivered, sizeof(delivered));
    say(page, "checkpoint  received %s, delivered %s (oldest partition)\n", received, delivered);
}

static void say_store(const cJSON *status, struct page *page)
{
    const cJSON *store = member(status, "store");
    char used[32];
    char limit[32];
    char dedup[32];
    if (!cJSON_IsObject(store)) {
        return;
    }
    fh_words_bytes(number(store, "bytes_used", 0), used, sizeof(used));
    fh_words_bytes(number(store, "size_limit", 0), limit, sizeof(limit));
    fh_words_bytes(number(store, "dedup_bytes", 0), dedup, sizeof(dedup));
    say(page,
        "store       %s of %s, %" PRId64 " events kept; de-duplication %" PRId64 " records, %s\n",
        used, limit, number(store, "events", 0), number(store, "dedup_records", 0), dedup);
    if (is_true(store, "backpressure")) {
        say(page, "            FULL: not reading from the service until room is made\n");
    }
}

int fh_render_status_text(const cJSON *status, struct fh_buf *into)
{
    struct fh_table *table = malloc(sizeof(*table));
    if (!table) {
        return -ENOMEM;
    }
    struct page page = {.into = into};
    say_node(status, &page);
    say_protection(status, &page);
    say_orders(status, &page);
    say_peer(status, &page);
    say_receivers(status, table, &page);
    say_sinks(status, &page);
    say_counters(status, &page);
    say_types(status, &page);
    say_checkpoint(status, &page);
    say_store(status, &page);
    free(table);
    return page.error;
}

int fh_render_checkpoint_text(const cJSON *checkpoint, struct fh_buf *into)
{
    struct fh_table *table = calloc(1, sizeof(*table));
    if (!table) {
        return -ENOMEM;
    }
    table->columns = 3;
    char(*cell)[FH_TABLE_CELL] = fh_table_row(table);
    snprintf(cell[0], FH_TABLE_CELL, "PARTITION");
    snprintf(cell[1], FH_TABLE_CELL, "RECEIVED UP TO");
    snprintf(cell[2], FH_TABLE_CELL, "DELIVERED UP TO");
    const cJSON *received = member(checkpoint, "received");
    const cJSON *delivered = member(checkpoint, "delivered");
    for (int partition = 1; partition <= 12; partition++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", partition);
        if (!member(received, name) && !member(delivered, name)) {
            continue;
        }
        cell = fh_table_row(table);
        snprintf(cell[0], FH_TABLE_CELL, "%s", name);
        fh_words_time(number(received, name, 0), cell[1], FH_TABLE_CELL);
        fh_words_time(number(delivered, name, 0), cell[2], FH_TABLE_CELL);
    }
    int r = fh_table_print(table, into);
    free(table);
    return r;
}

int fh_render_history_text(const cJSON *history, struct fh_buf *into)
{
    struct page page = {.into = into};
    const cJSON *row;
    cJSON_ArrayForEach(row, member(history, "history"))
    {
        char when[64];
        char from[32];
        char to[32];
        char reason[256];
        char evidence[256];
        fh_words_time(number(row, "time_ms", 0), when, sizeof(when));
        say(&page, "%s  epoch %" PRId64 "  %s -> %s: %s", when, number(row, "epoch", 0),
            string(row, "from", from, sizeof(from)), string(row, "to", to, sizeof(to)),
            string(row, "reason", reason, sizeof(reason)));
        if (string(row, "evidence", evidence, sizeof(evidence))[0]) {
            say(&page, " (%s)", evidence);
        }
        say(&page, "\n");
    }
    if (cJSON_GetArraySize(member(history, "history")) == 0) {
        say(&page, "no change of role yet\n");
    }
    return page.error;
}
