/* command_stats.c: firehosectl stats: counts over what is kept, in one pass through the store, by
 * this process itself. Changes nothing. */
#include "past_options.h"
#include "render_tally.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOP_DEFAULT 20

static bool parse_by(const char *text, enum fh_tally_by *ret)
{
    static const char *const names[] = {"type", "location", "hour", "tenant"};
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum fh_tally_by)i;
            return true;
        }
    }
    return false;
}

static int count_block(struct fh_tally *tally, const struct fh_pick *pick, bool whole,
                       const struct fh_past_block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        struct fh_look look;
        if (!fh_past_holds(&pick->interval, block->key[i].timestamp_ms)) {
            continue;
        }
        if (!fh_pick_look(pick, block->record[i], whole, &look)) {
            continue;
        }
        int r = fh_tally_add(tally, &look.facts);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static enum fh_ctl_exit count_all(struct fh_past *past, const struct fh_pick *pick, bool whole,
                                  struct fh_tally *tally)
{
    struct fh_error err = {""};
    struct fh_past_block block;
    uint64_t sequence = 0;
    enum fh_ctl_exit exit = FH_CTL_OK;
    int r = fh_past_seek(past, &pick->interval, &sequence, &err);
    while (r == 0 && (r = fh_past_next(past, &pick->interval, &sequence, &block, &err)) != 0) {
        if (r == -EUCLEAN) {
            exit = fh_ctl_fail("%s; going on behind it", err.text);
            r = 0;
        } else if (r == 1) {
            r = count_block(tally, pick, whole, &block);
            fh_past_block_done(&block);
            if (r < 0) {
                fh_error_set(&err, r, "out of memory");
            }
        }
    }
    return r < 0 ? fh_ctl_fail("%s", err.text) : exit;
}

static int render(struct fh_tally *tally, enum fh_tally_by by, const char *format, size_t top,
                  struct fh_buf *into)
{
    if (strcmp(format, "json") == 0) {
        return fh_tally_json(tally, by, top, into);
    }
    return strcmp(format, "csv") == 0
               ? fh_tally_csv(tally, by, top, into)
               : fh_tally_table(tally, by, top, fh_past_options_columns(), into);
}

static enum fh_ctl_exit run(struct fh_past *past, const struct fh_pick *pick, enum fh_tally_by by,
                            const char *format, size_t top)
{
    struct fh_tally *tally = fh_tally_new(by);
    if (!tally) {
        return fh_ctl_fail("out of memory");
    }
    struct fh_buf text;
    struct fh_tally_sum sum;
    fh_buf_init(&text, FH_TALLY_TEXT_MAX);
    enum fh_ctl_exit exit = count_all(past, pick, by == FH_TALLY_LOCATION, tally);
    fh_tally_sum(tally, &sum);
    if (sum.events == 0 && exit == FH_CTL_OK) {
        fh_past_options_nothing(past);
    }
    if (render(tally, by, format, top, &text) < 0) {
        exit = fh_ctl_fail("out of memory");
    } else if (fh_past_options_write(text.data, text.len, &exit) && fflush(stdout) != 0 &&
               errno != EPIPE) {
        exit = fh_ctl_fail("cannot write: %m");
    }
    fh_buf_done(&text);
    fh_tally_free(tally);
    return exit;
}

enum fh_ctl_exit fh_ctl_stats(const struct fh_ctl_call *call)
{
    static struct fh_pick pick;
    enum fh_tally_by by = FH_TALLY_TYPE;
    int64_t top = 0;
    const char *by_text = fh_ctl_option(call, "by");
    const char *format = fh_ctl_option(call, "format");
    format = format ? format : "table";
    if (!fh_past_options(call, &pick)) {
        return FH_CTL_USAGE;
    }
    if (by_text && !parse_by(by_text, &by)) {
        return fh_ctl_usage_error(call, "--by is type, location, hour or tenant, not \"%s\"",
                                  by_text);
    }
    if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0) {
        return fh_ctl_usage_error(call, "--format is table, json or csv, not \"%s\"", format);
    }
    if (!fh_ctl_number(call, "top", 1, FH_TALLY_NAMES, by == FH_TALLY_HOUR ? 0 : TOP_DEFAULT,
                       &top)) {
        return FH_CTL_USAGE;
    }
    struct fh_past *past = fh_past_options_open(call);
    if (!past) {
        return FH_CTL_FAILED;
    }
    enum fh_ctl_exit exit = run(past, &pick, by, format, (size_t)top);
    fh_past_close(past);
    return exit;
}
