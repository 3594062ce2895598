/* pairs.h: the pairs a witness serves: lease, names, state on disk, journal. No sockets. */
#ifndef FH_WITNESS_PAIRS_H
#define FH_WITNESS_PAIRS_H

#include "config.h"
#include "lease.h"
#include "witness_wire.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct witness_pairs;

/* Reads the state of every pair; -EBADMSG and the like with a sentence when one cannot be read. */
int witness_pairs_new(const struct witness_config *config, sd_event *event, struct fh_error *err,
                      struct witness_pairs **ret);
void witness_pairs_free(struct witness_pairs *pairs); /* NULL allowed */

/* Whose key (binary) is it? The number of the node, 2 x pair + 0 or 1; -ENOENT: nobody's. */
int witness_pairs_find(const struct witness_pairs *pairs, const unsigned char key[32]);
/* Decide; what must be durable is durable when it returns. node: what _find returned. */
void witness_pairs_answer(struct witness_pairs *pairs, unsigned node,
                          const struct fh_witness_message *request,
                          struct fh_witness_message *answer);

#endif
