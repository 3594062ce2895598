/* address.c: owns the reading of endpoints. Never resolves a name. */
#include "address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

int fh_address_parse(const char *endpoint, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char host[256];
    const char *start = strncmp(endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
    const char *source = strrchr(start, ';'); /* ZeroMQ: "source;destination" */
    start = source ? source + 1 : start;
    const char *colon = strrchr(start, ':');
    if (!colon) {
        return -EINVAL;
    }
    size_t len = (size_t)(colon - start);
    if (len >= 2 && start[0] == '[' && start[len - 1] == ']') {
        start++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host)) {
        return -EINVAL;
    }
    memcpy(host, start, len);
    host[len] = '\0';
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(strcmp(host, "*") == 0 ? "0.0.0.0" : host, colon + 1, &hints, &found) != 0) {
        return -EINVAL;
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(ret, found->ai_addr, found->ai_addrlen);
    *ret_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

socklen_t fh_address_in_family(struct sockaddr_storage *address, int family)
{
    if (address->ss_family == AF_INET && family == AF_INET6) {
        struct sockaddr_in old;
        memcpy(&old, address, sizeof(old));
        struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = old.sin_port};
        mapped.sin6_addr.s6_addr[10] = 0xff;
        mapped.sin6_addr.s6_addr[11] = 0xff;
        memcpy(mapped.sin6_addr.s6_addr + 12, &old.sin_addr, 4);
        memcpy(address, &mapped, sizeof(mapped));
    }
    if (address->ss_family != family) {
        return 0;
    }
    return family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}
