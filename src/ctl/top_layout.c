/* top_layout.c: owns what stands where on the screen. Never draws and reads no clock. */
#include "top_layout.h"

#include "top_line.h"
#include "words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORD 32 /* bytes of one value in words */

struct layout {
    const struct fh_top_model *model;
    const struct fh_top_view *view;
    struct fh_top_page *page;
    size_t limit; /* columns */
};

#define put(layout, line, ...) fh_top_put((line), (layout)->limit, __VA_ARGS__)

static struct fh_top_line *new_line(const struct layout *layout, enum fh_top_style style)
{
    static struct fh_top_line beyond; /* what does not fit is written there and forgotten */
    struct fh_top_page *page = layout->page;
    struct fh_top_line *line =
        page->lines < FH_TOP_LINES_MAX ? &page->line[page->lines++] : &beyond;
    /* What is old is not good any more. */
    bool old = !layout->model->connected && (style == FH_TOP_NORMAL || style == FH_TOP_GOOD);
    line->style = old && !layout->view->help ? FH_TOP_DIM : style;
    line->columns = 0;
    line->text[0] = '\0';
    return line;
}

void fh_top_rate_text(double rate, char *text, size_t size)
{
    if (isnan(rate)) {
        snprintf(text, size, "-");
    } else if (rate < 9.95) {
        snprintf(text, size, rate > 0 ? "%.1f" : "0", rate);
    } else if (rate < 1e6) {
        fh_words_grouped((uint64_t)(rate + 0.5), text, size);
    } else {
        snprintf(text, size, "%.2f M", rate / 1e6);
    }
}

static void clock_text(int64_t wall_ms, char *text, size_t size)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (wall_ms <= 0 || !gmtime_r(&seconds, &tm) || strftime(text, size, "%H:%M:%S", &tm) == 0) {
        snprintf(text, size, "-");
    }
}

/* ---- the lines at the top ---------------------------------------------------------------------
 */

static void say_title(const struct layout *layout)
{
    const struct fh_top_model *model = layout->model;
    struct fh_top_line *line = new_line(layout, FH_TOP_TITLE);
    char time[WORD];
    char right[96];
    clock_text(model->wall_ms, time, sizeof(time));
    double interval = (double)layout->view->interval_ms / 1000.0;
    snprintf(right, sizeof(right), "%severy %.3g s  %s UTC ",
             layout->view->paused ? "PAUSED  " : "", interval, time);
    if (model->known) {
        put(layout, line, " firehosed %s  node %s", model->version, model->node);
    } else {
        put(layout, line, " firehosectl top");
    }
    if (line->columns + strlen(right) + 2 <= layout->limit) {
        fh_top_right(line, layout->limit, layout->limit, right);
    }
    fh_top_pad(line, layout->limit);
}

static bool is_lit(const struct fh_top_model *model)
{
    return strcmp(model->role, "primary") == 0;
}

/* What the node itself is; in capitals who delivers. */
static void say_node(const struct layout *layout)
{
    const struct fh_top_model *model = layout->model;
    bool bad = model->fenced || (model->peer.configured && !model->protected && is_lit(model));
    struct fh_top_line *line = new_line(layout, bad ? FH_TOP_BAD : FH_TOP_GOOD);
    char uptime[WORD];
    fh_words_duration(model->uptime_ms, uptime, sizeof(uptime));
    put(layout, line, " node %-5s %s%s  epoch %" PRId64 "  up %s", model->node,
        is_lit(model) ? "PRIMARY" : model->role,
        strcmp(model->role, "standby") == 0 ? (model->ready ? ", ready" : ", not ready") : "",
        model->epoch, uptime);
    if (model->peer.configured) {
        put(layout, line, "  %s",
            model->protected ? "protected" : (is_lit(model) ? "NOT PROTECTED" : ""));
    }
    put(layout, line, "%s%s%s%s", model->maintenance ? "  maintenance" : "",
        model->fenced ? "  FENCED" : "", model->switching ? "  handing over" : "",
        model->restarts > 0 ? "  restarted" : "");
}

