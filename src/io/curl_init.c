/* curl_init.c: owns the one call of curl_global_init. There is no end of it: the process's. */
#include "fh/curl_init.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>

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
