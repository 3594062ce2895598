/* chunks.h: memory for a schema's tables, taken in large pieces and freed at once. */
#ifndef FH_PROTO_CHUNKS_H
#define FH_PROTO_CHUNKS_H

#include <stddef.h>

struct fh_chunk;

/* Zeroed, aligned for any object; NULL when out of memory. */
void *fh_chunks_take(struct fh_chunk **chunks, size_t bytes);
/* The parts put together, NUL-terminated. The list ends with NULL. */
char *fh_chunks_join(struct fh_chunk **chunks, const char *first, ...) __attribute__((sentinel));
void fh_chunks_free(struct fh_chunk *chunks);

#endif
