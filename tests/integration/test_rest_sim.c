/* test_rest_sim.c: the REST client against the simulator over TLS: the places of its stream, their
 * maps and floor plans, and its faults. Argument: the path of firehose-sim. */
#include "client_limits.h"
#include "simulator.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define KEY "0123456789ABCDEF0123456789ABCDEF"

static struct simulator simulator;
static struct fh_time ahead; /* added to now */

static struct fh_time get_now(void)
{
    return (struct fh_time){fh_now().ns + ahead.ns};
}

static int setup(void **state)
{
    static const char *const options[] = {"--api-key", KEY, "--rate", "5000", "--seed", "7", NULL};
    (void)state;
    return simulator_start(&simulator, options);
}

static int teardown(void **state)
{
    (void)state;
    return simulator_stop(&simulator);
}

static struct fh_rest *make_client(const char *key)
{
    struct fh_config config = {.firehose.connect_timeout_ms = 60000};
    struct fh_rest_limits limits = fh_rest_limits;
    struct fh_rest *rest = NULL;
    struct fh_error err;
    snprintf(config.firehose.url, sizeof(config.firehose.url), "%s", simulator.url);
    snprintf(config.firehose.ca_file, sizeof(config.firehose.ca_file), "%s", simulator.ca_file);
    limits.now = get_now;
    limits.timeout_ms = 60000;
    assert_int_equal(fh_rest_new_limited(&config, key, &limits, &err, &rest), 0);
    return rest;
}

/* The value of the first member of that name in the stream's first lines. */
static void find_in_stream(const char *name, char *ret, size_t size)
{
    char mark[64];
    char *text = simulator_stream(&simulator, KEY, (size_t)1 << 20);
    snprintf(mark, sizeof(mark), "\"%s\":\"", name);
    for (char *at = text; (at = strstr(at, mark));) {
        at += strlen(mark);
        size_t len = strcspn(at, "\"");
        if (len > 0 && len < size) {
            memcpy(ret, at, len);
            ret[len] = '\0';
            free(text);
            return;
        }
    }
    free(text);
    fail_msg("no %s in the stream", name);
}

static void test_places(void **state)
{
    (void)state;
    char location[64];
    char map_id[64];
    struct fh_error err = {""};
    struct fh_rest_map map;
    struct fh_buf image;
    const char *type = NULL;
    cJSON *object = NULL;
    struct fh_rest *rest = make_client(KEY);
    find_in_stream("locationId", location, sizeof(location));
    find_in_stream("mapId", map_id, sizeof(map_id));
    assert_int_equal(fh_rest_location(rest, location, NULL, &object, &err), 0);
    const cJSON *told = cJSON_GetObjectItem(cJSON_GetObjectItem(object, "location"), "locationId");
    assert_string_equal(cJSON_GetStringValue(told), location);
    assert_non_null(cJSON_GetObjectItem(object, "locationDetails"));
    cJSON_Delete(object);
    assert_int_equal(fh_rest_map(rest, map_id, "EXAMPLE-PARTNER", &map, &err), 0);
    assert_string_equal(map.id, map_id);
    assert_true(fabs(map.width - 266.5) < 1e-6 && fabs(map.length - 150) < 1e-6);
    fh_buf_init(&image, (size_t)1 << 20);
    assert_int_equal(fh_rest_map_image(rest, map_id, NULL, &image, &type, &err), 0);
    assert_string_equal(type, "image/png");
    const unsigned char *head = (const unsigned char *)image.data;
    assert_true(image.len > 24);
    assert_int_equal(head[18] << 8 | head[19], map.image_width); /* of IHDR */
    assert_int_equal(head[22] << 8 | head[23], map.image_height);
    fh_buf_done(&image);
    fh_rest_free(rest);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fh_error err = {""};
    struct fh_rest_map map;
    cJSON *object = NULL;
    struct fh_rest *rest = make_client(KEY);
    assert_int_equal(fh_rest_location(rest, "location-0", NULL, &object, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no such location"));
    assert_int_equal(fh_rest_location(rest, "location-0", "OTHER", &object, &err), -EACCES);
    assert_non_null(strstr(err.text, "the tenant is not authorised"));
    fh_rest_free(rest);
    rest = make_client("nonsense");
    assert_int_equal(fh_rest_map(rest, "a", NULL, &map, &err), -EACCES);
    assert_non_null(strstr(err.text, "API key is not valid"));
    fh_rest_free(rest);
}

static void order(const char *fault)
{
    char path[128];
    snprintf(path, sizeof(path), "/sim/fault?type=%s", fault);
    free(simulator_ask(&simulator, "POST", path));
}

static void test_faults(void **state)
{
    (void)state;
    char map_id[64];
    struct fh_error err = {""};
    struct fh_rest_map map;
    struct fh_rest *rest = make_client(KEY);
    find_in_stream("mapId", map_id, sizeof(map_id));
    order("rest&code=429&retry_after=30");
    assert_int_equal(fh_rest_map(rest, map_id, NULL, &map, &err), -EAGAIN);
    assert_int_equal(fh_rest_map(rest, "other", NULL, &map, &err), -EAGAIN);
    assert_non_null(strstr(err.text, "asked for a pause"));
    ahead.ns += INT64_C(31000000000);
    order("rest&bytes=17000000");
    assert_int_equal(fh_rest_map(rest, map_id, NULL, &map, &err), -EMSGSIZE);
    ahead.ns += INT64_C(60000000000);
    order("rest&bytes=1000");
    assert_int_equal(fh_rest_map(rest, map_id, NULL, &map, &err), -EBADMSG);
    ahead.ns += INT64_C(60000000000);
    order("rest&code=503");
    assert_int_equal(fh_rest_map(rest, map_id, NULL, &map, &err), -EAGAIN);
    ahead.ns += INT64_C(10000000000);
    order("rest&ms=100");
    assert_int_equal(fh_rest_map(rest, map_id, NULL, &map, &err), 0);
    fh_rest_free(rest);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_faults),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s firehose-sim\n", argv[0]);
        return 2;
    }
    simulator.program = argv[1];
    return cmocka_run_group_tests(tests, setup, teardown);
}
