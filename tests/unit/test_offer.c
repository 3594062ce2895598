/* test_offer.c: when a standby looks for what it may offer. The link and the role machine are the
 * test's: whatever is sent is counted, and a question that travels behind it is answered when the
 * test says so. */
#include "ha_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static unsigned looked, sent, taken;
static bool may;

size_t fh_ha_send_once(struct fh_ha *ha, struct fh_wire_message *message)
{
    (void)ha;
    assert_int_equal(message->type, FH_WIRE_OFFER);
    sent++;
    return 1;
}

bool fh_fsm_may_offer(const struct fh_fsm *fsm)
{
    (void)fsm;
    return may;
}

bool fh_fsm_may_take(const struct fh_fsm *fsm)
{
    (void)fsm;
    return may;
}

static void find_unreported(void *userdata)
{
    (void)userdata;
    looked++;
}

static void peer_offers(void *userdata, const void *lines, size_t len)
{
    (void)userdata;
    (void)lines;
    (void)len;
    taken++;
}

static const struct fh_ha_host host = {.find_unreported = find_unreported,
                                       .peer_offers = peer_offers};

static int setup(void **state)
{
    struct fh_ha *ha = calloc(1, sizeof(*ha));
    static char link;
    assert_non_null(ha);
    ha->host = &host;
    ha->link = (struct fh_link *)(void *)&link; /* there is one; nothing here looks at it */
    looked = sent = taken = 0;
    may = true;
    *state = ha;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* The answer to a question asked at that time comes now. */
static void answer(struct fh_ha *ha, size_t path, struct fh_time asked, struct fh_time now)
{
    ha->echo.path[path].at = now;
    ha->echo.path[path].round_trip_us = (now.ns - asked.ns) / 1000;
}

static void once_a_second(void **state)
{
    struct fh_ha *ha = *state;
    struct fh_time now = fh_now();
    for (int tick = 0; tick < 35; tick++, now = fh_time_add_ms(now, 100)) {
        fh_ha_look_for_offers(ha, now);
    }
    assert_int_equal(looked, 4); /* nothing was found, nothing is to be waited for */
    may = false;
    fh_ha_look_for_offers(ha, fh_time_add_ms(now, 1000));
    fh_ha_offer(ha, "{}\n", 3);
    assert_int_equal(looked, 4);
    assert_int_equal(sent, 0);
}

static void the_one_before_has_to_be_through(void **state)
{
    struct fh_ha *ha = *state;
    struct fh_time before = fh_time_add_ms(fh_now(), -10);
    fh_ha_look_for_offers(ha, before);
    fh_ha_offer(ha, "{}\n", 3);
    assert_int_equal(sent, 1);
    struct fh_time asked = fh_time_add_ms(fh_now(), 1);
    struct fh_time now = fh_time_add_ms(asked, 2500);
    fh_ha_look_for_offers(ha, now);
    answer(ha, 1, before, now); /* was asked in front of it */
    fh_ha_look_for_offers(ha, now);
    answer(ha, 0, asked, now); /* has come another way */
    fh_ha_look_for_offers(ha, now);
    assert_int_equal(looked, 1);
    answer(ha, 1, asked, now);
    fh_ha_look_for_offers(ha, now);
    assert_int_equal(looked, 2);
}

/* A path that is gone answers nothing any more. */
static void a_lost_one_is_not_waited_for(void **state)
{
    struct fh_ha *ha = *state;
    fh_ha_look_for_offers(ha, fh_now());
    fh_ha_offer(ha, "{}\n", 3);
    struct fh_time sent_at = fh_now();
    fh_ha_look_for_offers(ha, fh_time_add_ms(sent_at, 29000));
    assert_int_equal(looked, 1);
    fh_ha_look_for_offers(ha, fh_time_add_ms(sent_at, 30000));
    assert_int_equal(looked, 2);
}

static void who_is_not_the_peer_offers_nothing(void **state)
{
    struct fh_ha *ha = *state;
    struct fh_wire_message message = {.type = FH_WIRE_OFFER, .instance = 7};
    message.u.offer = (struct fh_slice){"{}\n", 3};
    fh_ha_on_offer(ha, &message);
    assert_int_equal(taken, 0);
    ha->fsm.peer.instance = 7;
    fh_ha_on_offer(ha, &message);
    assert_int_equal(taken, 1);
    may = false;
    fh_ha_on_offer(ha, &message);
    assert_int_equal(taken, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(once_a_second),
        TEST(the_one_before_has_to_be_through),
        TEST(a_lost_one_is_not_waited_for),
        TEST(who_is_not_the_peer_offers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
