/* test_store_rekey.c: other keys for the same records: everything that is known by key follows,
 * whenever the process dies, and in whatever order the two nodes change. */
#include "test_store_common.h"

#include <signal.h>
#include <sys/wait.h>

#define NEW(fingerprint) ((fingerprint) ^ 0x5555555555555555u)

struct changer {
    unsigned calls;
    unsigned fail_at; /* this call answers -EBADMSG; 0: none */
    unsigned kill_at; /* in this call the process is killed */
};

static uint64_t number_in(const char *record, size_t len)
{
    const char *n = memmem(record, len, "\"n\":", 4);
    assert_non_null(n);
    return strtoull(n + 4, NULL, 10);
}

static struct fh_record_key new_key_of(uint64_t number)
{
    struct fh_record_key key = key_of(number);
    key.fingerprint = NEW(key.fingerprint);
    return key;
}

static int change(void *userdata, const char *record, size_t len, struct fh_record_key *ret)
{
    struct changer *changer = userdata;
    changer->calls++;
    if (changer->calls == changer->fail_at) {
        return -EBADMSG;
    }
    if (changer->calls == changer->kill_at) {
        kill(getpid(), SIGKILL);
    }
    ret->fingerprint = new_key_of(number_in(record, len)).fingerprint;
    return 0;
}

static struct fh_store_rekeyed rekey(struct fixture *f)
{
    struct changer changer = {0};
    struct fh_store_rekeyed done = {0};
    struct fh_error err = {""};
    int r = fh_store_rekey(f->store, change, &changer, 0, &done, &err);
    if (r != 0) {
        fail_msg("rekey: %d %s", r, err.text);
    }
    return done;
}

/* ---- looking at what is known by key -------------------------------------------------------- */

struct seen {
    uint64_t count;
    bool fresh;
};

static int look_at_keys(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct seen *seen = userdata;
    for (size_t i = 0; i < count; i++) {
        seen->count++;
        uint64_t number = (uint64_t)(keys[i].timestamp_ms - T0) / 10;
        struct fh_record_key want = seen->fresh ? new_key_of(number) : key_of(number);
        assert_int_equal(keys[i].fingerprint, want.fingerprint);
    }
    return 0;
}

static void assert_keys(struct fixture *f, bool fresh, uint64_t count)
{
    struct seen seen = {0, fresh};
    assert_int_equal(fh_store_keys(f->store, look_at_keys, &seen), 0);
    assert_int_equal(seen.count, count);
    uint64_t at = 0;
    for (uint64_t read = 0; read < count;) { /* and with the records */
        struct fh_store_batch batch;
        struct fh_error err = {""};
        assert_int_equal(fh_store_read(f->store, &at, &batch, &err), 1);
        for (uint32_t i = 0; i < batch.count; i++) {
            uint64_t number = number_in(batch.record[i].data, batch.record[i].len);
            struct fh_record_key want = fresh ? new_key_of(number) : key_of(number);
            assert_memory_equal(&batch.key[i], &want, sizeof(want));
        }
        read += batch.count;
        fh_store_batch_done(f->store, &batch);
    }
}

struct sent {
    struct fh_report report[64];
    struct fh_record_key first[64], last[64];
    size_t count;
};

static int take_sent(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct sent *sent = userdata;
    static struct fh_record_key keys[4096];
    assert_true(sent->count < 64);
    struct fh_report *report = &sent->report[sent->count];
    assert_int_equal(fh_report_decode(bytes, len, keys, 4096, report), 0);
    assert_int_equal(report->number, number);
    sent->first[sent->count] = keys[0];
    sent->last[sent->count] = keys[report->count - 1];
    sent->count++;
    return 0;
}

static struct sent reports_of(struct fixture *f, uint64_t from)
{
    struct sent sent = {.count = 0};
    fh_store_reports_from(f->store, from, INT64_MIN, 64, take_sent, &sent);
    return sent;
}

/* ---- one store ------------------------------------------------------------------------------ */

