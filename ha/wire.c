/* wire.c: owns what the messages of the link consist of. Never trusts a count, keeps no state. */
#include "wire.h"

#include "fh/octets.h"

#include <errno.h>
#include <string.h>

#define HEAD_SIZE 24

/* An empty one is no name. */
static void get_name(struct fh_octets *octets, char *name, size_t size)
{
    name[0] = '\0';
    fh_octets_text(octets, '!', name, size);
    octets->failed |= name[0] == '\0';
}

static enum fh_role get_role(struct fh_octets *octets)
{
    uint64_t role = fh_octets_get(octets, 1);
    if (role >= FH_ROLE_COUNT) {
        octets->failed = true;
        return FH_ROLE_STARTING;
    }
    return (enum fh_role)role;
}

/* Epochs are counted by ones and twos: a number near the end of the range is not one, and the next
 * one after it would not be higher. */
static uint64_t get_epoch(struct fh_octets *octets)
{
    uint64_t epoch = fh_octets_get(octets, 8);
    if (epoch > FH_WIRE_EPOCH_MAX) {
        octets->failed = true;
    }
    return epoch;
}

static void get_checkpoint(struct fh_octets *octets, struct fh_checkpoint *checkpoint)
{
    for (size_t i = 0; i < FH_PARTITIONS; i++) {
        int64_t stamp = (int64_t)fh_octets_get(octets, 8);
        checkpoint->partition_ms[i] = stamp;
        if (stamp < 0) {
            octets->failed = true;
        }
    }
}

enum { FLAG_LAST_PRIMARY = 1, FLAG_READY = 2, FLAG_LIVE = 4, FLAG_HEALTHY = 8, FLAG_FINAL = 16 };
enum { MORE_MAINTENANCE = 1, MORE_PATIENT = 2, MORE_AUTOMATIC = 4, MORE_DATAGRAMS = 8 };
#define DATAGRAM_PATHS_SHIFT 8                  /* the upper byte: a bit per path */
enum { MORE_KEY_SHIFT = 4, MORE_KEY_MASK = 7 }; /* a number, not a flag */

static unsigned char *put_state_1(unsigned char *at, const struct fh_wire_state *state)
{
    at = fh_octets_put(at, state->role, 1);
    at = fh_octets_put(at, state->epoch, 8);
    at = fh_octets_put(
        at,
        (state->last_primary ? FLAG_LAST_PRIMARY : 0u) | (state->ready ? FLAG_READY : 0u) |
            (state->streams_live ? FLAG_LIVE : 0u) | (state->sinks_healthy ? FLAG_HEALTHY : 0u) |
            (state->applied_final ? FLAG_FINAL : 0u),
        2);
    at = fh_octets_put(at, state->heard_paths, 1);
    at = fh_octets_put(at, state->echo, 8);
    at = fh_octets_put(at, state->report_last, 8);
    at = fh_octets_put(at, state->report_applied, 8);
    at = fh_octets_put(at, state->report_store, 8);
    const struct fh_checkpoint *all[] = {&state->received, &state->delivered, &state->covered_from};
    for (size_t which = 0; which < 3; which++) {
        for (size_t i = 0; i < FH_PARTITIONS; i++) {
            at = fh_octets_put(at, (uint64_t)all[which]->partition_ms[i], 8);
        }
    }
    return at;
}

static unsigned char *put_state_2(unsigned char *at, const struct fh_wire_state *state)
{
    at = fh_octets_put(at,
                       (state->maintenance ? MORE_MAINTENANCE : 0u) |
                           (state->patient ? MORE_PATIENT : 0u) |
                           (state->yield_automatic ? MORE_AUTOMATIC : 0u) |
                           (state->datagrams ? MORE_DATAGRAMS : 0u) |
                           ((unsigned)state->dedup_key << MORE_KEY_SHIFT) |
                           ((unsigned)state->datagram_paths << DATAGRAM_PATHS_SHIFT),
                       2);
    at = fh_octets_put(at, state->yield_epoch, 8);
    at = fh_octets_put(at, state->beat, 8);
    at = fh_octets_put(at, state->beat_heard, 8);
    at = fh_octets_put(at, state->promise_epoch, 8);
    at = fh_octets_put(at, state->promise_ms, 4);
    for (size_t i = 0; i < FH_REPLICA_MINUTES; i++) {
        const struct fh_replica_minute *minute = &state->minutes.minute[i];
        at = fh_octets_put(at, (uint64_t)minute->minute, 8);
        at = fh_octets_put(at, minute->count, 4);
        for (size_t j = 0; j < FH_REPLICA_BUCKETS; j++) {
            at = fh_octets_put(at, minute->digest[j], 4);
        }
    }
    return at;
}

