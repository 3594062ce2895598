/* project_oracle.h: what a projection should leave, done on a tree made by cJSON, deciding for each
 * member anew from all of its names. For test_project.c and fuzz_project.c. */
#ifndef FH_TEST_PROJECT_ORACLE_H
#define FH_TEST_PROJECT_ORACLE_H

#include "fh/project.h"

#include <cjson/cJSON.h>

#include <stdlib.h>
#include <string.h>

#define ORACLE_DEPTH 1100

struct oracle {
    const struct fh_projection *projection;
    const char *name[ORACLE_DEPTH];
    unsigned names;
};

/* Do the first n names agree with those of the path? */
static inline bool oracle_agrees(const struct oracle *oracle, const struct fh_project_path *path,
                                 unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const char *wanted = path->text + path->name[i].offset;
        size_t len = path->name[i].len;
        bool star = len == 1 && wanted[0] == '*';
        if (!star && (strlen(oracle->name[i]) != len || memcmp(wanted, oracle->name[i], len))) {
            return false;
        }
    }
    return true;
}

/* Is something that a path names exactly this (or around it), or below it? */
static inline bool oracle_named(const struct oracle *oracle, const struct fh_project_paths *paths,
                                bool below)
{
    for (uint32_t i = 0; i < paths->count; i++) {
        const struct fh_project_path *path = &paths->path[i];
        if (below ? path->names > oracle->names && oracle_agrees(oracle, path, oracle->names)
                  : path->names <= oracle->names && oracle_agrees(oracle, path, path->names)) {
            return true;
        }
    }
    return false;
}

static inline bool oracle_always(const struct oracle *oracle)
{
    const char *name = oracle->name[0];
    return oracle->names == 1 &&
           (!strcmp(name, "recordUid") || !strcmp(name, "eventType") ||
            !strcmp(name, "recordTimestamp") || !strcmp(name, "spacesTenantId"));
}

/* root_object: the names begin there; of an outermost array nothing is always kept. */
static inline bool oracle_keeps(const struct oracle *oracle, const cJSON *item, bool root_object)
{
    if (root_object && oracle_always(oracle)) {
        return true;
    }
    if (oracle_named(oracle, &oracle->projection->drop, false)) {
        return false;
    }
    bool container = cJSON_IsObject(item) || cJSON_IsArray(item);
    return oracle->projection->include.count == 0 ||
           oracle_named(oracle, &oracle->projection->include, false) ||
           (container && oracle_named(oracle, &oracle->projection->include, true));
}

static inline void oracle_project(struct oracle *oracle, cJSON *node, bool root_object)
{
    if (root_object && oracle->names == 1 && oracle_always(oracle)) {
        return;
    }
    cJSON *item = node->child;
    while (item) {
        cJSON *next = item->next;
        bool member = cJSON_IsObject(node);
        if (member) {
            oracle->name[oracle->names++] = item->string;
        }
        if (!oracle_keeps(oracle, item, root_object)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(node, item));
        } else if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
            oracle_project(oracle, item, root_object);
        }
        oracle->names -= member;
        item = next;
    }
}

/* The text of what should be left, printed by cJSON; NULL when cJSON cannot read or print it. */
static inline char *oracle_text(const struct fh_projection *projection, const char *text,
                                size_t len)
{
    cJSON *root = cJSON_ParseWithLength(text, len);
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    char *printed = NULL;
    if (root && oracle) {
        oracle->projection = projection;
        oracle_project(oracle, root, cJSON_IsObject(root));
        printed = cJSON_PrintUnformatted(root);
    }
    free(oracle);
    cJSON_Delete(root);
    return printed;
}

/* The same text read and printed by cJSON, without a projection. */
static inline char *oracle_again(const char *text, size_t len)
{
    cJSON *root = cJSON_ParseWithLength(text, len);
    char *printed = root ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return printed;
}

#endif
