/* descriptor.h: file descriptors in the hands of whoever reads whole files. Blocking. */
#ifndef FH_DESCRIPTOR_H
#define FH_DESCRIPTOR_H

#include <stddef.h>
#include <sys/types.h>

/* For FH_CLEANUP; a negative one is none. */
void fh_descriptor_close(const int *fd);
/* As many of max bytes as there are before the end, or a negative errno; a signal does not end it.
 */
ssize_t fh_descriptor_read(int fd, void *bytes, size_t max);

#endif
