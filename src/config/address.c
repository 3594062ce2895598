/* address.c: owns the syntax of the addresses in the configuration. Never resolves a name. */
#include "loading.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int fh_authority_split(const char *text, size_t len, struct fh_authority *ret)
{
    struct fh_authority parts = {0};
    const char *host = text;
    const char *end = text + len;
    const char *host_end;
    if (len > 0 && *text == '[') {
        parts.bracketed = true;
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end) {
            return -EINVAL;
        }
        text = host_end + 1;
    } else {
        host_end = memchr(text, ':', len);
        if (!host_end) {
            host_end = end;
        }
        text = host_end;
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0 || host_len >= sizeof(parts.host)) {
        return -EINVAL;
    }
    memcpy(parts.host, host, host_len);
    if (text < end) {
        size_t port_len = (size_t)(end - text) - 1;
        if (*text != ':' || port_len == 0 || port_len >= sizeof(parts.port)) {
            return -EINVAL;
        }
        memcpy(parts.port, text + 1, port_len);
    }
    *ret = parts;
    return 0;
}

static bool is_port(const char *text)
{
    size_t len = strlen(text);
    if (len < 1 || len > 5 || strspn(text, "0123456789") != len) {
        return false;
    }
    long port = strtol(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

static bool is_host(const struct fh_authority *authority)
{
    unsigned char address[16];
    if (authority->bracketed) {
        return inet_pton(AF_INET6, authority->host, address) == 1;
    }
    for (const char *c = authority->host; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr(".-_", *c)) {
            return false;
        }
    }
    return true;
}

bool fh_authority_is_good(const struct fh_authority *authority)
{
    return is_host(authority) && (authority->port[0] == '\0' || is_port(authority->port));
}

bool fh_authority_is_loopback(const struct fh_authority *authority)
{
    if (authority->bracketed) {
        static const unsigned char loopback[16] = {[15] = 1};
        unsigned char address[16];
        return inet_pton(AF_INET6, authority->host, address) == 1 &&
               memcmp(address, loopback, sizeof(loopback)) == 0;
    }
    unsigned char address[4];
    return strcasecmp(authority->host, "localhost") == 0 ||
           (inet_pton(AF_INET, authority->host, address) == 1 && address[0] == 127);
}

/* Behind "http://" or "https://"; NULL when the scheme is another. */
static const char *after_scheme(const char *url)
{
    if (strncasecmp(url, "https://", 8) == 0) {
        return url + 8;
    }
    return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

bool fh_url_is_https(const char *url)
{
    return strncasecmp(url, "https://", 8) == 0;
}

int fh_url_check(const char *url, struct fh_error *err)
{
    const char *rest = after_scheme(url);
    if (!rest) {
        return fh_error_set(err, -EINVAL, "must start with https://");
    }
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '\\') {
            return fh_error_set(err, -EINVAL,
                                "must not contain blanks, backslashes or characters "
                                "outside ASCII");
        }
    }
    if (strpbrk(rest, "?#")) {
        return fh_error_set(err, -EINVAL, "must not contain a query (?) or a fragment (#)");
    }
    size_t len = strcspn(rest, "/");
    if (memchr(rest, '@', len)) {
        return fh_error_set(err, -EINVAL,
                            "must not contain a user or password; the API key is all it takes");
    }
    struct fh_authority authority;
    if (fh_authority_split(rest, len, &authority) < 0 || !is_host(&authority)) {
        return fh_error_set(err, -EINVAL, "needs a host, as in https://partners.example/");
    }
    if (authority.port[0] != '\0' && !is_port(authority.port)) {
        return fh_error_set(err, -EINVAL, "has a port that is not 1 to 65535");
    }
    return 0;
}

bool fh_url_is_loopback(const char *url)
{
    const char *rest = after_scheme(url);
    struct fh_authority authority;
    if (!rest || fh_authority_split(rest, strcspn(rest, "/"), &authority) < 0) {
        return false;
    }
    return fh_authority_is_loopback(&authority);
}

int fh_config_url(const char *text, struct fh_error *err, struct fh_url_parts *ret)
{
    int r = fh_url_check(text, err);
    if (r < 0) {
        return r;
    }
    struct fh_url_parts parts = {.https = fh_url_is_https(text),
                                 .loopback = fh_url_is_loopback(text)};
    const char *rest = after_scheme(text);
    size_t len = strcspn(rest, "/");
    struct fh_authority authority;
    r = fh_authority_split(rest, len, &authority);
    if (r < 0) {
        return r;
    }
    memcpy(parts.host, authority.host, sizeof(parts.host));
    memcpy(parts.port, authority.port, sizeof(parts.port));
    parts.path = rest + len;
    *ret = parts;
    return 0;
}

int fh_endpoint_check(const char *endpoint, bool listen, struct fh_error *err)
{
    const char *example = listen ? "tcp://0.0.0.0:5570" : "tcp://10.0.0.2:5570";
    if (strncmp(endpoint, "tcp://", 6) != 0) {
        return fh_error_set(err, -EINVAL, "must look like %s", example);
    }
    struct fh_authority authority;
    const char *rest = endpoint + 6;
    if (fh_authority_split(rest, strlen(rest), &authority) < 0 || !is_port(authority.port)) {
        return fh_error_set(err, -EINVAL, "needs a host and a port from 1 to 65535, as in %s",
                            example);
    }
    bool any = strcmp(authority.host, "*") == 0;
    if (!any && !is_host(&authority)) {
        return fh_error_set(err, -EINVAL, "needs a host, as in %s", example);
    }
    any = any || strcmp(authority.host, "0.0.0.0") == 0 || strcmp(authority.host, "::") == 0;
    if (any && !listen) {
        return fh_error_set(err, -EINVAL, "must name the other node's address, as in %s", example);
    }
    return 0;
}
