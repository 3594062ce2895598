/* transcode.c: the pass over the wire. Never allocates, except that the caller's buffer may grow.
 *
 * One message is done in two steps. First its own level is indexed: every field's last value goes
 * into the slot of that field, nested messages are stepped over by their length. Then the fields
 * are written in the order of declaration, each from its slot, nested messages in the same way. So
 * the order on the wire does not matter, and each byte is looked at once per level only to step
 * over it. What a writer need not, but may do is handled at the cost of walking the level again:
 * list elements apart from each other, a list packed in several pieces, a sub-message in several
 * parts (their fields count as if they stood in one). */
#include "pass.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Values ask for the room of the longest of their kind: that much more is allowed than max_line,
 * which is checked at the end. */
#define SLACK 64

bool fh_pass_fail(struct fh_transcoder *t, enum fh_transcode_result result, const uint8_t *at)
{
    if (t->text.result == FH_TRANSCODE_OK) {
        t->text.result = result;
    }
    t->error_at = at;
    return false;
}

/* ---- the index of a level ---- */

/* Setting a member of a oneof unsets the others, and with them what was merged so far. */
static inline void choose(struct fh_level *level, const struct fh_field *field, uint32_t index)
{
    struct fh_slot *chosen = &level->slots[field->oneof];
    if (chosen->value != index + 1) {
        if (chosen->value > 0) {
            level->slots[chosen->value - 1].count = 0;
        }
        chosen->value = index + 1;
    }
}

static bool index_part(struct fh_transcoder *t, struct fh_level *level, const struct fh_part *part)
{
    const struct fh_message *message = level->message;
    const uint8_t *p = part->start;
    const uint8_t *end = part->end;
    uint32_t last = 0;
    while (p < end) {
        const uint8_t *tag = p;
        struct fh_wire_field wire;
        if (!fh_wire_next(&p, end, &wire)) {
            return fh_pass_fail(t, FH_TRANSCODE_MALFORMED, tag);
        }
        int found = fh_field_find(message, wire.number, last);
        if (found < 0 || !fh_pass_fits(&message->fields[found], wire.wire)) {
            level->unknown++;
            continue;
        }
        last = (uint32_t)found;
        const struct fh_field *field = &message->fields[found];
        struct fh_slot *slot = &level->slots[found];
        if (field->oneof) {
            choose(level, field, last);
        }
        if (!field->repeated) {
            slot->value = wire.value;
            slot->at = wire.content;
        } else if (slot->count == 0) {
            slot->at = tag;
        }
        slot->count++;
    }
    return true;
}

/* ---- single values ---- */

static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static bool write_enum(struct fh_transcoder *t, const struct fh_field *field, int32_t number)
{
    const struct fh_enum_value *named = fh_enum_find(&t->schema->enums[field->type], number);
    if (!fh_text_room(&t->text, FH_TEXT_NUMBER_MAX + (named ? named->len : 0U))) {
        return false;
    }
    if (field->event_type) {
        t->info.event_type = number;
        t->info.unknown_event_type = !named;
    }
    if (named) {
        fh_text_put(&t->text, named->text, named->len);
    } else if (field->event_type) {
        fh_text_put(&t->text, "\"UNKNOWN_", 9);
        fh_text_signed(&t->text, number);
        *t->text.at++ = '"';
    } else {
        fh_text_signed(&t->text, number);
    }
    return true;
}

static void write_float(struct fh_text *text, uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof(value));
    fh_text_float(text, value);
}

static void write_double(struct fh_text *text, uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    fh_text_double(text, value);
}

