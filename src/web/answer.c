/* answer.c: from a request to its answer: method, host, route, headers. Owns no socket. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *fh_web_path(const struct fh_web_request *request)
{
    return request->path;
}

const char *fh_web_query(const struct fh_web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
}

const char *fh_web_header(const struct fh_web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

/* "gzip", "gzip;q=0.5", "*": one element of Accept-Encoding. */
static bool names_gzip(const char *element, size_t len)
{
    size_t name = strspn(element, " \t");
    element += name;
    len -= name < len ? name : len;
    bool named = (len >= 4 && strncasecmp(element, "gzip", 4) == 0 &&
                  (len == 4 || strchr("; \t", element[4]))) ||
                 (len >= 1 && element[0] == '*');
    const char *quality = named ? memchr(element, '=', len) : NULL;
    return named && (!quality || strtod(quality + 1, NULL) > 0.0);
}

bool fh_web_takes_gzip(const struct fh_web_request *request)
{
    const char *list = fh_web_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    while (list && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (names_gzip(list, len)) {
            return true;
        }
        list += len + (list[len] == ',' ? 1 : 0);
    }
    return false;
}

void web_add_headers(struct MHD_Response *response)
{
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Content-Security-Policy", FH_WEB_POLICY);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void count(struct fh_web *web, int status)
{
    atomic_fetch_add(&web->requests, 1);
    if (status >= 500) {
        atomic_fetch_add(&web->errors, 1);
    } else if (status >= 400) {
        atomic_fetch_add(&web->refused, 1);
    }
}

static enum MHD_Result send_response(struct fh_web_request *request, int status,
                                     struct MHD_Response *response)
{
    if (!response) {
        return MHD_NO; /* out of memory: the connection ends */
    }
    web_add_headers(response);
    count(request->web, status);
    enum MHD_Result queued = MHD_queue_response(request->mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

static const char *sentence_of(int status)
{
    switch (status) {
    case MHD_HTTP_BAD_REQUEST:
        return "this is not a request we take\n";
    case MHD_HTTP_FORBIDDEN:
        return "not for a page of another origin\n";
    case MHD_HTTP_NOT_FOUND:
        return "there is nothing here\n";
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        return "only GET and HEAD\n";
    case MHD_HTTP_MISDIRECTED_REQUEST:
        return "not under this name: add it to \"hosts\" in firehosed.conf\n";
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return "too many are looking already\n";
    default:
        return "this did not work\n";
    }
}

static enum MHD_Result send_status(struct fh_web_request *request, int status)
{
    char copy[128]; /* libmicrohttpd wants it without const */
    snprintf(copy, sizeof(copy), "%s", sentence_of(status));
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(copy), copy, MHD_RESPMEM_MUST_COPY);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                "text/plain; charset=utf-8");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        }
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED || status == MHD_HTTP_BAD_REQUEST) {
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        }
    }
    return send_response(request, status, response);
}

/* RFC 9110, 13.1.2: a list of "tag" or W/"tag", compared without regard to W/; or *. */
static bool none_match(const struct fh_web_request *request, const char *etag)
{
    const char *list = fh_web_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
    size_t len = strlen(etag);
    if (!list || len == 0) {
        return false;
    }
    if (strcmp(list, "*") == 0) {
        return true;
    }
    for (const char *at = list; (at = strchr(at, '"')) != NULL;) {
        size_t found = strcspn(++at, "\"");
        if (found == len && memcmp(at, etag, len) == 0) {
            return true;
        }
        at += found + (at[found] == '"' ? 1 : 0);
    }
    return false;
}

/* A large answer stays in memory until it is taken, or its time is over. false: no room for it. */
static bool count_body(struct fh_web_request *request, size_t bytes)
{
    if (bytes <= FH_WEB_BODY_LARGE) {
        return true;
    }
    if (bytes > FH_WEB_BODIES_MAX - request->web->bodies) {
        return false;
    }
    request->body = bytes;
    request->web->bodies += bytes;
    return true;
}

static enum MHD_Result send_answer(struct fh_web_request *request, struct fh_web_answer *answer)
{
    bool unchanged = answer->status == MHD_HTTP_OK && none_match(request, answer->etag);
    if (unchanged || !answer->body.data) {
        fh_buf_done(&answer->body);
    }
    if (!count_body(request, answer->body.capacity)) {
        fh_buf_done(&answer->body);
        return send_status(request, MHD_HTTP_SERVICE_UNAVAILABLE);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.len, answer->body.data,
        answer->body.data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        fh_buf_done(&answer->body);
        return MHD_NO;
    }
    if (answer->type && !unchanged) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    }
    if (answer->gzip_encoded && !unchanged) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, answer->cache);
    if (answer->etag[0] != '\0') {
        char quoted[sizeof(answer->etag) + 2] = "\"";
        size_t len = strnlen(answer->etag, sizeof(answer->etag) - 1);
        memcpy(quoted + 1, answer->etag, len);
        quoted[1 + len] = '"';
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, quoted);
    }
    return send_response(request, unchanged ? MHD_HTTP_NOT_MODIFIED : answer->status, response);
}

