/* zeromq.c: owns the settings of a ZeroMQ sink: what the configuration says, and the keys. Never
 * touches a socket. */
#include "zeromq.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define KEY_FILE_MAX 4096
#define Z85_KEY_LEN  40

static int read_secret(const char *path, char key[41], struct fh_error *err)
{
    char *text = NULL;
    char public_key[41];
    int r = fh_file_read(path, KEY_FILE_MAX, 1, &text, err);
    if (r < 0) {
        return r;
    }
    size_t len = strcspn(text, " \t\r\n");
    if (len == Z85_KEY_LEN) {
        memcpy(key, text, len);
        key[len] = '\0';
    }
    explicit_bzero(text, strlen(text));
    free(text);
    if (len != Z85_KEY_LEN || zmq_curve_public(public_key, key) != 0) {
        return fh_error_set(err, -EINVAL,
                            "%s holds no CURVE secret key (40 characters); make one with: "
                            "firehosectl keygen --secret FILE",
                            path);
    }
    return 0;
}

int fh_zeromq_settings(const struct fh_config_sink *config, const struct fh_sink_context *context,
                       struct fh_error *err, struct fh_zeromq_settings *ret)
{
    int r = fh_config_check_zeromq(config, err);
    if (r < 0) {
        return r;
    }
    ret->config = *config;
    ret->context = context;
    for (size_t i = 0; i < config->client_key_count; i++) {
        if (!zmq_z85_decode(ret->client_key[i], config->client_keys[i])) {
            return fh_error_set(err, -EINVAL, "sinks.client_keys: entry %zu is no public key",
                                i + 1);
        }
        ret->client_key_count = i + 1;
    }
    return config->secret_key_file[0] == '\0'
               ? 0
               : read_secret(config->secret_key_file, ret->secret_key, err);
}

void fh_zeromq_settings_done(struct fh_zeromq_settings *settings)
{
    explicit_bzero(settings->secret_key, sizeof(settings->secret_key));
}

void fh_zeromq_settings_reload(struct fh_zeromq_settings *settings,
                               const struct fh_config_sink *config)
{
    settings->config.batch_records = config->batch_records;
    settings->config.batch_ms = config->batch_ms;
    settings->config.timeout_ms = config->timeout_ms;
}
