/* test_promise.c: the promise in force says what the configuration as a whole keeps, no more, and
 * is never cut short. */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct fh_config config;
static char text[FH_PROMISE_MAX];

static int fresh(void **state)
{
    (void)state;
    memset(&config, 0, sizeof(config));
    struct fh_config_sink *sink = &config.sinks[0];
    config.sink_count = 1;
    config.pair.present = true;
    config.pair.prefer = FH_PREFER_AVAILABILITY;
    config.arbiter.type = FH_ARBITER_WITNESS;
    config.store.sync_interval_ms = 1000;
    snprintf(sink->name, sizeof(sink->name), "out");
    snprintf(sink->directory, sizeof(sink->directory), "/srv/out");
    sink->required = true;
    return 0;
}

static const char *promise_of(const char *type)
{
    struct fh_config_sink *sink = &config.sinks[0];
    snprintf(sink->type, sizeof(sink->type), "%s", type);
    const struct fh_sink_ops *ops = fh_sink_for(sink);
    assert_non_null(ops);
    memset(text, 'x', sizeof(text));
    fh_delivery_promise(&config, sink, ops, text);
    assert_non_null(memchr(text, '\0', sizeof(text)));
    return text;
}

static void with_nothing_against_it(void **state)
{
    (void)state;
    const char *const types[] = {"file", "webhook", "command", "zeromq"};
    for (size_t i = 0; i < FH_ARRAY_LEN(types); i++) {
        char own[FH_PROMISE_MAX];
        const char *said = promise_of(types[i]);
        fh_sink_find(types[i])->promise(&config.sinks[0], own, sizeof(own));
        assert_string_equal(said, own);
    }
}

static void is_never_cut_short(void **state)
{
    (void)state;
    struct fh_config_sink *sink = &config.sinks[0];
    memset(sink->name, 'n', sizeof(sink->name) - 1);
    memset(sink->directory, 'd', sizeof(sink->directory) - 1);
    memset(sink->topic, 't', sizeof(sink->topic) - 1);
    memset(sink->stream, 's', sizeof(sink->stream) - 1);
    config.arbiter.type = FH_ARBITER_NONE;
    config.store.sync = FH_SYNC_INTERVAL;
    config.store.sync_interval_ms = 60000;
    sink->required = false;
    const char *const types[] = {"file", "kafka", "nats"};
    for (size_t i = 0; i < FH_ARRAY_LEN(types); i++) {
        if (fh_sink_find(types[i])) {
            promise_of(types[i]);
            assert_non_null(strstr(text, "(required = false)"));
            assert_true(strlen(text) < FH_PROMISE_MAX - 1);
        }
    }
}

static void when_both_nodes_may_deliver(void **state)
{
    (void)state;
    config.arbiter.type = FH_ARBITER_NONE;
    assert_non_null(strstr(promise_of("file"), "no arbiter"));
    assert_non_null(strstr(text, "exactly once"));
    config.sinks[0].pattern = FH_ZEROMQ_PUB;
    assert_non_null(strstr(promise_of("zeromq"), "no arbiter"));
    config.sinks[0].pattern = FH_ZEROMQ_PUSH;
    assert_null(strstr(promise_of("zeromq"), "no arbiter")); /* at least once all the same */
    if (fh_sink_find("kafka")) {
        assert_null(strstr(promise_of("kafka"), "no arbiter")); /* the cluster fences one of them */
    }
    config.pair.prefer = FH_PREFER_SAFETY;
    assert_null(strstr(promise_of("file"), "no arbiter"));
    config.pair.prefer = FH_PREFER_AVAILABILITY;
    config.pair.present = false;
    assert_null(strstr(promise_of("file"), "no arbiter"));
}

static void when_a_power_cut_takes_what_was_noted(void **state)
{
    (void)state;
    config.store.sync = FH_SYNC_INTERVAL;
    assert_non_null(strstr(promise_of("file"), "in the last 1000 ms"));
    assert_null(strstr(promise_of("webhook"), "power cut"));
    if (fh_sink_find("kafka")) {
        assert_null(strstr(promise_of("kafka"), "power cut")); /* it is asked */
    }
}

static void when_it_is_optional(void **state)
{
    (void)state;
    config.sinks[0].required = false;
    assert_non_null(strstr(promise_of("file"), "gives way"));
    assert_non_null(strstr(promise_of("webhook"), "gives way"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(with_nothing_against_it, fresh),
        cmocka_unit_test_setup(is_never_cut_short, fresh),
        cmocka_unit_test_setup(when_both_nodes_may_deliver, fresh),
        cmocka_unit_test_setup(when_a_power_cut_takes_what_was_noted, fresh),
        cmocka_unit_test_setup(when_it_is_optional, fresh),
    };
    return cmocka_run_group_tests_name("promise", tests, NULL, NULL);
}
