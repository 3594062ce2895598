/* kafka_position.c: owns the table of offsets per partition and its text. No Kafka, no I/O. */
#include "kafka_position.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789abcdefghijklmnopqrstuvwxyz"
#define PREFIX "1"

void fh_kafka_places_clear(struct fh_kafka_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->place[i].topic);
    }
    places->count = 0;
}

void fh_kafka_places_done(struct fh_kafka_places *places)
{
    fh_kafka_places_clear(places);
    free(places->place);
    *places = (struct fh_kafka_places){.count = 0};
}

static int compare(const struct fh_kafka_place *place, const char *topic, int32_t partition)
{
    int r = strcmp(place->topic, topic);
    return r != 0 ? r : (place->partition > partition) - (place->partition < partition);
}

/* Where it is, or where it belongs. */
static size_t search(const struct fh_kafka_places *places, const char *topic, int32_t partition)
{
    size_t low = 0;
    size_t high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&places->place[middle], topic, partition) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct fh_kafka_place *fh_kafka_places_find(const struct fh_kafka_places *places, const char *topic,
                                            int32_t partition)
{
    size_t at = search(places, topic, partition);
    bool found = at < places->count && compare(&places->place[at], topic, partition) == 0;
    return found ? &places->place[at] : NULL;
}

static int insert(struct fh_kafka_places *places, size_t at, const char *topic, int32_t partition,
                  int64_t next)
{
    if (places->count == FH_KAFKA_PLACES_MAX) {
        return -ENOBUFS;
    }
    if (places->count == places->capacity) {
        size_t capacity = places->capacity > 0 ? 2 * places->capacity : 16;
        struct fh_kafka_place *bigger = realloc(places->place, capacity * sizeof(*bigger));
        if (!bigger) {
            return -ENOMEM;
        }
        places->place = bigger;
        places->capacity = capacity;
    }
    char *name = strdup(topic);
    if (!name) {
        return -ENOMEM;
    }
    memmove(&places->place[at + 1], &places->place[at],
            (places->count - at) * sizeof(places->place[0]));
    struct fh_kafka_place *place = &places->place[at];
    place->topic = name;
    place->partition = partition;
    place->next = next;
    places->count++;
    return 0;
}

int fh_kafka_places_raise(struct fh_kafka_places *places, const char *topic, int32_t partition,
                          int64_t next)
{
    size_t at = search(places, topic, partition);
    if (at == places->count || compare(&places->place[at], topic, partition) != 0) {
        return insert(places, at, topic, partition, next);
    }
    if (places->place[at].next < next) {
        places->place[at].next = next;
    }
    return 0;
}

int fh_kafka_places_merge(struct fh_kafka_places *places, const struct fh_kafka_places *from)
{
    int r = 0;
    for (size_t i = 0; i < from->count && r == 0; i++) {
        const struct fh_kafka_place *place = &from->place[i];
        r = fh_kafka_places_raise(places, place->topic, place->partition, place->next);
    }
    return r;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Appends whole or not at all. */
static bool append(char text[FH_SINK_POSITION_MAX], size_t *inout_used, const char *bytes,
                   size_t len)
{
    if (*inout_used + len >= FH_SINK_POSITION_MAX) {
        return false;
    }
    memcpy(text + *inout_used, bytes, len);
    *inout_used += len;
    text[*inout_used] = '\0';
    return true;
}

static size_t print_number(int64_t value, char digits[16])
{
    char reversed[16];
    size_t len = 0;
    do {
        reversed[len++] = DIGITS[value % 36];
        value /= 36;
    } while (value > 0);
    for (size_t i = 0; i < len; i++) {
        digits[i] = reversed[len - 1 - i];
    }
    return len;
}

/* One more partition of the topic under way; empty ones up to it are made up for. */
static bool append_place(char text[FH_SINK_POSITION_MAX], size_t *inout_used,
                         int32_t *inout_partition, const struct fh_kafka_place *place)
{
    char piece[FH_SINK_POSITION_MAX + 16];
    size_t len = 0;
    for (int32_t i = *inout_partition; i < place->partition; i++) {
        if (len == FH_SINK_POSITION_MAX) {
            return false;
        }
        piece[len++] = ',';
    }
    len += print_number(place->next, piece + len);
    if (!append(text, inout_used, piece, len)) {
        return false;
    }
    *inout_partition = place->partition;
    return true;
}

void fh_kafka_position_print(const struct fh_kafka_places *places, char text[FH_SINK_POSITION_MAX])
{
    const char *topic = NULL;
    int32_t partition = 0;
    size_t used = 0;
    text[0] = '\0';
    append(text, &used, PREFIX, strlen(PREFIX));
    for (size_t i = 0; i < places->count; i++) {
        const struct fh_kafka_place *place = &places->place[i];
        size_t before = used;
        bool fits = true;
        if (!topic || strcmp(topic, place->topic) != 0) {
            topic = place->topic;
            partition = 0;
            fits = append(text, &used, ";", 1) && append(text, &used, topic, strlen(topic)) &&
                   append(text, &used, ":", 1);
        }
        if (!fits || !append_place(text, &used, &partition, place)) {
            text[before] = '\0';
            used = before;
            break;
        }
    }
    if (used == strlen(PREFIX)) {
        text[0] = '\0';
    }
}

/* Up to ',', ';' or the end; -1 when it is empty. */
static int parse_number(const char **inout_at, int64_t *ret)
{
    int64_t value = 0;
    const char *at = *inout_at;
    for (; *at != '\0' && *at != ',' && *at != ';'; at++) {
        const char *digit = strchr(DIGITS, *at);
        if (!digit || value > (INT64_MAX - (digit - DIGITS)) / 36) {
            return -EBADMSG;
        }
        value = value * 36 + (digit - DIGITS);
    }
    *ret = at == *inout_at ? -1 : value;
    *inout_at = at;
    return 0;
}

/* After the ';': NAME:NUMBER,NUMBER... */
static int parse_topic(const char **inout_at, struct fh_kafka_places *places)
{
    char topic[FH_KAFKA_TOPIC_MAX];
    size_t len = strcspn(*inout_at, ":;");
    if (len == 0 || len >= sizeof(topic) || (*inout_at)[len] != ':') {
        return -EBADMSG;
    }
    memcpy(topic, *inout_at, len);
    topic[len] = '\0';
    const char *at = *inout_at + len;
    for (int32_t partition = 0; *at == ':' || *at == ','; partition++) {
        int64_t next;
        at++;
        int r = parse_number(&at, &next);
        if (r == 0 && next >= 0) {
            r = fh_kafka_places_raise(places, topic, partition, next);
        }
        if (r < 0) {
            return r;
        }
    }
    *inout_at = at;
    return 0;
}

int fh_kafka_position_parse(const char *text, struct fh_kafka_places *places)
{
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0) {
        return -EBADMSG;
    }
    const char *at = text + strlen(PREFIX);
    while (*at == ';') {
        at++;
        int r = parse_topic(&at, places);
        if (r < 0) {
            return r;
        }
    }
    return *at == '\0' ? 0 : -EBADMSG;
}
