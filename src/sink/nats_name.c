/* nats_name.c: owns how the NATS sink names things. Pure. */
#include "nats_name.h"
#include "collect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_token(const char *topic, const char *token, size_t len, struct fh_error *err)
{
    if (len == 0) {
        return fh_error_set(err, -EINVAL,
                            "topic \"%s\": a subject has no empty part; write names between the "
                            "dots",
                            topic);
    }
    if (token[0] == '$') {
        return fh_error_set(err, -EINVAL,
                            "topic \"%s\": parts that begin with $ belong to the server", topic);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)token[i] <= ' ' || strchr("*>\x7f", token[i])) {
            return fh_error_set(err, -EINVAL, "topic \"%s\": no blanks, * or > in a subject",
                                topic);
        }
    }
    return 0;
}

int fh_nats_subject_filter(const char *topic, char *into, size_t size, struct fh_error *err)
{
    size_t used = 0;
    for (const char *at = topic;; at++) {
        size_t len = strcspn(at, ".");
        int r = check_token(topic, at, len, err);
        if (r < 0) {
            return r;
        }
        bool varies = memchr(at, '{', len) != NULL;
        int n = snprintf(into + used, size - used, "%s%.*s", used > 0 ? "." : "",
                         varies ? 1 : (int)len, varies ? "*" : at);
        if (n < 0 || (size_t)n >= size - used) {
            return fh_error_set(err, -EINVAL, "topic \"%s\" is too long", topic);
        }
        used += (size_t)n;
        at += len;
        if (*at == '\0') {
            return 0;
        }
    }
}

bool fh_nats_subject_covers(const char *wide, const char *narrow)
{
    while (true) {
        size_t wide_len = strcspn(wide, ".");
        size_t narrow_len = strcspn(narrow, ".");
        if (wide_len == 1 && *wide == '>') {
            return true;
        }
        if (narrow_len == 1 && *narrow == '>') {
            return false;
        }
        bool any = wide_len == 1 && *wide == '*';
        if (!any && (wide_len != narrow_len || memcmp(wide, narrow, wide_len) != 0)) {
            return false;
        }
        wide += wide_len;
        narrow += narrow_len;
        if (*wide == '\0' || *narrow == '\0') {
            return *wide == *narrow;
        }
        wide++;
        narrow++;
    }
}

void fh_nats_id_print(struct fh_record_key key, const char *sink, char text[FH_NATS_ID_SIZE])
{
    char key_text[FH_KEY_TEXT_SIZE];
    fh_key_print(key, key_text);
    snprintf(text, FH_NATS_ID_SIZE, "%s:%s", key_text, sink);
}

int fh_nats_id_parse(const char *text, const char *sink, struct fh_record_key *ret)
{
    size_t len = strcspn(text, ":");
    if (text[len] != ':' || strcmp(text + len + 1, sink) != 0) {
        return -EBADMSG;
    }
    return fh_key_parse(text, len, ret);
}

void fh_nats_position_print(const struct fh_nats_position *position,
                            char text[FH_SINK_POSITION_MAX])
{
    snprintf(text, FH_SINK_POSITION_MAX, "%" PRIu64 " %" PRId64 " %s", position->sequence,
             position->created_ns, position->stream);
}

int fh_nats_position_parse(const char *text, struct fh_nats_position *ret)
{
    struct fh_nats_position position = {.sequence = 0};
    char again[FH_SINK_POSITION_MAX];
    char *end = NULL;
    position.sequence = strtoull(text, &end, 10);
    position.created_ns = *end == ' ' ? strtoll(end + 1, &end, 10) : 0;
    if (*end != ' ' || strlen(end + 1) >= sizeof(position.stream)) {
        return -EBADMSG;
    }
    memcpy(position.stream, end + 1, strlen(end + 1) + 1);
    fh_nats_position_print(&position, again); /* nothing that strtoull is kind to */
    if (strcmp(again, text) != 0) {
        return -EBADMSG;
    }
    *ret = position;
    return 0;
}

void fh_nats_header_value(struct fh_slice value, char *into, size_t size)
{
    size_t len = value.len < size - 1 ? value.len : size - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        into[i] = c < ' ' || c == 0x7f ? '_' : value.data[i];
    }
    into[len] = '\0';
}