static void say_peer(const struct layout *layout)
{
    const struct fh_top_peer *peer = &layout->model->peer;
    if (!peer->configured) {
        put(layout, new_line(layout, FH_TOP_DIM), " a single node, no pair");
        return;
    }
    struct fh_top_line *line = new_line(layout, peer->reachable ? FH_TOP_GOOD : FH_TOP_BAD);
    char heard[WORD];
    fh_words_duration(peer->last_heard_ms, heard, sizeof(heard));
    put(layout, line, " peer %-5s ", peer->node[0] ? peer->node : "?");
    if (!peer->reachable) {
        put(layout, line, "NOT REACHABLE  ");
    }
    if (peer->role[0]) {
        bool standby = strcmp(peer->role, "standby") == 0;
        put(layout, line, "%s%s%s  epoch %" PRId64 "  ", peer->reachable ? "" : "was ",
            strcmp(peer->role, "primary") == 0 ? "PRIMARY" : peer->role,
            standby ? (peer->ready ? ", ready" : ", not ready") : "", peer->epoch);
    }
    put(layout, line, peer->last_heard_ms < 0 ? "never heard" : "heard %s ago", heard);
    put(layout, line, "%s", peer->maintenance ? "  maintenance" : "");
}

static void say_link(const struct layout *layout)
{
    const struct fh_top_peer *peer = &layout->model->peer;
    bool up = true;
    if (!peer->configured) {
        return;
    }
    for (size_t i = 0; i < peer->paths; i++) {
        up = up && peer->path[i].up;
    }
    struct fh_top_line *line = new_line(layout, up ? FH_TOP_NORMAL : FH_TOP_BAD);
    put(layout, line, " link       ");
    for (size_t i = 0; i < peer->paths; i++) {
        const struct fh_top_path *path = &peer->path[i];
        put(layout, line, "%s%s %s%s", i > 0 ? ", " : "", path->address, path->up ? "up" : "DOWN",
            path->up && !path->datagrams ? " (no datagrams)" : "");
    }
    if (layout->model->arbiter[0]) {
        put(layout, line, "%s%s", peer->paths > 0 ? "; " : "", layout->model->arbiter);
    }
    if (peer->refused[0]) {
        put(layout, new_line(layout, FH_TOP_BAD), " no pair    %s", peer->refused);
    } else if (layout->model->sync[0]) {
        put(layout, new_line(layout, FH_TOP_BAD), " not ready  %s", layout->model->sync);
    }
}

static void say_stream(const struct layout *layout)
{
    const struct fh_top_model *model = layout->model;
    struct fh_top_line *line = new_line(layout, FH_TOP_NORMAL);
    char rate[WORD];
    char lag[WORD];
    char age[WORD];
    fh_top_rate_text(fh_top_rate(&model->received, 0), rate, sizeof(rate));
    fh_words_duration(fh_top_lag(model), lag, sizeof(lag));
    int64_t newest = fh_top_newest(model);
    int64_t behind = model->wall_ms - newest;
    fh_words_duration(newest > 0 && behind >= 0 ? behind : -1, age, sizeof(age));
    put(layout, line, " stream     %s ev/s ", rate);
    fh_top_spark(line, layout->limit, &model->received,
                 layout->limit > 100 ? 40 : layout->limit - 55, layout->view->unicode);
    put(layout, line, "  lag %s, newest %s ago", lag, age);
}

static void say_store(const struct layout *layout)
{
    const struct fh_top_model *model = layout->model;
    struct fh_top_line *line = new_line(layout, model->backpressure ? FH_TOP_BAD : FH_TOP_NORMAL);
    char used[WORD];
    char limit[WORD];
    char kept[WORD];
    fh_words_bytes(model->bytes_used, used, sizeof(used));
    fh_words_bytes(model->size_limit, limit, sizeof(limit));
    fh_words_grouped(model->kept > 0 ? (uint64_t)model->kept : 0, kept, sizeof(kept));
    put(layout, line, " store      %s of %s, %s events kept", used, limit, kept);
    if (model->backpressure) {
        put(layout, line, "  FULL: not reading from the service");
    }
    if (layout->limit > 100) {
        put(layout, line, "  duplicates %" PRId64, model->duplicates);
    }
    if (model->quarantined > 0) {
        put(layout, line, "  quarantined %" PRId64, model->quarantined);
    }
    if (model->gaps > 0) {
        put(layout, line, "  gaps %" PRId64, model->gaps);
    }
}

