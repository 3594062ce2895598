/* envelope.c: the members of the outermost object that make a line a record. Whether the bytes are
 * JSON is json.h's business; what the payload means is nobody's. */
#include "fh/envelope.h"

#include "envelope_scan.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Longest name below, and one more byte so that a longer key cannot look equal. */
#define KEY_MAX 16

/* 2^53: up to here every integer is a double of its own, so no consumer reads another value. */
#define TIMESTAMP_MAX (INT64_C(1) << 53)

static enum fh_envelope_member member_named(const char *name, size_t len)
{
    switch (len) {
    case 9:
        return memcmp(name, "recordUid", 9) == 0   ? FH_MEMBER_UID
               : memcmp(name, "eventType", 9) == 0 ? FH_MEMBER_TYPE
                                                   : FH_MEMBER_OTHER;
    case 14:
        return memcmp(name, "spacesTenantId", 14) == 0 ? FH_MEMBER_TENANT : FH_MEMBER_OTHER;
    case 15:
        return memcmp(name, "recordTimestamp", 15) == 0 ? FH_MEMBER_TIMESTAMP : FH_MEMBER_OTHER;
    default:
        return FH_MEMBER_OTHER;
    }
}

bool fh_envelope_identify(const char *key, size_t len, enum fh_envelope_member *ret_member)
{
    *ret_member = member_named(key, len);
    if (*ret_member != FH_MEMBER_OTHER || !memchr(key, '\\', len)) {
        return true;
    }
    char name[KEY_MAX];
    size_t name_len = 0;
    enum fh_json_text text =
        fh_json_unescape((const uint8_t *)key, len, name, sizeof(name), &name_len);
    if (text != FH_JSON_TEXT_TOO_LONG) {
        *ret_member = member_named(name, name_len);
    }
    return text != FH_JSON_TEXT_NUL || *ret_member == FH_MEMBER_OTHER;
}

/* A key of the outermost object and its colon. */
static const uint8_t *scan_key(const struct fh_json_ops *ops, struct fh_json *json,
                               const uint8_t *p, enum fh_envelope_member *ret_member)
{
    struct fh_slice key;
    const uint8_t *value = fh_json_key(ops, json, p, &key);
    return !value || fh_envelope_identify(key.data, key.len, ret_member) ? value
                                                                         : fh_json_fail(json, p);
}

/* The outermost object; p is at its brace. */
static const uint8_t *scan_members(const struct fh_json_ops *ops, struct fh_json *json,
                                   const uint8_t *p, struct fh_envelope_members *members)
{
    const uint8_t *end = json->end;
    const uint8_t *comma = NULL; /* before the current member */
    p = fh_json_skip_blanks(p + 1, end);
    if (p < end && *p == '}') {
        return p + 1;
    }
    for (;;) {
        const uint8_t *key = p;
        enum fh_envelope_member member = FH_MEMBER_OTHER;
        const uint8_t *value = scan_key(ops, json, p, &member);
        const uint8_t *after = value ? ops->value(json, value, 1) : NULL;
        if (!after) {
            return NULL;
        }
        p = fh_json_skip_blanks(after, end);
        if (p == end || (*p != ',' && *p != '}')) {
            return fh_json_fail(json, p);
        }
        if (member != FH_MEMBER_OTHER && !members->value[member].data) {
            members->value[member] =
                (struct fh_slice){(const char *)value, (size_t)(after - value)};
            if (member == FH_MEMBER_UID || member == FH_MEMBER_TIMESTAMP) {
                const uint8_t *from = *p == ',' || !comma ? key : comma;
                const uint8_t *to = *p == ',' ? p + 1 : after;
                struct fh_slice whole = {(const char *)from, (size_t)(to - from)};
                *(member == FH_MEMBER_UID ? &members->uid_member : &members->timestamp_member) =
                    whole;
            }
        }
        if (*p == '}') {
            return p + 1;
        }
        comma = p;
        p = fh_json_skip_blanks(p + 1, end);
    }
}

bool fh_envelope_string(struct fh_slice value, char *scratch, size_t max, struct fh_slice *ret)
{
    if (!value.data || value.data[0] != '"' || value.len == 2) {
        return false;
    }
    struct fh_slice text = {value.data + 1, value.len - 2};
    if (memchr(text.data, '\\', text.len)) {
        enum fh_json_text result =
            fh_json_unescape((const uint8_t *)text.data, text.len, scratch, max, &text.len);
        text.data = scratch;
        if (result != FH_JSON_TEXT_WHOLE) {
            return false;
        }
    }
    if (text.len > max) {
        return false;
    }
    *ret = text;
    return true;
}

/* digits, then zeros times 0, as an integer of at most TIMESTAMP_MAX. */
static bool decode_digits(const char *digits, size_t len, size_t zeros, int64_t *ret)
{
    int64_t value = 0;
    for (size_t i = 0; i < len + zeros; i++) {
        int digit = i < len ? digits[i] - '0' : 0;
        if (digit < 0 || digit > 9) {
            return false;
        }
        value = value * 10 + digit;
        if (value > TIMESTAMP_MAX) {
            return false;
        }
        if (value == 0 && i >= len) {
            break; /* 0e999999999 */
        }
    }
    *ret = value;
    return true;
}

