/* test_envelope.c: which JSON object is a record, and what its envelope says. */
#include "envelope_room.h"

#include <inttypes.h>

static void plain_record(void **state)
{
    (void)state;
    struct fh_envelope envelope;
    const char *text = "{\"recordUid\":\"event-85b84f15\",\"recordTimestamp\":1605502585236,"
                       "\"spacesTenantId\":\"tenant-1\",\"eventType\":\"KEEP_ALIVE\"}";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_OK);
    expect_slice(envelope.uid, "event-85b84f15");
    expect_slice(envelope.type, "KEEP_ALIVE");
    expect_slice(envelope.tenant, "tenant-1");
    expect_slice(envelope.uid_member, "\"recordUid\":\"event-85b84f15\",");
    assert_true(envelope.timestamp_ms == INT64_C(1605502585236));
    assert_true(fh_envelope_is_keep_alive(&envelope));
    /* Slices of a value without escapes point into the line. */
    assert_true(envelope.uid.data > room && envelope.uid.data < room + ROOM);

    text = " \t{ \"eventType\" : \"KEEP_ALIVES\" , \"recordTimestamp\" : 7 ,\r\n\t\"recordUid\" : "
           "\"u\" } \r";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_OK);
    expect_slice(envelope.uid, "u");
    expect_slice(envelope.tenant, "");
    expect_slice(envelope.uid_member, ",\r\n\t\"recordUid\" : \"u\"");
    assert_false(fh_envelope_is_keep_alive(&envelope));
}

static void members_missing_or_wrong(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum fh_envelope_result wanted;
    } cases[] = {
        {"{}", FH_ENVELOPE_NO_UID},
        {"{ }", FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":1,\"recordTimestamp\":1,\"eventType\":\"T\"}", FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":\"\",\"recordTimestamp\":1,\"eventType\":\"T\"}", FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":null,\"recordTimestamp\":1,\"eventType\":\"T\"}", FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":[\"u\"],\"recordTimestamp\":1,\"eventType\":\"T\"}", FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":\"a\\u0000b\",\"recordTimestamp\":1,\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_UID},
        {"{\"recorduid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\"}", FH_ENVELOPE_NO_UID},
        {"{\"x\":{\"recordUid\":\"u\"},\"recordTimestamp\":1,\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_UID},
        {"{\"x\":\"recordUid\",\"y\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_UID},
        {"{\"recordUid\":\"u\",\"eventType\":\"T\"}", FH_ENVELOPE_NO_TIMESTAMP},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":{},\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_TIMESTAMP},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":true,\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_TIMESTAMP},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":1}", FH_ENVELOPE_NO_TYPE},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"\"}", FH_ENVELOPE_NO_TYPE},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":7}", FH_ENVELOPE_NO_TYPE},
        {"{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\\u0000\"}",
         FH_ENVELOPE_NO_TYPE},
        /* the first of equal keys counts, even when it is of no use */
        {"{\"recordUid\":7,\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\"}",
         FH_ENVELOPE_NO_UID},
        /* a tenant of any other type is no tenant, and no reason to refuse */
        {"{\"recordUid\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\",\"spacesTenantId\":1}",
         FH_ENVELOPE_OK},
        /* ours for those who stop at the NUL, another key for the rest: nobody's */
        {"{\"recordUid\\u0000x\":\"v\",\"recordUid\":\"u\",\"recordTimestamp\":1,"
         "\"eventType\":\"T\"}",
         FH_ENVELOPE_NOT_JSON},
        {"{\"some\\u0000thing\":\"v\",\"recordUid\":\"u\",\"recordTimestamp\":1,"
         "\"eventType\":\"T\"}",
         FH_ENVELOPE_OK},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].text, cases[i].wanted);
    }
    struct fh_envelope envelope;
    const char *text = "{\"recordUid\":\"u\",\"recordTimestamp\":-1,\"eventType\":\"T\"}";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_NO_TIMESTAMP);
    assert_int_equal(envelope.error_offset, strstr(text, "-1") - text);
}

