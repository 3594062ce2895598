/* number.c: floating-point numbers in the fewest decimal digits that read back as the same value,
 * always with a fraction or an exponent, whatever the locale.
 *
 * The fast path covers what sensors send, numbers with few decimals. An integer below 2^53 divided
 * by a power of ten up to 10^22 is rounded once, so the quotient is the very value a reader makes
 * of that decimal: if it equals the number, the decimal reads back right. The first power that fits
 * gives the fewest digits, since up to 15 digits no two decimals share a double. The rest is left
 * to the C library: more and more digits until they read back, from 15 (6 for a float) on, below
 * which every decimal reads back, except that subnormal numbers have less precision. */
#include "text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FAST_DECIMALS   8
#define FAST_DOUBLE_MAX 1e15       /* the scaled number: 15 digits */
#define FAST_FLOAT_MAX  1e10       /* likewise; a float needs at most 9 */
#define EXACT_FLOAT_MAX 16777216.0 /* 2^24: past it not all digits of an integer are needed */
#define FAST_LOW        1e-5       /* smaller ones are written with an exponent */

/* Plain notation for exponents from -5 to 15, as in 0.00001 and 1234567890123456.0. */
#define PLAIN_LOW  (-5)
#define PLAIN_HIGH 16

static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};

/* scaled has decimals digits after the point. */
static void put_decimal(struct fh_text *text, bool negative, uint64_t scaled, int decimals)
{
    if (negative) {
        *text->at++ = '-';
    }
    uint64_t unit = (uint64_t)powers[decimals];
    fh_text_unsigned(text, scaled / unit);
    *text->at++ = '.';
    if (decimals == 0) {
        *text->at++ = '0';
        return;
    }
    uint64_t fraction = scaled % unit;
    for (int i = decimals; i > 0; i--) {
        text->at[i - 1] = (char)('0' + fraction % 10);
        fraction /= 10;
    }
    text->at += decimals;
}

static void put_named(struct fh_text *text, double value)
{
    const char *name = isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    fh_text_put(text, name, strlen(name));
}

/* "-d.ddde-xx" of the C library (the point may be anything: it depends on the locale), laid out. */
static void put_scientific(struct fh_text *text, const char *printed)
{
    char digits[32] = "";
    int count = 0;
    const char *p = printed;
    if (*p == '-') {
        *text->at++ = *p++;
    }
    for (; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9' && count < (int)sizeof(digits)) {
            digits[count++] = *p;
        }
    }
    int exponent = (int)strtol(p + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    bool plain = exponent >= PLAIN_LOW && exponent < PLAIN_HIGH;
    int whole = plain ? exponent + 1 : 1; /* digits before the point */
    if (whole <= 0) {
        fh_text_put(text, "0.", 2);
    }
    for (int i = whole < 0 ? whole : 0; i < count || i < whole; i++) {
        if (i == whole && i > 0) {
            *text->at++ = '.';
        }
        *text->at++ = i >= 0 && i < count ? digits[i] : '0';
    }
    if (whole >= count) {
        fh_text_put(text, ".0", 2);
    }
    if (!plain) {
        text->at += sprintf(text->at, "e%d", exponent);
    }
}

static void slow_double(struct fh_text *text, double value)
{
    char printed[48];
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        (void)snprintf(printed, sizeof(printed), "%.*e", digits - 1, value);
        if (strtod(printed, NULL) == value) { /* NOLINT(bugprone-*): equality is what is asked */
            break;
        }
    }
    put_scientific(text, printed);
}

static void slow_float(struct fh_text *text, float value)
{
    char printed[48];
    for (int digits = fabsf(value) < FLT_MIN ? 1 : FLT_DIG; digits <= FLT_DECIMAL_DIG; digits++) {
        (void)snprintf(printed, sizeof(printed), "%.*e", digits - 1, (double)value);
        if (strtof(printed, NULL) == value) {
            break;
        }
    }
    put_scientific(text, printed);
}

void fh_text_double(struct fh_text *text, double value)
{
    if (!isfinite(value)) {
        put_named(text, value);
        return;
    }
    double magnitude = fabs(value);
    bool fast = magnitude >= FAST_LOW || magnitude == 0;
    for (int i = 0; fast && i <= FAST_DECIMALS; i++) {
        double scaled = magnitude * powers[i];
        if (scaled >= FAST_DOUBLE_MAX) {
            break;
        }
        uint64_t rounded = (uint64_t)llrint(scaled); /* of two as near, the even one */
        if ((double)rounded / powers[i] == magnitude) {
            put_decimal(text, signbit(value), rounded, i);
            return;
        }
    }
    slow_double(text, value);
}

/* Is the double in the middle between two floats? Then rounding it to a float may not give what
 * rounding the decimal to a float does. */
static bool between_floats(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return (bits & 0x1FFFFFFF) == 0x10000000;
}

void fh_text_float(struct fh_text *text, float value)
{
    if (!isfinite(value)) {
        put_named(text, (double)value);
        return;
    }
    double magnitude = fabs((double)value);
    bool fast = (magnitude >= FAST_LOW && magnitude < EXACT_FLOAT_MAX) || magnitude == 0;
    for (int i = 0; fast && i <= FAST_DECIMALS; i++) {
        double scaled = magnitude * powers[i];
        if (scaled >= FAST_FLOAT_MAX) {
            break;
        }
        uint64_t rounded = (uint64_t)llrint(scaled); /* of two as near, the even one */
        double quotient = (double)rounded / powers[i];
        if ((float)quotient == (float)magnitude && !between_floats(quotient)) {
            put_decimal(text, signbit(value), rounded, i);
            return;
        }
    }
    slow_float(text, value);
}