static void get_state_2(struct fh_octets *octets, struct fh_wire_state *state)
{
    uint64_t flags = fh_octets_get(octets, 2);
    state->maintenance = (flags & MORE_MAINTENANCE) != 0;
    state->patient = (flags & MORE_PATIENT) != 0;
    state->yield_automatic = (flags & MORE_AUTOMATIC) != 0;
    state->datagrams = (flags & MORE_DATAGRAMS) != 0;
    state->datagram_paths = (uint8_t)(flags >> DATAGRAM_PATHS_SHIFT);
    state->dedup_key = flags >> MORE_KEY_SHIFT & MORE_KEY_MASK;
    if (state->dedup_key > FH_KEY_COUNT) {
        state->dedup_key = 0; /* one that only newer versions have */
    }
    state->yield_epoch = get_epoch(octets);
    state->beat = fh_octets_get(octets, 8);
    state->beat_heard = fh_octets_get(octets, 8);
    state->promise_epoch = get_epoch(octets);
    state->promise_ms = (uint32_t)fh_octets_get(octets, 4);
    for (size_t i = 0; i < FH_REPLICA_MINUTES; i++) {
        struct fh_replica_minute *minute = &state->minutes.minute[i];
        minute->minute = (int64_t)fh_octets_get(octets, 8);
        minute->count = (uint32_t)fh_octets_get(octets, 4);
        for (size_t j = 0; j < FH_REPLICA_BUCKETS; j++) {
            minute->digest[j] = (uint32_t)fh_octets_get(octets, 4);
        }
    }
}

static void get_state_1(struct fh_octets *octets, struct fh_wire_state *state)
{
    state->role = get_role(octets);
    state->epoch = get_epoch(octets);
    uint64_t flags = fh_octets_get(octets, 2);
    state->last_primary = (flags & FLAG_LAST_PRIMARY) != 0;
    state->ready = (flags & FLAG_READY) != 0;
    state->streams_live = (flags & FLAG_LIVE) != 0;
    state->sinks_healthy = (flags & FLAG_HEALTHY) != 0;
    state->applied_final = (flags & FLAG_FINAL) != 0;
    state->heard_paths = (uint8_t)fh_octets_get(octets, 1);
    state->echo = fh_octets_get(octets, 8);
    state->report_last = fh_octets_get(octets, 8);
    state->report_applied = fh_octets_get(octets, 8);
    state->report_store = fh_octets_get(octets, 8);
    get_checkpoint(octets, &state->received);
    get_checkpoint(octets, &state->delivered);
    get_checkpoint(octets, &state->covered_from);
}

enum {
    STATE_1_SIZE = 1 + 8 + 2 + 1 + 8 * 4 + 3 * FH_PARTITIONS * 8,
    SAMPLE_SIZE = 4 + 4 + 4 + 2,
    STATE_2_SIZE = 2 + 8 * 4 + 4 + FH_REPLICA_MINUTES * (8 + 4 + 4 * FH_REPLICA_BUCKETS),
};

size_t fh_wire_size(const struct fh_wire_message *message)
{
    switch (message->type) {
    case FH_WIRE_HELLO:
        return HEAD_SIZE + 2 + 1 + 8 + 1 + strlen(message->u.hello.node) + 8 + 8 + 1 + 2 +
               STATE_1_SIZE + (message->u.hello.version_max >= 2 ? STATE_2_SIZE : 0);
    case FH_WIRE_HEARTBEAT:
        return HEAD_SIZE + STATE_1_SIZE + (message->version >= 2 ? STATE_2_SIZE : 0);
    case FH_WIRE_REPORT:
        return HEAD_SIZE + 16 + message->u.report.bytes.len;
    case FH_WIRE_CONFIRM:
    case FH_WIRE_ANSWERED:
        return HEAD_SIZE + 16;
    case FH_WIRE_WANT:
        return HEAD_SIZE + 24;
    case FH_WIRE_SAMPLE:
        return HEAD_SIZE + 8 + 1 + (size_t)message->u.sample.count * SAMPLE_SIZE;
    case FH_WIRE_ECHO:
        return HEAD_SIZE + 8 + 1 + 1;
    case FH_WIRE_OFFER:
        return HEAD_SIZE + message->u.offer.len;
    case FH_WIRE_GOODBYE:
        return HEAD_SIZE;
    }
    return 0;
}

static unsigned char *put_hello(unsigned char *at, const struct fh_wire_hello *hello)
{
    size_t len = strlen(hello->node);
    at = fh_octets_put(at, hello->version_min, 1);
    at = fh_octets_put(at, hello->version_max, 1);
    at = fh_octets_put(at, hello->state.role, 1);
    at = fh_octets_put(at, hello->state.epoch, 8);
    at = fh_octets_put(at, len, 1);
    memcpy(at, hello->node, len);
    at += len;
    at = fh_octets_put(at, hello->store_id, 8);
    at = fh_octets_put(at, (uint64_t)hello->replica_id, 8);
    at = fh_octets_put(at, hello->preferred ? 1 : 0, 1);
    at = fh_octets_put(at, hello->partitions, 2);
    at = put_state_1(at, &hello->state);
    return hello->version_max >= 2 ? put_state_2(at, &hello->state) : at;
}

