/* activation.h: the on-premise activation of the service (firehose-api.md section 10): a token from
 * the vendor's dashboard becomes an API key.
 *
 * A token is believed only once one of the service's keys has signed it, and until then nothing but
 * a question for those keys goes to the address it names, and that only when the address is known.
 * The token and the key never enter a sentence. Blocking; never the main thread of the daemon. */
#ifndef FH_ACTIVATION_H
#define FH_ACTIVATION_H

#include "fh/config.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stdint.h>

#define FH_TOKEN_MAX 8192 /* bytes of a token, with NUL */

/* What a token says; printable ASCII throughout. */
struct fh_activation_claims {
    char app_id[128];
    char reference[128];         /* activationRefId */
    char version[16];            /* of the key that signed it; "" = not said */
    char customer[128];          /* what is not ASCII became '?' */
    char partner_tenant_id[128]; /* "" = not said */
    char base_url[FH_URL_MAX];   /* without final slashes */
    int64_t issued_s;            /* seconds since 1970; 0 = not said */
    int64_t expires_s;
};

/* A JSON Web Token (RFC 7519) signed by RS256, with every claim the activation needs. Nothing is
 * verified. Pure. 0 or -EINVAL with a sentence. */
int fh_activation_read(const char *token, struct fh_activation_claims *ret, struct fh_error *err);
/* Is it valid now? 0, or -ETIME with a sentence that also names the clock. Pure. */
int fh_activation_judge_time(const struct fh_activation_claims *claims, int64_t now_s,
                             struct fh_error *err);

/* An address of the US federal service: keys are arranged with the vendor there, not activated. */
bool fh_activation_is_federal(const char *url);
/* May the address of a token be asked? When it is the server of configured_url ("" = none), or one
 * of the vendor's published hosts over https. 0, or -EPERM with a sentence. */
int fh_activation_judge_url(const char *base_url, const char *configured_url, struct fh_error *err);

/* Ask claims->base_url for the service's keys and verify the token's signature with the one of its
 * version, or with any when none has that version. ca_file, proxy and time-outs are config's. 0;
 * -EBADMSG: not signed by the service, or no usable keys; or as fh_fetch. */
int fh_activation_verify(const struct fh_config_firehose *config, const char *token,
                         const struct fh_activation_claims *claims, struct fh_error *err);

/* Exchange the verified token for the API key, which the caller wipes. The token is spent
 * afterwards. 0; -EACCES: refused, with the service's reason; -EBADMSG: no key in the answer. */
int fh_activation_exchange(const struct fh_config_firehose *config, const char *token,
                           const struct fh_activation_claims *claims, char key[FH_API_KEY_MAX],
                           struct fh_error *err);

#endif
