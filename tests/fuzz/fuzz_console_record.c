/* fuzz_console_record.c: what the page reads of any bytes stays within them, and the picture of the
 * space takes whatever was read. */
#include "fuzzer.h"
#include "space.h"

#include <string.h>

static bool plain(struct fh_slice slice, size_t max)
{
    for (size_t i = 0; i < slice.len; i++) {
        if ((uint8_t)slice.data[i] < 0x20 || slice.data[i] == '"' || slice.data[i] == '\\') {
            return false;
        }
    }
    return slice.len <= max;
}

static void apply(struct space *space, const struct console_record *record)
{
    static int64_t now;
    struct space_counters counters;
    space_apply(space, record, ++now);
    space_counters(space, &counters);
    CHECK(counters.locations <= SPACE_LOCATIONS_MAX && counters.devices <= SPACE_DEVICES_MAX);
    for (uint32_t i = space_next(space, 0); i != SPACE_NONE; i = space_next(space, i + 1)) {
        unsigned depth = 0;
        for (uint32_t at = i; at != SPACE_NONE; at = space_location(space, at)->parent) {
            CHECK(depth++ < SPACE_LOCATIONS_MAX);
        }
    }
}

/* Lines are records, one after the other: so that locations may be moved, and removed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct space *space;
    static const uint8_t key[SPACE_KEY_BYTES] = "0123456789abcde";
    CHECK(space || space_new(key, true, &space) == 0);
    while (size > 0) {
        const uint8_t *newline = memchr(data, '\n', size);
        size_t len = newline ? (size_t)(newline - data) : size;
        char *text = malloc(len ? len : 1); /* of its exact size, for the address sanitizer */
        CHECK(text);
        memcpy(text, data, len);
        struct console_record record;
        if (console_record_read(text, len, &record)) {
            CHECK(record.location_count <= FH_LOCATIONS_MAX);
            CHECK(plain(record.device, FH_DEVICE_MAX) && plain(record.map, CONSOLE_ID_MAX));
            CHECK(plain(record.zone, FH_DEVICE_MAX) && plain(record.tenant, CONSOLE_ID_MAX));
            for (uint32_t i = 0; i < record.location_count; i++) {
                CHECK(record.location[i].id.len > 0);
                CHECK(plain(record.location[i].id, CONSOLE_ID_MAX));
                CHECK(record.location[i].name.len <= CONSOLE_NAME_MAX);
            }
            apply(space, &record);
        }
        free(text);
        data += newline ? len + 1 : len;
        size -= newline ? len + 1 : len;
    }
    return 0;
}
