/* descriptor.c: reading to the end, whatever comes in between. Never opens anything. */
#include "fh/descriptor.h"

#include <errno.h>
#include <unistd.h>

void fh_descriptor_close(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

ssize_t fh_descriptor_read(int fd, void *bytes, size_t max)
{
    size_t len = 0;
    while (len < max) {
        ssize_t n = read(fd, (char *)bytes + len, max - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    return (ssize_t)len;
}
