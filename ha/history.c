/* history.c: owns the list of role changes and its bytes. Never reads a clock or stores anything.
 */
#include "history.h"

#include <errno.h>
#include <string.h>

#define VERSION  1
#define TEXT_MAX 159

void fh_history_add(struct fh_history *history, const struct fh_ha_transition *transition)
{
    size_t at = (history->first + history->count) % FH_HA_HISTORY_MAX;
    history->ring[at] = *transition;
    history->ring[at].reason[TEXT_MAX] = '\0';
    history->ring[at].evidence[TEXT_MAX] = '\0';
    if (history->count < FH_HA_HISTORY_MAX) {
        history->count++;
    } else {
        history->first = (history->first + 1) % FH_HA_HISTORY_MAX;
    }
}

size_t fh_history_read(const struct fh_history *history, struct fh_ha_transition *ret, size_t n)
{
    size_t count = history->count < n ? history->count : n;
    for (size_t i = 0; i < count; i++) {
        size_t at = history->first + history->count - count + i;
        ret[i] = history->ring[at % FH_HA_HISTORY_MAX];
    }
    return count;
}

static unsigned char *put(unsigned char *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
    return at + width;
}

static unsigned char *put_text(unsigned char *at, const char *text)
{
    size_t len = strnlen(text, TEXT_MAX);
    *at++ = (unsigned char)len;
    memcpy(at, text, len);
    return at + len;
}

size_t fh_history_encode(const struct fh_history *history, unsigned char *bytes)
{
    unsigned char *at = bytes;
    *at++ = VERSION;
    *at++ = (unsigned char)history->count;
    for (size_t i = 0; i < history->count; i++) {
        const struct fh_ha_transition *one =
            &history->ring[(history->first + i) % FH_HA_HISTORY_MAX];
        at = put(at, (uint64_t)one->wall_ms, 8);
        at = put(at, one->epoch, 8);
        *at++ = (unsigned char)one->from;
        *at++ = (unsigned char)one->to;
        at = put_text(at, one->reason);
        at = put_text(at, one->evidence);
    }
    return (size_t)(at - bytes);
}

struct cursor {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static uint64_t get(struct cursor *cursor, size_t width)
{
    uint64_t value = 0;
    if (cursor->left < width) {
        cursor->failed = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)cursor->at[i] << (8 * i);
    }
    cursor->at += width;
    cursor->left -= width;
    return value;
}

static enum fh_role get_role(struct cursor *cursor)
{
    uint64_t role = get(cursor, 1);
    cursor->failed |= role >= FH_ROLE_COUNT;
    return cursor->failed ? FH_ROLE_STARTING : (enum fh_role)role;
}

/* Texts go to terminals: control characters have no place in them. */
static void get_text(struct cursor *cursor, char text[TEXT_MAX + 1])
{
    size_t len = (size_t)get(cursor, 1);
    if (len > TEXT_MAX || len > cursor->left) {
        cursor->failed = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = cursor->at[i];
        cursor->failed |= c < ' ' || c == 0x7f;
        text[i] = (char)c;
    }
    text[len] = '\0';
    cursor->at += len;
    cursor->left -= len;
}

int fh_history_decode(struct fh_history *history, const void *bytes, size_t len)
{
    struct cursor cursor = {.at = bytes, .left = len};
    memset(history, 0, sizeof(*history));
    uint64_t version = get(&cursor, 1);
    if (!cursor.failed && version != VERSION) {
        return -EPROTONOSUPPORT;
    }
    uint64_t count = get(&cursor, 1);
    cursor.failed |= count > FH_HA_HISTORY_MAX;
    for (uint64_t i = 0; i < count && !cursor.failed; i++) {
        struct fh_ha_transition one = {.wall_ms = (int64_t)get(&cursor, 8)};
        one.epoch = get(&cursor, 8);
        one.from = get_role(&cursor);
        one.to = get_role(&cursor);
        get_text(&cursor, one.reason);
        get_text(&cursor, one.evidence);
        fh_history_add(history, &one);
    }
    if (cursor.failed || cursor.left != 0) {
        memset(history, 0, sizeof(*history));
        return -EBADMSG;
    }
    return 0;
}
