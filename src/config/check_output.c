/* check_output.c: owns the rules of sinks that hand events to a web service, a program or a
 * directory: webhook, command, file. Never looks at a disk or a network. */
#include "loading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- webhook ---- */

static int check_address(const char *url, struct fh_error *err)
{
    bool https = fh_url_is_https(url);
    if (!https && strncasecmp(url, "http://", 7) != 0) {
        return fh_error_set(err, -EINVAL, "sinks.url must start with https://");
    }
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '\\') {
            return fh_error_set(err, -EINVAL,
                                "sinks.url must not contain blanks, backslashes or characters "
                                "outside ASCII");
        }
    }
    const char *rest = url + (https ? 8 : 7);
    size_t len = strcspn(rest, "/?#");
    struct fh_authority authority;
    if (memchr(rest, '@', len)) {
        return fh_error_set(err, -EINVAL,
                            "sinks.url must not contain a user or password; use user and "
                            "password_file, or token_file");
    }
    if (fh_authority_split(rest, len, &authority) < 0 || !fh_authority_is_good(&authority)) {
        return fh_error_set(err, -EINVAL,
                            "sinks.url needs a host, as in https://events.example/in");
    }
    if (!https && !fh_authority_is_loopback(&authority)) {
        return fh_error_set(err, -EINVAL,
                            "sinks.url must be https: over http the events would travel in clear "
                            "(http is allowed to this host itself: localhost, 127.0.0.1, [::1])");
    }
    return 0;
}

/* Headers that say what a request is are ours: another value would break it, or the promise. */
static int check_header(const struct fh_config_sink *sink, size_t index, struct fh_error *err)
{
    static const char *const ours[] = {"Content-Length", "Transfer-Encoding", "Idempotency-Key",
                                       "Expect",         "Connection",        "Firehosed-"};
    const char *text = sink->headers[index];
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789!#$%&'*+-.^_`|~");
    bool authorized = sink->token_file[0] != '\0' || sink->user[0] != '\0';
    if (name == 0 || text[name] != ':' || strpbrk(text, "\r\n")) {
        return fh_error_set(err, -EINVAL,
                            "sinks.headers: entry %zu must look like \"X-Site: north\"", index + 1);
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(ours); i++) {
        if (strncasecmp(text, ours[i], strlen(ours[i])) == 0) {
            return fh_error_set(err, -EINVAL, "sinks.headers: %.*s is set by firehosed; remove it",
                                (int)name, text);
        }
    }
    if (authorized && strncasecmp(text, "Authorization:", 14) == 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.headers: Authorization comes from token_file or user; remove "
                            "one of them");
    }
    return 0;
}

int fh_config_check_webhook(const struct fh_config_sink *sink, struct fh_error *err)
{
    int r = check_address(sink->url, err);
    for (size_t i = 0; i < sink->header_count && r == 0; i++) {
        r = check_header(sink, i, err);
    }
    if (r < 0) {
        return r;
    }
    if (sink->token_file[0] != '\0' && sink->user[0] != '\0') {
        return fh_error_set(err, -EINVAL,
                            "sinks.token_file and sinks.user exclude each other; remove one");
    }
    if ((sink->user[0] == '\0') != (sink->password_file[0] == '\0')) {
        return fh_error_set(err, -EINVAL,
                            "sinks.user and sinks.password_file belong together; add the other");
    }
    if (sink->key_file[0] != '\0' && sink->cert_file[0] == '\0') {
        return fh_error_set(err, -EINVAL,
                            "sinks.key_file is there without sinks.cert_file; add it");
    }
    return 0;
}

/* ---- command ---- */

int fh_config_check_command(const struct fh_config_sink *sink, struct fh_error *err)
{
    return sink->command_count > 0 && sink->command[0][0] == '/'
               ? 0
               : fh_error_set(err, -EINVAL,
                              "sinks.command must begin with the absolute path of a program, as "
                              "in ( \"/usr/local/bin/consume\" )");
}

/* ---- file ---- */

int fh_config_file_mode(const char *text, struct fh_error *err, unsigned *ret)
{
    size_t len = strlen(text);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len) {
        return fh_error_set(err, -EINVAL, "sinks.mode is \"%s\"; write it as in \"0640\"", text);
    }
    unsigned mode = (unsigned)strtoul(text, NULL, 8);
    if ((mode & 0400) == 0 || (mode & ~0666U) != 0 || (mode & 0002) != 0) {
        return fh_error_set(err, -EINVAL,
                            "sinks.mode is \"%s\"; the owner must be able to read, not everybody "
                            "may write, and nothing is executable: for example \"0640\"",
                            text);
    }
    *ret = mode;
    return 0;
}

/* ---- all ---- */

static int check(const struct fh_config_sink *sink, struct fh_error *err)
{
    unsigned mode;
    if (strcmp(sink->type, "webhook") == 0) {
        return sink->url[0] != '\0' ? fh_config_check_webhook(sink, err) : 0;
    }
    if (strcmp(sink->type, "command") == 0) {
        return sink->command_count > 0 ? fh_config_check_command(sink, err) : 0;
    }
    return strcmp(sink->type, "file") == 0 ? fh_config_file_mode(sink->mode, err, &mode) : 0;
}

void fh_config_check_output(struct fh_loading *loading, size_t index)
{
    static const char *const options[] = {
        "sinks.url",      "sinks.token_file", "sinks.user",    "sinks.password_file",
        "sinks.key_file", "sinks.headers",    "sinks.command", "sinks.mode"};
    struct fh_error err = {""};
    if (check(&loading->config->sinks[index], &err) == 0) {
        return;
    }
    /* the line of the option the sentence begins with */
    for (size_t i = 0; i < FH_ARRAY_LEN(options); i++) {
        size_t len = strlen(options[i]);
        if (strncmp(err.text, options[i], len) == 0 && strchr(" :", err.text[len]) &&
            fh_usable(loading, options[i], index)) {
            fh_refuse(loading, fh_line_of(loading, options[i], index), "%s", err.text);
            return;
        }
    }
}
