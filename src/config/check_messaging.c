/* check_messaging.c: owns the rules of sinks that listen for, or send to, programs on other hosts
 * without a web server between them: zeromq and mqtt. Never resolves a name. */
#include "loading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_PATH_MAX 107 /* sun_path without its NUL */
#define Z85_KEY_LEN     40
#define MQTT_PORT       1883
#define MQTTS_PORT      8883

/* ---- zeromq ---- */

/* ret_local: reachable from this host only. */
static int check_listen(const char *listen, struct fh_error *err, bool *ret_local)
{
    if (strncmp(listen, "ipc://", 6) == 0) {
        *ret_local = true;
        return listen[6] == '/' && strlen(listen + 6) <= SOCKET_PATH_MAX
                   ? 0
                   : fh_error_set(err, -EINVAL,
                                  "sinks.listen needs an absolute path of at most %d bytes behind "
                                  "ipc://",
                                  SOCKET_PATH_MAX);
    }
    if (strncmp(listen, "tcp://", 6) != 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.listen must look like tcp://0.0.0.0:5580 or ipc:///PATH");
    }
    struct fh_authority authority;
    if (fh_endpoint_check(listen, true, err) < 0 ||
        fh_authority_split(listen + 6, strlen(listen + 6), &authority) < 0) {
        fh_error_prefix(err, "sinks.listen");
        return -EINVAL;
    }
    if (strcmp(authority.host, "localhost") == 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.listen must name an address of this host, as in "
                            "tcp://127.0.0.1:5580, not a name");
    }
    *ret_local = fh_authority_is_loopback(&authority);
    return 0;
}

int fh_config_check_zeromq(const struct fh_config_sink *sink, struct fh_error *err)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              ".-:+=^!/*?&<>()[]{}@%$#";
    bool local = false;
    int r = check_listen(sink->listen, err, &local);
    if (r < 0) {
        return r;
    }
    bool secret = sink->secret_key_file[0] != '\0';
    if (!secret && sink->client_key_count > 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.client_keys needs sinks.secret_key_file; make a key with: "
                            "firehosectl keygen --secret FILE");
    }
    if (!secret && !local) {
        return fh_error_set(err, -EINVAL,
                            "sinks.listen is \"%.100s\", and without sinks.secret_key_file events "
                            "would travel in clear: that is allowed on this host only "
                            "(tcp://127.0.0.1:PORT, tcp://[::1]:PORT, ipc://PATH)",
                            sink->listen);
    }
    if (secret && sink->client_key_count == 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.client_keys is empty, so nobody could connect; name the public "
                            "keys of the programs that may");
    }
    for (size_t i = 0; i < sink->client_key_count; i++) {
        const char *key = sink->client_keys[i];
        if (strlen(key) != Z85_KEY_LEN || strspn(key, z85) != Z85_KEY_LEN) {
            return fh_error_set(err, -EINVAL,
                                "sinks.client_keys: entry %zu is no public key (40 characters in "
                                "Z85)",
                                i + 1);
        }
    }
    return 0;
}

/* ---- mqtt ---- */

int fh_config_mqtt_server(const char *text, struct fh_error *err, struct fh_mqtt_server *ret)
{
    struct fh_mqtt_server server = {.port = MQTT_PORT};
    struct fh_authority authority;
    size_t scheme = 7;
    if (strncmp(text, "mqtts://", 8) == 0) {
        scheme = 8;
        server.tls = true;
        server.port = MQTTS_PORT;
    } else if (strncmp(text, "mqtt://", 7) != 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: \"%.100s\" must look like mqtts://broker.example:8883 "
                            "or mqtt://broker.example:1883",
                            text);
    }
    if (fh_authority_split(text + scheme, strlen(text + scheme), &authority) < 0 ||
        !fh_authority_is_good(&authority)) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: \"%.100s\" needs a host, and a port from 1 to 65535 "
                            "where one is given, and nothing else",
                            text);
    }
    if (authority.port[0] != '\0') {
        server.port = (int)strtol(authority.port, NULL, 10);
    }
    memcpy(server.host, authority.host, sizeof(server.host));
    server.loopback = fh_authority_is_loopback(&authority);
    *ret = server;
    return 0;
}

