/* seal.h: heartbeats as datagrams: sealed so that only the peer's process of this very moment can
 * open them, and each of them once.
 *
 * One datagram, little-endian:
 *     magic u32 | version u8 | path u8 | 0 u16 | session u64 | counter u64 | box
 * box is the message (wire.h) under ChaCha20-Poly1305 (RFC 8439), what stands before it is
 * authenticated with it. The key is drawn from the secret that both nodes compute of their CURVE
 * keys, and from the instances of both processes in the order sender, receiver. Each process chose
 * its instance at random and told it in its HELLO, over the connection under CURVE. Therefore
 *   - nothing opens before both said HELLO in this run, whatever was recorded in an earlier one;
 *   - a datagram sent back to where it came from does not open;
 *   - the counter, which is the nonce, is used once under a key.
 * Per path the counter has to grow: what was repeated, and what a later one has overtaken, is
 * refused. (Whoever can hold back a packet can deliver it late, once and in order, as on TCP.)
 *
 * No clock, no I/O. */
#ifndef FH_HA_SEAL_H
#define FH_HA_SEAL_H

#include <stddef.h>
#include <stdint.h>

#define FH_SEAL_HEAD  24
#define FH_SEAL_EXTRA (FH_SEAL_HEAD + 16) /* what a datagram is longer than its message */
#define FH_SEAL_MAX   1200 /* bytes of a datagram that no path in use breaks up (RFC 9000, 14) */
#define FH_SEAL_PATHS 8
#define FH_SEAL_KEY   32

struct fh_seal {
    unsigned char shared[FH_SEAL_KEY]; /* by both nodes' keys */
    unsigned char send_key[FH_SEAL_KEY], receive_key[FH_SEAL_KEY];
    uint64_t send_session, receive_session; /* which keys; 0: none */
    uint64_t sent;                          /* counter of the latest */
    uint64_t received[FH_SEAL_PATHS];       /* the highest that opened */
};

/* own_secret, peer_public: Curve25519, binary. -EINVAL: no secret can be made of them. */
int fh_seal_init(struct fh_seal *seal, const unsigned char own_secret[FH_SEAL_KEY],
                 const unsigned char peer_public[FH_SEAL_KEY]);
/* Wipes the keys. */
void fh_seal_done(struct fh_seal *seal);
/* From now on between these two processes. 0 for either: nothing is sealed or opened. */
void fh_seal_session(struct fh_seal *seal, uint64_t own_instance, uint64_t peer_instance);
/* Length of the datagram; -ENOTCONN without a session, -EMSGSIZE when it gets longer than size or
 * FH_SEAL_MAX. path: below FH_SEAL_PATHS. */
int fh_seal_close(struct fh_seal *seal, uint8_t path, const void *message, size_t len, void *ret,
                  size_t size);
/* Length of the message in ret (room for FH_SEAL_MAX bytes); -EBADMSG: not sealed by the peer's
 * process for this one; -EALREADY: seen before, or overtaken. */
int fh_seal_open(struct fh_seal *seal, const void *datagram, size_t len, uint8_t *ret_path,
                 void *ret);

#endif
