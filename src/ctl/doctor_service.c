/* doctor_service.c: owns the look at the service: DNS, TCP, TLS and clock by a request without a
 * key for a page that is none of the stream; the key by the receivers' own code on a replica nobody
 * reads. Never reads events of the pair. */
#include "doctor.h"

#include "fh/clock.h"
#include "fh/curl_init.h"
#include "fh/source.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* What OpenSSL says of a chain (X509_V_ERR_...), as libcurl hands it on. */
enum {
    VERIFY_NOT_YET = 9,
    VERIFY_EXPIRED = 10,
    VERIFY_SELF_SIGNED = 18,
    VERIFY_NO_ROOT = 19,
    VERIFY_NO_ISSUER = 20,
    VERIFY_NO_FIRST = 21
};

struct answer {
    char date[64];
    int64_t asked_ms, answered_ms;
};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void done(CURL **curl)
{
    curl_easy_cleanup(*curl);
}

static size_t on_header(char *line, size_t size, size_t count, void *userdata)
{
    struct answer *answer = userdata;
    size_t len = size * count;
    if (len > 5 && strncasecmp(line, "date:", 5) == 0) {
        answer->answered_ms = wall_ms();
        size_t skip = 5 + strspn(line + 5, " ");
        snprintf(answer->date, sizeof(answer->date), "%.*s", (int)strcspn(line + skip, "\r\n"),
                 line + skip);
    }
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *userdata)
{
    (void)bytes;
    (void)userdata;
    return size * count;
}

static int set_common(CURL *curl, const char *url, char *error)
{
    bool good =
        curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)FH_DOCTOR_TIMEOUT_MS) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 2L * FH_DOCTOR_TIMEOUT_MS) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075700
    good = good && curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
#endif
    return good ? 0 : -EINVAL;
}

int fh_doctor_connect(const char *host_port, struct fh_error *err)
{
    char url[FH_URL_MAX];
    char error[CURL_ERROR_SIZE] = "";
    int r = fh_curl_init(err);
    FH_CLEANUP(done) CURL *curl = r < 0 ? NULL : curl_easy_init();
    if (!curl) {
        return r < 0 ? r : fh_error_set(err, -ENOMEM, "out of memory");
    }
    snprintf(url, sizeof(url), "http://%s/", host_port);
    if (set_common(curl, url, error) < 0 ||
        curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L) != CURLE_OK ||
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") != CURLE_OK) {
        return fh_error_set(err, -EINVAL, "cannot set up the connection");
    }
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK) {
        return 0;
    }
    long number = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    char text[128];
    bool silent = code == CURLE_OPERATION_TIMEDOUT;
    return fh_error_set(err, silent ? -ETIMEDOUT : -EIO, "%s",
                        code == CURLE_COULDNT_RESOLVE_HOST ? "the name is not known to DNS"
                        : silent                           ? "no answer within 5 s"
                        : number > 0 ? fh_strerror((int)number, text, sizeof(text))
                                     : curl_easy_strerror(code));
}

/* ---- DNS, TCP, TLS, clock ---------------------------------------------------------------------
 */

static int64_t certificate_end(CURL *curl)
{
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) != CURLE_OK || !info ||
        info->num_of_certs < 1) {
        return -1;
    }
    static const char label[] = "Expire date:";
    for (struct curl_slist *at = info->certinfo[0]; at; at = at->next) {
        if (strncasecmp(at->data, label, sizeof(label) - 1) == 0) {
            time_t end = curl_getdate(at->data + sizeof(label) - 1, NULL);
            return end == (time_t)-1 ? -1 : (int64_t)end;
        }
    }
    return -1;
}

static void say_bad_chain(struct fh_doctor *doctor, CURL *curl, const char *error)
{
    long verify = 0;
    const char *ca = doctor->config->firehose.ca_file;
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verify);
    switch (verify) {
    case VERIFY_EXPIRED:
    case VERIFY_NOT_YET:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "tls",
                      "the service's certificate %s: look at this host's clock first, then tell "
                      "the service's operator",
                      verify == VERIFY_EXPIRED ? "has expired" : "is not valid yet");
        break;
    case VERIFY_SELF_SIGNED:
    case VERIFY_NO_ROOT:
    case VERIFY_NO_ISSUER:
    case VERIFY_NO_FIRST:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "tls",
                      "the service's certificate is signed by an authority that %s does not hold: "
                      "put the right one into firehose.ca_file%s (%s)",
                      ca[0] ? ca : "the system", ca[0] ? "" : ", or install ca-certificates",
                      error);
        break;
    default:
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "tls",
                      "the service's certificate is refused; is the name in firehose.url the right "
                      "one? (%s)",
                      error);
        break;
    }
}

/* The steps that were passed are good, the one it ended at is not. */
static void say_steps(struct fh_doctor *doctor, CURL *curl, CURLcode code, const char *error)
{
    struct fh_doctor_report *report = doctor->report;
    const char *url = doctor->config->firehose.url;
    const char *why = fh_curl_said(code, error);
    char *address = NULL;
    curl_off_t secured = 0;
    curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &secured);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "dns", "%s: look at %s and /etc/resolv.conf", why,
                      code == CURLE_COULDNT_RESOLVE_HOST ? "firehose.url" : "firehose.proxy");
        return;
    }
    fh_doctor_say(report, FH_DOCTOR_OK, "dns", "%s%s%s", url,
                  address && address[0] ? " is at " : "", address ? address : "");
    if (code == CURLE_COULDNT_CONNECT || (code == CURLE_OPERATION_TIMEDOUT && secured == 0)) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "tcp",
                      "%s: let this host connect to the service, or set firehose.proxy", why);
        return;
    }
    fh_doctor_say(report, FH_DOCTOR_OK, "tcp", "connected");
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        say_bad_chain(doctor, curl, why);
    } else if (code == CURLE_SSL_CACERT_BADFILE) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "tls", "firehose.ca_file %s cannot be used: %s",
                      doctor->config->firehose.ca_file, why);
    } else if (strncasecmp(url, "https", 5) == 0 && secured == 0) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "tls",
                      "no TLS: %s; does something between this host and the service open it?", why);
    } else if (secured > 0) {
        fh_doctor_certificate(report, wall_ms() / 1000, certificate_end(curl));
    }
}

