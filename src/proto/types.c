/* types.c: finds the messages and enumerations of a FileDescriptorSet by their full names. */
#include "loading.h"

#include "chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct fh_loading *loading, struct fh_type type)
{
    if (!type.full_name) {
        return fh_loading_no_memory(loading);
    }
    if (loading->type_count == loading->type_capacity) {
        size_t capacity = loading->type_capacity ? 2 * loading->type_capacity : 256;
        struct fh_type *types = reallocarray(loading->types, capacity, sizeof(*types));
        if (!types) {
            return fh_loading_no_memory(loading);
        }
        loading->types = types;
        loading->type_capacity = capacity;
    }
    loading->types[loading->type_count++] = type;
    return 0;
}

static int check_name(const struct fh_loading *loading, const char *scope, const char *name)
{
    if (name && name[0] != '\0' && strlen(name) <= 255) {
        return 0;
    }
    return fh_error_set(loading->err, -EINVAL, "%s: a type in \"%s\" has no usable name",
                        loading->name, scope);
}

static int add_enums(struct fh_loading *loading, const char *scope,
                     fh_descriptor_enum *const *enums, size_t count, bool proto2)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = check_name(loading, scope, enums[i]->name);
        if (r == 0) {
            r = add(loading,
                    (struct fh_type){.full_name = fh_chunks_join(&loading->schema->chunks, scope,
                                                                 ".", enums[i]->name, ""),
                                     .enumeration = enums[i],
                                     .proto2 = proto2});
        }
    }
    return r;
}

/* Recursion ends: the nesting was checked before the set was unpacked. */
static int add_messages(struct fh_loading *loading,
                        const char *scope, /* NOLINT(misc-no-recursion) */
                        fh_descriptor_message *const *messages, size_t count, bool proto2)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        const fh_descriptor_message *message = messages[i];
        r = check_name(loading, scope, message->name);
        if (r < 0) {
            break;
        }
        const char *name = fh_chunks_join(&loading->schema->chunks, scope, ".", message->name, "");
        r = add(loading, (struct fh_type){.full_name = name, .message = message, .proto2 = proto2});
        if (r == 0) {
            r = add_enums(loading, name, message->enum_type, message->n_enum_type, proto2);
        }
        if (r == 0) {
            r = add_messages(loading, name, message->nested_type, message->n_nested_type, proto2);
        }
    }
    return r;
}

static int add_file(struct fh_loading *loading, const fh_descriptor_file *file)
{
    const char *syntax = file->syntax ? file->syntax : "proto2";
    bool proto2 = strcmp(syntax, "proto2") == 0;
    const char *file_name = file->name ? file->name : "(a file without a name)";
    if (!proto2 && strcmp(syntax, "proto3") != 0) {
        return fh_error_set(loading->err, -EINVAL,
                            "%s: %s has syntax \"%s\"; only proto2 and proto3 are understood",
                            loading->name, file_name, syntax);
    }
    const char *package = file->package ? file->package : "";
    const char *scope =
        package[0] != '\0' ? fh_chunks_join(&loading->schema->chunks, ".", package, "", "") : "";
    if (!scope) {
        return fh_loading_no_memory(loading);
    }
    int r = add_enums(loading, scope, file->enum_type, file->n_enum_type, proto2);
    return r < 0 ? r
                 : add_messages(loading, scope, file->message_type, file->n_message_type, proto2);
}

static int by_name(const void *left, const void *right)
{
    const struct fh_type *a = left;
    const struct fh_type *b = right;
    return strcmp(a->full_name, b->full_name);
}

int fh_types_collect(struct fh_loading *loading, const fh_descriptor_set *set)
{
    for (size_t i = 0; i < set->n_file; i++) {
        int r = add_file(loading, set->file[i]);
        if (r < 0) {
            return r;
        }
    }
    if (loading->type_count > 0) {
        qsort(loading->types, loading->type_count, sizeof(*loading->types), by_name);
    }
    for (size_t i = 1; i < loading->type_count; i++) {
        const char *name = loading->types[i].full_name;
        if (strcmp(loading->types[i - 1].full_name, name) == 0) {
            return fh_error_set(loading->err, -EINVAL, "%s: type %.200s is declared twice",
                                loading->name, name + 1);
        }
    }
    return 0;
}

struct fh_type *fh_types_find(const struct fh_loading *loading, const char *full_name)
{
    struct fh_type wanted = {.full_name = full_name};
    return loading->type_count > 0 ? bsearch(&wanted, loading->types, loading->type_count,
                                             sizeof(*loading->types), by_name)
                                   : NULL;
}
