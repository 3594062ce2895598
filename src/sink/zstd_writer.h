/* zstd_writer.h: one zstd frame, with checksum, through a struct fh_output. */
#ifndef FH_SINK_ZSTD_WRITER_H
#define FH_SINK_ZSTD_WRITER_H

#include "output.h"

struct fh_zstd_writer;

int fh_zstd_writer_new(struct fh_zstd_writer **ret);     /* 0 or -ENOMEM */
void fh_zstd_writer_free(struct fh_zstd_writer *writer); /* NULL allowed */
/* Begin a frame; what was begun before is forgotten. level outside zstd's range is clamped. */
int fh_zstd_writer_start(struct fh_zstd_writer *writer, int64_t level);
int fh_zstd_writer_append(struct fh_zstd_writer *writer, struct fh_output *output,
                          const char *bytes, size_t len);
/* Everything so far decodable from what is in the output. Costs compression: not per record. */
int fh_zstd_writer_flush(struct fh_zstd_writer *writer, struct fh_output *output);
/* End the frame. */
int fh_zstd_writer_finish(struct fh_zstd_writer *writer, struct fh_output *output);

#endif
