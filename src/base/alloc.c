/* alloc.c: the default allocator. */
#include "fh/alloc.h"

#include <stdlib.h>

const struct fh_allocator fh_allocator_default = {.allocate = malloc, .release = free};
