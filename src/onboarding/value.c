/* value.c: what can be asked of the values of a sheet. */
#include "sheet.h"

#include <string.h>

size_t fh_sheet_entries(const struct fh_sheet *sheet, const char *part)
{
    return sheet->entries[fh_part_find(part)];
}

const struct fh_value *fh_sheet_value(const struct fh_sheet *sheet, const struct fh_field *field,
                                      size_t entry)
{
    return &sheet->value[entry][field - fh_fields];
}

const char *fh_sheet_text(const struct fh_sheet *sheet, const char *path, size_t entry)
{
    const struct fh_value *value = fh_sheet_value(sheet, fh_field_of(path), entry);
    return value->count > 0 ? value->text[0] : "";
}

bool fh_sheet_has(const struct fh_sheet *sheet, const struct fh_field *field, size_t entry)
{
    const struct fh_value *value = fh_sheet_value(sheet, field, entry);
    if (value->line == 0 || value->bad) {
        return false;
    }
    return field->type == FH_FIELD_NUMBER ||
           (value->count > 0 && (fh_field_is_list(field) || value->text[0][0] != '\0'));
}

int fh_sheet_line(const struct fh_sheet *sheet, const char *path, size_t entry)
{
    const struct fh_field *field = fh_field_of(path);
    int line = fh_sheet_value(sheet, field, entry)->line;
    for (size_t part = 0; part < fh_part_count && line == 0; part++) {
        if (fh_field_in(field, &fh_parts[part])) {
            line = entry < sheet->entries[part] ? sheet->entry_line[part][entry]
                                                : sheet->part_line[part];
        }
    }
    return line;
}

const struct fh_order_event *fh_sheet_event(const struct fh_sheet *sheet, size_t index)
{
    const struct fh_value *types = fh_sheet_value(sheet, fh_field_of("events.types"), 0);
    return index < types->count ? fh_order_event_find(types->text[index]) : NULL;
}