/* ---- choosing ---------------------------------------------------------------------------------
 */

static const struct fh_web_route *find_route(const struct fh_web *web, const char *path)
{
    for (const struct fh_web_route *route = web->routes; route->path; route++) {
        size_t len = strlen(route->path);
        bool prefix = len > 1 && route->path[len - 1] == '/';
        if (prefix ? strncmp(path, route->path, len) == 0 : strcmp(path, route->path) == 0) {
            return route;
        }
    }
    return NULL;
}

struct header_search {
    const char *host;
    unsigned hosts;
    bool body;
    bool foreign, navigation; /* Fetch Metadata (w3.org/TR/fetch-metadata) */
};

static enum MHD_Result on_header(void *userdata, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct header_search *search = userdata;
    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
        search->host = value ? value : "";
        search->hosts++;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0 ||
               (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 &&
                (!value || strcmp(value, "0") != 0))) {
        search->body = true;
    } else if (strcasecmp(name, "Sec-Fetch-Site") == 0) {
        search->foreign = value && strcmp(value, "same-origin") != 0 && strcmp(value, "none") != 0;
    } else if (strcasecmp(name, "Sec-Fetch-Mode") == 0) {
        search->navigation = value && strcmp(value, "navigate") == 0;
    }
    return MHD_YES;
}

/* What is wrong with a request whoever it is for; 0 when nothing is. */
static int judge(const struct fh_web_request *request, const char *method)
{
    struct header_search search = {0};
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, on_header, &search);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return MHD_HTTP_METHOD_NOT_ALLOWED;
    }
    if (search.hosts > 1 || search.body) {
        return MHD_HTTP_BAD_REQUEST;
    }
    /* Without one it is HTTP/1.0 (libmicrohttpd sees to that), which no browser speaks. */
    if (search.host && !web_host_allowed(&request->web->hosts, search.host)) {
        return MHD_HTTP_MISDIRECTED_REQUEST;
    }
    /* A page of another origin cannot read an answer, but it could have a browser open all the
     * streams there are. A link from there may lead here. */
    return search.foreign && !search.navigation ? MHD_HTTP_FORBIDDEN : 0;
}

static enum MHD_Result respond(struct fh_web_request *request, const char *method)
{
    const struct fh_web_route *route = find_route(request->web, request->path);
    struct fh_web_answer answer = {.status = MHD_HTTP_OK, .cache = "no-store"};
    if (!route) {
        return send_status(request, MHD_HTTP_NOT_FOUND);
    }
    if (!route->get && strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        int status = web_stream_open(request, route);
        if (status == 0) {
            count(request->web, MHD_HTTP_OK);
            return MHD_YES;
        }
        return send_status(request, status);
    }
    if (!route->get) { /* HEAD of a stream */
        answer.type = "text/event-stream";
        return send_answer(request, &answer);
    }
    fh_buf_init(&answer.body, FH_WEB_BODY_MAX);
    int r = route->get(request->web->userdata, request, &answer);
    if (r < 0) {
        fh_buf_done(&answer.body);
        return send_status(request,
                           r == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_INTERNAL_SERVER_ERROR);
    }
    return send_answer(request, &answer);
}

/* Called when the headers are complete, with the body if there is one, and once more at the end. An
 * answer to the first call would end the connection, so a good request waits for the last. */
enum MHD_Result web_on_request(void *userdata, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload_data,
                               size_t *upload_size, void **inout_request)
{
    struct fh_web *web = userdata;
    struct fh_web_request *request = *inout_request;
    (void)version;
    (void)upload_data;
    if (request) {
        if (*upload_size > 0) {
            return MHD_NO; /* none was announced */
        }
        request->path = url;
        return respond(request, method);
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request = info && info->socket_context ? calloc(1, sizeof(*request)) : NULL;
    if (!request) {
        return MHD_NO;
    }
    request->web = web;
    request->mhd = mhd;
    request->connection = info->socket_context;
    request->connection->deadline = fh_time_add_ms(fh_now(), web->answer_ms);
    request->connection->idle_since = (struct fh_time){0};
    *inout_request = request;
    int status = judge(request, method);
    return status == 0 ? MHD_YES : send_status(request, status);
}

void web_on_completed(void *userdata, struct MHD_Connection *mhd, void **inout_request,
                      enum MHD_RequestTerminationCode how)
{
    struct fh_web *web = userdata;
    struct fh_web_request *request = *inout_request;
    (void)mhd;
    (void)how;
    if (!request) {
        return;
    }
    if (request->stream) {
        web_stream_close(request->stream);
    }
    web->bodies -= request->body;
    request->connection->idle_since = fh_now();
    request->connection->deadline = fh_time_add_ms(request->connection->idle_since, web->idle_ms);
    free(request);
    *inout_request = NULL;
}
