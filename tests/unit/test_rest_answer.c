/* test_rest_answer.c: the pure parts of the REST client: paths, answers, images by their first
 * bytes, and what the cache keeps for how long. */
#include "answer.h"
#include "cache.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

static void test_path(void **state)
{
    (void)state;
    struct fh_error err;
    char path[FH_REST_PATH_MAX];
    assert_int_equal(fh_rest_path("locations", "location-1a", "", NULL, path, &err), 0);
    assert_string_equal(path, "/api/partners/v1/locations/location-1a");
    assert_int_equal(fh_rest_path("maps", "0f", "/image", "A B&c=1", path, &err), 0);
    assert_string_equal(path, "/api/partners/v1/maps/0f/image?partnerTenantId=A%20B%26c%3D1");
    assert_int_equal(fh_rest_path("maps", "a/../b?c#d\n\xc3\xbc", "", "", path, &err), 0);
    assert_string_equal(path, "/api/partners/v1/maps/a%2F..%2Fb%3Fc%23d%0A%C3%BC");

    char longest[FH_REST_ID_MAX + 2];
    memset(longest, '\xff', sizeof(longest));
    longest[FH_REST_ID_MAX] = '\0';
    assert_int_equal(fh_rest_path("locations", longest, "/image", longest, path, &err), 0);
    assert_true(strlen(path) > (size_t)FH_REST_ID_MAX * 6);
    longest[FH_REST_ID_MAX] = 'a';
    longest[FH_REST_ID_MAX + 1] = '\0';
    static const char *const bad[] = {"", ".", ".."};
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        assert_int_equal(fh_rest_path("maps", bad[i], "", NULL, path, &err), -EINVAL);
    }
    assert_int_equal(fh_rest_path("maps", NULL, "", NULL, path, &err), -EINVAL);
    assert_int_equal(fh_rest_path("maps", longest, "", NULL, path, &err), -EINVAL);
    assert_int_equal(fh_rest_path("maps", "a", "", longest, path, &err), -EINVAL);
    assert_non_null(strstr(err.text, "tenant"));
}

static int read_map(const char *text, struct fh_rest_map *ret, struct fh_error *err)
{
    return fh_rest_read_map(text, strlen(text), "", ret, err);
}

static void test_map(void **state)
{
    (void)state;
    struct fh_rest_map map = {.id = "kept"};
    struct fh_error err;
    assert_int_equal(read_map("{\"mapId\":\"x\",\"imageWidth\":1600,\"imageHeight\":900,"
                              "\"dimension\":{\"length\":150.0,\"width\":266.5,\"height\":10,"
                              "\"offsetX\":0,\"offsetY\":0},\"more\":[{}]} \r\n",
                              &map, &err),
                     0);
    assert_string_equal(map.id, "kept");
    assert_true(fabs(map.width - 266.5) < 1e-9 && fabs(map.length - 150) < 1e-9 &&
                fabs(map.height - 10) < 1e-9);
    assert_int_equal(map.image_width, 1600);
    assert_int_equal(map.image_height, 900);
    assert_int_equal(read_map("{\"imageWidth\":\"800\",\"imageHeight\":null,"
                              "\"dimension\":{\"length\":\"15e1\",\"width\":1}}",
                              &map, &err),
                     0);
    assert_true(fabs(map.length - 150) < 1e-9 && map.height < 1e-9);
    assert_int_equal(map.image_width, 800);
    assert_int_equal(map.image_height, 0);

    static const char *const bad[] = {
        "",
        "[]",
        "null",
        "{",
        "{}{}",
        "{} x",
        "{}",
        "{\"dimension\":7}",
        "{\"dimension\":{\"width\":1}}",
        "{\"dimension\":{\"length\":1,\"width\":0}}",
        "{\"dimension\":{\"length\":-1,\"width\":1}}",
        "{\"dimension\":{\"length\":1e300,\"width\":1}}",
        "{\"dimension\":{\"length\":\"nan\",\"width\":1}}",
        "{\"dimension\":{\"length\":\"1 foot\",\"width\":1}}",
        "{\"dimension\":{\"length\":[],\"width\":1}}",
        "{\"imageWidth\":1e99,\"dimension\":{\"length\":1,\"width\":1}}",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        struct fh_rest_map before = map;
        if (read_map(bad[i], &map, &err) != -EBADMSG || memcmp(&before, &map, sizeof(map)) != 0) {
            fail_msg("taken for a map: %s", bad[i]);
        }
    }
}

static void test_location(void **state)
{
    (void)state;
    static const char good[] = "{\"location\":{\"locationId\":\"a\"},\"locationDetails\":{}}";
    cJSON *object = NULL;
    struct fh_error err;
    assert_int_equal(fh_rest_read_location(good, strlen(good), "", &object, &err), 0);
    assert_non_null(cJSON_GetObjectItem(object, "locationDetails"));
    cJSON_Delete(object);
    static const char none[] = "{\"location\":\"a\"}";
    assert_int_equal(fh_rest_read_location(none, strlen(none), "", &object, &err), -EBADMSG);
    static const char no[] = "{\"status\":false,\"message\":\"key SECRET\\n is not for you\"}";
    assert_int_equal(fh_rest_read_location(no, strlen(no), "SECRET", &object, &err), -EACCES);
    assert_non_null(strstr(err.text, "key [key]  is not for you"));
    static const char silent[] = "{\"status\":false}";
    assert_int_equal(fh_rest_read_location(silent, strlen(silent), "", &object, &err), -EACCES);
}

