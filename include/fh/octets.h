/* octets.h: reading and writing the messages of our own protocols: little-endian numbers and short
 * texts. A reader checks every length and, once something was wrong, answers zeros until its owner
 * looks at failed. Pure; any thread. */
#ifndef FH_OCTETS_H
#define FH_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fh_octets {
    const unsigned char *at;
    size_t left;
    bool failed;
};

/* The next len bytes; NULL, and failed from then on, when there are fewer. */
const unsigned char *fh_octets_take(struct fh_octets *octets, size_t len);
/* A number of width bytes, 1 to 8. */
uint64_t fh_octets_get(struct fh_octets *octets, size_t width);
/* A length in one byte, then so many characters, each from lowest to '~': '!' for a name, ' ' for a
 * sentence; texts go into journals. Terminated in text; longer than size - 1 is a failure. */
void fh_octets_text(struct fh_octets *octets, char lowest, char *text, size_t size);

/* Both return where the next one goes; the caller has seen to the room. */
unsigned char *fh_octets_put(unsigned char *at, uint64_t value, size_t width);
unsigned char *fh_octets_put_text(unsigned char *at, const char *text, size_t len); /* len <= 255 */

#endif
