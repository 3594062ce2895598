/* sample.c: owns the few records of each stretch of source time that both nodes of a pair look at
 * closely, to learn whether their replicas carry the same records under the same uids and stamps.
 * Never judges; the role machine's side does (ha/replica.h).
 *
 * Which ones is decided by lot (fh_envelope_lot), which two copies share whatever their uids and
 * stamps are: per stretch those with the lowest lots. So at any rate there are a few of them, both
 * nodes choose mostly the same ones, and a record that is not chosen costs a comparison. */
#include "internal.h"

#include <string.h>

static int64_t slice_of(int64_t timestamp_ms)
{
    return timestamp_ms / FH_PIPELINE_SLICE_MS - (timestamp_ms % FH_PIPELINE_SLICE_MS < 0);
}

static void insert(struct fh_pipeline_slice *slice, const struct fh_pipeline_sample *sample)
{
    uint32_t at = slice->count;
    while (at > 0 && slice->sample[at - 1].lot > sample->lot) {
        at--;
    }
    uint32_t last = slice->count < FH_PIPELINE_SAMPLES ? slice->count++ : FH_PIPELINE_SAMPLES - 1;
    memmove(&slice->sample[at + 1], &slice->sample[at], (last - at) * sizeof(slice->sample[0]));
    slice->sample[at] = *sample;
}

void fh_sample_take(struct fh_pipeline *pipeline, const struct item *item, const char *line)
{
    int64_t number = slice_of(item->key.timestamp_ms);
    struct fh_pipeline_slice *slice = &pipeline->slice[(uint64_t)number % FH_PIPELINE_SLICES];
    if (slice->number > number) {
        return; /* too late to be compared */
    }
    if (slice->number < number) {
        *slice = (struct fh_pipeline_slice){.number = number};
    }
    if (slice->count == FH_PIPELINE_SAMPLES &&
        item->lot >= slice->sample[FH_PIPELINE_SAMPLES - 1].lot) {
        return;
    }
    struct fh_envelope envelope;
    if (fh_envelope_scan(line, item->len, &envelope) != FH_ENVELOPE_OK) {
        return; /* it was one a moment ago */
    }
    struct fh_pipeline_sample sample = {.lot = item->lot};
    sample.payload =
        (uint32_t)(fh_envelope_fingerprint(&envelope, line, item->len, FH_KEY_PAYLOAD) >> 32);
    sample.uid = (uint32_t)fh_envelope_fingerprint(&envelope, line, item->len, FH_KEY_UID);
    sample.offset_ms = (uint32_t)(item->key.timestamp_ms - number * FH_PIPELINE_SLICE_MS);
    insert(slice, &sample);
}
