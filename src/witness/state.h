/* state.h: the record of one pair's lease on disk. Blocking: the witness has nothing else to do
 * while a change of holder becomes durable, and renewals do not come here. */
#ifndef FH_WITNESS_STATE_H
#define FH_WITNESS_STATE_H

#include "alone.h"

#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct witness_state {
    uint64_t epoch; /* the highest granted */
    bool released;
    int64_t ttl_ms;
    struct fh_alone_note alone; /* left out while nothing is noted, as by earlier versions */
    char node[32];              /* name of the node it was granted to */
    char public_key[41];        /* and its key, which is what counts */
};

/* The file's content; returns its length (below size), or -ENOBUFS. */
int witness_state_format(const struct witness_state *state, char *text, size_t size);
/* 0, or -EBADMSG; *ret untouched then. */
int witness_state_parse(const char *text, struct witness_state *ret);

int witness_state_write(const char *path, const struct witness_state *state, struct fh_error *err);
/* 0, -ENOENT: none yet; other errors: a sentence that says what to do. */
int witness_state_read(const char *path, struct witness_state *ret, struct fh_error *err);

#endif
