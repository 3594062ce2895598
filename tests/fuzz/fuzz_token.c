/* fuzz_token.c: any bytes as an activation token, and as the answer with the keys to it: nothing is
 * believed that no key has signed, and claims that are taken hold nothing but printable ASCII. */
#include "token.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good) {
        abort();
    }
}

static void check_text(const char *text, size_t size)
{
    check(strlen(text) < size);
    for (; *text; text++) {
        check(*text >= 0x20 && *text <= 0x7e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);
    check(text != NULL);
    memcpy(text, bytes, len);
    text[len] = '\0';
    char *line = strchr(text, '\n'); /* behind it: the answer with the keys */
    if (line) {
        *line++ = '\0';
    }
    struct fh_activation_claims claims;
    struct fh_error err = {""};
    if (fh_activation_read(text, &claims, &err) == 0) {
        check_text(claims.app_id, sizeof(claims.app_id));
        check_text(claims.reference, sizeof(claims.reference));
        check_text(claims.version, sizeof(claims.version));
        check_text(claims.customer, sizeof(claims.customer));
        check_text(claims.base_url, sizeof(claims.base_url));
        check(claims.app_id[0] && claims.reference[0] && claims.expires_s > 0);
        (void)fh_activation_is_federal(claims.base_url);
        (void)fh_activation_judge_url(claims.base_url, "https://a.example", &err);
        check_text(err.text, sizeof(err.text));
    }
    cJSON *answer = line ? cJSON_Parse(line) : NULL;
    check(fh_token_verify(text, "v1", answer, &err) < 0); /* nobody signs here */
    check_text(err.text, sizeof(err.text));
    cJSON_Delete(answer);
    free(text);
    return 0;
}
