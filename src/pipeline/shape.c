/* shape.c: filter, fields and envelope of one sink. A sink that has none of them never comes here
 * with more than a NULL: its records go on as they lie in the store, in one piece. */
#include "shape.h"

#include "fh/buf.h"
#include "fh/project.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVELOPE_MAX 192

struct fh_shape {
    const struct fh_config_sink *config;
    const char *node;
    int64_t replica;
    const char *replay; /* NULL: the live stream */
    bool filters;       /* not every record is wanted */
    bool rewrites;      /* a record is not passed on as it is */
    bool wants_facts;
    struct fh_projection projection;
    char envelope[ENVELOPE_MAX]; /* from the opening brace on, without the comma behind it */
    size_t envelope_len;
    uint64_t envelope_epoch;
    struct fh_buf out; /* records that were written anew, each with its newline */
    uint32_t count;    /* of the write being made */
    struct fh_slice record[FH_SHAPE_RECORDS];
    struct fh_record_key key[FH_SHAPE_RECORDS];
    uint64_t sequence[FH_SHAPE_RECORDS];
    struct fh_record_facts *facts; /* FH_SHAPE_RECORDS of them, or one when only the filter asks */
};

static int read_paths(struct fh_shape *shape, struct fh_error *err)
{
    const struct fh_config_sink *config = shape->config;
    int r = 0;
    for (size_t i = 0; i < config->include_count && r == 0; i++) {
        r = fh_projection_include(&shape->projection, config->include[i], err);
    }
    for (size_t i = 0; i < config->drop_count && r == 0; i++) {
        r = fh_projection_drop(&shape->projection, config->drop[i], err);
    }
    return r;
}

int fh_shape_new(const struct fh_config_sink *config, const char *node, int64_t replica,
                 bool wants_facts, struct fh_error *err, struct fh_shape **ret)
{
    bool filters =
        config->event_type_count > 0 || config->tenant_count > 0 || config->location_count > 0;
    bool rewrites = config->include_count > 0 || config->drop_count > 0 || config->envelope;
    *ret = NULL;
    if (!filters && !rewrites && !wants_facts) {
        return 0;
    }
    struct fh_shape *shape = calloc(1, sizeof(*shape));
    if (!shape) {
        return fh_error_set(err, -ENOMEM, "no memory for the fields of sink %s", config->name);
    }
    shape->config = config;
    shape->node = node;
    shape->replica = replica;
    shape->filters = filters;
    shape->rewrites = rewrites;
    shape->wants_facts = wants_facts;
    fh_buf_init(&shape->out, 0);
    shape->facts = malloc((wants_facts ? FH_SHAPE_RECORDS : 1) * sizeof(*shape->facts));
    int r = shape->facts ? read_paths(shape, err) : fh_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        fh_shape_free(shape);
        return r;
    }
    *ret = shape;
    return 0;
}

void fh_shape_mark(struct fh_shape *shape, const char *replay)
{
    shape->replay = replay;
}

void fh_shape_free(struct fh_shape *shape)
{
    if (shape) {
        fh_buf_done(&shape->out);
        free(shape->facts);
        free(shape);
    }
}

/* ---- which records -------------------------------------------------------------------------- */

static bool is_text(struct fh_slice slice, const char *text)
{
    return strncmp(text, slice.data, slice.len) == 0 && text[slice.len] == '\0';
}

static bool is_one_of(struct fh_slice slice, const char list[][FH_SINK_FILTER_MAX], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_text(slice, list[i])) {
            return true;
        }
    }
    return count == 0;
}

static bool wanted(const struct fh_config_sink *config, const struct fh_record_facts *facts)
{
    if (is_text(facts->type, "FIREHOSED_GAP")) {
        return true; /* whoever filters must hear, too, that something may be missing */
    }
    if (!is_one_of(facts->type, config->event_types, config->event_type_count) ||
        !is_one_of(facts->tenant, config->tenants, config->tenant_count)) {
        return false;
    }
    bool here = config->location_count == 0;
    for (uint32_t i = 0; i < facts->location_count && !here; i++) {
        here = is_one_of(facts->location[i], config->locations, config->location_count);
    }
    return here;
}

/* ---- how much of each ----------------------------------------------------------------------- */

static void make_envelope(struct fh_shape *shape, uint64_t epoch)
{
    if (!shape->config->envelope || (shape->envelope_len > 0 && shape->envelope_epoch == epoch)) {
        return;
    }
    /* The configuration allows no node a name that would need escapes. */
    const char *replay = shape->replay;
    int len = snprintf(shape->envelope, sizeof(shape->envelope),
                       "{\"_firehosed\":{\"node\":\"%s\",\"replica\":%" PRId64 ",\"epoch\":%" PRIu64
                       "%s%s%s}",
                       shape->node, shape->replica, epoch, replay ? ",\"replay\":\"" : "",
                       replay ? replay : "", replay ? "\"" : "");
    shape->envelope_len = (size_t)len;
    shape->envelope_epoch = epoch;
}

