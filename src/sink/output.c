/* output.c: owns the buffer between a sink and its file. Never opens, syncs or closes anything. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* From this size on a piece is not worth copying into the buffer. */
#define DIRECT_BYTES     ((size_t)32 * 1024)
#define WRITE_BACK_BYTES ((uint64_t)4 * 1024 * 1024)

int fh_output_init(struct fh_output *output)
{
    *output = (struct fh_output){.fd = -1, .buffer = malloc(FH_OUTPUT_BUFFER)};
    return output->buffer ? 0 : -ENOMEM;
}

void fh_output_done(struct fh_output *output)
{
    free(output->buffer);
    *output = (struct fh_output){.fd = -1};
}

void fh_output_start(struct fh_output *output, int fd)
{
    output->fd = fd;
    output->used = 0;
    output->written = 0;
    output->write_back = 0;
}

/* The page cache would otherwise collect a whole batch and fdatasync would stand for seconds.
 * Best effort: file systems that do not know the call simply do the work at the end. */
static void start_write_back(struct fh_output *output)
{
    if (output->written - output->write_back >= WRITE_BACK_BYTES) {
        sync_file_range(output->fd, (off_t)output->write_back,
                        (off_t)(output->written - output->write_back), SYNC_FILE_RANGE_WRITE);
        output->write_back = output->written;
    }
}

static int write_all(struct fh_output *output, struct iovec *iov, int count)
{
    while (count > 0) {
        ssize_t n = writev(output->fd, iov, count);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        size_t done = (size_t)n;
        output->written += done;
        while (count > 0 && done >= iov->iov_len) {
            done -= iov->iov_len;
            iov++;
            count--;
        }
        if (count > 0) {
            if (n == 0) {
                return -EIO; /* a device that takes nothing and does not say why */
            }
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= done;
        }
    }
    start_write_back(output);
    return 0;
}

int fh_output_flush(struct fh_output *output)
{
    if (output->used == 0) {
        return 0;
    }
    struct iovec iov = {.iov_base = output->buffer, .iov_len = output->used};
    int r = write_all(output, &iov, 1);
    if (r == 0) {
        output->used = 0;
    }
    return r;
}

int fh_output_append(struct fh_output *output, const char *bytes, size_t len)
{
    if (len < DIRECT_BYTES && len <= FH_OUTPUT_BUFFER - output->used) {
        if (len > 0) {
            memcpy(output->buffer + output->used, bytes, len);
            output->used += len;
        }
        return 0;
    }
    struct iovec iov[2];
    int count = 0;
    if (output->used > 0) {
        iov[count++] = (struct iovec){.iov_base = output->buffer, .iov_len = output->used};
    }
    iov[count++] = (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
    int r = write_all(output, iov, count);
    if (r == 0) {
        output->used = 0;
    }
    return r;
}