static void everything_follows(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 300);
    commit(f);
    own_report(f, 1, 50, 51, FH_REPORT_DELIVERED);
    own_report(f, 51, 60, 61, FH_REPORT_VOID);
    own_report(f, 51, 100, 101, FH_REPORT_DELIVERED);
    uint64_t doubt = own_report(f, 101, 120, 121, FH_REPORT_PREPARED);
    peer_report(f, 1, 201, 210);
    peer_report(f, 2, 301, 310); /* not received yet */
    append_range(f, 301, 302);   /* staged: committed first */
    struct fh_store_rekeyed done = rekey(f);
    assert_int_equal(done.records, 302);
    assert_int_equal(done.reports, 2);
    assert_int_equal(done.untranslated, 0);
    for (int round = 0; round < 2; round++) {
        assert_keys(f, true, 302);
        assert_int_equal(cursor_of(f, "archive").cursor, 101);
        assert_int_equal(cursor_of(f, "archive").pending, 202 - 10 - 2);
        struct sent sent = reports_of(f, 0);
        assert_int_equal(sent.count, 3);
        assert_int_equal(sent.report[0].number, doubt);
        assert_int_equal(sent.report[0].state, FH_REPORT_PREPARED);
        assert_int_equal(sent.first[0].fingerprint, new_key_of(101).fingerprint);
        assert_int_equal(sent.report[1].number, doubt + 1);
        assert_int_equal(sent.first[1].fingerprint, new_key_of(1).fingerprint);
        assert_int_equal(sent.last[1].fingerprint, new_key_of(50).fingerprint);
        assert_int_equal(sent.report[2].number, doubt + 2);
        assert_int_equal(sent.last[2].fingerprint, new_key_of(100).fingerprint);
        assert_int_equal(sent.report[2].cursor_after, 101);
        struct fh_report in_doubt;
        assert_int_equal(fh_store_reports_in_doubt(f->store, &in_doubt, 1), 1);
        assert_int_equal(in_doubt.number, doubt);
        struct fh_store_state s;
        fh_store_state(f->store, &s);
        assert_int_equal(s.own_report_last, doubt + 2);
        assert_int_equal(s.peer_report_applied, 2);
        assert_int_equal(s.unmatched_reports, 8);
        if (round == 0) {
            open_again(f);
        }
    }
}

static void settled_doubts_are_given_out_again(void **state)
{
    struct fixture *f = *state;
    fh_store_lead(f->store);
    append_range(f, 1, 30);
    uint64_t kept = own_report(f, 1, 10, 11, FH_REPORT_PREPARED);
    uint64_t gone = own_report(f, 11, 20, 21, FH_REPORT_PREPARED);
    rekey(f);
    assert_int_equal(fh_store_report_finish(f->store, kept, FH_REPORT_DELIVERED), 0);
    assert_int_equal(fh_store_report_finish(f->store, gone, FH_REPORT_VOID), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 11);
    struct sent sent = reports_of(f, gone + 1);
    assert_int_equal(sent.count, 1);
    assert_int_equal(sent.report[0].state, FH_REPORT_DELIVERED);
    assert_int_equal(sent.report[0].count, 10);
    assert_int_equal(sent.first[0].fingerprint, new_key_of(1).fingerprint);
    /* a report made since then is not */
    uint64_t later = own_report(f, 21, 30, 31, FH_REPORT_PREPARED);
    assert_int_equal(fh_store_report_finish(f->store, later, FH_REPORT_DELIVERED), 0);
    commit(f);
    assert_int_equal(reports_of(f, later + 1).count, 0);
}

static void an_error_changes_nothing(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 200);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    struct changer changer = {.fail_at = 150};
    struct fh_error err = {""};
    assert_int_equal(fh_store_rekey(f->store, change, &changer, 0, NULL, &err), -EBADMSG);
    assert_true(err.text[0] != '\0');
    for (int round = 0; round < 2; round++) {
        assert_keys(f, false, 200);
        struct sent sent = reports_of(f, 0);
        assert_int_equal(sent.count, 1);
        assert_int_equal(sent.report[0].number, 1);
        assert_int_equal(sent.first[0].fingerprint, key_of(1).fingerprint);
        open_again(f);
    }
    assert_int_equal(own_report(f, 11, 20, 21, FH_REPORT_DELIVERED), 2);
    rekey(f);
    assert_keys(f, true, 200);
}

