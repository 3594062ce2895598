/* zstd_writer.c: owns the compressor of a batch file. Never opens or syncs anything. */
#include "zstd_writer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>

struct fh_zstd_writer {
    ZSTD_CCtx *context;
    bool dirty; /* something inside that a flush would bring out */
    char out[64 * 1024];
};

int fh_zstd_writer_new(struct fh_zstd_writer **ret)
{
    struct fh_zstd_writer *writer = malloc(sizeof(*writer));
    if (!writer) {
        return -ENOMEM;
    }
    writer->dirty = false;
    writer->context = ZSTD_createCCtx();
    if (!writer->context) {
        free(writer);
        return -ENOMEM;
    }
    *ret = writer;
    return 0;
}

void fh_zstd_writer_free(struct fh_zstd_writer *writer)
{
    if (writer) {
        ZSTD_freeCCtx(writer->context);
        free(writer);
    }
}

int fh_zstd_writer_start(struct fh_zstd_writer *writer, int64_t level)
{
    int64_t clamped = level < ZSTD_minCLevel()   ? ZSTD_minCLevel()
                      : level > ZSTD_maxCLevel() ? ZSTD_maxCLevel()
                                                 : level;
    writer->dirty = false;
    if (ZSTD_isError(ZSTD_CCtx_reset(writer->context, ZSTD_reset_session_and_parameters)) ||
        ZSTD_isError(
            ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, (int)clamped)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1))) {
        return -EINVAL;
    }
    return 0;
}

/* One round trip per output buffer until zstd says that nothing is left to do for this directive.
 */
static int run(struct fh_zstd_writer *writer, struct fh_output *output, const char *bytes,
               size_t len, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {.src = bytes, .size = len, .pos = 0};
    for (;;) {
        ZSTD_outBuffer out = {.dst = writer->out, .size = sizeof(writer->out), .pos = 0};
        size_t left = ZSTD_compressStream2(writer->context, &out, &in, directive);
        if (ZSTD_isError(left)) {
            return -ENOMEM; /* with valid parameters the only way it can fail */
        }
        int r = fh_output_append(output, writer->out, out.pos);
        if (r < 0) {
            return r;
        }
        if (directive == ZSTD_e_continue ? in.pos == in.size : left == 0) {
            return 0;
        }
    }
}

int fh_zstd_writer_append(struct fh_zstd_writer *writer, struct fh_output *output,
                          const char *bytes, size_t len)
{
    if (len == 0) {
        return 0;
    }
    writer->dirty = true;
    return run(writer, output, bytes, len, ZSTD_e_continue);
}

int fh_zstd_writer_flush(struct fh_zstd_writer *writer, struct fh_output *output)
{
    if (!writer->dirty) {
        return 0;
    }
    int r = run(writer, output, NULL, 0, ZSTD_e_flush);
    if (r == 0) {
        writer->dirty = false;
    }
    return r;
}

int fh_zstd_writer_finish(struct fh_zstd_writer *writer, struct fh_output *output)
{
    writer->dirty = false;
    return run(writer, output, NULL, 0, ZSTD_e_end);
}
