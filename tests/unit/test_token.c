/* test_token.c: activation tokens: what is read, what is believed, whom an address belongs to. Keys
 * and signatures are made here by OpenSSL. */
#include "token.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these above first */
#include <cmocka.h>

#define HEAD "{\"alg\":\"RS256\",\"typ\":\"JWT\"}"
#define CLAIMS                                                                                     \
    "{\"appId\":\"app-1\",\"activationRefId\":\"AB12\",\"version\":\"v2\",\"customer\":"           \
    "\"M\xc3\xbc"                                                                                  \
    "ller \\u0007Org\",\"tenantId\":420,\"partnerTenantId\":\"T-1\","                              \
    "\"baseUrl\":\"https://partners.ciscospaces.io//"                                              \
    "\",\"iat\":1000,\"exp\":4600,\"expiresIn\":4600000}"

static EVP_PKEY *own, *other, *small, *curve;

static int setup(void **state)
{
    (void)state;
    own = EVP_RSA_gen(2048);
    other = EVP_RSA_gen(2048);
    small = EVP_RSA_gen(1024);
    curve = EVP_EC_gen("P-256");
    return own && other && small && curve ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(own);
    EVP_PKEY_free(other);
    EVP_PKEY_free(small);
    EVP_PKEY_free(curve);
    return 0;
}

static void append_base64url(char *text, size_t size, const void *bytes, size_t len)
{
    unsigned char plain[FH_TOKEN_MAX * 2];
    assert_true(len < FH_TOKEN_MAX);
    int n = EVP_EncodeBlock(plain, bytes, (int)len);
    while (n > 0 && plain[n - 1] == '=') {
        n--;
    }
    size_t at = strlen(text);
    assert_true(at + (size_t)n + 2 < size);
    for (int i = 0; i < n; i++) {
        text[at++] = (char)(plain[i] == '+' ? '-' : plain[i] == '/' ? '_' : plain[i]);
    }
    text[at] = '\0';
}

/* Signed by key; NULL: with an empty third part. */
static void make_token(char token[FH_TOKEN_MAX], const char *head, const char *claims,
                       EVP_PKEY *key)
{
    token[0] = '\0';
    append_base64url(token, FH_TOKEN_MAX, head, strlen(head));
    strcat(token, ".");
    append_base64url(token, FH_TOKEN_MAX, claims, strlen(claims));
    unsigned char signature[512];
    size_t len = sizeof(signature);
    if (key) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
        assert_int_equal(
            EVP_DigestSign(context, signature, &len, (const unsigned char *)token, strlen(token)),
            1);
        EVP_MD_CTX_free(context);
    }
    strcat(token, ".");
    if (key) {
        append_base64url(token, FH_TOKEN_MAX, signature, len);
    }
}

static void add_key(cJSON *list, const char *version, EVP_PKEY *key)
{
    unsigned char der[1024];
    unsigned char text[2048];
    unsigned char *end = der;
    int len = i2d_PUBKEY(key, &end);
    assert_true(len > 0 && (size_t)len < sizeof(der));
    EVP_EncodeBlock(text, der, len);
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "version", version);
    cJSON_AddStringToObject(entry, "publicKey", (const char *)text);
    cJSON_AddItemToArray(list, entry);
}

/* ---- reading ---- */

static void test_read(void **state)
{
    (void)state;
    char token[FH_TOKEN_MAX];
    struct fh_activation_claims claims;
    struct fh_error err;
    make_token(token, HEAD, CLAIMS, own);
    assert_int_equal(fh_activation_read(token, &claims, &err), 0);
    assert_string_equal(claims.app_id, "app-1");
    assert_string_equal(claims.reference, "AB12");
    assert_string_equal(claims.version, "v2");
    assert_string_equal(claims.customer, "M??ller ?Org");
    assert_string_equal(claims.partner_tenant_id, "T-1");
    assert_string_equal(claims.base_url, "https://partners.ciscospaces.io");
    assert_int_equal(claims.issued_s, 1000);
    assert_int_equal(claims.expires_s, 4600);
    make_token(token, HEAD,
               "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}", NULL);
    assert_int_equal(fh_activation_read(token, &claims, &err), 0);
    assert_true(claims.version[0] == '\0' && claims.issued_s == 0);
}

