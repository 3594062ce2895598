/* test_number.c: floating-point numbers read back as what they were, in the fewest digits.
 *
 * usage: test_number [SEED] */
#include "text.h"

#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 50000

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (seed ^ (seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

static char written[FH_TEXT_NUMBER_MAX + 1];

static const char *of_double(double value)
{
    struct fh_text text = {.at = written, .limit = written + FH_TEXT_NUMBER_MAX};
    fh_text_double(&text, value);
    assert_true(text.at <= text.limit);
    *text.at = '\0';
    return written;
}

static const char *of_float(float value)
{
    struct fh_text text = {.at = written, .limit = written + FH_TEXT_NUMBER_MAX};
    fh_text_float(&text, value);
    assert_true(text.at <= text.limit);
    *text.at = '\0';
    return written;
}

static size_t significant(const char *text)
{
    char digits[64];
    size_t count = 0;
    for (; *text && *text != 'e'; text++) {
        if (isdigit((unsigned char)*text) && (count > 0 || *text != '0')) {
            digits[count++] = *text;
        }
    }
    while (count > 0 && digits[count - 1] == '0') {
        count--;
    }
    return count;
}

static void check_shape(const char *text)
{
    const char *p = text + (*text == '-');
    assert_true(isdigit((unsigned char)*p));
    assert_true(*p != '0' || p[1] == '.');
    p += strspn(p, "0123456789");
    assert_true(*p == '.' && isdigit((unsigned char)p[1]));
    p += 1 + strspn(p + 1, "0123456789");
    if (*p == 'e') {
        p += 1 + (p[1] == '-');
        assert_true(isdigit((unsigned char)*p));
        p += strspn(p, "0123456789");
    }
    assert_int_equal(*p, '\0');
}

static void check_double(double value)
{
    const char *text = of_double(value);
    double back = strtod(text, NULL);
    if (back != value || signbit(back) != signbit(value)) {
        fail_msg("%.17g became %s", value, text);
    }
    check_shape(text);
    for (int digits = 1; digits <= 17; digits++) {
        char shorter[64];
        (void)snprintf(shorter, sizeof(shorter), "%.*e", digits - 1, value);
        if (strtod(shorter, NULL) == value) {
            if (value != 0 && significant(text) > (size_t)digits) {
                fail_msg("%.17g became %s, but %s is enough", value, text, shorter);
            }
            return;
        }
    }
}

static void check_float(float value)
{
    const char *text = of_float(value);
    float back = strtof(text, NULL);
    if (back != value || signbit(back) != signbit(value)) {
        fail_msg("%.9g became %s", (double)value, text);
    }
    check_shape(text);
    for (int digits = 1; digits <= 9; digits++) {
        char shorter[64];
        (void)snprintf(shorter, sizeof(shorter), "%.*e", digits - 1, (double)value);
        if (strtof(shorter, NULL) == value) {
            if (value != 0 && significant(text) > (size_t)digits) {
                fail_msg("%.9g became %s, but %s is enough", (double)value, text, shorter);
            }
            return;
        }
    }
}

static void known_numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } known[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {328.0, "328.0"},
        {-999.0, "-999.0"},
        {0.1, "0.1"},
        {52.3438, "52.3438"},
        {4.8884, "4.8884"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000.0"},
        {1e16, "1.0e16"},
        {1.5e300, "1.5e300"},
        {1e-5, "0.00001"},
        {1.25e-6, "1.25e-6"},
        {5e-324, "5.0e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {123456789012345.67, "123456789012345.67"},
        {1.0 / 3, "0.3333333333333333"},
        {9007199254740993.0, "9007199254740992.0"},
        {-0.00012, "-0.00012"},
        {INFINITY, "\"Infinity\""},
        {-INFINITY, "\"-Infinity\""},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(known); i++) {
        assert_string_equal(of_double(known[i].value), known[i].text);
    }
    assert_string_equal(of_double((double)NAN), "\"NaN\"");
    assert_string_equal(of_float(NAN), "\"NaN\"");
    assert_string_equal(of_float(-INFINITY), "\"-Infinity\"");
    assert_string_equal(of_float(372.79483F), "372.79483");
    assert_string_equal(of_float(0.1F), "0.1");
    assert_string_equal(of_float(16777216.0F), "16777216.0");
    assert_string_equal(of_float(3.4028235e38F), "3.4028235e38");
    assert_string_equal(of_float(1e-45F), "1.0e-45");
    assert_string_equal(of_float(-0.0F), "-0.0");
    /* Halfway: both neighbours read back; the even one, as everybody else prints it. */
    assert_string_equal(of_float(-1638740.25F), "-1638740.2");
    assert_string_equal(of_float(1638740.75F), "1638740.8");
}

static void any_bits_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t bits = next_random();
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value)) {
            check_double(value);
        }
        float single;
        memcpy(&single, &bits, sizeof(single));
        if (isfinite(single)) {
            check_float(single);
        }
    }
}

/* What sensors send, and its neighbours. */
static void decimals_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t random = next_random();
        double power = pow(10, (double)(random >> 60));
        double value = (double)(random % UINT64_C(1000000000000)) / power;
        value = random & (UINT64_C(1) << 59) ? -value : value;
        check_double(value);
        check_double(nextafter(value, 1e300));
        check_float((float)value);
        check_float(nextafterf((float)value, 1e30F));
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    for (size_t i = 0; i < FH_ARRAY_LEN(locales); i++) {
        if (setlocale(LC_NUMERIC, locales[i])) {
            assert_string_equal(of_double(0.1 + 0.2), "0.30000000000000004");
            assert_string_equal(of_float(3.4028235e38F), "3.4028235e38");
        }
    }
    (void)setlocale(LC_NUMERIC, "C");
}

static void integers(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t value = next_random() >> (next_random() & 63);
        char wanted[32];
        struct fh_text text = {.at = written};
        fh_text_unsigned(&text, value);
        *text.at = '\0';
        (void)snprintf(wanted, sizeof(wanted), "%" PRIu64, value);
        assert_string_equal(written, wanted);
        text.at = written;
        fh_text_signed(&text, (int64_t)value);
        *text.at = '\0';
        (void)snprintf(wanted, sizeof(wanted), "%" PRId64, (int64_t)value);
        assert_string_equal(written, wanted);
    }
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    printf("seed %" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers),      cmocka_unit_test(any_bits_read_back),
        cmocka_unit_test(decimals_read_back), cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
