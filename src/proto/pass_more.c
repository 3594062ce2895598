/* pass_more.c: the parts of the pass that walk a level again: lists, maps, sub-messages in several
 * parts, unknown fields. The level was indexed before, so its bytes are known to be sound. */
#include "pass.h"

#include <assert.h>

/* ---- lists ---- */

/* Walks a level once more. The bytes are known to be sound. */
struct walk {
    const struct fh_part *part;
    const uint8_t *p;
    const uint8_t *tag; /* of the field last found */
};

static struct walk walk_from(const struct fh_level *level, const uint8_t *first)
{
    /* Of several parts only the beginning is certain to come before first. */
    bool single = !level->parts->next;
    return (struct walk){level->parts, single ? first : level->parts->start, NULL};
}

static bool walk_next(struct walk *walk, struct fh_wire_field *wire)
{
    while (walk->p == walk->part->end) {
        if (!walk->part->next) {
            return false;
        }
        walk->part = walk->part->next;
        walk->p = walk->part->start;
    }
    walk->tag = walk->p;
    return fh_wire_next(&walk->p, walk->part->end, wire);
}

static bool write_separator(struct fh_transcoder *t, bool *first)
{
    if (*first) {
        *first = false;
        return true;
    }
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = ',';
    return true;
}

static bool write_packed(struct fh_transcoder *t, const struct fh_field *field,
                         const struct fh_wire_field *packed, bool *first)
{
    const uint8_t *p = packed->content;
    const uint8_t *end = p + packed->value;
    while (p < end) {
        struct fh_wire_field wire = {.wire = field->wire};
        const uint8_t *at = p;
        if (!fh_wire_value(&p, end, &wire)) {
            return fh_pass_fail(t, FH_TRANSCODE_MALFORMED, at);
        }
        if (!write_separator(t, first) || !fh_pass_number(t, field, wire.value)) {
            return false;
        }
    }
    return true;
}

/* A map's key, which JSON wants in quotes, and its value; both have defaults. */
static bool write_entry(struct fh_transcoder *t, const struct fh_message *entry,
                        const struct fh_wire_field *wire)
{
    int key = fh_field_find(entry, 1, 0);
    int value = fh_field_find(entry, 2, 0);
    assert(key >= 0 && value >= 0); /* seen to when the schema was loaded */
    const struct fh_field *fields[2] = {&entry->fields[key], &entry->fields[value]};
    struct fh_wire_field values[2] = {{.content = wire->content}, {.content = wire->content}};
    const uint8_t *p = wire->content;
    const uint8_t *end = p + wire->value;
    while (p < end) {
        const uint8_t *tag = p;
        struct fh_wire_field field;
        if (!fh_wire_next(&p, end, &field)) {
            return fh_pass_fail(t, FH_TRANSCODE_MALFORMED, tag);
        }
        bool known = field.number == 1 || field.number == 2;
        if (known && field.wire == fields[field.number - 1]->wire) {
            values[field.number - 1] = field;
        } else {
            t->unknown++;
        }
    }
    bool quote = fields[0]->kind != FH_KIND_STRING;
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    if (quote) {
        *t->text.at++ = '"';
    }
    if (!fh_pass_value(t, fields[0], values[0].value, values[0].content) ||
        !fh_text_room(&t->text, 2)) {
        return false;
    }
    if (quote) {
        *t->text.at++ = '"';
    }
    *t->text.at++ = ':';
    return fh_pass_value(t, fields[1], values[1].value, values[1].content);
}

static bool write_element(struct fh_transcoder *t, const struct fh_field *field,
                          const struct fh_wire_field *wire, bool *first)
{
    if (wire->wire == FH_WIRE_LENGTH && field->kind < FH_KIND_STRING) {
        return write_packed(t, field, wire, first);
    }
    if (!write_separator(t, first)) {
        return false;
    }
    return field->map ? write_entry(t, &t->schema->messages[field->type], wire)
                      : fh_pass_value(t, field, wire->value, wire->content);
}

bool fh_pass_list(struct fh_transcoder *t, const struct fh_level *level,
                  const struct fh_field *field, const struct fh_slot *slot)
{
    struct walk walk = walk_from(level, slot->at);
    struct fh_wire_field wire;
    uint32_t left = slot->count;
    bool first = true;
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = field->map ? '{' : '[';
    while (left > 0 && walk_next(&walk, &wire)) {
        if (wire.number != field->number || !fh_pass_fits(field, wire.wire)) {
            continue;
        }
        left--;
        if (!write_element(t, field, &wire, &first)) {
            return false;
        }
    }
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = field->map ? '}' : ']';
    return true;
}