static void test_read_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {"{}",
                                        "[]",
                                        "",
                                        "{\"alg\":\"none\"}",
                                        "{\"alg\":\"HS256\"}",
                                        "{\"alg\":\"rs256\"}",
                                        "{\"alg\":[\"RS256\"]}",
                                        "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}",
                                        HEAD "x"};
    static const char *const bad[] = {
        "null",
        "{\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}",
        "{\"appId\":\"\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}",
        "{\"appId\":7,\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}",
        "{\"appId\":\"a\\\"b\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}",
        "{\"appId\":\"a\\nb\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c d\",\"exp\":1}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\"}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":\"1\"}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":-1}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1e99}",
        "{\"appId\":\"a\",\"activationRefId\":\"b\",\"baseUrl\":\"c\",\"exp\":1,\"iat\":\"x\"}"};
    static const char *const texts[] = {
        "",          ".",        "..",    "...", "a.b.c", "e30.e30", "e30.e30.e30.e30",
        "e30=.e30.", "e3+.e30.", "e.e30."};
    char token[FH_TOKEN_MAX];
    struct fh_activation_claims claims = {.app_id = "kept"};
    struct fh_error err;
    for (size_t i = 0; i < FH_ARRAY_LEN(heads); i++) {
        make_token(token, heads[i], CLAIMS, own);
        assert_int_equal(fh_activation_read(token, &claims, &err), -EINVAL);
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        make_token(token, HEAD, bad[i], own);
        assert_int_equal(fh_activation_read(token, &claims, &err), -EINVAL);
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        assert_int_equal(fh_activation_read(texts[i], &claims, &err), -EINVAL);
    }
    static char endless[FH_TOKEN_MAX + 100];
    memset(endless, 'A', sizeof(endless) - 1);
    endless[10] = '.';
    endless[20] = '.';
    assert_int_equal(fh_activation_read(endless, &claims, &err), -EINVAL);
    assert_string_equal(claims.app_id, "kept");
}

static void test_time(void **state)
{
    (void)state;
    struct fh_activation_claims claims = {.issued_s = 1000, .expires_s = 4600};
    struct fh_error err;
    assert_int_equal(fh_activation_judge_time(&claims, 4599, &err), 0);
    assert_int_equal(fh_activation_judge_time(&claims, 700, &err), 0);
    assert_int_equal(fh_activation_judge_time(&claims, 4600, &err), -ETIME);
    assert_non_null(strstr(err.text, "expired at 1970-01-01 01:16:40 UTC; it is 1970-01-01"));
    assert_int_equal(fh_activation_judge_time(&claims, 699, &err), -ETIME);
    assert_non_null(strstr(err.text, "set the clock"));
}

/* ---- believing ---- */

static void test_verify(void **state)
{
    (void)state;
    char token[FH_TOKEN_MAX];
    struct fh_error err;
    cJSON *answer = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(answer, "data");
    make_token(token, HEAD, CLAIMS, own);
    assert_int_equal(fh_token_verify(token, "v2", answer, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "shows no key"));
    add_key(list, "v1", other);
    assert_int_equal(fh_token_verify(token, "v2", answer, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "not signed by the service"));
    add_key(list, "v3", own);
    assert_int_equal(fh_token_verify(token, "v2", answer, &err), 0); /* no v2: any will do */
    assert_int_equal(fh_token_verify(token, "", answer, &err), 0);
    assert_int_equal(fh_token_verify(token, "v3", answer, &err), 0);
    assert_int_equal(fh_token_verify(token, "v1", answer, &err), -EBADMSG); /* that one or none */
    cJSON_Delete(answer);
}

