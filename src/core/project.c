/* project.c: copies a JSON text without the members a sink is not to get. Works on bytes: what is
 * kept is not written anew but copied, so numbers and escapes stay as they are. Never judges what a
 * member means.
 *
 * On the way down it knows which paths agree with all names so far, as one bit per path; where none
 * can still apply, a value is checked and copied as a whole. */
#include "fh/project.h"

#include "envelope_scan.h"

#include <errno.h>
#include <string.h>

/* A container the pass is inside. */
struct frame {
    uint32_t include, drop; /* paths that agree so far */
    uint8_t names;          /* how many names that were; elements of arrays have none */
    bool partial;           /* only what is included is kept; else all but what is dropped */
    bool array;
    bool any; /* a member or an element was written */
};

struct pass {
    const struct fh_projection *projection;
    const struct fh_json_ops *ops;
    struct fh_json json;
    char *out; /* room for the whole text is there, and never more is written than was read */
    unsigned depth;
    struct frame frame[FH_DEPTH_MAX + 1]; /* 0: around the outermost value */
};

/* ---- paths ---------------------------------------------------------------------------------- */

static bool is_star(const struct fh_project_path *path, unsigned i)
{
    return path->name[i].len == 1 && path->text[path->name[i].offset] == '*';
}

static bool is_name(const struct fh_project_path *path, unsigned i, struct fh_slice name)
{
    return path->name[i].len == name.len &&
           memcmp(path->text + path->name[i].offset, name.data, name.len) == 0;
}

static int split(const char *text, struct fh_project_path *ret, struct fh_error *err)
{
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(ret->text)) {
        return fh_error_set(err, -EINVAL, "\"%.100s\" has %zu bytes; a path has 1 to %zu", text,
                            len, sizeof(ret->text) - 1);
    }
    memcpy(ret->text, text, len + 1);
    for (const char *at = text;; at++) {
        size_t name = strcspn(at, ".");
        if (ret->names == FH_PROJECT_NAMES_MAX) {
            return fh_error_set(err, -EINVAL, "\"%s\" has more than %d names", text,
                                FH_PROJECT_NAMES_MAX);
        }
        if (name == 0) {
            return fh_error_set(err, -EINVAL,
                                "\"%s\" has an empty name; write names with one dot between them, "
                                "like \"deviceLocationUpdate.device.email\"",
                                text);
        }
        if (name > 1 && memchr(at, '*', name)) {
            return fh_error_set(err, -EINVAL,
                                "\"%s\": a * stands for one whole name, not for a part of it or "
                                "for several",
                                text);
        }
        ret->name[ret->names].offset = (uint8_t)(at - text);
        ret->name[ret->names++].len = (uint8_t)name;
        at += name;
        if (*at == '\0') {
            return 0;
        }
    }
}

/* Things that look like a path and never are the name of a member of an event. */
static int look_at_names(const struct fh_project_path *path, struct fh_error *err)
{
    if (strpbrk(path->text, "[]")) {
        return fh_error_set(err, -EINVAL,
                            "\"%s\" has a bracket; arrays need no index, the path goes through all "
                            "of their elements",
                            path->text);
    }
    if (strchr("/$", path->text[0])) {
        return fh_error_set(err, -EINVAL,
                            "\"%s\" begins with %c; write the names alone, with dots between them",
                            path->text, path->text[0]);
    }
    for (const char *c = path->text; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == '"' || *c == ',' || *c == '\x7f') {
            return fh_error_set(err, -EINVAL,
                                "\"%s\" has a blank, a comma or a quote in it; give one path per "
                                "entry of the list",
                                path->text);
        }
    }
    return 0;
}

static int add(struct fh_project_paths *paths, const struct fh_project_path *path,
               struct fh_error *err)
{
    if (paths->count == FH_PROJECT_PATHS_MAX) {
        return fh_error_set(err, -EINVAL, "\"%s\" is one path too many; at most %d are allowed",
                            path->text, FH_PROJECT_PATHS_MAX);
    }
    paths->path[paths->count++] = *path;
    return 0;
}

int fh_projection_include(struct fh_projection *projection, const char *text, struct fh_error *err)
{
    struct fh_project_path path = {.names = 0};
    int r = split(text, &path, err);
    r = r < 0 ? r : look_at_names(&path, err);
    return r < 0 ? r : add(&projection->include, &path, err);
}

