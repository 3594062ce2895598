/* service.h: what every request to the service has in common, whoever makes it: TLS, proxy, the
 * key's header, who counts as the same server, and sentences for what went wrong. Over libcurl's
 * easy handles; any thread, one handle per thread. */
#ifndef FH_SERVICE_H
#define FH_SERVICE_H

#include "fh/config.h"
#include "fh/err.h"

#include <curl/curl.h>
#include <stdbool.h>

/* What the configuration can have wrong before any request: the CA file is not readable, the key is
 * empty, too long or has a line break (NULL: none is needed). Starts libcurl. 0 or negative errno
 * with a sentence. */
int fh_service_check(const struct fh_config_firehose *config, const char *api_key,
                     struct fh_error *err);

/* TLS 1.2 or newer, verified against firehose.ca_file or the system's CAs; firehose.proxy, or the
 * environment's; http and https alone; no redirect is followed; no signals; the user agent;
 * firehose.connect_timeout_ms. config must live as long as the handle. 0 or -EINVAL. */
int fh_service_options(CURL *easy, const struct fh_config_firehose *config, struct fh_error *err);
/* firehose.http_version as libcurl calls it, for CURLOPT_HTTP_VERSION. */
long fh_service_http_version(const struct fh_config_firehose *config);
/* The header that carries the key, as a list of one; NULL: out of memory. */
struct curl_slist *fh_service_key_header(const char *api_key);
/* As curl_slist_free_all, but the bytes are wiped: one of the headers is secret. NULL allowed. */
void fh_service_headers_free(struct curl_slist *headers);

/* Scheme, host and port are the same. */
bool fh_same_server(const char *url, const char *other);

/* A sentence for a CURLcode, with what to do where we know it. detail: CURLOPT_ERRORBUFFER. */
void fh_curl_reason(CURLcode code, const char *detail, const struct fh_config_firehose *config,
                    char *text, size_t size);
/* Make text fit for a log line: control characters and what is not ASCII become '?', every
 * occurrence of key becomes "[key]". */
void fh_text_clean(char *text, size_t size, const char *key);

#endif
