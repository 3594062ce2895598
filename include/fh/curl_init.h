/* curl_init.h: libcurl's own beginning. Receivers, sinks and the arbiter's client begin on threads
 * of their own; before libcurl 7.84 its beginning was no matter for several threads at a time. And
 * whom all of them trust, and what may be told of their failures. */
#ifndef FH_CURL_INIT_H
#define FH_CURL_INIT_H

#include "fh/err.h"

#include <curl/curl.h>

/* Before the first handle. Any thread, any number of times. 0, or -EIO with a sentence. */
int fh_curl_init(struct fh_error *err);

/* What libcurl says of a failure: detail (CURLOPT_ERRORBUFFER), or the code's meaning when that is
 * empty. Without the address of a proxy, which may hold a password. */
const char *fh_curl_said(CURLcode code, const char *detail);

/* Only the authorities in ca_file may vouch for the far side; "": the system's. The file is read
 * at each connection, so that a renewed one counts from the next. */
CURLcode fh_curl_trust(CURL *easy, const char *ca_file);

#endif
