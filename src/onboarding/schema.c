/* schema.c: owns the table of fields and what can be asked of a row. Never reads a file. Order and
 * labels are those of the guide, chapter 2. */
#include "schema.h"

#include "fh/err.h"
#include "fh/nearest.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static const char *const channels[] = {"http", "grpc", "websocket", NULL};
static const char *const spoken_channels[] = {"HTTP", "gRPC", "Websocket", NULL};
static const char *const levels[] = {"zone", "floor", "site", NULL};
static const char *const spoken_levels[] = {"zone level", "floor level", "site level", NULL};
static const char *const coordinates[] = {"xy", "geo", NULL};
static const char *const spoken_coordinates[] = {"X,Y", "latitude and longitude", NULL};

const struct fh_part fh_parts[] = {
    {"app_center", .title = "App center information",
     .sentence = "How the application is shown in the app center."},
    {"use_cases", .list = true, .optional = true, .title = "Use cases", .entry = "Use case",
     .sentence = "Only if use cases are enabled: what the integration is for and what the business "
                 "gains by it. Leave the whole list out otherwise."},
    {"app_tile", .title = "App tile", .sentence = "How the application's tile is labelled."},
    {"events", .title = "Event types",
     .sentence = "What the application is to be sent. Order only what is needed."},
    {"integration", .title = "Integration types",
     .sentence = "How the application fetches the events."},
    {"locations", .list = true, .title = "Location details for activation", .entry = "Location",
     .sentence = "Where the application is activated: the exact location hierarchy, one group for "
                 "each floor."},
    {"endpoint", .title = "Endpoint domain",
     .sentence = "Where the stream is fetched from, to be confirmed by the vendor."},
};
const size_t fh_part_count = FH_ARRAY_LEN(fh_parts);
_Static_assert(FH_ARRAY_LEN(fh_parts) <= FH_PARTS_MAX, "every part finds its place");

const struct fh_field fh_fields[] = {
    {"app_center.name", FH_FIELD_LINE, true, "App Name", "Name of the application.",
     "\"Building Insight\"", .max = 100},
    {"app_center.tagline", FH_FIELD_LINE, true, "App Tagline", "What it does, in one sentence.",
     "\"See which rooms are used\"", .max = 200},
    {"app_center.icon", FH_FIELD_IMAGE, true, "App Icon",
     "File with its picture: PNG, JPEG, GIF, WebP or SVG, at most 2 MiB; relative to this sheet.",
     "\"onboarding/app-icon.svg\"", .max = 500},
    {"app_center.description", FH_FIELD_TEXT, true, "App Description",
     "What it does and for whom. Several strings one after the other are joined; \\n begins a new "
     "line, \\n\\n a new paragraph.",
     "\"Shows occupancy by floor.\"", .max = 4000},
    {"app_center.primary_industry", FH_FIELD_LINE, true, "Primary Industry",
     "The industry it is made for, as the app center calls it.", "\"Government\"", .max = 100},
    {"app_center.company_logo", FH_FIELD_IMAGE, true, "Company Logo",
     "File with the logo of its maker; formats as for icon.", "\"onboarding/company-logo.svg\"",
     .max = 500},
    {"app_center.company_name", FH_FIELD_LINE, true, "Company Name", "Its maker.",
     "\"Example Systems\"", .max = 200},
    {"app_center.company_website", FH_FIELD_WEBSITE, true, "Company Website",
     "Address of its maker's website, starting with https:// or http://.",
     "\"https://www.example.com/\"", .max = 500},

    {"use_cases.headline", FH_FIELD_LINE, true, "Use Case Headline", "Title of the use case.",
     "\"Space planning\"", .max = 200},
    {"use_cases.icon", FH_FIELD_IMAGE, true, "Use Case Icon",
     "File with its picture; formats as for app_center.icon.", "\"onboarding/use-case.svg\"",
     .max = 500},
    {"use_cases.short_description", FH_FIELD_LINE, true, "Use Case Short Description",
     "The use case in one sentence.", "\"Find rooms that stay empty\"", .max = 300},
    {"use_cases.long_description", FH_FIELD_TEXT, true, "Use Case Long Description",
     "The use case in full, with the expected business outcome.",
     "\"Counts by floor and hour show where space can be given up.\"", .max = 4000},
    {"use_cases.compatibility_notes", FH_FIELD_TEXT, true, "Compatibility Notes",
     "What it needs: access points, cameras, versions; \"None\" if nothing.",
     "\"Any access point that Cisco Spaces supports.\"", .max = 2000},
    {"use_cases.category", FH_FIELD_LINE, true, "Use Case Category",
     "The category chosen from the vendor's list.", "\"Workspace\"", .max = 100},
    {"use_cases.sub_category", FH_FIELD_LINE, true, "Use Case Sub-Category",
     "The sub-category chosen from the vendor's list.", "\"Space utilization\"", .max = 100},

    {"app_tile.label", FH_FIELD_LINE, true, "App Tile Label", "Label of the tile.",
     "\"Building Insight\"", .max = 100},
    {"app_tile.tagline", FH_FIELD_LINE, true, "App Tile Tagline", "Line below the label.",
     "\"Rooms in use, now\"", .max = 200},

    {"events.types", FH_FIELD_EVENTS, true, "Event Types",
     "The event types to be sent, by the guide's names; eventType, as in DEVICE_PRESENCE, is "
     "understood as well. Without Device Location Update, Device Presence or User Presence has to "
     "be among them. Keep Alive comes by itself.",
     "( \"Device Location Update\", \"Device Presence\" )", .max = 60},
    {"events.coordinates", FH_FIELD_WORDS, false, "Location Data",
     "With Device Location Update: \"xy\", \"geo\" (latitude and longitude), or both. A map of "
     "each location is needed then, see locations.map.",
     "( \"xy\", \"geo\" )", .max = 60, .choices = coordinates, .spoken = spoken_coordinates},
    {"events.presence_levels", FH_FIELD_WORDS, false, "Presence Levels",
     "With Device Presence, User Presence or Tele Presence: the levels at which presence is "
     "needed.",
     "( \"floor\", \"site\" )", .max = 60, .choices = levels, .spoken = spoken_levels},

    {"integration.channels", FH_FIELD_WORDS, true, "Pull Channels",
     "The channels the application reads the stream by; firehose.channel of firehosed is to be "
     "one of them.",
     "( \"http\" )", .max = 60, .choices = channels, .spoken = spoken_channels},
    {"integration.replicas", FH_FIELD_NUMBER, true, "Replicas of the Stream",
     "Copies of the stream, each with its own replicaId, up to 3: 2 for a pair, 3 to be able to "
     "look at the stream beside it. For on-premise applications only; 0: none is asked for.",
     "2", .max = 0},

    {"locations.campus", FH_FIELD_LINE, true, "Campus or Site", "Name of the campus or site.",
     "\"Main Campus\"", .max = 200},
    {"locations.building", FH_FIELD_LINE, true, "Building", "Name or number of the building.",
     "\"Building 7\"", .max = 200},
    {"locations.floor", FH_FIELD_LINE, true, "Floor", "Number of the floor, in quotes.", "\"3\"",
     .max = 60},
    {"locations.map", FH_FIELD_MAP, false, "Map",
     "With Device Location Update: \"spaces\" when Cisco Spaces has the floor's map already, or "
     "the file with it; formats as for app_center.icon.",
     "\"spaces\"", .max = 500},

    {"endpoint.domain", FH_FIELD_DOMAIN, true, "Endpoint Domain",
     "Address of the service, https and a host; firehose.url of firehosed is to be the same.",
     "\"https://partners.spaces-gov.cisco/\"", .max = 300},
};
const size_t fh_field_count = FH_ARRAY_LEN(fh_fields);
_Static_assert(FH_ARRAY_LEN(fh_fields) <= FH_FIELDS_MAX, "every field finds its place");

