/* world_replay.c: loading a recorded stream, and writing its lines again. */
#include "world_replay.h"

#include "campus.h"
#include "payload.h"
#include "world_random.h"
#include "world_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define STAMP_MOST 253402300799999 /* the end of the year 9999: microseconds fit as well */

struct span {
    const char *start;
    const char *end;
};

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        p += *p == '\\';
    }
    return p < end ? p + 1 : end;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p;
}

/* The end of the value that starts at p: the comma or brace that follows it on the same level. */
static const char *skip_value(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (depth == 0 && (*p == ',' || *p == '}')) {
            return p;
        }
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p++;
    }
    return end;
}

/* The value of a key of the outermost object; a string's value without its quotes. */
static int find_member(struct span line, const char *key, struct span *ret)
{
    size_t key_length = strlen(key);
    const char *p = skip_space(line.start, line.end);
    if (p >= line.end || *p != '{') {
        return -EINVAL;
    }
    for (p++; p < line.end; p++) {
        p = skip_space(p, line.end);
        if (p >= line.end || *p != '"') {
            return -ENOENT;
        }
        const char *name = p + 1;
        p = skip_string(p, line.end);
        size_t name_length = (size_t)(p - name) - 1;
        p = skip_space(p, line.end);
        if (p >= line.end || *p != ':') {
            return -EINVAL;
        }
        const char *value = skip_space(p + 1, line.end);
        p = skip_value(value, line.end);
        if (name_length == key_length && memcmp(name, key, key_length) == 0) {
            int quoted = value < line.end && *value == '"';
            const char *value_end = quoted ? skip_string(value, line.end) - 1 : p;
            *ret = (struct span){value + quoted, value_end};
            return value_end >= value + quoted ? 0 : -EINVAL;
        }
    }
    return -ENOENT;
}

static int parse_stamp(struct span text, int64_t *ret)
{
    int64_t value = 0;
    const char *p = text.start;
    for (; p < text.end && *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (*p - '0');
        if (value > STAMP_MOST) {
            return -ERANGE;
        }
    }
    if (p == text.start) {
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

/* "event-" and up to eight hex digits give the number itself, anything else its hash. */
static uint32_t parse_uid(struct span text)
{
    static const char prefix[] = "event-";
    size_t length = (size_t)(text.end - text.start);
    uint32_t value = 0;
    size_t at = sizeof(prefix) - 1;
    if (length <= at || length > at + 8 || memcmp(text.start, prefix, at) != 0) {
        return (uint32_t)sim_hash_text(text.start, length);
    }
    for (; at < length; at++) {
        char c = text.start[at];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint32_t)(c - 'a' + 10);
        } else {
            return (uint32_t)sim_hash_text(text.start, length);
        }
    }
    return value;
}

/* The main identifier, else the uid: so a recorded device stays in one partition too. */
static uint8_t choose_partition(struct span line, struct span uid)
{
    static const char *const keys[] = {"\"deviceId\":\"", "\"macAddress\":\"", "\"locationId\":\""};
    for (size_t i = 0; i < FH_ARRAY_LEN(keys); i++) {
        size_t length = strlen(keys[i]);
        const char *found = memmem(line.start, (size_t)(line.end - line.start), keys[i], length);
        if (found) {
            const char *end = skip_string(found + length - 1, line.end);
            return sim_partition_of(found + length, (size_t)(end - found) - length - 1);
        }
    }
    return sim_partition_of(uid.start, (size_t)(uid.end - uid.start));
}

static uint8_t find_type(struct span name)
{
    size_t length = (size_t)(name.end - name.start);
    for (unsigned i = 0; i < SIM_TYPES; i++) {
        const char *known = sim_payload_type_name(i);
        if (strlen(known) == length && memcmp(known, name.start, length) == 0) {
            return (uint8_t)i;
        }
    }
    return SIM_REPLAYED;
}

static int parse_line(struct span line, struct sim_replay_line *ret)
{
    struct span uid;
    struct span stamp;
    struct span type;
    int64_t timestamp_ms;
    if (find_member(line, "recordUid", &uid) < 0 ||
        find_member(line, "recordTimestamp", &stamp) < 0 ||
        find_member(line, "eventType", &type) < 0 || parse_stamp(stamp, &timestamp_ms) < 0) {
        return -EINVAL;
    }
    *ret = (struct sim_replay_line){
        .text = line.start,
        .length = (uint32_t)(line.end - line.start),
        .uid_at = (uint32_t)(uid.start - line.start),
        .uid_length = (uint32_t)(uid.end - uid.start),
        .stamp_at = (uint32_t)(stamp.start - line.start),
        .stamp_length = (uint32_t)(stamp.end - stamp.start),
        .uid = parse_uid(uid),
        .timestamp_ms = timestamp_ms,
        .type = find_type(type),
        .partition = choose_partition(line, uid),
    };
    return 0;
}

static int add_line(struct sim_replay *replay, size_t *capacity, const struct sim_replay_line *line)
{
    if (replay->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 1024;
        struct sim_replay_line *lines = realloc(replay->lines, *capacity * sizeof(*lines));
        if (!lines) {
            return -ENOMEM;
        }
        replay->lines = lines;
    }
    replay->lines[replay->count++] = *line;
    return 0;
}

