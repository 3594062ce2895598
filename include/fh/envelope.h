/* envelope.h: validate one line as JSON and find its envelope, in one pass, without parsing more.
 *
 * Pure, thread-safe, no allocation. */
#ifndef FH_ENVELOPE_H
#define FH_ENVELOPE_H

#include "fh/event.h"

#include <stdbool.h>

#define FH_UID_MAX    256 /* bytes after unescaping; a longer one is not a record */
#define FH_TYPE_MAX   128
#define FH_TENANT_MAX 256
#define FH_DEPTH_MAX  200 /* nesting; cJSON's own limit is 1000 */

enum fh_envelope_result {
    FH_ENVELOPE_OK = 0,
    FH_ENVELOPE_NOT_JSON,     /* syntax, bad number, bad escape, trailing bytes, bad UTF-8 */
    FH_ENVELOPE_NOT_OBJECT,   /* valid JSON, but not an object */
    FH_ENVELOPE_TOO_DEEP,     /* nesting past FH_DEPTH_MAX */
    FH_ENVELOPE_NO_UID,       /* recordUid absent, not a string, empty or too long */
    FH_ENVELOPE_NO_TIMESTAMP, /* recordTimestamp absent or not an integer (number or digit string)
                                 in 0 .. 2^53 */
    FH_ENVELOPE_NO_TYPE,      /* eventType absent, not a string, empty or too long */
    FH_ENVELOPE_RESULT_COUNT
};

/* Slices point into the line, or into scratch when the value had escapes. The first of several
 * equal keys wins (as cJSON_GetObjectItemCaseSensitive does). */
struct fh_envelope {
    struct fh_slice uid;
    struct fh_slice type;
    struct fh_slice tenant; /* spacesTenantId; empty when absent, not a string or too long */
    int64_t timestamp_ms;
    /* Bytes of the whole recordUid member as it stands in the line ("recordUid":"..." with the
     * comma that belongs to it): what dedup.key = "content" leaves out. */
    struct fh_slice uid_member;
    /* The same for recordTimestamp: dedup.key = "payload" leaves out both. Where the two stand side
     * by side at the end of the object they share a comma. */
    struct fh_slice timestamp_member;
    size_t error_offset; /* on failure: byte offset in the line where it was noticed */
    char scratch[FH_UID_MAX + FH_TYPE_MAX + FH_TENANT_MAX];
};

/* line: without the final newline; leading and trailing blanks (space, tab, CR) are accepted.
 * What is accepted here cJSON accepts too, with the same three values; what cJSON rejects is
 * rejected (fuzzed differentially). We are stricter: RFC 8259 numbers, no raw control characters,
 * valid UTF-8, lone surrogates rejected. Two limits more: a number has at most 63 bytes (as in
 * older cJSON), and a \u0000 in an outermost key or in one of the values is refused where a reader
 * in C, to which it ends the string, would see another record. */
enum fh_envelope_result fh_envelope_scan(const char *line, size_t len, struct fh_envelope *ret);

/* "not valid JSON", ... for logs and the quarantine file. */
const char *fh_envelope_reason(enum fh_envelope_result result);

/* True for the 15 s keep-alive (eventType KEEP_ALIVE). */
bool fh_envelope_is_keep_alive(const struct fh_envelope *envelope);

enum fh_dedup_key {
    FH_KEY_UID_TIMESTAMP, /* default */
    FH_KEY_UID,
    FH_KEY_CONTENT, /* the record without its recordUid member: replicas with different uids */
    /* With the next two the stamps of copies may differ: whoever compares keys allows for it. */
    FH_KEY_UID_PAYLOAD, /* without its recordTimestamp member: replicas with different stamps */
    FH_KEY_PAYLOAD,     /* without both: replicas with different uids and stamps */
    FH_KEY_COUNT
};
/* Stamps of two copies lie at most so far apart ... */
#define FH_STAMPS_APART_MS 5000
/* ... and records of equal payload stand for each other over so much: more, because events that
 * repeat themselves may take each other's places, one after the other. */
#define FH_COPIES_NEAR_MS 60000

static inline bool fh_key_ignores_stamps(enum fh_dedup_key key)
{
    return key >= FH_KEY_UID_PAYLOAD;
}

/* The narrowest key that knows all the copies that either of the two knows. */
static inline enum fh_dedup_key fh_key_join(enum fh_dedup_key a, enum fh_dedup_key b)
{
    enum fh_dedup_key wider = a > b ? a : b;
    enum fh_dedup_key other = a > b ? b : a;
    return wider == FH_KEY_UID_PAYLOAD && other == FH_KEY_CONTENT ? FH_KEY_PAYLOAD : wider;
}

/* The fingerprint for a scanned line (line as passed to the scan). Never 0. */
uint64_t fh_envelope_fingerprint(const struct fh_envelope *envelope, const char *line, size_t len,
                                 enum fh_dedup_key key);
/* 32 bits that two copies of a record share whatever uid and stamp they carry, made from a few of
 * its bytes: to choose the records that both nodes of a pair look at closely. Cheap. */
uint32_t fh_envelope_lot(const struct fh_envelope *envelope, const char *line, size_t len);

#endif
