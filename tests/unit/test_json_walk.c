/* test_json_walk.c: which objects the walk goes into, which values it takes, and of which texts it
 * says that they are no JSON. What is taken is written down as "depth:what:value" and a blank. */
#include "fh/json_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum place { OUTERMOST, PAYLOAD, CHAIN };
enum what { NOTHING, STAMP, ID, OWN_NAME };

static const struct fh_json_member in_outermost[] = {FH_JSON_TAKE("stamp", STAMP)};
static const struct fh_json_member in_payload[] = {FH_JSON_TAKE("id", ID),
                                                   FH_JSON_ENTER("chain", CHAIN)};
static const struct fh_json_member in_chain[] = {FH_JSON_TAKE("id", ID),
                                                 FH_JSON_ENTER("chain", CHAIN)};
static const struct fh_json_place places[] = {
    [OUTERMOST] = FH_JSON_PLACE(in_outermost),
    [PAYLOAD] = FH_JSON_PLACE(in_payload),
    [CHAIN] = FH_JSON_PLACE(in_chain),
};

struct notes {
    char text[1024];
    unsigned entered;
    unsigned chains_max; /* no more are entered */
};

static bool enter(void *userdata, unsigned depth, uint8_t place)
{
    struct notes *notes = userdata;
    assert_int_equal(place, depth == 0 ? PAYLOAD : CHAIN);
    if (place == CHAIN && notes->entered == notes->chains_max) {
        return false;
    }
    notes->entered += place == CHAIN;
    return true;
}

static void take(void *userdata, unsigned depth, uint8_t what, struct fh_slice value)
{
    struct notes *notes = userdata;
    size_t len = strlen(notes->text);
    snprintf(notes->text + len, sizeof(notes->text) - len, "%u:%u:%.*s ", depth, what,
             (int)value.len, value.data);
}

/* "name" is a name of its own, "no" is one that must not be. */
static bool identify(struct fh_slice key, uint8_t *ret_take)
{
    *ret_take = key.len == 4 && memcmp(key.data, "name", 4) == 0 ? OWN_NAME : NOTHING;
    return key.len != 2 || memcmp(key.data, "no", 2) != 0;
}

static bool walk(const char *text, struct notes *notes, bool identifies)
{
    const struct fh_json_walk how = {
        .place = places,
        .payload = PAYLOAD,
        .identify = identifies ? identify : NULL,
        .enter = enter,
        .take = take,
    };
    notes->text[0] = '\0';
    notes->entered = 0;
    size_t len = strlen(text);
    char *exact = malloc(len + 1); /* the address sanitizer sees the first byte read too many */
    assert_non_null(exact);
    memcpy(exact, text, len);
    exact = realloc(exact, len ? len : 1);
    bool good = fh_json_walk(&how, notes, exact, len);
    free(exact);
    return good;
}

static void expect(const char *text, const char *wanted)
{
    struct notes notes = {.chains_max = 100};
    assert_true(walk(text, &notes, false));
    assert_string_equal(notes.text, wanted);
}

static void test_what_is_taken(void **state)
{
    (void)state;
    expect(" { } ", "");
    expect("{\"stamp\" : [1, 2] , \"a\":{\"id\":\"x\"}, \"b\":{\"id\":7} }\r\n",
           "0:1:[1, 2] 1:2:\"x\" 1:2:7 ");
    expect("{\"a\":{\"chain\":{\"id\":1,\"chain\":{\"id\":2},\"other\":{\"id\":3}},\"id\":4}}",
           "2:2:1 3:2:2 1:2:4 ");
    /* a name of the outermost object is no payload, an array is none, and "id" is a payload there
     */
    expect("{\"stamp\":{\"id\":1},\"a\":[{\"id\":2}],\"id\":{\"id\":3}}", "0:1:{\"id\":1} 1:2:3 ");
    /* what would be entered, but is no object, is not taken either */
    expect("{\"a\":{\"chain\":5}}", "");
    /* the same name, however it is written; longer ones, and one with a NUL in it, are others */
    expect("{\"a\":{\"i\\u0064\":1}}", "1:2:1 ");
    expect("{\"a\":{\"id\\u0000\":1,\"id\\u0078\":1,\"i\":1}}", "");
}

static void test_the_first_of_equal_keys_counts(void **state)
{
    (void)state;
    expect("{\"a\":{\"id\":1,\"\\u0069d\":2},\"a\":{\"id\":3}}", "1:2:1 1:2:3 ");
    expect("{\"a\":{\"chain\":{},\"chain\":{\"id\":1}}}", "");
    expect("{\"a\":{\"chain\":1,\"chain\":{\"id\":1}}}", "");
    /* the second one is still no payload */
    expect("{\"stamp\":1,\"stamp\":{\"id\":2}}", "0:1:1 ");
}

static void test_the_outermost_names_are_the_callers(void **state)
{
    (void)state;
    struct notes notes = {.chains_max = 100};
    assert_true(walk("{\"name\":1,\"stamp\":2,\"name\":3,\"a\":{\"id\":4}}", &notes, true));
    assert_string_equal(notes.text, "0:3:1 0:3:3 1:2:4 ");
    assert_false(walk("{\"name\":1,\"no\":2,\"name\":3}", &notes, true));
    assert_string_equal(notes.text, "0:3:1 ");
}

/* Objects one in the other: as deep as it may go, as the caller says, and what is deeper is checked
 * all the same. */
static void test_depth(void **state)
{
    (void)state;
    char text[2048] = "{\"a\":{";
    size_t good = 0;
    for (int i = 0; i < 40; i++) {
        strcat(text, "\"chain\":{\"id\":1,");
    }
    strcat(text, "\"x\":0");
    for (int i = 0; i < 42; i++) {
        strcat(text, "}");
    }
    struct notes notes = {.chains_max = 100};
    assert_true(walk(text, &notes, false));
    assert_int_equal(notes.entered, FH_JSON_WALK_DEPTH - 2);
    for (const char *at = notes.text; (at = strstr(at, ":2:1 ")); at++) {
        good++;
    }
    assert_int_equal(good, FH_JSON_WALK_DEPTH - 2);
    notes.chains_max = 3;
    assert_true(walk(text, &notes, false));
    assert_string_equal(notes.text, "2:2:1 3:2:1 4:2:1 ");
    *strstr(text, "\"x\":0") = 'x';
    assert_false(walk(text, &notes, false));
}

static void test_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          " ",          "x",        "[]",          "\"a\"",
        "{",         "{}x",        "{} {}",    "{,}",         "{\"a\"",
        "{\"a\":",   "{\"a\":}",   "{\"a\":1", "{\"a\":1,}",  "{\"a\":1 \"b\":2}",
        "{\"a\":{}", "{\"a\":{,}", "{\"a\":]", "{\"a\":{]}",  "{\"a\":{\"id\":nul}}",
        "{a:1}",     "{\"\n\":1}", "}",        "{\"a\":{}}}", "{\"a\":{\"chain\":{}}",
    };
    struct notes notes = {.chains_max = 100};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (walk(texts[i], &notes, false)) {
            fail_msg("taken for JSON: %s", texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_the_first_of_equal_keys_counts),
        cmocka_unit_test(test_the_outermost_names_are_the_callers),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