int fh_projection_drop(struct fh_projection *projection, const char *text, struct fh_error *err)
{
    struct fh_project_path path = {.names = 0};
    int r = split(text, &path, err);
    r = r < 0 ? r : look_at_names(&path, err);
    enum fh_envelope_member member = FH_MEMBER_OTHER;
    if (r == 0 && fh_envelope_identify(path.text, path.name[0].len, &member) &&
        member != FH_MEMBER_OTHER) {
        r = fh_error_set(err, -EINVAL,
                         "\"%s\" cannot be dropped: recordUid, eventType, recordTimestamp and "
                         "spacesTenantId are always kept",
                         text);
    }
    return r < 0 ? r : add(&projection->drop, &path, err);
}

/* Everything that inner names is below what outer names. */
static bool covers(const struct fh_project_path *outer, const struct fh_project_path *inner)
{
    if (outer->names > inner->names) {
        return false;
    }
    for (unsigned i = 0; i < outer->names; i++) {
        struct fh_slice name = {inner->text + inner->name[i].offset, inner->name[i].len};
        if (!is_star(outer, i) && !is_name(outer, i, name)) {
            return false;
        }
    }
    return true;
}

int fh_projection_check(const struct fh_projection *projection, struct fh_error *err)
{
    for (uint32_t i = 0; i < projection->include.count; i++) {
        const struct fh_project_path *include = &projection->include.path[i];
        struct fh_slice first = {include->text, include->name[0].len};
        enum fh_envelope_member member = FH_MEMBER_OTHER;
        fh_envelope_identify(first.data, first.len, &member);
        for (uint32_t k = 0; k < projection->drop.count && member == FH_MEMBER_OTHER; k++) {
            if (covers(&projection->drop.path[k], include)) {
                return fh_error_set(err, -EINVAL,
                                    "\"%s\" is included, but all of it is dropped again by \"%s\"; "
                                    "remove one of them",
                                    include->text, projection->drop.path[k].text);
            }
        }
    }
    return 0;
}

/* ---- the copy ------------------------------------------------------------------------------- */

/* Of the paths that agreed so far: which agree with this name, too (ret), and do some end with it?
 * name.data NULL: one that only a * agrees with. */
static bool step(const struct fh_project_paths *paths, uint32_t agreed, unsigned names,
                 struct fh_slice name, uint32_t *ret)
{
    bool ends = false;
    uint32_t still = 0;
    for (; agreed; agreed &= agreed - 1) {
        unsigned i = (unsigned)__builtin_ctz(agreed);
        const struct fh_project_path *path = &paths->path[i];
        if (!is_star(path, names) && (!name.data || !is_name(path, names, name))) {
            continue;
        }
        if (path->names == names + 1) {
            ends = true;
        } else {
            still |= UINT32_C(1) << i;
        }
    }
    *ret = still;
    return ends;
}

/* The frame the value of a member would be, or false when the member is to be left out. */
static bool keep(const struct pass *pass, const struct frame *around, struct fh_slice key,
                 bool container, struct frame *ret)
{
    char scratch[FH_PROJECT_PATH_MAX];
    enum fh_envelope_member member = FH_MEMBER_OTHER;
    *ret = (struct frame){.names = (uint8_t)(around->names + 1)};
    if (pass->depth == 1 && fh_envelope_identify(key.data, key.len, &member) &&
        member != FH_MEMBER_OTHER) {
        return true;
    }
    struct fh_slice name = key;
    if (memchr(key.data, '\\', key.len)) {
        enum fh_json_text whole = fh_json_unescape((const uint8_t *)key.data, key.len, scratch,
                                                   sizeof(scratch), &name.len);
        name.data = whole == FH_JSON_TEXT_TOO_LONG ? NULL : scratch;
    }
    if (step(&pass->projection->drop, around->drop, around->names, name, &ret->drop)) {
        return false;
    }
    if (!around->partial) {
        return true;
    }
    if (step(&pass->projection->include, around->include, around->names, name, &ret->include)) {
        ret->include = 0;
        return true;
    }
    ret->partial = true;
    return container && ret->include != 0;
}