static int parse_file(struct sim_replay *replay, size_t length, const char *path,
                      struct fh_error *err)
{
    size_t capacity = 0;
    const char *end = replay->bytes + length;
    size_t number = 0;
    for (const char *p = replay->bytes; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        struct span line = {p, newline ? newline : end};
        p = line.end + 1;
        number++;
        if (line.end > line.start && line.end[-1] == '\r') {
            line.end--;
        }
        if (line.end == line.start) {
            continue;
        }
        struct sim_replay_line parsed;
        if (line.end - line.start >= SIM_REPLAY_LINE_MAX) {
            return fh_error_set(err, -EFBIG, "%s line %zu: longer than 1 MiB; remove it.", path,
                                number);
        }
        if (parse_line(line, &parsed) < 0) {
            return fh_error_set(err, -EINVAL,
                                "%s line %zu: not an object with recordUid, recordTimestamp and "
                                "eventType; remove it.",
                                path, number);
        }
        if (parsed.type != SIM_KEEP_ALIVE && add_line(replay, &capacity, &parsed) < 0) {
            return fh_error_set(err, -ENOMEM, "%s: not enough memory.", path);
        }
    }
    if (replay->count == 0) {
        return fh_error_set(err, -ENODATA, "%s: holds no event.", path);
    }
    return 0;
}

static void close_file(FILE **file)
{
    if (*file) {
        (void)fclose(*file);
    }
}

static int read_file(const char *path, struct fh_error *err, char **ret_bytes, size_t *ret_length)
{
    char reason[128];
    FH_CLEANUP(close_file) FILE *file = fopen(path, "re");
    if (!file || fseeko(file, 0, SEEK_END) < 0) {
        int code = -errno;
        return fh_error_set(err, code, "Cannot read the recorded stream %s: %s.", path,
                            fh_strerror(code, reason, sizeof(reason)));
    }
    off_t size = ftello(file);
    rewind(file);
    char *bytes = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (!bytes) {
        return fh_error_set(err, -ENOMEM, "%s: not enough memory for %lld bytes.", path,
                            (long long)size);
    }
    *ret_length = fread(bytes, 1, (size_t)size, file);
    if (ferror(file)) {
        free(bytes);
        return fh_error_set(err, -EIO, "Cannot read the recorded stream %s: input/output error.",
                            path);
    }
    bytes[*ret_length] = '\0';
    *ret_bytes = bytes;
    return 0;
}

int sim_replay_load(const char *path, struct fh_error *err, struct sim_replay *ret)
{
    struct sim_replay replay = {0};
    size_t length = 0;
    int r = read_file(path, err, &replay.bytes, &length);
    if (r >= 0) {
        r = parse_file(&replay, length, path, err);
    }
    if (r < 0) {
        sim_replay_done(&replay);
        return r;
    }
    *ret = replay;
    return 0;
}

void sim_replay_done(struct sim_replay *replay)
{
    free(replay->bytes);
    free(replay->lines);
    *replay = (struct sim_replay){0};
}

/* A stretch of a recorded line and what stands there instead. */
struct exchange {
    uint32_t at, length;
    const char *text;
    size_t text_length;
};

size_t sim_replay_render(const struct sim_replay_line *line, const uint32_t *uid, int64_t stamp_ms,
                         char *buf, size_t capacity)
{
    char uid_text[16];
    char stamp_text[24];
    struct exchange exchanges[] = {
        {line->uid_at, line->uid_length, line->text + line->uid_at, line->uid_length},
        {line->stamp_at, line->stamp_length, line->text + line->stamp_at, line->stamp_length},
    };
    if (uid) {
        char *end = sim_put_hex(SIM_PUT(uid_text, "event-"), *uid);
        exchanges[0].text = uid_text;
        exchanges[0].text_length = (size_t)(end - uid_text);
    }
    if (stamp_ms != line->timestamp_ms) {
        exchanges[1].text = stamp_text;
        exchanges[1].text_length = (size_t)(sim_put_int(stamp_text, stamp_ms) - stamp_text);
    }
    if (exchanges[0].at > exchanges[1].at) {
        struct exchange first = exchanges[1];
        exchanges[1] = exchanges[0];
        exchanges[0] = first;
    }
    size_t length = line->length + 1;
    for (size_t i = 0; i < FH_ARRAY_LEN(exchanges); i++) {
        length = length - exchanges[i].length + exchanges[i].text_length;
    }
    if (length > capacity) {
        return length;
    }
    char *p = buf;
    size_t copied = 0;
    for (size_t i = 0; i < FH_ARRAY_LEN(exchanges); i++) {
        p = sim_put_bytes(p, line->text + copied, exchanges[i].at - copied);
        p = sim_put_bytes(p, exchanges[i].text, exchanges[i].text_length);
        copied = exchanges[i].at + exchanges[i].length;
    }
    p = sim_put_bytes(p, line->text + copied, line->length - copied);
    *p = '\n';
    return length;
}
