/* loading.h: the state shared by the steps that make tables of a FileDescriptorSet. */
#ifndef FH_PROTO_LOADING_H
#define FH_PROTO_LOADING_H

#include "tables.h"

#include "google/protobuf/descriptor.pb-c.h"

typedef Google__Protobuf__FileDescriptorSet fh_descriptor_set;
typedef Google__Protobuf__FileDescriptorProto fh_descriptor_file;
typedef Google__Protobuf__DescriptorProto fh_descriptor_message;
typedef Google__Protobuf__FieldDescriptorProto fh_descriptor_field;
typedef Google__Protobuf__EnumDescriptorProto fh_descriptor_enum;
typedef Google__Protobuf__EnumValueDescriptorProto fh_descriptor_value;

/* A message or an enumeration of the set. */
struct fh_type {
    const char *full_name; /* with the dot before it, as references are written */
    const fh_descriptor_message *message;
    const fh_descriptor_enum *enumeration;
    bool proto2;
    bool kept;
    uint16_t index; /* in the tables, when kept */
};

struct fh_loading {
    const char *name; /* of the set, for sentences */
    struct fh_error *err;
    struct fh_type *types; /* by full name */
    size_t type_count;
    size_t type_capacity;
    struct fh_type **queue; /* the kept messages, by index in the tables */
    struct fh_schema *schema;
};

#define FH_DESCRIPTOR_DEPTH_MAX 32 /* messages declared inside messages */

/* types.c: every type of the set, sorted by name; each name once. 0 or a negative errno with err
 * filled in. */
int fh_types_collect(struct fh_loading *loading, const fh_descriptor_set *set);
struct fh_type *fh_types_find(const struct fh_loading *loading, const char *full_name);

/* fields.c: fill in the tables of one kept type. Types they refer to are kept in turn. */
int fh_message_build(struct fh_loading *loading, const struct fh_type *type,
                     struct fh_message *ret_message);
int fh_enum_build(struct fh_loading *loading, const struct fh_type *type, struct fh_enum *ret_enum);

/* schema.c: have type in the tables. 0 or a negative errno with err filled in. */
int fh_type_keep(struct fh_loading *loading, struct fh_type *type);

int fh_loading_no_memory(const struct fh_loading *loading);

#endif
