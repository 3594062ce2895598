/* check_nats.c: owns the rules of NATS sinks: addresses, which options belong together, the
 * stream's name. Never resolves a name, never reads a file. */
#include "loading.h"

#include <errno.h>
#include <string.h>

/* ret_loopback: this very host. */
static int check_server(const char *server, bool tls, struct fh_error *err, bool *ret_loopback)
{
    struct fh_authority authority;
    bool clear = strncmp(server, "nats://", 7) == 0;
    if (strchr(server, '@')) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: no user or password in an address; write user and "
                            "password_file, or token_file");
    }
    if (!clear && strncmp(server, "tls://", 6) != 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: \"%.100s\" must look like tls://nats.example:4222 or "
                            "nats://nats.example:4222",
                            server);
    }
    if (clear == tls) {
        return fh_error_set(err, -EINVAL, "sinks.servers: all nats://, or all tls://");
    }
    const char *rest = strstr(server, "://") + 3;
    if (fh_authority_split(rest, strlen(rest), &authority) < 0 ||
        !fh_authority_is_good(&authority)) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: \"%.100s\" needs a host, and a port from 1 to 65535 "
                            "where one is given, and nothing else",
                            server);
    }
    *ret_loopback = fh_authority_is_loopback(&authority);
    return 0;
}

static int check_identity(const struct fh_config_sink *sink, bool clear_far, struct fh_error *err)
{
    bool user = sink->user[0] != '\0';
    bool password = sink->password_file[0] != '\0';
    bool token = sink->token_file[0] != '\0';
    bool credentials = sink->credentials_file[0] != '\0';
    if ((user || password) + token + credentials > 1) {
        return fh_error_set(err, -EINVAL,
                            "sinks.user with password_file, sinks.token_file and "
                            "sinks.credentials_file: one of them, not several");
    }
    if (user != password) {
        return fh_error_set(err, -EINVAL, "sinks.user and sinks.password_file belong together");
    }
    if ((password || token) && clear_far) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: over nats:// the password or token would travel in "
                            "clear; write tls:// (nats:// is allowed to 127.0.0.0/8, [::1] and "
                            "localhost)");
    }
    return 0;
}

int fh_config_check_nats(const struct fh_config_sink *sink, struct fh_error *err)
{
    bool tls = strncmp(sink->servers[0], "tls://", 6) == 0;
    bool clear_far = false;
    for (size_t i = 0; i < sink->server_count; i++) {
        bool loopback = false;
        int r = check_server(sink->servers[i], tls, err, &loopback);
        if (r < 0) {
            return r;
        }
        clear_far = clear_far || (!tls && !loopback);
    }
    if (sink->stream[0] == '\0' || strpbrk(sink->stream, ".*>/\\ \t")) {
        return fh_error_set(err, -EINVAL,
                            "sinks.stream: \"%s\" is no name; no dots, blanks, slashes, * or >",
                            sink->stream);
    }
    if ((sink->cert_file[0] != '\0') != (sink->key_file[0] != '\0')) {
        return fh_error_set(err, -EINVAL,
                            "sinks.cert_file and sinks.key_file belong together; give both or "
                            "none");
    }
    if (!tls && (sink->ca_file[0] != '\0' || sink->cert_file[0] != '\0')) {
        return fh_error_set(err, -EINVAL,
                            "sinks.ca_file and cert_file mean nothing without tls:// in "
                            "sinks.servers");
    }
    return check_identity(sink, clear_far, err);
}

static void warn_of_clear_text(struct fh_loading *loading, size_t index)
{
    const struct fh_config_sink *sink = &loading->config->sinks[index];
    for (size_t i = 0; i < sink->server_count; i++) {
        bool loopback = true;
        if (check_server(sink->servers[i], false, NULL, &loopback) == 0 && !loopback) {
            fh_warn(loading, fh_line_of(loading, "sinks.servers", index),
                    "sinks.servers: to \"%.100s\" events travel in clear, where people are; prefer "
                    "tls://",
                    sink->servers[i]);
            return;
        }
    }
}

void fh_config_check_nats_sink(struct fh_loading *loading, size_t index)
{
    const struct fh_config_sink *sink = &loading->config->sinks[index];
    struct fh_error err = {""};
    /* what is missing was said already */
    if (strcmp(sink->type, "nats") != 0 || !fh_given(loading, "sinks.servers", index) ||
        !fh_usable(loading, "sinks.servers", index)) {
        return;
    }
    if (fh_config_check_nats(sink, &err) < 0) {
        fh_refuse(loading, fh_line_of(loading, "sinks.servers", index), "%s", err.text);
    } else {
        warn_of_clear_text(loading, index);
    }
}
