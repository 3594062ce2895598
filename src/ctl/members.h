/* members.h: members of the daemon's answers that may be missing, or be of another kind than
 * expected. Private to src/ctl; pure. */
#ifndef FH_CTL_MEMBERS_H
#define FH_CTL_MEMBERS_H

#include <cjson/cJSON.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static inline const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static inline bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(member(object, name));
}

/* Only a node that leads, or is about to, asks the arbiter: one that has never been asked has not
 * failed to answer, either. */
static inline const char *arbiter_words(const cJSON *arbiter)
{
    const cJSON *error = member(arbiter, "last_error");
    bool asked = cJSON_IsString(error) && error->valuestring[0];
    return is_true(arbiter, "reachable") ? "reachable" : asked ? "NOT REACHABLE" : "not asked yet";
}

/* Beyond 2^53 a double stands for more than one integer. */
static inline bool is_whole(const cJSON *item)
{
    return cJSON_IsNumber(item) && fabs(item->valuedouble) <= 9007199254740992.0;
}

static inline int64_t whole(const cJSON *item, int64_t otherwise)
{
    return is_whole(item) ? (int64_t)item->valuedouble : otherwise;
}

static inline int64_t number(const cJSON *object, const char *name, int64_t otherwise)
{
    return whole(member(object, name), otherwise);
}

static inline uint64_t counter(const cJSON *object, const char *name)
{
    int64_t value = number(object, name, 0);
    return value > 0 ? (uint64_t)value : 0;
}

#endif
