/* pairs.c: owns what the witness knows of each pair and the order in which a grant happens: decide
 * on a copy, make it durable, only then believe it and answer. */
#include "pairs.h"

#include "state.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <zmq.h>

#define NODE_GONE 2 /* the lease stands under a key the configuration no longer names */

struct pair {
    struct witness_pairs *all;
    char name[64];
    char path[WITNESS_PATH_MAX + 80];
    char public_key[3][41]; /* of node 0, node 1, NODE_GONE */
    unsigned char key[2][32];
    char node[3][FH_WITNESS_NAME_MAX]; /* as they call themselves; "" before they did */
    struct fh_lease lease;
    sd_event_source *expiry;
    bool held;         /* somebody's lease is running, as far as the journal was told */
    bool write_failed; /* said so already */
};

struct witness_pairs {
    struct pair pair[WITNESS_PAIRS_MAX];
    size_t count;
};

static const char *name_of(const struct pair *pair, uint32_t node)
{
    return node > NODE_GONE ? "" : pair->node[node];
}

FH_PRINTF(4, 5)
static void log_pair(int level, enum fh_log_id id, const struct pair *pair, const char *format, ...)
{
    char text[400];
    char epoch[24];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(epoch, sizeof(epoch), "%" PRIu64, pair->lease.record.epoch);
    const struct fh_log_field fields[] = {{"FIREHOSED_PAIR", pair->name},
                                          {"FIREHOSED_EPOCH", epoch}};
    fh_log_event(level, id, fields, FH_ARRAY_LEN(fields), "%s: %s", pair->name, text);
}

static void tell_systemd(const struct witness_pairs *pairs)
{
    char text[1024];
    struct fh_time now = fh_now();
    int used = snprintf(text, sizeof(text), "STATUS=%zu pair%s", pairs->count,
                        pairs->count == 1 ? "" : "s");
    for (size_t i = 0; i < pairs->count && used > 0 && (size_t)used < sizeof(text); i++) {
        const struct pair *pair = &pairs->pair[i];
        uint32_t holder = fh_lease_holder(&pair->lease, now);
        const char *name = holder == FH_LEASE_NOBODY ? "nobody" : name_of(pair, holder);
        used += snprintf(text + used, sizeof(text) - (size_t)used, "; %s: %s, epoch %" PRIu64,
                         pair->name, name, pair->lease.record.epoch);
    }
    sd_notify(0, text);
}

/* ---- what happens when nobody renews ---- */

static void set_expiry(struct pair *pair)
{
    if (fh_time_is_set(pair->lease.until)) {
        sd_event_source_set_time(pair->expiry, (uint64_t)(pair->lease.until.ns + 999) / 1000);
        sd_event_source_set_enabled(pair->expiry, SD_EVENT_ONESHOT);
    } else {
        sd_event_source_set_enabled(pair->expiry, SD_EVENT_OFF);
    }
}

/* Before each request as well: the other node may be quicker than the timer. */
static void notice_expiry(struct pair *pair, struct fh_time now)
{
    if (pair->held && fh_lease_holder(&pair->lease, now) == FH_LEASE_NOBODY) {
        pair->held = false;
        log_pair(LOG_WARNING, FH_LOG_LEASE_EXPIRED, pair,
                 "the lease of %s (epoch %" PRIu64 ") was not renewed and has expired",
                 name_of(pair, pair->lease.record.node), pair->lease.record.epoch);
        tell_systemd(pair->all);
    }
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    notice_expiry(userdata, fh_now());
    return 0;
}

/* ---- requests ---- */

static int save(struct pair *pair, const struct fh_lease *lease, struct fh_error *err)
{
    struct fh_lease_record record;
    fh_lease_record(lease, &record);
    struct witness_state state = {.epoch = record.epoch,
                                  .released = record.released,
                                  .ttl_ms = record.ttl_ms,
                                  .alone = record.alone};
    snprintf(state.node, sizeof(state.node), "%s", name_of(pair, record.node));
    memcpy(state.public_key, pair->public_key[record.node], sizeof(state.public_key));
    return witness_state_write(pair->path, &state, err);
}

