/* chunks.h: memory for a schema's tables, taken in large pieces and freed at once. */
#ifndef FH_PROTO_CHUNKS_H
#define FH_PROTO_CHUNKS_H

#include <stddef.h>

struct fh_chunk;

/* Zeroed, aligned for any object; NULL when out of memory. */
void *fh_chunks_take(struct fh_chunk **chunks, size_t bytes);
/* The four put together, NUL-terminated; NULL when out of memory. */
char *fh_chunks_join(struct fh_chunk **chunks, const char *a, const char *b, const char *c,
                     const char *d);
void fh_chunks_free(struct fh_chunk *chunks);

#endif
