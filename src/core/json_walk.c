/* json_walk.c: the way through a record, member by member. Knows no member's name, and not what a
 * value means. */
#include "fh/json_walk.h"

#include "json.h"

#include <assert.h>
#include <string.h>

/* An object that the walk is inside. */
struct frame {
    uint32_t seen; /* bit per member of the place */
    uint8_t place;
};

struct walk {
    const struct fh_json_walk *how;
    void *userdata;
    const struct fh_json_ops *ops;
    struct fh_json json;
    unsigned depth;
    struct frame frame[FH_JSON_WALK_DEPTH];
};

/* NULL: a name that is not in the table. */
static const struct fh_json_member *find(const struct fh_json_place *place, struct frame *frame,
                                         struct fh_slice key)
{
    static const struct fh_json_member again = {.enter = 0, .take = 0};
    char scratch[FH_JSON_NAME_MAX];
    if (!fh_json_name(key, scratch, sizeof(scratch), &key)) {
        return NULL;
    }
    const struct fh_json_member *member = place->member;
    for (size_t i = 0; i < place->count; i++) {
        if (member[i].len == key.len && memcmp(member[i].name, key.data, key.len) == 0) {
            assert(i < FH_JSON_MEMBERS_MAX);
            bool first = (frame->seen & UINT32_C(1) << i) == 0;
            frame->seen |= UINT32_C(1) << i;
            return first ? &member[i] : &again;
        }
    }
    return NULL;
}

/* What is to be done with the value of a key. False: the walk ends here. */
static bool look_up(struct walk *walk, struct fh_slice key, uint8_t *ret_enter, uint8_t *ret_take)
{
    const struct fh_json_walk *how = walk->how;
    struct frame *frame = &walk->frame[walk->depth];
    *ret_enter = walk->depth == 0 ? how->payload : 0;
    *ret_take = 0;
    if (walk->depth == 0 && how->identify) {
        bool good = how->identify(key, ret_take);
        *ret_enter = *ret_take ? 0 : *ret_enter;
        return good;
    }
    const struct fh_json_member *member = find(&how->place[frame->place], frame, key);
    if (member) {
        *ret_enter = member->enter;
        *ret_take = member->take;
    }
    return true;
}

/* One member, from its key on. Returns the byte behind its value, or behind the opening brace of an
 * object that was entered. NULL: no JSON. */
static const uint8_t *walk_member(struct walk *walk, const uint8_t *p, bool *ret_entered)
{
    const struct fh_json_walk *how = walk->how;
    struct fh_slice key = {"", 0};
    uint8_t enter = 0;
    uint8_t take = 0;
    const uint8_t *value = fh_json_key(walk->ops, &walk->json, p, &key);
    if (!value || value == walk->json.end || !look_up(walk, key, &enter, &take)) {
        return NULL;
    }
    *ret_entered = *value == '{' && enter && walk->depth + 1 < FH_JSON_WALK_DEPTH &&
                   how->enter(walk->userdata, walk->depth, enter);
    if (*ret_entered) {
        walk->frame[++walk->depth] = (struct frame){.place = enter};
        return value + 1;
    }
    const uint8_t *after = walk->ops->value(&walk->json, value, walk->depth + 1);
    if (after && take) {
        struct fh_slice text = {(const char *)value, (size_t)(after - value)};
        how->take(walk->userdata, walk->depth, take, text);
    }
    return after;
}

/* All members; p is behind the opening brace. Returns the byte behind the closing one, and behind
 * the blanks after it. */
static const uint8_t *walk_members(struct walk *walk, const uint8_t *p)
{
    const uint8_t *end = walk->json.end;
    bool fresh = true; /* nothing of the object was read yet: it may be empty */
    for (;;) {
        p = fh_json_skip_blanks(p, end);
        if (!fresh || p == end || *p != '}') {
            p = walk_member(walk, p, &fresh);
            if (!p) {
                return NULL;
            }
            if (fresh) {
                continue;
            }
            p = fh_json_skip_blanks(p, end);
        }
        while (p < end && *p == '}') {
            p = fh_json_skip_blanks(p + 1, end);
            if (walk->depth == 0) {
                return p;
            }
            walk->depth--;
        }
        if (p == end || *p != ',') {
            return NULL;
        }
        p++;
        fresh = false;
    }
}

bool fh_json_walk(const struct fh_json_walk *how, void *userdata, const char *text, size_t len)
{
    struct walk walk;
    walk.how = how;
    walk.userdata = userdata;
    walk.ops = fh_json_implementation(0);
    walk.json =
        (struct fh_json){.start = (const uint8_t *)text, .end = (const uint8_t *)text + len};
    walk.depth = 0;
    walk.frame[0] = (struct frame){.place = 0};
    const uint8_t *end = walk.json.end;
    const uint8_t *p = fh_json_skip_blanks(walk.json.start, end);
    return p < end && *p == '{' && walk_members(&walk, p + 1) == end;
}
