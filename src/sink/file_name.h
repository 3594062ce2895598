/* file_name.h: the names of batch files:
 *
 *     NAME-YYYYMMDDThhmmssZ-EPOCH-SEQUENCE[_NN].ndjson[.zst]          published
 *     the same with ".part"                                           not published
 *
 * Epoch has 6 digits or more, sequence 12 or more, so that names sort as they were made. _NN is
 * there only when a name was taken; '_' sorts behind '.', so it does not disturb the order. Pure.
 */
#ifndef FH_SINK_FILE_NAME_H
#define FH_SINK_FILE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FH_PART_SUFFIX ".part"
/* Highest _NN. */
#define FH_FILE_NAME_COPIES 99

/* The published name into text; copy 0 = no _NN. wall_ms: for people only, never read back. */
void fh_file_name(char *text, size_t size, const char *sink, int64_t wall_ms, uint64_t epoch,
                  uint64_t sequence, unsigned copy, bool zstd);

/* Is this a published name of this very sink? Exact: "a" does not own the files of "a-b". */
bool fh_file_name_is_ours(const char *name, const char *sink);

/* The same for a name with ".part"; the published name goes to text when it is one. */
bool fh_file_name_is_part(const char *name, const char *sink, char *text, size_t size);

#endif
