/* witness_wire.c: owns the bytes between node and witness. Reads through a cursor that checks every
 * length; keeps no state. */
#include "witness_wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct cursor {
    const unsigned char *at;
    size_t left;
    bool failed;
};

static const unsigned char *take(struct cursor *cursor, size_t len)
{
    if (cursor->failed || cursor->left < len) {
        cursor->failed = true;
        return NULL;
    }
    const unsigned char *at = cursor->at;
    cursor->at += len;
    cursor->left -= len;
    return at;
}

static uint64_t get(struct cursor *cursor, size_t width)
{
    const unsigned char *at = take(cursor, width);
    uint64_t value = 0;
    for (size_t i = 0; at && i < width; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* Printable ASCII only: it goes into journals. lowest: '!' for a name, ' ' for a sentence. */
static void get_text(struct cursor *cursor, unsigned char lowest, char *text, size_t size)
{
    size_t len = (size_t)get(cursor, 1);
    const unsigned char *at = take(cursor, len);
    if (!at || len >= size) {
        cursor->failed = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (at[i] < lowest || at[i] > '~') {
            cursor->failed = true;
            return;
        }
    }
    memcpy(text, at, len);
    text[len] = '\0';
}

static bool is_request(uint64_t type)
{
    return type >= FH_WITNESS_ACQUIRE && type <= FH_WITNESS_RELEASE;
}

static bool is_answer(uint64_t type)
{
    return type >= FH_WITNESS_GRANTED && type <= FH_WITNESS_ERROR;
}

int fh_witness_decode(const void *bytes, size_t len, int requests,
                      struct fh_witness_message *message)
{
    struct cursor cursor = {bytes, len, len > FH_WITNESS_FRAME_MAX};
    struct fh_witness_message got;
    memset(&got, 0, sizeof(got));
    got.version = (uint8_t)get(&cursor, 1);
    uint64_t type = get(&cursor, 1);
    if (cursor.failed || got.version == 0 || !(requests ? is_request(type) : is_answer(type))) {
        return -EBADMSG;
    }
    got.type = (enum fh_witness_type)type;
    get(&cursor, 2);
    got.request = get(&cursor, 8);
    got.epoch = get(&cursor, 8);
    got.ttl_ms = (uint32_t)get(&cursor, 4);
    get_text(&cursor, '!', got.name, sizeof(got.name));
    if (requests) {
        cursor.failed |= got.name[0] == '\0';
    } else {
        get_text(&cursor, ' ', got.text, sizeof(got.text));
    }
    if (cursor.failed || (got.version == FH_WITNESS_VERSION && cursor.left > 0)) {
        return -EBADMSG;
    }
    *message = got;
    return 0;
}

static unsigned char *put(unsigned char *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
    return at + width;
}

static unsigned char *put_text(unsigned char *at, const char *text, size_t len)
{
    at = put(at, len, 1);
    memcpy(at, text, len);
    return at + len;
}

int fh_witness_encode(const struct fh_witness_message *message, void *bytes, size_t size)
{
    size_t name_len = strnlen(message->name, sizeof(message->name) - 1);
    size_t text_len = strnlen(message->text, sizeof(message->text) - 1);
    bool answer = is_answer(message->type);
    size_t need = 2 + 2 + 8 + 8 + 4 + 1 + name_len + (answer ? 1 + text_len : 0);
    if (size < need) {
        return -ENOBUFS;
    }
    unsigned char *at = bytes;
    at = put(at, FH_WITNESS_VERSION, 1);
    at = put(at, message->type, 1);
    at = put(at, 0, 2);
    at = put(at, message->request, 8);
    at = put(at, message->epoch, 8);
    at = put(at, message->ttl_ms, 4);
    at = put_text(at, message->name, name_len);
    if (answer) {
        put_text(at, message->text, text_len);
    }
    return (int)need;
}
