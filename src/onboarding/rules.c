/* rules.c: owns what must hold of a sheet: what has to be there, and the guide's rules. Pure. A
 * field that was refused already stays out of it: one mistake, one finding. */
#include "sheet.h"

#include "fh/nearest.h"

#include <stdio.h>
#include <string.h>

struct checking {
    const struct fh_sheet *sheet;
    struct fh_onboarding_findings *findings;
};

#define REFUSE(checking, path, entry, ...)                                                         \
    fh_sheet_refuse((checking)->findings, (checking)->sheet->name,                                 \
                    fh_sheet_line((checking)->sheet, (path), (entry)), __VA_ARGS__)
#define WARN(checking, path, entry, ...)                                                           \
    fh_sheet_warn((checking)->findings, (checking)->sheet->name,                                   \
                  fh_sheet_line((checking)->sheet, (path), (entry)), __VA_ARGS__)

/* ---- what has to be there ---------------------------------------------------------------------
 */

static void check_given(const struct checking *checking, const struct fh_field *field, size_t entry)
{
    const struct fh_value *value = fh_sheet_value(checking->sheet, field, entry);
    if (!field->required || value->bad || fh_sheet_has(checking->sheet, field, entry)) {
        return;
    }
    REFUSE(checking, field->path, entry, "%s is %s (%s); write %s = %s;", field->path,
           value->line > 0 ? "empty" : "missing", field->label, fh_field_name(field),
           field->example);
}

static void check_part(const struct checking *checking, size_t index)
{
    const struct fh_sheet *sheet = checking->sheet;
    const struct fh_part *part = &fh_parts[index];
    if (sheet->part_line[index] == 0 && !part->optional) {
        fh_sheet_refuse(checking->findings, sheet->name, 0,
                        "the section %s is missing (%s); add %s: %s", part->name, part->title,
                        part->name, part->list ? "( { ... } );" : "{ ... };");
        return;
    }
    if (sheet->part_there[index] && sheet->entries[index] == 0 && !part->optional) {
        fh_sheet_refuse(checking->findings, sheet->name, sheet->part_line[index],
                        "%s is empty; at least one { ... } is needed", part->name);
    }
    for (size_t entry = 0; entry < sheet->entries[index]; entry++) {
        for (size_t i = 0; i < fh_field_count; i++) {
            if (fh_field_in(&fh_fields[i], part)) {
                check_given(checking, &fh_fields[i], entry);
            }
        }
    }
}

/* ---- single values ----------------------------------------------------------------------------
 */

static void check_event_names(const struct checking *checking)
{
    const char *path = "events.types";
    const struct fh_value *types = fh_sheet_value(checking->sheet, fh_field_of(path), 0);
    for (size_t i = 0; i < types->count; i++) {
        const struct fh_order_event *event = fh_order_event_find(types->text[i]);
        const char *nearest = event ? NULL : fh_order_event_nearest(types->text[i]);
        if (!event) {
            REFUSE(checking, path, 0, "%s: the guide has no event type \"%s\"; %s%s%s", path,
                   types->text[i], nearest ? "did you mean \"" : "",
                   nearest ? nearest : "firehosectl onboarding fields lists them",
                   nearest ? "\"?" : "");
            continue;
        }
        if (event->kind == FH_EVENT_ALWAYS) {
            WARN(checking, path, 0, "%s: \"%s\" comes by itself and cannot be ordered; remove it",
                 path, event->name);
        }
        for (size_t k = 0; k < i; k++) {
            if (fh_order_event_find(types->text[k]) == event) {
                WARN(checking, path, 0, "%s: \"%s\" is named twice; once is enough", path,
                     event->name);
                break;
            }
        }
    }
}

static bool is_choice(const struct fh_field *field, const char *text)
{
    for (size_t i = 0; field->choices[i]; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static void check_words(const struct checking *checking, const struct fh_field *field)
{
    const struct fh_value *value = fh_sheet_value(checking->sheet, field, 0);
    for (size_t i = 0; i < value->count; i++) {
        if (is_choice(field, value->text[i])) {
            continue;
        }
        char known[128] = "";
        for (size_t k = 0; field->choices[k]; k++) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof(known) - used, "%s\"%s\"", k > 0 ? ", " : "",
                     field->choices[k]);
        }
        REFUSE(checking, field->path, 0, "%s: \"%s\" is none of %s", field->path, value->text[i],
               known);
    }
}

static void check_addresses(const struct checking *checking)
{
    struct fh_error err;
    struct fh_url_parts url;
    const char *path = "app_center.company_website";
    const char *text = fh_sheet_text(checking->sheet, path, 0);
    if (text[0] != '\0' && fh_config_url(text, &err, &url) < 0) {
        REFUSE(checking, path, 0, "%s %s", path, err.text);
    }
    path = "endpoint.domain";
    text = fh_sheet_text(checking->sheet, path, 0);
    if (text[0] == '\0') {
        return;
    }
    if (fh_config_url(text, &err, &url) < 0) {
        REFUSE(checking, path, 0, "%s %s", path, err.text);
    } else if (!url.https) {
        REFUSE(checking, path, 0, "%s must start with https://: the endpoint is reached by HTTPS",
               path);
    } else if (url.path[0] != '\0' && strcmp(url.path, "/") != 0) {
        REFUSE(checking, path, 0,
               "%s has a path (%s); write the domain only, as in "
               "https://partners.spaces-gov.cisco/",
               path, url.path);
    }
}

