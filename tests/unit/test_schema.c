/* test_schema.c: descriptor sets of all qualities; each wrong one is refused with a sentence that
 * names what is wrong. */
#include "fh/transcode.h"

#include "google/protobuf/descriptor.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef Google__Protobuf__FileDescriptorSet set_type;
typedef Google__Protobuf__DescriptorProto message_type;
typedef Google__Protobuf__FieldDescriptorProto field_type;

static void the_builtin_schema_is_the_installed_file(void **state)
{
    (void)state;
    struct fh_error err;
    struct fh_schema *schema = NULL;
    assert_int_equal(fh_schema_open("", &schema, &err), 0);
    struct fh_schema_facts facts;
    fh_schema_facts(schema, &facts);
    assert_string_equal(facts.record_name, "firehose_api_v1.EventRecord");
    assert_int_equal(facts.payloads, 28);
    assert_true(facts.messages > 70 && facts.fields > 475 && facts.enums > 15);
    fh_schema_free(schema);

    static char file[1 << 16];
    FILE *stream = fopen(FH_TEST_BUILTIN, "rb");
    assert_non_null(stream);
    size_t len = fread(file, 1, sizeof(file), stream);
    fclose(stream);
    size_t builtin_len = 0;
    const void *builtin = fh_schema_builtin(&builtin_len);
    assert_int_equal(len, builtin_len);
    assert_memory_equal(file, builtin, len);

    assert_int_equal(fh_schema_open(FH_TEST_BUILTIN, &schema, &err), 0);
    fh_schema_free(schema);
    fh_schema_free(NULL);
}

static void files_that_do_not_serve_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int code;
        const char *says;
    } bad[] = {
        {"/proc/nonexistent/firehose.desc", -ENOENT, "cannot open the descriptor set"},
        {"/", -EINVAL, "/: not a regular file"},
        {FH_TEST_DATA "/sample-events.ndjson", -EINVAL, "not a FileDescriptorSet"},
        {FH_TEST_SCHEMAS "/no_record.desc", -EINVAL, "no message EventRecord in it"},
        {FH_TEST_SCHEMAS "/no_uid.desc", -EINVAL, "p.EventRecord has no field string record_uid"},
        {FH_TEST_SCHEMAS "/two_records.desc", -EINVAL,
         "two messages EventRecord: p.EventRecord and p.Other.EventRecord"},
        {FH_TEST_SCHEMAS "/imports.desc", -EINVAL,
         "EventRecord.inner: its type \".Record\" is not in the set (protoc --include_imports"},
        {FH_TEST_SCHEMAS "/group.desc", -EINVAL, "EventRecord.old: groups are not supported"},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        struct fh_error err = {0};
        struct fh_schema *schema = NULL;
        assert_int_equal(fh_schema_open(bad[i].path, &schema, &err), bad[i].code);
        assert_null(schema);
        if (!strstr(err.text, bad[i].says) || !strstr(err.text, bad[i].path)) {
            fail_msg("\"%s\" does not say \"%s\" of %s", err.text, bad[i].says, bad[i].path);
        }
    }
}

/* ---- what protoc would never write: the built-in set, damaged in one place ---- */

static message_type *find_message(set_type *set, const char *name)
{
    for (size_t i = 0; i < set->file[0]->n_message_type; i++) {
        if (strcmp(set->file[0]->message_type[i]->name, name) == 0) {
            return set->file[0]->message_type[i];
        }
    }
    fail_msg("no message %s", name);
    return NULL;
}

static field_type *find_field(set_type *set, const char *message, const char *name)
{
    message_type *found = find_message(set, message);
    for (size_t i = 0; i < found->n_field; i++) {
        if (strcmp(found->field[i]->name, name) == 0) {
            return found->field[i];
        }
    }
    fail_msg("no field %s", name);
    return NULL;
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = strdup(with);
}

