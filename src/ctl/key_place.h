/* key_place.h: the file a secret goes into, made sure of before the secret exists: a token can be
 * spent but once, so nothing may be in the way afterwards. */
#ifndef FH_CTL_KEY_PLACE_H
#define FH_CTL_KEY_PLACE_H

#include "fh/config.h"
#include "fh/err.h"

#include <stdbool.h>

struct fh_key_place {
    char path[FH_PATH_MAX];
    char beside[FH_PATH_MAX + 8]; /* what it is called until it holds the secret */
    bool force;                   /* replace what is there */
    bool credential;              /* below a credential store of systemd, read at a start alone */
    bool given_away;              /* it belongs to the service's user */
    int fd;                       /* -1: not reserved */
};

/* Of path: root's alone below a credential store of systemd, else the service's user's, where there
 * is one and we may give it away. Could it be written? Changes nothing. 0; -EEXIST: it is there and
 * force is not set; negative errno; with a sentence. */
int fh_key_place_init(struct fh_key_place *place, const char *path, bool force,
                      struct fh_error *err);
/* Make an empty file beside it, with mode 0600 and its owner. */
int fh_key_place_reserve(struct fh_key_place *place, struct fh_error *err);
/* Write secret and a newline, then give the file its name; durable when it returns. When only the
 * name was not to be had, the secret stays beside, and the sentence says where. */
int fh_key_place_put(struct fh_key_place *place, const char *secret, struct fh_error *err);
/* Give back what was reserved and not used. */
void fh_key_place_done(struct fh_key_place *place);

#endif
