/* sheet.c: owns the way from the text of a file to the values of a sheet: libconfig's tree, matched
 * row by row against the table of fields. Never opens a file, and judges single values only
 * (rules.c the rest). */
#include "sheet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is being read: one part, one entry of it, one key. */
struct reading {
    struct fh_sheet *sheet;
    struct fh_onboarding_findings *findings;
    const struct fh_field *field;
    const config_setting_t *setting;
    int line;
};

static const char *type_text(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer (a string stands in quotes)";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    default:
        return "a list";
    }
}

static int wrong_type(const struct reading *reading, const config_setting_t *got)
{
    fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line, "%s must be %s, not %s",
                    reading->field->path, fh_field_expects(reading->field), type_text(got));
    return -EINVAL;
}

/* Bytes of the UTF-8 character at text, 0 when it is none: too long, a surrogate, above 10ffff. */
static size_t character(const unsigned char *text)
{
    if (text[0] < 0x80) {
        return 1;
    }
    size_t len = text[0] >= 0xc2 && text[0] < 0xe0   ? 2
                 : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
                 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                     : 0;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* the NUL at the end as well */
            return 0;
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return len;
}

static bool is_control(const unsigned char *at, bool lines)
{
    bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
    return c1 || at[0] == 0x7f || (at[0] < ' ' && !(lines && at[0] == '\n'));
}

static int check_string(const struct reading *reading, const char *text)
{
    const struct fh_field *field = reading->field;
    const char *name = reading->sheet->name;
    size_t characters = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t len = character(at);
        if (len == 0) {
            fh_sheet_refuse(reading->findings, name, reading->line,
                            "%s is no UTF-8; save the sheet as UTF-8", field->path);
            return -EINVAL;
        }
        if (is_control(at, field->type == FH_FIELD_TEXT)) {
            fh_sheet_refuse(
                reading->findings, name, reading->line, "%s must not contain %s", field->path,
                field->type == FH_FIELD_TEXT ? "control characters; a new line is \\n"
                                             : "line breaks, tabs or other control characters");
            return -EINVAL;
        }
        characters++;
        at += len;
    }
    if (characters > field->max) {
        fh_sheet_refuse(reading->findings, name, reading->line,
                        "%s has %zu characters; this sheet takes at most %zu, shorten it",
                        field->path, characters, field->max);
        return -EINVAL;
    }
    return 0;
}

static int read_string(const struct reading *reading, const config_setting_t *from,
                       struct fh_value *value)
{
    if (config_setting_type(from) != CONFIG_TYPE_STRING) {
        return wrong_type(reading, from);
    }
    const char *text = config_setting_get_string(from);
    int r = check_string(reading, text);
    if (r == 0) {
        value->text[value->count++] = text;
    }
    return r;
}

static int read_list(const struct reading *reading, struct fh_value *value)
{
    int type = config_setting_type(reading->setting);
    if (type != CONFIG_TYPE_LIST && type != CONFIG_TYPE_ARRAY) {
        return wrong_type(reading, reading->setting);
    }
    int count = config_setting_length(reading->setting);
    if (count > FH_VALUES_MAX) {
        fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                        "%s has %d entries; at most %d are allowed", reading->field->path, count,
                        FH_VALUES_MAX);
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        int r = read_string(reading, config_setting_get_elem(reading->setting, (unsigned)i), value);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int read_number(const struct reading *reading, struct fh_value *value)
{
    int type = config_setting_type(reading->setting);
    if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
        return wrong_type(reading, reading->setting);
    }
    int64_t number = config_setting_get_int64(reading->setting);
    if (number < 0 || number > FH_REPLICAS_MAX) {
        fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                        "%s is %" PRId64 "; it must be %s", reading->field->path, number,
                        fh_field_expects(reading->field));
        return -EINVAL;
    }
    value->number = number;
    return 0;
}

static void read_field(const struct reading *reading, struct fh_value *value)
{
    value->line = reading->line;
    int r = reading->field->type == FH_FIELD_NUMBER ? read_number(reading, value)
            : fh_field_is_list(reading->field)      ? read_list(reading, value)
                                                    : read_string(reading, reading->setting, value);
    if (r < 0) {
        value->bad = true;
        value->count = 0;
    }
}

static void unknown_field(const struct reading *reading, const char *part, const char *name)
{
    const char *nearest = fh_field_nearest(part, name);
    if (nearest) {
        fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                        "unknown field %s.%.60s; did you mean %s?", part, name, nearest);
        return;
    }
    char known[320] = "";
    for (size_t i = 0; i < fh_field_count; i++) {
        if (fh_field_in(&fh_fields[i], &fh_parts[fh_part_find(part)])) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "",
                     fh_field_name(&fh_fields[i]));
        }
    }
    fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                    "unknown field %s.%.60s; known here: %s", part, name, known);
}

static void read_group(struct reading *reading, const char *part, const config_setting_t *group,
                       size_t entry)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        reading->setting = config_setting_get_elem(group, (unsigned)i);
        reading->line = (int)config_setting_source_line(reading->setting);
        const char *name = config_setting_name(reading->setting);
        int index = fh_field_find(part, name);
        if (index < 0) {
            unknown_field(reading, part, name);
            continue;
        }
        reading->field = &fh_fields[index];
        read_field(reading, &reading->sheet->value[entry][index]);
    }
}

