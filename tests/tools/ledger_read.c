/* ledger_read.c: owns how bytes become lines and lines become records. Never counts. */
#include "ledger_read.h"

#include "fh/buf.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define CHUNK_BYTES ((size_t)1024 * 1024)
#define LINE_BYTES  ((size_t)64 * 1024 * 1024)

struct splitter {
    struct fh_buf half; /* beginning of a line whose end has not come yet */
    ledger_line line;
    void *userdata;
    int result;
};

static void splitter_done(struct splitter *splitter)
{
    fh_buf_done(&splitter->half);
}

static int feed(struct splitter *splitter, const char *bytes, size_t len)
{
    const char *end = bytes + len;
    int r = 0;
    while (bytes < end && r >= 0) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        if (!newline) {
            r = fh_buf_append(&splitter->half, bytes, (size_t)(end - bytes));
            break;
        }
        size_t n = (size_t)(newline - bytes);
        if (splitter->half.len > 0) {
            r = fh_buf_append(&splitter->half, bytes, n);
            if (r == 0) {
                r = splitter->line(splitter->userdata, splitter->half.data, splitter->half.len,
                                   true);
            }
            fh_buf_clear(&splitter->half);
        } else {
            r = splitter->line(splitter->userdata, bytes, n, true);
        }
        bytes = newline + 1;
    }
    splitter->result = r < 0 ? r : 0;
    return splitter->result;
}

static int feed_end(struct splitter *splitter)
{
    if (splitter->half.len == 0) {
        return 0;
    }
    int r = splitter->line(splitter->userdata, splitter->half.data, splitter->half.len, false);
    return r < 0 ? r : 0;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static void close_file(FILE **file)
{
    if (*file) {
        fclose(*file);
    }
}

static void free_memory(char **memory)
{
    free(*memory);
}

static int read_plain(FILE *file, struct splitter *splitter)
{
    char *chunk FH_CLEANUP(free_memory) = malloc(CHUNK_BYTES);
    if (!chunk) {
        return -ENOMEM;
    }
    for (size_t n; (n = fread(chunk, 1, CHUNK_BYTES, file)) > 0;) {
        int r = feed(splitter, chunk, n);
        if (r < 0) {
            return r;
        }
    }
    return ferror(file) ? -EIO : 0;
}

static int decompress(FILE *file, struct splitter *splitter, ZSTD_DCtx *context, char *chunk,
                      char *plain)
{
    size_t left = 1; /* 0 only at the end of a frame; an empty file is not a frame */
    for (size_t n; (n = fread(chunk, 1, CHUNK_BYTES, file)) > 0;) {
        ZSTD_inBuffer in = {.src = chunk, .size = n, .pos = 0};
        ZSTD_outBuffer out = {.dst = plain, .size = CHUNK_BYTES, .pos = CHUNK_BYTES};
        /* A full output buffer may mean that more is waiting inside. */
        while (in.pos < in.size || (out.pos == out.size && left != 0)) {
            out.pos = 0;
            left = ZSTD_decompressStream(context, &out, &in);
            if (ZSTD_isError(left)) {
                return -EBADMSG;
            }
            int r = feed(splitter, plain, out.pos);
            if (r < 0) {
                return r;
            }
        }
    }
    if (ferror(file)) {
        return -EIO;
    }
    return left == 0 ? 0 : -EBADMSG;
}

static int read_zstd(FILE *file, struct splitter *splitter)
{
    char *room = malloc(2 * CHUNK_BYTES);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    int r =
        room && context ? decompress(file, splitter, context, room, room + CHUNK_BYTES) : -ENOMEM;
    ZSTD_freeDCtx(context);
    free(room);
    return r;
}

int ledger_read_file(const char *path, ledger_line line, void *userdata, struct fh_error *err)
{
    char text[128];
    FILE *file FH_CLEANUP(close_file) = fopen(path, "rbe");
    if (!file) {
        int code = -errno;
        return fh_error_set(err, code, "cannot open %s: %s", path,
                            fh_strerror(code, text, sizeof(text)));
    }
    struct splitter splitter FH_CLEANUP(splitter_done) = {.line = line, .userdata = userdata};
    fh_buf_init(&splitter.half, LINE_BYTES);
    size_t len = strlen(path);
    bool zstd = len > 4 && strcmp(path + len - 4, ".zst") == 0;
    int r = zstd ? read_zstd(file, &splitter) : read_plain(file, &splitter);
    if (r == 0) {
        r = feed_end(&splitter);
    }
    if (r == -EBADMSG) {
        return fh_error_set(err, r, "%s is not a complete zstd file", path);
    }
    return r < 0 ? fh_error_set(err, r, "cannot read %s: %s", path,
                                fh_strerror(r, text, sizeof(text)))
                 : 0;
}

/* ---- URLs -------------------------------------------------------------------------------------
 */

static size_t body(char *bytes, size_t size, size_t count, void *userdata)
{
    return feed(userdata, bytes, size * count) < 0 ? 0 : size * count;
}

static int fetch(CURL *curl, const char *url, struct splitter *splitter, struct fh_error *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (splitter->result < 0) {
        return fh_error_set(err, splitter->result, "cannot use the answer of %s", url);
    }
    if (code != CURLE_OK) {
        return fh_error_set(err, -EIO, "cannot fetch %s: %s", url,
                            detail[0] ? detail : curl_easy_strerror(code));
    }
    if (status != 200) {
        return fh_error_set(err, -EPROTO, "%s answered with status %ld", url, status);
    }
    return feed_end(splitter);
}

int ledger_read_url(const char *url, const char *ca_file, ledger_line line, void *userdata,
                    struct fh_error *err)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "X-Sim-Control: 1");
    struct splitter splitter FH_CLEANUP(splitter_done) = {.line = line, .userdata = userdata};
    fh_buf_init(&splitter.half, LINE_BYTES);
    int r;
    if (!curl || !headers) {
        r = fh_error_set(err, -ENOMEM, "no memory for fetching %s", url);
    } else {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &splitter);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* the simulator is never behind one */
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
        if (ca_file) {
            curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
        }
        r = fetch(curl, url, &splitter, err);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return r;
}