bool fh_field_in(const struct fh_field *field, const struct fh_part *part)
{
    size_t len = strlen(part->name);
    return strncmp(field->path, part->name, len) == 0 && field->path[len] == '.';
}

const char *fh_field_name(const struct fh_field *field)
{
    return strchr(field->path, '.') + 1;
}

int fh_part_find(const char *name)
{
    for (size_t i = 0; i < fh_part_count; i++) {
        if (strcmp(fh_parts[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int fh_field_find(const char *part, const char *name)
{
    size_t len = strlen(part);
    for (size_t i = 0; i < fh_field_count; i++) {
        const char *path = fh_fields[i].path;
        if (strncmp(path, part, len) == 0 && path[len] == '.' &&
            strcmp(path + len + 1, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const struct fh_field *fh_field_of(const char *path)
{
    for (size_t i = 0; i < fh_field_count; i++) {
        if (strcmp(fh_fields[i].path, path) == 0) {
            return &fh_fields[i];
        }
    }
    assert(false);
    return NULL;
}

bool fh_field_is_list(const struct fh_field *field)
{
    return field->type == FH_FIELD_EVENTS || field->type == FH_FIELD_WORDS;
}

bool fh_field_is_image(const struct fh_field *field)
{
    return field->type == FH_FIELD_IMAGE || field->type == FH_FIELD_MAP;
}

const char *fh_field_expects(const struct fh_field *field)
{
    switch (field->type) {
    case FH_FIELD_LINE:
    case FH_FIELD_TEXT:
        return "a string";
    case FH_FIELD_IMAGE:
        return "a string, the path of an image file";
    case FH_FIELD_MAP:
        return "a string: \"" FH_SPACES_MAP "\", or the path of an image file";
    case FH_FIELD_WEBSITE:
    case FH_FIELD_DOMAIN:
        return "a string, an address";
    case FH_FIELD_EVENTS:
        return "a list of event types";
    case FH_FIELD_WORDS:
        return "a list of words";
    case FH_FIELD_NUMBER:
        return "an integer from 0 to 3";
    }
    return "";
}

const char *fh_field_nearest(const char *part, const char *name)
{
    struct fh_nearest nearest;
    size_t part_len = strlen(part);
    fh_nearest_begin(&nearest, name);
    for (size_t i = 0; i < fh_field_count; i++) {
        const char *path = fh_fields[i].path;
        bool here = strncmp(path, part, part_len) == 0 && path[part_len] == '.';
        fh_nearest_offer(&nearest, fh_slips_between(name, fh_field_name(&fh_fields[i])), !here,
                         path);
    }
    return nearest.found;
}

const char *fh_part_nearest(const char *name)
{
    struct fh_nearest nearest;
    fh_nearest_begin(&nearest, name);
    for (size_t i = 0; i < fh_part_count; i++) {
        const char *part = fh_parts[i].name;
        fh_nearest_offer(&nearest, fh_slips_between(name, part), false, part);
    }
    return nearest.found;
}
