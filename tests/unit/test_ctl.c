/* test_ctl.c: what firehosectl prints for a given answer: data/NAME.json must give data/NAME.txt;
 * and which service it takes a configuration for. argv[1]: the folder of both. With FH_UPDATE set
 * in the environment the .txt files are written. */
#include "instance.h"
#include "render.h"
#include "terminal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *folder;

static char *read_data(const char *name, const char *suffix)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
    FILE *file = fopen(path, "r");
    if (!file) {
        return strdup("");
    }
    char *text = calloc(1, 65536);
    size_t len = fread(text, 1, 65535, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void update(const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s.txt", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void compare(const char *name, int (*render)(const cJSON *, struct fh_buf *))
{
    char *json = read_data(name, ".json");
    char *expected = read_data(name, ".txt");
    cJSON *result = cJSON_Parse(json);
    assert_non_null(result);
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    assert_int_equal(render(result, &text), 0);
    if (getenv("FH_UPDATE")) {
        update(name, fh_buf_string(&text));
    } else {
        assert_string_equal(fh_buf_string(&text), expected);
    }
    fh_buf_done(&text);
    cJSON_Delete(result);
    free(expected);
    free(json);
}

static void status_of_every_kind(void **state)
{
    (void)state;
    compare("status-primary", fh_render_status_text);
    compare("status-standby", fh_render_status_text);
    compare("status-single", fh_render_status_text);
    compare("status-refused", fh_render_status_text);
    compare("status-strange", fh_render_status_text);
}

static void checkpoint_as_text(void **state)
{
    (void)state;
    compare("checkpoint", fh_render_checkpoint_text);
}

/* Take one member after the other away: always text, never a crash. */
static void any_member_may_be_missing(void **state)
{
    (void)state;
    char *json = read_data("status-primary", ".json");
    for (int i = 0;; i++) {
        cJSON *status = cJSON_Parse(json);
        if (i >= cJSON_GetArraySize(status)) {
            cJSON_Delete(status);
            break;
        }
        cJSON_DeleteItemFromArray(status, i);
        struct fh_buf text;
        fh_buf_init(&text, FH_RENDER_MAX);
        assert_int_equal(fh_render_status_text(status, &text), 0);
        assert_true(text.len > 100);
        fh_buf_done(&text);
        cJSON_Delete(status);
    }
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    assert_int_equal(fh_render_status_text(NULL, &text), 0);
    assert_int_equal(fh_render_checkpoint_text(NULL, &text), 0);
    fh_buf_done(&text);
    free(json);
}

static void more_rows_than_fit(void **state)
{
    (void)state;
    cJSON *status = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(status, "receivers");
    for (int i = 0; i < 200; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "range", "a very long range that is longer than any cell is");
        cJSON_AddItemToArray(list, row);
    }
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    assert_int_equal(fh_render_status_text(status, &text), 0);
    fh_buf_done(&text);
    /* no room is an error, not half a page */
    fh_buf_init(&text, 300);
    assert_int_equal(fh_render_status_text(status, &text), -ENOBUFS);
    fh_buf_done(&text);
    cJSON_Delete(status);
}

static void json_is_the_result_as_it_came(void **state)
{
    (void)state;
    char *json = read_data("status-primary", ".json");
    cJSON *status = cJSON_Parse(json);
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    assert_int_equal(fh_render_json(status, &text), 0);
    cJSON *again = cJSON_Parse(fh_buf_string(&text));
    assert_true(cJSON_Compare(status, again, 1));
    cJSON_Delete(again);
    cJSON_Delete(status);
    fh_buf_done(&text);
    free(json);
}

/* What a device, a service or whoever stands between calls itself goes to a terminal. */
static void nothing_that_a_terminal_obeys(void **state)
{
    (void)state;
    cJSON *status = cJSON_Parse("{\"counters\":{\"types\":{\"A\\u009b31mB\\u007f\\u001b\":3}},"
                                "\"receivers\":[{\"range\":\"1-12\",\"state\":\"waiting\","
                                "\"last_error\":\"\\u009d0;title\\u0007 caf\u00e9\"}]}");
    assert_non_null(status);
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    assert_int_equal(fh_render_status_text(status, &text), 0);
    const char *shown = fh_buf_string(&text);
    assert_non_null(strstr(shown, "A??31mB??"));
    assert_non_null(strstr(shown, "0;title? caf\u00e9"));
    assert_null(strstr(shown, "\xc2\x9b"));
    assert_null(strstr(shown, "\xc2\x9d"));
    fh_buf_clear(&text);

    static const char raw[] = "{\"a\":\"\x1b]0;x\x07\xc2\x80\xc2\xa0\xc2\x9f\x7f\"}\t\n\r";
    assert_int_equal(fh_terminal_text(raw, sizeof(raw) - 1, &text), 0);
    assert_string_equal(fh_buf_string(&text),
                        "{\"a\":\"\\u001b]0;x\\u0007\\u0080\xc2\xa0\\u009f\\u007f\"}\t\n\\u000d");
    fh_buf_clear(&text);
    assert_int_equal(fh_terminal_text("\xc2", 1, &text), 0); /* cut in the middle of a character */
    assert_string_equal(fh_buf_string(&text), "\xc2");
    fh_buf_done(&text);
    cJSON_Delete(status);
}

/* Protected says that both hold every event, not that somebody takes over. */
static void an_arbiter_nobody_has_asked_is_not_out_of_reach(void **state)
{
    (void)state;
    static const struct {
        const char *members, *says;
    } cases[] = {
        {"\"reachable\":false,\"last_error\":\"\"", "arbiter     witness, not asked yet\n"},
        {"\"reachable\":false,\"last_error\":\"no answer\"",
         "arbiter     witness, NOT REACHABLE\n  last error: no answer\n"},
        {"\"reachable\":true,\"holder\":\"b\"",
         "arbiter     witness, reachable, lease held by b\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_buf text;
        char json[256];
        snprintf(json, sizeof(json), "{\"arbiter\":{\"configured\":true,\"type\":\"witness\",%s}}",
                 cases[i].members);
        cJSON *status = cJSON_Parse(json);
        fh_buf_init(&text, FH_RENDER_MAX);
        assert_int_equal(fh_render_status_text(status, &text), 0);
        assert_non_null(strstr(fh_buf_string(&text), cases[i].says));
        fh_buf_done(&text);
        cJSON_Delete(status);
    }
}

static void maintenance_is_told_beside_protection(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"protected\":true,\"maintenance\":true,\"peer\":{\"role\":\"primary\"}}",
         "protected   yes, but this node is in maintenance and does not take over\n"},
        {"{\"protected\":true,\"peer\":{\"role\":\"standby\",\"ready\":true,"
         "\"maintenance\":true}}",
         "protected   yes, but the other node is in maintenance and does not take over\n"},
        {"{\"protected\":true,\"peer\":{\"role\":\"standby\",\"ready\":true,"
         "\"maintenance\":true}}",
         ", standby (ready) in maintenance, epoch "},
        {"{\"protected\":true,\"peer\":{\"role\":\"standby\"}}", "protected   yes\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_buf text;
        cJSON *status = cJSON_Parse(cases[i].json);
        fh_buf_init(&text, FH_RENDER_MAX);
        assert_int_equal(fh_render_status_text(status, &text), 0);
        assert_non_null(strstr(fh_buf_string(&text), cases[i].says));
        fh_buf_done(&text);
        cJSON_Delete(status);
    }
}

/* The state of another pair must not be looked at for that of this one. */
static void a_configuration_of_an_instance_has_its_directories(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
        bool of_unit;
        const char *state_dir, *runtime; /* NULL: left as they are */
    } cases[] = {
        {"/etc/firehosed/firehosed.conf", "firehosed", true, "/var/lib/firehosed",
         "/run/firehosed"},
        {"/etc/firehosed/campus.conf", "campus", true, "/var/lib/firehosed/campus",
         "/run/firehosed/campus"},
        {"/etc/firehosed/north.campus.conf", "north.campus", true,
         "/var/lib/firehosed/north.campus", "/run/firehosed/north.campus"},
        {"/etc/firehosed/sub/campus.conf", "campus", false, NULL, NULL},
        {"/etc/firehosed/campus", "campus", false, NULL, NULL},
        {"/etc/firehosed/.conf", ".conf", false, NULL, NULL},
        {"/srv/firehosed.conf", "firehosed", false, NULL, NULL},
        {"campus.conf", "campus", false, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];
        setenv("STATE_DIRECTORY", "/before", 1);
        setenv("RUNTIME_DIRECTORY", "/before", 1);
        assert_int_equal(fh_ctl_instance(cases[i].path, name, sizeof(name)), cases[i].of_unit);
        assert_string_equal(name, cases[i].name);
        fh_ctl_instance_directories(cases[i].path);
        assert_string_equal(getenv("STATE_DIRECTORY"),
                            cases[i].state_dir ? cases[i].state_dir : "/before");
        assert_string_equal(getenv("RUNTIME_DIRECTORY"),
                            cases[i].runtime ? cases[i].runtime : "/before");
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: test_ctl FOLDER\n");
        return 2;
    }
    folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_of_every_kind),
        cmocka_unit_test(checkpoint_as_text),
        cmocka_unit_test(any_member_may_be_missing),
        cmocka_unit_test(more_rows_than_fit),
        cmocka_unit_test(json_is_the_result_as_it_came),
        cmocka_unit_test(nothing_that_a_terminal_obeys),
        cmocka_unit_test(an_arbiter_nobody_has_asked_is_not_out_of_reach),
        cmocka_unit_test(maintenance_is_told_beside_protection),
        cmocka_unit_test(a_configuration_of_an_instance_has_its_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
