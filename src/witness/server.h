/* server.h: the sockets of the witness: a ROUTER with CURVE, and ZAP, which lets in the nodes of
 * the configured pairs alone. Main thread; nothing blocks but what witness_pairs_answer does. */
#ifndef FH_WITNESS_SERVER_H
#define FH_WITNESS_SERVER_H

#include "config.h"
#include "pairs.h"

struct witness_server;

/* Listens when it returns. */
int witness_server_new(const struct witness_config *config, const char secret_key[41],
                       struct witness_pairs *pairs, sd_event *event, struct fh_error *err,
                       struct witness_server **ret);
void witness_server_free(struct witness_server *server); /* NULL allowed */

#endif
