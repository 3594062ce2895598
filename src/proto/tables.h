/* tables.h: what a FileDescriptorSet becomes: flat tables in one piece of memory, with every piece
 * of JSON that does not depend on the record already written out. Read only, once loaded. */
#ifndef FH_PROTO_TABLES_H
#define FH_PROTO_TABLES_H

#include "fh/transcode.h"

#define FH_FIELDS_MAX   512 /* in one message */
#define FH_MESSAGES_MAX 4096
#define FH_ENUMS_MAX    4096
#define FH_VALUES_MAX   8192 /* in one enumeration */

/* Numbers from here on are ours (see firehose.proto). */
#define FH_NUMBER_OURS 1000

#define FH_DENSE_MAX 256 /* field numbers and enumeration values below are looked up directly */

enum fh_kind {
    FH_KIND_INT32,
    FH_KIND_SINT32,
    FH_KIND_UINT32,
    FH_KIND_INT64,
    FH_KIND_SINT64,
    FH_KIND_UINT64,
    FH_KIND_FIXED32,
    FH_KIND_SFIXED32,
    FH_KIND_FIXED64,
    FH_KIND_SFIXED64,
    FH_KIND_BOOL,
    FH_KIND_ENUM,
    FH_KIND_FLOAT,
    FH_KIND_DOUBLE,
    FH_KIND_STRING, /* from here on length-delimited: never packed */
    FH_KIND_BYTES,
    FH_KIND_MESSAGE,
};

struct fh_field {
    const char *key;    /* ,"name":            with the comma before it */
    const char *absent; /* ,"name":""          what stands there when it is unset; "" if nothing */
    uint32_t number;
    uint16_t key_len;
    uint16_t absent_len;
    uint16_t type;  /* index of the message or enumeration */
    uint16_t oneof; /* slot of the oneof it belongs to, 0: none */
    uint8_t kind;   /* enum fh_kind */
    uint8_t wire;   /* enum fh_wire_type of one value */
    bool repeated;
    bool map;        /* repeated message of key and value */
    bool event_type; /* the record's own: its unknown numbers become names */
};

struct fh_message {
    struct fh_field *fields; /* in the order they are written */
    uint16_t *dense;         /* by number: index + 1, 0: no such field */
    uint16_t *sorted;        /* indices by ascending number, for the numbers past dense */
    const char *name;        /* full name */
    uint32_t field_count;
    uint32_t dense_count;
    uint32_t slot_count; /* fields, then oneofs */
};

struct fh_enum_value {
    const char *text; /* "NAME" with its quotes */
    int32_t number;
    uint16_t len;
};

struct fh_enum {
    struct fh_enum_value *values; /* by ascending number */
    uint16_t *dense;              /* by number: index + 1 */
    const char *name;
    uint32_t value_count;
    uint32_t dense_count;
};

struct fh_schema {
    struct fh_message *messages; /* [0] is EventRecord */
    struct fh_enum *enums;
    size_t message_count;
    size_t enum_count;
    size_t slots_max;          /* largest slot_count */
    uint32_t timestamp_number; /* of record_timestamp */
    struct fh_chunk *chunks;   /* the memory all this lies in */
};

static inline const struct fh_enum_value *fh_enum_find(const struct fh_enum *table, int32_t number)
{
    if (number >= 0 && (uint32_t)number < table->dense_count) {
        uint16_t index = table->dense[number];
        return index > 0 ? &table->values[index - 1] : NULL;
    }
    size_t low = 0;
    size_t high = table->value_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->values[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < table->value_count && table->values[low].number == number;
    return found ? &table->values[low] : NULL;
}

/* The index of the field, or -1. last: the index found before; fields mostly come in order. */
static inline int fh_field_find(const struct fh_message *message, uint32_t number, uint32_t last)
{
    if (number < message->dense_count) {
        return (int)message->dense[number] - 1;
    }
    for (uint32_t i = last; i < message->field_count && i < last + 2; i++) {
        if (message->fields[i].number == number) {
            return (int)i;
        }
    }
    size_t low = 0;
    size_t high = message->field_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (message->fields[message->sorted[middle]].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found =
        low < message->field_count && message->fields[message->sorted[low]].number == number;
    return found ? (int)message->sorted[low] : -1;
}

#endif
