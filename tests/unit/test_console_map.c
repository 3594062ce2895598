/* test_console_map.c: images of floors, with a service of the test's own: they come, they are kept
 * within bounds, refusals cost nothing, and the end does not wait for an answer. */
#include "map.h"

#include "fh/rest.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- in place of the REST client ------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all of it */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked;
static bool cancelled, hang;
static int map_result, image_result;
static size_t image_len;
static char last_tenant[64];
static char clients[2]; /* stand for a client with the old key and one with the new one */
static bool old_refused;

int fh_rest_new(const struct fh_config *config, const char *api_key, struct fh_error *err,
                struct fh_rest **ret)
{
    (void)config;
    (void)err;
    *ret = (struct fh_rest *)(strcmp(api_key, "new key") == 0 ? &clients[1] : &clients[0]);
    return 0;
}

void fh_rest_free(struct fh_rest *rest)
{
    (void)rest;
}

void fh_rest_cancel(struct fh_rest *rest)
{
    (void)rest;
    pthread_mutex_lock(&lock);
    cancelled = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

int fh_rest_map(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                struct fh_rest_map *ret, struct fh_error *err)
{
    (void)map_id;
    pthread_mutex_lock(&lock);
    asked++;
    snprintf(last_tenant, sizeof(last_tenant), "%s", partner_tenant_id);
    pthread_cond_broadcast(&changed);
    while (hang && !cancelled) {
        pthread_cond_wait(&changed, &lock);
    }
    int r = cancelled ? -ECANCELED : map_result;
    if (r == 0 && old_refused && rest == (struct fh_rest *)&clients[0]) {
        r = -EACCES;
    }
    pthread_mutex_unlock(&lock);
    if (r == 0) {
        *ret = (struct fh_rest_map){.width = 200, .length = 100};
        return 0;
    }
    return fh_error_set(err, r, "the service says no");
}

int fh_rest_map_image(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                      struct fh_buf *ret, const char **ret_type, struct fh_error *err)
{
    (void)rest;
    (void)partner_tenant_id;
    pthread_mutex_lock(&lock);
    int r = cancelled ? -ECANCELED : image_result;
    size_t len = image_len;
    pthread_mutex_unlock(&lock);
    if (r < 0) {
        return fh_error_set(err, r, "the service says no");
    }
    assert_int_equal(fh_buf_reserve(ret, len), 0);
    memset(ret->data, map_id[0], len);
    ret->len = len;
    *ret_type = "image/png";
    return 0;
}

/* ---------------------------------------------------------------------------------------------- */

static const struct fh_config config;
static struct maps *maps;

static int setup(void **state)
{
    struct fh_error err;
    (void)state;
    asked = 0;
    cancelled = hang = old_refused = false;
    map_result = image_result = 0;
    image_len = 100;
    return maps_new(&config, "key", &err, &maps);
}

static int teardown(void **state)
{
    (void)state;
    maps_free(maps);
    return 0;
}

static struct maps_known look(const char *id)
{
    struct maps_known known;
    maps_look(maps, id, "tenant", &known);
    return known;
}

/* Looks until the image is there, for a minute at most. */
static struct maps_known wait_image(const char *id)
{
    struct maps_known known = look(id);
    for (int i = 0; i < 12000 && !known.image; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        known = look(id);
    }
    assert_true(known.image);
    return known;
}

static void wait_asked(unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&lock);
    while (asked < count) {
        assert_int_equal(pthread_cond_timedwait(&changed, &lock, &until), 0);
    }
    pthread_mutex_unlock(&lock);
}

/* Length of the image served; -ENOENT. */
static int served(const char *id, struct fh_web_answer *answer)
{
    *answer = (struct fh_web_answer){.status = 200};
    fh_buf_init(&answer->body, FH_WEB_BODY_MAX);
    int r = maps_answer(maps, id, answer);
    r = r < 0 ? r : (int)answer->body.len;
    fh_buf_done(&answer->body);
    return r;
}

static void test_an_image_comes(void **state)
{
    (void)state;
    struct fh_web_answer answer;
    assert_int_equal(served("m1", &answer), -ENOENT); /* to ask for it is not to look at it */
    struct maps_known known = look("m1");
    assert_false(known.image);
    known = wait_image("m1");
    assert_true(known.width >= 200 && known.length >= 100);
    assert_string_equal(last_tenant, "tenant");
    assert_int_equal(served("m1", &answer), 100);
    assert_string_equal(answer.type, "image/png");
    assert_true(answer.etag[0] != '\0');
    assert_int_equal(served("m2", &answer), -ENOENT);
    look("m1");
    assert_int_equal(asked, 1); /* kept */
}

static void test_refusals(void **state)
{
    (void)state;
    struct fh_web_answer answer;
    pthread_mutex_lock(&lock);
    map_result = image_result = -EACCES;
    pthread_mutex_unlock(&lock);
    look("m1");
    wait_asked(1);
    for (int i = 0; i < 100; i++) { /* not asked again at once, however often somebody looks */
        assert_false(look("m1").image);
    }
    pthread_mutex_lock(&lock);
    map_result = -EBADMSG; /* a map without a size still has an image */
    image_result = 0;
    pthread_mutex_unlock(&lock);
    struct maps_known known = wait_image("m2");
    assert_true(known.width <= 0);
    assert_int_equal(served("m1", &answer), -ENOENT);
    assert_int_equal(asked, 2);
}

static void test_a_new_key_is_used_at_once(void **state)
{
    (void)state;
    pthread_mutex_lock(&lock);
    old_refused = true;
    pthread_mutex_unlock(&lock);
    look("m1");
    wait_asked(1);
    assert_false(look("m1").image);
    maps_use_key(maps, &config, "new key"); /* what was refused is asked again */
    wait_image("m1");
    assert_int_equal(asked, 2);
}

static void test_images_within_bounds(void **state)
{
    (void)state;
    struct fh_web_answer answer;
    char id[16];
    pthread_mutex_lock(&lock);
    image_len = MAPS_BYTES_MAX / 4;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        wait_image(id);
    }
    int kept = 0;
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        kept += served(id, &answer) > 0;
    }
    assert_int_equal(kept, 4);
    assert_true(served("m5", &answer) > 0 && served("m0", &answer) == -ENOENT);
}

static void test_more_maps_than_are_known(void **state)
{
    (void)state;
    struct fh_web_answer answer;
    char id[16];
    for (int i = 0; i < 2 * MAPS_MAX; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        wait_image(id);
    }
    assert_int_equal(served("m0", &answer), -ENOENT);
    assert_int_equal(served(id, &answer), 100);
}

static void test_the_end_waits_for_no_answer(void **state)
{
    (void)state;
    pthread_mutex_lock(&lock);
    hang = true;
    pthread_mutex_unlock(&lock);
    look("m1");
    wait_asked(1); /* and teardown ends it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_image_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_new_key_is_used_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_images_within_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_maps_than_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_waits_for_no_answer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