static void read_list_part(struct reading *reading, size_t part, const config_setting_t *list)
{
    struct fh_sheet *sheet = reading->sheet;
    int count = config_setting_length(list);
    if (count > FH_ENTRIES_MAX) {
        fh_sheet_refuse(reading->findings, sheet->name, sheet->part_line[part],
                        "%s has %d entries; at most %d are allowed", fh_parts[part].name, count,
                        FH_ENTRIES_MAX);
        count = FH_ENTRIES_MAX;
    }
    for (int i = 0; i < count; i++) {
        const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        int line = (int)config_setting_source_line(group);
        if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
            fh_sheet_refuse(reading->findings, sheet->name, line,
                            "entry %d of %s must be a group { ... }, not %s", i + 1,
                            fh_parts[part].name, type_text(group));
            continue;
        }
        size_t entry = sheet->entries[part]++;
        sheet->entry_line[part][entry] = line;
        read_group(reading, fh_parts[part].name, group, entry);
    }
}

static void unknown_part(const struct reading *reading, const char *name)
{
    const char *part = fh_part_nearest(name);
    const char *field = fh_field_nearest("", name);
    char known[256] = "";
    for (size_t i = 0; i < fh_part_count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", fh_parts[i].name);
    }
    if (!part && field) {
        fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                        "unknown section %.60s; did you mean the field %s, inside its section?",
                        name, field);
        return;
    }
    fh_sheet_refuse(reading->findings, reading->sheet->name, reading->line,
                    "unknown section %.60s; %s%s%s", name,
                    part ? "did you mean " : "known are: ", part ? part : known, part ? "?" : "");
}

static void read_part(struct reading *reading, const config_setting_t *setting)
{
    struct fh_sheet *sheet = reading->sheet;
    const char *name = config_setting_name(setting);
    int part = fh_part_find(name);
    reading->line = (int)config_setting_source_line(setting);
    if (part < 0) {
        unknown_part(reading, name);
        return;
    }
    bool list = fh_parts[part].list;
    int type = config_setting_type(setting);
    sheet->part_line[part] = reading->line;
    sheet->part_there[part] = type == (list ? CONFIG_TYPE_LIST : CONFIG_TYPE_GROUP);
    if (!sheet->part_there[part]) {
        fh_sheet_refuse(reading->findings, sheet->name, reading->line,
                        list ? "%s must be a list of groups: %s: ( { ... } );"
                             : "%s must be a group: %s: { ... };",
                        name, name);
    } else if (list) {
        read_list_part(reading, (size_t)part, setting);
    } else {
        sheet->entries[part] = 1;
        sheet->entry_line[part][0] = reading->line;
        read_group(reading, name, setting, 0);
    }
}

static int read_tree(struct fh_sheet *sheet, const char *text,
                     struct fh_onboarding_findings *findings)
{
    if (config_read_string(&sheet->tree, text) != CONFIG_TRUE) {
        const char *what = config_error_text(&sheet->tree);
        fh_sheet_refuse(findings, sheet->name, config_error_line(&sheet->tree), "%s; %s",
                        what ? what : "not readable",
                        what && strstr(what, "duplicate")
                            ? "give each field and section once"
                            : "look here and at the line before for a missing ; or quote or "
                              "bracket");
        return -EINVAL;
    }
    struct reading reading = {.sheet = sheet, .findings = findings};
    const config_setting_t *root = config_root_setting(&sheet->tree);
    for (int i = 0; i < config_setting_length(root); i++) {
        read_part(&reading, config_setting_get_elem(root, (unsigned)i));
    }
    return 0;
}

int fh_sheet_parse(const char *text, const char *name, struct fh_onboarding_findings *findings,
                   struct fh_sheet **ret)
{
    if (strlen(text) > FH_SHEET_BYTES) {
        fh_sheet_refuse(findings, name, 0, "larger than 1 MiB; this is no sheet");
        return -EINVAL;
    }
    struct fh_sheet *sheet = calloc(1, sizeof(*sheet));
    if (!sheet) {
        fh_sheet_refuse(findings, name, 0, "not enough memory to read it");
        return -ENOMEM;
    }
    config_init(&sheet->tree);
    snprintf(sheet->name, sizeof(sheet->name), "%s", name);
    struct fh_buf prepared;
    fh_buf_init(&prepared, 2 * FH_SHEET_BYTES + 16);
    struct fh_error err = {"not enough memory to read it"};
    int line = 0;
    int r = fh_config_prepare(text, &prepared, &line, &err);
    const char *ready = r == 0 ? fh_buf_string(&prepared) : NULL;
    if (ready) {
        r = read_tree(sheet, ready, findings);
    } else {
        fh_sheet_refuse(findings, name, line, "%s", err.text);
        r = r < 0 ? r : -ENOMEM;
    }
    fh_buf_done(&prepared);
    if (r < 0) {
        fh_sheet_free(sheet);
        return r;
    }
    *ret = sheet;
    return 0;
}

void fh_sheet_free(struct fh_sheet *sheet)
{
    if (sheet) {
        config_destroy(&sheet->tree);
        free(sheet);
    }
}