/* Dead at any point: old or new, never both, and the next try ends well. */
static void killed_on_the_way(void **state)
{
    struct fixture *f = *state;
    append_range(f, 1, 400);
    own_report(f, 1, 10, 11, FH_REPORT_DELIVERED);
    peer_report(f, 1, 21, 30);
    commit(f);
    static const unsigned at[] = {1, 57, 400};
    for (size_t i = 0; i < FH_ARRAY_LEN(at); i++) {
        fh_store_close(f->store);
        f->store = NULL;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct changer changer = {.kill_at = at[i]};
            struct fh_error err = {""};
            if (fh_store_open(&f->options, &err, &f->store) == 0) {
                fh_store_rekey(f->store, change, &changer, 0, NULL, &err);
            }
            _exit(1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        open_again(f);
        assert_keys(f, false, 400);
        assert_int_equal(reports_of(f, 0).report[0].number, 1);
        assert_int_equal(cursor_of(f, "archive").pending, 380);
    }
    rekey(f);
    /* and once more, because the process died before it could note that it was done */
    assert_int_equal(rekey(f).records, 400);
    assert_keys(f, true, 400);
    assert_int_equal(cursor_of(f, "archive").pending, 380);
    open_again(f);
    assert_int_equal(cursor_of(f, "archive").pending, 380);
}

/* More records than are translated at a time, and a report across the border. */
static void several_portions(void **state)
{
    enum { RECORDS = 530000, BORDER = 524288 };
    struct fixture *f = *state;
    fh_store_close(f->store);
    f->store = NULL;
    f->options.size_limit = 512u << 20;
    f->options.block_bytes = 1u << 20;
    f->options.window_minutes = 1440;
    open_again(f);
    for (uint64_t i = 1; i <= RECORDS; i += 10000) {
        append_range(f, i, i + 9999);
        commit(f);
    }
    own_report(f, 1, 1000, 1001, FH_REPORT_DELIVERED);
    own_report(f, BORDER - 900, BORDER + 900, 1001, FH_REPORT_DELIVERED);
    own_report(f, RECORDS - 10, RECORDS, 1001, FH_REPORT_DELIVERED);
    struct fh_store_rekeyed done = rekey(f);
    assert_int_equal(done.records, RECORDS);
    assert_int_equal(done.untranslated, 0);
    assert_keys(f, true, RECORDS);
    struct sent sent = reports_of(f, 0);
    assert_int_equal(sent.count, 3);
    assert_int_equal(sent.first[0].fingerprint, new_key_of(1).fingerprint);
    assert_int_equal(sent.first[1].fingerprint, new_key_of(BORDER - 900).fingerprint);
    assert_int_equal(sent.last[1].fingerprint, new_key_of(BORDER + 900).fingerprint);
    assert_int_equal(sent.last[2].fingerprint, new_key_of(RECORDS).fingerprint);
}

/* The peer was first: its reports wait for the new keys. The cursor that moves when they come is
 * written, although nothing happens afterwards; the rows that are needed no more are gone by then.
 */
static void what_the_change_delivers_is_kept(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 100);
    struct fh_record_key keys[100];
    struct fh_report report = {.epoch = 1, .number = 1, .state = FH_REPORT_DELIVERED, .keys = keys};
    snprintf(report.sink, sizeof(report.sink), "archive");
    for (uint64_t i = 1; i <= 90; i++) {
        keys[report.count++] = new_key_of(i);
    }
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").pending, 100);
    rekey(f);
    commit(f);
    commit(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 91);
    open_again(f);
    assert_int_equal(cursor_of(f, "archive").cursor, 91);
    assert_int_equal(cursor_of(f, "archive").pending, 10);
}

/* The stamps of the peer's keys are others: before the change, after it, and after a start. */
static void stamps_apart_are_matched_for_good(void **state)
{
    struct fixture *f = *state;
    fh_store_follow(f->store);
    append_range(f, 1, 300);
    struct fh_record_key keys[300];
    struct fh_report report = {.epoch = 1, .state = FH_REPORT_DELIVERED, .keys = keys};
    snprintf(report.sink, sizeof(report.sink), "archive");
    for (uint64_t part = 0; part < 3; part++) {
        report.number = part + 1;
        report.count = 0;
        for (uint64_t i = 100 * part + 1; i <= 100 * part + 100; i++) {
            keys[report.count] = new_key_of(i);
            keys[report.count++].timestamp_ms += i % 2 ? 1999 : -2000;
        }
        assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
        commit(f);
        if (part == 0) {
            struct changer changer = {0};
            struct fh_error err = {""};
            assert_int_equal(cursor_of(f, "archive").pending, 300);
            assert_int_equal(fh_store_rekey(f->store, change, &changer, 60000, NULL, &err), 0);
            assert_int_equal(fh_store_apart_ms(f->store), 60000);
        } else if (part == 1) {
            open_again(f);
            assert_int_equal(fh_store_apart_ms(f->store), 60000);
        }
        commit(f);
        assert_int_equal(cursor_of(f, "archive").pending, 200 - 100 * part);
    }
    rekey(f); /* to a key that looks at stamps */
    assert_int_equal(fh_store_apart_ms(f->store), 0);
}