/* ---- split messages ---- */

/* Occurrences before the last count ones belong to an earlier choice of the oneof. */
bool fh_pass_merged(struct fh_transcoder *t, const struct fh_level *level,
                    const struct fh_field *field, uint32_t count)
{
    if (count > FH_PARTS_MAX - t->parts_used) {
        return fh_pass_fail(t, FH_TRANSCODE_TOO_SPLIT, level->parts->start);
    }
    struct fh_part *parts = &t->parts[t->parts_used];
    struct walk walk = walk_from(level, level->parts->start);
    struct fh_wire_field wire;
    uint64_t seen = 0;
    while (walk_next(&walk, &wire)) {
        if (wire.number == field->number && wire.wire == field->wire) {
            parts[seen % count] = (struct fh_part){wire.content, wire.content + wire.value, NULL};
            seen++;
        }
    }
    /* A ring: the oldest is the one that the next would have replaced. */
    uint32_t oldest = (uint32_t)(seen % count);
    for (uint32_t i = 0; i + 1 < count; i++) {
        parts[(oldest + i) % count].next = &parts[(oldest + i + 1) % count];
    }
    t->parts_used += count;
    bool written = fh_pass_message(t, &t->schema->messages[field->type], &parts[oldest]);
    t->parts_used -= count;
    return written;
}

/* ---- unknown fields ---- */

static bool is_unknown(const struct fh_message *message, const struct fh_wire_field *wire)
{
    int found = fh_field_find(message, wire->number, 0);
    return found < 0 || !fh_pass_fits(&message->fields[found], wire->wire);
}

/* The base64 of all unknown fields for which wanted is the number, or of those that have none of
 * the count numbers. In groups of three bytes, across fields. */
static bool write_raw(struct fh_transcoder *t, const struct fh_level *level,
                      const uint32_t *numbers, size_t count, bool all_others)
{
    struct walk walk = walk_from(level, level->parts->start);
    struct fh_wire_field wire;
    uint8_t block[3 * 256];
    size_t filled = 0;
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = '"';
    while (walk_next(&walk, &wire)) {
        bool listed = false;
        for (size_t i = 0; i < count; i++) {
            listed = listed || numbers[i] == wire.number;
        }
        if (listed == all_others || !is_unknown(level->message, &wire)) {
            continue;
        }
        for (const uint8_t *p = walk.tag; p < walk.p; p++) {
            block[filled++] = *p;
            if (filled == sizeof(block)) {
                if (!fh_text_base64_part(&t->text, block, filled)) {
                    return false;
                }
                filled = 0;
            }
        }
    }
    if (!fh_text_base64_part(&t->text, block, filled) || !fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = '"';
    return true;
}

bool fh_pass_unknown(struct fh_transcoder *t, const struct fh_level *level)
{
    struct walk walk = walk_from(level, level->parts->start);
    struct fh_wire_field wire;
    uint32_t numbers[FH_UNKNOWN_MAX];
    size_t count = 0;
    bool more = false;
    while (walk_next(&walk, &wire)) {
        bool known = !is_unknown(level->message, &wire);
        for (size_t i = 0; i < count && !known; i++) {
            known = numbers[i] == wire.number;
        }
        if (!known && count < FH_UNKNOWN_MAX) {
            numbers[count++] = wire.number;
        } else if (!known) {
            more = true;
        }
    }
    static const char key[] = ",\"_unknown\":{";
    if (!fh_text_room(&t->text, sizeof(key))) {
        return false;
    }
    fh_text_put(&t->text, key, sizeof(key) - 1);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!write_separator(t, &first) || !fh_text_room(&t->text, FH_TEXT_NUMBER_MAX)) {
            return false;
        }
        *t->text.at++ = '"';
        fh_text_unsigned(&t->text, numbers[i]);
        fh_text_put(&t->text, "\":", 2);
        if (!write_raw(t, level, &numbers[i], 1, false)) {
            return false;
        }
    }
    if (more) {
        if (!fh_text_room(&t->text, 8)) {
            return false;
        }
        fh_text_put(&t->text, ",\"*\":", 5);
        if (!write_raw(t, level, numbers, count, true)) {
            return false;
        }
    }
    if (!fh_text_room(&t->text, 1)) {
        return false;
    }
    *t->text.at++ = '}';
    return true;
}
