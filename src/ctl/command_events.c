/* command_events.c: firehosectl events: what is kept, out of the store, by this process itself: the
 * daemon may run or not and is not asked. Changes nothing. */
#include "past_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 16384

struct show {
    struct fh_pick pick;
    struct fh_row_plan plan;
    bool table, newest;
    int64_t left;   /* events still wanted; -1: any number */
    uint64_t shown; /* so many were */
    struct fh_buf line;
    enum fh_ctl_exit exit;
};

/* false: enough, or nobody reads any more. */
static bool show_one(struct show *show, struct fh_slice record, int64_t stamp)
{
    struct fh_look look;
    if (!fh_past_holds(&show->pick.interval, stamp)) {
        return true;
    }
    if (show->table || fh_pick_needs_facts(&show->pick)) {
        if (!fh_pick_look(&show->pick, record, show->table, &look)) {
            return true;
        }
    }
    if (show->left == 0) {
        return false;
    }
    show->left -= show->left > 0;
    show->shown++;
    if (!show->table) {
        return fh_past_options_write(record.data, record.len, &show->exit) &&
               fh_past_options_write("\n", 1, &show->exit);
    }
    fh_buf_clear(&show->line);
    if (fh_row_print(&show->plan, &look.facts, &show->line) < 0) {
        show->exit = fh_ctl_fail("out of memory");
        return false;
    }
    return fh_past_options_write(show->line.data, show->line.len, &show->exit);
}

static bool show_block(struct show *show, const struct fh_past_block *block)
{
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t at = show->newest ? block->count - 1 - i : i;
        if (!show_one(show, block->record[at], block->key[at].timestamp_ms)) {
            return false;
        }
    }
    return show->left != 0;
}

static void show_all(struct show *show, struct fh_past *past)
{
    const struct fh_past_interval *interval = &show->pick.interval;
    struct fh_error err = {""};
    struct fh_past_block block;
    uint64_t sequence = UINT64_MAX;
    int r = show->newest ? 0 : fh_past_seek(past, interval, &sequence, &err);
    for (bool more = true; r >= 0 && more;) {
        r = show->newest ? fh_past_previous(past, interval, &sequence, &block, &err)
                         : fh_past_next(past, interval, &sequence, &block, &err);
        if (r == 0) {
            break;
        }
        if (r == -EUCLEAN) {
            show->exit = fh_ctl_fail("%s; going on behind it", err.text);
            r = 0;
            continue;
        }
        if (r == 1) {
            more = show_block(show, &block);
            fh_past_block_done(&block);
        }
    }
    if (r < 0) {
        show->exit = fh_ctl_fail("%s", err.text);
    }
}

enum fh_ctl_exit fh_ctl_events(const struct fh_ctl_call *call)
{
    static struct show show;
    const char *format = fh_ctl_option(call, "format");
    if (!fh_past_options(call, &show.pick) ||
        !fh_ctl_number(call, "limit", 1, INT64_MAX, -1, &show.left)) {
        return FH_CTL_USAGE;
    }
    if (format && strcmp(format, "json") != 0 && strcmp(format, "table") != 0) {
        return fh_ctl_usage_error(call, "--format is json or table, not \"%s\"", format);
    }
    show.table = !format || strcmp(format, "table") == 0;
    show.newest = fh_ctl_option(call, "newest") != NULL;
    fh_row_plan(fh_past_options_columns(), &show.plan);
    fh_buf_init(&show.line, LINE_MAX_BYTES);
    struct fh_past *past = fh_past_options_open(call);
    if (!past) {
        return FH_CTL_FAILED;
    }
    bool heading =
        !show.table || (fh_row_heading(&show.plan, &show.line) == 0 &&
                        fh_past_options_write(show.line.data, show.line.len, &show.exit));
    if (heading) {
        show_all(&show, past);
    }
    bool failed = fflush(stdout) != 0 && errno != EPIPE;
    if (failed && show.exit == FH_CTL_OK) {
        show.exit = fh_ctl_fail("cannot write: %m");
    }
    if (show.shown == 0 && show.exit == FH_CTL_OK) {
        fh_past_options_nothing(past);
    }
    fh_buf_done(&show.line);
    fh_past_close(past);
    return show.exit;
}
