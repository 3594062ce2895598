/* etcd_codec.c: owns the JSON of etcd's gateway. Never trusts a type, a length or a number in it;
 * keeps no state. 64-bit numbers are strings there, and what is zero or false is left out. */
#include "etcd_codec.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 512

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- base64 (RFC 4648, padded) ---- */

static int append_base64(struct fh_buf *into, const char *text)
{
    size_t len = strlen(text);
    int r = 0;
    for (size_t i = 0; i < len && r == 0; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (uint32_t)(unsigned char)text[i + 2] : 0;
        char out[4] = {alphabet[bits >> 18], alphabet[(bits >> 12) & 63],
                       i + 1 < len ? alphabet[(bits >> 6) & 63] : '=',
                       i + 2 < len ? alphabet[bits & 63] : '='};
        r = fh_buf_append(into, out, sizeof(out));
    }
    return r;
}

/* Into a string of at most size - 1 bytes without zero bytes. */
static int decode_base64(const char *text, char *ret, size_t size)
{
    size_t len = strlen(text);
    size_t used = 0;
    if (len % 4 != 0) {
        return -EBADMSG;
    }
    size_t padding = len > 0 && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t bits = 0;
        size_t bytes = i + 4 == len ? 3 - padding : 3;
        for (size_t k = 0; k < 4; k++) {
            const char *at = strchr(alphabet, text[i + k]);
            bool pad = k > bytes;
            if (!pad && (!at || text[i + k] == '\0')) {
                return -EBADMSG;
            }
            bits = bits << 6 | (pad ? 0 : (uint32_t)(at - alphabet));
        }
        for (size_t k = 0; k < bytes; k++) {
            char c = (char)(bits >> (16 - 8 * k));
            if (used + 1 >= size || c == '\0') {
                return -EBADMSG;
            }
            ret[used++] = c;
        }
    }
    ret[used] = '\0';
    return 0;
}

/* ---- reading ---- */

/* 0 when it is left out. */
static int get_number(const cJSON *object, const char *name, int64_t *ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item) {
        *ret = 0;
        return 0;
    }
    if (!cJSON_IsString(item) || item->valuestring[0] == '\0') {
        return -EBADMSG;
    }
    char *end;
    errno = 0;
    *ret = strtoll(item->valuestring, &end, 10);
    return errno == 0 && *end == '\0' && *ret >= 0 ? 0 : -EBADMSG;
}

/* A string that fits, all of it visible ASCII. */
static int get_word(const cJSON *object, const char *name, char *ret, size_t size)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsString(item) || strlen(item->valuestring) >= size) {
        return -EBADMSG;
    }
    for (const char *c = item->valuestring; *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return -EBADMSG;
        }
    }
    snprintf(ret, size, "%s", item->valuestring);
    return 0;
}

static int read_record(const char *text, struct fh_etcd_record *ret)
{
    cJSON *json = cJSON_Parse(text);
    int64_t epoch = 0;
    int64_t stint = 0;
    int r = cJSON_IsObject(json) ? 0 : -EBADMSG;
    if (r == 0 && (r = get_word(json, "node", ret->node, sizeof(ret->node))) == 0 &&
        (r = get_word(json, "key", ret->mark, sizeof(ret->mark))) == 0 &&
        (r = get_number(json, "epoch", &epoch)) == 0 &&
        (r = get_number(json, "stint", &stint)) == 0 && stint > FH_ALONE_STINT_MAX) {
        r = -EBADMSG;
    }
    ret->epoch = (uint64_t)epoch;
    ret->alone.stint = (uint16_t)stint;
    ret->alone.before = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "before"));
    ret->alone.other = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "other"));
    ret->released = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "released"));
    cJSON_Delete(json);
    return r == 0 && ret->node[0] != '\0' && ret->mark[0] != '\0' && epoch > 0 ? 0 : -EBADMSG;
}

/* One response_range: no kvs, or exactly one. */
static int read_entry(const cJSON *response, struct fh_etcd_entry *ret)
{
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(response, "response_range");
    const cJSON *kvs = cJSON_GetObjectItemCaseSensitive(range, "kvs");
    if (!cJSON_IsObject(range) || (kvs && !cJSON_IsArray(kvs))) {
        return -EBADMSG;
    }
    const cJSON *entry = kvs ? kvs->child : NULL;
    if (!entry) {
        return 0;
    }
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(entry, "value");
    char text[VALUE_MAX];
    if (entry->next || !cJSON_IsString(value) ||
        decode_base64(value->valuestring, text, sizeof(text)) < 0 ||
        get_number(entry, "mod_revision", &ret->mod_revision) < 0 || ret->mod_revision == 0 ||
        get_number(entry, "lease", &ret->lease) < 0) {
        return -EBADMSG;
    }
    ret->present = true;
    return read_record(text, &ret->record);
}

