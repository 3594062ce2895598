/* test_seal.c: what opens a datagram and what does not: another key, another process, a repeated or
 * overtaken one, one cut short or changed by a bit. */
#include "seal.h"

#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

static unsigned char public_key[3][32], secret_key[3][32];
static struct fh_seal a, b;
static const char text[] = "a heartbeat";
static unsigned char datagram[FH_SEAL_MAX], opened[FH_SEAL_MAX];
static uint8_t path;

static int set_up(void **state)
{
    (void)state;
    assert_true(sodium_init() >= 0);
    for (size_t i = 0; i < 3; i++) {
        crypto_box_keypair(public_key[i], secret_key[i]);
    }
    assert_int_equal(fh_seal_init(&a, secret_key[0], public_key[1]), 0);
    assert_int_equal(fh_seal_init(&b, secret_key[1], public_key[0]), 0);
    fh_seal_session(&a, 11, 22);
    fh_seal_session(&b, 22, 11);
    return 0;
}

static int close_on(struct fh_seal *seal, uint8_t on)
{
    return fh_seal_close(seal, on, text, sizeof(text), datagram, sizeof(datagram));
}

static int open_at(struct fh_seal *seal, int len)
{
    return fh_seal_open(seal, datagram, (size_t)len, &path, opened);
}

static void what_one_seals_the_other_opens(void **state)
{
    (void)state;
    int len = close_on(&a, 3);
    assert_int_equal(len, sizeof(text) + FH_SEAL_EXTRA);
    assert_null(memmem(datagram, (size_t)len, text, sizeof(text) - 1));
    assert_int_equal(open_at(&b, len), sizeof(text));
    assert_int_equal(path, 3);
    assert_memory_equal(opened, text, sizeof(text));
    len = close_on(&b, 0);
    assert_int_equal(open_at(&a, len), sizeof(text));
    assert_int_equal(path, 0);
}

static void each_opens_once_and_in_order_per_path(void **state)
{
    (void)state;
    unsigned char first[FH_SEAL_MAX];
    int len = close_on(&a, 0);
    memcpy(first, datagram, sizeof(first));
    (void)close_on(&a, 0);
    assert_int_equal(open_at(&b, len), sizeof(text));
    assert_int_equal(open_at(&b, len), -EALREADY);
    assert_int_equal(fh_seal_open(&b, first, (size_t)len, &path, opened), -EALREADY);
    /* another path has a pace of its own */
    (void)close_on(&a, 1);
    memcpy(first, datagram, sizeof(first));
    (void)close_on(&a, 0);
    assert_int_equal(open_at(&b, len), sizeof(text));
    assert_int_equal(fh_seal_open(&b, first, (size_t)len, &path, opened), sizeof(text));
}

static void a_recording_of_another_run_does_not_open(void **state)
{
    (void)state;
    int len = close_on(&a, 0);
    fh_seal_session(&b, 23, 11); /* b was started anew */
    assert_int_equal(open_at(&b, len), -EBADMSG);
    fh_seal_session(&b, 22, 12); /* a was */
    assert_int_equal(open_at(&b, len), -EBADMSG);
    /* Even with the session's number of today: what it stands for is in the key. */
    memcpy(datagram + 8, &b.receive_session, 8);
    assert_int_equal(open_at(&b, len), -EBADMSG);
    fh_seal_session(&b, 22, 11);
    (void)close_on(&a, 0);
    assert_int_equal(open_at(&b, len), sizeof(text));
}

static void nothing_opens_or_is_sealed_without_a_session(void **state)
{
    (void)state;
    int len = close_on(&a, 0);
    fh_seal_session(&b, 22, 0);
    assert_int_equal(open_at(&b, len), -EBADMSG);
    assert_int_equal(close_on(&b, 0), -ENOTCONN);
    memset(datagram + 8, 0, 8);
    assert_int_equal(open_at(&b, len), -EBADMSG);
}

static void strangers_and_echoes_do_not_open(void **state)
{
    (void)state;
    struct fh_seal stranger;
    int len = close_on(&a, 0);
    assert_int_equal(open_at(&a, len), -EBADMSG); /* sent back */
    memcpy(datagram + 8, &a.receive_session, 8);
    assert_int_equal(open_at(&a, len), -EBADMSG);
    assert_int_equal(fh_seal_init(&stranger, secret_key[2], public_key[1]), 0);
    fh_seal_session(&stranger, 11, 22);
    len = close_on(&stranger, 0);
    assert_int_equal(open_at(&b, len), -EBADMSG);
    memcpy(datagram + 8, &b.receive_session, 8);
    assert_int_equal(open_at(&b, len), -EBADMSG);
    fh_seal_done(&stranger);
}

