/* webhook_answer.c: owns the rules about what an answer means. Never touches a socket or a clock.
 */
#include "webhook_answer.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

#define CONFLICTS_MAX 5
#define EXCERPT_MAX   200
/* As much of a secret as gives it away, and as little as an answer that was cut may show of it. */
#define SECRET_HEAD_MAX 8

enum fh_webhook_verdict fh_webhook_judge(long status, unsigned conflicts)
{
    if (status >= 200 && status < 300) {
        return FH_WEBHOOK_ACCEPTED;
    }
    switch (status) {
    case 429: /* Too Many Requests */
    case 503: /* Service Unavailable */
        return FH_WEBHOOK_WAIT;
    case 408: /* Request Timeout */
    case 425: /* Too Early */
        return FH_WEBHOOK_AGAIN;
    case 409:
        return conflicts < CONFLICTS_MAX ? FH_WEBHOOK_AGAIN : FH_WEBHOOK_REFUSED;
    /* About the address, the credentials or the way we ask, never about a record: */
    case 401:
    case 402:
    case 403:
    case 404:
    case 405:
    case 406:
    case 407:
    case 410:
    case 411:
    case 415:
    case 417:
    case 426:
    case 428:
    case 431:
        return FH_WEBHOOK_ASK;
    default:
        break;
    }
    if (status >= 400 && status < 500) {
        return FH_WEBHOOK_REFUSED;
    }
    /* 3xx: we do not carry events to an address nobody has configured. */
    return status >= 300 && status < 400 ? FH_WEBHOOK_ASK : FH_WEBHOOK_AGAIN;
}

enum fh_webhook_verdict fh_webhook_judge_trouble(int curl_code)
{
    switch (curl_code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return FH_WEBHOOK_ASK;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return FH_WEBHOOK_WAIT;
    default:
        return FH_WEBHOOK_AGAIN;
    }
}

int64_t fh_webhook_delay(enum fh_webhook_verdict verdict, unsigned failures, uint32_t random,
                         int64_t retry_after_s)
{
    int64_t ceiling = FH_WEBHOOK_BACKOFF_MIN_MS;
    for (unsigned i = 1; i < failures && ceiling < FH_WEBHOOK_BACKOFF_MAX_MS; i++) {
        ceiling *= 2;
    }
    if (ceiling > FH_WEBHOOK_BACKOFF_MAX_MS || verdict == FH_WEBHOOK_ASK) {
        ceiling = FH_WEBHOOK_BACKOFF_MAX_MS;
    }
    /* Half of it at least, so that a service that is ill is left alone. */
    int64_t wait = ceiling / 2 + (int64_t)(((uint64_t)random * (uint64_t)(ceiling / 2)) >> 32);
    int64_t asked = 0;
    if (retry_after_s > 0) {
        asked = retry_after_s < FH_WEBHOOK_RETRY_AFTER_MAX_MS / 1000
                    ? retry_after_s * 1000
                    : FH_WEBHOOK_RETRY_AFTER_MAX_MS;
    }
    return wait > asked ? wait : asked;
}

static size_t secret_at(struct fh_slice rest, const char *secret)
{
    size_t len = secret ? strlen(secret) : 0;
    size_t head = len < SECRET_HEAD_MAX ? len : SECRET_HEAD_MAX;
    if (head == 0 || rest.len < head || memcmp(rest.data, secret, head) != 0) {
        return 0;
    }
    while (head < len && head < rest.len && rest.data[head] == secret[head]) {
        head++;
    }
    return head;
}

void fh_webhook_excerpt(struct fh_slice body, const char *const *secrets, size_t secret_count,
                        char *text, size_t size)
{
    size_t used = 0;
    size_t most = size - 1 < EXCERPT_MAX ? size - 1 : EXCERPT_MAX;
    bool blank = false;
    for (size_t i = 0; i < body.len && used < most;) {
        struct fh_slice rest = {body.data + i, body.len - i};
        size_t hidden = 0;
        for (size_t k = 0; k < secret_count && hidden == 0; k++) {
            hidden = secret_at(rest, secrets[k]);
        }
        char c = hidden > 0 ? '*' : body.data[i];
        i += hidden > 0 ? hidden : 1;
        if (c <= ' ' || c > '~') {
            blank = used > 0;
            continue;
        }
        if (blank && used + 1 < most) {
            text[used++] = ' ';
        }
        blank = false;
        text[used++] = c;
    }
    text[used] = '\0';
}