static int set_service(CURL *curl, const struct fh_config_firehose *config, struct answer *answer)
{
    bool good =
        curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "firehosectl/" FH_VERSION) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    good = good && fh_curl_trust(curl, config->ca_file) == CURLE_OK;
    if (good && config->proxy[0]) {
        good = curl_easy_setopt(curl, CURLOPT_PROXY, config->proxy) == CURLE_OK;
    }
    return good ? 0 : -EINVAL;
}

static void look_at_clock(struct fh_doctor *doctor, const struct answer *answer)
{
    time_t date = answer->date[0] ? curl_getdate(answer->date, NULL) : (time_t)-1;
    if (date == (time_t)-1) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "clock",
                      "not compared: the service's answer tells no time");
        return;
    }
    fh_doctor_clock(doctor->report, answer->asked_ms, answer->answered_ms, (int64_t)date * 1000);
}

/* Whether TLS stands; without it the key is not sent. */
static bool look_at_network(struct fh_doctor *doctor)
{
    const struct fh_config_firehose *config = &doctor->config->firehose;
    char error[CURL_ERROR_SIZE] = "";
    struct answer answer = {.asked_ms = wall_ms()};
    struct fh_error err = {""};
    int r = fh_curl_init(&err);
    FH_CLEANUP(done) CURL *curl = r < 0 ? NULL : curl_easy_init();
    if (!curl || set_common(curl, config->url, error) < 0 ||
        set_service(curl, config, &answer) < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "dns", "cannot begin: %s", err.text);
        return false;
    }
    size_t before = doctor->report->count;
    CURLcode code = curl_easy_perform(curl);
    say_steps(doctor, curl, code, error);
    for (size_t i = before; i < doctor->report->count; i++) {
        if (doctor->report->line[i].result == FH_DOCTOR_FAIL) {
            return false;
        }
    }
    look_at_clock(doctor, &answer);
    return true;
}

/* ---- the key ----------------------------------------------------------------------------------
 */

static bool can_take(void *userdata, unsigned receiver)
{
    (void)receiver;
    return !*(const bool *)userdata;
}

static void take_line(void *userdata, unsigned receiver, const char *line, size_t len,
                      uint64_t offset, bool truncated)
{
    (void)userdata;
    (void)receiver;
    (void)line;
    (void)len;
    (void)offset;
    (void)truncated;
}

static void flush(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
}

static int64_t resume_from(void *userdata, unsigned receiver)
{
    (void)userdata;
    (void)receiver;
    return 0;
}

static void connected(void *userdata, unsigned receiver, int64_t asked_from_ms)
{
    (void)receiver;
    (void)asked_from_ms;
    *(bool *)userdata = true;
}

static void disconnected(void *userdata, unsigned receiver, const char *reason)
{
    (void)userdata;
    (void)receiver;
    (void)reason;
}

static void try_key(struct fh_doctor *doctor, int64_t replica, const char *api_key)
{
    static const struct fh_source_handler handler = {.can_take = can_take,
                                                     .line = take_line,
                                                     .flush = flush,
                                                     .resume_from = resume_from,
                                                     .connected = connected,
                                                     .disconnected = disconnected};
    static struct fh_config config; /* large */
    config = *doctor->config;
    config.firehose.replica_id = replica;
    config.firehose.ranges = (struct fh_ranges){.count = 1, .range = {{.first = 1, .last = 1}}};
    config.firehose.connect_timeout_ms = FH_DOCTOR_TIMEOUT_MS;
    config.firehose.silence_ms = FH_DOCTOR_TIMEOUT_MS;
    bool open = false;
    struct fh_error err = {""};
    int r = fh_source_preview(&config, api_key, &handler, &open, &err);
    fh_doctor_key(doctor->report, open, config.pair.present, replica, r, err.text);
}

static void look_at_key(struct fh_doctor *doctor)
{
    static struct fh_config config; /* large */
    char api_key[FH_API_KEY_MAX] = "";
    struct fh_error err = {""};
    config = *doctor->config;
    if (!config.firehose.api_key_file[0] &&
        !fh_doctor_credential(doctor, "api_key", config.firehose.api_key_file,
                              sizeof(config.firehose.api_key_file))) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "key",
                      "not tried: it is a credential of the service that cannot be read from here");
        return;
    }
    int64_t replica = fh_doctor_spare_replica(doctor->config, doctor->peer);
    int r = fh_config_api_key(&config, api_key, &err);
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "key", "%s", err.text);
    } else if (replica == 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "key",
                      "not tried: no replica is certain to be unread, and a connection takes its "
                      "events; give --peer-config, or see firehosectl status");
    } else {
        try_key(doctor, replica, api_key);
    }
    explicit_bzero(api_key, sizeof(api_key));
}

void fh_doctor_service(struct fh_doctor *doctor)
{
    const char *ca_file = doctor->config->firehose.ca_file;
    if (doctor->stranger && ca_file[0] && access(ca_file, R_OK) != 0) {
        return; /* the service's user may be able to read it */
    }
    if (look_at_network(doctor) && !doctor->stranger) {
        look_at_key(doctor);
    }
}
