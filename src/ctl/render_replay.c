/* render_replay.c: owns the words about a replay. Reads no clock, asks nobody. */
#include "render_replay.h"

#include "members.h"
#include "pick.h"
#include "when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR_MAX 30

static struct fh_slice text(const cJSON *object, const char *name)
{
    const char *value = cJSON_GetStringValue(member(object, name));
    return (struct fh_slice){value ? value : "", value ? strlen(value) : 0};
}

/* Text from the daemon, without what a terminal would obey. */
static int say(struct fh_buf *into, struct fh_slice value)
{
    return fh_row_cell(value, 0, FH_CUT_NOTHING, true, into);
}

static unsigned percent(const cJSON *replay)
{
    uint64_t records = counter(replay, "records");
    uint64_t done = counter(replay, "looked_at");
    return records == 0
               ? 0
               : (unsigned)((double)(done < records ? done : records) * 100 / (double)records);
}

int fh_replay_bar(const cJSON *replay, size_t columns, struct fh_buf *into)
{
    char line[256];
    unsigned share = percent(replay);
    size_t filled = (size_t)share * BAR_MAX / 100;
    struct fh_slice waiting = text(replay, "waiting");
    char bar[BAR_MAX + 1];
    memset(bar, ' ', BAR_MAX);
    memset(bar, '=', filled);
    if (filled < BAR_MAX) {
        bar[filled] = '>';
    }
    bar[BAR_MAX] = '\0';
    int n = snprintf(line, sizeof(line), "[%s] %3u %%  %" PRIu64 " of %" PRIu64 "  %s%.*s", bar,
                     share, counter(replay, "looked_at"), counter(replay, "records"),
                     waiting.len > 0 ? "waits: " : "", (int)waiting.len, waiting.data);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
    return fh_row_cell((struct fh_slice){line, len}, columns > 0 ? columns - 1 : len, FH_CUT_END,
                       true, into);
}

int fh_replay_line(const cJSON *replay, struct fh_buf *into)
{
    struct fh_slice waiting = text(replay, "waiting");
    int r =
        fh_buf_printf(into, "%3u %%: %" PRIu64 " of %" PRIu64 " events read, %" PRIu64 " delivered",
                      percent(replay), counter(replay, "looked_at"), counter(replay, "records"),
                      counter(replay, "delivered"));
    if (r == 0 && waiting.len > 0) {
        r = fh_buf_append(into, "; waits: ", 9);
        r = r < 0 ? r : say(into, waiting);
    }
    return r < 0 ? r : fh_buf_append(into, "\n", 1);
}

/* ---- the end -------------------------------------------------------------------------------- */

struct type_count {
    const char *name;
    double events;
};

static int by_number(const void *left, const void *right)
{
    const struct type_count *a = left;
    const struct type_count *b = right;
    return a->events < b->events ? 1 : a->events > b->events ? -1 : 0;
}

static int say_types(const cJSON *replay, struct fh_buf *into)
{
    const cJSON *types = member(replay, "types");
    struct type_count sorted[128] = {{NULL, 0}};
    size_t count = 0;
    const cJSON *type = NULL;
    cJSON_ArrayForEach(type, types)
    {
        if (count < FH_ARRAY_LEN(sorted) && cJSON_IsNumber(type)) {
            sorted[count++] = (struct type_count){type->string, type->valuedouble};
        }
    }
    qsort(sorted, count, sizeof(sorted[0]), by_number);
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        struct fh_slice name = {sorted[i].name, strlen(sorted[i].name)};
        r = fh_buf_append(into, "  ", 2);
        r = r < 0 ? r : fh_row_cell(name, 30, FH_CUT_END, false, into);
        r = r < 0 ? r : fh_buf_printf(into, "%12.0f\n", sorted[i].events);
    }
    uint64_t other = counter(replay, "types_other");
    return r == 0 && other > 0 ? fh_buf_printf(into, "  %-32s%12" PRIu64 "\n", "other", other) : r;
}

static int say_dry_run(const cJSON *replay, struct fh_buf *into)
{
    int r =
        fh_buf_printf(into, "%" PRIu64 " of %" PRIu64 " events of the interval would go to sink ",
                      counter(replay, "delivered"), counter(replay, "records"));
    r = r < 0 ? r : say(into, text(replay, "sink"));
    r = r < 0 ? r : fh_buf_append(into, " (", 2);
    r = r < 0 ? r : say(into, text(replay, "place"));
    r = r < 0 ? r : fh_buf_printf(into, "):\n");
    r = r < 0 ? r : say_types(replay, into);
    return r < 0 ? r : fh_buf_printf(into, "nothing was delivered: a dry run\n");
}

static int say_rest(const cJSON *replay, struct fh_buf *into)
{
    const cJSON *go_on = member(replay, "go_on_ms");
    if (!is_whole(go_on)) {
        return 0;
    }
    char when[FH_WHEN_SIZE];
    fh_when_print((int64_t)go_on->valuedouble, when);
    return fh_buf_printf(into,
                         "what is missing is from %s on: go on with --since %" PRId64
                         " (events behind that time which are there already come once more)\n",
                         when, (int64_t)go_on->valuedouble);
}

int fh_replay_end(const cJSON *replay, struct fh_buf *into)
{
    struct fh_slice state = text(replay, "state");
    bool done = strcmp(state.data, "done") == 0;
    int r = 0;
    if (is_true(replay, "dry_run") && done) {
        r = say_dry_run(replay, into);
    } else {
        r = fh_buf_printf(into, "replay ");
        r = r < 0 ? r : say(into, text(replay, "id"));
        r = r < 0 ? r : fh_buf_append(into, " ", 1);
        r = r < 0 ? r : say(into, state);
        r = r < 0 ? r
                  : fh_buf_printf(into, ": %" PRIu64 " events delivered to ",
                                  counter(replay, "delivered"));
        r = r < 0 ? r : say(into, text(replay, "place"));
        r = r < 0 ? r : fh_buf_append(into, "\n", 1);
    }
    if (r == 0 && counter(replay, "filtered") > 0) {
        r = fh_buf_printf(into,
                          "%" PRIu64 " not wanted: of other types, or by the sink's filters\n",
                          counter(replay, "filtered"));
    }
    if (r == 0 && counter(replay, "refused") > 0) {
        r = fh_buf_printf(into, "%" PRIu64 " REFUSED by the far side for good\n",
                          counter(replay, "refused"));
    }
    if (r == 0 && counter(replay, "dropped") > 0) {
        r = fh_buf_printf(into, "%" PRIu64 " dropped: nobody was there to take them\n",
                          counter(replay, "dropped"));
    }
    if (r == 0 && counter(replay, "damaged") > 0) {
        r = fh_buf_printf(into, "%" PRIu64 " damaged block(s) of the store were passed over\n",
                          counter(replay, "damaged"));
    }
    if (r == 0 && text(replay, "error").len > 0) {
        r = fh_buf_append(into, "reason: ", 8);
        r = r < 0 ? r : say(into, text(replay, "error"));
        r = r < 0 ? r : fh_buf_append(into, "\n", 1);
    }
    return r < 0 || done ? r : say_rest(replay, into);
}
