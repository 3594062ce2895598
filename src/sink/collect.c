/* collect.c: owns the memory of collected batches. */
#include "collect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fh_collect_init(struct fh_collect *collect)
{
    *collect = (struct fh_collect){.count = 0};
    /* One write on top of a batch that is just not full. */
    fh_buf_init(&collect->bytes, FH_COLLECT_BYTES_MAX * 65);
}

void fh_collect_done(struct fh_collect *collect)
{
    fh_buf_done(&collect->bytes);
    free(collect->entry);
    *collect = (struct fh_collect){.count = 0};
}

void fh_collect_clear(struct fh_collect *collect)
{
    fh_buf_clear(&collect->bytes);
    collect->count = 0;
}

static int reserve(struct fh_collect *collect, size_t more)
{
    size_t need = collect->count + more;
    if (need <= collect->capacity) {
        return 0;
    }
    size_t capacity = collect->capacity > 0 ? collect->capacity : 1024;
    while (capacity < need) {
        capacity *= 2;
    }
    struct fh_collect_entry *entry = realloc(collect->entry, capacity * sizeof(*entry));
    if (!entry) {
        return -ENOMEM;
    }
    collect->entry = entry;
    collect->capacity = capacity;
    return 0;
}

static int append(struct fh_collect *collect, const struct fh_slice *record,
                  struct fh_record_key key, const struct fh_record_facts *facts)
{
    struct fh_slice location =
        facts->location_count > 0 ? facts->location[0] : (struct fh_slice){"", 0};
    const struct fh_slice pieces[] = {*record,       facts->uid,    facts->type,
                                      facts->tenant, facts->device, location};
    struct fh_collect_entry entry = {.offset = collect->bytes.len,
                                     .len = (uint32_t)record->len,
                                     .uid = (uint32_t)facts->uid.len,
                                     .type = (uint32_t)facts->type.len,
                                     .tenant = (uint32_t)facts->tenant.len,
                                     .device = (uint32_t)facts->device.len,
                                     .location = (uint32_t)location.len,
                                     .timestamp_ms = facts->timestamp_ms,
                                     .key = key};
    for (size_t i = 0; i < FH_ARRAY_LEN(pieces); i++) {
        int r =
            pieces[i].len > 0 ? fh_buf_append(&collect->bytes, pieces[i].data, pieces[i].len) : 0;
        if (r < 0) {
            return r;
        }
    }
    collect->entry[collect->count++] = entry;
    return 0;
}

int fh_collect_add(struct fh_collect *collect, const struct fh_sink_write *write,
                   struct fh_time now)
{
    size_t count = collect->count;
    size_t len = collect->bytes.len;
    int r = reserve(collect, write->count);
    for (uint32_t i = 0; i < write->count && r == 0; i++) {
        r = append(collect, &write->record[i], write->key[i], &write->facts[i]);
    }
    if (r < 0) {
        collect->count = count;
        collect->bytes.len = len;
        return r;
    }
    if (count == 0) {
        collect->since = now;
    }
    return 0;
}

static struct fh_slice cut(const char **inout_at, uint32_t len)
{
    struct fh_slice slice = {*inout_at, len};
    *inout_at += len;
    return slice;
}

void fh_collect_get(const struct fh_collect *collect, size_t index, struct fh_collect_item *ret)
{
    const struct fh_collect_entry *entry = &collect->entry[index];
    const char *at = collect->bytes.data + entry->offset;
    ret->record = cut(&at, entry->len);
    ret->key = entry->key;
    struct fh_record_facts *facts = &ret->facts;
    facts->uid = cut(&at, entry->uid);
    facts->type = cut(&at, entry->type);
    facts->tenant = cut(&at, entry->tenant);
    facts->device = cut(&at, entry->device);
    facts->location[0] = cut(&at, entry->location);
    facts->location_count = entry->location > 0 ? 1 : 0;
    facts->timestamp_ms = entry->timestamp_ms;
}

int64_t fh_collect_due_in(const struct fh_collect *collect, const struct fh_config_sink *config,
                          struct fh_time now)
{
    if (collect->count == 0) {
        return -1;
    }
    int64_t age_ms = (now.ns - collect->since.ns) / 1000000;
    bool full = collect->count >= (size_t)config->batch_records ||
                collect->bytes.len >= FH_COLLECT_BYTES_MAX;
    return full || age_ms >= config->batch_ms ? 0 : config->batch_ms - age_ms;
}

void fh_key_print(struct fh_record_key key, char text[FH_KEY_TEXT_SIZE])
{
    snprintf(text, FH_KEY_TEXT_SIZE, "%016" PRIx64 "-%" PRId64, key.fingerprint, key.timestamp_ms);
}

int fh_key_parse(const char *text, size_t len, struct fh_record_key *ret)
{
    char copy[FH_KEY_TEXT_SIZE];
    char *end = NULL;
    if (len >= sizeof(copy)) {
        return -EBADMSG;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct fh_record_key key = {.fingerprint = strtoull(copy, &end, 16)};
    if (*end == '-') {
        key.timestamp_ms = strtoll(end + 1, &end, 10);
    }
    /* Only what fh_key_print writes: no blanks, signs, short forms or overflows, to which the two
     * above are kind. */
    char again[FH_KEY_TEXT_SIZE];
    fh_key_print(key, again);
    if (strlen(again) != len || memcmp(again, copy, len) != 0) {
        return -EBADMSG;
    }
    *ret = key;
    return 0;
}
