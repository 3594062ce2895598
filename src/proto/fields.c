/* fields.c: makes the table of one message or enumeration out of its descriptor, and checks every
 * part of it on the way. */
#include "loading.h"

#include "chunks.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX ((1 << 29) - 1)

#define TYPE(name)  GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##name
#define LABEL(name) GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_##name

/* What protobuf's types are to us; the text is the default. */
static const struct {
    int type;
    enum fh_kind kind;
    enum fh_wire_type wire;
    const char *standard;
} kinds[] = {
    {TYPE(INT32), FH_KIND_INT32, FH_WIRE_VARINT, "0"},
    {TYPE(SINT32), FH_KIND_SINT32, FH_WIRE_VARINT, "0"},
    {TYPE(UINT32), FH_KIND_UINT32, FH_WIRE_VARINT, "0"},
    {TYPE(INT64), FH_KIND_INT64, FH_WIRE_VARINT, "0"},
    {TYPE(SINT64), FH_KIND_SINT64, FH_WIRE_VARINT, "0"},
    {TYPE(UINT64), FH_KIND_UINT64, FH_WIRE_VARINT, "0"},
    {TYPE(FIXED32), FH_KIND_FIXED32, FH_WIRE_FIXED32, "0"},
    {TYPE(SFIXED32), FH_KIND_SFIXED32, FH_WIRE_FIXED32, "0"},
    {TYPE(FIXED64), FH_KIND_FIXED64, FH_WIRE_FIXED64, "0"},
    {TYPE(SFIXED64), FH_KIND_SFIXED64, FH_WIRE_FIXED64, "0"},
    {TYPE(BOOL), FH_KIND_BOOL, FH_WIRE_VARINT, "false"},
    {TYPE(ENUM), FH_KIND_ENUM, FH_WIRE_VARINT, "0"},
    {TYPE(FLOAT), FH_KIND_FLOAT, FH_WIRE_FIXED32, "0.0"},
    {TYPE(DOUBLE), FH_KIND_DOUBLE, FH_WIRE_FIXED64, "0.0"},
    {TYPE(STRING), FH_KIND_STRING, FH_WIRE_LENGTH, "\"\""},
    {TYPE(BYTES), FH_KIND_BYTES, FH_WIRE_LENGTH, "\"\""},
    {TYPE(MESSAGE), FH_KIND_MESSAGE, FH_WIRE_LENGTH, ""},
};

/* A field being made, with what the sentences need. */
struct making {
    struct fh_loading *loading;
    const struct fh_type *owner;
    const fh_descriptor_field *source;
    bool sparse; /* the owner has numbers below FH_NUMBER_OURS */
};

static int wrong(const struct making *making, const char *what)
{
    const char *name = making->source->name ? making->source->name : "(a field without a name)";
    return fh_error_set(making->loading->err, -EINVAL, "%s: %.120s.%.80s: %s",
                        making->loading->name, making->owner->full_name + 1, name, what);
}

/* Names become JSON as they are, so nothing in them may need an escape. */
static bool plain(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\') {
            return false;
        }
    }
    return len > 0 && len <= 255;
}

/* protobuf's rule: a letter after an underscore becomes upper case, underscores go. */
static const char *camel_case(struct fh_chunk **chunks, const char *name)
{
    char *text = fh_chunks_take(chunks, strlen(name) + 1);
    char *out = text;
    bool upper = false;
    for (const char *p = name; text && *p; p++) {
        if (*p == '_') {
            upper = true;
        } else {
            *out++ = upper && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
            upper = false;
        }
    }
    return text;
}

static int set_kind(const struct making *making, struct fh_field *field, const char **ret_standard)
{
    if (!making->source->has_type) {
        return wrong(making, "has no type; compile the schema with protoc --descriptor_set_out");
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(kinds); i++) {
        if (kinds[i].type == (int)making->source->type) {
            field->kind = (uint8_t)kinds[i].kind;
            field->wire = (uint8_t)kinds[i].wire;
            *ret_standard = kinds[i].standard;
            return 0;
        }
    }
    return wrong(making, "groups are not supported");
}

/* The type a field refers to, kept. For an enumeration ret_standard becomes the name of its 0. */
static int set_type(const struct making *making, struct fh_field *field, const char **ret_standard)
{
    bool message = field->kind == FH_KIND_MESSAGE;
    if (!message && field->kind != FH_KIND_ENUM) {
        return 0;
    }
    struct fh_loading *loading = making->loading;
    const char *name = making->source->type_name;
    struct fh_type *type = name ? fh_types_find(loading, name) : NULL;
    if (!type) {
        char text[256];
        (void)snprintf(text, sizeof(text),
                       "its type \"%.160s\" is not in the set (protoc --include_imports adds it)",
                       name ? name : "");
        return wrong(making, text);
    }
    if (message ? !type->message : !type->enumeration) {
        return wrong(making, message ? "its type is an enumeration, not a message"
                                     : "its type is a message, not an enumeration");
    }
    int r = fh_type_keep(loading, type);
    if (r < 0) {
        return r;
    }
    field->type = type->index;
    field->map = message && field->repeated && type->message->options &&
                 type->message->options->has_map_entry && type->message->options->map_entry;
    if (!message) {
        const struct fh_enum_value *zero = fh_enum_find(&loading->schema->enums[type->index], 0);
        *ret_standard = zero ? zero->text : "0";
    }
    return 0;
}

