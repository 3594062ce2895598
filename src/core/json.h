/* json.h: checks that bytes are JSON (RFC 8259), without building anything. Private to src/core.
 *
 * Pure: no allocation, no recursion, never reads outside the text. Several implementations of the
 * same contract differ only in how many bytes of a string they look at in one step; they must
 * agree on every input (tests/unit/test_envelope.c, tests/fuzz/fuzz_envelope.c). */
#ifndef FH_CORE_JSON_H
#define FH_CORE_JSON_H

#include "fh/json_walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fh_json {
    const uint8_t *start;
    const uint8_t *end;
    const uint8_t *failed; /* where the first failure was noticed; NULL: none */
    bool too_deep;         /* the failure is the depth, not the syntax */
};

/* Both return the byte after what they consumed, or NULL with failed set. */
struct fh_json_ops {
    const char *name;
    /* string: p is at the opening quote. */
    const uint8_t *(*string)(struct fh_json *json, const uint8_t *p);
    /* Any value; leading blanks are allowed. depth: containers already open around it. */
    const uint8_t *(*value)(struct fh_json *json, const uint8_t *p, unsigned depth);
};

extern const struct fh_json_ops fh_json_portable; /* json_portable.c */
extern const struct fh_json_ops fh_json_sse2;     /* json_sse2.c; x86-64 only */
/* The implementations in this build, best first, NULL after the last. */
const struct fh_json_ops *fh_json_implementation(unsigned index);

/* ---- shared by the implementations; slow paths, so that the fast ones stay small ---- */

/* Notes the failure and returns NULL. */
const uint8_t *fh_json_fail(struct fh_json *json, const uint8_t *p);
/* p is inside a string, at a byte that is an escape, a control character or not ASCII. Consumes
 * it, and any such bytes right after it. The quote never gets here. */
const uint8_t *fh_json_string_special(struct fh_json *json, const uint8_t *p);
const uint8_t *fh_json_literal(struct fh_json *json, const uint8_t *p);

/* ---- for whoever goes through an object member by member ---- */

/* A key and its colon; p is at the byte that should be the opening quote. Returns the first byte of
 * the value, or the end of the text; ret_key is what stands between the quotes. */
const uint8_t *fh_json_key(const struct fh_json_ops *ops, struct fh_json *json, const uint8_t *p,
                           struct fh_slice *ret_key);

static inline const uint8_t *fh_json_skip_blanks(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) {
        p++;
    }
    return p;
}

/* The name a key stands for: the key itself, or its text in scratch when it has escapes. False for
 * one that is longer than scratch or has a NUL in it. */
bool fh_json_name(struct fh_slice key, char *scratch, size_t capacity, struct fh_slice *ret);

#endif
