/* state.c: owns the file that outlives the witness. Whole or not at all: a record that cannot be
 * read is never guessed. */
#include "state.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MAX 1024

/* "end" tells a whole file from one cut short. */
int witness_state_format(const struct witness_state *state, char *text, size_t size)
{
    char alone[56] = "";
    if (state->alone.stint != 0) {
        snprintf(alone, sizeof(alone), "stint %u\nbefore %d\nother %d\n", state->alone.stint,
                 state->alone.before, state->alone.other);
    }
    int len = snprintf(text, size,
                       "firehose-witness 1\nepoch %" PRIu64 "\nreleased %d\nttl_ms %" PRId64
                       "\nnode %s\nkey %s\n%send\n",
                       state->epoch, state->released, state->ttl_ms, state->node, state->public_key,
                       alone);
    return len < 0 || (size_t)len >= size ? -ENOBUFS : len;
}

/* The rest of the line behind "NAME ", copied; *at moves behind it. */
static bool take_line(const char **at, const char *name, char *value, size_t size)
{
    size_t name_len = strlen(name);
    const char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, name, name_len) != 0 || (*at)[name_len] != ' ') {
        return false;
    }
    const char *from = *at + name_len + 1;
    if (from > end || (size_t)(end - from) >= size) {
        return false;
    }
    memcpy(value, from, (size_t)(end - from));
    value[end - from] = '\0';
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, const char *name, uint64_t max, uint64_t *ret)
{
    char text[24];
    if (!take_line(at, name, text, sizeof(text)) || text[0] == '\0' ||
        strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    *ret = strtoull(text, NULL, 10);
    return errno == 0 && *ret <= max;
}

int witness_state_parse(const char *text, struct witness_state *ret)
{
    struct witness_state state = {0};
    uint64_t version = 0;
    uint64_t released = 0;
    uint64_t ttl_ms = 0;
    uint64_t stint = 0;
    uint64_t before = 0;
    uint64_t other = 0;
    bool good = take_number(&text, "firehose-witness", 1, &version) && version == 1 &&
                take_number(&text, "epoch", UINT64_MAX, &state.epoch) &&
                take_number(&text, "released", 1, &released) &&
                take_number(&text, "ttl_ms", 86400000, &ttl_ms) &&
                take_line(&text, "node", state.node, sizeof(state.node)) &&
                take_line(&text, "key", state.public_key, sizeof(state.public_key)) &&
                strlen(state.public_key) == 40;
    if (good && strncmp(text, "stint ", 6) == 0) {
        good = take_number(&text, "stint", FH_ALONE_STINT_MAX, &stint) &&
               take_number(&text, "before", 1, &before) && take_number(&text, "other", 1, &other);
    }
    good = good && strcmp(text, "end\n") == 0;
    if (!good) {
        return -EBADMSG;
    }
    state.released = released != 0;
    state.ttl_ms = (int64_t)ttl_ms;
    state.alone.stint = (uint16_t)stint;
    state.alone.before = before != 0;
    state.alone.other = other != 0;
    *ret = state;
    return 0;
}

int witness_state_write(const char *path, const struct witness_state *state, struct fh_error *err)
{
    char text[STATE_MAX];
    int len = witness_state_format(state, text, sizeof(text));
    return len < 0 ? fh_error_set(err, len, "the record for %s is too long", path)
                   : fh_atomic_file_write(path, text, (size_t)len, 0600, err);
}

int witness_state_read(const char *path, struct witness_state *ret, struct fh_error *err)
{
    char *text = NULL;
    int r = fh_file_read(path, STATE_MAX, 0, &text, err);
    if (r < 0) {
        return r;
    }
    r = witness_state_parse(text, ret);
    free(text);
    return r < 0 ? fh_error_set(err, r,
                                "%s is not a record of this version; if it is damaged, remove it: "
                                "nothing is then granted for ttl_max_ms after the start",
                                path)
                 : 0;
}
