/* read.c: the way to the store for those who only look. Owns nothing. */
#include "internal.h"

int fh_pipeline_read(struct fh_pipeline *pipeline, uint64_t *inout_sequence,
                     struct fh_store_batch *ret, struct fh_error *err)
{
    return fh_store_read(pipeline->store, inout_sequence, ret, err);
}

void fh_pipeline_read_done(struct fh_pipeline *pipeline, struct fh_store_batch *batch)
{
    fh_store_batch_done(pipeline->store, batch);
}

void fh_pipeline_read_wait(struct fh_pipeline *pipeline, uint64_t sequence, int timeout_ms)
{
    fh_store_wait(pipeline->store, fh_store_ticket(pipeline->store), sequence, timeout_ms);
}

void fh_pipeline_read_range(struct fh_pipeline *pipeline, uint64_t *ret_first, uint64_t *ret_next)
{
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    *ret_first = state.first_sequence;
    *ret_next = state.next_sequence;
}
