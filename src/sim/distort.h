/* distort.h: what the line faults do to a stream (see faults.h). */
#ifndef SIM_DISTORT_H
#define SIM_DISTORT_H

#include "stream.h"

/* Before an event of that partition is rendered: junk lines. */
int sim_distort_before(struct sim_stream *stream, unsigned partition, struct fh_buf *out);
/* After: the event's line is out->data[start .. out->len). May change, double, or take it away.
 * origin: where this fill began in out. */
int sim_distort_after(struct sim_stream *stream, struct fh_time now, unsigned partition,
                      struct fh_buf *out, size_t start, size_t origin);
/* Lines held back whose time has come. */
int sim_distort_release(struct sim_stream *stream, struct fh_time now, struct fh_buf *out);
/* When the first of them comes due by time; unset when none is held. */
struct fh_time sim_distort_due(const struct sim_stream *stream);
void sim_distort_done(struct sim_stream *stream);

#endif
