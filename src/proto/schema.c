/* schema.c: loads a FileDescriptorSet into tables. Never looks at a record. */
#include "loading.h"

#include "fh/descriptor.h"

#include "builtin.h"
#include "chunks.h"
#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What unpacking may allocate: a byte of a hostile set can stand for a hundred bytes of structs. */
#define UNPACK_BYTES_MAX ((size_t)256 << 20)

int fh_loading_no_memory(const struct fh_loading *loading)
{
    return fh_error_set(loading->err, -ENOMEM, "%s: out of memory", loading->name);
}

/* ---- unpacking ---- */

struct budget {
    size_t left;
    bool refused; /* an allocation: the set is not to blame, or out of all proportion */
};

static void *budget_allocate(void *userdata, size_t bytes)
{
    struct budget *budget = userdata;
    void *memory = bytes <= budget->left ? malloc(bytes) : NULL;
    budget->left -= memory ? bytes : 0;
    budget->refused = budget->refused || !memory;
    return memory;
}

static void budget_release(void *userdata, void *memory)
{
    (void)userdata;
    free(memory);
}

/* protobuf-c unpacks recursively and without a limit; the only message of a descriptor that holds
 * itself is DescriptorProto, in nested_type. level 0 is the set, 1 a file, 2 a message. */
static bool nesting_is_sane(const uint8_t *p, const uint8_t *end, int level)
{
    static const uint32_t inner[] = {1, 4, 3};
    if (level > FH_DESCRIPTOR_DEPTH_MAX) {
        return false;
    }
    uint32_t number = inner[level < 2 ? level : 2];
    while (p < end) {
        struct fh_wire_field field;
        if (!fh_wire_next(&p, end, &field)) {
            return false;
        }
        if (field.number == number && field.wire == FH_WIRE_LENGTH &&
            !nesting_is_sane(field.content, field.content + field.value, level + 1)) {
            return false;
        }
    }
    return true;
}

/* ---- the tables ---- */

int fh_type_keep(struct fh_loading *loading, struct fh_type *type)
{
    struct fh_schema *schema = loading->schema;
    size_t max = type->message ? FH_MESSAGES_MAX : FH_ENUMS_MAX;
    size_t *count = type->message ? &schema->message_count : &schema->enum_count;
    if (type->kept) {
        return 0;
    }
    if (*count == max) {
        return fh_error_set(loading->err, -E2BIG, "%s: more than %zu messages or enumerations",
                            loading->name, max);
    }
    type->kept = true;
    type->index = (uint16_t)*count;
    ++*count;
    if (type->message) {
        loading->queue[type->index] = type;
        return 0;
    }
    return fh_enum_build(loading, type, &schema->enums[type->index]);
}

static int find_record(const struct fh_loading *loading, struct fh_type **ret_type)
{
    struct fh_type *record = NULL;
    for (size_t i = 0; i < loading->type_count; i++) {
        struct fh_type *type = &loading->types[i];
        const char *last = strrchr(type->full_name, '.') + 1;
        if (!type->message || strcmp(last, FH_SCHEMA_RECORD) != 0) {
            continue;
        }
        if (record) {
            return fh_error_set(loading->err, -EINVAL,
                                "%s: two messages " FH_SCHEMA_RECORD ": %.100s and %.100s",
                                loading->name, record->full_name + 1, type->full_name + 1);
        }
        record = type;
    }
    if (!record) {
        return fh_error_set(loading->err, -EINVAL,
                            "%s: no message " FH_SCHEMA_RECORD
                            " in it; it must be the output of protoc --include_imports "
                            "--descriptor_set_out for the Firehose schema",
                            loading->name);
    }
    *ret_type = record;
    return 0;
}

/* What a record cannot do without, or the lines made of it would all be refused. */
static int check_envelope(const struct fh_loading *loading)
{
    static const struct {
        const char *key;
        enum fh_kind kind;
        const char *what;
    } needed[] = {
        {",\"recordUid\":", FH_KIND_STRING, "string record_uid"},
        {",\"recordTimestamp\":", FH_KIND_INT64, "int64 record_timestamp"},
        {",\"eventType\":", FH_KIND_ENUM, "enum event_type"},
    };
    struct fh_schema *schema = loading->schema;
    struct fh_message *record = &schema->messages[0];
    for (size_t i = 0; i < FH_ARRAY_LEN(needed); i++) {
        struct fh_field *found = NULL;
        for (uint32_t j = 0; j < record->field_count; j++) {
            struct fh_field *field = &record->fields[j];
            bool named = strcmp(field->key, needed[i].key) == 0;
            if (named && field->kind == (uint8_t)needed[i].kind && !field->repeated &&
                !field->oneof) {
                found = field;
            }
        }
        if (!found) {
            return fh_error_set(loading->err, -EINVAL, "%s: %.200s has no field %s", loading->name,
                                record->name, needed[i].what);
        }
        if (found->kind == FH_KIND_ENUM) {
            found->event_type = true;
        } else if (found->kind == FH_KIND_INT64) {
            schema->timestamp_number = found->number;
        }
    }
    return 0;
}

