/* reload.c: owns the answer to "may this be taken over while running?". Never changes anything. */
#include "schema.h"

#include <stdio.h>
#include <string.h>

struct listing {
    char *text;
    size_t size;
    size_t used;
    size_t count;
};

static void list_path(struct listing *listing, const char *path, const char *sink)
{
    char full[128];
    if (sink) {
        snprintf(full, sizeof(full), "sinks.%s.%s", sink, strchr(path, '.') + 1);
        path = full;
    }
    size_t len = strlen(path) + (listing->count > 0 ? 2 : 0);
    if (listing->used + len < listing->size) {
        snprintf(listing->text + listing->used, listing->size - listing->used, "%s%s",
                 listing->count > 0 ? ", " : "", path);
        listing->used += len;
    }
    listing->count++;
}

static bool differs(const struct fh_option *option, struct fh_config *before,
                    struct fh_config *after, size_t sink)
{
    const void *old = fh_option_value(option, before, sink);
    const void *new = fh_option_value(option, after, sink);
    switch (option->type) {
    case FH_OPTION_STRING:
    case FH_OPTION_PATH:
    case FH_OPTION_NAME:
        return strcmp(old, new) != 0;
    case FH_OPTION_RANGES: /* split anew while running; but what the pair reads stays */
        return before->firehose.range_holes != after->firehose.range_holes;
    default:
        return memcmp(old, new, option->size) != 0;
    }
}

static bool same_sinks(const struct fh_config *before, const struct fh_config *after)
{
    if (before->sink_count != after->sink_count) {
        return false;
    }
    for (size_t i = 0; i < before->sink_count; i++) {
        if (strcmp(before->sinks[i].name, after->sinks[i].name) != 0) {
            return false;
        }
    }
    return true;
}

/* A section that came or went is named as a whole. */
static bool section_comparable(const struct fh_option *option, const struct fh_config *old,
                               const struct fh_config *new)
{
    for (size_t i = 0; i < fh_section_count; i++) {
        if (fh_option_in(option, fh_sections[i].name)) {
            return fh_section_is_there(&fh_sections[i], old) &&
                   fh_section_is_there(&fh_sections[i], new);
        }
    }
    return true;
}

size_t fh_config_restart_needed(const struct fh_config *before, const struct fh_config *after,
                                char *text, size_t size)
{
    struct fh_config old = *before;
    struct fh_config new = *after;
    struct listing listing = {.text = text, .size = size};
    if (size > 0) {
        text[0] = '\0';
    }
    for (size_t i = 0; i < fh_section_count; i++) {
        if (fh_section_is_there(&fh_sections[i], &old) !=
            fh_section_is_there(&fh_sections[i], &new)) {
            list_path(&listing, fh_sections[i].name, NULL);
        }
    }
    bool sinks_comparable = same_sinks(&old, &new);
    if (!sinks_comparable) {
        list_path(&listing, FH_SINKS_SECTION, NULL);
    }
    for (size_t i = 0; i < fh_option_count; i++) {
        const struct fh_option *option = &fh_options[i];
        bool taken_over = option->reloadable && option->type != FH_OPTION_RANGES;
        if (taken_over || option->type == FH_OPTION_RECEIVERS ||
            !section_comparable(option, &old, &new)) {
            continue;
        }
        bool of_sink = fh_option_in(option, FH_SINKS_SECTION);
        size_t rows = of_sink ? (sinks_comparable ? old.sink_count : 0) : 1;
        for (size_t sink = 0; sink < rows; sink++) {
            if (differs(option, &old, &new, sink)) {
                list_path(&listing, option->path, of_sink ? old.sinks[sink].name : NULL);
            }
        }
    }
    return listing.count;
}
