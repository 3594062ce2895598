/* image.h: the picture files a sheet names, private to src/onboarding. */
#ifndef FH_ONBOARDING_IMAGE_H
#define FH_ONBOARDING_IMAGE_H

#include "fh/err.h"

#include <stddef.h>

#define FH_IMAGE_BYTES ((size_t)2 * 1024 * 1024) /* ours: the document is to be sent by mail */

struct fh_image {
    const char *media_type;
    unsigned char *bytes; /* malloc'ed; NULL after fh_image_done */
    size_t size;
};

/* Of the first bytes: "image/png", ..., or NULL. Pure. */
const char *fh_image_type(const unsigned char *bytes, size_t size);
/* file: absolute, or below folder. 0, or negative with the end of a sentence ("cannot be ..."). */
int fh_image_load(const char *folder, const char *file, struct fh_error *err, struct fh_image *ret);
void fh_image_done(struct fh_image *image);

#endif
