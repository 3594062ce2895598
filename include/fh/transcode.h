/* transcode.h: one serialized EventRecord in, the JSON line that the HTTP channel would give out.
 *
 * Two objects. A schema is the compact form of a FileDescriptorSet: immutable once loaded, shared
 * by any number of threads, outlives its transcoders. A transcoder holds the scratch of one thread;
 * it allocates when made and never while transcoding (the output buffer is the caller's and grows
 * until it is as large as the largest line).
 *
 * The JSON (firehose-api.md section 6): keys in lowerCamelCase in the order of declaration, the
 * payload last; enumerations by name, an unknown number as the number (of the record's own
 * event_type: "UNKNOWN_<n>"); 64-bit integers as numbers; floating-point numbers in the fewest
 * digits that read back the same, always with a fraction or an exponent (NaN and infinities as
 * "NaN", "Infinity", "-Infinity"); bytes in base64; maps as objects. Defaults are written ("", 0,
 * 0.0, false, []); absent sub-messages, unset members of a oneof and unset `optional` fields are
 * left out. Left out when unset, too, is a field numbered 1000 or more in a message that also has
 * lower numbers: in our schema that is a field added to a message of the vendor's. */
#ifndef FH_TRANSCODE_H
#define FH_TRANSCODE_H

#include "fh/buf.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- schema ---- */

#define FH_SCHEMA_BYTES_MAX ((size_t)4 << 20) /* of a serialized FileDescriptorSet */
#define FH_SCHEMA_RECORD    "EventRecord"

struct fh_schema;

/* From memory: the serialized FileDescriptorSet must define one message EventRecord (any package)
 * with a string record_uid, an int64 record_timestamp and an enum event_type. Only what EventRecord
 * reaches is kept. 0, -EINVAL (err names the type or field and what is wrong with it), -E2BIG or
 * -ENOMEM. name stands for the bytes in the sentence (a file name). Free with fh_schema_free. */
int fh_schema_load(const void *bytes, size_t len, const char *name, struct fh_schema **ret_schema,
                   struct fh_error *err);
/* From a file (firehose.descriptor_set); path NULL or "": the schema built in, which is that of
 * firehose.proto. As above, or the errno of reading the file. Blocks on the disk. */
int fh_schema_open(const char *path, struct fh_schema **ret_schema, struct fh_error *err);
void fh_schema_free(struct fh_schema *schema); /* NULL allowed */

struct fh_schema_facts {
    size_t messages; /* kept */
    size_t fields;
    size_t enums;
    size_t payloads;         /* message members of EventRecord's oneofs */
    const char *record_name; /* full name, "firehose_api_v1.EventRecord"; lives with the schema */
};
void fh_schema_facts(const struct fh_schema *schema, struct fh_schema_facts *ret_facts);

/* The FileDescriptorSet built in, as installed in share/firehosed/firehose.desc. */
const void *fh_schema_builtin(size_t *ret_len);

/* ---- transcoder ---- */

#define FH_TRANSCODE_DEPTH_MAX 64 /* nesting of messages; the envelope scan takes 200 of JSON */

enum fh_transcode_result {
    FH_TRANSCODE_OK = 0,
    FH_TRANSCODE_MALFORMED, /* not protobuf: cut short, bad tag, bad varint, stray group end */
    FH_TRANSCODE_BAD_UTF8,  /* in a string */
    FH_TRANSCODE_TOO_DEEP,  /* messages nested past FH_TRANSCODE_DEPTH_MAX */
    FH_TRANSCODE_TOO_LARGE, /* the line would be longer than max_line, or than the buffer's max */
    FH_TRANSCODE_TOO_SPLIT, /* a sub-message in more parts than any encoder makes */
    FH_TRANSCODE_NO_MEMORY, /* the output buffer could not grow: not the record's fault */
    FH_TRANSCODE_RESULT_COUNT
};

struct fh_transcoder_options {
    size_t max_line;   /* bytes of JSON; 0: as out->max allows, less some 60 bytes */
    bool keep_unknown; /* write "_unknown":{"1004":"..."} as the last key of a message that has
                          unknown fields: per number the base64 of all its fields as on the wire,
                          tags included, so that nothing is lost and any later schema can read it.
                          Past 16 different numbers in one message the rest stands under "*". */
};

/* About one record. */
struct fh_transcode_info {
    int32_t event_type;      /* its number */
    bool unknown_event_type; /* a number the schema has no name for */
    bool wrapped;            /* it came inside a BytesValue */
    uint32_t unknown_fields; /* in all its messages, each occurrence */
    size_t error_offset;     /* on failure: byte offset in the message where it was noticed */
};

struct fh_transcoder;

/* The schema must outlive the transcoder. 0 or -ENOMEM. One transcoder per thread. */
int fh_transcoder_new(const struct fh_schema *schema, const struct fh_transcoder_options *options,
                      struct fh_transcoder **ret_transcoder);
void fh_transcoder_free(struct fh_transcoder *transcoder); /* NULL allowed */

/* Append the record's JSON to out: one object, no newline, always valid UTF-8 and JSON. On failure
 * out->len is what it was; info is filled in both cases and may be NULL. A record wrapped in a
 * BytesValue (one field 1 that fills the message and itself is a record with a timestamp) is
 * unwrapped. Accepted are records whatever they lack: the envelope scan judges that afterwards. */
enum fh_transcode_result fh_transcode(struct fh_transcoder *transcoder, const void *record,
                                      size_t len, struct fh_buf *out,
                                      struct fh_transcode_info *ret_info);

/* "not valid protobuf", ... for logs and the quarantine file. */
const char *fh_transcode_reason(enum fh_transcode_result result);

/* ---- the request ---- */

/* Append a serialized EventsStreamRequest (without gRPC's prefix). Zeros are not written, as proto3
 * has it: the server reads an absent field as its default. 0, -ENOMEM or -ENOBUFS. */
int fh_events_request(uint32_t min_partition, uint32_t max_partition, int64_t from_timestamp_ms,
                      uint32_t replica_id, struct fh_buf *out);

#endif