bool fh_pass_number(struct fh_transcoder *t, const struct fh_field *field, uint64_t value)
{
    struct fh_text *text = &t->text;
    assert(field->kind < FH_KIND_STRING);
    if (field->kind == FH_KIND_ENUM) {
        return write_enum(t, field, (int32_t)value);
    }
    if (!fh_text_room(text, FH_TEXT_NUMBER_MAX)) {
        return false;
    }
    switch ((enum fh_kind)field->kind) {
    case FH_KIND_INT32:
    case FH_KIND_SFIXED32:
        fh_text_signed(text, (int32_t)value);
        break;
    case FH_KIND_SINT32:
        fh_text_signed(text, (int32_t)unzigzag((uint32_t)value));
        break;
    case FH_KIND_UINT32:
    case FH_KIND_FIXED32:
        fh_text_unsigned(text, (uint32_t)value);
        break;
    case FH_KIND_INT64:
    case FH_KIND_SFIXED64:
        fh_text_signed(text, (int64_t)value);
        break;
    case FH_KIND_SINT64:
        fh_text_signed(text, unzigzag(value));
        break;
    case FH_KIND_UINT64:
    case FH_KIND_FIXED64:
        fh_text_unsigned(text, value);
        break;
    case FH_KIND_BOOL:
        fh_text_put(text, value ? "true" : "false", value ? 4 : 5);
        break;
    case FH_KIND_FLOAT:
        write_float(text, value);
        break;
    case FH_KIND_DOUBLE:
        write_double(text, value);
        break;
    case FH_KIND_ENUM:
    case FH_KIND_STRING:
    case FH_KIND_BYTES:
    case FH_KIND_MESSAGE:
    default:
        break; /* not numbers */
    }
    return true;
}

bool fh_pass_value(struct fh_transcoder *t, const struct fh_field *field, uint64_t value,
                   const uint8_t *at)
{
    if (field->kind < FH_KIND_STRING) {
        return fh_pass_number(t, field, value);
    }
    if (field->kind == FH_KIND_STRING) {
        const uint8_t *bad = at;
        return fh_text_string(&t->text, at, value, &bad) || fh_pass_fail(t, t->text.result, bad);
    }
    if (field->kind == FH_KIND_BYTES) {
        return fh_text_base64(&t->text, at, value);
    }
    struct fh_part part = {at, at + value, NULL};
    return fh_pass_message(t, &t->schema->messages[field->type], &part);
}

/* ---- messages ---- */

static inline bool write_field(struct fh_transcoder *t, const struct fh_level *level,
                               uint32_t index)
{
    const struct fh_field *field = &level->message->fields[index];
    const struct fh_slot *slot = &level->slots[index];
    if (!fh_text_room(&t->text, slot->count == 0 ? field->absent_len : field->key_len)) {
        return false;
    }
    if (slot->count == 0) {
        fh_text_put(&t->text, field->absent, field->absent_len);
        return true;
    }
    fh_text_put(&t->text, field->key, field->key_len);
    if (field->repeated) {
        return fh_pass_list(t, level, field, slot);
    }
    if (slot->count > 1 && field->kind == FH_KIND_MESSAGE) {
        return fh_pass_merged(t, level, field, slot->count);
    }
    return fh_pass_value(t, field, slot->value, slot->at);
}

/* Every key comes with a comma before it; the first one becomes the brace. */
static bool write_fields(struct fh_transcoder *t, const struct fh_level *level)
{
    size_t start = (size_t)(t->text.at - t->text.out->data);
    for (uint32_t i = 0; i < level->message->field_count; i++) {
        if (!write_field(t, level, i)) {
            return false;
        }
    }
    if (level->unknown > 0 && t->keep_unknown && !fh_pass_unknown(t, level)) {
        return false;
    }
    if (!fh_text_room(&t->text, 2)) {
        return false;
    }
    char *opening = t->text.out->data + start;
    if (t->text.at == opening) {
        t->text.at++;
    }
    *opening = '{';
    *t->text.at++ = '}';
    return true;
}

/* Recursion ends at FH_TRANSCODE_DEPTH_MAX. */
bool fh_pass_message(struct fh_transcoder *t, const struct fh_message *message,
                     const struct fh_part *parts)
{
    if (t->depth == FH_TRANSCODE_DEPTH_MAX) {
        return fh_pass_fail(t, FH_TRANSCODE_TOO_DEEP, parts->start);
    }
    struct fh_level level = {
        .message = message, .parts = parts, .slots = t->slots + t->depth * t->schema->slots_max};
    memset(level.slots, 0, message->slot_count * sizeof(*level.slots));
    for (const struct fh_part *part = parts; part; part = part->next) {
        if (!index_part(t, &level, part)) {
            return false;
        }
    }
    t->unknown += level.unknown;
    t->depth++;
    bool written = write_fields(t, &level);
    t->depth--;
    return written;
}

/* ---- records ---- */

