/* lmdb_glue.c: owns the mapping between LMDB's words and ours. */
#include "lmdb_glue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int fh_lmdb_error(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_MAP_FULL:
        return -ENOSPC;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        return -EUCLEAN;
    case MDB_VERSION_MISMATCH:
        return -ENOTSUP;
    default:
        return code > 0 ? -code : -EIO;
    }
}

MDB_val fh_lmdb_number(struct fh_lmdb_key *key, uint64_t number)
{
    number = htobe64(number);
    memcpy(key->bytes, &number, sizeof(key->bytes));
    return (MDB_val){sizeof(key->bytes), key->bytes};
}

int fh_lmdb_number_of(const MDB_val *key, uint64_t *ret)
{
    uint64_t number = 0;
    if (key->mv_size != sizeof(number)) {
        return -EUCLEAN;
    }
    memcpy(&number, key->mv_data, sizeof(number));
    *ret = be64toh(number);
    return 0;
}

/* LMDB takes what it only reads as a writable pointer. */
MDB_val fh_lmdb_value(const void *bytes, size_t len)
{
    MDB_val value = {.mv_size = len};
    memcpy(&value.mv_data, &bytes, sizeof(value.mv_data));
    return value;
}

void fh_lmdb_abort(MDB_txn **txn)
{
    if (*txn) {
        mdb_txn_abort(*txn);
        *txn = NULL;
    }
}

void fh_lmdb_cursor_close(MDB_cursor **cursor)
{
    if (*cursor) {
        mdb_cursor_close(*cursor);
        *cursor = NULL;
    }
}

int fh_lmdb_begin(MDB_env *env, unsigned flags, MDB_txn **ret)
{
    return fh_lmdb_error(mdb_txn_begin(env, NULL, flags, ret));
}

int fh_lmdb_put(MDB_txn *txn, MDB_dbi dbi, uint64_t number, const void *bytes, size_t len,
                unsigned flags)
{
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, number);
    MDB_val value = fh_lmdb_value(bytes, len);
    return fh_lmdb_error(mdb_put(txn, dbi, &key, &value, flags));
}

int fh_lmdb_get(MDB_txn *txn, MDB_dbi dbi, uint64_t number, MDB_val *ret)
{
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, number);
    return fh_lmdb_error(mdb_get(txn, dbi, &key, ret));
}

int fh_lmdb_delete(MDB_txn *txn, MDB_dbi dbi, uint64_t number)
{
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, number);
    int r = fh_lmdb_error(mdb_del(txn, dbi, &key, NULL));
    return r == -ENOENT ? 0 : r;
}

int fh_lmdb_seek(MDB_cursor *cursor, uint64_t number, uint64_t *ret_number, MDB_val *ret)
{
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, number);
    int r = fh_lmdb_error(mdb_cursor_get(cursor, &key, ret, MDB_SET_RANGE));
    return r < 0 ? r : fh_lmdb_number_of(&key, ret_number);
}

int fh_lmdb_seek_back(MDB_cursor *cursor, uint64_t number, uint64_t *ret_number, MDB_val *ret)
{
    struct fh_lmdb_key room;
    MDB_val key = fh_lmdb_number(&room, number);
    int r = fh_lmdb_error(mdb_cursor_get(cursor, &key, ret, MDB_SET_RANGE));
    if (r == -ENOENT) {
        r = fh_lmdb_error(mdb_cursor_get(cursor, &key, ret, MDB_LAST));
    }
    if (r == 0) {
        r = fh_lmdb_number_of(&key, ret_number);
    }
    if (r == 0 && *ret_number > number) {
        r = fh_lmdb_error(mdb_cursor_get(cursor, &key, ret, MDB_PREV));
        if (r == 0) {
            r = fh_lmdb_number_of(&key, ret_number);
        }
    }
    return r;
}

int fh_lmdb_open_cursor(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **ret)
{
    return fh_lmdb_error(mdb_cursor_open(txn, dbi, ret));
}
