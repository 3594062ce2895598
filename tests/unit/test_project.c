/* test_project.c: which fields a projection leaves, byte for byte; which paths are refused; and the
 * samples of every event type against cJSON. */
#include "fh/project.h"

#include "project_oracle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* paths: separated by blanks; +a.b includes, -a.b drops. */
static void make(struct fh_projection *projection, const char *paths)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", paths);
    memset(projection, 0, sizeof(*projection));
    char *rest = NULL;
    for (char *path = strtok_r(copy, " ", &rest); path; path = strtok_r(NULL, " ", &rest)) {
        struct fh_error err = {""};
        int r = path[0] == '+' ? fh_projection_include(projection, path + 1, &err)
                               : fh_projection_drop(projection, path + 1, &err);
        if (r < 0) {
            fail_msg("%s", err.text);
        }
    }
}

#define HEAD                                                                                       \
    "\"recordUid\":\"u\",\"recordTimestamp\":7,\"eventType\":\"T\",\"spacesTenantId\":\"t\""
#define REST "\"spacesTenantName\":\"n\""

static const struct {
    const char *paths, *text, *wanted;
} cases[] = {
    /* nothing to do: a copy */
    {"", "{" HEAD "," REST "}", "{" HEAD "," REST "}"},
    /* drop: first, middle, last, all */
    {"-a", "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2,\"c\":3}"},
    {"-b", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}"},
    {"-c", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"b\":2}"},
    {"-a -b -c", "{\"a\":1,\"b\":2,\"c\":3}", "{}"},
    {"-*", "{\"a\":1," HEAD "," REST ",\"p\":{\"x\":1}}", "{" HEAD "}"},
    {"-a.b.c", "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"c\":3},\"b\":{\"c\":4}}",
     "{\"a\":{\"b\":{\"d\":2},\"c\":3},\"b\":{\"c\":4}}"},
    {"-*.b", "{\"a\":{\"b\":1},\"b\":{\"b\":{}},\"c\":{\"c\":{\"b\":1}}}",
     "{\"a\":{},\"b\":{},\"c\":{\"c\":{\"b\":1}}}"},
    {"-*.*.b", "{\"a\":{\"b\":1},\"c\":{\"c\":{\"b\":1}}}", "{\"a\":{\"b\":1},\"c\":{\"c\":{}}}"},
    /* names that only begin alike */
    {"-ab", "{\"a\":1,\"ab\":2,\"abc\":3,\"\":4}", "{\"a\":1,\"abc\":3,\"\":4}"},
    {"-*", "{\"\":4,\"recordUid\":5}", "{\"recordUid\":5}"},
    /* both of two equal names */
    {"-a", "{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2}"},
    /* include */
    {"+p.x", "{" HEAD "," REST ",\"p\":{\"w\":0,\"x\":{\"y\":1},\"z\":2},\"q\":{\"x\":1}}",
     "{" HEAD ",\"p\":{\"x\":{\"y\":1}}}"},
    {"+p", "{\"q\":1,\"p\":[1,{\"x\":2}]}", "{\"p\":[1,{\"x\":2}]}"},
    {"+*.x", "{" HEAD ",\"p\":{\"x\":1,\"y\":2},\"q\":{\"y\":2},\"r\":7}",
     "{" HEAD ",\"p\":{\"x\":1},\"q\":{}}"},
    {"+recordUid", "{" HEAD "," REST ",\"p\":{}}", "{" HEAD "}"},
    /* a path goes deeper than the value */
    {"+p.x", "{\"p\":7,\"q\":8}", "{}"},
    {"-p.x", "{\"p\":7,\"q\":8}", "{\"p\":7,\"q\":8}"},
    /* a drop below what is included */
    {"+p -p.x", "{\"p\":{\"x\":1,\"y\":2},\"q\":1}", "{\"p\":{\"y\":2}}"},
    {"+p.x -*.x.s", "{\"p\":{\"x\":{\"s\":1,\"t\":2},\"s\":3}}", "{\"p\":{\"x\":{\"t\":2}}}"},
    /* a shorter include contains a longer one */
    {"+p.x.y +p.x", "{\"p\":{\"x\":{\"y\":1,\"z\":2}}}", "{\"p\":{\"x\":{\"y\":1,\"z\":2}}}"},
    /* arrays: through their elements */
    {"-a.b", "{\"a\":[{\"b\":1,\"c\":2},{\"b\":3},[{\"b\":4,\"c\":5}],7,\"s\"]}",
     "{\"a\":[{\"c\":2},{},[{\"c\":5}],7,\"s\"]}"},
    {"+a.b", "{\"a\":[{\"b\":1,\"c\":2},{\"c\":3},[{\"b\":4,\"c\":5}],7,\"s\"]}",
     "{\"a\":[{\"b\":1},{},[{\"b\":4}]]}"},
    {"+a.b", "{\"a\":[7,8],\"c\":[9]}", "{\"a\":[]}"},
    {"-a.b", "[{\"a\":{\"b\":1,\"c\":2}},{\"recordUid\":1}]",
     "[{\"a\":{\"c\":2}},{\"recordUid\":1}]"},
    {"+a.b", "[{\"recordUid\":1,\"a\":{\"b\":2}}]", "[{\"a\":{\"b\":2}}]"},
    /* always kept only outermost */
    {"+p.x", "{" HEAD ",\"p\":{\"recordUid\":1,\"x\":2}}", "{" HEAD ",\"p\":{\"x\":2}}"},
    {"-p.recordUid", "{" HEAD ",\"p\":{\"recordUid\":1,\"x\":2}}", "{" HEAD ",\"p\":{\"x\":2}}"},
    {"-*.*", "{\"recordUid\":{\"a\":{\"b\":1}},\"p\":{\"a\":{\"b\":1}}}",
     "{\"recordUid\":{\"a\":{\"b\":1}},\"p\":{}}"},
    /* bytes stay: numbers, escapes, UTF-8; blanks inside of what is kept whole */
    {"-x",
     "{ \"x\" : 1 , \"n\" : 1.50e+003 ,\t\"s\": \"\\u00e9\\/\\ud83d\\ude00\xc3\xa9\" , \"o\" : "
     "{ \"k\" : [ 1 , 2 ] } } \r",
     "{\"n\":1.50e+003,\"s\":\"\\u00e9\\/\\ud83d\\ude00\xc3\xa9\",\"o\":{ \"k\" : [ 1 , 2 ] }}"},
    {"-o.x", "{\"o\" : { \"k\" : [ 1 , 2 ] , \"x\" : 3 } }", "{\"o\":{\"k\":[ 1 , 2 ]}}"},
    /* a name written in another way is the same name; what stands behind a NUL is none of it */
    {"-email", "{\"\\u0065mail\":1,\"e\\u006dail\":2,\"email\\u0000x\":3,\"emai\\u0000l\":4}",
     "{\"emai\\u0000l\":4}"},
    {"+email", "{\"\\u0065mail\":1,\"phone\":2}", "{\"\\u0065mail\":1}"},
    /* what is no object */
    {"-a", "7", "7"},
    {"+a", "\"s\"", "\"s\""},
    {"+a", "[7]", "[]"},
    {"-a.b", " [ ] ", "[]"},
    {"-a.b", "{ \"a\" : { } , \"c\" : [ ] }", "{\"a\":{},\"c\":[ ]}"},
};