static void inner_names_and_equal_keys(void **state)
{
    (void)state;
    struct fh_envelope envelope;
    const char *text =
        "{\"p\":{\"recordUid\":\"inner\",\"eventType\":\"INNER\",\"recordTimestamp\":9,"
        "\"q\":[{\"recordUid\":\"deep\"}]},\"eventType\":\"T\",\"recordTimestamp\":5,"
        "\"recordUid\":\"first\",\"recordUid\":\"second\",\"recordTimestamp\":6,"
        "\"eventType\":\"U\",\"recordUid\":[]}";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_OK);
    expect_slice(envelope.uid, "first");
    expect_slice(envelope.type, "T");
    expect_slice(envelope.uid_member, "\"recordUid\":\"first\",");
    assert_true(envelope.timestamp_ms == 5);
}

static void escapes_in_keys_and_values(void **state)
{
    (void)state;
    struct fh_envelope envelope;
    const char *text = "{\"\\u0072ecordUid\":\"a\\\"\\u00e9\\ud83d\\uDE00\\/\","
                       "\"record\\u0054imestamp\":\"\\u0031\\u0032\",\"eventTyp\\u0065\":\"A\\tB\","
                       "\"spacesTenantI\\u0064\":\"\\u20ac\"}";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_OK);
    expect_slice(envelope.uid, "a\"\xc3\xa9\xf0\x9f\x98\x80/");
    expect_slice(envelope.type, "A\tB");
    expect_slice(envelope.tenant, "\xe2\x82\xac");
    assert_true(envelope.timestamp_ms == 12);
    /* An escaped first key wins over a plain second one. */
    text = "{\"recordUi\\u0064\":\"1st\",\"recordUid\":\"2nd\",\"recordTimestamp\":1,"
           "\"eventType\":\"T\"}";
    assert_int_equal(scan(text, strlen(text), &envelope), FH_ENVELOPE_OK);
    expect_slice(envelope.uid, "1st");
    /* Close, but no name of ours. */
    expect("{\"\\u0072ecordUid\\u0020\":\"u\",\"recordTimestamp\":1,\"eventType\":\"T\"}",
           FH_ENVELOPE_NO_UID);
}

static void timestamps(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t wanted; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"-0.0e5", 0},
        {"0e999999999999", 0},
        {"1767225600000", 1767225600000},
        {"123.0", 123},
        {"1.5e12", 1500000000000},
        {"1.7672256e+12", 1767225600000},
        {"12300e-2", 123},
        {"12345e-2", -1},
        {"1e-1", -1},
        {"1.5", -1},
        {"-1", -1},
        {"-1e3", -1},
        {"9007199254740992", 9007199254740992},
        {"9007199254740993", -1},
        {"9.007199254740992e15", 9007199254740992},
        {"9007199254740992.5", -1},
        {"18446744073709551617", -1},
        {"1e16", -1},
        {"1e999999999999999999999", -1},
        {"1e-99999999999999999999", -1},
        {"1.00000000000000000000000000000001", -1},
        {"1.000000000000000000000000000000000", 1},
        {"0.000000000000000000000000001e27", 1},
        {"\"0\"", 0},
        {"\"1767225600000\"", 1767225600000},
        {"\"9007199254740992\"", 9007199254740992},
        {"\"9007199254740993\"", -1},
        {"\"\"", -1},
        {"\"12a\"", -1},
        {"\" 12\"", -1},
        {"\"-1\"", -1},
        {"\"1.0\"", -1},
        {"\"\\u0031\"", 1},
        {"\"99999999999999999999999999999999999999\"", -1},
        {"null", -1},
        {"[1]", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"recordUid\":\"u\",\"recordTimestamp\":%s,\"eventType\":\"T\"}", cases[i].text);
        struct fh_envelope envelope;
        enum fh_envelope_result result = scan(text, strlen(text), &envelope);
        bool refused = result == FH_ENVELOPE_NO_TIMESTAMP && cases[i].wanted == -1;
        bool taken = result == FH_ENVELOPE_OK && envelope.timestamp_ms == cases[i].wanted;
        if (!refused && !taken) {
            fail_msg("%s: %s, %" PRId64, cases[i].text, fh_envelope_reason(result),
                     envelope.timestamp_ms);
        }
    }
}

