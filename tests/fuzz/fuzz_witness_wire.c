/* fuzz_witness_wire.c: no bytes may crash the decoder; what decodes encodes again and decodes to
 * the same; no frame is both a request and an answer. */
#include "witness_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int try_as(const uint8_t *data, size_t size, int requests)
{
    struct fh_witness_message message;
    struct fh_witness_message again;
    unsigned char bytes[FH_WITNESS_FRAME_MAX];
    if (fh_witness_decode(data, size, requests, &message) < 0) {
        return 0;
    }
    int len = fh_witness_encode(&message, bytes, sizeof(bytes));
    if (len <= 0 || fh_witness_encode(&message, bytes, (size_t)len - 1) >= 0 ||
        fh_witness_decode(bytes, (size_t)len, requests, &again) < 0) {
        abort();
    }
    message.version = FH_WITNESS_VERSION; /* what an encoder of this version writes */
    if (memcmp(&message, &again, sizeof(message)) != 0) {
        abort();
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (try_as(data, size, 1) + try_as(data, size, 0) > 1) {
        abort();
    }
    return 0;
}
