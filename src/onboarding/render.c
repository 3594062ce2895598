/* render.c: what the forms of the document have in common. */
#include "render.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fh_document_bytes(struct fh_document *document, const char *bytes, size_t len)
{
    if (document->error == 0) {
        document->error = fh_buf_append(document->into, bytes, len);
    }
}

void fh_document_say(struct fh_document *document, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        document->error = document->error ? document->error : -EINVAL; /* long text: bytes */
        return;
    }
    fh_document_bytes(document, text, (size_t)n);
}

const char *fh_document_name(const struct fh_document *document)
{
    const char *name = fh_sheet_text(document->sheet, "app_center.name", 0);
    return name[0] ? name : "an application";
}

const char *fh_document_word(const struct fh_document *document, const struct fh_field *field,
                             const struct fh_value *value, size_t index)
{
    const char *text = value->text[index];
    if (field->type == FH_FIELD_EVENTS) {
        const struct fh_order_event *event = fh_sheet_event(document->sheet, index);
        return event ? event->name : text;
    }
    for (size_t i = 0; field->choices && field->choices[i]; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            return field->spoken[i];
        }
    }
    if (field->type == FH_FIELD_MAP && strcmp(text, FH_SPACES_MAP) == 0) {
        return "in Cisco Spaces";
    }
    return text;
}

const char *fh_document_remark(const struct fh_order_event *event)
{
    switch (event->kind) {
    case FH_EVENT_TELE:
        return "includes presence and people count";
    case FH_EVENT_ALWAYS:
        return "comes by itself";
    default:
        return NULL;
    }
}

bool fh_document_skips(const struct fh_document *document, const struct fh_field *field,
                       size_t entry)
{
    return !field->required && !fh_sheet_has(document->sheet, field, entry);
}

int fh_sheet_render(const struct fh_sheet *sheet, enum fh_document_format format, bool draft,
                    const char *folder, struct fh_buf *into, struct fh_error *err)
{
    struct fh_document document = {.sheet = sheet, .folder = folder, .draft = draft, .into = into};
    switch (format) {
    case FH_DOCUMENT_MARKDOWN:
        fh_document_markdown(&document);
        break;
    case FH_DOCUMENT_HTML:
        fh_document_html(&document);
        break;
    case FH_DOCUMENT_JSON:
        fh_document_json(&document);
        break;
    }
    if (document.error < 0) {
        char reason[64];
        return fh_error_set(err, document.error, "cannot write the document: %s",
                            fh_strerror(document.error, reason, sizeof(reason)));
    }
    return 0;
}
