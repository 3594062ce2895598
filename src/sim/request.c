/* request.c: owns the parser of HTTP/1.1 heads. Never judges what is asked. */
#include "request.h"

#include "query.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *sim_channel_name(enum sim_channel channel)
{
    static const char *const names[SIM_CHANNELS] = {"http", "websocket", "grpc"};
    return names[channel];
}

void sim_request_copy(char *to, size_t size, const void *value, size_t len)
{
    /* Too long or with a NUL inside: nothing of ours, and not cut short into something of ours. */
    if (len >= size || memchr(value, '\0', len)) {
        len = 0;
    }
    memcpy(to, value, len);
    to[len] = '\0';
}

/* True when the comma-separated list has that word, in any case. */
static bool has_word(const char *list, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    const char *end = list + len;
    while (list < end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const char *stop = comma ? comma : end;
        while (list < stop && (*list == ' ' || *list == '\t')) {
            list++;
        }
        size_t part = (size_t)(stop - list);
        while (part > 0 && (list[part - 1] == ' ' || list[part - 1] == '\t')) {
            part--;
        }
        if (part == word_len && strncasecmp(list, word, part) == 0) {
            return true;
        }
        list = comma ? comma + 1 : end;
    }
    return false;
}

static bool read_number(const char *value, size_t len, int64_t max, int64_t *ret)
{
    char number[24];
    sim_request_copy(number, sizeof(number), value, len);
    return sim_number(number, ret) == 0 && *ret >= 0 && *ret <= max;
}

/* What was seen of an upgrade so far: both headers are needed. */
struct upgrade {
    bool connection;
    bool websocket;
};

static void read_value(struct sim_request *request, struct sim_head *head, struct upgrade *upgrade,
                       const char *name, size_t name_len, const char *value, size_t len)
{
    int64_t number = 0;
#define IS(text) (name_len == strlen(text) && strncasecmp(name, text, name_len) == 0)
    if (IS("X-API-KEY")) {
        request->has_api_key = true;
        sim_request_copy(request->api_key, sizeof(request->api_key), value, len);
    } else if (IS("Authorization")) {
        sim_request_copy(request->authorization, sizeof(request->authorization), value, len);
    } else if (IS("X-Sim-Control")) {
        request->has_control = true;
    } else if (IS("Content-Length")) {
        if (read_number(value, len, INT64_MAX, &number)) {
            head->length = (uint64_t)number;
        } else {
            head->odd_length = true;
        }
    } else if (IS("Transfer-Encoding")) {
        head->odd_length = true;
    } else if (IS("Connection")) {
        head->keep = head->keep && !has_word(value, len, "close");
        upgrade->connection |= has_word(value, len, "upgrade");
    } else if (IS("Upgrade")) {
        upgrade->websocket |= has_word(value, len, "websocket");
    } else if (IS("Sec-WebSocket-Key")) {
        sim_request_copy(head->ws_key, sizeof(head->ws_key), value, len);
    } else if (IS("Sec-WebSocket-Version") && read_number(value, len, 255, &number)) {
        head->ws_version = (int)number;
    }
#undef IS
}

/* "Name: value" without its line end. False: not a header. */
static bool read_header(struct sim_request *request, struct sim_head *head, struct upgrade *upgrade,
                        const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line) {
        return false;
    }
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    read_value(request, head, upgrade, line, (size_t)(colon - line), value, (size_t)(end - value));
    return true;
}

/* "GET /path HTTP/1.1". */
static bool read_request_line(struct sim_request *request, struct sim_head *head, const char *line,
                              size_t len)
{
    const char *space = memchr(line, ' ', len);
    if (!space || (size_t)(space - line) >= sizeof(request->method)) {
        return false;
    }
    const char *target = space + 1;
    const char *end = line + len;
    const char *version = memchr(target, ' ', (size_t)(end - target));
    if (!version || *target != '/' || (size_t)(version - target) >= sizeof(request->target) ||
        end - version != 9 || memcmp(version, " HTTP/1.", 8) != 0) {
        return false;
    }
    sim_request_copy(request->method, sizeof(request->method), line, (size_t)(space - line));
    sim_request_copy(request->target, sizeof(request->target), target, (size_t)(version - target));
    head->keep = version[8] != '0';
    request->http_version = 1;
    return true;
}

bool sim_request_read_head(const char *text, size_t len, struct sim_request *request,
                           struct sim_head *ret)
{
    bool first = true;
    struct upgrade upgrade = {false, false};
    *ret = (struct sim_head){0};
    while (len > 0) {
        const char *end = memmem(text, len, "\r\n", 2);
        size_t line_len = end ? (size_t)(end - text) : len;
        if (memchr(text, '\0', line_len)) {
            return false;
        }
        bool good = first ? read_request_line(request, ret, text, line_len)
                          : read_header(request, ret, &upgrade, text, line_len);
        if (!good) {
            return false;
        }
        first = false;
        size_t used = end ? line_len + 2 : line_len;
        text += used;
        len -= used;
    }
    ret->upgrade = upgrade.connection && upgrade.websocket;
    return !first;
}
