/* template.c: owns the empty sheet and the list of fields, both from the table. Never writes a
 * file. */
#include "sheet.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 96

/* A comment, broken between words. */
static int say_comment(struct fh_buf *into, const char *indent, const char *text)
{
    int r = 0;
    size_t column = 0;
    while (*text && r == 0) {
        size_t len = strcspn(text, " ");
        if (column > 0 && column + 1 + len > WIDTH) {
            r = fh_buf_printf(into, "\n");
            column = 0;
        }
        if (r == 0) {
            r = column == 0 ? fh_buf_printf(into, "%s# %.*s", indent, (int)len, text)
                            : fh_buf_printf(into, " %.*s", (int)len, text);
        }
        column += column == 0 ? strlen(indent) + 2 + len : 1 + len;
        text += len + strspn(text + len, " ");
    }
    return r == 0 ? fh_buf_printf(into, "\n") : r;
}

static const char *empty_value(const struct fh_field *field)
{
    if (field->type == FH_FIELD_NUMBER) {
        return field->example;
    }
    return fh_field_is_list(field) ? "( )" : "\"\"";
}

static int say_field(struct fh_buf *into, const struct fh_field *field)
{
    char text[512];
    snprintf(text, sizeof(text), "%s%s. %s", field->label, field->required ? "" : " (optional)",
             field->sentence);
    int r = say_comment(into, "    ", text);
    return r == 0 ? fh_buf_printf(into, "    #   %s = %s;\n    %s = %s;\n", fh_field_name(field),
                                  field->example, fh_field_name(field), empty_value(field))
                  : r;
}

/* A part that may be left out stands there as a comment: an empty entry would be a mistake. */
static int say_part(struct fh_buf *into, const struct fh_part *part)
{
    char text[512];
    snprintf(text, sizeof(text), "%s. %s", part->title, part->sentence);
    int r = fh_buf_printf(into, "\n");
    r = r == 0 ? say_comment(into, "", text) : r;
    if (part->optional && r == 0) {
        r = fh_buf_printf(into, "/*\n");
    }
    r = r == 0 ? fh_buf_printf(into, part->list ? "%s: ( {\n" : "%s: {\n", part->name) : r;
    for (size_t i = 0; i < fh_field_count && r == 0; i++) {
        if (fh_field_in(&fh_fields[i], part)) {
            r = say_field(into, &fh_fields[i]);
        }
    }
    r = r == 0 ? fh_buf_printf(into, part->list ? "} );\n" : "};\n") : r;
    return r == 0 && part->optional ? fh_buf_printf(into, "*/\n") : r;
}

int fh_onboarding_template(struct fh_buf *into)
{
    int r = say_comment(into, "",
                        "Onboarding sheet of a Cisco Spaces partner application: what the vendor "
                        "asks for before the first event flows. \"firehosectl onboarding check\" "
                        "says what is missing, \"firehosectl onboarding render\" writes the "
                        "document to send. The fields are described in firehosed-onboarding(5).");
    for (size_t i = 0; i < fh_part_count && r == 0; i++) {
        r = say_part(into, &fh_parts[i]);
    }
    return r;
}

static int reference_field(struct fh_buf *into, const struct fh_field *field)
{
    int r = fh_buf_printf(into, "  %s\n      %s. %s\n      %s", fh_field_name(field), field->label,
                          field->sentence, fh_field_expects(field));
    if (r == 0 && field->max > 0 && !fh_field_is_list(field)) {
        r = fh_buf_printf(into, " (at most %zu characters)", field->max);
    }
    for (size_t i = 0; field->choices && field->choices[i] && r == 0; i++) {
        r = fh_buf_printf(into, "%s\"%s\"", i == 0 ? ": " : ", ", field->choices[i]);
    }
    return r == 0 ? fh_buf_printf(into, ", %s\n      For example: %s\n",
                                  field->required ? "required" : "optional", field->example)
                  : r;
}

int fh_onboarding_reference(struct fh_buf *into)
{
    int r = 0;
    for (size_t part = 0; part < fh_part_count && r == 0; part++) {
        r = fh_buf_printf(into, "%s%s: %s. %s\n", part > 0 ? "\n" : "", fh_parts[part].name,
                          fh_parts[part].title, fh_parts[part].sentence);
        for (size_t i = 0; i < fh_field_count && r == 0; i++) {
            if (fh_field_in(&fh_fields[i], &fh_parts[part])) {
                r = reference_field(into, &fh_fields[i]);
            }
        }
    }
    r = r == 0 ? fh_buf_printf(into, "\nevent types: what events.types may name.\n") : r;
    for (size_t i = 0; i < fh_order_event_count && r == 0; i++) {
        const struct fh_order_event *event = &fh_order_events[i];
        r = fh_buf_printf(into, "  %s\n      %s\n      %s: %s\n", event->name, event->sentence,
                          event->group, event->types);
    }
    return r;
}
