/* words.c: values as people read them. */
#include "words.h"

#include "fh/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void fh_words_duration(int64_t ms, char *text, size_t size)
{
    int64_t seconds = ms / 1000;
    if (ms < 0) {
        snprintf(text, size, "-");
    } else if (ms < 1000) {
        snprintf(text, size, "%" PRId64 " ms", ms);
    } else if (seconds < 120) {
        snprintf(text, size, "%" PRId64 ".%" PRId64 " s", seconds, ms % 1000 / 100);
    } else if (seconds < 7200) {
        snprintf(text, size, "%" PRId64 " min", seconds / 60);
    } else if (seconds < 172800) {
        snprintf(text, size, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds % 3600 / 60);
    } else {
        snprintf(text, size, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
                 seconds % 86400 / 3600);
    }
}

void fh_words_bytes(int64_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < FH_ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(text, size, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void fh_words_time(int64_t ms, char *text, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char stamp[32];
    if (ms <= 0 || !gmtime_r(&seconds, &tm) ||
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(text, size, "-");
        return;
    }
    snprintf(text, size, "%s.%03dZ", stamp, (int)(ms % 1000));
}

void fh_words_grouped(uint64_t number, char *text, size_t size)
{
    char digits[24];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number);
    size_t used = 0;
    for (size_t i = 0; i < len && used + 2 < size; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used < size ? used : size - 1] = '\0';
}
