/* lmdb_glue.h: LMDB as the store uses it: errors as negative errno, keys as big-endian numbers,
 * transactions that end by themselves. */
#ifndef FH_STORE_LMDB_GLUE_H
#define FH_STORE_LMDB_GLUE_H

#include "fh/err.h"

#include <lmdb.h>
#include <stdint.h>

/* -ENOSPC map full, -EUCLEAN damaged, -ENOTSUP other version, -ENOENT not found, or an errno. */
int fh_lmdb_error(int code);

struct fh_lmdb_key {
    unsigned char bytes[8];
};
/* Big-endian, so that LMDB's byte order is the order of the numbers. */
MDB_val fh_lmdb_number(struct fh_lmdb_key *key, uint64_t number);
MDB_val fh_lmdb_value(const void *bytes, size_t len);
/* -EUCLEAN unless it is one of ours. */
int fh_lmdb_number_of(const MDB_val *key, uint64_t *ret);

void fh_lmdb_abort(MDB_txn **txn);              /* for FH_CLEANUP; NULL allowed */
void fh_lmdb_cursor_close(MDB_cursor **cursor); /* for FH_CLEANUP */

/* All as negative errno. */
int fh_lmdb_begin(MDB_env *env, unsigned flags, MDB_txn **ret);
int fh_lmdb_put(MDB_txn *txn, MDB_dbi dbi, uint64_t number, const void *bytes, size_t len,
                unsigned flags);
int fh_lmdb_get(MDB_txn *txn, MDB_dbi dbi, uint64_t number, MDB_val *ret);
int fh_lmdb_delete(MDB_txn *txn, MDB_dbi dbi, uint64_t number); /* absent: 0 */
/* First entry at or after number; 0 or -ENOENT. */
int fh_lmdb_seek(MDB_cursor *cursor, uint64_t number, uint64_t *ret_number, MDB_val *ret);
/* Last entry at or before number. */
int fh_lmdb_seek_back(MDB_cursor *cursor, uint64_t number, uint64_t *ret_number, MDB_val *ret);
int fh_lmdb_open_cursor(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **ret);

#endif
