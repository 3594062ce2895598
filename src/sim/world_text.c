/* world_text.c: the less frequent conversions of world_text.h. Owns nothing but tables. */
#include "world_text.h"

const char sim_digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

char *sim_put_hex(char *p, uint32_t value)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 28;
    while (shift > 0 && (value >> shift) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *p++ = digits[(value >> shift) & 15];
    }
    return p;
}

char *sim_put_fixed(char *p, int64_t value, unsigned decimals)
{
    static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    uint64_t magnitude = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    if (value < 0) {
        *p++ = '-';
    }
    uint32_t fraction = (uint32_t)(magnitude % powers[decimals]);
    p = sim_put_uint(p, magnitude / powers[decimals]);
    *p++ = '.';
    do {
        if (decimals == 0) {
            *p++ = '0';
            break;
        }
        decimals--;
        *p++ = (char)('0' + fraction / powers[decimals]);
        fraction %= powers[decimals];
    } while (fraction != 0);
    return p;
}

char *sim_put_quarters(char *p, uint32_t value)
{
    static const char fractions[4][4] = {".0", ".25", ".5", ".75"};
    p = sim_put_uint(p, value / 4);
    const char *fraction = fractions[value & 3];
    return sim_put_bytes(p, fraction, (value & 1) ? 3 : 2);
}

struct civil {
    int64_t year;
    uint32_t month;
    uint32_t day;
};

/* Days since 1970-01-01 to a date of the Gregorian calendar, counted in 400-year cycles that begin
 * on 1 March so that the leap day comes last. */
static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t cycle = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t day_of_cycle = (uint32_t)(days - cycle * 146097);
    uint32_t year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    uint32_t day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    uint32_t shifted_month = (5 * day_of_year + 2) / 153;
    struct civil civil = {
        .year = (int64_t)year_of_cycle + cycle * 400,
        .month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9,
        .day = day_of_year - (153 * shifted_month + 2) / 5 + 1,
    };
    civil.year += civil.month <= 2;
    return civil;
}

/* Summer time runs from the last Sunday of March to the last Sunday of October, 01:00 UTC each. */
static int is_summer_time(struct civil date, int64_t days, uint32_t second_of_day)
{
    if (date.month != 3 && date.month != 10) {
        return date.month > 3 && date.month < 10;
    }
    uint32_t weekday = (uint32_t)(((days + 4) % 7 + 7) % 7); /* 0 = Sunday */
    uint32_t last_sunday = 31 - (weekday + 31 - date.day) % 7;
    int after = date.day > last_sunday || (date.day == last_sunday && second_of_day >= 3600);
    return date.month == 3 ? after : !after;
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    return value >= 0 ? value / by : -((-value + by - 1) / by);
}

char *sim_put_local_time(char *p, int64_t epoch_ms, int with_seconds)
{
    int64_t seconds = floor_divide(epoch_ms, 1000);
    int64_t days = floor_divide(seconds, 86400);
    uint32_t second_of_day = (uint32_t)(seconds - days * 86400);
    struct civil date = civil_from_days(days);
    seconds += is_summer_time(date, days, second_of_day) ? 7200 : 3600;
    days = floor_divide(seconds, 86400);
    second_of_day = (uint32_t)(seconds - days * 86400);
    date = civil_from_days(days);

    p = sim_put_uint(p, (uint64_t)date.year);
    *p++ = '-';
    p = sim_put_pair(p, date.month);
    *p++ = '-';
    p = sim_put_pair(p, date.day);
    *p++ = 'T';
    p = sim_put_pair(p, second_of_day / 3600);
    *p++ = ':';
    p = sim_put_pair(p, second_of_day / 60 % 60);
    if (with_seconds) {
        *p++ = ':';
        p = sim_put_pair(p, second_of_day % 60);
    }
    return p;
}
