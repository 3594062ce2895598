/* chunks.c: a list of pieces of memory, each filled from its beginning. */
#include "chunks.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct fh_chunk {
    struct fh_chunk *next;
    size_t used;
    size_t size;
    max_align_t bytes[];
};

void *fh_chunks_take(struct fh_chunk **chunks, size_t bytes)
{
    size_t unit = sizeof(max_align_t);
    if (bytes > SIZE_MAX / 4) {
        return NULL;
    }
    size_t rounded = (bytes + unit - 1) / unit * unit;
    struct fh_chunk *chunk = *chunks;
    if (!chunk || chunk->size - chunk->used < rounded) {
        size_t size = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;
        chunk = calloc(1, sizeof(*chunk) + size);
        if (!chunk) {
            return NULL;
        }
        chunk->size = size;
        chunk->next = *chunks;
        *chunks = chunk;
    }
    void *taken = (char *)chunk->bytes + chunk->used;
    chunk->used += rounded;
    return taken;
}

char *fh_chunks_join(struct fh_chunk **chunks, const char *a, const char *b, const char *c,
                     const char *d)
{
    char *text = fh_chunks_take(chunks, strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1);
    if (text) {
        stpcpy(stpcpy(stpcpy(stpcpy(text, a), b), c), d);
    }
    return text;
}

void fh_chunks_free(struct fh_chunk *chunks)
{
    while (chunks) {
        struct fh_chunk *next = chunks->next;
        free(chunks);
        chunks = next;
    }
}
