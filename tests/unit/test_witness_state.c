/* test_witness_state.c: the record a witness keeps on disk: whole, or refused. */
#include "state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

static const struct witness_state whole = {.epoch = UINT64_MAX,
                                           .released = true,
                                           .ttl_ms = 3000,
                                           .node = "node-a",
                                           .public_key =
                                               "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"};

static void what_is_written_is_read(void **state)
{
    (void)state;
    char directory[] = "/tmp/fh-state-XXXXXX";
    char path[64];
    struct witness_state got;
    struct fh_error err;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/pair.lease", directory);
    assert_int_equal(witness_state_read(path, &got, &err), -ENOENT);
    assert_int_equal(witness_state_write(path, &whole, &err), 0);
    memset(&got, 0, sizeof(got));
    assert_int_equal(witness_state_read(path, &got, &err), 0);
    assert_true(got.epoch == whole.epoch);
    assert_true(got.released);
    assert_int_equal(got.ttl_ms, 3000);
    assert_string_equal(got.node, whole.node);
    assert_string_equal(got.public_key, whole.public_key);
    unlink(path);
    rmdir(directory);
}

static void what_is_noted_beside_the_lease_is_kept(void **state)
{
    (void)state;
    char text[512];
    struct witness_state got;
    struct witness_state noted = whole;
    int plain = witness_state_format(&whole, text, sizeof(text));
    assert_null(strstr(text, "stint")); /* an earlier version reads it */
    noted.alone = (struct fh_alone_note){3, true, false};
    assert_true(witness_state_format(&noted, text, sizeof(text)) > plain);
    assert_int_equal(witness_state_parse(text, &got), 0);
    assert_int_equal(got.alone.stint, 3);
    assert_true(got.alone.before);
    assert_false(got.alone.other);
    *strstr(text, "before 1") = 'x';
    assert_int_equal(witness_state_parse(text, &got), -EBADMSG);
}

static void a_part_of_it_is_no_record(void **state)
{
    (void)state;
    char text[512];
    char cut[600];
    struct witness_state got;
    int len = witness_state_format(&whole, text, sizeof(text));
    assert_true(len > 0);
    assert_int_equal(witness_state_parse(text, &got), 0);
    for (int i = 0; i < len; i++) {
        memcpy(cut, text, (size_t)i);
        cut[i] = '\0';
        assert_int_equal(witness_state_parse(cut, &got), -EBADMSG);
    }
    snprintf(cut, sizeof(cut), "%s\n", text);
    assert_int_equal(witness_state_parse(cut, &got), -EBADMSG);
    assert_int_equal(witness_state_format(&whole, text, (size_t)len), -ENOBUFS);
}

static void odd_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "firehose-witness 2\nepoch 1\nreleased 0\nttl_ms 1\n",
        "firehose-witness 1\nepoch -1\nreleased 0\nttl_ms 1\n",
        "firehose-witness 1\nepoch 99999999999999999999\nreleased 0\nttl_ms 1\n",
        "firehose-witness 1\nepoch 1\nreleased 2\nttl_ms 1\n",
        "firehose-witness 1\nepoch 1\nreleased 0\nttl_ms 99999999999\n",
        "firehose-witness 1\nepoch \nreleased 0\nttl_ms 1\n",
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(heads); i++) {
        char text[512];
        struct witness_state got;
        snprintf(text, sizeof(text), "%snode a\nkey %s\nend\n", heads[i], whole.public_key);
        assert_int_equal(witness_state_parse(text, &got), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_noted_beside_the_lease_is_kept),
        cmocka_unit_test(a_part_of_it_is_no_record),
        cmocka_unit_test(odd_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
