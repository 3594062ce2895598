/* render_markdown.c: the document as Markdown. Whatever stands in the sheet is text: no character
 * of it becomes markup. */
#include "render.h"

#include <inttypes.h>
#include <string.h>

#define say fh_document_say

/* What is markup at the beginning of a line only: rules, lists, the line below a heading, and
 * blanks that would make it code. */
static const char *say_line_start(struct fh_document *document, const char *text)
{
    text += strspn(text, " ");
    size_t digits = strspn(text, "0123456789");
    fh_document_bytes(document, text, digits);
    text += digits;
    if (digits > 0 ? *text == '.' || *text == ')' : *text == '-' || *text == '=') {
        say(document, "\\%c", *text);
        text++;
    }
    return text;
}

/* Lines behind the first are indented, to stay in their item. */
static void say_lines(struct fh_document *document, const char *text, const char *indent)
{
    while (*text) {
        size_t len = strcspn(text, "\\`*_{}[]<>#+|~&!\n");
        fh_document_bytes(document, text, len);
        text += len;
        if (*text == '\n') {
            /* two lines of the sheet stay two lines; an empty one is a new paragraph */
            bool paragraph = text[1] == '\n';
            say(document, paragraph ? "\n\n%s" : "  \n%s", indent);
            text = say_line_start(document, text + strspn(text, "\n"));
        } else if (*text) {
            say(document, "\\%c", *text);
            text++;
        }
    }
}

static void say_text(struct fh_document *document, const char *text, const char *indent)
{
    say_lines(document, say_line_start(document, text), indent);
}

static void say_event(struct fh_document *document, size_t index)
{
    const struct fh_order_event *event = fh_sheet_event(document->sheet, index);
    if (!event) {
        return;
    }
    const char *remark = fh_document_remark(event);
    const char *type = event->types;
    say(document, " (");
    while (*type) {
        size_t len = strcspn(type, " ");
        say(document, "%s`%.*s`", type == event->types ? "" : ", ", (int)len, type);
        type += len + strspn(type + len, " ");
    }
    say(document, "%s%s)", remark ? "; " : "", remark ? remark : "");
}

static void say_list(struct fh_document *document, const struct fh_field *field,
                     const struct fh_value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        if (field->type == FH_FIELD_EVENTS) {
            say(document, "\n  - ");
            say_text(document, fh_document_word(document, field, value, i), "    ");
            say_event(document, i);
        } else {
            say(document, i > 0 ? ", " : " ");
            say_text(document, fh_document_word(document, field, value, i), "  ");
        }
    }
}

static void say_field(struct fh_document *document, const struct fh_field *field, size_t entry)
{
    const struct fh_value *value = fh_sheet_value(document->sheet, field, entry);
    if (fh_document_skips(document, field, entry)) {
        return;
    }
    say(document, "- **%s**:", field->label);
    if (!fh_sheet_has(document->sheet, field, entry)) {
        say(document, " %s", FH_DOCUMENT_MISSING);
    } else if (field->type == FH_FIELD_NUMBER) {
        say(document, " %" PRId64, value->number);
    } else if (fh_field_is_list(field)) {
        say_list(document, field, value);
    } else if (fh_field_is_image(field) &&
               !(field->type == FH_FIELD_MAP && strcmp(value->text[0], FH_SPACES_MAP) == 0)) {
        say(document, " attached file ");
        say_text(document, value->text[0], "  ");
    } else {
        say(document, " ");
        say_text(document, fh_document_word(document, field, value, 0), "  ");
    }
    say(document, "\n");
}

static void say_part(struct fh_document *document, size_t index)
{
    const struct fh_part *part = &fh_parts[index];
    size_t entries = document->sheet->entries[index];
    say(document, "\n## %s\n", part->title);
    if (entries == 0) {
        say(document, "\n%s\n", part->optional ? "Not enabled." : FH_DOCUMENT_MISSING);
    }
    for (size_t entry = 0; entry < entries; entry++) {
        if (part->list) {
            say(document, "\n### %s %zu\n", part->entry, entry + 1);
        }
        say(document, "\n");
        for (size_t i = 0; i < fh_field_count; i++) {
            if (fh_field_in(&fh_fields[i], part)) {
                say_field(document, &fh_fields[i], entry);
            }
        }
    }
}

void fh_document_markdown(struct fh_document *document)
{
    say(document, "# Cisco Spaces onboarding: ");
    say_text(document, fh_document_name(document), "");
    say(document, "\n");
    if (document->draft) {
        say(document, "\n**Draft: not complete, not to be sent.**\n");
    }
    for (size_t part = 0; part < fh_part_count; part++) {
        say_part(document, part);
    }
}
