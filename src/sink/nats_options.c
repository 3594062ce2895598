/* nats_options.c: owns what a connection is made with. No secret ever enters a sentence. */
#include "nats_options.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS     " \t\r\n"
#define SECRET_MAX 8192

static bool wants_tls(const struct fh_config_sink *config)
{
    return strncmp(config->servers[0], "tls://", 6) == 0; /* all or none */
}

static void free_secret(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
    }
}

/* The file's text without the blanks around it. */
static int read_secret(const char *path, const char *option, struct fh_error *err, char **ret)
{
    char *text = NULL;
    int r = fh_file_read(path, SECRET_MAX, 1, &text, err);
    if (r < 0) {
        fh_error_prefix(err, "%s", option);
        return r;
    }
    size_t skip = strspn(text, BLANKS);
    size_t len = strlen(text + skip);
    while (len > 0 && strchr(BLANKS, text[skip + len - 1])) {
        len--;
    }
    memmove(text, text + skip, len);
    text[len] = '\0';
    if (len == 0) {
        free(text);
        return fh_error_set(err, -EINVAL, "%s: %s is empty", option, path);
    }
    *ret = text;
    return 0;
}

int fh_nats_options_check(const struct fh_config_sink *config, struct fh_error *err)
{
    const struct {
        const char *path, *option;
    } secrets[] = {{config->password_file, "password_file"},
                   {config->token_file, "token_file"},
                   {config->credentials_file, "credentials_file"}};
    int r = fh_config_check_nats(config, err);
    for (size_t i = 0; i < FH_ARRAY_LEN(secrets) && r == 0; i++) {
        FH_CLEANUP(free_secret) char *text = NULL;
        if (secrets[i].path[0] != '\0') {
            r = read_secret(secrets[i].path, secrets[i].option, err, &text);
        }
    }
    return r;
}

static natsStatus set_identity(natsOptions *options, const struct fh_config_sink *config,
                               struct fh_error *err, int *ret_error)
{
    FH_CLEANUP(free_secret) char *secret = NULL;
    if (config->credentials_file[0] != '\0') {
        return natsOptions_SetUserCredentialsFromFiles(options, config->credentials_file, NULL);
    }
    if (config->token_file[0] != '\0') {
        *ret_error = read_secret(config->token_file, "token_file", err, &secret);
        return *ret_error < 0 ? NATS_OK : natsOptions_SetToken(options, secret);
    }
    if (config->user[0] != '\0') {
        *ret_error = read_secret(config->password_file, "password_file", err, &secret);
        return *ret_error < 0 ? NATS_OK : natsOptions_SetUserInfo(options, config->user, secret);
    }
    return NATS_OK;
}

static natsStatus set_tls(natsOptions *options, const struct fh_config_sink *config)
{
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && config->ca_file[0] != '\0') {
        status = natsOptions_LoadCATrustedCertificates(options, config->ca_file);
    }
    if (status == NATS_OK && config->cert_file[0] != '\0') {
        status = natsOptions_LoadCertificatesChain(options, config->cert_file, config->key_file);
    }
    return status;
}

static natsStatus set_all(natsOptions *options, const struct fh_config_sink *config,
                          const char *node)
{
    const char *servers[FH_ENDPOINTS_MAX];
    char name[128];
    for (size_t i = 0; i < config->server_count; i++) {
        servers[i] = config->servers[i];
    }
    /* They are tried one after the other within one call. */
    int64_t count = config->server_count > 0 ? (int64_t)config->server_count : 1;
    int64_t each_ms = config->timeout_ms / count;
    snprintf(name, sizeof(name), "firehosed %s %s", node ? node : "", config->name);
    natsStatus status = natsOptions_SetServers(options, servers, (int)config->server_count);
    if (status == NATS_OK) {
        status = natsOptions_SetTimeout(options, each_ms > 100 ? each_ms : 100);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetAllowReconnect(options, false);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetName(options, name);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetWriteDeadline(options, config->timeout_ms);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetPingInterval(options, config->timeout_ms);
    }
    if (status == NATS_OK) {
        status = natsOptions_SetFailRequestsOnDisconnect(options, true);
    }
    if (status == NATS_OK && wants_tls(config)) {
        status = set_tls(options, config);
    }
    return status;
}

int fh_nats_options_make(const struct fh_config_sink *config, const char *node,
                         struct fh_error *err, natsOptions **ret)
{
    natsOptions *options = NULL;
    int r = 0;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK) {
        status = set_all(options, config, node);
    }
    if (status == NATS_OK) {
        status = set_identity(options, config, err, &r);
    }
    if (r == 0 && status != NATS_OK) {
        const char *more = nats_GetLastError(NULL);
        r = fh_error_set(err, status == NATS_NO_MEMORY ? -ENOMEM : -EINVAL,
                         "cannot prepare the connection: %s%s%s", natsStatus_GetText(status),
                         more ? ": " : "", more ? more : "");
    }
    if (r < 0) {
        natsOptions_Destroy(options);
        return r;
    }
    *ret = options;
    return 0;
}
