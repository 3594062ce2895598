/* render_tally.c: owns the three forms of stats. Counts nothing. */
#include "render_tally.h"

#include "pick.h"
#include "render.h"
#include "when.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BAR_MAX   40
#define BAR_MIN   8
#define WIDTH_MAX 48

static const char *by_name(enum fh_tally_by by)
{
    switch (by) {
    case FH_TALLY_TYPE:
        return "type";
    case FH_TALLY_LOCATION:
        return "location";
    case FH_TALLY_HOUR:
        return "hour";
    case FH_TALLY_TENANT:
        return "tenant";
    }
    return "";
}

struct shown {
    const struct fh_tally_row *row;
    size_t count; /* of rows shown */
    uint64_t other;
    struct fh_tally_sum sum;
};

static struct shown choose(struct fh_tally *tally, size_t top)
{
    struct shown shown = {0};
    size_t all = 0;
    shown.row = fh_tally_rows(tally, &all);
    fh_tally_sum(tally, &shown.sum);
    shown.count = top > 0 && top < all ? top : all;
    shown.other = shown.sum.events;
    for (size_t i = 0; i < shown.count; i++) {
        shown.other -= shown.row[i].events;
    }
    return shown;
}

/* A name for people: "2026-11-23 14:00" by hour. */
static struct fh_slice name_of(const struct fh_tally_row *row, enum fh_tally_by by,
                               char text[FH_WHEN_SIZE])
{
    if (by == FH_TALLY_HOUR) {
        fh_when_print(row->hour_ms, text);
        return (struct fh_slice){text, strnlen(text, sizeof("2026-11-23 14:00") - 1)};
    }
    const char *name = row->name[0] ? row->name : "-";
    return strchr(name, '@') ? (struct fh_slice){"(hidden)", 8}
                             : (struct fh_slice){name, strlen(name)};
}

static int table_row(struct fh_slice name, size_t width, uint64_t events, const struct shown *shown,
                     size_t bar, struct fh_buf *into)
{
    uint64_t most = 1;
    for (size_t i = 0; i < shown->count; i++) {
        most = shown->row[i].events > most ? shown->row[i].events : most;
    }
    most = shown->other > most ? shown->other : most;
    double share = shown->sum.events > 0 ? 100.0 * (double)events / (double)shown->sum.events : 0;
    int r = fh_row_cell(name, width, FH_CUT_FRONT, false, into);
    r = r < 0 ? r : fh_buf_printf(into, "%12" PRIu64 "  %5.1f %%", events, share);
    size_t length = (size_t)((double)events / (double)most * (double)bar + 0.5);
    r = r < 0 || length == 0 ? r : fh_buf_append(into, "  ", 2);
    for (size_t i = 0; i < length && r == 0; i++) {
        r = fh_buf_append(into, "▪", strlen("▪"));
    }
    return r < 0 ? r : fh_buf_append(into, "\n", 1);
}

int fh_tally_table(struct fh_tally *tally, enum fh_tally_by by, size_t top, size_t columns,
                   struct fh_buf *into)
{
    struct shown shown = choose(tally, top);
    char text[FH_WHEN_SIZE];
    char to[FH_WHEN_SIZE];
    size_t width = 8;
    for (size_t i = 0; i < shown.count; i++) {
        size_t len = name_of(&shown.row[i], by, text).len;
        width = len > width ? len : width;
    }
    width = width < WIDTH_MAX ? width : WIDTH_MAX;
    columns = columns > 0 ? columns : 80;
    size_t used = width + 2 + 12 + 2 + 7 + 2;
    size_t bar = columns > used + BAR_MIN ? columns - used : 0;
    bar = bar < BAR_MAX ? bar : BAR_MAX;
    int r = fh_row_cell((struct fh_slice){by_name(by), strlen(by_name(by))}, width, FH_CUT_END,
                        false, into);
    r = r < 0 ? r : fh_buf_printf(into, "%12s  %7s\n", "events", "share");
    for (size_t i = 0; i < shown.count && r == 0; i++) {
        struct fh_slice name = name_of(&shown.row[i], by, text);
        r = table_row(name, width, shown.row[i].events, &shown, bar, into);
    }
    if (r == 0 && shown.other > 0) {
        r = table_row((struct fh_slice){"other", 5}, width, shown.other, &shown, bar, into);
    }
    if (r < 0 || shown.sum.events == 0) {
        return r;
    }
    fh_when_print(shown.sum.oldest_ms, text);
    fh_when_print(shown.sum.newest_ms, to);
    return fh_buf_printf(into, "\n%" PRIu64 " events from %s to %s\n", shown.sum.events, text, to);
}

static void number(cJSON *object, const char *name, int64_t value)
{
    cJSON_AddNumberToObject(object, name, (double)value);
}

int fh_tally_json(struct fh_tally *tally, enum fh_tally_by by, size_t top, struct fh_buf *into)
{
    struct shown shown = choose(tally, top);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "by", by_name(by));
    number(root, "events", (int64_t)shown.sum.events);
    number(root, "oldest_ms", shown.sum.oldest_ms);
    number(root, "newest_ms", shown.sum.newest_ms);
    number(root, "names", (int64_t)shown.sum.names);
    number(root, "other", (int64_t)shown.other);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < shown.count; i++) {
        cJSON *row = cJSON_CreateObject();
        if (by == FH_TALLY_HOUR) {
            number(row, "hour_ms", shown.row[i].hour_ms);
        } else {
            cJSON_AddStringToObject(row, by_name(by), shown.row[i].name);
        }
        number(row, "events", (int64_t)shown.row[i].events);
        cJSON_AddItemToArray(rows, row);
    }
    int r = fh_render_json(root, into);
    cJSON_Delete(root);
    return r;
}

/* RFC 4180: in quotes when it has to be, quotes doubled. */
static int csv_field(struct fh_buf *into, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        return fh_buf_append(into, text, strlen(text));
    }
    int r = fh_buf_append(into, "\"", 1);
    for (; *text && r == 0; text++) {
        r = *text == '"' ? fh_buf_append(into, "\"\"", 2) : fh_buf_append(into, text, 1);
    }
    return r < 0 ? r : fh_buf_append(into, "\"", 1);
}

int fh_tally_csv(struct fh_tally *tally, enum fh_tally_by by, size_t top, struct fh_buf *into)
{
    struct shown shown = choose(tally, top);
    int r = fh_buf_printf(into, "%s,events\r\n", by == FH_TALLY_HOUR ? "hour_ms" : by_name(by));
    for (size_t i = 0; i < shown.count && r == 0; i++) {
        r = by == FH_TALLY_HOUR ? fh_buf_printf(into, "%" PRId64, shown.row[i].hour_ms)
                                : csv_field(into, shown.row[i].name);
        r = r < 0 ? r : fh_buf_printf(into, ",%" PRIu64 "\r\n", shown.row[i].events);
    }
    return r == 0 && shown.other > 0 ? fh_buf_printf(into, "other,%" PRIu64 "\r\n", shown.other)
                                     : r;
}
