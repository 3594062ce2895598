/* render_html.c: the document as one HTML file that needs no other: the images are inside it, it
 * has no script and loads nothing. Whatever stands in the sheet is text. The markup is well-formed
 * XML as well. */
#include "image.h"
#include "render.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define say fh_document_say

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; max-width: "
    "52rem;\n  margin: 2rem auto; padding: 0 1rem; }\n"
    "h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2rem; } h3 { font-size: "
    "1rem; }\n"
    "table { border-collapse: collapse; width: 100%; }\n"
    "th, td { text-align: left; vertical-align: top; border: 1px solid #c9ced6; padding: .4rem "
    ".6rem; }\n"
    "th { width: 14rem; background: #f3f5f8; font-weight: 600; }\n"
    "td p { margin: 0 0 .6rem; } td p:last-child { margin: 0; } ul { margin: 0; padding-left: "
    "1.2rem; }\n"
    "img { max-width: 16rem; max-height: 16rem; display: block; margin-bottom: .3rem; }\n"
    ".missing, .draft { color: #a3160d; font-weight: 600; }\n"
    "@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }\n"
    "</style>\n";

static void say_text(struct fh_document *document, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        size_t plain = 0;
        while (text + plain < end && !strchr("<>&\"'", text[plain])) {
            plain++;
        }
        fh_document_bytes(document, text, plain);
        text += plain;
        if (text < end) {
            say(document, "&#%d;", *text);
            text++;
        }
    }
}

static void say_string(struct fh_document *document, const char *text)
{
    say_text(document, text, strlen(text));
}

/* An empty line ends a paragraph, another line break a line. */
static void say_paragraphs(struct fh_document *document, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        end = end ? end : text + strlen(text);
        say(document, "<p>");
        while (text < end) {
            const char *line = memchr(text, '\n', (size_t)(end - text));
            line = line ? line : end;
            say_text(document, text, (size_t)(line - text));
            say(document, "%s", line < end ? "<br/>" : "");
            text = line < end ? line + 1 : end;
        }
        say(document, "</p>");
        text += strspn(text, "\n");
    }
}

static void say_base64(struct fh_document *document, const struct fh_image *image)
{
    _Static_assert(FH_IMAGE_BYTES < INT_MAX / 2, "EVP_EncodeBlock counts in int");
    unsigned char *text = malloc((image->size + 2) / 3 * 4 + 1);
    if (!text) {
        document->error = document->error ? document->error : -ENOMEM;
        return;
    }
    int len = EVP_EncodeBlock(text, image->bytes, (int)image->size);
    fh_document_bytes(document, (const char *)text, (size_t)len);
    free(text);
}

static void say_image(struct fh_document *document, const struct fh_field *field, const char *file)
{
    struct fh_image image = {0};
    if (fh_image_load(document->folder, file, NULL, &image) == 0) {
        say(document, "<img alt=\"%s\" src=\"data:%s;base64,", field->label, image.media_type);
        say_base64(document, &image);
        say(document, "\"/>");
        fh_image_done(&image);
    } else {
        say(document, "<span class=\"missing\">%s</span> ", FH_DOCUMENT_MISSING);
    }
    say_string(document, file);
}

static void say_list(struct fh_document *document, const struct fh_field *field,
                     const struct fh_value *value)
{
    say(document, "<ul>");
    for (size_t i = 0; i < value->count; i++) {
        const struct fh_order_event *event =
            field->type == FH_FIELD_EVENTS ? fh_sheet_event(document->sheet, i) : NULL;
        const char *remark = event ? fh_document_remark(event) : NULL;
        say(document, "<li>");
        say_string(document, fh_document_word(document, field, value, i));
        if (event) {
            say(document, " (<code>%s</code>%s%s)", event->types, remark ? "; " : "",
                remark ? remark : "");
        }
        say(document, "</li>");
    }
    say(document, "</ul>");
}

static void say_value(struct fh_document *document, const struct fh_field *field, size_t entry)
{
    const struct fh_value *value = fh_sheet_value(document->sheet, field, entry);
    if (!fh_sheet_has(document->sheet, field, entry)) {
        say(document, "<span class=\"missing\">%s</span>", FH_DOCUMENT_MISSING);
    } else if (field->type == FH_FIELD_NUMBER) {
        say(document, "%" PRId64, value->number);
    } else if (fh_field_is_list(field)) {
        say_list(document, field, value);
    } else if (field->type == FH_FIELD_TEXT) {
        say_paragraphs(document, value->text[0]);
    } else if (fh_field_is_image(field) &&
               !(field->type == FH_FIELD_MAP && strcmp(value->text[0], FH_SPACES_MAP) == 0)) {
        say_image(document, field, value->text[0]);
    } else {
        say_string(document, fh_document_word(document, field, value, 0));
    }
}

static void say_entry(struct fh_document *document, const struct fh_part *part, size_t entry)
{
    if (part->list) {
        say(document, "<h3>%s %zu</h3>\n", part->entry, entry + 1);
    }
    say(document, "<table>\n");
    for (size_t i = 0; i < fh_field_count; i++) {
        const struct fh_field *field = &fh_fields[i];
        if (fh_field_in(field, part) && !fh_document_skips(document, field, entry)) {
            say(document, "<tr><th scope=\"row\">%s</th><td>", field->label);
            say_value(document, field, entry);
            say(document, "</td></tr>\n");
        }
    }
    say(document, "</table>\n");
}

void fh_document_html(struct fh_document *document)
{
    fh_document_bytes(document, head, sizeof(head) - 1);
    say(document, "<title>Cisco Spaces onboarding: ");
    say_string(document, fh_document_name(document));
    say(document, "</title>\n</head>\n<body>\n<h1>Cisco Spaces onboarding: ");
    say_string(document, fh_document_name(document));
    say(document, "</h1>\n%s",
        document->draft ? "<p class=\"draft\">Draft: not complete, not to be sent.</p>\n" : "");
    for (size_t index = 0; index < fh_part_count; index++) {
        const struct fh_part *part = &fh_parts[index];
        size_t entries = document->sheet->entries[index];
        say(document, "<h2>%s</h2>\n", part->title);
        if (entries == 0) {
            say(document,
                part->optional ? "<p>Not enabled.</p>\n" : "<p class=\"missing\">(missing)</p>\n");
        }
        for (size_t entry = 0; entry < entries; entry++) {
            say_entry(document, part, entry);
        }
    }
    say(document, "</body>\n</html>\n");
}