static int read_responses(const cJSON *json, struct fh_etcd_answer *answer)
{
    const cJSON *responses = cJSON_GetObjectItemCaseSensitive(json, "responses");
    answer->succeeded = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "succeeded"));
    if (!cJSON_IsArray(responses) || !responses->child ||
        !cJSON_GetObjectItemCaseSensitive(responses->child, "response_range")) {
        return 0;
    }
    const cJSON *first = responses->child;
    if (!first->next || first->next->next || read_entry(first, &answer->view.lease) < 0 ||
        read_entry(first->next, &answer->view.epoch) < 0) {
        return -EBADMSG;
    }
    answer->has_view = true;
    return 0;
}

static void read_error(const cJSON *json, struct fh_etcd_answer *answer)
{
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(json, "code");
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(json, "message");
    if (!cJSON_IsString(text)) {
        text = cJSON_GetObjectItemCaseSensitive(json, "error");
    }
    if (!cJSON_IsString(text)) {
        return;
    }
    answer->code = cJSON_IsNumber(code) && code->valueint > 0 ? code->valueint : 2;
    snprintf(answer->error, sizeof(answer->error), "%.*s", (int)sizeof(answer->error) - 1,
             text->valuestring);
    for (char *c = answer->error; *c; c++) {
        *c = *c < ' ' || *c > '~' ? '?' : *c;
    }
}

int fh_etcd_parse(const char *text, size_t len, struct fh_etcd_answer *answer)
{
    struct fh_etcd_answer got;
    memset(&got, 0, sizeof(got));
    cJSON *json = len <= FH_ETCD_ANSWER_MAX ? cJSON_ParseWithLength(text, len) : NULL;
    int r = cJSON_IsObject(json) ? 0 : -EBADMSG;
    if (r == 0) {
        /* a stream's message comes wrapped */
        const cJSON *result = cJSON_GetObjectItemCaseSensitive(json, "result");
        const cJSON *inner = cJSON_IsObject(result) ? result : json;
        if (cJSON_GetObjectItemCaseSensitive(inner, "token")) {
            r = get_word(inner, "token", got.token, sizeof(got.token));
        }
        if (r == 0 && (r = get_number(inner, "ID", &got.lease_id)) == 0 &&
            (r = get_number(inner, "TTL", &got.ttl_s)) == 0) {
            r = read_responses(inner, &got);
        }
        read_error(inner, &got);
    }
    cJSON_Delete(json);
    if (r == 0) {
        *answer = got;
    }
    return r;
}

/* ---- judging: the same rules as the witness's (lease.c) ---- */

static bool latest_is(const struct fh_etcd_view *view, const char *mark)
{
    return view->epoch.present && strcmp(view->epoch.record.mark, mark) == 0;
}

enum fh_etcd_verdict fh_etcd_judge(const struct fh_etcd_view *view, const char *mark,
                                   uint64_t epoch, const struct fh_alone_claim *claim)
{
    const struct fh_etcd_record *highest = &view->epoch.record;
    enum fh_etcd_verdict may =
        fh_alone_bars(&highest->alone, latest_is(view, mark), claim) ? FH_ETCD_ALONE : FH_ETCD_MAY;
    if (view->lease.present && strcmp(view->lease.record.mark, mark) != 0) {
        return FH_ETCD_HELD;
    }
    if (epoch == 0 || epoch > FH_ETCD_EPOCH_MAX) {
        return FH_ETCD_OLD;
    }
    if (!view->epoch.present || epoch > highest->epoch) {
        return may;
    }
    bool again = epoch == highest->epoch && latest_is(view, mark) && !highest->released;
    return again ? may : FH_ETCD_OLD;
}

struct fh_alone_note fh_etcd_note(const struct fh_etcd_view *view, const char *mark, uint64_t epoch,
                                  const struct fh_alone_claim *claim)
{
    bool same = latest_is(view, mark);
    return fh_alone_granted(&view->epoch.record.alone, same,
                            same && view->epoch.record.epoch == epoch, claim);
}

bool fh_etcd_is_ours(const struct fh_etcd_view *view, const char *mark, uint64_t epoch,
                     int64_t lease)
{
    const struct fh_etcd_entry *entry = &view->lease;
    return entry->present && entry->lease == lease && entry->record.epoch == epoch &&
           strcmp(entry->record.mark, mark) == 0;
}

/* ---- writing: names, keys and numbers need no escaping (configuration and Z85 see to it) ---- */

static int append_key(struct fh_buf *into, const char *prefix, const char *name)
{
    char key[128];
    int n = snprintf(key, sizeof(key), "%s%s", prefix, name);
    int r = n < 0 || (size_t)n >= sizeof(key) ? -ENOBUFS : fh_buf_printf(into, "\"key\":\"");
    if (r == 0 && (r = append_base64(into, key)) == 0) {
        r = fh_buf_append(into, "\"", 1);
    }
    return r;
}

