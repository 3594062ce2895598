/* sheet.h: the values of a sheet, private to src/onboarding. */
#ifndef FH_ONBOARDING_SHEET_H
#define FH_ONBOARDING_SHEET_H

#include "schema.h"

#include "fh/onboarding.h"

#include <libconfig.h>
#include <stdint.h>

struct fh_value {
    int line;     /* 0: not given */
    bool bad;     /* given, but refused: count is 0, and the checks stay silent about it */
    size_t count; /* of text; 1 for a string */
    const char *text[FH_VALUES_MAX]; /* owned by the tree; UTF-8, no control characters but \n */
    int64_t number;                  /* FH_FIELD_NUMBER */
};

struct fh_sheet {
    config_t tree;
    char name[256];
    int part_line[FH_PARTS_MAX];   /* 0: not given */
    bool part_there[FH_PARTS_MAX]; /* given, and a group or a list as it should be */
    size_t entries[FH_PARTS_MAX];  /* of a list; 1 for a group that is there */
    int entry_line[FH_PARTS_MAX][FH_ENTRIES_MAX];
    struct fh_value value[FH_ENTRIES_MAX][FH_FIELDS_MAX];
};

size_t fh_sheet_entries(const struct fh_sheet *sheet, const char *part);
const struct fh_value *fh_sheet_value(const struct fh_sheet *sheet, const struct fh_field *field,
                                      size_t entry);
/* "" when there is none. Not for lists and numbers. */
const char *fh_sheet_text(const struct fh_sheet *sheet, const char *path, size_t entry);
/* Given and not refused, a string not empty, a list with at least one entry. */
bool fh_sheet_has(const struct fh_sheet *sheet, const struct fh_field *field, size_t entry);
/* Where it was given, or else its entry, or else its part, or 0. */
int fh_sheet_line(const struct fh_sheet *sheet, const char *path, size_t entry);
/* One of the list events.types, or NULL when it is no event type. */
const struct fh_order_event *fh_sheet_event(const struct fh_sheet *sheet, size_t index);

void fh_sheet_refuse(struct fh_onboarding_findings *findings, const char *name, int line,
                     const char *format, ...) FH_PRINTF(4, 5);
void fh_sheet_warn(struct fh_onboarding_findings *findings, const char *name, int line,
                   const char *format, ...) FH_PRINTF(4, 5);

#endif
