/* tls.h: the server's side of TLS: the context, and certificates made on the spot. */
#ifndef SIM_TLS_H
#define SIM_TLS_H

#include "fh/err.h"
#include "options.h"

#include <openssl/ssl.h>

/* TLS 1.2+, ALPN h2 and http/1.1. Negative errno with a sentence. */
int sim_tls_new(const char *certificate, const char *key, bool http1_only, struct fh_error *err,
                SSL_CTX **ret);

/* (certificate.c) Make directory/{ca.pem,ca.key} unless they are there and good, and in any case
 * directory/{server.pem,server.key} for localhost, 127.0.0.1, ::1 and the hosts of the options. The
 * CA is kept so that clients that have read it survive a restart of the simulator. */
int sim_certificate_make(const char *directory, const struct sim_options *options,
                         struct fh_error *err);

#endif
