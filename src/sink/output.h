/* output.h: bytes into a descriptor: buffered up to 256 KiB, short writes and EINTR handled, and
 * the kernel's write-back started early so that the fdatasync at the end finds little to do.
 *
 * Embedded. After an error the contents of the file are undefined: the owner drops the file. */
#ifndef FH_SINK_OUTPUT_H
#define FH_SINK_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#define FH_OUTPUT_BUFFER ((size_t)256 * 1024)

struct fh_output {
    int fd; /* owned by the caller */
    char *buffer;
    size_t used;
    uint64_t written;    /* bytes that reached the descriptor */
    uint64_t write_back; /* bytes whose write-back was started */
};

int fh_output_init(struct fh_output *output); /* 0 or -ENOMEM */
void fh_output_done(struct fh_output *output);
/* From now on into fd, from offset 0; forgets what was buffered for another one. */
void fh_output_start(struct fh_output *output, int fd);
/* Large pieces go straight to the descriptor, without a copy. */
int fh_output_append(struct fh_output *output, const char *bytes, size_t len);
/* Everything out by write(2); no fsync. */
int fh_output_flush(struct fh_output *output);

#endif
