/* seal.c: owns the keys and counters of the datagrams between the nodes. Never sends or receives
 * one; all cryptography is libsodium's. */
#include "seal.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC   0x44504846u /* "FHPD" */
#define VERSION 1u
#define TAG     (FH_SEAL_EXTRA - FH_SEAL_HEAD)

_Static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == FH_SEAL_KEY &&
                   crypto_aead_chacha20poly1305_ietf_ABYTES == TAG &&
                   crypto_box_curve25519xsalsa20poly1305_BEFORENMBYTES == FH_SEAL_KEY &&
                   crypto_box_PUBLICKEYBYTES == FH_SEAL_KEY,
               "the sizes in seal.h are libsodium's");

static void put(unsigned char *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get(const unsigned char *at, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

int fh_seal_init(struct fh_seal *seal, const unsigned char own_secret[FH_SEAL_KEY],
                 const unsigned char peer_public[FH_SEAL_KEY])
{
    memset(seal, 0, sizeof(*seal));
    if (sodium_init() < 0 || crypto_box_beforenm(seal->shared, peer_public, own_secret) != 0) {
        return -EINVAL;
    }
    return 0;
}

void fh_seal_done(struct fh_seal *seal)
{
    sodium_memzero(seal, sizeof(*seal));
}

/* The key of one direction, and a number by which a datagram for other processes is recognised
 * without an attempt to open it. */
static void derive(const struct fh_seal *seal, uint64_t sender, uint64_t receiver,
                   unsigned char key[FH_SEAL_KEY], uint64_t *ret_session)
{
    static const char label[] = "firehosed heartbeat datagram 1";
    unsigned char input[sizeof(label) + 16];
    unsigned char output[FH_SEAL_KEY + 8];
    memcpy(input, label, sizeof(label));
    put(input + sizeof(label), sender, 8);
    put(input + sizeof(label) + 8, receiver, 8);
    (void)crypto_generichash(output, sizeof(output), input, sizeof(input), seal->shared,
                             sizeof(seal->shared));
    memcpy(key, output, FH_SEAL_KEY);
    uint64_t session = get(output + FH_SEAL_KEY, 8);
    *ret_session = session ? session : 1;
    sodium_memzero(output, sizeof(output));
}

void fh_seal_session(struct fh_seal *seal, uint64_t own_instance, uint64_t peer_instance)
{
    seal->sent = 0;
    seal->send_session = 0;
    seal->receive_session = 0;
    memset(seal->received, 0, sizeof(seal->received));
    if (own_instance != 0 && peer_instance != 0) {
        derive(seal, own_instance, peer_instance, seal->send_key, &seal->send_session);
        derive(seal, peer_instance, own_instance, seal->receive_key, &seal->receive_session);
    }
}

/* The counter is the nonce: under one key no number comes twice. */
static void make_nonce(uint64_t counter,
                       unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
    memset(nonce, 0, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
    put(nonce, counter, 8);
}

int fh_seal_close(struct fh_seal *seal, uint8_t path, const void *message, size_t len, void *ret,
                  size_t size)
{
    unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    unsigned char *head = ret;
    if (seal->send_session == 0) {
        return -ENOTCONN;
    }
    if (path >= FH_SEAL_PATHS || len > FH_SEAL_MAX - FH_SEAL_EXTRA || len + FH_SEAL_EXTRA > size) {
        return -EMSGSIZE;
    }
    seal->sent++;
    put(head, MAGIC, 4);
    put(head + 4, VERSION, 1);
    put(head + 5, path, 1);
    put(head + 6, 0, 2);
    put(head + 8, seal->send_session, 8);
    put(head + 16, seal->sent, 8);
    make_nonce(seal->sent, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(head + FH_SEAL_HEAD, NULL, message, len, head,
                                                    FH_SEAL_HEAD, NULL, nonce, seal->send_key);
    return (int)(len + FH_SEAL_EXTRA);
}

int fh_seal_open(struct fh_seal *seal, const void *datagram, size_t len, uint8_t *ret_path,
                 void *ret)
{
    unsigned char nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    const unsigned char *head = datagram;
    if (len < FH_SEAL_EXTRA || len > FH_SEAL_MAX || get(head, 4) != MAGIC || head[4] != VERSION ||
        head[5] >= FH_SEAL_PATHS || seal->receive_session == 0 ||
        get(head + 8, 8) != seal->receive_session) {
        return -EBADMSG;
    }
    uint8_t path = head[5];
    uint64_t counter = get(head + 16, 8);
    make_nonce(counter, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(ret, NULL, NULL, head + FH_SEAL_HEAD,
                                                  len - FH_SEAL_HEAD, head, FH_SEAL_HEAD, nonce,
                                                  seal->receive_key) != 0) {
        return -EBADMSG;
    }
    if (counter <= seal->received[path]) {
        return -EALREADY;
    }
    seal->received[path] = counter;
    *ret_path = path;
    return (int)(len - FH_SEAL_EXTRA);
}