static bool left_out_when_unset(const struct making *making, const struct fh_field *field)
{
    if (making->sparse && field->number >= FH_NUMBER_OURS) {
        return true;
    }
    return !field->repeated && (field->kind == FH_KIND_MESSAGE || making->owner->proto2 ||
                                making->source->has_oneof_index);
}

static int set_texts(const struct making *making, struct fh_field *field, const char *standard)
{
    struct fh_chunk **chunks = &making->loading->schema->chunks;
    const fh_descriptor_field *source = making->source;
    const char *name = source->json_name && source->json_name[0] != '\0'
                           ? source->json_name
                           : camel_case(chunks, source->name);
    if (!plain(name)) {
        return name ? wrong(making, "its JSON name has characters that need escaping")
                    : fh_loading_no_memory(making->loading);
    }
    if (field->repeated) {
        standard = field->map ? "{}" : "[]";
    }
    if (strlen(standard) > 512) {
        return wrong(making, "the name of its default is too long");
    }
    field->key = fh_chunks_join(chunks, ",\"", name, "\":", "");
    field->absent = left_out_when_unset(making, field)
                        ? ""
                        : fh_chunks_join(chunks, ",\"", name, "\":", standard);
    if (!field->key || !field->absent) {
        return fh_loading_no_memory(making->loading);
    }
    field->key_len = (uint16_t)strlen(field->key);
    field->absent_len = (uint16_t)strlen(field->absent);
    return 0;
}

static int make_field(const struct making *making, struct fh_field *field)
{
    const fh_descriptor_field *source = making->source;
    const fh_descriptor_message *owner = making->owner->message;
    if (!plain(source->name)) {
        return wrong(making, "has no usable name");
    }
    if (!source->has_number || source->number < 1 || source->number > NUMBER_MAX) {
        return wrong(making, "has no number from 1 to 536870911");
    }
    if (source->has_oneof_index &&
        (source->oneof_index < 0 || (size_t)source->oneof_index >= owner->n_oneof_decl)) {
        return wrong(making, "names a oneof that its message does not have");
    }
    field->number = (uint32_t)source->number;
    field->repeated = source->has_label && source->label == LABEL(REPEATED);
    if (field->repeated && source->has_oneof_index) {
        return wrong(making, "is repeated and in a oneof");
    }
    if (source->has_oneof_index) {
        field->oneof = (uint16_t)(owner->n_field + (size_t)source->oneof_index);
    }
    const char *standard = "";
    int r = set_kind(making, field, &standard);
    if (r == 0) {
        r = set_type(making, field, &standard);
    }
    return r < 0 ? r : set_texts(making, field, standard);
}

static int compare_numbers(const void *left, const void *right, void *fields)
{
    const struct fh_field *a = (const struct fh_field *)fields + *(const uint16_t *)left;
    const struct fh_field *b = (const struct fh_field *)fields + *(const uint16_t *)right;
    return (a->number > b->number) - (a->number < b->number);
}

/* How fields are found by number; and that each number, and each JSON name, is there once. */
static int make_lookup(struct fh_loading *loading, struct fh_message *message)
{
    struct fh_chunk **chunks = &loading->schema->chunks;
    uint32_t count = message->field_count;
    message->sorted = fh_chunks_take(chunks, count * sizeof(uint16_t));
    message->dense = fh_chunks_take(chunks, FH_DENSE_MAX * sizeof(uint16_t));
    if (!message->sorted || !message->dense) {
        return fh_loading_no_memory(loading);
    }
    for (uint32_t i = 0; i < count; i++) {
        message->sorted[i] = (uint16_t)i;
    }
    qsort_r(message->sorted, count, sizeof(uint16_t), compare_numbers, message->fields);
    for (uint32_t i = 0; i < count; i++) {
        const struct fh_field *field = &message->fields[message->sorted[i]];
        if (i > 0 && message->fields[message->sorted[i - 1]].number == field->number) {
            return fh_error_set(loading->err, -EINVAL, "%s: %.200s has number %u twice",
                                loading->name, message->name, field->number);
        }
        if (field->number < FH_DENSE_MAX) {
            message->dense[field->number] = (uint16_t)(message->sorted[i] + 1);
            message->dense_count = field->number + 1;
        }
        for (uint32_t j = 0; j < i; j++) {
            const struct fh_field *other = &message->fields[message->sorted[j]];
            if (other->key_len == field->key_len && strcmp(other->key, field->key) == 0) {
                return fh_error_set(loading->err, -EINVAL, "%s: %.200s has two fields %.*s",
                                    loading->name, message->name, field->key_len - 2,
                                    field->key + 1);
            }
        }
    }
    return 0;
}