static void fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_projection projection;
        struct fh_buf into;
        make(&projection, cases[i].paths);
        fh_buf_init(&into, 65536);
        assert_int_equal(fh_buf_append(&into, "before", 6), 0);
        print_message("%s  %s\n", cases[i].paths, cases[i].text);
        assert_int_equal(fh_project(&projection, cases[i].text, strlen(cases[i].text), &into), 0);
        assert_string_equal(fh_buf_string(&into) + 6, cases[i].wanted);
        fh_buf_done(&into);
    }
}

static void what_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":{]}",
        "[1,]",
        "[1 2]",
        "{\"a\":1}x",
        "{\"b\":{\"c\":01}}",
        "{\"a\":1 \"b\":2}",
        "{\"b\":{\"c\":1}",
        "{\"b\":[{\"c\":1}}",
        "{\"b\" 1}",
        "nul",
        "[,1]",
    };
    static const char *const paths[] = {"", "-a", "-b.c", "+b.c", "+b.x"};
    for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
        struct fh_projection projection;
        make(&projection, paths[k]);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            struct fh_buf into;
            fh_buf_init(&into, 65536);
            assert_int_equal(fh_project(&projection, texts[i], strlen(texts[i]), &into), -EINVAL);
            assert_int_equal(into.len, 0);
            fh_buf_done(&into);
        }
    }
}