static int check_credentials(const struct fh_config_sink *sink, bool all_tls, bool clear_far,
                             struct fh_error *err)
{
    if ((sink->cert_file[0] == '\0') != (sink->key_file[0] == '\0')) {
        return fh_error_set(
            err, -EINVAL, "sinks.cert_file and sinks.key_file belong together; give both or none");
    }
    if (!all_tls && (sink->cert_file[0] != '\0' || sink->ca_file[0] != '\0')) {
        return fh_error_set(err, -EINVAL,
                            "sinks.ca_file, cert_file and key_file mean TLS, but sinks.servers has "
                            "an mqtt://; write mqtts://");
    }
    if (sink->password_file[0] != '\0' && sink->user[0] == '\0') {
        return fh_error_set(err, -EINVAL, "sinks.password_file needs sinks.user");
    }
    if (sink->password_file[0] != '\0' && clear_far) {
        return fh_error_set(err, -EINVAL,
                            "sinks.servers: over mqtt:// the password would travel in clear; write "
                            "mqtts:// (mqtt:// is allowed to 127.0.0.0/8, [::1] and localhost)");
    }
    return 0;
}

int fh_config_check_mqtt(const struct fh_config_sink *sink, struct fh_error *err)
{
    bool all_tls = true;
    bool clear_far = false;
    for (size_t i = 0; i < sink->server_count; i++) {
        struct fh_mqtt_server server = {.port = 0};
        int r = fh_config_mqtt_server(sink->servers[i], err, &server);
        if (r < 0) {
            return r;
        }
        all_tls = all_tls && server.tls;
        clear_far = clear_far || (!server.tls && !server.loopback);
    }
    if (sink->retain_position && !strstr(sink->position_topic, "{device}")) {
        return fh_error_set(err, -EINVAL,
                            "sinks.position_topic is \"%.100s\"; without {device} the devices "
                            "would overwrite each other's position",
                            sink->position_topic);
    }
    return check_credentials(sink, all_tls, clear_far, err);
}

/* ---- both ---- */

static void warn_of_clear_text(struct fh_loading *loading, size_t index)
{
    const struct fh_config_sink *sink = &loading->config->sinks[index];
    for (size_t i = 0; i < sink->server_count; i++) {
        struct fh_mqtt_server server = {.port = 0};
        if (fh_config_mqtt_server(sink->servers[i], NULL, &server) == 0 && !server.tls &&
            !server.loopback) {
            fh_warn(loading, fh_line_of(loading, "sinks.servers", index),
                    "sinks.servers: to \"%.100s\" events travel in clear, where people are; prefer "
                    "mqtts://",
                    sink->servers[i]);
            return;
        }
    }
}

void fh_config_check_messaging(struct fh_loading *loading, size_t index)
{
    const struct fh_config_sink *sink = &loading->config->sinks[index];
    struct fh_error err = {""};
    bool zeromq = strcmp(sink->type, "zeromq") == 0;
    bool mqtt = strcmp(sink->type, "mqtt") == 0;
    const char *address = zeromq ? "sinks.listen" : "sinks.servers";
    /* what is missing was said already */
    if ((!zeromq && !mqtt) || !fh_given(loading, address, index) ||
        !fh_usable(loading, address, index)) {
        return;
    }
    int r = zeromq ? fh_config_check_zeromq(sink, &err) : fh_config_check_mqtt(sink, &err);
    if (r < 0) {
        fh_refuse(loading, fh_line_of(loading, address, index), "%s", err.text);
    } else if (mqtt) {
        warn_of_clear_text(loading, index);
    }
}