/* EventRecord's payload comes last, wherever it is declared. */
static void members_last(struct fh_message *message)
{
    struct fh_field ordered[FH_FIELDS_MAX] = {{0}};
    uint32_t count = 0;
    for (int members = 0; members < 2; members++) {
        for (uint32_t i = 0; i < message->field_count; i++) {
            if ((message->fields[i].oneof != 0) == members) {
                ordered[count++] = message->fields[i];
            }
        }
    }
    memcpy(message->fields, ordered, count * sizeof(*ordered));
}

/* What protoc makes of map<key, value>: refused otherwise, since the transcoder relies on it. */
static int check_entry(const struct fh_loading *loading, const struct fh_message *message)
{
    int key = fh_field_find(message, 1, 0);
    int value = fh_field_find(message, 2, 0);
    bool sound = message->field_count == 2 && key >= 0 && value >= 0;
    for (uint32_t i = 0; i < message->field_count && sound; i++) {
        sound = !message->fields[i].repeated;
    }
    uint8_t kind = sound ? message->fields[key].kind : FH_KIND_MESSAGE;
    if (sound && (kind < FH_KIND_ENUM || kind == FH_KIND_STRING)) {
        return 0;
    }
    return fh_error_set(loading->err, -EINVAL, "%s: %.200s is not a well-formed map entry",
                        loading->name, message->name);
}

int fh_message_build(struct fh_loading *loading, const struct fh_type *type,
                     struct fh_message *ret_message)
{
    const fh_descriptor_message *source = type->message;
    if (source->n_field > FH_FIELDS_MAX || source->n_oneof_decl > FH_FIELDS_MAX) {
        return fh_error_set(loading->err, -E2BIG, "%s: %.200s has more than %d fields",
                            loading->name, type->full_name + 1, FH_FIELDS_MAX);
    }
    struct fh_message message = {
        .fields = fh_chunks_take(&loading->schema->chunks,
                                 (source->n_field + 1) * sizeof(struct fh_field)),
        .name = type->full_name + 1,
        .field_count = (uint32_t)source->n_field,
        .slot_count = (uint32_t)(source->n_field + source->n_oneof_decl),
    };
    if (!message.fields) {
        return fh_loading_no_memory(loading);
    }
    struct making making = {.loading = loading, .owner = type};
    for (size_t i = 0; i < source->n_field; i++) {
        making.sparse = making.sparse || source->field[i]->number < FH_NUMBER_OURS;
    }
    for (size_t i = 0; i < source->n_field; i++) {
        making.source = source->field[i];
        int r = make_field(&making, &message.fields[i]);
        if (r < 0) {
            return r;
        }
    }
    if (type->index == 0) {
        members_last(&message);
    }
    int r = make_lookup(loading, &message);
    if (r == 0 && source->options && source->options->map_entry) {
        r = check_entry(loading, &message);
    }
    if (r == 0) {
        *ret_message = message;
    }
    return r;
}

static int compare_values(const void *left, const void *right)
{
    const struct fh_enum_value *a = left;
    const struct fh_enum_value *b = right;
    return a->number != b->number ? (a->number > b->number) - (a->number < b->number)
                                  : (a->text > b->text) - (a->text < b->text);
}

int fh_enum_build(struct fh_loading *loading, const struct fh_type *type, struct fh_enum *ret_enum)
{
    struct fh_chunk **chunks = &loading->schema->chunks;
    const fh_descriptor_enum *source = type->enumeration;
    size_t count = source->n_value;
    const char *name = type->full_name + 1;
    if (count == 0 || count > FH_VALUES_MAX) {
        return fh_error_set(loading->err, -EINVAL, "%s: enumeration %.200s has %zu values",
                            loading->name, name, count);
    }
    /* The texts lie in one array, in order of declaration: of two names for one number the sort
     * then puts the first one first. */
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!plain(source->value[i]->name)) {
            return fh_error_set(loading->err, -EINVAL,
                                "%s: enumeration %.200s has a value without a usable name",
                                loading->name, name);
        }
        bytes += strlen(source->value[i]->name) + 3;
    }
    char *text = fh_chunks_take(chunks, bytes);
    struct fh_enum made = {
        .values = fh_chunks_take(chunks, count * sizeof(*made.values)),
        .dense = fh_chunks_take(chunks, FH_DENSE_MAX * sizeof(uint16_t)),
        .name = name,
    };
    if (!text || !made.values || !made.dense) {
        return fh_loading_no_memory(loading);
    }
    for (size_t i = 0; i < count; i++) {
        int len = sprintf(text, "\"%s\"", source->value[i]->name);
        made.values[i] = (struct fh_enum_value){text, source->value[i]->number, (uint16_t)len};
        text += len + 1;
    }
    qsort(made.values, count, sizeof(*made.values), compare_values);
    for (size_t i = 0; i < count; i++) {
        struct fh_enum_value value = made.values[i];
        bool again = i > 0 && made.values[made.value_count - 1].number == value.number;
        if (again) {
            continue;
        }
        made.values[made.value_count++] = value;
        if (value.number >= 0 && value.number < FH_DENSE_MAX) {
            made.dense[value.number] = (uint16_t)made.value_count;
            made.dense_count = (uint32_t)value.number + 1;
        }
    }
    *ret_enum = made;
    return 0;
}
