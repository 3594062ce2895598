/* pattern.c: owns the words that patterns know. Pure. */
#include "pattern.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    enum fh_pattern_word word;
} words[] = {
    {"tenant", FH_PATTERN_TENANT},     {"type", FH_PATTERN_TYPE}, {"device", FH_PATTERN_DEVICE},
    {"location", FH_PATTERN_LOCATION}, {"uid", FH_PATTERN_UID},
};

static int find_word(const char *name, size_t len, enum fh_pattern_word *ret)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(words); i++) {
        if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0) {
            *ret = words[i].word;
            return 0;
        }
    }
    return -ENOENT;
}

int fh_pattern_compile(const char *text, const char *option, struct fh_error *err,
                       struct fh_pattern *ret)
{
    struct fh_pattern pattern = {.count = 0};
    for (const char *at = text; *at;) {
        if (pattern.count == FH_PATTERN_PARTS_MAX) {
            return fh_error_set(err, -EINVAL, "%s has more than %d parts: \"%.60s\"", option,
                                FH_PATTERN_PARTS_MAX, text);
        }
        enum fh_pattern_word word = FH_PATTERN_TEXT;
        size_t len = strcspn(at, "{}");
        if (*at == '{') {
            len = strcspn(at, "}");
            if (at[len] == '\0' || find_word(at + 1, len - 1, &word) < 0) {
                return fh_error_set(err, -EINVAL,
                                    "%s: \"%.60s\" is no pattern; known are {tenant}, {type}, "
                                    "{device}, {location} and {uid}",
                                    option, at);
            }
            len++;
        } else if (len == 0) {
            return fh_error_set(err, -EINVAL, "%s: a } without a { in \"%.60s\"", option, text);
        }
        pattern.part[pattern.count].word = word;
        pattern.part[pattern.count++].text = (struct fh_slice){at, len};
        at += len;
    }
    *ret = pattern;
    return 0;
}

bool fh_pattern_has(const struct fh_pattern *pattern, enum fh_pattern_word word)
{
    for (size_t i = 0; i < pattern->count; i++) {
        if (pattern->part[i].word == word) {
            return true;
        }
    }
    return false;
}

static struct fh_slice value_of(enum fh_pattern_word word, const struct fh_record_facts *facts)
{
    struct fh_slice value = {"", 0};
    switch (word) {
    case FH_PATTERN_TENANT:
        value = facts->tenant;
        break;
    case FH_PATTERN_TYPE:
        value = facts->type;
        break;
    case FH_PATTERN_DEVICE:
        value = facts->device;
        break;
    case FH_PATTERN_LOCATION:
        if (facts->location_count > 0) {
            value = facts->location[0];
        }
        break;
    case FH_PATTERN_UID:
        value = facts->uid;
        break;
    case FH_PATTERN_TEXT:
        break;
    }
    return value.len > 0 ? value : (struct fh_slice){"unknown", 7};
}

static char plain(char c, const char *special)
{
    bool bad = (unsigned char)c <= ' ' || c == 0x7f || strchr(special, c) != NULL;
    return bad ? '_' : c;
}

int fh_pattern_expand(const struct fh_pattern *pattern, const struct fh_record_facts *facts,
                      const char *special, char *into, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        bool verbatim = pattern->part[i].word == FH_PATTERN_TEXT;
        struct fh_slice value =
            verbatim ? pattern->part[i].text : value_of(pattern->part[i].word, facts);
        if (used + value.len >= size) {
            into[0] = '\0';
            return -ENAMETOOLONG;
        }
        for (size_t k = 0; k < value.len; k++) {
            into[used++] = verbatim ? value.data[k] : plain(value.data[k], special);
        }
    }
    into[used] = '\0';
    return 0;
}
