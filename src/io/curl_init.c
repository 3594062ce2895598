/* curl_init.c: owns the one call of curl_global_init. There is no end of it: the process's. Owns,
 * too, what a ca_file means. */
#include "fh/curl_init.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode result;

static void init(void)
{
    result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int fh_curl_init(struct fh_error *err)
{
    pthread_once(&once, init);
    return result == CURLE_OK
               ? 0
               : fh_error_set(err, -EIO, "libcurl does not start: %s", curl_easy_strerror(result));
}

/* CAINFO replaces the system's file only; the directory many libcurls are built with, as Debian's,
 * would go on vouching for everybody. From 7.87 on libcurl keeps what it has read of a file for a
 * day: a file that was renewed would be of no use until then, and a CA taken out of it trusted. */
CURLcode fh_curl_trust(CURL *easy, const char *ca_file)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    CURLcode uncached = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    if (uncached != CURLE_OK) {
        return uncached;
    }
#endif
    if (ca_file[0] == '\0') {
        return CURLE_OK;
    }
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) : code;
}

const char *fh_curl_said(CURLcode code, const char *detail)
{
    static const char repeats[] = "Unsupported proxy"; /* and then the whole of its address */
    if (strncmp(detail, repeats, sizeof(repeats) - 1) == 0) {
        return "the address of the proxy is none (not shown, it may hold a password): its port is "
               "a "
               "number, and signs like # / @ in a password are written as %23 %2F %40";
    }
    return detail[0] ? detail : curl_easy_strerror(code);
}
