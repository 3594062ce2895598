/* ledger_read.h: lines out of files (plain and zstd) and URLs, and the little that is needed of a
 * record. Shares nothing with src/core on purpose: a mistake there must not hide here. */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line without its newline. whole is false for a last line that has none. < 0 stops. */
typedef int (*ledger_line)(void *userdata, const char *line, size_t len, bool whole);

/* A name ending in .zst is decompressed; an incomplete frame is -EBADMSG. */
int ledger_read_file(const char *path, ledger_line line, void *userdata, struct fh_error *err);
/* ca_file NULL: the system's. Sends the header that the simulator's control endpoints want. */
int ledger_read_url(const char *url, const char *ca_file, ledger_line line, void *userdata,
                    struct fh_error *err);

struct ledger_record {
    const char *uid; /* as it stands in the line, escapes and all */
    size_t uid_len;
    int64_t timestamp_ms;
    bool gap; /* eventType FIREHOSED_GAP: made by the daemon, not by the service */
};
/* False when the line has no uid, timestamp and type at its top level. */
bool ledger_scan(const char *line, size_t len, struct ledger_record *ret);

#endif
