/* activation.c: owns the activation of an app on the premises: the public keys, the tokens
 * (JWT, RS256) and the exchange of a token for an API key. Tokens are made by POST /sim/token
 * alone; nothing here keeps a list of them: what a token says is believed because it is signed. */
#include "activation.h"

#include "exchange.h"
#include "query.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH       "/client/v1/partner/"
#define VERSIONS   2 /* v1, v2; the key behind them is nobody's */
#define STRANGER   VERSIONS
#define RSA_BITS   2048
#define CLAIMS_MAX 1536
#define TOKEN_MAX  4000
#define SIGN_MAX   (RSA_BITS / 8)
#define APP_ID     "app-00000000000000000000000000000B02"

struct sim_activation {
    pthread_mutex_t lock;
    EVP_PKEY *keys[VERSIONS + 1];
};

struct sim_activation *sim_activation_new(void)
{
    struct sim_activation *activation = calloc(1, sizeof(*activation));
    if (activation) {
        pthread_mutex_init(&activation->lock, NULL);
    }
    return activation;
}

void sim_activation_free(struct sim_activation *activation)
{
    if (activation) {
        for (unsigned i = 0; i <= VERSIONS; i++) {
            EVP_PKEY_free(activation->keys[i]);
        }
        pthread_mutex_destroy(&activation->lock);
        free(activation);
    }
}

/* NULL when OpenSSL cannot make one. Stays valid. */
static EVP_PKEY *get_key(struct sim_activation *activation, unsigned index)
{
    pthread_mutex_lock(&activation->lock);
    if (!activation->keys[index]) {
        activation->keys[index] = EVP_RSA_gen(RSA_BITS);
        ERR_clear_error();
    }
    EVP_PKEY *key = activation->keys[index];
    pthread_mutex_unlock(&activation->lock);
    return key;
}

static int answer(struct sim_exchange *exchange)
{
    exchange->status = 200;
    exchange->content_type = "application/json";
    exchange->body = SIM_BODY_TEXT;
    return 0;
}

static int public_key(struct sim_exchange *exchange)
{
    answer(exchange);
    int r = fh_buf_printf(&exchange->text, "{\"status\":true,\"message\":\"Success\",\"data\":[");
    for (unsigned i = 0; i < VERSIONS && r == 0; i++) {
        unsigned char der[1024];
        unsigned char text[1400];
        unsigned char *end = der;
        EVP_PKEY *key = get_key(exchange->server->activation, i);
        int len = key ? i2d_PUBKEY(key, NULL) : -1;
        if (len <= 0 || len > (int)sizeof(der) || i2d_PUBKEY(key, &end) != len) {
            return -EIO;
        }
        EVP_EncodeBlock(text, der, len);
        r = fh_buf_printf(&exchange->text, "%s{\"version\":\"v%u\",\"publicKey\":\"%s\"}",
                          i > 0 ? "," : "", i + 1, (const char *)text);
    }
    return r < 0 ? r : fh_buf_printf(&exchange->text, "]}\n");
}

/* Base64url without padding. False: no room. */
static bool encode(const void *bytes, size_t len, char *ret, size_t size)
{
    unsigned char text[CLAIMS_MAX * 2];
    if (len > CLAIMS_MAX) {
        return false;
    }
    int n = EVP_EncodeBlock(text, bytes, (int)len);
    while (n > 0 && text[n - 1] == '=') {
        n--;
    }
    if ((size_t)n >= size) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        ret[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    }
    ret[n] = '\0';
    return true;
}