/* Nobody answers: since when, and why. What stands below is old then. */
static void say_lost(const struct layout *layout)
{
    const struct fh_top_model *model = layout->model;
    char age[WORD];
    if (model->connected) {
        return;
    }
    struct fh_top_line *line = new_line(layout, FH_TOP_BAD);
    if (model->known) {
        fh_words_duration(model->now_ms - model->status_ms, age, sizeof(age));
        put(layout, line, " NO ANSWER for %s, trying again: %s", age, model->why);
    } else {
        put(layout, line, " NO ANSWER, trying again: %s", model->why);
    }
}

/* ---- tables -----------------------------------------------------------------------------------
 */

static size_t spark_width(const struct layout *layout, size_t others)
{
    size_t room = layout->limit > others ? layout->limit - others : 0;
    return room > 60 ? 60 : room;
}

static void say_receiver(const struct layout *layout, const struct fh_top_receiver *receiver,
                         size_t spark)
{
    bool streams = strcmp(receiver->state, "streaming") == 0;
    struct fh_top_line *line = new_line(layout, streams ? FH_TOP_NORMAL : FH_TOP_BAD);
    char text[WORD];
    put(layout, line, " %-6.6s %-11.11s", receiver->events.name, receiver->state);
    fh_top_rate_text(fh_top_rate(&receiver->events, 0), text, sizeof(text));
    fh_top_right(line, layout->limit, 28, text);
    fh_top_pad(line, 30);
    if (!streams && receiver->error[0]) {
        put(layout, line, "%s", receiver->error); /* where the bars would be: it is long */
        return;
    }
    fh_top_spark(line, layout->limit, &receiver->events, spark, layout->view->unicode);
    fh_words_duration(receiver->lag_ms, text, sizeof(text));
    fh_top_right(line, layout->limit, 30 + spark + 10, text);
    fh_words_duration(receiver->last_byte_age_ms, text, sizeof(text));
    fh_top_right(line, layout->limit, 30 + spark + 21, text);
}

static void say_receivers(const struct layout *layout, size_t rows)
{
    const struct fh_top_model *model = layout->model;
    size_t spark = spark_width(layout, 52);
    struct fh_top_line *line = new_line(layout, FH_TOP_HEADING);
    put(layout, line, " RANGE  STATE");
    fh_top_right(line, layout->limit, 28, "EV/S");
    fh_top_right(line, layout->limit, 30 + spark + 10, "BEHIND");
    fh_top_right(line, layout->limit, 30 + spark + 21, "LAST BYTE");
    for (size_t i = 0; i < model->receivers && i < rows - 1; i++) {
        say_receiver(layout, &model->receiver[i], spark);
    }
}

static void say_types(const struct layout *layout, size_t rows)
{
    const struct fh_top_model *model = layout->model;
    size_t order[FH_TOP_TYPES];
    size_t count = fh_top_busiest(model, order);
    size_t spark = spark_width(layout, 57);
    struct fh_top_line *line = new_line(layout, FH_TOP_HEADING);
    put(layout, line, " EVENT TYPE");
    fh_top_right(line, layout->limit, 38, "EV/S");
    fh_top_right(line, layout->limit, 40 + spark + 16, "RECEIVED");
    for (size_t i = 0; i < count && i < rows - 1; i++) {
        const struct fh_top_series *type = &model->type[order[i]];
        char text[WORD];
        line = new_line(layout, FH_TOP_NORMAL);
        put(layout, line, " %-28.28s", type->name);
        fh_top_rate_text(fh_top_rate(type, 0), text, sizeof(text));
        fh_top_right(line, layout->limit, 38, text);
        fh_top_pad(line, 40);
        fh_top_spark(line, layout->limit, type, spark, layout->view->unicode);
        fh_words_grouped(type->total, text, sizeof(text));
        fh_top_right(line, layout->limit, 40 + spark + 16, text);
    }
}