/* false: not durable, so it did not happen. */
static bool commit(struct pair *pair, const struct fh_lease *next,
                   const struct fh_lease_decision *decision)
{
    struct fh_error err;
    if (decision->persist && save(pair, next, &err) < 0) {
        fh_lease_unsaved(&pair->lease);
        if (!pair->write_failed) {
            log_pair(LOG_ERR, FH_LOG_WITNESS_FAILED, pair, "nothing can be granted: %s", err.text);
        }
        pair->write_failed = true;
        return false;
    }
    pair->write_failed = pair->write_failed && !decision->persist;
    pair->lease = *next;
    return true;
}

static void log_decision(const struct pair *pair, unsigned node,
                         const struct fh_lease_request *request,
                         const struct fh_lease_decision *decision, uint32_t before)
{
    if (decision->verdict == FH_LEASE_GRANTED && (decision->changed || before != node)) {
        log_pair(LOG_NOTICE, FH_LOG_LEASE_GRANTED, pair,
                 "%s may lead under epoch %" PRIu64 " (for %" PRId64 " ms, until renewed)",
                 name_of(pair, node), request->epoch, decision->ttl_ms);
    } else if (decision->verdict == FH_LEASE_RELEASED && before == node &&
               decision->holder == FH_LEASE_NOBODY) {
        log_pair(LOG_NOTICE, FH_LOG_LEASE_RELEASED, pair,
                 "%s gave the lease of epoch %" PRIu64 " back", name_of(pair, node),
                 decision->epoch);
    } else {
        return;
    }
    tell_systemd(pair->all);
}

static void fill_answer(const struct pair *pair, const struct fh_lease_request *request,
                        const struct fh_lease_decision *decision, struct fh_witness_message *answer)
{
    answer->epoch = decision->epoch;
    answer->ttl_ms = (uint32_t)decision->ttl_ms;
    answer->alone = fh_alone_pack(decision->alone.stint, decision->alone.other,
                                  decision->verdict == FH_LEASE_ALONE);
    snprintf(answer->name, sizeof(answer->name), "%s", name_of(pair, decision->holder));
    switch (decision->verdict) {
    case FH_LEASE_GRANTED:
        answer->type = FH_WITNESS_GRANTED;
        break;
    case FH_LEASE_RELEASED:
        answer->type = FH_WITNESS_RELEASED;
        break;
    case FH_LEASE_HELD:
        answer->type = FH_WITNESS_DENIED;
        snprintf(answer->text, sizeof(answer->text), "%s holds the lease under epoch %" PRIu64,
                 answer->name[0] != '\0' ? answer->name : "the other node", decision->epoch);
        break;
    case FH_LEASE_OLD:
        answer->type = FH_WITNESS_DENIED;
        snprintf(answer->text, sizeof(answer->text),
                 "epoch %" PRIu64 " is spent: epoch %" PRIu64 " has been granted", request->epoch,
                 decision->epoch);
        break;
    case FH_LEASE_ALONE:
        answer->type = FH_WITNESS_DENIED;
        snprintf(answer->text, sizeof(answer->text),
                 "the other node led alone, and only it knows what it published then (epoch "
                 "%" PRIu64 " or before)",
                 decision->epoch);
        break;
    case FH_LEASE_WAIT:
        answer->type = FH_WITNESS_ERROR;
        snprintf(answer->text, sizeof(answer->text),
                 "the witness has just started and may have granted a lease before; it grants "
                 "again in %" PRId64 " ms",
                 decision->ttl_ms);
        break;
    }
}

