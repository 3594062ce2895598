/* file_name.c: makes and recognises names of batch files. Never touches the file system. */
#include "file_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void fh_file_name(char *text, size_t size, const char *sink, int64_t wall_ms, uint64_t epoch,
                  uint64_t sequence, unsigned copy, bool zstd)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm = {0};
    gmtime_r(&seconds, &tm);
    char stamp[32] = "";
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    char suffix[16] = "";
    if (copy > 0) {
        snprintf(suffix, sizeof(suffix), "_%02u", copy);
    }
    snprintf(text, size, "%s-%s-%06" PRIu64 "-%012" PRIu64 "%s.ndjson%s", sink, stamp, epoch,
             sequence, suffix, zstd ? ".zst" : "");
}

/* Move *at over min..max digits. */
static bool take_digits(const char **at, size_t min, size_t max)
{
    size_t n = strspn(*at, "0123456789");
    *at += n;
    return n >= min && n <= max;
}

static bool take_text(const char **at, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*at, text, len) != 0) {
        return false;
    }
    *at += len;
    return true;
}

bool fh_file_name_is_ours(const char *name, const char *sink)
{
    const char *at = name;
    /* A sink name never has a slash (the configuration refuses it), so neither has a match. */
    if (!take_text(&at, sink) || !take_text(&at, "-") || !take_digits(&at, 8, 8) ||
        !take_text(&at, "T") || !take_digits(&at, 6, 6) || !take_text(&at, "Z-") ||
        !take_digits(&at, 6, 20) || !take_text(&at, "-") || !take_digits(&at, 12, 20)) {
        return false;
    }
    if (*at == '_' && (!take_text(&at, "_") || !take_digits(&at, 2, 2))) {
        return false;
    }
    return strcmp(at, ".ndjson") == 0 || strcmp(at, ".ndjson.zst") == 0;
}

bool fh_file_name_is_part(const char *name, const char *sink, char *text, size_t size)
{
    size_t len = strlen(name);
    size_t suffix = sizeof(FH_PART_SUFFIX) - 1;
    if (len <= suffix || len - suffix >= size || strcmp(name + len - suffix, FH_PART_SUFFIX) != 0) {
        return false;
    }
    memcpy(text, name, len - suffix);
    text[len - suffix] = '\0';
    return fh_file_name_is_ours(text, sink);
}
