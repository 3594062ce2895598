/* kafka_position.h: how far the topics of a Kafka sink are known to be reported, and that as the
 * text of a report's position:
 *
 *     1;firehose:5k2,,7a;other:0
 *
 * Per topic the next offset of partition 0, 1, 2, ... in base 36, empty where none is known. What
 * does not fit into a position is left out, from the end: a reader starts there by time. Pure but
 * for memory. */
#ifndef FH_SINK_KAFKA_POSITION_H
#define FH_SINK_KAFKA_POSITION_H

#include "fh/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FH_KAFKA_TOPIC_MAX  250  /* bytes with NUL; the cluster's own limit is 249 */
#define FH_KAFKA_PLACES_MAX 8192 /* partitions of all topics of one sink */

struct fh_kafka_place {
    char *topic;
    int32_t partition;
    int64_t next; /* offset of the first record that is not covered */
};

/* Sorted by topic and partition. Embedded; one thread at a time. */
struct fh_kafka_places {
    struct fh_kafka_place *place;
    size_t count, capacity;
};

void fh_kafka_places_clear(struct fh_kafka_places *places);
void fh_kafka_places_done(struct fh_kafka_places *places);
/* NULL when there is none. Valid until the next raise, clear or done. */
struct fh_kafka_place *fh_kafka_places_find(const struct fh_kafka_places *places, const char *topic,
                                            int32_t partition);
/* The place, made when it is not there, is at next or later. -ENOMEM; -ENOBUFS: too many. */
int fh_kafka_places_raise(struct fh_kafka_places *places, const char *topic, int32_t partition,
                          int64_t next);
/* Each place of from into places. */
int fh_kafka_places_merge(struct fh_kafka_places *places, const struct fh_kafka_places *from);

/* Empty when nothing is known or nothing fits. */
void fh_kafka_position_print(const struct fh_kafka_places *places, char text[FH_SINK_POSITION_MAX]);
/* Adds to places. -EBADMSG: no such text (an older or a newer version's): then places holds what
 * came before the mistake, which is true all the same. */
int fh_kafka_position_parse(const char *text, struct fh_kafka_places *places);

#endif
