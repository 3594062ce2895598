/* check_watch.c: owns what must hold of the sections metrics and console, which are alike. */
#include "loading.h"

#include <arpa/inet.h>
#include <string.h>

struct watch {
    const char *section;
    const char *listen_path;
    const char *listen;
    const char *socket_path;
    const char *socket;
};

/* An address, not a name: what it listens on must not depend on who answers for a name. */
static bool is_listen_address(const struct fh_authority *authority)
{
    unsigned char address[4];
    return authority->bracketed || strcmp(authority->host, "localhost") == 0 ||
           inet_pton(AF_INET, authority->host, address) == 1;
}

static void check_listen(struct fh_loading *loading, const struct watch *watch)
{
    if (watch->listen[0] == '\0') {
        if (watch->socket[0] == '\0' && fh_usable(loading, watch->listen_path, 0)) {
            fh_refuse(loading, fh_line_of(loading, watch->listen_path, 0),
                      "%s is empty and there is no %s: name one, or leave the section %s out",
                      watch->listen_path, watch->socket_path, watch->section);
        }
        return;
    }
    struct fh_authority authority;
    if (fh_authority_split(watch->listen, strlen(watch->listen), &authority) < 0 ||
        authority.port[0] == '\0' || !fh_authority_is_good(&authority) ||
        !is_listen_address(&authority)) {
        fh_refuse(loading, fh_line_of(loading, watch->listen_path, 0),
                  "%s must be ADDRESS:PORT with a port from 1 to 65535, as in 127.0.0.1:9570 or "
                  "[::1]:9570",
                  watch->listen_path);
    } else if (!fh_authority_is_loopback(&authority) && strcmp(watch->section, "console") == 0) {
        fh_warn(loading, fh_line_of(loading, watch->listen_path, 0),
                "%s can be reached from other hosts, and the page asks nobody who he is: put a "
                "proxy with TLS and a log-in in front",
                watch->listen_path);
    }
}

static bool same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

void fh_config_check_watch(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    const struct watch metrics = {"metrics", "metrics.listen", config->metrics.listen,
                                  "metrics.socket", config->metrics.socket};
    const struct watch console = {"console", "console.listen", config->console.listen,
                                  "console.socket", config->console.socket};
    if (config->metrics.present) {
        check_listen(loading, &metrics);
    }
    if (config->console.present) {
        check_listen(loading, &console);
    }
    if (config->metrics.present && config->console.present) {
        if (same(metrics.listen, console.listen)) {
            fh_refuse(loading, fh_line_of(loading, "console.listen", 0),
                      "metrics.listen and console.listen are both %s; give each its own",
                      console.listen);
        }
        if (same(metrics.socket, console.socket)) {
            fh_refuse(loading, fh_line_of(loading, "console.socket", 0),
                      "metrics.socket and console.socket are both %s; give each its own",
                      console.socket);
        }
    }
}