/* Returns the number of bytes, negative when it is not base64url or too long. */
static int decode(const char *text, size_t len, unsigned char *ret, size_t size)
{
    unsigned char padded[CLAIMS_MAX * 2];
    size_t whole = (len + 3) / 4 * 4;
    if (len == 0 || len % 4 == 1 || whole > sizeof(padded) || whole / 4 * 3 >= size) {
        return -EINVAL;
    }
    for (size_t i = 0; i < whole; i++) {
        char c = i < len ? text[i] : '=';
        padded[i] = (unsigned char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    int n = EVP_DecodeBlock(ret, padded, (int)whole);
    return n < 0 ? -EINVAL : n - (int)(whole - len);
}

/* The text of a member, as it stands, of JSON this program wrote or an activation body. */
static bool member(const char *json, const char *name, char *ret, size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    const char *p = strstr(json, quoted);
    if (!p) {
        return false;
    }
    p += strlen(quoted);
    p += strspn(p, " \t\r\n");
    if (*p++ != ':') {
        return false;
    }
    p += strspn(p, " \t\r\n");
    bool string = *p == '"';
    p += string;
    size_t len = strcspn(p, string ? "\"" : ",} \t\r\n");
    if (len >= size || (string && p[len] != '"')) {
        return false;
    }
    memcpy(ret, p, len);
    ret[len] = '\0';
    return true;
}

/* What POST /sim/token asks for. */
struct wish {
    int64_t expires_s;
    unsigned version; /* 0.. */
    unsigned signer;
    int64_t key;
    char base_url[300];
};

static int read_wish(struct sim_exchange *exchange, const char *query, struct wish *wish)
{
    const struct sim_server *server = exchange->server;
    char name[32];
    char value[256];
    size_t position = 0;
    int64_t number = 0;
    *wish = (struct wish){.expires_s = 3600};
    snprintf(wish->base_url, sizeof(wish->base_url), "%s", server->url);
    while (sim_query_next(query, &position, name, sizeof(name), value, sizeof(value))) {
        bool whole = sim_number(value, &number) == 0;
        if (strcmp(name, "expires_s") == 0 && whole && number > -1000000 && number < 1000000000) {
            wish->expires_s = number;
        } else if (strcmp(name, "version") == 0 && value[0] == 'v' &&
                   sim_number(value + 1, &number) == 0 && number >= 1 && number <= VERSIONS) {
            wish->version = (unsigned)number - 1;
        } else if (strcmp(name, "wrong_key") == 0 && whole) {
            wish->signer = number != 0 ? STRANGER : 0;
        } else if (strcmp(name, "key") == 0 && whole && number >= 0 &&
                   number < (int64_t)server->options->key_count) {
            wish->key = number;
        } else if (strcmp(name, "base_url") == 0 && !strpbrk(value, "\"\\")) {
            snprintf(wish->base_url, sizeof(wish->base_url), "%s", value);
        } else {
            sim_exchange_error(exchange, 400,
                               "parameters: expires_s, version=v1|v2, wrong_key, key, base_url");
            return 1;
        }
    }
    wish->signer = wish->signer == STRANGER ? STRANGER : wish->version;
    return 0;
}

static bool sign(EVP_PKEY *key, const char *text, size_t len, unsigned char ret[SIGN_MAX])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = SIGN_MAX;
    bool good = key && context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, ret, &size, (const unsigned char *)text, len) == 1 &&
                size == SIGN_MAX;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

static bool verify(EVP_PKEY *key, const char *text, size_t len, const unsigned char *signature,
                   size_t signature_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        key && context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, signature_len, (const unsigned char *)text, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

static bool make_claims(const struct wish *wish, char claims[CLAIMS_MAX])
{
    unsigned char random[16];
    char reference[33];
    if (RAND_bytes(random, sizeof(random)) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(reference + 2 * i, 3, "%02X", random[i]);
    }
    int64_t now = fh_wall_ms() / 1000;
    int64_t expires = now + wish->expires_s;
    int n = snprintf(claims, CLAIMS_MAX,
                     "{\"appId\":\"" APP_ID "\",\"activationRefId\":\"%s\",\"version\":\"v%u\","
                     "\"customer\":\"Example Org\",\"tenantId\":420,"
                     "\"partnerTenantId\":\"EXAMPLE-PARTNER\",\"baseUrl\":\"%s\",\"iat\":%lld,"
                     "\"exp\":%lld,\"expiresIn\":%lld,\"simKey\":%lld}",
                     reference, wish->version + 1, wish->base_url, (long long)now,
                     (long long)expires, (long long)expires * 1000, (long long)wish->key);
    return n > 0 && n < CLAIMS_MAX;
}

int sim_activation_token(struct sim_exchange *exchange, const char *query)
{
    struct wish wish;
    char claims[CLAIMS_MAX];
    char token[TOKEN_MAX];
    unsigned char signature[SIGN_MAX];
    static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
    if (read_wish(exchange, query, &wish)) {
        return 0;
    }
    if (!make_claims(&wish, claims) || !encode(head, sizeof(head) - 1, token, sizeof(token))) {
        return -EIO;
    }
    size_t len = strlen(token);
    token[len++] = '.';
    if (!encode(claims, strlen(claims), token + len, sizeof(token) - len)) {
        return -ENOBUFS;
    }
    len += strlen(token + len);
    if (!sign(get_key(exchange->server->activation, wish.signer), token, len, signature)) {
        return -EIO;
    }
    token[len++] = '.';
    if (!encode(signature, sizeof(signature), token + len, sizeof(token) - len)) {
        return -ENOBUFS;
    }
    answer(exchange);
    return fh_buf_printf(&exchange->text, "{\"status\":true,\"token\":\"%s\"}\n", token);
}

/* The claims of a token that one of the service's keys has signed. */
static bool open_token(struct sim_activation *activation, const char *token,
                       char claims[CLAIMS_MAX])
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    unsigned char signature[SIGN_MAX + 8];
    unsigned char bytes[CLAIMS_MAX];
    int signature_len =
        second ? decode(second + 1, strlen(second + 1), signature, sizeof(signature)) : -1;
    int len = second ? decode(first + 1, (size_t)(second - first - 1), bytes, sizeof(bytes)) : -1;
    if (signature_len <= 0 || len <= 0 || memchr(bytes, '\0', (size_t)len)) {
        return false;
    }
    bool good = false;
    for (unsigned i = 0; i < VERSIONS && !good; i++) {
        good = verify(get_key(activation, i), token, (size_t)(second - token), signature,
                      (size_t)signature_len);
    }
    memcpy(claims, bytes, (size_t)len);
    claims[len] = '\0';
    return good;
}

/* JSON as documented, or a form as some clients send it. */
static bool body_says(struct sim_exchange *exchange, const char *claims, const char *name)
{
    char wanted[128];
    char given[128];
    const char *body = fh_buf_string(&exchange->received);
    return body && member(claims, name, wanted, sizeof(wanted)) &&
           (member(body, name, given, sizeof(given)) ||
            sim_query_get(body, name, given, sizeof(given))) &&
           strcmp(wanted, given) == 0;
}

static int activate(struct sim_exchange *exchange)
{
    const struct sim_options *options = exchange->server->options;
    const char *authorization = exchange->request.authorization;
    char claims[CLAIMS_MAX];
    char number[32];
    int64_t expires = 0;
    int64_t key = 0;
    struct sim_fault fault;
    if (strncmp(authorization, "Bearer ", 7) != 0) {
        return sim_exchange_error(exchange, 401, "Authorization: Bearer TOKEN is missing");
    }
    if (!open_token(exchange->server->activation, authorization + 7, claims)) {
        return sim_exchange_error(exchange, 401, "the activation token is not valid");
    }
    if (!member(claims, "exp", number, sizeof(number)) || sim_number(number, &expires) < 0 ||
        fh_wall_ms() / 1000 >= expires) {
        return sim_exchange_error(exchange, 401, "the activation token has expired");
    }
    if (sim_faults_use(exchange->server->faults, SIM_FAULT_ACTIVATION, 0, 0, &fault)) {
        return sim_exchange_error(exchange, 200, "the activation was refused by the simulator");
    }
    if (!body_says(exchange, claims, "appId") || !body_says(exchange, claims, "activationRefId")) {
        return sim_exchange_error(exchange, 200, "appId or activationRefId is not the token's");
    }
    if (!member(claims, "simKey", number, sizeof(number)) || sim_number(number, &key) < 0 ||
        key < 0 || key >= (int64_t)options->key_count) {
        return sim_exchange_error(exchange, 200, "the token names no key of this server");
    }
    answer(exchange);
    return fh_buf_printf(&exchange->text,
                         "{\"status\":true,\"message\":\"App activated successfully\","
                         "\"data\":{\"apiKey\":\"%s\"}}\n",
                         options->keys[key].text);
}

static const struct {
    const char *path;
    const char *method;
    int (*start)(struct sim_exchange *exchange);
} calls[] = {
    {PATH "partnerPublicKey", "GET", public_key},
    {PATH "partnerPublicKey/", "GET", public_key},
    {PATH "activateOnPremiseApp", "POST", activate},
    {PATH "activateOnPremiseApp/", "POST", activate},
    {PATH "activateSingleTenantCloudApp", "POST", activate},
};

bool sim_activation_has(const char *path)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(calls); i++) {
        if (strcmp(path, calls[i].path) == 0) {
            return true;
        }
    }
    return false;
}

int sim_activation_start(struct sim_exchange *exchange, const char *path)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(calls); i++) {
        if (strcmp(path, calls[i].path) == 0) {
            return strcmp(exchange->request.method, calls[i].method) == 0
                       ? calls[i].start(exchange)
                       : sim_exchange_error(exchange, 405, "wrong method for this call");
        }
    }
    return sim_exchange_error(exchange, 404, "no such resource");
}
