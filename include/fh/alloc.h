/* alloc.h: the allocator handed to pure parts, so that tests can fail each allocation in turn. */
#ifndef FH_ALLOC_H
#define FH_ALLOC_H

#include <stddef.h>

struct fh_allocator {
    void *(*allocate)(size_t bytes); /* uninitialised memory or NULL */
    void (*release)(void *memory);   /* NULL allowed */
};

/* The C library's. */
extern const struct fh_allocator fh_allocator_default;

#endif
