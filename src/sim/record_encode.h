/* record_encode.h: from a record's JSON line to the bytes of its protobuf message. Pure. */
#ifndef SIM_RECORD_ENCODE_H
#define SIM_RECORD_ENCODE_H

#include "record_schema.h"

#include "fh/buf.h"

/* A member the schema does not know goes out as a field of this number, holding its JSON text: the
 * client meets it as it will meet fields of a newer schema. An enum's unknown name: this value. */
#define SIM_UNKNOWN_FIELD 2000
#define SIM_UNKNOWN_VALUE 1999

/* Append the EventRecord of one line (its newline may be there or not) to out. Defaults are left
 * out as proto3 does. -EINVAL: not a JSON object, or a value its field cannot hold; -ENOMEM,
 * -ENOBUFS. out is as before on failure. */
int sim_record_encode(const struct sim_schema *schema, const char *line, size_t len,
                      struct fh_buf *out);

#endif