static void put_sample(unsigned char *at, const struct fh_replica_slice *slice)
{
    at = fh_octets_put(at, (uint64_t)slice->number, 8);
    at = fh_octets_put(at, slice->count, 1);
    for (uint32_t i = 0; i < slice->count; i++) {
        at = fh_octets_put(at, slice->sample[i].lot, 4);
        at = fh_octets_put(at, slice->sample[i].payload, 4);
        at = fh_octets_put(at, slice->sample[i].uid, 4);
        at = fh_octets_put(at, slice->sample[i].offset_ms, 2);
    }
}

int fh_wire_encode(const struct fh_wire_message *message, void *bytes, size_t size)
{
    size_t need = fh_wire_size(message);
    if (need == 0 || need > size) {
        return -ENOBUFS;
    }
    unsigned char *at = bytes;
    at = fh_octets_put(at, FH_WIRE_MAGIC, 4);
    at = fh_octets_put(at, message->version, 1);
    at = fh_octets_put(at, message->type, 1);
    at = fh_octets_put(at, message->path, 1);
    at = fh_octets_put(at, 0, 1);
    at = fh_octets_put(at, message->instance, 8);
    at = fh_octets_put(at, message->sequence, 8);
    switch (message->type) {
    case FH_WIRE_HELLO:
        put_hello(at, &message->u.hello);
        break;
    case FH_WIRE_HEARTBEAT:
        at = put_state_1(at, &message->u.heartbeat);
        if (message->version >= 2) {
            put_state_2(at, &message->u.heartbeat);
        }
        break;
    case FH_WIRE_REPORT:
        at = fh_octets_put(at, message->u.report.previous, 8);
        at = fh_octets_put(at, message->u.report.number, 8);
        memcpy(at, message->u.report.bytes.data, message->u.report.bytes.len);
        break;
    case FH_WIRE_CONFIRM:
        at = fh_octets_put(at, message->u.confirm.store_id, 8);
        fh_octets_put(at, message->u.confirm.number, 8);
        break;
    case FH_WIRE_WANT:
        at = fh_octets_put(at, message->u.want.store_id, 8);
        at = fh_octets_put(at, message->u.want.from, 8);
        fh_octets_put(at, (uint64_t)message->u.want.min_timestamp_ms, 8);
        break;
    case FH_WIRE_ANSWERED:
        at = fh_octets_put(at, message->u.answered.previous, 8);
        fh_octets_put(at, message->u.answered.through, 8);
        break;
    case FH_WIRE_SAMPLE:
        put_sample(at, &message->u.sample);
        break;
    case FH_WIRE_ECHO:
        at = fh_octets_put(at, message->u.echo.token, 8);
        at = fh_octets_put(at, message->u.echo.path, 1);
        fh_octets_put(at, message->u.echo.answer ? 1 : 0, 1);
        break;
    case FH_WIRE_OFFER:
        memcpy(at, message->u.offer.data, message->u.offer.len);
        break;
    case FH_WIRE_GOODBYE:
        break;
    }
    return (int)need;
}

static void get_hello(struct fh_octets *octets, struct fh_wire_hello *hello)
{
    hello->version_min = (uint8_t)fh_octets_get(octets, 1);
    hello->version_max = (uint8_t)fh_octets_get(octets, 1);
    enum fh_role role = get_role(octets);
    uint64_t epoch = get_epoch(octets);
    get_name(octets, hello->node, sizeof(hello->node));
    if (octets->failed || hello->version_min > hello->version_max || hello->version_min == 0) {
        octets->failed = true;
        return;
    }
    if (hello->version_min > FH_WIRE_VERSION_MAX || hello->version_max < FH_WIRE_VERSION_MIN) {
        hello->state.role = role;
        hello->state.epoch = epoch;
        octets->left = 0; /* the rest is written in a language we do not know */
        return;
    }
    hello->store_id = fh_octets_get(octets, 8);
    hello->replica_id = (int64_t)fh_octets_get(octets, 8);
    hello->preferred = fh_octets_get(octets, 1) != 0;
    hello->partitions = (uint16_t)fh_octets_get(octets, 2);
    get_state_1(octets, &hello->state);
    if (hello->version_max >= 2) {
        get_state_2(octets, &hello->state);
    }
    hello->complete = true;
    if (hello->version_max > FH_WIRE_VERSION_MAX) {
        octets->left = 0;
    }
}

