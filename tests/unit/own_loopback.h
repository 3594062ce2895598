/* own_loopback.h: an address of this host that is this process's alone, derived from its number. On
 * 127.0.0.1 a port that was free may be another's before it is bound, or bound again; here nobody
 * else looks for one. */
#ifndef TEST_OWN_LOOPBACK_H
#define TEST_OWN_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

static inline struct sockaddr_in own_loopback(int port)
{
    uint32_t process = (uint32_t)getpid() & 0x3fffff;
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(0x7f400000 | process)};
}

/* A port of it that is free, and stays so until this process takes it; negative: none. */
static inline int own_loopback_port(void)
{
    struct sockaddr_in address = own_loopback(0);
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int port = bind(fd, (struct sockaddr *)&address, size) == 0 &&
                       getsockname(fd, (struct sockaddr *)&address, &size) == 0
                   ? ntohs(address.sin_port)
                   : -1;
    close(fd);
    return port;
}

#endif