static void test_message(void **state)
{
    (void)state;
    char text[16];
    static const char json[] = "{\"message\":\"0123456789SECRET\"}";
    fh_rest_message(json, strlen(json), "SECRET", text, sizeof(text));
    assert_string_equal(text, "0123456789[key]");
    fh_rest_message("<html>\xff\n", 8, "SECRET", text, sizeof(text));
    assert_string_equal(text, "<html>? ");
    fh_rest_message("01234567890123SECRET", 20, "SECRET", text, sizeof(text));
    assert_string_equal(text, "01234567890123["); /* not half of it */
    fh_rest_message(NULL, 0, "SECRET", text, sizeof(text));
    assert_string_equal(text, "");
}

static void test_judge(void **state)
{
    (void)state;
    static const struct fh_rest_meaning meanings[] = {
        {404, -ENOENT, "no such thing"}, {500, -EAGAIN, "trouble"}, {0, -EBADMSG, "what?"}};
    static const struct {
        long status;
        int code;
        const char *body, *text;
    } cases[] = {
        {404, -ENOENT, "", "answered with 404: no such thing"},
        {500, -EAGAIN, "", "answered with 500: trouble"},
        {599, -EAGAIN, "SECRET?", "answered with 599: trouble (the server says: [key]?)"},
        {201, -EBADMSG, "{\"message\":\"made\"}",
         "answered with 201: what? (the server says: made)"},
        {499, -EBADMSG, "", "answered with 499: what?"},
    };
    struct fh_error err = {""};
    assert_int_equal(fh_rest_judge(meanings, 200, "x", 1, "", &err), 0);
    assert_string_equal(err.text, "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fh_rest_judge(meanings, cases[i].status, cases[i].body,
                                       strlen(cases[i].body), "SECRET", &err),
                         cases[i].code);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void test_image(void **state)
{
    (void)state;
    assert_string_equal(fh_rest_image_type("\x89PNG\r\n\x1a\nIHDR", 12), "image/png");
    assert_string_equal(fh_rest_image_type("\xff\xd8\xff\xe0JFIF", 8), "image/jpeg");
    assert_null(fh_rest_image_type("\x89PNG\r\n\x1a\n", 8)); /* nothing behind it */
    assert_null(fh_rest_image_type("GIF89a..........", 16));
    assert_null(fh_rest_image_type("<svg onload=...>", 16));
    assert_null(fh_rest_image_type("\xff\xd8", 2));
    assert_null(fh_rest_image_type(NULL, 0));
}

static const struct fh_time later = {1000};
static const struct fh_time now = {500};

static bool has(struct fh_rest_cache *cache, const char *path)
{
    return fh_rest_cache_get(cache, path, now) != NULL;
}

static void test_cache(void **state)
{
    (void)state;
    struct fh_rest_cache cache;
    fh_rest_cache_init(&cache, 1000);
    assert_null(fh_rest_cache_get(&cache, "/a", now));
    fh_rest_cache_put(&cache, "/a", 0, "answer", 6, later);
    fh_rest_cache_put(&cache, "/b", -ENOENT, "no", 2, later);
    const struct fh_rest_entry *entry = fh_rest_cache_get(&cache, "/a", now);
    assert_non_null(entry);
    assert_int_equal(entry->code, 0);
    assert_int_equal(entry->len, 6);
    assert_string_equal(entry->bytes, "answer");
    entry = fh_rest_cache_get(&cache, "/b", now);
    assert_int_equal(entry->code, -ENOENT);
    assert_string_equal(entry->bytes, "no");
    assert_null(fh_rest_cache_get(&cache, "/b", later)); /* over, to the nanosecond */
    assert_int_equal(cache.count, 1);
    fh_rest_cache_put(&cache, "/a", 0, "", 0, later); /* replaced, not added */
    assert_int_equal(fh_rest_cache_get(&cache, "/a", now)->len, 0);
    assert_int_equal(cache.count, 1);
    fh_rest_cache_done(&cache);
    assert_int_equal(cache.used, 0);
}

static void test_cache_limits(void **state)
{
    (void)state;
    static char bytes[1000];
    struct fh_rest_cache cache;
    fh_rest_cache_init(&cache, 2200);
    for (unsigned i = 0; i < 4; i++) {
        char path[8];
        snprintf(path, sizeof(path), "/%u", i);
        fh_rest_cache_put(&cache, path, 0, bytes, 400, later);
        assert_true(i < 1 || has(&cache, "/0")); /* in use, so it stays */
    }
    assert_true(has(&cache, "/0") && has(&cache, "/3") && cache.used <= 2200);
    fh_rest_cache_put(&cache, "/large", 0, bytes, 1000, later);
    assert_true(has(&cache, "/large") && !has(&cache, "/1"));
    fh_rest_cache_put(&cache, "/too", 0, bytes, 2200, later);
    assert_false(has(&cache, "/too"));
    assert_true(has(&cache, "/large")); /* and nothing made way for it */
    fh_rest_cache_done(&cache);

    fh_rest_cache_init(&cache, (size_t)1 << 20);
    for (unsigned i = 0; i <= FH_REST_ENTRIES_MAX; i++) {
        char path[8];
        snprintf(path, sizeof(path), "/%u", i);
        fh_rest_cache_put(&cache, path, -ENOENT, "x", 1, later);
    }
    assert_int_equal(cache.count, FH_REST_ENTRIES_MAX);
    assert_true(!has(&cache, "/0") && has(&cache, "/1"));
    fh_rest_cache_done(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),     cmocka_unit_test(test_map),
        cmocka_unit_test(test_location), cmocka_unit_test(test_message),
        cmocka_unit_test(test_judge),    cmocka_unit_test(test_image),
        cmocka_unit_test(test_cache),    cmocka_unit_test(test_cache_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
