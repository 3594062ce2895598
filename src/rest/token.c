/* token.c: owns the reading and verifying of activation tokens: JWS compact form (RFC 7515 7.1),
 * RS256 alone (RFC 7518 3.3), the claims of firehose-api.md section 10. Never asks anybody. */
#include "token.h"

#include "fh/service.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RSA_BITS_MIN  2048 /* RFC 7518 3.3 */
#define KEY_BYTES_MAX 4096
#define KEYS_MAX      16
#define SLACK_S       300            /* a clock may be behind so much before we mention it */
#define SECONDS_MAX   253402300799.0 /* the year 9999 */

/* The three parts, without the dots. */
struct parts {
    const char *head, *payload, *signature;
    size_t head_len, payload_len, signature_len;
};

/* Base64 with '-' and '_' (RFC 4648 5), without padding, or (url false) with '+' and '/' and its
 * padding. Returns the bytes and a NUL behind them; NULL: it is none. */
static unsigned char *decode(const char *text, size_t len, bool url, size_t *ret_len)
{
    size_t padding = 0;
    while (!url && len > 0 && padding < 2 && text[len - 1] == '=') {
        padding++;
        len--;
    }
    size_t whole = (len + 3) / 4 * 4;
    if (len == 0 || len % 4 == 1 || len > FH_TOKEN_MAX || (padding > 0 && len + padding != whole)) {
        return NULL;
    }
    char *padded = malloc(whole + 1);
    unsigned char *bytes = malloc(whole / 4 * 3 + 1);
    bool good = padded && bytes;
    for (size_t i = 0; good && i < whole; i++) {
        char c = i < len ? text[i] : '=';
        bool odd = c == (url ? '+' : '-') || c == (url ? '/' : '_') || (i < len && c == '=');
        good = !odd;
        padded[i] = (char)(url && c == '-' ? '+' : url && c == '_' ? '/' : c);
    }
    int n = good ? EVP_DecodeBlock(bytes, (const unsigned char *)padded, (int)whole) : -1;
    free(padded);
    if (!bytes || n < (int)(whole - len)) {
        free(bytes);
        return NULL;
    }
    *ret_len = (size_t)n - (whole - len);
    bytes[*ret_len] = '\0';
    return bytes;
}

static bool split(const char *token, struct parts *ret)
{
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (!second || strchr(second + 1, '.') || strlen(token) >= FH_TOKEN_MAX) {
        return false;
    }
    *ret = (struct parts){
        .head = token,
        .head_len = (size_t)(first - token),
        .payload = first + 1,
        .payload_len = (size_t)(second - first - 1),
        .signature = second + 1,
        .signature_len = strlen(second + 1),
    };
    return true;
}

/* A part that is one JSON object; NULL: it is none. */
static cJSON *open_part(const char *text, size_t len)
{
    size_t bytes_len = 0;
    const char *end = NULL;
    char *bytes = (char *)decode(text, len, true, &bytes_len);
    cJSON *object =
        bytes && strlen(bytes) == bytes_len ? cJSON_ParseWithOpts(bytes, &end, 1) : NULL;
    free(bytes);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

/* ---- claims ---- */

/* False: too long, or (needed) missing or with characters that have no business in it. */
static bool take_text(const cJSON *claims, const char *name, bool needed, char *ret, size_t size)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(claims, name));
    if (!text || text[0] == '\0') {
        ret[0] = '\0';
        return !needed;
    }
    for (const char *p = text; needed && *p; p++) {
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\') {
            return false;
        }
    }
    if (strlen(text) >= size) {
        return false;
    }
    memcpy(ret, text, strlen(text) + 1);
    fh_text_clean(ret, size, "");
    return true;
}

static bool take_seconds(const cJSON *claims, const char *name, bool needed, int64_t *ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(claims, name);
    if (!item) {
        *ret = 0;
        return !needed;
    }
    if (!cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble <= SECONDS_MAX)) {
        return false;
    }
    *ret = (int64_t)item->valuedouble;
    return true;
}

static int read_claims(const cJSON *object, struct fh_activation_claims *ret, struct fh_error *err)
{
    const struct {
        const char *name;
        bool needed;
        char *into;
        size_t size;
    } texts[] = {
        {"appId", true, ret->app_id, sizeof(ret->app_id)},
        {"activationRefId", true, ret->reference, sizeof(ret->reference)},
        {"baseUrl", true, ret->base_url, sizeof(ret->base_url)},
        {"version", false, ret->version, sizeof(ret->version)},
        {"customer", false, ret->customer, sizeof(ret->customer)},
        {"partnerTenantId", false, ret->partner_tenant_id, sizeof(ret->partner_tenant_id)},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        if (!take_text(object, texts[i].name, texts[i].needed, texts[i].into, texts[i].size)) {
            return fh_error_set(err, -EINVAL, "the token's claim %s is missing or not usable",
                                texts[i].name);
        }
    }
    for (size_t len = strlen(ret->base_url); len > 0 && ret->base_url[len - 1] == '/'; len--) {
        ret->base_url[len - 1] = '\0';
    }
    if (!take_seconds(object, "exp", true, &ret->expires_s) ||
        !take_seconds(object, "iat", false, &ret->issued_s)) {
        return fh_error_set(err, -EINVAL, "the token does not say until when it is valid");
    }
    return 0;
}