static void get_report(struct fh_octets *octets, struct fh_wire_report *report)
{
    report->previous = fh_octets_get(octets, 8);
    report->number = fh_octets_get(octets, 8);
    report->bytes.len = octets->left;
    report->bytes.data = (const char *)fh_octets_take(octets, octets->left);
    if (report->number == 0 || report->previous >= report->number || report->bytes.len == 0 ||
        report->bytes.len > FH_WIRE_REPORT_MAX) {
        octets->failed = true;
    }
}

static void get_sample(struct fh_octets *octets, struct fh_replica_slice *slice)
{
    uint64_t number = fh_octets_get(octets, 8);
    uint64_t count = fh_octets_get(octets, 1);
    if (number == 0 || number > INT64_MAX / FH_REPLICA_SLICE_MS - FH_REPLICA_SLICES ||
        count > FH_REPLICA_SAMPLES) {
        octets->failed = true;
        return;
    }
    slice->number = (int64_t)number;
    slice->count = (uint32_t)count;
    for (uint32_t i = 0; i < slice->count; i++) {
        slice->sample[i].lot = (uint32_t)fh_octets_get(octets, 4);
        slice->sample[i].payload = (uint32_t)fh_octets_get(octets, 4);
        slice->sample[i].uid = (uint32_t)fh_octets_get(octets, 4);
        slice->sample[i].offset_ms = (uint32_t)fh_octets_get(octets, 2);
    }
}

static void get_offer(struct fh_octets *octets, struct fh_slice *lines)
{
    lines->len = octets->left;
    lines->data = (const char *)fh_octets_take(octets, octets->left);
    if (lines->len == 0 || lines->len > FH_WIRE_OFFER_MAX || lines->data[lines->len - 1] != '\n') {
        octets->failed = true;
    }
}

static void get_body(struct fh_octets *octets, struct fh_wire_message *message)
{
    switch (message->type) {
    case FH_WIRE_HELLO:
        get_hello(octets, &message->u.hello);
        break;
    case FH_WIRE_HEARTBEAT:
        get_state_1(octets, &message->u.heartbeat);
        if (message->version >= 2) {
            get_state_2(octets, &message->u.heartbeat);
        }
        break;
    case FH_WIRE_REPORT:
        get_report(octets, &message->u.report);
        break;
    case FH_WIRE_CONFIRM:
        message->u.confirm.store_id = fh_octets_get(octets, 8);
        message->u.confirm.number = fh_octets_get(octets, 8);
        break;
    case FH_WIRE_WANT:
        message->u.want.store_id = fh_octets_get(octets, 8);
        message->u.want.from = fh_octets_get(octets, 8);
        message->u.want.min_timestamp_ms = (int64_t)fh_octets_get(octets, 8);
        octets->failed |= message->u.want.from == 0;
        break;
    case FH_WIRE_ANSWERED:
        message->u.answered.previous = fh_octets_get(octets, 8);
        message->u.answered.through = fh_octets_get(octets, 8);
        octets->failed |= message->u.answered.previous > message->u.answered.through;
        break;
    case FH_WIRE_SAMPLE:
        get_sample(octets, &message->u.sample);
        break;
    case FH_WIRE_ECHO:
        message->u.echo.token = fh_octets_get(octets, 8);
        message->u.echo.path = (uint8_t)fh_octets_get(octets, 1);
        message->u.echo.answer = fh_octets_get(octets, 1) != 0;
        break;
    case FH_WIRE_OFFER:
        get_offer(octets, &message->u.offer);
        break;
    case FH_WIRE_GOODBYE:
        break;
    default:
        octets->failed = true;
    }
}

int fh_wire_decode(const void *bytes, size_t len, struct fh_wire_message *ret)
{
    struct fh_octets octets = {.at = bytes, .left = len};
    struct fh_wire_message message;
    memset(&message, 0, sizeof(message));
    if (fh_octets_get(&octets, 4) != FH_WIRE_MAGIC) {
        return -EBADMSG;
    }
    message.version = (uint8_t)fh_octets_get(&octets, 1);
    message.type = (enum fh_wire_type)fh_octets_get(&octets, 1);
    message.path = (uint8_t)fh_octets_get(&octets, 1);
    fh_octets_get(&octets, 1);
    message.instance = fh_octets_get(&octets, 8);
    message.sequence = fh_octets_get(&octets, 8);
    if (octets.failed || message.instance == 0) {
        return -EBADMSG;
    }
    if (message.type != FH_WIRE_HELLO &&
        (message.version < FH_WIRE_VERSION_MIN || message.version > FH_WIRE_VERSION_MAX)) {
        return -EPROTONOSUPPORT;
    }
    get_body(&octets, &message);
    if (octets.failed || octets.left != 0) {
        return -EBADMSG;
    }
    *ret = message;
    return 0;
}
