/* log.h: one line per change of state, to the journal when there is one, else to stderr.
 *
 * Lines to stderr look like
 *     firehosed[a] notice [role] standby -> primary: connection refused by the peer
 * FIREHOSED_EPOCH=7 so that a person and a test read the same text that the journal keeps as
 * fields. Levels are those of syslog(3). Any thread may call; a line is written whole. Nothing here
 * may be called from a pure part, once per event, or with a secret. */
#ifndef FH_LOG_H
#define FH_LOG_H

#include "fh/err.h"
#include "fh/log_ids.h"

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

enum fh_log_target {
    FH_LOG_AUTO, /* the journal when stderr is connected to it ($JOURNAL_STREAM), else stderr */
    FH_LOG_STDERR,
    FH_LOG_JOURNAL,
};

struct fh_log_field {
    const char *name;  /* upper case, starts with FIREHOSED_; a literal, kept by reference */
    const char *value; /* copied */
};

/* Before the first thread starts. identifier is kept by reference (a literal). */
void fh_log_init(const char *identifier, enum fh_log_target target, int max_level);
/* Lines above this level are dropped. Any thread, any time. */
void fh_log_set_level(int max_level);
/* The node's name, shown in brackets and sent as FIREHOSED_NODE. Copied; before the first thread.
 */
void fh_log_set_node(const char *node);

/* Sent with every entry that has no FIREHOSED_ROLE of its own. role: a literal. Any thread. */
void fh_log_set_role(const char *role, uint64_t epoch);
/* Whether ids that flap are limited (see log_ids.h); off at first. Before the first thread. With it
 * the owner of the main loop calls fh_log_flush(false) now and then, and fh_log_flush(true) at the
 * end, which say what was held back. */
void fh_log_limit(bool on);
void fh_log_flush(bool all);

/* A plain line. */
void fh_log(int level, const char *format, ...) FH_PRINTF(2, 3);
/* A change of state. fields may be NULL when field_count is 0. */
void fh_log_event(int level, enum fh_log_id id, const struct fh_log_field *fields,
                  size_t field_count, const char *format, ...) FH_PRINTF(5, 6);

/* The 32 hex digits and the short name of an id ("" for FH_LOG_NONE). */
const char *fh_log_id_hex(enum fh_log_id id);
const char *fh_log_id_name(enum fh_log_id id);

#endif