static void say_sink(const struct layout *layout, const struct fh_top_sink *sink, size_t spark)
{
    struct fh_top_line *line = new_line(layout, sink->healthy ? FH_TOP_NORMAL : FH_TOP_BAD);
    char text[WORD];
    put(layout, line, " %-12.12s %-8.8s", sink->delivered.name, sink->type);
    fh_top_rate_text(fh_top_rate(&sink->delivered, 0), text, sizeof(text));
    fh_top_right(line, layout->limit, 30, text);
    fh_top_pad(line, 32);
    fh_words_grouped(sink->pending > 0 ? (uint64_t)sink->pending : 0, text, sizeof(text));
    if (!sink->healthy) {
        put(layout, line, "UNHEALTHY, %s pending: %s", text, sink->error);
        return;
    }
    fh_top_spark(line, layout->limit, &sink->delivered, spark, layout->view->unicode);
    fh_top_right(line, layout->limit, 32 + spark + 12, text);
    if (sink->dropped > 0 || sink->refused > 0) {
        put(layout, line, "  dropped %" PRId64 ", refused %" PRId64, sink->dropped, sink->refused);
    }
}

static void say_sinks(const struct layout *layout, size_t rows)
{
    const struct fh_top_model *model = layout->model;
    size_t spark = spark_width(layout, 66);
    struct fh_top_line *line = new_line(layout, FH_TOP_HEADING);
    put(layout, line, " SINK         TYPE");
    fh_top_right(line, layout->limit, 30, "EV/S");
    fh_top_right(line, layout->limit, 32 + spark + 12, "PENDING");
    for (size_t i = 0; i < model->sinks && i < rows - 1; i++) {
        say_sink(layout, &model->sink[i], spark);
    }
}

static void say_changes(const struct layout *layout, size_t rows)
{
    const struct fh_top_model *model = layout->model;
    struct fh_top_line *line = new_line(layout, FH_TOP_HEADING);
    put(layout, line, " LAST CHANGES");
    for (size_t i = 0; i < model->changes && i < rows - 1; i++) {
        const struct fh_top_change *change = &model->change[i];
        char time[WORD];
        clock_text(change->time_ms, time, sizeof(time));
        line = new_line(layout, FH_TOP_NORMAL);
        put(layout, line, " %s  epoch %" PRId64 "  %s -> %s: %s", time, change->epoch, change->from,
            change->to, change->reason);
    }
}

/* ---- how the lines are shared out -------------------------------------------------------------
 */

enum { RECEIVERS, TYPES, SINKS, CHANGES, TABLES };

/* Each table has its heading and what it holds; in turns each gets one line more, until none wants
 * or none is left. A heading without a line below it is worth nothing. */
static void share_out(const struct layout *layout, size_t room, size_t rows[TABLES])
{
    const struct fh_top_model *model = layout->model;
    bool both = layout->view->lines >= 34;
    const size_t want[TABLES] = {
        both || !layout->view->types ? model->receivers : 0,
        both || layout->view->types ? model->types : 0,
        model->sinks,
        model->changes,
    };
    /* In front: what the reader asked for. */
    const size_t turn[TABLES] = {layout->view->types ? TYPES : RECEIVERS, SINKS, CHANGES,
                                 layout->view->types ? RECEIVERS : TYPES};
    memset(rows, 0, TABLES * sizeof(rows[0]));
    for (bool given = true; given;) {
        given = false;
        for (size_t i = 0; i < TABLES; i++) {
            size_t table = turn[i];
            size_t cost = rows[table] == 0 ? 2 : 1;
            if (want[table] > 0 && rows[table] < want[table] + 1 && room >= cost) {
                rows[table] += cost;
                room -= cost;
                given = true;
            }
        }
    }
}

