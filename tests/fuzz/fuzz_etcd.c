/* fuzz_etcd.c: no answer may crash the reader; what it reads can be judged and written again. */
#include "etcd_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct fh_etcd_view *view)
{
    struct fh_buf body;
    fh_buf_init(&body, (size_t)64 * 1024);
    struct fh_etcd_record record = {.node = "a", .mark = "mark", .epoch = 1};
    if (fh_etcd_grant_body(&body, "/firehosed/x/", view, &record, 1) < 0 ||
        fh_etcd_release_body(&body, "/firehosed/x/", view, 0) < 0) {
        abort();
    }
    fh_buf_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_etcd_answer answer;
    /* exact size on the heap, so that a read beyond the end is seen */
    char *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, data, size);
    int r = fh_etcd_parse(copy, size, &answer);
    free(copy);
    if (r == 0 && answer.has_view) {
        const struct fh_etcd_view *view = &answer.view;
        bool may = fh_etcd_judge(view, "mark", 5, &(struct fh_alone_claim){0}) == FH_ETCD_MAY;
        if (may && view->lease.present && strcmp(view->lease.record.mark, "mark") != 0) {
            abort();
        }
        if (may && view->epoch.present && view->epoch.record.epoch > 5) {
            abort();
        }
        write_again(view);
    }
    return 0;
}
