/* render_json.c: the document for programs: a member for each field, named as in the sheet. */
#include "render.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static cJSON *event_json(const struct fh_document *document, const struct fh_field *field,
                         const struct fh_value *value, size_t index)
{
    const struct fh_order_event *event = fh_sheet_event(document->sheet, index);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", fh_document_word(document, field, value, index));
    cJSON *types = cJSON_AddArrayToObject(object, "event_types");
    for (const char *type = event ? event->types : ""; *type;) {
        char name[64];
        size_t len = strcspn(type, " ");
        snprintf(name, sizeof(name), "%.*s", (int)len, type);
        cJSON_AddItemToArray(types, cJSON_CreateString(name));
        type += len + strspn(type + len, " ");
    }
    return object;
}

static cJSON *field_json(const struct fh_document *document, const struct fh_field *field,
                         size_t entry)
{
    const struct fh_value *value = fh_sheet_value(document->sheet, field, entry);
    if (!fh_sheet_has(document->sheet, field, entry)) {
        return cJSON_CreateNull();
    }
    if (field->type == FH_FIELD_NUMBER) {
        return cJSON_CreateNumber((double)value->number);
    }
    if (!fh_field_is_list(field)) {
        return cJSON_CreateString(value->text[0]);
    }
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < value->count; i++) {
        cJSON_AddItemToArray(list, field->type == FH_FIELD_EVENTS
                                       ? event_json(document, field, value, i)
                                       : cJSON_CreateString(value->text[i]));
    }
    return list;
}

static cJSON *entry_json(const struct fh_document *document, const struct fh_part *part,
                         size_t entry)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < fh_field_count; i++) {
        if (fh_field_in(&fh_fields[i], part)) {
            cJSON_AddItemToObject(object, fh_field_name(&fh_fields[i]),
                                  field_json(document, &fh_fields[i], entry));
        }
    }
    return object;
}

void fh_document_json(struct fh_document *document)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "document", "cisco-spaces-onboarding");
    cJSON_AddNumberToObject(root, "version", 1);
    cJSON_AddBoolToObject(root, "draft", document->draft);
    for (size_t index = 0; index < fh_part_count; index++) {
        const struct fh_part *part = &fh_parts[index];
        size_t entries = document->sheet->entries[index];
        if (!part->list) {
            cJSON_AddItemToObject(root, part->name,
                                  entries > 0 ? entry_json(document, part, 0) : cJSON_CreateNull());
            continue;
        }
        cJSON *list = cJSON_AddArrayToObject(root, part->name);
        for (size_t entry = 0; entry < entries; entry++) {
            cJSON_AddItemToArray(list, entry_json(document, part, entry));
        }
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) {
        document->error = -ENOMEM;
        return;
    }
    fh_document_bytes(document, text, strlen(text));
    fh_document_bytes(document, "\n", 1);
    cJSON_free(text);
}
