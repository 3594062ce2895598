/* doctor_etcd.c: owns the look at an etcd cluster: does each member answer, over TLS where that is
 * configured. Never writes a key into it and never logs in: the running daemon tells whether its
 * lease is granted. */
#include "doctor.h"

#include "fh/curl_init.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    (void)bytes;
    (void)userdata;
    return size * count;
}

static bool set_option(CURL *curl, CURLoption option, const char *file)
{
    return file[0] == '\0' || curl_easy_setopt(curl, option, file) == CURLE_OK;
}

/* One member that is away is no harm while others answer. */
static bool look_at_member(struct fh_doctor *doctor, CURL *curl, const char *endpoint)
{
    const struct fh_config_arbiter *arbiter = &doctor->config->arbiter;
    char error[CURL_ERROR_SIZE] = "";
    char url[FH_URL_MAX + 16];
    size_t len = strlen(endpoint);
    snprintf(url, sizeof(url), "%s%sversion", endpoint,
             len > 0 && endpoint[len - 1] == '/' ? "" : "/");
    curl_easy_reset(curl);
    bool good =
        curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FH_DOCTOR_TIMEOUT_MS) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        fh_curl_trust(curl, arbiter->ca_file) == CURLE_OK &&
        set_option(curl, CURLOPT_SSLCERT, arbiter->cert_file) &&
        set_option(curl, CURLOPT_SSLKEY, arbiter->key_file);
    CURLcode code = good ? curl_easy_perform(curl) : CURLE_FAILED_INIT;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "arbiter", "etcd at %s answers", endpoint);
        return true;
    }
    if (code == CURLE_OK) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "arbiter",
                      "%s answers with %ld: is it the client address of etcd?", endpoint, status);
    } else {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "arbiter", "etcd at %s: %s", endpoint,
                      error[0] ? error : curl_easy_strerror(code));
    }
    return false;
}

void fh_doctor_etcd(struct fh_doctor *doctor)
{
    struct fh_error err = {""};
    CURL *curl = fh_curl_init(&err) == 0 ? curl_easy_init() : NULL;
    if (!curl) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter", "cannot begin: %s", err.text);
        return;
    }
    size_t answered = 0;
    for (size_t i = 0; i < doctor->config->arbiter.endpoint_count; i++) {
        answered += look_at_member(doctor, curl, doctor->config->arbiter.endpoints[i]);
    }
    if (answered == 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "arbiter",
                      "no member of etcd answers: look at arbiter.endpoints, its certificates and "
                      "the network");
    }
    curl_easy_cleanup(curl);
}
