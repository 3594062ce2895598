/* envelope_scan.h: the parts of the envelope scan, for facts.c, which looks further on the same
 * way, and for tests, fuzzers and benchmarks that hold the implementations of the JSON check
 * against each other. Everybody else calls fh_envelope_scan. */
#ifndef FH_CORE_ENVELOPE_SCAN_H
#define FH_CORE_ENVELOPE_SCAN_H

#include "fh/envelope.h"
#include "json.h"

/* The scan with a given implementation. */
enum fh_envelope_result fh_envelope_scan_with(const struct fh_json_ops *ops, const char *line,
                                              size_t len, struct fh_envelope *ret);

enum fh_envelope_member {
    FH_MEMBER_UID,
    FH_MEMBER_TIMESTAMP,
    FH_MEMBER_TYPE,
    FH_MEMBER_TENANT,
    FH_MEMBER_OTHER
};

/* Values as they stand in the line, quotes and all; data is NULL when the member is absent. */
struct fh_envelope_members {
    struct fh_slice value[FH_MEMBER_OTHER];
    struct fh_slice uid_member, timestamp_member;
};

/* key: of the outermost object, between the quotes. False for a key that is one of ours up to a
 * \u0000: half of the world reads it as ours and half does not, so the line has no certain
 * identity. */
bool fh_envelope_identify(const char *key, size_t len, enum fh_envelope_member *ret_member);
/* The line was valid; is it a record? Fills all of ret but error_offset, which it sets on failure
 * only. */
enum fh_envelope_result fh_envelope_decode(const struct fh_envelope_members *members,
                                           const char *line, size_t len, struct fh_envelope *ret);
/* The contents of a string value of 1 .. max bytes, unescaped into scratch when it must be. False
 * for any other value, and for a string with a NUL: a consumer in C would see another, shorter
 * one. */
bool fh_envelope_string(struct fh_slice value, char *scratch, size_t max, struct fh_slice *ret);

#endif
