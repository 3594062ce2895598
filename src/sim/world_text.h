/* world_text.h: numbers and constants to text, for lines rendered a million times a second. Each
 * function appends at p and returns the new end; the caller guarantees the room (SIM_LINE_MAX). */
#ifndef SIM_WORLD_TEXT_H
#define SIM_WORLD_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Longest line the simulated world renders; test_sim_world checks that there is room to spare. */
#define SIM_LINE_MAX 8192

static inline char *sim_put_bytes(char *p, const char *bytes, size_t length)
{
    memcpy(p, bytes, length);
    return p + length;
}

#define SIM_PUT(p, literal) sim_put_bytes((p), "" literal, sizeof(literal) - 1)

static inline char *sim_put_text(char *p, const char *text)
{
    return sim_put_bytes(p, text, strlen(text));
}

extern const char sim_digit_pairs[201];

/* Eight digits at most by pairs, from the back; the common path for small numbers. */
static inline char *sim_put_uint(char *p, uint64_t value)
{
    char digits[20];
    char *start = digits + sizeof(digits);
    while (value >= 100) {
        uint64_t rest = value / 100;
        start -= 2;
        memcpy(start, sim_digit_pairs + 2 * (value - rest * 100), 2);
        value = rest;
    }
    if (value >= 10) {
        start -= 2;
        memcpy(start, sim_digit_pairs + 2 * (size_t)value, 2);
    } else {
        *--start = (char)('0' + value);
    }
    return sim_put_bytes(p, start, (size_t)(digits + sizeof(digits) - start));
}

static inline char *sim_put_int(char *p, int64_t value)
{
    if (value < 0) {
        *p++ = '-';
        return sim_put_uint(p, (uint64_t)0 - (uint64_t)value);
    }
    return sim_put_uint(p, (uint64_t)value);
}

/* Two digits, zero-padded; value below 100. */
static inline char *sim_put_pair(char *p, uint32_t value)
{
    return sim_put_bytes(p, sim_digit_pairs + 2 * (size_t)value, 2);
}

/* Lower-case hex without leading zeros, as the service prints its identifiers. */
char *sim_put_hex(char *p, uint32_t value);
/* value / 10^decimals, shortest, but with at least one decimal: 2400,2 -> 24.0; 4850,2 -> 48.5. */
char *sim_put_fixed(char *p, int64_t value, unsigned decimals);
/* value / 4: feet are kept in quarters. */
char *sim_put_quarters(char *p, uint32_t value);
/* Local time of the campus (central European, with summer time) without zone, as section 8 of the
 * API reference shows it: 2026-01-01T00:59:00, or without the seconds. */
char *sim_put_local_time(char *p, int64_t epoch_ms, int with_seconds);

#endif