/* Room for a whole portion at once, so that records do not move while they are being collected: a
 * projection is never longer than the record. */
static int make_room(struct fh_shape *shape, const struct fh_store_batch *batch, uint32_t portion)
{
    size_t need = 0;
    for (uint32_t i = 0; i < portion; i++) {
        need += batch->record[i].len + ENVELOPE_MAX + 1;
    }
    fh_buf_clear(&shape->out);
    shape->out.max = need > shape->out.capacity ? need : shape->out.capacity;
    return fh_buf_reserve(&shape->out, need);
}

/* Write the record anew behind those before it. */
static int rewrite(struct fh_shape *shape, struct fh_slice record, struct fh_slice *ret)
{
    struct fh_buf *out = &shape->out;
    size_t start = out->len;
    int r = fh_buf_append(out, shape->envelope, shape->envelope_len);
    size_t body = out->len;
    if (r == 0 && fh_projection_is_empty(&shape->projection)) {
        const char *brace = memchr(record.data, '{', record.len); /* only blanks before it */
        r = brace ? fh_buf_append(out, brace, record.len - (size_t)(brace - record.data)) : -EINVAL;
    } else if (r == 0) {
        r = fh_project(&shape->projection, record.data, record.len, out);
    }
    if (r == 0 && shape->envelope_len > 0) {
        out->data[body] = ','; /* its brace; an object without members is no record */
    }
    *ret = (struct fh_slice){out->data + start, out->len - start};
    return r < 0 ? r : fh_buf_append(out, "\n", 1);
}

/* ---- the write ------------------------------------------------------------------------------ */

static uint32_t portion_of(const struct fh_store_batch *batch)
{
    size_t bytes = 0;
    uint32_t count = 0;
    while (count < batch->count && count < FH_SHAPE_RECORDS) {
        bytes += batch->record[count].len;
        if (count > 0 && bytes > FH_SHAPE_BYTES) {
            break;
        }
        count++;
    }
    return count;
}

static int take(struct fh_shape *shape, const struct fh_store_batch *batch, uint32_t i)
{
    uint32_t count = shape->count;
    struct fh_slice record = batch->record[i];
    if (shape->filters || shape->wants_facts) {
        struct fh_record_facts *facts = &shape->facts[shape->wants_facts ? count : 0];
        fh_record_facts(record.data, record.len, facts);
        if (shape->filters && !wanted(shape->config, facts)) {
            return 0;
        }
    }
    int r = shape->rewrites ? rewrite(shape, record, &record) : 0;
    if (r < 0) {
        return r;
    }
    shape->record[count] = record;
    shape->key[count] = batch->key[i];
    shape->sequence[count] = batch->sequence[i];
    shape->count++;
    return 0;
}

/* The same records in one piece, when they are. */
static struct fh_slice in_one_piece(const struct fh_shape *shape,
                                    const struct fh_store_batch *batch, uint32_t portion)
{
    if (shape->rewrites) {
        return (struct fh_slice){shape->out.data, shape->out.len};
    }
    if (shape->count < portion || batch->raw.len == 0) {
        return (struct fh_slice){NULL, 0};
    }
    const struct fh_slice *last = &batch->record[portion - 1];
    return (struct fh_slice){batch->raw.data,
                             (size_t)(last->data + last->len + 1 - batch->raw.data)};
}

int64_t fh_shape_apply(struct fh_shape *shape, const struct fh_store_batch *batch, uint64_t epoch,
                       struct fh_sink_write *ret, struct fh_error *err)
{
    if (!shape) {
        *ret = (struct fh_sink_write){.record = batch->record,
                                      .key = batch->key,
                                      .sequence = batch->sequence,
                                      .count = batch->count,
                                      .raw = batch->raw,
                                      .epoch = epoch};
        return batch->count;
    }
    uint32_t portion = portion_of(batch);
    make_envelope(shape, epoch);
    if (shape->rewrites && make_room(shape, batch, portion) < 0) {
        return fh_error_set(err, -ENOMEM, "no memory to write records anew");
    }
    shape->count = 0;
    for (uint32_t i = 0; i < portion; i++) {
        if (take(shape, batch, i) < 0) {
            return fh_error_set(err, -EBADMSG, "record %" PRIu64 " of the store is not valid JSON",
                                batch->sequence[i]);
        }
    }
    *ret = (struct fh_sink_write){.record = shape->record,
                                  .key = shape->key,
                                  .facts = shape->wants_facts ? shape->facts : NULL,
                                  .sequence = shape->sequence,
                                  .count = shape->count,
                                  .raw = in_one_piece(shape, batch, portion),
                                  .epoch = epoch};
    return portion;
}
