/* schema.h: the one table of fields, private to src/onboarding. The empty sheet, the parser, the
 * checks, the documents and the manual page come from it. */
#ifndef FH_ONBOARDING_SCHEMA_H
#define FH_ONBOARDING_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#define FH_FIELDS_MAX   32
#define FH_PARTS_MAX    8
#define FH_ENTRIES_MAX  64 /* of a part that is a list */
#define FH_VALUES_MAX   32 /* of a field that is a list */
#define FH_SPACES_MAP   "spaces"
#define FH_REPLICAS_MAX 3

enum fh_field_type {
    FH_FIELD_LINE,    /* a string of one line */
    FH_FIELD_TEXT,    /* a string that may have several */
    FH_FIELD_IMAGE,   /* a string, the path of an image file */
    FH_FIELD_MAP,     /* the same, or FH_SPACES_MAP */
    FH_FIELD_WEBSITE, /* a string, http:// or https:// */
    FH_FIELD_DOMAIN,  /* a string, https://HOST/ */
    FH_FIELD_EVENTS,  /* a list of event types */
    FH_FIELD_WORDS,   /* a list out of choices */
    FH_FIELD_NUMBER,  /* an integer, 0 to FH_REPLICAS_MAX */
};

struct fh_part {
    const char *name;
    bool list;     /* ( { ... }, { ... } ) */
    bool optional; /* may be left out as a whole */
    const char *title;
    const char *entry; /* list: what to call one of them */
    const char *sentence;
};

struct fh_field {
    const char *path; /* "part.name" */
    enum fh_field_type type;
    bool required;     /* when its part, or the entry of the list, is there */
    const char *label; /* the guide's words */
    const char *sentence;
    const char *example;        /* as it is written in the sheet */
    size_t max;                 /* characters of a string; of each in a list */
    const char *const *choices; /* WORDS; NULL-terminated */
    const char *const *spoken;  /* WORDS: how a document calls them, in the same order */
};

extern const struct fh_part fh_parts[];
extern const size_t fh_part_count;
extern const struct fh_field fh_fields[];
extern const size_t fh_field_count;

bool fh_field_in(const struct fh_field *field, const struct fh_part *part);
const char *fh_field_name(const struct fh_field *field); /* behind the dot */
/* Index in its table, or -1. A path that is no field's is our own bug. */
int fh_part_find(const char *name);
int fh_field_find(const char *part, const char *name);
const struct fh_field *fh_field_of(const char *path);
bool fh_field_is_list(const struct fh_field *field);
bool fh_field_is_image(const struct fh_field *field);
/* "a list of event types": what it accepts, in words. */
const char *fh_field_expects(const struct fh_field *field);
/* The nearest to a name nobody knows, or NULL: a field's path; a part's name. */
const char *fh_field_nearest(const char *part, const char *name);
const char *fh_part_nearest(const char *name);

enum fh_event_kind {
    FH_EVENT_PLAIN,
    FH_EVENT_LOCATION, /* needs coordinates and a map */
    FH_EVENT_PRESENCE, /* needs a level; one of them or LOCATION has to be chosen */
    FH_EVENT_TELE,     /* brings presence and people count */
    FH_EVENT_ALWAYS,   /* nobody orders it */
};

struct fh_order_event {
    const char *name;  /* the guide's */
    const char *types; /* eventType of the records it brings, blank-separated */
    enum fh_event_kind kind;
    const char *group; /* the guide's heading */
    const char *sentence;
};

extern const struct fh_order_event fh_order_events[];
extern const size_t fh_order_event_count;

/* By the guide's name or an eventType, blind to case; NULL. */
const struct fh_order_event *fh_order_event_find(const char *name);
const char *fh_order_event_nearest(const char *name);
/* Does it bring records of this eventType? */
bool fh_order_event_brings(const struct fh_order_event *event, const char *type);

#endif
