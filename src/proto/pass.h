/* pass.h: what the two halves of the pass share: transcode.c (index, values, messages) and
 * pass_more.c (what walks a level again). */
#ifndef FH_PROTO_PASS_H
#define FH_PROTO_PASS_H

#include "tables.h"
#include "text.h"
#include "wire.h"

#define FH_PARTS_MAX   64 /* of split sub-messages, in all messages being written */
#define FH_UNKNOWN_MAX 16 /* numbers with a key of their own in one "_unknown" */

/* Where a message's bytes are: one piece, nearly always. */
struct fh_part {
    const uint8_t *start;
    const uint8_t *end;
    const struct fh_part *next;
};

/* What is known of a field, or of a oneof (value: index of its member plus one). */
struct fh_slot {
    uint64_t value;    /* last one on the wire; its length for FH_WIRE_LENGTH; of a list: unused */
    const uint8_t *at; /* last content; of a list: the tag of its first element */
    uint32_t count;    /* occurrences, 0: unset */
};

struct fh_transcoder {
    const struct fh_schema *schema;
    size_t max_line;
    bool keep_unknown;
    /* while a record is transcoded */
    struct fh_text text;
    const uint8_t *error_at;
    uint32_t unknown;
    uint32_t depth;
    size_t parts_used;
    struct fh_part parts[FH_PARTS_MAX];
    struct fh_transcode_info info;
    struct fh_slot slots[]; /* FH_TRANSCODE_DEPTH_MAX times the largest message's */
};

/* A message being written. */
struct fh_level {
    const struct fh_message *message;
    const struct fh_part *parts;
    struct fh_slot *slots;
    uint32_t unknown; /* fields of it alone */
};

/* May a value of this wire type stand in the field? Lists of numbers come packed or not, whatever
 * the schema says. */
static inline bool fh_pass_fits(const struct fh_field *field, uint32_t wire)
{
    return wire == field->wire ||
           (wire == FH_WIRE_LENGTH && field->repeated && field->kind < FH_KIND_STRING);
}

/* False, for the caller to return; the first result stays. at: where it was noticed. */
bool fh_pass_fail(struct fh_transcoder *t, enum fh_transcode_result result, const uint8_t *at);

/* ---- transcode.c; all are false on failure ---- */

bool fh_pass_number(struct fh_transcoder *t, const struct fh_field *field, uint64_t value);
/* One value; value and at as in a slot. */
bool fh_pass_value(struct fh_transcoder *t, const struct fh_field *field, uint64_t value,
                   const uint8_t *at);
bool fh_pass_message(struct fh_transcoder *t, const struct fh_message *message,
                     const struct fh_part *parts);

/* ---- pass_more.c ---- */

bool fh_pass_list(struct fh_transcoder *t, const struct fh_level *level,
                  const struct fh_field *field, const struct fh_slot *slot);
/* A sub-message in count parts: the last count occurrences of the field. */
bool fh_pass_merged(struct fh_transcoder *t, const struct fh_level *level,
                    const struct fh_field *field, uint32_t count);
bool fh_pass_unknown(struct fh_transcoder *t, const struct fh_level *level);

#endif