static int build(struct fh_loading *loading, const fh_descriptor_set *set)
{
    struct fh_schema *schema = loading->schema;
    struct fh_type *record = NULL;
    int r = fh_types_collect(loading, set);
    if (r == 0) {
        r = find_record(loading, &record);
    }
    if (r < 0) {
        return r;
    }
    size_t count = loading->type_count;
    schema->messages = fh_chunks_take(&schema->chunks, count * sizeof(*schema->messages));
    schema->enums = fh_chunks_take(&schema->chunks, count * sizeof(*schema->enums));
    loading->queue = fh_chunks_take(&schema->chunks, count * sizeof(struct fh_type *));
    if (!schema->messages || !schema->enums || !loading->queue) {
        return fh_loading_no_memory(loading);
    }
    assert(record);
    r = fh_type_keep(loading, record);
    for (size_t i = 0; i < schema->message_count && r == 0; i++) {
        r = fh_message_build(loading, loading->queue[i], &schema->messages[i]);
        if (r == 0 && schema->messages[i].slot_count > schema->slots_max) {
            schema->slots_max = schema->messages[i].slot_count;
        }
    }
    return r < 0 ? r : check_envelope(loading);
}

static void schema_free_at(struct fh_schema **schema)
{
    fh_schema_free(*schema);
}

int fh_schema_load(const void *bytes, size_t len, const char *name, struct fh_schema **ret_schema,
                   struct fh_error *err)
{
    if (len > FH_SCHEMA_BYTES_MAX) {
        return fh_error_set(err, -E2BIG, "%s: a descriptor set of more than %zu bytes", name,
                            FH_SCHEMA_BYTES_MAX);
    }
    const uint8_t *start = bytes;
    struct budget budget = {.left = UNPACK_BYTES_MAX};
    ProtobufCAllocator allocator = {budget_allocate, budget_release, &budget};
    fh_descriptor_set *set = NULL;
    if (len > 0 && nesting_is_sane(start, start + len, 0)) {
        set = google__protobuf__file_descriptor_set__unpack(&allocator, len, start);
    }
    if (!set && budget.refused) {
        return fh_error_set(err, -ENOMEM, "%s: out of memory unpacking the descriptor set", name);
    }
    if (!set) {
        return fh_error_set(err, -EINVAL,
                            "%s: not a FileDescriptorSet (protoc --descriptor_set_out makes one)",
                            name);
    }
    struct fh_schema *schema FH_CLEANUP(schema_free_at) = calloc(1, sizeof(*schema));
    struct fh_loading loading = {.name = name, .err = err, .schema = schema};
    int r = schema ? build(&loading, set) : fh_loading_no_memory(&loading);
    free(loading.types);
    google__protobuf__file_descriptor_set__free_unpacked(set, &allocator);
    if (r == 0) {
        *ret_schema = schema;
        schema = NULL;
    }
    return r;
}

void fh_schema_free(struct fh_schema *schema)
{
    if (schema) {
        fh_chunks_free(schema->chunks);
        free(schema);
    }
}

void fh_schema_facts(const struct fh_schema *schema, struct fh_schema_facts *ret_facts)
{
    struct fh_schema_facts facts = {.messages = schema->message_count,
                                    .enums = schema->enum_count,
                                    .record_name = schema->messages[0].name};
    for (size_t i = 0; i < schema->message_count; i++) {
        facts.fields += schema->messages[i].field_count;
    }
    for (uint32_t i = 0; i < schema->messages[0].field_count; i++) {
        const struct fh_field *field = &schema->messages[0].fields[i];
        facts.payloads += field->oneof && field->kind == FH_KIND_MESSAGE;
    }
    *ret_facts = facts;
}

const void *fh_schema_builtin(size_t *ret_len)
{
    *ret_len = fh_builtin_descriptor_set_len;
    return fh_builtin_descriptor_set;
}

/* ---- from a file ---- */

int fh_schema_open(const char *path, struct fh_schema **ret_schema, struct fh_error *err)
{
    char why[128];
    if (!path || path[0] == '\0') {
        return fh_schema_load(fh_builtin_descriptor_set, fh_builtin_descriptor_set_len,
                              "built-in schema", ret_schema, err);
    }
    int fd FH_CLEANUP(fh_descriptor_close) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int code = -errno;
        return fh_error_set(err, code, "%s: cannot open the descriptor set: %s", path,
                            fh_strerror(code, why, sizeof(why)));
    }
    if (!S_ISREG(st.st_mode)) {
        return fh_error_set(err, -EINVAL, "%s: not a regular file", path);
    }
    if ((uint64_t)st.st_size > FH_SCHEMA_BYTES_MAX) {
        return fh_error_set(err, -E2BIG, "%s: a descriptor set of more than %zu bytes", path,
                            FH_SCHEMA_BYTES_MAX);
    }
    size_t size = (size_t)st.st_size;
    char *bytes = malloc(size + 1);
    if (!bytes) {
        return fh_error_set(err, -ENOMEM, "%s: out of memory", path);
    }
    ssize_t len = fh_descriptor_read(fd, bytes, size);
    int r = len < 0 ? fh_error_set(err, (int)len, "%s: cannot read the descriptor set: %s", path,
                                   fh_strerror((int)len, why, sizeof(why)))
                    : fh_schema_load(bytes, (size_t)len, path, ret_schema, err);
    free(bytes);
    return r;
}