static void say_tables(const struct layout *layout, size_t bottom)
{
    static void (*const say[TABLES])(const struct layout *layout,
                                     size_t rows) = {[RECEIVERS] = say_receivers,
                                                     [TYPES] = say_types,
                                                     [SINKS] = say_sinks,
                                                     [CHANGES] = say_changes};
    size_t rows[TABLES];
    size_t room = bottom > layout->page->lines ? bottom - layout->page->lines : 0;
    share_out(layout, room, rows);
    /* Blank lines between the tables where there is room for them. */
    size_t used = 0;
    size_t tables = 0;
    for (size_t i = 0; i < TABLES; i++) {
        used += rows[i];
        tables += rows[i] > 0;
    }
    size_t blanks = room > used ? room - used : 0;
    for (size_t i = 0; i < TABLES; i++) {
        if (rows[i] > 0) {
            if (blanks >= tables) {
                new_line(layout, FH_TOP_NORMAL);
            }
            say[i](layout, rows[i]);
        }
    }
}

static void say_help(const struct layout *layout)
{
    static const char *const text[] = {
        "",
        " q  end                        p  stand still, and go on",
        " t  event types or receivers   +  look more often   -  less often",
        " h  this text, and back        r  draw anew",
        "",
        " ev/s    events per second since the status before; the bars are",
        "         scaled to the largest of their row",
        " lag     source time between the newest event of the slowest and",
        "         of the fastest receiver",
        " newest  age of the newest event by this host's clock",
        " BEHIND  the same as lag, for one receiver",
        " PENDING stored, and not delivered by this sink yet; on a standby",
        "         what the primary has not reported yet",
        "",
        " Of the other node is shown what this one knows of it; its own",
        " rates are shown by firehosectl top over there.",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(text); i++) {
        put(layout, new_line(layout, FH_TOP_NORMAL), "%s", text[i]);
    }
}

static void say_footer(const struct layout *layout)
{
    struct fh_top_line *line = new_line(layout, FH_TOP_DIM);
    put(layout, line, " q end  h help  p %s  t %s  + - interval",
        layout->view->paused ? "go on" : "pause", layout->view->types ? "receivers" : "types");
}

static void say_too_small(const struct layout *layout)
{
    put(layout, new_line(layout, FH_TOP_BAD), "too small: %dx%d", layout->view->columns,
        layout->view->lines);
    put(layout, new_line(layout, FH_TOP_NORMAL), "need %dx%d; q: end", FH_TOP_COLUMNS_MIN,
        FH_TOP_LINES_MIN);
}

/* Exactly so many lines, whatever was said. */
static void cut_to(struct layout *layout, size_t lines)
{
    while (layout->page->lines < lines) {
        new_line(layout, FH_TOP_NORMAL);
    }
    layout->page->lines = lines;
}

void fh_top_layout(const struct fh_top_model *model, const struct fh_top_view *view,
                   struct fh_top_page *page)
{
    size_t lines = view->lines < 1                  ? 1
                   : view->lines > FH_TOP_LINES_MAX ? FH_TOP_LINES_MAX
                                                    : (size_t)view->lines;
    size_t columns = view->columns < 1                    ? 1
                     : view->columns > FH_TOP_COLUMNS_MAX ? FH_TOP_COLUMNS_MAX
                                                          : (size_t)view->columns;
    struct layout layout = {model, view, page, columns};
    page->lines = 0;
    if (columns < FH_TOP_COLUMNS_MIN || lines < FH_TOP_LINES_MIN) {
        say_too_small(&layout);
        cut_to(&layout, lines);
        return;
    }
    say_title(&layout);
    say_lost(&layout);
    if (view->help) {
        say_help(&layout);
    } else if (model->known) {
        say_node(&layout);
        say_peer(&layout);
        say_link(&layout);
        say_stream(&layout);
        say_store(&layout);
        say_tables(&layout, lines - 1);
    }
    cut_to(&layout, lines - 1);
    say_footer(&layout);
}
