/* test_facts_world.c: the facts of what the simulator sends, against cJSON. */
#include "fh/facts.h"

#include "facts_oracle.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EVENTS 20000

static char line[1 << 16];

/* About somebody, somewhere? As the simulator writes them. */
static const struct {
    const char *type;
    bool device, location;
} kinds[] = {
    {"DEVICE_LOCATION_UPDATE", true, true}, {"DEVICE_PRESENCE", true, true},
    {"USER_PRESENCE", true, true},          {"PROFILE_UPDATE", true, false},
    {"DEVICE_COUNT", false, true},          {"DEVICE_ASSOCIATION", true, true},
    {"DEVICE_RSSI_UPDATE", true, true},     {"WIFI_DEVICE_UPDATE", true, true},
    {"IOT_TELEMETRY", true, true},          {"BLE_RSSI_UPDATE", true, true},
    {"ASSET_LOCATION_UPDATE", true, true},
};

static void the_simulated_stream(void **state)
{
    (void)state;
    const struct sim_world_options options = {
        .seed = 7,
        .rate = 5000,
        .start_ms = 1767225600000LL,
        .devices = 800,
        .uid_bits = 32,
        .window_ms = 3600000,
        .window_bytes = 1ULL << 28,
        .replay_speed = 1,
    };
    struct fh_error err = {""};
    struct sim_world *world = NULL;
    if (sim_world_new(&options, &err, &world) < 0) {
        fail_msg("%s", err.text);
    }
    sim_world_advance(world, 10000000, EVENTS);
    sim_world_settle(world);
    unsigned seen[sizeof(kinds) / sizeof(kinds[0])] = {0};
    sim_world_lock_read(world);
    uint64_t ready = sim_world_ready(world, 1);
    assert_true(ready >= EVENTS / 2);
    for (uint64_t position = 0; position < ready; position++) {
        size_t len = sim_world_render(world, 1, position, line, sizeof(line)) - 1;
        struct fh_record_facts facts;
        fh_record_facts(line, len, &facts);
        assert_true(facts.uid.len > 0 && facts.tenant.len > 0 && facts.timestamp_ms > 0);
        cJSON *root = cJSON_ParseWithLength(line, len);
        if (!oracle_agrees(&facts, root)) {
            fail_msg("%.*s", (int)len, line);
        }
        cJSON_Delete(root);
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (strlen(kinds[i].type) == facts.type.len &&
                memcmp(kinds[i].type, facts.type.data, facts.type.len) == 0) {
                seen[i]++;
                if ((facts.device.len > 0) != kinds[i].device ||
                    (facts.location_count > 0) != kinds[i].location) {
                    fail_msg("%.*s", (int)len, line);
                }
            }
        }
    }
    sim_world_unlock_read(world);
    sim_world_free(world);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        print_message("%6u %s\n", seen[i], kinds[i].type);
        assert_true(seen[i] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_simulated_stream)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