static void every_bit_and_every_byte_counts(void **state)
{
    (void)state;
    int len = close_on(&a, 0);
    for (int bit = 0; bit < len * 8; bit++) {
        datagram[bit / 8] = (unsigned char)(datagram[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(open_at(&b, len), -EBADMSG);
        datagram[bit / 8] = (unsigned char)(datagram[bit / 8] ^ (1 << bit % 8));
    }
    for (int cut = 0; cut < len; cut++) {
        assert_int_equal(open_at(&b, cut), -EBADMSG);
    }
    assert_int_equal(open_at(&b, len + 1), -EBADMSG);
    assert_int_equal(open_at(&b, len), sizeof(text));
}

static void a_datagram_stays_small(void **state)
{
    (void)state;
    static unsigned char large[FH_SEAL_MAX + 1];
    size_t most = FH_SEAL_MAX - FH_SEAL_EXTRA;
    assert_int_equal(fh_seal_close(&a, 0, large, most + 1, datagram, sizeof(datagram)), -EMSGSIZE);
    assert_int_equal(fh_seal_close(&a, 0, large, 100, datagram, 100), -EMSGSIZE);
    assert_int_equal(fh_seal_close(&a, FH_SEAL_PATHS, text, 1, datagram, 100), -EMSGSIZE);
    assert_int_equal(fh_seal_close(&a, 0, large, most, datagram, sizeof(datagram)), FH_SEAL_MAX);
    assert_int_equal(open_at(&b, FH_SEAL_MAX), most);
    assert_int_equal(fh_seal_open(&b, large, sizeof(large), &path, opened), -EBADMSG);
}

static void a_key_without_secret_is_refused(void **state)
{
    (void)state;
    static const unsigned char zero[32];
    assert_int_equal(fh_seal_init(&a, secret_key[0], zero), -EINVAL);
}

static void expect_address(const char *endpoint, const char *address, int port)
{
    struct sockaddr_storage found;
    socklen_t len = 0;
    char printed[INET6_ADDRSTRLEN];
    assert_int_equal(fh_address_parse(endpoint, &found, &len), 0);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&found;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&found;
    bool old = found.ss_family == AF_INET;
    const void *where = old ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;
    inet_ntop(found.ss_family, where, printed, sizeof(printed));
    assert_string_equal(printed, address);
    assert_int_equal(ntohs(old ? v4->sin_port : v6->sin6_port), port);
    assert_int_equal(len, old ? sizeof(*v4) : sizeof(*v6));
}

static void endpoints_are_read_without_a_name_server(void **state)
{
    (void)state;
    struct sockaddr_storage found;
    socklen_t len = 0;
    expect_address("tcp://10.0.0.2:5570", "10.0.0.2", 5570);
    expect_address("tcp://*:1", "0.0.0.0", 1);
    expect_address("tcp://[2001:db8::2]:5570", "2001:db8::2", 5570);
    expect_address("tcp://10.0.0.1:0;10.0.0.2:5570", "10.0.0.2", 5570);
    static const char *const wrong[] = {"tcp://host-b:5570", "tcp://10.0.0.2", "tcp://:5570", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(fh_address_parse(wrong[i], &found, &len), -EINVAL);
    }
    assert_int_equal(fh_address_parse("tcp://10.0.0.2:5570", &found, &len), 0);
    assert_int_equal(fh_address_in_family(&found, AF_INET), sizeof(struct sockaddr_in));
    assert_int_equal(fh_address_in_family(&found, AF_INET6), sizeof(struct sockaddr_in6));
    char printed[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&found)->sin6_addr, printed, sizeof(printed));
    assert_string_equal(printed, "::ffff:10.0.0.2");
    assert_int_equal(fh_address_in_family(&found, AF_INET), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_one_seals_the_other_opens, set_up),
        cmocka_unit_test_setup(each_opens_once_and_in_order_per_path, set_up),
        cmocka_unit_test_setup(a_recording_of_another_run_does_not_open, set_up),
        cmocka_unit_test_setup(nothing_opens_or_is_sealed_without_a_session, set_up),
        cmocka_unit_test_setup(strangers_and_echoes_do_not_open, set_up),
        cmocka_unit_test_setup(every_bit_and_every_byte_counts, set_up),
        cmocka_unit_test_setup(a_datagram_stays_small, set_up),
        cmocka_unit_test_setup(a_key_without_secret_is_refused, set_up),
        cmocka_unit_test(endpoints_are_read_without_a_name_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
