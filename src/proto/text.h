/* text.h: values as JSON text, written through a cursor into the caller's buffer. */
#ifndef FH_PROTO_TEXT_H
#define FH_PROTO_TEXT_H

#include "fh/transcode.h"

#include <string.h>

/* The end of the output. Between at and limit there is room that was reserved; at is put back into
 * out->len when the record is done. The first failure stays. */
struct fh_text {
    char *at;
    char *limit;
    struct fh_buf *out;
    size_t end_max; /* out->len must not pass it */
    enum fh_transcode_result result;
};

/* Room that every fixed-size value fits into: an integer, a floating-point number. */
#define FH_TEXT_NUMBER_MAX 40

bool fh_text_grow(struct fh_text *text, size_t extra);

/* Room for extra more bytes; false (and a result) when there is none. */
static inline bool fh_text_room(struct fh_text *text, size_t extra)
{
    return (size_t)(text->limit - text->at) >= extra || fh_text_grow(text, extra);
}

/* ---- these need the room first ---- */

static inline void fh_text_put(struct fh_text *text, const char *bytes, size_t len)
{
    memcpy(text->at, bytes, len);
    text->at += len;
}

void fh_text_unsigned(struct fh_text *text, uint64_t value);
void fh_text_signed(struct fh_text *text, int64_t value);
void fh_text_double(struct fh_text *text, double value);
void fh_text_float(struct fh_text *text, float value);

/* ---- these see to it themselves ---- */

/* In quotes, escaped; BAD_UTF8 with *ret_bad at the byte when it is not UTF-8. */
bool fh_text_string(struct fh_text *text, const uint8_t *bytes, size_t len,
                    const uint8_t **ret_bad);
/* Without quotes; to go on later, a multiple of three bytes. */
bool fh_text_base64_part(struct fh_text *text, const uint8_t *bytes, size_t len);
/* In quotes. */
bool fh_text_base64(struct fh_text *text, const uint8_t *bytes, size_t len);

#endif
