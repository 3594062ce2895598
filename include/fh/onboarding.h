/* onboarding.h: the sheet with which an application is ordered at the vendor: made, read, judged,
 * compared with the configuration, rendered as the document to send.
 *
 * Source of fields and rules: "Cisco Spaces Partner Ecosystem Federal Support", first published
 * 2026-04-30 ("the guide"), chapters 2 to 6. The guide gives no lengths, sizes or formats: those
 * here are ours, and said to be. One thread at a time; nothing here prints or logs. */
#ifndef FH_ONBOARDING_H
#define FH_ONBOARDING_H

#include "fh/buf.h"
#include "fh/config.h"
#include "fh/err.h"

#include <stdbool.h>

#define FH_ONBOARDING_FINDINGS 64
#define FH_SHEET_BYTES         ((size_t)1024 * 1024)       /* of the file */
#define FH_DOCUMENT_BYTES      ((size_t)256 * 1024 * 1024) /* of what is rendered */

/* A text starts with "NAME:LINE: " ("NAME: " for line 0; a warning goes on with "warning: "), is
 * one line, and says what is wrong and what to write instead. */
struct fh_onboarding_findings {
    size_t count;
    unsigned errors; /* also those that found no place */
    struct {
        int line; /* 0: the sheet as a whole */
        bool warning;
        char text[512];
    } finding[FH_ONBOARDING_FINDINGS];
};

struct fh_sheet; /* the values, each with its line */

/* An empty sheet with a comment on every field, appended. 0 or negative. */
int fh_onboarding_template(struct fh_buf *into);
/* Every field, one after the other, in the form "firehosed --options" has: for the manual. */
int fh_onboarding_reference(struct fh_buf *into);

/* Reads the text of a sheet; name stands for the file in findings and is copied. Unknown keys,
 * wrong types, values that are too long or no UTF-8 are findings, and *ret is there all the same.
 * -EINVAL with a finding, and no *ret, when the text cannot be read at all; -ENOMEM. Opens no file
 * (fuzzed). Findings are added to those that are there: begin with {0}. */
int fh_sheet_parse(const char *text, const char *name, struct fh_onboarding_findings *findings,
                   struct fh_sheet **ret);
void fh_sheet_free(struct fh_sheet *sheet);

/* What is missing, and the guide's rules. Pure. */
void fh_sheet_check(const struct fh_sheet *sheet, struct fh_onboarding_findings *findings);
/* The image files: there, readable, of a known type, not too large. folder: paths in the sheet are
 * relative to it. Reads files. */
void fh_sheet_check_images(const struct fh_sheet *sheet, const char *folder,
                           struct fh_onboarding_findings *findings);
/* Whether what firehosed is told to read is what the sheet orders: event types of sinks, channel,
 * endpoint, replicas. config_name stands for its file. Pure. */
void fh_sheet_compare(const struct fh_sheet *sheet, const struct fh_config *config,
                      const char *config_name, struct fh_onboarding_findings *findings);
/* By line, stable: the order in which a person goes through the file. */
void fh_onboarding_sort(struct fh_onboarding_findings *findings);

enum fh_document_format { FH_DOCUMENT_MARKDOWN, FH_DOCUMENT_HTML, FH_DOCUMENT_JSON };

/* The document, appended. folder as above: the HTML form holds the images themselves (an image that
 * cannot be read is named instead), the others name their files. draft: the document says that it
 * is not complete. 0 or negative with a sentence. */
int fh_sheet_render(const struct fh_sheet *sheet, enum fh_document_format format, bool draft,
                    const char *folder, struct fh_buf *into, struct fh_error *err);

#endif