static void number_twice(set_type *set)
{
    find_field(set, "Location", "name")->number = 1;
}
static void number_zero(set_type *set)
{
    find_field(set, "Location", "name")->number = 0;
}
static void number_too_large(set_type *set)
{
    find_field(set, "Location", "name")->number = 1 << 29;
}
static void name_twice(set_type *set)
{
    replace(&find_field(set, "Location", "name")->json_name, "locationId");
}
static void name_with_quote(set_type *set)
{
    replace(&find_field(set, "Location", "name")->json_name, "na\"me");
}
static void name_empty(set_type *set)
{
    replace(&find_field(set, "Location", "name")->name, "");
}
static void type_is_an_enum(set_type *set)
{
    replace(&find_field(set, "Location", "parent")->type_name, ".firehose_api_v1.Gender");
}
static void type_is_a_message(set_type *set)
{
    replace(&find_field(set, "Device", "gender")->type_name, ".firehose_api_v1.Location");
}
static void type_relative(set_type *set)
{
    replace(&find_field(set, "Location", "parent")->type_name, "Location");
}
static void type_missing(set_type *set)
{
    find_field(set, "Location", "name")->has_type = 0;
}
static void oneof_out_of_range(set_type *set)
{
    find_field(set, "EventRecord", "device_entry")->oneof_index = 7;
}
static void repeated_in_oneof(set_type *set)
{
    find_field(set, "EventRecord", "device_entry")->label =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
}
static void declared_twice(set_type *set)
{
    replace(&find_message(set, "Attribute")->name, "Location");
}
static void nameless_type(set_type *set)
{
    replace(&find_message(set, "Attribute")->name, "");
}
static void editions(set_type *set)
{
    replace(&set->file[0]->syntax, "editions");
}
static void enum_without_values(set_type *set)
{
    Google__Protobuf__EnumDescriptorProto *type = set->file[0]->enum_type[0];
    for (size_t i = 0; i < type->n_value; i++) {
        google__protobuf__enum_value_descriptor_proto__free_unpacked(type->value[i], NULL);
    }
    type->n_value = 0;
}
static void enum_value_with_backslash(set_type *set)
{
    replace(&set->file[0]->enum_type[0]->value[3]->name, "A\\B");
}
static void timestamp_is_a_string(set_type *set)
{
    find_field(set, "EventRecord", "record_timestamp")->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
}
static void false_map(set_type *set)
{
    Google__Protobuf__MessageOptions *options = malloc(sizeof(*options));
    assert_non_null(options);
    google__protobuf__message_options__init(options);
    options->has_map_entry = 1;
    options->map_entry = 1;
    find_message(set, "Location")->options = options;
}

static int load_changed(void (*damage)(set_type *set), struct fh_schema **ret_schema,
                        struct fh_error *err)
{
    size_t len = 0;
    const void *bytes = fh_schema_builtin(&len);
    set_type *set = google__protobuf__file_descriptor_set__unpack(NULL, len, bytes);
    assert_non_null(set);
    if (damage) {
        damage(set);
    }
    size_t size = google__protobuf__file_descriptor_set__get_packed_size(set);
    uint8_t *packed = malloc(size);
    assert_non_null(packed);
    google__protobuf__file_descriptor_set__pack(set, packed);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    int r = fh_schema_load(packed, size, "test", ret_schema, err);
    free(packed);
    return r;
}

static int load_damaged(void (*damage)(set_type *set), struct fh_error *err)
{
    struct fh_schema *schema = NULL;
    int r = load_changed(damage, &schema, err);
    fh_schema_free(schema);
    return r;
}

static void every_damage_is_named(void **state)
{
    (void)state;
    static const struct {
        void (*damage)(set_type *set);
        const char *says;
    } damages[] = {
        {number_twice, "firehose_api_v1.Location has number 1 twice"},
        {number_zero, "firehose_api_v1.Location.name: has no number from 1"},
        {number_too_large, "firehose_api_v1.Location.name: has no number from 1"},
        {name_twice, "firehose_api_v1.Location has two fields \"locationId\""},
        {name_with_quote, "Location.name: its JSON name has characters"},
        {name_empty, "Location.: has no usable name"},
        {type_is_an_enum, "Location.parent: its type is an enumeration"},
        {type_is_a_message, "Device.gender: its type is a message"},
        {type_relative, "Location.parent: its type \"Location\" is not in the set"},
        {type_missing, "Location.name: has no type"},
        {oneof_out_of_range, "EventRecord.device_entry: names a oneof"},
        {repeated_in_oneof, "EventRecord.device_entry: is repeated and in a oneof"},
        {declared_twice, "type firehose_api_v1.Location is declared twice"},
        {nameless_type, "a type in \".firehose_api_v1\" has no usable name"},
        {editions, "firehose.proto has syntax \"editions\""},
        {enum_without_values, "enumeration firehose_api_v1.EventType has 0 values"},
        {enum_value_with_backslash, "EventType has a value without a usable name"},
        {timestamp_is_a_string, "EventRecord has no field int64 record_timestamp"},
        {false_map, "firehose_api_v1.Location is not a well-formed map entry"},
    };
    struct fh_error err = {0};
    assert_int_equal(load_damaged(NULL, &err), 0);
    for (size_t i = 0; i < FH_ARRAY_LEN(damages); i++) {
        int r = load_damaged(damages[i].damage, &err);
        if (r != -EINVAL || !strstr(err.text, damages[i].says) ||
            strncmp(err.text, "test: ", 6) != 0) {
            fail_msg("%d, \"%s\" does not say \"%s\"", r, err.text, damages[i].says);
        }
    }
}

/* A json_name that is absent is made by protobuf's rule: the same schema. */
static void drop_json_names(set_type *set)
{
    for (size_t i = 0; i < set->file[0]->n_message_type; i++) {
        message_type *message = set->file[0]->message_type[i];
        for (size_t j = 0; j < message->n_field; j++) {
            free(message->field[j]->json_name);
            message->field[j]->json_name = NULL;
        }
    }
}

