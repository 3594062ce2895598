/* octets.c: owns how numbers and texts stand in our own messages. Keeps no state; trusts no length.
 */
#include "fh/octets.h"

#include <string.h>

const unsigned char *fh_octets_take(struct fh_octets *octets, size_t len)
{
    if (octets->failed || octets->left < len) {
        octets->failed = true;
        return NULL;
    }
    const unsigned char *at = octets->at;
    octets->at += len;
    octets->left -= len;
    return at;
}

uint64_t fh_octets_get(struct fh_octets *octets, size_t width)
{
    const unsigned char *at = fh_octets_take(octets, width);
    uint64_t value = 0;
    for (size_t i = 0; at && i < width; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void fh_octets_text(struct fh_octets *octets, char lowest, char *text, size_t size)
{
    size_t len = (size_t)fh_octets_get(octets, 1);
    const unsigned char *at = fh_octets_take(octets, len);
    if (!at || len >= size) {
        octets->failed = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (at[i] < (unsigned char)lowest || at[i] > '~') {
            octets->failed = true;
            return;
        }
    }
    memcpy(text, at, len);
    text[len] = '\0';
}

unsigned char *fh_octets_put(unsigned char *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
    return at + width;
}

unsigned char *fh_octets_put_text(unsigned char *at, const char *text, size_t len)
{
    at = fh_octets_put(at, len, 1);
    memcpy(at, text, len);
    return at + len;
}