static int append_reads(struct fh_buf *into, const char *prefix)
{
    int r = fh_buf_printf(into, "[{\"request_range\":{");
    if (r == 0 && (r = append_key(into, prefix, "lease")) == 0 &&
        (r = fh_buf_printf(into, "}},{\"request_range\":{")) == 0 &&
        (r = append_key(into, prefix, "epoch")) == 0) {
        r = fh_buf_printf(into, "}}]");
    }
    return r;
}

int fh_etcd_read_body(struct fh_buf *into, const char *prefix)
{
    int r = fh_buf_printf(into, "{\"success\":");
    if (r == 0 && (r = append_reads(into, prefix)) == 0) {
        r = fh_buf_printf(into, "}");
    }
    return r;
}

static int append_compare(struct fh_buf *into, const char *prefix, const char *name,
                          int64_t revision)
{
    int r = fh_buf_printf(into, "{");
    if (r == 0 && (r = append_key(into, prefix, name)) == 0) {
        r = fh_buf_printf(
            into, ",\"target\":\"MOD\",\"result\":\"EQUAL\",\"mod_revision\":\"%" PRId64 "\"}",
            revision);
    }
    return r;
}

static int append_compares(struct fh_buf *into, const char *prefix, const struct fh_etcd_view *view)
{
    int r = fh_buf_printf(into, "{\"compare\":[");
    if (r == 0 && (r = append_compare(into, prefix, "lease", view->lease.mod_revision)) == 0 &&
        (r = fh_buf_printf(into, ",")) == 0 &&
        (r = append_compare(into, prefix, "epoch", view->epoch.mod_revision)) == 0) {
        r = fh_buf_printf(into, "],\"success\":[");
    }
    return r;
}

/* lease 0: the key stays for ever. */
static int append_put(struct fh_buf *into, const char *prefix, const char *name,
                      const struct fh_etcd_record *record, int64_t lease)
{
    char value[VALUE_MAX];
    char alone[72] = "";
    if (record->alone.stint != 0) {
        snprintf(alone, sizeof(alone), ",\"stint\":\"%u\",\"before\":%s,\"other\":%s",
                 record->alone.stint, record->alone.before ? "true" : "false",
                 record->alone.other ? "true" : "false");
    }
    snprintf(value, sizeof(value),
             "{\"node\":\"%s\",\"key\":\"%s\",\"epoch\":\"%" PRIu64 "\",\"released\":%s%s}",
             record->node, record->mark, record->epoch, record->released ? "true" : "false", alone);
    int r = fh_buf_printf(into, "{\"request_put\":{");
    if (r == 0 && (r = append_key(into, prefix, name)) == 0 &&
        (r = fh_buf_printf(into, ",\"value\":\"")) == 0 && (r = append_base64(into, value)) == 0) {
        r = lease != 0 ? fh_buf_printf(into, "\",\"lease\":\"%" PRId64 "\"}}", lease)
                       : fh_buf_printf(into, "\"}}");
    }
    return r;
}

static int append_failure(struct fh_buf *into, const char *prefix)
{
    int r = fh_buf_printf(into, "],\"failure\":");
    if (r == 0 && (r = append_reads(into, prefix)) == 0) {
        r = fh_buf_printf(into, "}");
    }
    return r;
}

int fh_etcd_grant_body(struct fh_buf *into, const char *prefix, const struct fh_etcd_view *view,
                       const struct fh_etcd_record *record, int64_t lease)
{
    int r = append_compares(into, prefix, view);
    if (r == 0 && (r = append_put(into, prefix, "lease", record, lease)) == 0 &&
        (r = fh_buf_printf(into, ",")) == 0 &&
        (r = append_put(into, prefix, "epoch", record, 0)) == 0) {
        r = append_failure(into, prefix);
    }
    return r;
}

int fh_etcd_release_body(struct fh_buf *into, const char *prefix, const struct fh_etcd_view *view,
                         uint16_t stint)
{
    struct fh_etcd_record record = view->epoch.present ? view->epoch.record : view->lease.record;
    record.released = true;
    record.alone.stint = stint > record.alone.stint ? stint : record.alone.stint;
    int r = append_compares(into, prefix, view);
    if (r == 0 && (r = fh_buf_printf(into, "{\"request_delete_range\":{")) == 0 &&
        (r = append_key(into, prefix, "lease")) == 0 && (r = fh_buf_printf(into, "}},")) == 0 &&
        (r = append_put(into, prefix, "epoch", &record, 0)) == 0) {
        r = append_failure(into, prefix);
    }
    return r;
}

int fh_etcd_login_body(struct fh_buf *into, const char *user, const char *password)
{
    cJSON *json = cJSON_CreateObject();
    char *text = NULL;
    if (json && cJSON_AddStringToObject(json, "name", user) &&
        cJSON_AddStringToObject(json, "password", password)) {
        text = cJSON_PrintUnformatted(json);
    }
    int r = text ? fh_buf_append(into, text, strlen(text)) : -ENOMEM;
    if (text) {
        explicit_bzero(text, strlen(text));
    }
    cJSON_free(text);
    cJSON_Delete(json);
    return r;
}
