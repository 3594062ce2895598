/* event.h: what one record of the stream is to us. Shared values; no code that can fail.
 *
 * A record is one line: a complete JSON object. We never parse the payload; we forward the bytes
 * as they came (firehose-api.md section 16 rule 5) and know the envelope only. */
#ifndef FH_EVENT_H
#define FH_EVENT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes owned by somebody else; not NUL-terminated. */
struct fh_slice {
    const char *data;
    size_t len;
};

/* What identifies a record for de-duplication (design: "The fingerprint includes the timestamp").
 * fingerprint: XXH3-64 of the uid and the timestamp, or of what dedup.key selects. */
struct fh_record_key {
    uint64_t fingerprint;
    int64_t timestamp_ms; /* recordTimestamp, epoch milliseconds */
};

/* Minute of source time: the unit of the de-duplication sets. Floor, so negative stamps work. */
static inline int64_t fh_minute_of(int64_t timestamp_ms)
{
    int64_t minute = timestamp_ms / 60000;
    return timestamp_ms % 60000 < 0 ? minute - 1 : minute;
}

#endif
