/* record_schema.h: what a record's members are called in JSON and numbered in protobuf. Built once,
 * then read by any thread. */
#ifndef SIM_RECORD_SCHEMA_H
#define SIM_RECORD_SCHEMA_H

#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_kind {
    SIM_KIND_STRING = 's',
    SIM_KIND_BYTES = 'b',
    SIM_KIND_INT32 = 'i',
    SIM_KIND_INT64 = 'l',
    SIM_KIND_FLOAT = 'f',
    SIM_KIND_DOUBLE = 'd',
    SIM_KIND_BOOL = 'o',
    SIM_KIND_MESSAGE = '%',
    SIM_KIND_ENUM = '@',
};

struct sim_schema_field {
    const char *name; /* lowerCamelCase, not NUL-terminated */
    unsigned name_len;
    uint32_t number;
    enum sim_kind kind;
    bool repeated;
    bool presence; /* written even when it holds the default */
    int reference; /* of a message or an enum */
};

struct sim_schema_message {
    const struct sim_schema_field *fields;
    unsigned count;
};

struct sim_schema_value {
    const char *name;
    unsigned name_len;
    uint32_t number;
};

struct sim_schema_enum {
    const struct sim_schema_value *values;
    unsigned count;
};

#define SIM_SCHEMA_RECORD 0 /* index of EventRecord */

struct sim_schema;

/* -ENOMEM; -EINVAL says that the built-in text contradicts itself. */
int sim_schema_new(struct sim_schema **ret);
void sim_schema_free(struct sim_schema *schema); /* NULL allowed */
const struct sim_schema_message *sim_schema_message(const struct sim_schema *schema, int index);
/* The field of that name; NULL = none. hint: where to look first, 0 to begin with; left behind the
 * field found, since members come in the order of their declaration. */
const struct sim_schema_field *sim_schema_field(const struct sim_schema_message *message,
                                                const char *name, size_t len, unsigned *hint);
bool sim_schema_value(const struct sim_schema *schema, int index, const char *name, size_t len,
                      uint32_t *ret);

#endif