/* ---- two stores ----------------------------------------------------------------------------- */

/* The other node knows the same records by other keys, and in another order. */
static struct fh_record_key their_key_of(uint64_t number)
{
    struct fh_record_key key = key_of(number);
    key.fingerprint = key.fingerprint * 31 + 7;
    return key;
}

static void append_theirs(struct fixture *f, uint64_t from, uint64_t to, bool fresh)
{
    for (uint64_t i = to; i >= from; i--) {
        char text[256];
        struct fh_store_record record = {fresh ? new_key_of(i) : their_key_of(i), text,
                                         (uint32_t)text_of(i, text, sizeof(text))};
        assert_int_equal(fh_store_append(f->store, &record, NULL), 0);
    }
}

static int carry_one(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct fixture *f = userdata;
    static struct fh_record_key keys[4096];
    struct fh_report report;
    assert_int_equal(fh_report_decode(bytes, len, keys, 4096, &report), 0);
    assert_int_equal(report.number, number);
    assert_int_equal(fh_store_peer_apply(f->store, 77, &report, NULL), 0);
    return 0;
}

/* What a joined peer asks for. */
static void carry(struct fixture *from, struct fixture *to)
{
    struct fh_store_state s;
    commit(to);
    fh_store_state(to->store, &s);
    fh_store_reports_from(from->store, s.peer_report_applied + 1, INT64_MIN, 1000, carry_one, to);
    commit(to);
}

static void two_nodes(struct fixture *primary, struct fixture *standby, unsigned order)
{
    fh_store_lead(primary->store);
    fh_store_follow(standby->store);
    append_range(primary, 1, 100);
    append_theirs(standby, 1, 100, false);
    own_report(primary, 1, 60, 61, FH_REPORT_DELIVERED);
    commit(primary);
    carry(primary, standby);
    assert_int_equal(cursor_of(standby, "archive").pending, 100); /* nothing fits */
    bool primary_first = (order & 1) != 0;
    bool asks_between = (order & 2) != 0;
    rekey(primary_first ? primary : standby);
    if (order & 4) { /* the stream goes on between the two */
        append_theirs(standby, 101, 110, !primary_first);
        commit(standby);
    }
    if (asks_between) {
        carry(primary, standby);
    }
    rekey(primary_first ? standby : primary);
    carry(primary, standby);
    for (int round = 0; round < 2; round++) {
        fh_store_lead(standby->store);
        uint64_t at = 0;
        struct fh_store_batch batch;
        struct fh_error err = {""};
        uint64_t served = 0;
        while (fh_store_next(standby->store, "archive", &at, &batch, &err) == 1) {
            for (uint32_t i = 0; i < batch.count; i++) {
                uint64_t number = number_in(batch.record[i].data, batch.record[i].len);
                assert_true(number > 60);
                struct fh_record_key want = new_key_of(number);
                assert_memory_equal(&batch.key[i], &want, sizeof(want));
                served++;
            }
            fh_store_batch_done(standby->store, &batch);
        }
        assert_int_equal(served, order & 4 ? 50 : 40);
        open_again(standby);
    }
}

static void any_order_of_the_two(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 8; order++) {
        void *primary = NULL;
        void *standby = NULL;
        if (setup(&primary) != 0 || setup(&standby) != 0 || !primary || !standby) {
            fail_msg("no directory for the stores");
            return;
        }
        two_nodes(primary, standby, order);
        teardown(&primary);
        teardown(&standby);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(settled_doubts_are_given_out_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_change_delivers_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(stamps_apart_are_matched_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_on_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(several_portions, setup, teardown),
        cmocka_unit_test(any_order_of_the_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
