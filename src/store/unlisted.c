/* unlisted.c: owns the peer's reports on sinks that are not listed here. A sink comes to a pair by
 * one node after the other, and the one that has it first may lead and deliver into it: the other
 * one has to know of that when it lists the sink, too. The rows wait beside those of the listed
 * sinks, as long as own reports are kept; the start that lists the sink finds them there
 * (rebuild.c). Never looks into them. */
#include "internal.h"

#include <errno.h>

int fh_store_load_unlisted(struct fh_store *store, uint64_t row, int64_t age_ms)
{
    if (FH_LIST_RESERVE(&store->unlisted) < 0) {
        return -ENOMEM;
    }
    store->unlisted.item[store->unlisted.count++] = (struct fh_unlisted_row){row, age_ms};
    return 0;
}

int fh_store_keep_unlisted(struct fh_store *store, const struct fh_report *report,
                           int64_t newest_ms)
{
    void *bytes = NULL;
    size_t len = 0;
    if (FH_LIST_RESERVE(&store->unlisted) < 0 || FH_LIST_RESERVE(&store->peer_rows) < 0 ||
        fh_store_encode_report(store, report, &bytes, &len) < 0) {
        return -ENOMEM;
    }
    fh_store_lock(store);
    uint64_t row = fh_marks_next_row(store->marks);
    fh_marks_skip_rows(store->marks, row + 1);
    fh_store_unlock(store);
    store->unlisted.item[store->unlisted.count++] =
        (struct fh_unlisted_row){row, fh_store_age(store, newest_ms)};
    store->peer_rows.item[store->peer_rows.count++] = (struct fh_staged_row){row, bytes, len};
    return 0;
}

void fh_store_expire_unlisted(struct fh_store *store)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->unlisted.count; i++) {
        struct fh_unlisted_row row = store->unlisted.item[i];
        if (fh_store_report_expired(store, row.age_ms)) {
            fh_store_forget_row(store, row.row);
        } else {
            store->unlisted.item[kept++] = row;
        }
    }
    store->unlisted.count = kept;
}
