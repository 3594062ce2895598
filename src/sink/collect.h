/* collect.h: the batch a sender collects in memory until its far side has taken it: copies of the
 * records with their keys and facts. Bounded: batch_records records, FH_COLLECT_BYTES_MAX bytes.
 *
 * Embedded; one thread at a time. */
#ifndef FH_SINK_COLLECT_H
#define FH_SINK_COLLECT_H

#include "fh/buf.h"
#include "fh/sink.h"

/* A batch ends when it holds so much; a single record may be larger. */
#define FH_COLLECT_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct fh_collect_entry {
    size_t offset; /* of the record in bytes; the values of the facts follow it */
    uint32_t len;
    uint32_t uid, type, tenant, device, location; /* lengths of the values, in this order */
    int64_t timestamp_ms;
    struct fh_record_key key;
};

struct fh_collect {
    struct fh_buf bytes;
    struct fh_collect_entry *entry;
    size_t count, capacity;
    struct fh_time since; /* when the first one came */
};

/* One collected record; slices are valid until the next add, clear or done. */
struct fh_collect_item {
    struct fh_slice record; /* without newline */
    struct fh_record_key key;
    struct fh_record_facts facts; /* the most specific location only */
};

void fh_collect_init(struct fh_collect *collect);
void fh_collect_done(struct fh_collect *collect);
/* Takes the whole write (which must have facts) or nothing: -ENOMEM. */
int fh_collect_add(struct fh_collect *collect, const struct fh_sink_write *write,
                   struct fh_time now);
void fh_collect_get(const struct fh_collect *collect, size_t index, struct fh_collect_item *ret);
/* For due_in: 0 when full or old enough, -1 when empty. */
int64_t fh_collect_due_in(const struct fh_collect *collect, const struct fh_config_sink *config,
                          struct fh_time now);
void fh_collect_clear(struct fh_collect *collect);

/* "5f1c...-1700000000123": how a key travels beside a record, in a header or a message id, so that
 * recover() can read it back. */
#define FH_KEY_TEXT_SIZE 48
void fh_key_print(struct fh_record_key key, char text[FH_KEY_TEXT_SIZE]);
/* -EBADMSG when it is not such a text. */
int fh_key_parse(const char *text, size_t len, struct fh_record_key *ret);

#endif