static void json_names_can_be_absent(void **state)
{
    (void)state;
    struct fh_error err = {0};
    assert_int_equal(load_damaged(drop_json_names, &err), 0);
}

/* ---- an older schema, as the vendor's v1.2.6 is: none of the types that came later ---- */

static void drop_ours(set_type *set)
{
    message_type *record = find_message(set, "EventRecord");
    size_t kept = 0;
    for (size_t i = 0; i < record->n_field; i++) {
        if (record->field[i]->number < 1000) {
            record->field[kept++] = record->field[i];
        } else {
            google__protobuf__field_descriptor_proto__free_unpacked(record->field[i], NULL);
        }
    }
    record->n_field = kept;
    Google__Protobuf__EnumDescriptorProto *types = set->file[0]->enum_type[0];
    assert_string_equal(types->name, "EventType");
    kept = 0;
    for (size_t i = 0; i < types->n_value; i++) {
        if (types->value[i]->number < 1000) {
            types->value[kept++] = types->value[i];
        } else {
            google__protobuf__enum_value_descriptor_proto__free_unpacked(types->value[i], NULL);
        }
    }
    types->n_value = kept;
}

static void a_type_newer_than_the_schema_stays_a_record(void **state)
{
    (void)state;
    struct fh_error err = {0};
    struct fh_schema *schema = NULL;
    struct fh_transcoder *transcoder = NULL;
    struct fh_transcoder_options options = {.keep_unknown = true};
    assert_int_equal(load_changed(drop_ours, &schema, &err), 0);
    assert_int_equal(fh_transcoder_new(schema, &options, &transcoder), 0);
    uint8_t record[4096];
    FILE *file = fopen(FH_TEST_DATA "/protobuf/07-DEVICE_ASSOCIATION.bin", "rb");
    assert_non_null(file);
    size_t len = fread(record, 1, sizeof(record), file);
    fclose(file);
    struct fh_buf line;
    struct fh_transcode_info info;
    fh_buf_init(&line, 1 << 16);
    assert_int_equal(fh_transcode(transcoder, record, len, &line, &info), FH_TRANSCODE_OK);
    assert_int_equal(info.event_type, 1001);
    assert_true(info.unknown_event_type);
    assert_int_equal(info.unknown_fields, 1);
    const char *text = fh_buf_string(&line);
    static const char expected[] = "\"partnerTenantId\":\"EXAMPLE-PARTNER\",\"eventType\":"
                                   "\"UNKNOWN_1001\",\"_unknown\":{\"1001\":\"yj7";
    assert_non_null(strstr(text, expected));
    fh_buf_done(&line);
    fh_transcoder_free(transcoder);
    fh_schema_free(schema);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    size_t len = 0;
    const char *bytes = fh_schema_builtin(&len);
    for (size_t cut = 0; cut < len; cut += cut < 64 ? 1 : 97) {
        struct fh_schema *schema = NULL;
        struct fh_error err;
        assert_int_equal(fh_schema_load(bytes, cut, "cut", &schema, &err), -EINVAL);
    }
}

/* nested_type inside nested_type: the unpacker recurses, so we must not let it. */
static void hostile_nesting_is_refused(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 20];
    size_t start = sizeof(bytes);
    while (start > 16) {
        size_t len = sizeof(bytes) - start;
        uint8_t prefix[8] = {0x1a};
        size_t n = 1;
        for (; len >= 0x80; len >>= 7) {
            prefix[n++] = (uint8_t)(len | 0x80);
        }
        prefix[n++] = (uint8_t)len;
        start -= n;
        memcpy(bytes + start, prefix, n);
    }
    uint8_t *moved = bytes + start;
    moved[0] = 0x0a; /* the file */
    struct fh_schema *schema = NULL;
    struct fh_error err;
    size_t len = sizeof(bytes) - start;
    for (uint8_t second = 0x1a; second <= 0x22; second = (uint8_t)(second + 8)) {
        size_t at = 1;
        while (moved[at] & 0x80) {
            at++;
        }
        moved[at + 1] = second; /* a message, or not */
        (void)fh_schema_load(moved, len, "deep", &schema, &err);
        assert_null(schema);
    }
    assert_non_null(strstr(err.text, "deep: not a FileDescriptorSet"));
}

static void too_large_is_refused_unread(void **state)
{
    (void)state;
    struct fh_schema *schema = NULL;
    struct fh_error err;
    assert_int_equal(fh_schema_load("", FH_SCHEMA_BYTES_MAX + 1, "large", &schema, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_builtin_schema_is_the_installed_file),
        cmocka_unit_test(files_that_do_not_serve_are_named),
        cmocka_unit_test(every_damage_is_named),
        cmocka_unit_test(json_names_can_be_absent),
        cmocka_unit_test(a_type_newer_than_the_schema_stays_a_record),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(hostile_nesting_is_refused),
        cmocka_unit_test(too_large_is_refused_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