static void write_bytes(struct pass *pass, const void *bytes, size_t len)
{
    memcpy(pass->out, bytes, len);
    pass->out += len;
}

/* A value that is kept, from its first byte on, with what is to be written before it (its key).
 * Returns the byte behind it, or behind its opening bracket when it is to be looked into. */
static const uint8_t *copy_value(struct pass *pass, struct fh_slice key, const uint8_t *value,
                                 const struct frame *inside)
{
    struct frame *around = &pass->frame[pass->depth];
    bool container = *value == '{' || *value == '[';
    bool whole = !inside->partial && inside->drop == 0;
    const uint8_t *after = value + 1;
    if (whole || !container) {
        after = pass->ops->value(&pass->json, value, pass->depth);
        if (!after) {
            return NULL;
        }
    } else if (pass->depth == FH_DEPTH_MAX) {
        return NULL;
    }
    if (around->any) {
        write_bytes(pass, ",", 1);
    }
    around->any = true;
    if (key.data) {
        write_bytes(pass, key.data - 1, key.len + 2);
        write_bytes(pass, ":", 1);
    }
    write_bytes(pass, value, (size_t)(after - value));
    if (!whole && container) {
        struct frame *frame = &pass->frame[++pass->depth];
        *frame = *inside;
        frame->array = *value == '[';
        frame->any = false;
    }
    return after;
}

/* The next member or element of the innermost container; p is at its first byte. */
static const uint8_t *copy_next(struct pass *pass, const uint8_t *p)
{
    struct frame *around = &pass->frame[pass->depth];
    struct fh_slice key = {NULL, 0};
    struct frame inside = *around;
    bool kept = true;
    if (pass->depth > 0 && !around->array) {
        p = fh_json_key(pass->ops, &pass->json, p, &key);
    }
    if (!p || p == pass->json.end) {
        return NULL;
    }
    bool container = *p == '{' || *p == '[';
    if (key.data) {
        kept = keep(pass, around, key, container, &inside);
    } else if (pass->depth > 0) {
        kept = container || !around->partial;
    }
    return kept ? copy_value(pass, key, p, &inside) : pass->ops->value(&pass->json, p, pass->depth);
}

static const uint8_t *copy_all(struct pass *pass, const uint8_t *p)
{
    const uint8_t *end = pass->json.end;
    bool fresh = false; /* a container was just opened: it may be empty */
    for (;;) {
        p = fh_json_skip_blanks(p, end);
        bool empty = fresh && p < end && *p == (pass->frame[pass->depth].array ? ']' : '}');
        if (!empty) {
            unsigned depth = pass->depth;
            p = copy_next(pass, p);
            if (!p) {
                return NULL;
            }
            fresh = pass->depth > depth;
            if (fresh) {
                continue;
            }
        }
        for (;;) {
            p = fh_json_skip_blanks(p, end);
            if (pass->depth == 0) {
                return p;
            }
            if (p == end || *p != (pass->frame[pass->depth].array ? ']' : '}')) {
                break;
            }
            write_bytes(pass, p++, 1);
            pass->depth--;
        }
        if (p == end || *p != ',') {
            return NULL;
        }
        p++;
        fresh = false;
    }
}

static uint32_t all_of(const struct fh_project_paths *paths)
{
    return paths->count == 0 ? 0 : UINT32_MAX >> (FH_PROJECT_PATHS_MAX - paths->count);
}

int fh_project(const struct fh_projection *projection, const char *text, size_t len,
               struct fh_buf *into)
{
    int r = fh_buf_reserve(into, len);
    if (r < 0) {
        return r;
    }
    struct pass pass;
    pass.projection = projection;
    pass.ops = fh_json_implementation(0);
    pass.json =
        (struct fh_json){.start = (const uint8_t *)text, .end = (const uint8_t *)text + len};
    pass.out = into->data + into->len;
    pass.depth = 0;
    pass.frame[0] = (struct frame){
        .include = all_of(&projection->include),
        .drop = all_of(&projection->drop),
        .partial = projection->include.count > 0,
    };
    const uint8_t *p = copy_all(&pass, pass.json.start);
    if (p != pass.json.end || !p) {
        return -EINVAL;
    }
    into->len = (size_t)(pass.out - into->data);
    return 0;
}