/* {"recordUid":"<uid>",...} with a uid of len bytes; escaped: the last byte is written \u0061. */
static enum fh_envelope_result scan_lengths(size_t uid, size_t type, size_t tenant, bool escaped,
                                            struct fh_envelope *ret)
{
    char text[4096];
    char bytes[1024];
    memset(bytes, 'a', sizeof(bytes));
    const char *tail = escaped ? "\\u0061" : "a";
    int len = snprintf(text, sizeof(text),
                       "{\"recordUid\":\"%.*s%s\",\"recordTimestamp\":1,\"eventType\":\"%.*s%s\","
                       "\"spacesTenantId\":\"%.*s%s\"}",
                       (int)uid - 1, bytes, tail, (int)type - 1, bytes, tail, (int)tenant - 1,
                       bytes, tail);
    return scan(text, (size_t)len, ret);
}

static void lengths(void **state)
{
    (void)state;
    struct fh_envelope envelope;
    for (int escaped = 0; escaped < 2; escaped++) {
        assert_int_equal(scan_lengths(FH_UID_MAX, FH_TYPE_MAX, FH_TENANT_MAX, escaped, &envelope),
                         FH_ENVELOPE_OK);
        assert_int_equal(envelope.uid.len, FH_UID_MAX);
        assert_int_equal(envelope.type.len, FH_TYPE_MAX);
        assert_int_equal(envelope.tenant.len, FH_TENANT_MAX);
        assert_int_equal(scan_lengths(FH_UID_MAX + 1, 1, 1, escaped, &envelope),
                         FH_ENVELOPE_NO_UID);
        assert_int_equal(scan_lengths(1, FH_TYPE_MAX + 1, 1, escaped, &envelope),
                         FH_ENVELOPE_NO_TYPE);
        assert_int_equal(scan_lengths(1, 1, FH_TENANT_MAX + 1, escaped, &envelope), FH_ENVELOPE_OK);
        assert_int_equal(envelope.tenant.len, 0);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The samples are records; cut anywhere they are none; with bytes changed, all implementations
 * still agree (scan() checks). */
static void sample_events(void **state)
{
    (void)state;
    uint64_t seed = 20260101;
    print_message("seed %" PRIu64 "\n", seed);
    FILE *file = fopen(FH_TEST_DATA "/sample-events.ndjson", "rb");
    assert_non_null(file);
    static char line[8192];
    unsigned count = 0;
    while (fgets(line, sizeof(line), file)) {
        struct fh_envelope envelope;
        size_t len = strcspn(line, "\n");
        if (len == 0) {
            continue;
        }
        assert_int_equal(scan(line, len, &envelope), FH_ENVELOPE_OK);
        assert_memory_equal(envelope.uid.data, "event-", strlen("event-"));
        assert_true(envelope.timestamp_ms >= INT64_C(1767225600000));
        assert_int_equal(fh_envelope_is_keep_alive(&envelope), strstr(line, "KEEP_ALIVE") != NULL);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_equal(scan(line, cut, &envelope), FH_ENVELOPE_NOT_JSON);
        }
        for (int i = 0; i < 500; i++) {
            static const char spice[] = "\"\\{}[],:u0-.e \xc3\x01";
            char *byte = &line[next_random(&seed) % len];
            char before = *byte;
            *byte = spice[next_random(&seed) % (sizeof(spice) - 1)];
            scan(line, len, &envelope);
            *byte = before;
        }
        count++;
    }
    fclose(file);
    assert_true(count >= 15);
}

static uint64_t key_of(const char *text, enum fh_dedup_key key)
{
    struct fh_envelope envelope;
    size_t len = strlen(text);
    assert_int_equal(fh_envelope_scan(text, len, &envelope), FH_ENVELOPE_OK);
    uint64_t fingerprint = fh_envelope_fingerprint(&envelope, text, len, key);
    assert_true(fingerprint != 0);
    return fingerprint;
}

static uint32_t lot_of(const char *text)
{
    struct fh_envelope envelope;
    size_t len = strlen(text);
    assert_int_equal(fh_envelope_scan(text, len, &envelope), FH_ENVELOPE_OK);
    return fh_envelope_lot(&envelope, text, len);
}

static void fingerprints(void **state)
{
    (void)state;
    const char *first = "{\"recordUid\":\"u-1\",\"recordTimestamp\":5,\"eventType\":\"T\",\"x\":1}";
    const char *later = "{\"recordUid\":\"u-1\",\"recordTimestamp\":6,\"eventType\":\"T\",\"x\":1}";
    const char *other = "{\"recordUid\":\"u-2\",\"recordTimestamp\":5,\"eventType\":\"T\",\"x\":1}";
    const char *last = "{\"recordTimestamp\":5,\"eventType\":\"T\",\"x\":1,\"recordUid\":\"u-3\"}";
    const char *inner = "{\"recordTimestamp\":5,\"recordUid\":\"u-4\",\"eventType\":\"T\",\"x\":1}";
    const char *escaped = "{\"x\":0,\"eventType\":\"T\",\"recordTimestamp\":\"5\","
                          "\"recordUid\":\"u\\u002d1\"}";
    assert_true(key_of(first, FH_KEY_UID_TIMESTAMP) != key_of(later, FH_KEY_UID_TIMESTAMP));
    assert_true(key_of(first, FH_KEY_UID_TIMESTAMP) != key_of(other, FH_KEY_UID_TIMESTAMP));
    assert_true(key_of(first, FH_KEY_UID_TIMESTAMP) == key_of(escaped, FH_KEY_UID_TIMESTAMP));
    assert_true(key_of(first, FH_KEY_UID) == key_of(later, FH_KEY_UID));
    assert_true(key_of(first, FH_KEY_UID) != key_of(other, FH_KEY_UID));
    assert_true(key_of(first, FH_KEY_CONTENT) == key_of(other, FH_KEY_CONTENT));
    assert_true(key_of(first, FH_KEY_CONTENT) == key_of(last, FH_KEY_CONTENT));
    assert_true(key_of(first, FH_KEY_CONTENT) == key_of(inner, FH_KEY_CONTENT));
    assert_true(key_of(first, FH_KEY_CONTENT) != key_of(later, FH_KEY_CONTENT));
    assert_true(key_of(first, FH_KEY_UID_PAYLOAD) == key_of(later, FH_KEY_UID_PAYLOAD));
    assert_true(key_of(first, FH_KEY_UID_PAYLOAD) != key_of(other, FH_KEY_UID_PAYLOAD));
    /* The value is stored and compared between nodes and versions: it must never change. */
    assert_true(key_of(first, FH_KEY_UID_TIMESTAMP) == UINT64_C(0xb8a385d5649b8566));
}

/* Wherever the two members stand, side by side or not, first or last. */
static void payload_fingerprints(void **state)
{
    (void)state;
    static const char *const lines[][3] = {
        {"{\"recordUid\":\"u\",\"recordTimestamp\":5,\"eventType\":\"T\",\"x\":1}",
         "{\"recordUid\":\"other\",\"recordTimestamp\":1234,\"eventType\":\"T\",\"x\":1}",
         "{\"recordUid\":\"u\",\"recordTimestamp\":5,\"eventType\":\"T\",\"x\":2}"},
        {"{\"recordTimestamp\":5,\"recordUid\":\"u\",\"eventType\":\"T\",\"x\":1}",
         "{\"recordTimestamp\":1234,\"recordUid\":\"other\",\"eventType\":\"T\",\"x\":1}",
         "{\"recordTimestamp\":5,\"recordUid\":\"u\",\"eventType\":\"T\",\"x\":2}"},
        {"{\"eventType\":\"T\",\"x\":1,\"recordTimestamp\":5,\"recordUid\":\"u\"}",
         "{\"eventType\":\"T\",\"x\":1,\"recordTimestamp\":1234,\"recordUid\":\"other\"}",
         "{\"eventType\":\"T\",\"x\":2,\"recordTimestamp\":5,\"recordUid\":\"u\"}"},
        {"{\"eventType\":\"T\",\"x\":1,\"recordUid\":\"u\",\"recordTimestamp\":5}",
         "{\"eventType\":\"T\",\"x\":1,\"recordUid\":\"other\",\"recordTimestamp\":1234}",
         "{\"eventType\":\"T\",\"x\":2,\"recordUid\":\"u\",\"recordTimestamp\":5}"},
        {" { \"recordUid\":\"u\", \"eventType\":\"T\" ,\"recordTimestamp\" : 5 ,\"x\":1} ",
         " { \"recordUid\":\"other\", \"eventType\":\"T\" ,\"recordTimestamp\" : 1234 ,\"x\":1} ",
         " { \"recordUid\":\"u\", \"eventType\":\"T\" ,\"recordTimestamp\" : 5 ,\"x\":2} "},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_true(key_of(lines[i][0], FH_KEY_PAYLOAD) == key_of(lines[i][1], FH_KEY_PAYLOAD));
        assert_true(key_of(lines[i][0], FH_KEY_PAYLOAD) != key_of(lines[i][2], FH_KEY_PAYLOAD));
        assert_true(lot_of(lines[i][0]) == lot_of(lines[i][1]));
        assert_true(i == 4 || lot_of(lines[i][0]) != lot_of(lines[i][2])); /* x is not looked at */
    }
}

/* What a node goes over to knows all that it knew before. */
static void keys_are_joined(void **state)
{
    (void)state;
    for (int a = 0; a < FH_KEY_COUNT; a++) {
        for (int b = 0; b < FH_KEY_COUNT; b++) {
            enum fh_dedup_key joined = fh_key_join((enum fh_dedup_key)a, (enum fh_dedup_key)b);
            assert_int_equal(joined, fh_key_join((enum fh_dedup_key)b, (enum fh_dedup_key)a));
            assert_true((int)joined >= a && (int)joined >= b);
            assert_int_equal(fh_key_join(joined, (enum fh_dedup_key)a), joined);
        }
    }
    assert_int_equal(fh_key_join(FH_KEY_CONTENT, FH_KEY_UID_PAYLOAD), FH_KEY_PAYLOAD);
    assert_int_equal(fh_key_join(FH_KEY_UID, FH_KEY_UID_PAYLOAD), FH_KEY_UID_PAYLOAD);
}

static void reasons(void **state)
{
    (void)state;
    for (int i = 0; i < FH_ENVELOPE_RESULT_COUNT; i++) {
        const char *reason = fh_envelope_reason((enum fh_envelope_result)i);
        assert_true(strlen(reason) > 1);
        assert_string_not_equal(reason, fh_envelope_reason(FH_ENVELOPE_RESULT_COUNT));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_record),
        cmocka_unit_test(members_missing_or_wrong),
        cmocka_unit_test(inner_names_and_equal_keys),
        cmocka_unit_test(escapes_in_keys_and_values),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(lengths),
        cmocka_unit_test(sample_events),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(payload_fingerprints),
        cmocka_unit_test(keys_are_joined),
        cmocka_unit_test(reasons),
    };
    return cmocka_run_group_tests(tests, open_room, NULL);
}
