/* host.c: which Host a request may have. Pure but for the name of this host, read once.
 *
 * A page of the internet whose name its owner lets point to 127.0.0.1 (DNS rebinding) makes a
 * browser send requests here, with that name in Host. An address literal cannot be such a name. */
#include "internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void add(struct web_hosts *hosts, const char *name)
{
    size_t len = strlen(name);
    if (len > 0 && len < WEB_HOST_MAX && hosts->count < WEB_HOSTS_MAX) {
        memcpy(hosts->name[hosts->count++], name, len + 1);
    }
}

void web_hosts_init(struct web_hosts *hosts, const char *const *further)
{
    char own[WEB_HOST_MAX] = "";
    hosts->count = 0;
    add(hosts, "localhost");
    if (gethostname(own, sizeof(own) - 1) == 0) {
        add(hosts, own);
        own[strcspn(own, ".")] = '\0';
        add(hosts, own);
    }
    for (; further && *further; further++) {
        add(hosts, *further);
    }
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT -> HOST. */
static bool split(const char *value, char host[WEB_HOST_MAX], bool *ret_bracketed)
{
    *ret_bracketed = value[0] == '[';
    const char *begin = value + (*ret_bracketed ? 1 : 0);
    size_t len = strcspn(begin, *ret_bracketed ? "]" : ":");
    const char *rest = begin + len;
    if (len == 0 || len >= WEB_HOST_MAX || (*ret_bracketed && *rest++ != ']')) {
        return false;
    }
    if (*rest == ':') {
        rest += 1 + strspn(rest + 1, "0123456789");
    }
    if (*rest != '\0') {
        return false;
    }
    memcpy(host, begin, len);
    host[len] = '\0';
    return true;
}

bool web_host_allowed(const struct web_hosts *hosts, const char *value)
{
    char host[WEB_HOST_MAX];
    unsigned char address[16];
    bool bracketed = false;
    if (!split(value, host, &bracketed)) {
        return false;
    }
    if (bracketed) {
        return inet_pton(AF_INET6, host, address) == 1;
    }
    if (inet_pton(AF_INET, host, address) == 1) {
        return true;
    }
    size_t len = strlen(host);
    if (host[len - 1] == '.') { /* fully qualified; the same name */
        host[len - 1] = '\0';
    }
    for (size_t i = 0; i < hosts->count; i++) {
        if (strcasecmp(hosts->name[i], host) == 0) {
            return true;
        }
    }
    return false;
}
