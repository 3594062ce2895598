/* keys.c: owns the making of CURVE keys. Never stores or prints one. */
#include "fh/ha.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

int fh_ha_keygen(char public_key[41], char secret_key[41])
{
    return zmq_curve_keypair(public_key, secret_key) == 0 ? 0 : -zmq_errno();
}

int fh_ha_public_key(const char *secret_key, char public_key[41])
{
    /* Z85 has no check digits; length and alphabet are all that can be wrong. */
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   ".-:+=^!/*?&<>()[]{}@%$#";
    if (strlen(secret_key) != 40 || strspn(secret_key, alphabet) != 40) {
        return -EINVAL;
    }
    return zmq_curve_public(public_key, secret_key) == 0 ? 0 : -EINVAL;
}