/* A number that passed the check, if it is an integer however it is written: 1.5e3 is 1500, 2.0
 * is 2, 2.5 is none. Decimal arithmetic, because a double would round 1.00...01 to 1. */
static bool decode_number(struct fh_slice number, int64_t *ret)
{
    char digits[FH_JSON_NUMBER_MAX];
    size_t count = 0;
    long exponent = 0;
    size_t i = number.data[0] == '-';
    bool fraction = false;
    for (; i < number.len && (number.data[i] | 0x20) != 'e'; i++) {
        if (number.data[i] == '.') {
            fraction = true;
        } else {
            digits[count++] = number.data[i];
            exponent -= fraction;
        }
    }
    if (i < number.len) {
        bool negative = number.data[++i] == '-';
        i += negative || number.data[i] == '+';
        long written = 0;
        for (; i < number.len; i++) {
            written = written > 100000 ? written : written * 10 + (number.data[i] - '0');
        }
        exponent += negative ? -written : written;
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
        exponent++;
    }
    bool zero = count == 1 && digits[0] == '0';
    if (!zero && (exponent < 0 || number.data[0] == '-')) {
        return false;
    }
    return decode_digits(digits, count, exponent > 0 ? (size_t)exponent : 0, ret);
}

static bool decode_timestamp(struct fh_slice value, int64_t *ret)
{
    if (!value.data) {
        return false;
    }
    if (value.data[0] == '"') {
        char scratch[32];
        struct fh_slice text;
        return fh_envelope_string(value, scratch, sizeof(scratch), &text) &&
               decode_digits(text.data, text.len, 0, ret);
    }
    bool number = value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9');
    return number && decode_number(value, ret);
}

enum fh_envelope_result fh_envelope_decode(const struct fh_envelope_members *members,
                                           const char *line, size_t len, struct fh_envelope *ret)
{
    static const enum fh_envelope_result missing[FH_MEMBER_TENANT] = {
        FH_ENVELOPE_NO_UID, FH_ENVELOPE_NO_TIMESTAMP, FH_ENVELOPE_NO_TYPE};
    const struct fh_slice *value = members->value;
    /* cppcheck-suppress ctuuninitvar ; ret is what this function fills */
    char *type_scratch = ret->scratch + FH_UID_MAX;
    char *tenant_scratch = type_scratch + FH_TYPE_MAX;
    const bool good[FH_MEMBER_TENANT] = {
        fh_envelope_string(value[FH_MEMBER_UID], ret->scratch, FH_UID_MAX, &ret->uid),
        decode_timestamp(value[FH_MEMBER_TIMESTAMP], &ret->timestamp_ms),
        fh_envelope_string(value[FH_MEMBER_TYPE], type_scratch, FH_TYPE_MAX, &ret->type),
    };
    for (int i = 0; i < FH_MEMBER_TENANT; i++) {
        if (!good[i]) {
            ret->error_offset = value[i].data ? (size_t)(value[i].data - line) : len;
            return missing[i];
        }
    }
    if (!fh_envelope_string(value[FH_MEMBER_TENANT], tenant_scratch, FH_TENANT_MAX, &ret->tenant)) {
        ret->tenant = (struct fh_slice){"", 0};
    }
    ret->uid_member = members->uid_member;
    ret->timestamp_member = members->timestamp_member;
    return FH_ENVELOPE_OK;
}

enum fh_envelope_result fh_envelope_scan_with(const struct fh_json_ops *ops, const char *line,
                                              size_t len, struct fh_envelope *ret)
{
    ret->uid = ret->type = ret->tenant = (struct fh_slice){"", 0};
    ret->uid_member = ret->timestamp_member = (struct fh_slice){"", 0};
    ret->timestamp_ms = 0;
    ret->error_offset = 0;
    struct fh_json json = {.start = (const uint8_t *)line, .end = (const uint8_t *)line + len};
    struct fh_envelope_members members = {0};
    const uint8_t *p = fh_json_skip_blanks(json.start, json.end);
    bool object = p < json.end && *p == '{';
    p = object ? scan_members(ops, &json, p, &members) : ops->value(&json, p, 0);
    if (p) {
        p = fh_json_skip_blanks(p, json.end);
        p = p < json.end ? fh_json_fail(&json, p) : p;
    }
    if (!p) {
        ret->error_offset = (size_t)(json.failed - json.start);
        return json.too_deep ? FH_ENVELOPE_TOO_DEEP : FH_ENVELOPE_NOT_JSON;
    }
    return object ? fh_envelope_decode(&members, line, len, ret) : FH_ENVELOPE_NOT_OBJECT;
}

enum fh_envelope_result fh_envelope_scan(const char *line, size_t len, struct fh_envelope *ret)
{
    return fh_envelope_scan_with(fh_json_implementation(0), line, len, ret);
}

