/* json_walk.h: goes through a record member by member, into those of its objects in which something
 * matters, and checks on the way that all of it is JSON (RFC 8259). What matters is a table of the
 * caller's; what is found stays where it stands.
 *
 * Pure: no allocation, no recursion, never reads outside the text. Thread-safe. */
#ifndef FH_JSON_WALK_H
#define FH_JSON_WALK_H

#include "fh/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest number, in bytes. RFC 8259 section 9 allows a limit; cJSON without the mend of
 * CVE-2023-26819 refuses longer ones, and what we accept every consumer should be able to read. */
#define FH_JSON_NUMBER_MAX 63

/* Objects the walk is inside at once: the outermost, a payload, and 16 that lie one in the other.
 * One that lies deeper is checked and not looked into. */
#define FH_JSON_WALK_DEPTH  18
#define FH_JSON_MEMBERS_MAX 32 /* of a place */
#define FH_JSON_NAME_MAX    24 /* bytes of a member's name */

/* A place is a kind of object in which something matters, by its number in a table of the caller's;
 * place 0 is the outermost object. A member that matters: */
struct fh_json_member {
    const char *name;
    uint8_t len;
    uint8_t enter; /* the place its value is when it is an object; 0: not to be looked into */
    uint8_t take;  /* what the value is to the caller; 0: nothing */
};
#define FH_JSON_ENTER(text, place)                                                                 \
    {                                                                                              \
        .name = (text), .len = sizeof(text) - 1, .enter = (place)                                  \
    }
#define FH_JSON_TAKE(text, what)                                                                   \
    {                                                                                              \
        .name = (text), .len = sizeof(text) - 1, .take = (what)                                    \
    }

struct fh_json_place {
    const struct fh_json_member *member;
    size_t count;
};
/* members: an array of struct fh_json_member */
#define FH_JSON_PLACE(members)                                                                     \
    {                                                                                              \
        (members), sizeof(members) / sizeof((members)[0])                                          \
    }

/* depth: that of the object around; the outermost has depth 0, a payload 1. */
struct fh_json_walk {
    const struct fh_json_place *place;
    /* The place of objects in the outermost one whose names are not in its table. */
    uint8_t payload;
    /* Instead of a table of the outermost object, or NULL: what the value of this key is to the
     * caller, 0 when it may be a payload. False: the walk ends, as if the text were no JSON. All
     * keys are asked for, also one that was there before. */
    bool (*identify)(struct fh_slice key, uint8_t *ret_take);
    /* An object that is such a place: is it to be entered? */
    bool (*enter)(void *userdata, unsigned depth, uint8_t place);
    /* A value to take, as it stands, quotes and all. Of several equal keys of one object the first
     * counts. */
    void (*take)(void *userdata, unsigned depth, uint8_t what, struct fh_slice value);
};

/* False: the text is no JSON object. What was found before that was noticed has been
 * given away. */
bool fh_json_walk(const struct fh_json_walk *how, void *userdata, const char *text, size_t len);

/* ---- the contents of a string that was walked over ---- */

enum fh_json_text {
    FH_JSON_TEXT_WHOLE,
    FH_JSON_TEXT_TOO_LONG, /* ret_len = capacity bytes were written */
    FH_JSON_TEXT_NUL,      /* stopped at a \u0000; ret_len bytes before it were written */
};
/* Unescape the bytes between the quotes. */
enum fh_json_text fh_json_unescape(const uint8_t *text, size_t len, char *out, size_t capacity,
                                   size_t *ret_len);

#endif
