/* fuzz_seal.c: nothing opens but what the peer sealed, and that opens to what it was; each once. */
#include "seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char own[32] = {1};
    static const unsigned char point[32] = {9}; /* the base point: a public key like any other */
    static unsigned char datagram[FH_SEAL_MAX], opened[FH_SEAL_MAX];
    struct fh_seal sender;
    struct fh_seal receiver;
    uint8_t path = 0;
    if (fh_seal_init(&sender, own, point) < 0 || fh_seal_init(&receiver, own, point) < 0) {
        abort();
    }
    fh_seal_session(&sender, 1, 2);
    fh_seal_session(&receiver, 2, 1);
    if (fh_seal_open(&receiver, data, size, &path, opened) != -EBADMSG &&
        size < FH_SEAL_EXTRA) { /* longer ones may come from the corpus, sealed with this key */
        abort();
    }
    fh_seal_session(&receiver, 2, 1);
    int len = fh_seal_close(&sender, size > 0 ? data[0] % FH_SEAL_PATHS : 0, data, size, datagram,
                            sizeof(datagram));
    if (len < 0) {
        if (size <= FH_SEAL_MAX - FH_SEAL_EXTRA) {
            abort();
        }
        return 0;
    }
    size_t at = size > 1 ? (data[0] * 256u + data[1]) % (size_t)len : 0;
    datagram[at] ^= 0x40;
    if (fh_seal_open(&receiver, datagram, (size_t)len, &path, opened) != -EBADMSG) {
        abort();
    }
    datagram[at] ^= 0x40;
    if (fh_seal_open(&receiver, datagram, (size_t)len, &path, opened) != (int)size ||
        memcmp(opened, data, size) != 0 ||
        fh_seal_open(&receiver, datagram, (size_t)len, &path, opened) != -EALREADY) {
        abort();
    }
    return 0;
}
