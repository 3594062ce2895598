/* fuzz_envelope.c: the scan against cJSON, and its implementations against each other.
 *
 *  1. What we accept, cJSON accepts, with the same uid, timestamp and type.
 *  2. What cJSON rejects, we reject as not JSON. (Both: cJSON's value of a key that holds a \u0000
 *     ends there, so such names are compared as it sees them; we refuse what would be ambiguous.)
 *  3. What cJSON prints again after reading it is JSON for us too, so we do not refuse too much.
 *     Only for input that is UTF-8: cJSON passes other bytes through.
 *  4. Every implementation gives the same answer, wherever the line begins in memory. */
#include "fh/envelope.h"

#include "envelope_scan.h"
#include "fuzzer.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <string.h>

static bool same_slice(struct fh_slice left, struct fh_slice right)
{
    return left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
}

static bool same_text(struct fh_slice slice, const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);
    return text && strlen(text) == slice.len && memcmp(text, slice.data, slice.len) == 0;
}

static void check_record(const struct fh_envelope *envelope, const cJSON *root)
{
    const cJSON *stamp = cJSON_GetObjectItemCaseSensitive(root, "recordTimestamp");
    const cJSON *tenant = cJSON_GetObjectItemCaseSensitive(root, "spacesTenantId");
    CHECK(same_text(envelope->uid, cJSON_GetObjectItemCaseSensitive(root, "recordUid")));
    CHECK(same_text(envelope->type, cJSON_GetObjectItemCaseSensitive(root, "eventType")));
    CHECK(envelope->uid.len >= 1 && envelope->uid.len <= FH_UID_MAX);
    CHECK(envelope->type.len >= 1 && envelope->type.len <= FH_TYPE_MAX);
    CHECK(envelope->tenant.len == 0 || same_text(envelope->tenant, tenant));
    CHECK(envelope->timestamp_ms >= 0 && envelope->timestamp_ms <= INT64_C(1) << 53);
    if (cJSON_IsNumber(stamp)) {
        CHECK(stamp->valuedouble == (double)envelope->timestamp_ms);
    } else {
        CHECK(cJSON_IsString(stamp));
        CHECK(strspn(stamp->valuestring, "0123456789") == strlen(stamp->valuestring));
        CHECK(strtoll(stamp->valuestring, NULL, 10) == (long long)envelope->timestamp_ms);
    }
}

/* The line without its uid member is still JSON and has no uid, or the next one. */
static void check_uid_member(const struct fh_envelope *envelope, const char *line, size_t size)
{
    size_t before = (size_t)(envelope->uid_member.data - line);
    CHECK(before <= size && envelope->uid_member.len <= size - before);
    char *rest = malloc(size + 1);
    CHECK(rest);
    size_t len = size - envelope->uid_member.len;
    memcpy(rest, line, before);
    memcpy(rest + before, line + before + envelope->uid_member.len, len - before);
    struct fh_envelope without;
    enum fh_envelope_result result = fh_envelope_scan(rest, len, &without);
    CHECK(result == FH_ENVELOPE_OK || result == FH_ENVELOPE_NO_UID);
    CHECK(fh_envelope_fingerprint(envelope, line, size, FH_KEY_CONTENT) != 0);
    CHECK(fh_envelope_fingerprint(envelope, line, size, FH_KEY_PAYLOAD) != 0);
    CHECK(fh_envelope_fingerprint(envelope, line, size, FH_KEY_UID_PAYLOAD) != 0);
    (void)fh_envelope_lot(envelope, line, size);
    before = (size_t)(envelope->timestamp_member.data - line);
    CHECK(before <= size && envelope->timestamp_member.len <= size - before);
    CHECK(fh_envelope_fingerprint(envelope, line, size, FH_KEY_UID_TIMESTAMP) != 0);
    free(rest);
}

/* Straightforward on purpose: shares nothing with the scan. */
static bool is_utf8(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t code = data[i];
        unsigned extra = code < 0x80 ? 0 : code >> 5 == 6 ? 1 : code >> 4 == 14 ? 2 : 3;
        if (code >= 0x80 && (code < 0xC0 || code >> 3 == 31 || size - i <= extra)) {
            return false;
        }
        code = extra == 0 ? code : code & (0x3FU >> extra);
        for (unsigned k = 1; k <= extra; k++) {
            if (data[i + k] >> 6 != 2) {
                return false;
            }
            code = code << 6 | (data[i + k] & 0x3FU);
        }
        static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
        if (code < smallest[extra] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
            return false;
        }
        i += extra + 1;
    }
    return true;
}

static void check_printed(const cJSON *root)
{
    char *printed = cJSON_PrintUnformatted(root);
    if (!printed) {
        return;
    }
    struct fh_envelope envelope;
    CHECK(fh_envelope_scan(printed, strlen(printed), &envelope) != FH_ENVELOPE_NOT_JSON);
    free(printed);
}

static void check_implementations(const char *line, size_t size, enum fh_envelope_result result,
                                  const struct fh_envelope *envelope)
{
    const struct fh_json_ops *ops = NULL;
    for (unsigned i = 0; (ops = fh_json_implementation(i)) != NULL; i++) {
        struct fh_envelope other;
        CHECK(fh_envelope_scan_with(ops, line, size, &other) == result);
        CHECK(other.error_offset == envelope->error_offset);
        CHECK(other.timestamp_ms == envelope->timestamp_ms);
        CHECK(same_slice(other.uid, envelope->uid) && same_slice(other.type, envelope->type));
        CHECK(same_slice(other.tenant, envelope->tenant));
        CHECK(same_slice(other.uid_member, envelope->uid_member));
        CHECK(same_slice(other.timestamp_member, envelope->timestamp_member));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its exact size: the address sanitizer sees the first byte read too many. */
    char *line = malloc(size ? size : 1);
    CHECK(line);
    memcpy(line, data, size);
    struct fh_envelope envelope;
    enum fh_envelope_result result = fh_envelope_scan(line, size, &envelope);
    check_implementations(line, size, result, &envelope);
    CHECK(envelope.error_offset <= size);

    cJSON *root = cJSON_ParseWithLength(line, size);
    if (!root) {
        CHECK(result == FH_ENVELOPE_NOT_JSON || result == FH_ENVELOPE_TOO_DEEP);
    } else if (is_utf8(data, size)) {
        check_printed(root);
    }
    if (result == FH_ENVELOPE_OK) {
        CHECK(root);
        check_record(&envelope, root);
        check_uid_member(&envelope, line, size);
    }
    cJSON_Delete(root);
    free(line);
    return 0;
}
