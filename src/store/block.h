/* block.h: the byte forms of what lies in the database: blocks of records, rows of record keys, and
 * the envelope around reports. Pure: no allocation, no I/O; trusts no byte it reads.
 *
 * Every form carries magic, version and an XXH3 over all of it, because LMDB has no checksums. All
 * decoders answer -EBADMSG for damage and -EPROTONOSUPPORT for a version they do not know. */
#ifndef FH_STORE_BLOCK_H
#define FH_STORE_BLOCK_H

#include "fh/event.h"
#include "fh/partition.h"

#include <stdbool.h>

#define FH_BLOCK_HEAD    160
#define FH_BLOCK_RAW_MAX (1u << 30)
#define FH_KEYS_HEAD     32
#define FH_KEY_BYTES     16
#define FH_ROW_HEAD      32

struct fh_block_head {
    uint64_t first_sequence;
    uint32_t count;
    uint32_t raw_len;
    uint32_t payload_len;
    int64_t newest_ms; /* newest recordTimestamp inside */
    int64_t age_ms;    /* newest_ms held near source time: what retention goes by, so that a wild
                          stamp keeps nothing for ever */
    /* The checkpoint in force before the first record of the block: everything it covers lies in
     * earlier blocks. */
    struct fh_checkpoint before;
};

/* Bytes an encoding of raw_len bytes may need. */
size_t fh_block_bound(size_t raw_len);
/* raw: count records, each with its newline. payload_len is filled in. Returns the size. */
size_t fh_block_encode(struct fh_block_head *head, const char *raw, void *bytes, size_t capacity);
/* The head alone, checked as far as possible without the payload. */
int fh_block_peek(const void *bytes, size_t len, struct fh_block_head *ret);
/* Everything; raw has room for the raw_len that peek told. Checks that raw is made of count lines.
 */
int fh_block_decode(const void *bytes, size_t len, char *raw, struct fh_block_head *ret);
/* Split raw into its lines: records[i] without newline. -EBADMSG unless there are exactly count. */
int fh_block_split(const char *raw, size_t raw_len, struct fh_slice *records, size_t count);

/* A row of the key index: the keys of the records of one block. */
size_t fh_keys_size(size_t count);
void fh_keys_encode(const struct fh_record_key *keys, uint32_t count, int64_t age_ms, void *bytes);
/* ret_keys may be NULL (head only, checksum not looked at), else it has room for capacity keys. */
int fh_keys_decode(const void *bytes, size_t len, struct fh_record_key *ret_keys, size_t capacity,
                   uint32_t *ret_count, int64_t *ret_age_ms);

/* A checked envelope around anything else (reports, the state row): newest_ms and age_ms mean what
 * they mean for a block. */
void fh_row_encode(int64_t newest_ms, int64_t age_ms, const void *payload, size_t len,
                   void *bytes); /* FH_ROW_HEAD + len */
/* check false: the payload's checksum is not looked at. ret_payload points into bytes. */
int fh_row_decode(const void *bytes, size_t len, bool check, int64_t *ret_newest_ms,
                  int64_t *ret_age_ms, const void **ret_payload, size_t *ret_len);

#endif
