/* witness_wire.c: owns the bytes between node and witness. Keeps no state. */
#include "witness_wire.h"

#include "fh/octets.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

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
    struct fh_octets octets = {bytes, len, len > FH_WITNESS_FRAME_MAX};
    struct fh_witness_message got;
    memset(&got, 0, sizeof(got));
    got.version = (uint8_t)fh_octets_get(&octets, 1);
    uint64_t type = fh_octets_get(&octets, 1);
    if (octets.failed || got.version == 0 || !(requests ? is_request(type) : is_answer(type))) {
        return -EBADMSG;
    }
    got.type = (enum fh_witness_type)type;
    got.alone = (uint16_t)fh_octets_get(&octets, 2);
    got.request = fh_octets_get(&octets, 8);
    got.epoch = fh_octets_get(&octets, 8);
    got.ttl_ms = (uint32_t)fh_octets_get(&octets, 4);
    fh_octets_text(&octets, '!', got.name, sizeof(got.name));
    if (requests) {
        octets.failed |= got.name[0] == '\0';
    } else {
        fh_octets_text(&octets, ' ', got.text, sizeof(got.text));
    }
    if (octets.failed || (got.version == FH_WITNESS_VERSION && octets.left > 0)) {
        return -EBADMSG;
    }
    *message = got;
    return 0;
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
    at = fh_octets_put(at, FH_WITNESS_VERSION, 1);
    at = fh_octets_put(at, message->type, 1);
    at = fh_octets_put(at, message->alone, 2);
    at = fh_octets_put(at, message->request, 8);
    at = fh_octets_put(at, message->epoch, 8);
    at = fh_octets_put(at, message->ttl_ms, 4);
    at = fh_octets_put_text(at, message->name, name_len);
    if (answer) {
        fh_octets_put_text(at, message->text, text_len);
    }
    return (int)need;
}