int fh_activation_read(const char *token, struct fh_activation_claims *ret, struct fh_error *err)
{
    struct parts parts;
    struct fh_activation_claims claims = {.app_id = ""};
    cJSON *head = NULL;
    cJSON *payload = NULL;
    if (split(token, &parts)) {
        head = open_part(parts.head, parts.head_len);
        payload = open_part(parts.payload, parts.payload_len);
    }
    const char *algorithm = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(head, "alg"));
    int r = 0;
    if (!head || !payload) {
        r = fh_error_set(err, -EINVAL,
                         "this is no activation token: copy the whole of it from the dashboard, "
                         "three parts with dots between them");
    } else if (!algorithm || strcmp(algorithm, "RS256") != 0 ||
               cJSON_GetObjectItemCaseSensitive(head, "crit")) {
        /* "none" and the symmetric ones would let anybody sign (RFC 8725 3.1) */
        r = fh_error_set(err, -EINVAL, "the token is not signed by RS256, the service's algorithm");
    } else {
        r = read_claims(payload, &claims, err);
    }
    cJSON_Delete(head);
    cJSON_Delete(payload);
    if (r == 0) {
        *ret = claims;
    }
    return r;
}

static const char *show_time(int64_t seconds, char *text, size_t size)
{
    struct tm tm;
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &tm) || strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0) {
        snprintf(text, size, "%" PRId64, seconds);
    }
    return text;
}

int fh_activation_judge_time(const struct fh_activation_claims *claims, int64_t now_s,
                             struct fh_error *err)
{
    char then[64];
    char now[64];
    show_time(now_s, now, sizeof(now));
    if (now_s >= claims->expires_s) {
        return fh_error_set(err, -ETIME,
                            "the token expired at %s; it is %s by this host's clock. Make a new "
                            "token in the dashboard, or set the clock (timedatectl)",
                            show_time(claims->expires_s, then, sizeof(then)), now);
    }
    if (claims->issued_s > now_s + SLACK_S) {
        return fh_error_set(err, -ETIME,
                            "the token was made at %s, but it is only %s by this host's clock: set "
                            "the clock (timedatectl)",
                            show_time(claims->issued_s, then, sizeof(then)), now);
    }
    return 0;
}

/* ---- the signature ---- */

/* A public key from its DER in base64; NULL: not RSA, too small, or no key. */
static EVP_PKEY *read_key(const char *text)
{
    size_t len = 0;
    unsigned char *der =
        strlen(text) <= KEY_BYTES_MAX ? decode(text, strlen(text), false, &len) : NULL;
    const unsigned char *end = der;
    EVP_PKEY *key = der ? d2i_PUBKEY(NULL, &end, (long)len) : NULL;
    bool good = key && end == der + len && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    free(der);
    if (!good) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

static bool signed_by(EVP_PKEY *key, const char *token, size_t len, const unsigned char *signature,
                      size_t signature_len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, signature_len, (const unsigned char *)token, len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

static bool has_version(const cJSON *entry, const char *version)
{
    const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "version"));
    return own && version[0] != '\0' && strcmp(own, version) == 0;
}

int fh_token_verify(const char *token, const char *version, const cJSON *answer,
                    struct fh_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, "data");
    const cJSON *entry = NULL;
    struct parts parts;
    size_t signature_len = 0;
    unsigned usable = 0;
    unsigned looked = 0;
    bool named = false;
    bool good = false;
    if (!split(token, &parts)) {
        return fh_error_set(err, -EBADMSG, "this is no activation token");
    }
    cJSON_ArrayForEach(entry, list)
    {
        named = named || has_version(entry, version);
    }
    unsigned char *signature = decode(parts.signature, parts.signature_len, true, &signature_len);
    cJSON_ArrayForEach(entry, list)
    {
        const char *text =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "publicKey"));
        if (good || looked++ >= KEYS_MAX || !text || (named && !has_version(entry, version))) {
            continue;
        }
        EVP_PKEY *key = read_key(text);
        usable += key != NULL;
        good =
            key && signature &&
            signed_by(key, token, (size_t)(parts.signature - 1 - token), signature, signature_len);
        EVP_PKEY_free(key);
    }
    free(signature);
    if (good) {
        return 0;
    }
    return usable == 0
               ? fh_error_set(err, -EBADMSG, "the service shows no key that tokens are signed with")
               : fh_error_set(err, -EBADMSG,
                              "the token is not signed by the service: it was changed on its way, "
                              "or somebody else made it");
}