const char *fh_envelope_reason(enum fh_envelope_result result)
{
    switch (result) {
    case FH_ENVELOPE_OK:
        return "ok";
    case FH_ENVELOPE_NOT_JSON:
        return "not valid JSON";
    case FH_ENVELOPE_NOT_OBJECT:
        return "not a JSON object";
    case FH_ENVELOPE_TOO_DEEP:
        return "nested too deeply";
    case FH_ENVELOPE_NO_UID:
        return "recordUid missing, not a string, empty or too long";
    case FH_ENVELOPE_NO_TIMESTAMP:
        return "recordTimestamp missing or not an integer in range";
    case FH_ENVELOPE_NO_TYPE:
        return "eventType missing, not a string, empty or too long";
    case FH_ENVELOPE_RESULT_COUNT:
        break;
    }
    return "unknown";
}

bool fh_envelope_is_keep_alive(const struct fh_envelope *envelope)
{
    return envelope->type.len == 10 && memcmp(envelope->type.data, "KEEP_ALIVE", 10) == 0;
}

/* Both nodes of a pair compare fingerprints, so the timestamp is hashed in one byte order. */
static uint64_t fingerprint_uid_timestamp(const struct fh_envelope *envelope)
{
    unsigned char bytes[FH_UID_MAX + 8];
    size_t len = envelope->uid.len;
    memcpy(bytes, envelope->uid.data, len);
    for (unsigned i = 0; i < 8; i++) {
        bytes[len++] = (unsigned char)((uint64_t)envelope->timestamp_ms >> (8 * i));
    }
    return XXH3_64bits(bytes, len);
}

/* Of the line without a member. */
static uint64_t fingerprint_without(struct fh_slice member, const char *line, size_t len)
{
    size_t before = (size_t)(member.data - line);
    size_t after = before + member.len;
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, line, before);
    XXH3_64bits_update(&state, line + after, len - after);
    return XXH3_64bits_digest(&state);
}

/* What lies before, between and behind the two members. */
static void split_payload(const struct fh_envelope *envelope, const char *line, size_t len,
                          struct fh_slice ret[3])
{
    struct fh_slice first = envelope->uid_member;
    struct fh_slice second = envelope->timestamp_member;
    if (second.data < first.data) {
        first = envelope->timestamp_member;
        second = envelope->uid_member;
    }
    const char *first_end = first.data + first.len;
    const char *second_end = second.data + second.len;
    bool apart = first_end < second.data; /* else they touch, or share a comma */
    ret[0] = (struct fh_slice){line, (size_t)(first.data - line)};
    ret[1] = (struct fh_slice){first_end, apart ? (size_t)(second.data - first_end) : 0};
    ret[2] = (struct fh_slice){second_end, len - (size_t)(second_end - line)};
}

static uint64_t fingerprint_payload(const struct fh_envelope *envelope, const char *line,
                                    size_t len)
{
    struct fh_slice part[3];
    split_payload(envelope, line, len, part);
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < 3; i++) {
        XXH3_64bits_update(&state, part[i].data, part[i].len);
    }
    return XXH3_64bits_digest(&state);
}

/* Of the longest stretch without the two members some bytes in the middle and the last ones: there
 * is the payload, which differs most from record to record. */
#define LOT_BYTES 64

uint32_t fh_envelope_lot(const struct fh_envelope *envelope, const char *line, size_t len)
{
    struct fh_slice part[3];
    split_payload(envelope, line, len, part);
    struct fh_slice longest = part[2];
    for (size_t i = 0; i < 2; i++) {
        longest = part[i].len > longest.len ? part[i] : longest;
    }
    size_t count = longest.len < LOT_BYTES ? longest.len : LOT_BYTES;
    uint64_t middle = XXH3_64bits(longest.data + (longest.len - count) / 2, count);
    uint64_t end = XXH3_64bits(longest.data + longest.len - count, count);
    return (uint32_t)(((middle ^ longest.len) * UINT64_C(0x9E3779B97F4A7C15) + end) >> 32);
}

uint64_t fh_envelope_fingerprint(const struct fh_envelope *envelope, const char *line, size_t len,
                                 enum fh_dedup_key key)
{
    uint64_t hash = 0;
    switch (key) {
    case FH_KEY_UID_TIMESTAMP:
        hash = fingerprint_uid_timestamp(envelope);
        break;
    case FH_KEY_UID:
        hash = XXH3_64bits(envelope->uid.data, envelope->uid.len);
        break;
    case FH_KEY_CONTENT:
        hash = fingerprint_without(envelope->uid_member, line, len);
        break;
    case FH_KEY_UID_PAYLOAD:
        hash = fingerprint_without(envelope->timestamp_member, line, len);
        break;
    case FH_KEY_PAYLOAD:
        hash = fingerprint_payload(envelope, line, len);
        break;
    case FH_KEY_COUNT:
        break;
    }
    return hash ? hash : 1; /* 0 marks an empty slot in the sets */
}
