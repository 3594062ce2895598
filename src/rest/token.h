/* token.h: activation tokens and the keys they are signed with, as bytes. Pure. Private to
 * src/rest. */
#ifndef FH_REST_TOKEN_H
#define FH_REST_TOKEN_H

#include "fh/activation.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* Does one of the keys in the answer of partnerPublicKey ({"data": [{"version", "publicKey"}]}, DER
 * in base64) verify the token? Those of this version alone, if there are any. 0; -EBADMSG with a
 * sentence. */
int fh_token_verify(const char *token, const char *version, const cJSON *answer,
                    struct fh_error *err);

#endif