/* Is this one field 1 that fills the message, and its content in turn a record with a timestamp? */
static bool is_wrapped(const struct fh_transcoder *t, const uint8_t *record, size_t len,
                       struct fh_part *ret_content)
{
    const uint8_t *p = record;
    const uint8_t *end = record + len;
    struct fh_wire_field field;
    if (len == 0 || *p != (1 << 3 | FH_WIRE_LENGTH) || !fh_wire_next(&p, end, &field) || p != end) {
        return false;
    }
    const uint8_t *content = field.content;
    bool stamped = false;
    for (p = content; p < end;) {
        if (!fh_wire_next(&p, end, &field)) {
            return false;
        }
        stamped = stamped ||
                  (field.number == t->schema->timestamp_number && field.wire == FH_WIRE_VARINT);
    }
    if (stamped) {
        *ret_content = (struct fh_part){content, end, NULL};
    }
    return stamped;
}

enum fh_transcode_result fh_transcode(struct fh_transcoder *t, const void *record, size_t len,
                                      struct fh_buf *out, struct fh_transcode_info *ret_info)
{
    const uint8_t *bytes = len > 0 ? record : (const uint8_t *)"";
    struct fh_part whole = {bytes, bytes + len, NULL};
    size_t before = out->len;
    int r = fh_buf_reserve(out, 1);
    t->info = (struct fh_transcode_info){0};
    t->info.wrapped = is_wrapped(t, bytes, len, &whole);
    t->error_at = bytes;
    t->unknown = 0;
    t->depth = 0;
    t->parts_used = 0;
    t->text = (struct fh_text){.out = out, .end_max = out->max};
    bool bounded = t->max_line > 0 && t->max_line <= SIZE_MAX - before - SLACK;
    if (bounded && before + t->max_line + SLACK < out->max) {
        t->text.end_max = before + t->max_line + SLACK;
    }
    if (r < 0) {
        t->text.result = r == -ENOMEM ? FH_TRANSCODE_NO_MEMORY : FH_TRANSCODE_TOO_LARGE;
    } else {
        t->text.at = out->data + before;
        t->text.limit = t->text.at;
    }
    bool written = r == 0 && fh_pass_message(t, &t->schema->messages[0], &whole);
    size_t length = written ? (size_t)(t->text.at - out->data) - before : 0;
    if (bounded && length > t->max_line) {
        written = fh_pass_fail(t, FH_TRANSCODE_TOO_LARGE, bytes);
    }
    out->len = written ? before + length : before;
    t->info.unknown_fields = t->unknown;
    t->info.error_offset = written ? 0 : (size_t)(t->error_at - bytes);
    if (ret_info) {
        *ret_info = t->info;
    }
    return t->text.result;
}

int fh_transcoder_new(const struct fh_schema *schema, const struct fh_transcoder_options *options,
                      struct fh_transcoder **ret_transcoder)
{
    size_t slots = FH_TRANSCODE_DEPTH_MAX * schema->slots_max;
    struct fh_transcoder *t = calloc(1, sizeof(*t) + slots * sizeof(struct fh_slot));
    if (!t) {
        return -ENOMEM;
    }
    t->schema = schema;
    t->max_line = options ? options->max_line : 0;
    t->keep_unknown = options && options->keep_unknown;
    *ret_transcoder = t;
    return 0;
}

void fh_transcoder_free(struct fh_transcoder *transcoder)
{
    free(transcoder);
}

const char *fh_transcode_reason(enum fh_transcode_result result)
{
    static const char *const reasons[] = {
        [FH_TRANSCODE_OK] = "valid record",
        [FH_TRANSCODE_MALFORMED] = "not valid protobuf",
        [FH_TRANSCODE_BAD_UTF8] = "a string is not valid UTF-8",
        [FH_TRANSCODE_TOO_DEEP] = "messages nested too deeply",
        [FH_TRANSCODE_TOO_LARGE] = "longer than a line may be",
        [FH_TRANSCODE_TOO_SPLIT] = "a sub-message in too many parts",
        [FH_TRANSCODE_NO_MEMORY] = "out of memory",
    };
    _Static_assert(FH_ARRAY_LEN(reasons) == FH_TRANSCODE_RESULT_COUNT, "one reason per result");
    return (unsigned)result < FH_TRANSCODE_RESULT_COUNT ? reasons[result] : "unknown reason";
}