/* ---- records ----------------------------------------------------------------------------------
 */

struct cursor {
    const char *at;
    const char *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

/* At a quote: what is between it and its partner; false when there is none. */
static bool take_string(struct cursor *c, const char **ret, size_t *ret_len)
{
    const char *begin = ++c->at;
    while (c->at < c->end && *c->at != '"') {
        c->at += *c->at == '\\' ? 2 : 1;
    }
    if (c->at >= c->end) {
        return false;
    }
    *ret = begin;
    *ret_len = (size_t)(c->at++ - begin);
    return true;
}

static bool same(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* 1767225600000 or "1767225600000". */
static bool take_integer(struct cursor *c, int64_t *ret)
{
    if (c->at < c->end && *c->at == '"') {
        c->at++;
    }
    const char *begin = c->at;
    int64_t value = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - begin < 18) {
        value = value * 10 + (*c->at++ - '0');
    }
    *ret = value;
    bool some = c->at > begin;
    if (c->at < c->end && *c->at == '"') {
        c->at++;
    }
    return some;
}

/* Behind a key of the top level and its colon. Sets a bit per member found; the first one wins. */
static bool take_member(struct cursor *c, const char *key, size_t key_len, unsigned *found,
                        struct ledger_record *ret)
{
    bool is_string = c->at < c->end && *c->at == '"';
    if (same(key, key_len, "recordUid") && is_string && !(*found & 1)) {
        *found |= 1;
        return take_string(c, &ret->uid, &ret->uid_len);
    }
    if (same(key, key_len, "recordTimestamp") && !(*found & 2)) {
        *found |= 2;
        return take_integer(c, &ret->timestamp_ms);
    }
    if (same(key, key_len, "eventType") && is_string && !(*found & 4)) {
        const char *type = NULL;
        size_t type_len = 0;
        *found |= 4;
        if (!take_string(c, &type, &type_len)) {
            return false;
        }
        ret->gap = same(type, type_len, "FIREHOSED_GAP");
    }
    return true;
}

bool ledger_scan(const char *line, size_t len, struct ledger_record *ret)
{
    struct cursor c = {.at = line, .end = line + len};
    unsigned found = 0;
    int depth = 0;
    bool key_next = false;
    while (c.at < c.end && found != 7) {
        switch (*c.at) {
        case '{':
        case '[':
            key_next = *c.at == '{';
            depth++;
            c.at++;
            break;
        case '}':
        case ']':
            depth--;
            key_next = false;
            c.at++;
            break;
        case ',':
            key_next = true;
            c.at++;
            break;
        case '"': {
            const char *text = NULL;
            size_t text_len = 0;
            if (!take_string(&c, &text, &text_len)) {
                return false;
            }
            if (depth != 1 || !key_next) {
                break;
            }
            key_next = false;
            skip_blanks(&c);
            if (c.at >= c.end || *c.at++ != ':') {
                return false;
            }
            skip_blanks(&c);
            if (!take_member(&c, text, text_len, &found, ret)) {
                return false;
            }
            break;
        }
        default:
            c.at++;
        }
    }
    /* The end is looked at as well: half a record must not count as one. */
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' ')) {
        len--;
    }
    return found == 7 && len > 0 && line[len - 1] == '}';
}
