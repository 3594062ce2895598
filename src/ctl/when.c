/* when.c: owns the forms of a time. Reads no clock. */
#include "when.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS         INT64_C(86400000)
#define EPOCH_DIGITS   11 /* fewer would be before April 1970: rather a slip */
#define EPOCH_MAX      INT64_C(253402300799999) /* the year 9999 */
#define AGO_DIGITS_MAX 9

/* Exactly n digits at *at; moves it. */
static bool take_digits(const char **at, int n, int *ret)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9') {
            return false;
        }
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += n;
    *ret = value;
    return true;
}

static bool take_char(const char **at, const char *one_of)
{
    if (**at == '\0' || !strchr(one_of, **at)) {
        return false;
    }
    (*at)++;
    return true;
}

static bool take_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*at, word, len) != 0) {
        return false;
    }
    *at += len;
    return true;
}

/* ---- forms ---------------------------------------------------------------------------------- */

static bool epoch(const char *text, int64_t *ret_ms)
{
    size_t digits = strspn(text, "0123456789");
    if (digits < EPOCH_DIGITS || digits > 15 || text[digits] != '\0') {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (text[i] - '0');
    }
    *ret_ms = value;
    return value <= EPOCH_MAX;
}

/* "90s", "15m", "2h", "3d" */
static bool ago(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > AGO_DIGITS_MAX || text[digits] == '\0' ||
        text[digits + 1] != '\0') {
        return false;
    }
    int64_t count = 0;
    for (size_t i = 0; i < digits; i++) {
        count = count * 10 + (text[i] - '0');
    }
    switch (text[digits]) {
    case 's':
        *ret_ms = now_ms - count * 1000;
        return true;
    case 'm':
        *ret_ms = now_ms - count * 60000;
        return true;
    case 'h':
        *ret_ms = now_ms - count * 3600000;
        return true;
    case 'd':
        *ret_ms = now_ms - count * DAY_MS;
        return true;
    default:
        return false;
    }
}

/* HH:MM[:SS[.fraction]] into tm and milliseconds. */
static bool take_clock(const char **at, struct tm *tm, int *ret_ms)
{
    if (!take_digits(at, 2, &tm->tm_hour) || !take_char(at, ":") ||
        !take_digits(at, 2, &tm->tm_min) || tm->tm_hour > 23 || tm->tm_min > 59) {
        return false;
    }
    tm->tm_sec = 0;
    *ret_ms = 0;
    if (!take_char(at, ":")) {
        return true;
    }
    if (!take_digits(at, 2, &tm->tm_sec) || tm->tm_sec > 60) {
        return false;
    }
    if (take_char(at, ".")) {
        int scale = 100;
        size_t digits = strspn(*at, "0123456789");
        for (size_t i = 0; i < digits; i++, scale /= 10) {
            *ret_ms += ((*at)[i] - '0') * scale;
        }
        *at += digits;
        return digits > 0;
    }
    return true;
}

/* What the fields of tm are as seconds, read as UTC. */
static time_t as_utc(const struct tm *tm)
{
    struct tm copy = *tm;
    return timegm(&copy);
}

/* Local time by the offset in force a day before, else by that of a day behind: an hour that the
 * clocks repeat is the first one, and one that they leave out is read by the clock as it was. Not
 * by mktime, which answers by what it was asked before. */
static time_t as_local(const struct tm *tm)
{
    const time_t day = 86400;
    time_t utc = as_utc(tm);
    const time_t near[] = {utc - day, utc + day};
    time_t first = 0;
    for (size_t i = 0; i < FH_ARRAY_LEN(near); i++) {
        struct tm there = {0};
        struct tm back = {0};
        localtime_r(&near[i], &there);
        time_t seconds = utc - there.tm_gmtoff;
        if (localtime_r(&seconds, &back) && as_utc(&back) == utc) {
            return seconds;
        }
        first = i == 0 ? seconds : first;
    }
    return first;
}

/* "Z", "+02:00" or nothing (local) behind a date and a clock; ends the text. */
static bool finish(const char *at, const struct tm *tm, int ms, bool zone_allowed, int64_t *ret_ms)
{
    struct tm whole = *tm;
    int hours = 0;
    int minutes = 0;
    time_t seconds = timegm(&whole);
    /* 31 February would come out as 3 March. */
    bool exists = whole.tm_mday == tm->tm_mday && whole.tm_mon == tm->tm_mon;
    bool minus = *at == '-';
    if (*at == '\0') {
        seconds = as_local(tm);
    } else if (!zone_allowed) {
        return false;
    } else {
        if (!take_char(&at, "Zz") &&
            !(take_char(&at, "+-") && take_digits(&at, 2, &hours) && take_char(&at, ":") &&
              take_digits(&at, 2, &minutes) && hours < 24 && minutes < 60)) {
            return false;
        }
        seconds -= (minus ? -1 : 1) * ((time_t)hours * 3600 + (time_t)minutes * 60);
    }
    *ret_ms = (int64_t)seconds * 1000 + ms;
    return exists && *at == '\0';
}

static bool date(const char *at, int64_t *ret_ms)
{
    struct tm tm = {0};
    int ms = 0;
    if (!take_digits(&at, 4, &tm.tm_year) || !take_char(&at, "-") ||
        !take_digits(&at, 2, &tm.tm_mon) || !take_char(&at, "-") ||
        !take_digits(&at, 2, &tm.tm_mday) || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_year < 1970) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (*at == '\0') {
        return finish(at, &tm, 0, false, ret_ms);
    }
    return take_char(&at, "Tt ") && take_clock(&at, &tm, &ms) && finish(at, &tm, ms, true, ret_ms);
}

/* "today", "yesterday", each with a clock behind it, or a clock alone. */
static bool of_a_day(const char *at, int64_t now_ms, int64_t *ret_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    int ms = 0;
    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    bool named = take_word(&at, "today");
    if (!named && take_word(&at, "yesterday")) {
        named = true;
        tm.tm_mday--;
        timegm(&tm); /* carries: the day before the first of a month */
    }
    if (named && *at == '\0') {
        return finish(at, &tm, 0, false, ret_ms);
    }
    return (!named || take_char(&at, " ")) && take_clock(&at, &tm, &ms) &&
           finish(at, &tm, ms, false, ret_ms);
}

int fh_when_parse(const char *text, int64_t now_ms, struct fh_error *err, int64_t *ret_ms)
{
    int64_t ms = now_ms;
    if (strcmp(text, "now") != 0 && !epoch(text, &ms) && !ago(text, now_ms, &ms) &&
        !date(text, &ms) && !of_a_day(text, now_ms, &ms)) {
        return fh_error_set(err, -EINVAL,
                            "\"%.64s\" is no time; write 2026-11-23T14:00:00Z, 14:00, "
                            "\"yesterday 14:00\", 2h (two hours ago), now, or milliseconds since "
                            "1970",
                            text);
    }
    *ret_ms = ms;
    return 0;
}

void fh_when_print(int64_t ms, char text[FH_WHEN_SIZE])
{
    int64_t part = ms % 1000;
    time_t seconds = (time_t)(ms / 1000 - (part < 0));
    struct tm tm = {0};
    part += part < 0 ? 1000 : 0;
    if (!localtime_r(&seconds, &tm) || strftime(text, 24, "%Y-%m-%d %H:%M:%S", &tm) == 0) {
        snprintf(text, FH_WHEN_SIZE, "%" PRId64 " ms", ms); /* a year nobody lives in */
        return;
    }
    size_t len = strlen(text);
    snprintf(text + len, FH_WHEN_SIZE - len, ".%03d", (int)part);
}
