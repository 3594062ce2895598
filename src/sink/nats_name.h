/* nats_name.h: names and texts of the NATS sink: subjects, message ids, positions. Pure. */
#ifndef FH_SINK_NATS_NAME_H
#define FH_SINK_NATS_NAME_H

#include "fh/config.h"
#include "fh/err.h"
#include "fh/event.h"

#include <stdbool.h>

#define FH_NATS_TOPIC "firehose.{tenant}.{type}" /* when the option is empty */
/* What has a meaning in a subject, and so never comes out of a record. */
#define FH_NATS_SPECIAL      ".*>"
#define FH_NATS_SUBJECT_SIZE 2048 /* the server's limit is 4096 for subject, reply and sizes */
#define FH_NATS_ID_SIZE      96

/* The subjects a pattern can make, as a subscriber would name them: "firehose.*.*". -EINVAL: the
 * pattern has blanks, wildcards, an empty token, or a token of the server's own ("$JS"). */
int fh_nats_subject_filter(const char *topic, char *into, size_t size, struct fh_error *err);
/* Is every subject that narrow stands for one that wide stands for? */
bool fh_nats_subject_covers(const char *wide, const char *narrow);

/* Nats-Msg-Id: the key and the sink's name. Duplicates are looked for in the whole stream, where
 * two sinks may put the same record under different subjects. */
void fh_nats_id_print(struct fh_record_key key, const char *sink, char text[FH_NATS_ID_SIZE]);
/* -EBADMSG: not one of this sink's. */
int fh_nats_id_parse(const char *text, const char *sink, struct fh_record_key *ret);

/* Where we are in which stream: a stream made anew under the old name begins at 1 again. */
struct fh_nats_position {
    char stream[FH_SINK_FILTER_MAX];
    int64_t created_ns; /* of the stream, as the server tells it */
    uint64_t sequence;
};
void fh_nats_position_print(const struct fh_nats_position *position,
                            char text[FH_SINK_POSITION_MAX]);
int fh_nats_position_parse(const char *text, struct fh_nats_position *ret); /* or -EBADMSG */

/* A value for a header: control characters become '_'; cut to size - 1 bytes. */
void fh_nats_header_value(struct fh_slice value, char *into, size_t size);

#endif
