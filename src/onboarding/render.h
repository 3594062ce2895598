/* render.h: the forms of the document, private to src/onboarding. Each walks through the table of
 * fields; what the forms have in common is in render.c. */
#ifndef FH_ONBOARDING_RENDER_H
#define FH_ONBOARDING_RENDER_H

#include "sheet.h"

/* A document being written; the first failure is kept and ends the rest. */
struct fh_document {
    const struct fh_sheet *sheet;
    const char *folder; /* of the images */
    bool draft;
    struct fh_buf *into;
    int error;
};

#define FH_DOCUMENT_MISSING "(missing)"

void fh_document_say(struct fh_document *document, const char *format, ...) FH_PRINTF(2, 3);
void fh_document_bytes(struct fh_document *document, const char *bytes, size_t len);
/* The application's name, for the title. */
const char *fh_document_name(const struct fh_document *document);
/* The text of one value as people read it: the event type's and the word's own name. */
const char *fh_document_word(const struct fh_document *document, const struct fh_field *field,
                             const struct fh_value *value, size_t index);
/* What the order of an event type means beyond it ("brings ..."); NULL: nothing. */
const char *fh_document_remark(const struct fh_order_event *event);
/* A field that may be left out, and is. */
bool fh_document_skips(const struct fh_document *document, const struct fh_field *field,
                       size_t entry);

void fh_document_markdown(struct fh_document *document);
void fh_document_html(struct fh_document *document);
void fh_document_json(struct fh_document *document);

#endif
