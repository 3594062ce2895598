/* console_fixture.h: events of the console's stream read back, and a space with something in it. */
#ifndef FH_TEST_CONSOLE_FIXTURE_H
#define FH_TEST_CONSOLE_FIXTURE_H

#include "show.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* One whole event of that name; its data, the caller's. */
static inline cJSON *parse_event(const char *bytes, size_t len, const char *name)
{
    char head[64];
    int head_len = snprintf(head, sizeof(head), "event: %s\ndata: ", name);
    assert_true(len > (size_t)head_len + 2);
    if (memcmp(bytes, head, (size_t)head_len) != 0) {
        fail_msg("not the event %s: %.*s", name, (int)(len < 60 ? len : 60), bytes);
    }
    assert_memory_equal(bytes + len - 2, "\n\n", 2);
    const char *data = bytes + head_len;
    size_t data_len = len - (size_t)head_len - 2;
    assert_null(memchr(data, '\n', data_len));
    cJSON *json = cJSON_ParseWithLength(data, data_len);
    if (!json) {
        fail_msg("no JSON: %.*s", (int)data_len, data);
    }
    return json;
}

static inline const cJSON *item(const cJSON *object, const char *name)
{
    const cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!found) {
        fail_msg("no member %s", name);
    }
    return found;
}

static inline double number_of(const cJSON *object, const char *name)
{
    assert_true(cJSON_IsNumber(item(object, name)));
    return item(object, name)->valuedouble;
}

static inline const char *string_of(const cJSON *object, const char *name)
{
    assert_true(cJSON_IsString(item(object, name)));
    return item(object, name)->valuestring;
}

static inline struct space *fixture_space(void)
{
    static const uint8_t key[SPACE_KEY_BYTES] = "a key of a test";
    struct space *space = NULL;
    assert_int_equal(space_new(key, false, &space), 0);
    return space;
}

/* A device on a floor of the building "b". */
static inline void fixture_see(struct space *space, const char *floor, const char *device, double x,
                               int64_t now_ms)
{
    struct console_record record = {
        .about = CONSOLE_ABOUT_POSITION,
        .timestamp_ms = now_ms,
        .device = {device, strlen(device)},
        .zone = {"", 0},
        .map = {"m1", 2},
        .tenant = {"t", 1},
        .x = x,
        .y = 2.5,
        .confidence = 10,
        .location = {{{floor, strlen(floor)}, {"A \"floor\"", 9}, CONSOLE_LEVEL_FLOOR},
                     {{"b", 1}, {"B", 1}, CONSOLE_LEVEL_BUILDING}},
        .location_count = 2,
    };
    space_apply(space, &record, now_ms);
}

#endif
