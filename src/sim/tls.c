/* tls.c: owns the TLS context. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static int select_protocol(SSL *tls, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offered, unsigned offered_len, void *argument)
{
    (void)tls;
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    static const unsigned char only1[] = "\x08http/1.1";
    const unsigned char *ours = argument ? only1 : both;
    unsigned len = (unsigned)(argument ? sizeof(only1) : sizeof(both)) - 1;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, ret_len, ours, len, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int fail(struct fh_error *err, const char *what, const char *path)
{
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return fh_error_set(err, -EINVAL, "%s %.200s: %s", what, path, text);
}

int sim_tls_new(const char *certificate, const char *key, bool http1_only, struct fh_error *err,
                SSL_CTX **ret)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context) {
        return fail(err, "no TLS context", "");
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    static int only1 = 1;
    SSL_CTX_set_alpn_select_cb(context, select_protocol, http1_only ? &only1 : NULL);
    int r = 0;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        r = fail(err, "certificate", certificate);
    } else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        r = fail(err, "private key", key);
    }
    if (r < 0) {
        SSL_CTX_free(context);
        return r;
    }
    *ret = context;
    return 0;
}