static void limits(void **state)
{
    (void)state;
    struct fh_projection projection;
    struct fh_buf into;
    make(&projection, "-a.a.a");
    const char *text = "{\"a\":{\"a\":{\"a\":1,\"b\":2}}}";
    fh_buf_init(&into, strlen(text) - 1);
    assert_int_equal(fh_project(&projection, text, strlen(text), &into), -ENOBUFS);
    fh_buf_done(&into);
    fh_buf_init(&into, strlen(text));
    assert_int_equal(fh_project(&projection, text, strlen(text), &into), 0);
    fh_buf_done(&into);

    /* as deep as a record may be, every level looked into */
    make(&projection, "-b.*.*.*.*.*.*.*.*.*.*.*.*.*.*.x");
    char deep[4 * 201 + 1] = "{\"b\":";
    for (int levels = 199; levels <= 200; levels++) {
        memset(deep + 5, '[', (size_t)levels);
        memset(deep + 5 + levels, ']', (size_t)levels);
        snprintf(deep + 5 + 2 * levels, 2, "}");
        fh_buf_init(&into, 65536);
        assert_int_equal(fh_project(&projection, deep, strlen(deep), &into),
                         levels == 199 ? 0 : -EINVAL);
        if (levels == 199) {
            assert_string_equal(fh_buf_string(&into), deep);
        }
        fh_buf_done(&into);
    }
}

static void paths_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *why;
    } bad[] = {
        {"", "1 to 95"},
        {".", "empty name"},
        {"a.", "empty name"},
        {".a", "empty name"},
        {"a..b", "empty name"},
        {"a*", "one whole name"},
        {"a.**.b", "one whole name"},
        {"a[0].b", "through all"},
        {"$.a", "begins with $"},
        {"/a/b", "begins with /"},
        {"a b", "one path per entry"},
        {"a,b", "one path per entry"},
        {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "more than 16"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaa",
         "1 to 95"},
    };
    static struct fh_projection projection;
    struct fh_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&projection, 0, sizeof(projection));
        for (int drop = 0; drop < 2; drop++) {
            int r = drop ? fh_projection_drop(&projection, bad[i].path, &err)
                         : fh_projection_include(&projection, bad[i].path, &err);
            assert_int_equal(r, -EINVAL);
            print_message("%s\n", err.text);
            assert_non_null(strstr(err.text, bad[i].why));
        }
        assert_true(fh_projection_is_empty(&projection));
    }
    static const char *const always[] = {"recordUid", "eventType", "recordTimestamp.x",
                                         "spacesTenantId"};
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        assert_int_equal(fh_projection_drop(&projection, always[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "always kept"));
    }
    assert_int_equal(fh_projection_drop(&projection, "spacesTenantName", &err), 0);
    for (unsigned i = 1; i < FH_PROJECT_PATHS_MAX; i++) {
        assert_int_equal(fh_projection_drop(&projection, "a", &err), 0);
    }
    assert_int_equal(fh_projection_drop(&projection, "a", &err), -EINVAL);
}

static void paths_that_contradict(void **state)
{
    (void)state;
    static const struct {
        const char *paths;
        bool good;
    } sets[] = {
        {"+a.b -a", false},   {"+a.b -a.b", false},    {"+a.b -*", false},    {"+a.b -*.b", false},
        {"+*.b -*.*", false}, {"+a.b +c -a.*", false}, {"+a.b -a.b.c", true}, {"+a.b -a.c", true},
        {"+*.b -a.b", true},  {"+recordUid -*", true}, {"+a", true},          {"-a", true},
    };
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        struct fh_projection projection;
        struct fh_error err = {""};
        make(&projection, sets[i].paths);
        print_message("%s\n", sets[i].paths);
        assert_int_equal(fh_projection_check(&projection, &err), sets[i].good ? 0 : -EINVAL);
        assert_true(sets[i].good || strstr(err.text, "dropped again"));
    }
}

/* Each sample through each of these, against cJSON. */
static void every_event_type(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "-*.device.email -*.device.firstName -*.device.lastName -*.device.macAddress -*.user",
        "+*.device.deviceId +*.location.locationId +deviceCounts",
        "+*.location -*.location.parent.parent",
        "-*.rssiNotification.apRssiMeasurements.rssi -*.networkPerformance.band",
        "+*.*.*",
        "-*.*",
    };
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "r");
    assert_non_null(file);
    static char line[16384];
    size_t count = 0;
    while (fgets(line, sizeof(line), file)) {
        size_t len = strcspn(line, "\n");
        for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
            struct fh_projection projection;
            struct fh_buf into;
            make(&projection, paths[k]);
            fh_buf_init(&into, sizeof(line));
            assert_int_equal(fh_project(&projection, line, len, &into), 0);
            assert_true(into.len <= len);
            assert_true(k > 0 || (into.len == len && memcmp(into.data, line, len) == 0));
            char *wanted = oracle_text(&projection, line, len);
            char *got = oracle_again(into.data, into.len);
            assert_non_null(got);
            assert_string_equal(got, wanted);
            free(wanted);
            free(got);
            fh_buf_done(&into);
        }
        count++;
    }
    fclose(file);
    assert_int_equal(count, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(what_is_no_json),
        cmocka_unit_test(limits),
        cmocka_unit_test(paths_refused),
        cmocka_unit_test(paths_that_contradict),
        cmocka_unit_test(every_event_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