void witness_pairs_answer(struct witness_pairs *pairs, unsigned node,
                          const struct fh_witness_message *request,
                          struct fh_witness_message *answer)
{
    struct pair *pair = &pairs->pair[node / 2];
    memset(answer, 0, sizeof(*answer));
    answer->request = request->request;
    node %= 2;
    memcpy(pair->node[node], request->name, sizeof(pair->node[node]));
    struct fh_lease_request asked = {
        .operation = request->type == FH_WITNESS_ACQUIRE ? FH_LEASE_ACQUIRE
                     : request->type == FH_WITNESS_RENEW ? FH_LEASE_RENEW
                                                         : FH_LEASE_RELEASE,
        .node = node,
        .epoch = request->epoch,
        .ttl_ms = request->ttl_ms,
    };
    fh_alone_unpack(request->alone, &asked.alone.stint, &asked.alone.knows, &asked.alone.careful);
    struct fh_time now = fh_now();
    notice_expiry(pair, now);
    struct fh_lease next = pair->lease;
    struct fh_lease_decision decision;
    uint32_t before = fh_lease_holder(&pair->lease, now);
    fh_lease_step(&next, now, &asked, &decision);
    if (!commit(pair, &next, &decision)) {
        answer->type = FH_WITNESS_ERROR;
        snprintf(answer->text, sizeof(answer->text),
                 "the witness cannot write its state; its journal says why");
        return;
    }
    set_expiry(pair);
    pair->held = fh_lease_holder(&pair->lease, now) != FH_LEASE_NOBODY;
    log_decision(pair, node, &asked, &decision, before);
    fill_answer(pair, &asked, &decision, answer);
}

/* ---- life ---- */

static int load_pair(struct pair *pair, int64_t ttl_max_ms, struct fh_error *err)
{
    struct witness_state state;
    struct fh_lease_record record;
    int r = witness_state_read(pair->path, &state, err);
    if (r == -ENOENT) {
        fh_lease_start(&pair->lease, fh_now(), ttl_max_ms, NULL);
        return 0;
    }
    if (r < 0) {
        return r;
    }
    record.node = NODE_GONE;
    for (uint32_t i = 0; i < 2; i++) {
        record.node = strcmp(pair->public_key[i], state.public_key) == 0 ? i : record.node;
    }
    record.epoch = state.epoch;
    record.released = state.released;
    record.ttl_ms = state.ttl_ms;
    record.alone = state.alone;
    memcpy(pair->public_key[record.node], state.public_key, sizeof(state.public_key));
    memcpy(pair->node[record.node], state.node, sizeof(state.node));
    fh_lease_start(&pair->lease, fh_now(), ttl_max_ms, &record);
    return 0;
}

static int add_pair(struct witness_pairs *pairs, const struct witness_config *config, size_t index,
                    sd_event *event, struct fh_error *err)
{
    const struct witness_config_pair *from = &config->pair[index];
    struct pair *pair = &pairs->pair[pairs->count++];
    pair->all = pairs;
    memcpy(pair->name, from->name, sizeof(pair->name));
    snprintf(pair->path, sizeof(pair->path), "%s/%s.lease", config->state_dir, from->name);
    for (size_t i = 0; i < 2; i++) {
        memcpy(pair->public_key[i], from->public_key[i], sizeof(pair->public_key[i]));
        if (!zmq_z85_decode(pair->key[i], from->public_key[i])) {
            return fh_error_set(err, -EINVAL, "pair %s: a public key cannot be decoded",
                                pair->name);
        }
    }
    int r = load_pair(pair, config->ttl_max_ms, err);
    if (r < 0) {
        return r;
    }
    r = sd_event_add_time(event, &pair->expiry, CLOCK_BOOTTIME, 0, 1000, on_expiry, pair);
    if (r < 0) {
        return fh_error_set(err, r, "cannot set up a timer");
    }
    pair->held = fh_time_is_set(pair->lease.until);
    set_expiry(pair);
    return 0;
}

int witness_pairs_new(const struct witness_config *config, sd_event *event, struct fh_error *err,
                      struct witness_pairs **ret)
{
    struct witness_pairs *pairs = calloc(1, sizeof(*pairs));
    if (!pairs) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < config->pair_count; i++) {
        int r = add_pair(pairs, config, i, event, err);
        if (r < 0) {
            witness_pairs_free(pairs);
            return r;
        }
    }
    tell_systemd(pairs);
    *ret = pairs;
    return 0;
}

void witness_pairs_free(struct witness_pairs *pairs)
{
    if (!pairs) {
        return;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        sd_event_source_disable_unref(pairs->pair[i].expiry);
    }
    free(pairs);
}

int witness_pairs_find(const struct witness_pairs *pairs, const unsigned char key[32])
{
    for (size_t i = 0; i < 2 * pairs->count; i++) {
        if (memcmp(pairs->pair[i / 2].key[i % 2], key, 32) == 0) {
            return (int)i;
        }
    }
    return -ENOENT;
}