/* ---- the guide's rules, chapter 6 -------------------------------------------------------------
 */

static bool orders(const struct fh_sheet *sheet, enum fh_event_kind kind)
{
    const struct fh_value *types = fh_sheet_value(sheet, fh_field_of("events.types"), 0);
    for (size_t i = 0; i < types->count; i++) {
        const struct fh_order_event *event = fh_sheet_event(sheet, i);
        if (event && event->kind == kind) {
            return true;
        }
    }
    return false;
}

/* "If you do not select the Device Location Update event, select either the Device Presence or the
 * User Presence event in the Event Types section." An unknown type may have been meant as one of
 * them: then that is the finding. */
static void check_choice(const struct checking *checking)
{
    const struct fh_sheet *sheet = checking->sheet;
    const struct fh_value *types = fh_sheet_value(sheet, fh_field_of("events.types"), 0);
    for (size_t i = 0; i < types->count; i++) {
        if (!fh_sheet_event(sheet, i)) {
            return;
        }
    }
    if (types->count > 0 && !orders(sheet, FH_EVENT_LOCATION) &&
        !orders(sheet, FH_EVENT_PRESENCE)) {
        REFUSE(checking, "events.types", 0,
               "events.types: without Device Location Update the vendor asks for Device Presence "
               "or User Presence; add \"Device Presence\" or \"User Presence\"");
    }
}

/* "Apps that use presence events require zone-, floor-, or site-level presence data." "If you
 * select the Tele Presence option ... includes the presence event". */
static void check_presence(const struct checking *checking)
{
    const struct fh_sheet *sheet = checking->sheet;
    const char *path = "events.presence_levels";
    const struct fh_field *field = fh_field_of(path);
    bool tele = orders(sheet, FH_EVENT_TELE);
    bool presence = orders(sheet, FH_EVENT_PRESENCE) || tele;
    bool given = fh_sheet_has(sheet, field, 0);
    if (presence && !given && !fh_sheet_value(sheet, field, 0)->bad) {
        REFUSE(checking, path, 0,
               "%s is missing: %s needs presence at zone, floor or site level; write "
               "presence_levels = ( \"floor\" );",
               path, orders(sheet, FH_EVENT_PRESENCE) ? "a presence event" : "Tele Presence");
    } else if (!presence && given) {
        WARN(checking, path, 0, "%s: no presence event is ordered; remove it, or order one", path);
    }
}

/* "Your app requires X,Y and/or latitude and longitude location data, and a map of the
 * location." */
static void check_location(const struct checking *checking)
{
    const struct fh_sheet *sheet = checking->sheet;
    const char *path = "events.coordinates";
    const struct fh_field *field = fh_field_of(path);
    const struct fh_field *map = fh_field_of("locations.map");
    bool location = orders(sheet, FH_EVENT_LOCATION);
    bool given = fh_sheet_has(sheet, field, 0);
    if (location && !given && !fh_sheet_value(sheet, field, 0)->bad) {
        REFUSE(checking, path, 0,
               "%s is missing: Device Location Update needs X,Y or latitude and longitude, or "
               "both; write coordinates = ( \"xy\", \"geo\" );",
               path);
    } else if (!location && given) {
        WARN(checking, path, 0, "%s: Device Location Update is not ordered; remove it, or order it",
             path);
    }
    for (size_t entry = 0; location && entry < fh_sheet_entries(sheet, "locations"); entry++) {
        if (!fh_sheet_has(sheet, map, entry) && !fh_sheet_value(sheet, map, entry)->bad) {
            REFUSE(checking, map->path, entry,
                   "%s is missing: Device Location Update needs a map of the location; write map "
                   "= \"spaces\"; (Cisco Spaces has it), or name the file with it",
                   map->path);
        }
    }
}

static void check_same_locations(const struct checking *checking)
{
    const struct fh_sheet *sheet = checking->sheet;
    static const char *const paths[] = {"locations.campus", "locations.building",
                                        "locations.floor"};
    for (size_t a = 0; a < fh_sheet_entries(sheet, "locations"); a++) {
        for (size_t b = 0; b < a; b++) {
            size_t same = 0;
            for (size_t i = 0; i < FH_ARRAY_LEN(paths); i++) {
                const char *text = fh_sheet_text(sheet, paths[i], a);
                same += text[0] != '\0' && strcmp(text, fh_sheet_text(sheet, paths[i], b)) == 0;
            }
            if (same == FH_ARRAY_LEN(paths)) {
                WARN(checking, paths[0], a, "locations: this floor is named twice; remove one");
                break;
            }
        }
    }
}

void fh_sheet_check(const struct fh_sheet *sheet, struct fh_onboarding_findings *findings)
{
    const struct checking checking = {sheet, findings};
    for (size_t part = 0; part < fh_part_count; part++) {
        check_part(&checking, part);
    }
    for (size_t i = 0; i < fh_field_count; i++) {
        if (fh_fields[i].type == FH_FIELD_WORDS) {
            check_words(&checking, &fh_fields[i]);
        }
    }
    check_event_names(&checking);
    check_addresses(&checking);
    check_choice(&checking);
    check_presence(&checking);
    check_location(&checking);
    check_same_locations(&checking);
}
