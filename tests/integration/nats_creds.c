/* nats_creds.c: owns the making of NKeys (base32 of a prefix, an Ed25519 key and a CRC-16) and of
 * the JWTs signed with them ("ed25519-nkey"), as the documentation of NATS describes them. */
#include "nats_creds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

#define OPERATOR  (14U << 3)
#define ACCOUNT   0U
#define USER      (20U << 3)
#define SEED      (18U << 3)
#define KEY_LEN   32U
#define NKEY_SIZE 64U
#define JWT_SIZE  1536U
#define LIMITS                                                                                     \
    "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"            \
    "\"wildcards\":true,\"conn\":-1,\"leaf\":-1"
#define STORAGE ",\"mem_storage\":-1,\"disk_storage\":-1,\"streams\":-1,\"consumer\":-1"

struct identity {
    EVP_PKEY *key;
    char public[NKEY_SIZE], seed[NKEY_SIZE];
};

static uint16_t crc16(const unsigned char *bytes, size_t len)
{
    unsigned crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x8000U ? crc << 1 ^ 0x1021U : crc << 1;
        }
    }
    return (uint16_t)crc;
}

/* Digits of bits each, without padding. */
static void encode(const unsigned char *bytes, size_t len, unsigned bits, const char *digits,
                   char *into)
{
    unsigned held = 0;
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | bytes[i];
        for (held += 8; held >= bits; held -= bits) {
            *into++ = digits[value >> (held - bits) & ((1U << bits) - 1)];
        }
    }
    if (held > 0) {
        *into++ = digits[value << (bits - held) & ((1U << bits) - 1)];
    }
    *into = '\0';
}

static void encode_nkey(const unsigned char *prefix, size_t prefix_len, const unsigned char *key,
                        char into[NKEY_SIZE])
{
    unsigned char bytes[2 + KEY_LEN + 2];
    memcpy(bytes, prefix, prefix_len);
    memcpy(bytes + prefix_len, key, KEY_LEN);
    size_t len = prefix_len + KEY_LEN;
    uint16_t crc = crc16(bytes, len);
    bytes[len++] = (unsigned char)(crc & 0xff);
    bytes[len++] = (unsigned char)(crc >> 8);
    encode(bytes, len, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", into);
}

static void new_identity(unsigned type, struct identity *ret)
{
    unsigned char secret[KEY_LEN];
    unsigned char public[KEY_LEN];
    size_t len = sizeof(public);
    assert_int_equal(RAND_bytes(secret, sizeof(secret)), 1);
    ret->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
    assert_int_equal(EVP_PKEY_get_raw_public_key(ret->key, public, &len), 1);
    const unsigned char of_public[1] = {(unsigned char)type};
    const unsigned char of_seed[2] = {(unsigned char)(SEED | type >> 5),
                                      (unsigned char)((type & 31U) << 3)};
    encode_nkey(of_public, 1, public, ret->public);
    encode_nkey(of_seed, 2, secret, ret->seed);
}

static void encode64(const void *bytes, size_t len, char *into)
{
    encode(bytes, len, 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", into);
}

/* What issuer says of subject. */
static void sign(const struct identity *issuer, const char *subject, const char *claims,
                 char into[JWT_SIZE])
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    char body[700];
    unsigned char signature[64];
    size_t len = sizeof(signature);
    int body_len = snprintf(body, sizeof(body),
                            "{\"jti\":\"%.20s\",\"iat\":%lld,\"iss\":\"%s\",\"name\":\"t\","
                            "\"sub\":\"%s\",\"nats\":{%s,\"version\":2}}",
                            subject, (long long)time(NULL), issuer->public, subject, claims);
    assert_true(body_len > 0 && (size_t)body_len < sizeof(body));
    encode64(header, sizeof(header) - 1, into);
    size_t at = strlen(into);
    into[at] = '.';
    encode64(body, (size_t)body_len, into + at + 1);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, issuer->key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &len, (const unsigned char *)into, strlen(into)), 1);
    EVP_MD_CTX_free(context);
    at = strlen(into);
    into[at] = '.';
    encode64(signature, len, into + at + 1);
}

static void put_credentials(const struct identity *account, char *into, size_t size)
{
    char jwt[JWT_SIZE];
    struct identity user;
    new_identity(USER, &user);
    sign(account, user.public,
         "\"type\":\"user\",\"subs\":-1,\"data\":-1,\"payload\":-1,\"pub\":{},\"sub\":{}", jwt);
    snprintf(into, size,
             "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
             jwt, user.seed);
    EVP_PKEY_free(user.key);
}

void nats_creds_make(char *server, size_t server_size, char *credentials, char *wrong, size_t size)
{
    struct identity operator, system, account, stranger;
    char operator_jwt[JWT_SIZE];
    char system_jwt[JWT_SIZE];
    char account_jwt[JWT_SIZE];
    new_identity(OPERATOR, &operator);
    new_identity(ACCOUNT, &system);
    new_identity(ACCOUNT, &account);
    new_identity(ACCOUNT, &stranger);
    sign(&operator, operator.public, "\"type\":\"operator\"", operator_jwt);
    sign(&operator, system.public, "\"type\":\"account\"," LIMITS "}", system_jwt);
    sign(&operator, account.public, "\"type\":\"account\"," LIMITS STORAGE "}", account_jwt);
    snprintf(server, server_size,
             "operator: %s\nsystem_account: %s\nresolver: MEMORY\n"
             "resolver_preload: { %s: %s, %s: %s }",
             operator_jwt, system.public, system.public, system_jwt, account.public, account_jwt);
    put_credentials(&account, credentials, size);
    put_credentials(&stranger, wrong, size);
    EVP_PKEY_free(operator.key);
    EVP_PKEY_free(system.key);
    EVP_PKEY_free(account.key);
    EVP_PKEY_free(stranger.key);
}
