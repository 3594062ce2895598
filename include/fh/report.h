/* report.h: "these records have been delivered by this node", the unit the two nodes exchange.
 *
 * Life of a report at the node that delivers (its own reports, numbered 1.. without reuse, number
 * and contents durable before they are sent):
 *   PREPARED   the sink has the batch durable but invisible (file: fsynced .part). The peer
 *              applies it as delivered and confirms its number.
 *   DELIVERED  the batch is visible. Sinks that cannot prepare start here.
 *   VOID       withdrawn: the batch was discarded before anybody else took note of it.
 * A PREPARED report found after a crash is in doubt and is resolved by asking the peer whether it
 * has applied the number: yes -> publish; no -> discard and VOID. */
#ifndef FH_REPORT_H
#define FH_REPORT_H

#include "fh/event.h"

#define FH_SINK_NAME_MAX     32  /* with NUL */
#define FH_SINK_POSITION_MAX 240 /* with NUL; its length travels in one byte */
#define FH_REPORT_KEYS_MAX   262144

/* Positions of reports that tell what others delivered; their cursor_after means nothing: */
#define FH_REPORT_RECOVERED "recovered" /* the far side of a sink holds these records */
#define FH_REPORT_VOUCHED   "vouched"   /* for a peer that has lost its store: known as delivered */

enum fh_report_state {
    FH_REPORT_PREPARED = 1,
    FH_REPORT_DELIVERED = 2,
    FH_REPORT_VOID = 3,
};

struct fh_report {
    uint64_t number;
    uint64_t epoch;
    enum fh_report_state state;
    char sink[FH_SINK_NAME_MAX];
    char position[FH_SINK_POSITION_MAX]; /* the sink's own, printable, e.g. a file name */
    uint64_t cursor_after;               /* own sequence after the batch (this node's numbering) */
    uint32_t count;                      /* <= FH_REPORT_KEYS_MAX */
    const struct fh_record_key *keys;    /* owned by whoever made the report */
};

/* Codec, pure (src/core/report_codec.c): little-endian, versioned, same bytes on disk and on the
 * link. Size of the encoding; encode needs that much room; decode checks every length, wants
 * keys room for the count it finds (ret->keys points to keys_room) and refuses trailing bytes.
 * -EBADMSG for anything malformed (control characters in a name or position included) or more keys
 * than keys_capacity, -EPROTONOSUPPORT for an unknown version. */
size_t fh_report_size(const struct fh_report *report);
void fh_report_encode(const struct fh_report *report, void *bytes);
/* Only the head: to learn count before making room. ret->keys is NULL; the keys need not be there
 * yet. */
int fh_report_peek(const void *bytes, size_t len, struct fh_report *ret);
int fh_report_decode(const void *bytes, size_t len, struct fh_record_key *keys_room,
                     size_t keys_capacity, struct fh_report *ret);

#endif