static void test_tampered(void **state)
{
    (void)state;
    char token[FH_TOKEN_MAX];
    char changed[FH_TOKEN_MAX];
    struct fh_error err;
    cJSON *answer = cJSON_CreateObject();
    add_key(cJSON_AddArrayToObject(answer, "data"), "v1", own);
    make_token(token, HEAD, CLAIMS, own);
    assert_int_equal(fh_token_verify(token, "v1", answer, &err), 0);
    for (size_t i = 0; i + 1 < strlen(token); i += 7) { /* any letter; the last has bits to spare */
        memcpy(changed, token, sizeof(changed));
        if (changed[i] != '.') {
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            assert_int_equal(fh_token_verify(changed, "v1", answer, &err), -EBADMSG);
        }
    }
    make_token(token, HEAD, CLAIMS, NULL);
    assert_int_equal(fh_token_verify(token, "v1", answer, &err), -EBADMSG);
    make_token(token, HEAD, CLAIMS, other);
    assert_int_equal(fh_token_verify(token, "v1", answer, &err), -EBADMSG);
    assert_int_equal(fh_token_verify("e30", "v1", answer, &err), -EBADMSG);
    cJSON_Delete(answer);
}

static void test_keys_refused(void **state)
{
    (void)state;
    char token[FH_TOKEN_MAX];
    struct fh_error err;
    EVP_PKEY *weak[] = {small, curve};
    for (size_t i = 0; i < FH_ARRAY_LEN(weak); i++) {
        cJSON *answer = cJSON_CreateObject();
        add_key(cJSON_AddArrayToObject(answer, "data"), "v1", weak[i]);
        make_token(token, HEAD, CLAIMS, weak[i]);
        assert_int_equal(fh_token_verify(token, "v1", answer, &err), -EBADMSG);
        assert_non_null(strstr(err.text, "shows no key"));
        cJSON_Delete(answer);
    }
    static const char *const bad[] = {
        "{}",
        "{\"data\":7}",
        "{\"data\":[7,null,{}]}",
        "{\"data\":[{\"publicKey\":7}]}",
        "{\"data\":[{\"version\":7,\"publicKey\":\"\"}]}",
        "{\"data\":[{\"publicKey\":\"AAAA\"},{\"publicKey\":\"not base64\"}]}"};
    make_token(token, HEAD, CLAIMS, own);
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        cJSON *answer = cJSON_Parse(bad[i]);
        assert_non_null(answer);
        assert_int_equal(fh_token_verify(token, "v1", answer, &err), -EBADMSG);
        cJSON_Delete(answer);
    }
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
    (void)state;
    static const char *const federal[] = {
        "https://partners.spaces-gov.cisco", "https://PARTNERS.Spaces-Gov.Cisco/x",
        "https://other.spaces-gov.cisco:8443", "https://spaces-gov.cisco",
        "https://partners.spaces-gov.cisco./"};
    static const char *const others[] = {"https://partners.ciscospaces.io",
                                         "https://spaces-gov.cisco.example",
                                         "https://notspaces-gov.cisco",
                                         "https://example/partners.spaces-gov.cisco",
                                         "",
                                         "cisco"};
    static const char *const bad[] = {"",
                                      "https://",
                                      "partners.ciscospaces.io",
                                      "ftp://partners.ciscospaces.io",
                                      "http://partners.ciscospaces.io",
                                      "https://partners.ciscospaces.io.example",
                                      "https://partners.ciscospaces.io@example",
                                      "https://partners.ciscospaces.io:444",
                                      "https://example",
                                      "https://partners.ciscospaces.io?x=",
                                      "https://x@partners.ciscospaces.io"};
    struct fh_error err;
    for (size_t i = 0; i < FH_ARRAY_LEN(federal); i++) {
        assert_true(fh_activation_is_federal(federal[i]));
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(others); i++) {
        assert_false(fh_activation_is_federal(others[i]));
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(bad); i++) {
        assert_int_equal(fh_activation_judge_url(bad[i], "", &err), -EPERM);
    }
    assert_int_equal(fh_activation_judge_url("https://partners.dnaspaces.eu", "", &err), 0);
    assert_int_equal(
        fh_activation_judge_url("https://Partners.CiscoSpaces.sg:443/a", "https://b", &err), 0);
    assert_int_equal(fh_activation_judge_url("http://h:1/a", "http://H:1", &err), 0);
    assert_int_equal(fh_activation_judge_url("http://h:1", "https://h:1", &err), -EPERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_read_refused),
        cmocka_unit_test(test_time),      cmocka_unit_test(test_verify),
        cmocka_unit_test(test_tampered),  cmocka_unit_test(test_keys_refused),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
