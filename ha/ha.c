/* ha.c: owns the engine of the pair: runs the role machine with the real clock, the link and the
 * host, and writes the journal. Decides nothing itself. */
#include "fh/ha.h"

#include "fh/log.h"

#include "ha_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICK_MAX_MS     50
#define STRANGER_LOG_MS 60000
#define PENDING_MAX     65536 /* inputs that came while the machine was running */

/* ---- journal ---- */

static void log_role(struct fh_ha *ha, const struct fh_fsm_action *action)
{
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%" PRIu64, action->number);
    const struct fh_log_field fields[] = {
        {"FIREHOSED_ROLE", fh_role_name(action->u.role.to)},
        {"FIREHOSED_EPOCH", epoch},
        {"FIREHOSED_REASON", action->u.role.reason},
        {"FIREHOSED_EVIDENCE", action->u.role.evidence},
    };
    /* the epoch of one that follows is the other node's, of which it has yet to be told */
    bool leads = action->u.role.to == FH_ROLE_PRIMARY;
    bool error = strncmp(action->u.role.evidence, "ERROR", 5) == 0;
    fh_log_event(error ? LOG_ERR : LOG_NOTICE, FH_LOG_ROLE, fields, FH_ARRAY_LEN(fields),
                 "%s -> %s%s%s: %s (%s)", fh_role_name(action->u.role.from),
                 fh_role_name(action->u.role.to), leads ? ", epoch " : "", leads ? epoch : "",
                 action->u.role.reason, action->u.role.evidence);
    struct fh_ha_transition transition = {
        .from = action->u.role.from, .to = action->u.role.to, .epoch = action->number};
    memcpy(transition.reason, action->u.role.reason, sizeof(transition.reason));
    memcpy(transition.evidence, action->u.role.evidence, sizeof(transition.evidence));
    fh_ha_remember(ha, &transition);
    ha->host->role_changed(ha->userdata, action->u.role.to, action->number, action->u.role.reason);
}

static void log_notice(struct fh_ha *ha, const struct fh_fsm_action *action)
{
    char epoch[24];
    int path = action->u.notice.path;
    snprintf(epoch, sizeof(epoch), "%" PRIu64, ha->fsm.epoch);
    struct fh_log_field fields[] = {
        {"FIREHOSED_ROLE", fh_role_name(ha->fsm.role)},
        {"FIREHOSED_EPOCH", epoch},
        {"FIREHOSED_PATH", path >= 0 && path < FH_PATHS_MAX ? ha->address[path] : ""},
    };
    fh_log_event(action->u.notice.alarm ? LOG_WARNING : LOG_NOTICE, action->u.notice.id, fields,
                 path >= 0 ? 3 : 2, "%s", action->u.notice.text);
    if (action->u.notice.keep) {
        struct fh_ha_transition stays = {
            .from = ha->fsm.role, .to = ha->fsm.role, .epoch = ha->fsm.epoch};
        memcpy(stays.reason, ha->fsm.reason, sizeof(stays.reason));
        memcpy(stays.evidence, action->u.notice.evidence, sizeof(stays.evidence));
        fh_ha_remember(ha, &stays);
    }
}

/* ---- sending ---- */

/* Bulk goes over one path: the first that works, else the first that is at least connected. */
static size_t best_path(const struct fh_ha *ha)
{
    size_t count = fh_link_paths(ha->link);
    for (size_t i = 0; i < count; i++) {
        if (ha->fsm.detector.path[i].up && fh_link_connected(ha->link, i)) {
            return i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (fh_link_connected(ha->link, i)) {
            return i;
        }
    }
    return 0;
}

static void send_on(struct fh_ha *ha, size_t path, struct fh_wire_message *message)
{
    message->version = fh_fsm_version(&ha->fsm);
    message->path = (uint8_t)path;
    message->instance = ha->fsm.options.instance;
    size_t size = fh_wire_size(message);
    void *bytes = fh_link_reserve(ha->link, size);
    if (bytes && fh_wire_encode(message, bytes, size) > 0) {
        /* Not sent is as good as lost on the way: heartbeats come again, reports are asked for. */
        (void)fh_link_send(ha->link, path);
    }
}

void fh_ha_send_over(struct fh_ha *ha, size_t path, struct fh_wire_message *message)
{
    message->sequence = ++ha->sequence;
    send_on(ha, fh_link_connected(ha->link, path) ? path : best_path(ha), message);
}

static void send_everywhere(struct fh_ha *ha, struct fh_wire_message *message)
{
    message->sequence = ++ha->sequence;
    for (size_t i = 0; i < fh_link_paths(ha->link); i++) {
        if (fh_link_connected(ha->link, i)) {
            send_on(ha, i, message);
        }
    }
}

size_t fh_ha_send_once(struct fh_ha *ha, struct fh_wire_message *message)
{
    size_t path = best_path(ha);
    message->sequence = ++ha->sequence;
    send_on(ha, path, message);
    return path;
}

/* ---- actions ---- */

static void order_host(struct fh_ha *ha, const struct fh_fsm_action *action)
{
    const struct fh_ha_host *host = ha->host;
    switch (action->type) {
    case FH_FSM_PERSIST_EPOCH:
        host->persist_epoch(ha->userdata, action->number, action->flag);
        break;
    case FH_FSM_START_DELIVERY:
        host->start_delivery(ha->userdata, action->number);
        break;
    case FH_FSM_STOP_DELIVERY:
        host->stop_delivery(ha->userdata);
        break;
    case FH_FSM_RESUME_STREAMS:
        host->resume_streams(ha->userdata, &action->u.checkpoint);
        break;
    case FH_FSM_PEER_CONFIRMED:
        host->peer_confirmed(ha->userdata, action->number);
        break;
    case FH_FSM_PEER_WANTS:
        host->peer_wants(ha->userdata, ha->fsm.sync.peer_store, action->u.wants.from,
                         action->u.wants.min_timestamp_ms);
        break;
    case FH_FSM_PEER_IN_SYNC:
        host->peer_in_sync(ha->userdata, action->flag);
        break;
    case FH_FSM_SETTLE_IN_DOUBT:
        host->settle_in_doubt(ha->userdata, action->flag, action->number);
        break;
    case FH_FSM_PEER_CHECKPOINT:
        host->peer_checkpoint(ha->userdata, &action->u.checkpoint);
        break;
    case FH_FSM_DRAIN_DELIVERY:
        if (host->drain_delivery) {
            host->drain_delivery(ha->userdata, (int64_t)action->number);
        } else {
            host->stop_delivery(ha->userdata);
        }
        break;
    case FH_FSM_PUBLISH_UNTIL:
        if (host->publish_until) {
            host->publish_until(ha->userdata, action->u.until);
        }
        break;
    case FH_FSM_REPLICAS_DIFFER:
        if (host->replicas_differ) {
            host->replicas_differ(ha->userdata, (enum fh_dedup_key)action->number);
        }
        break;
    case FH_FSM_LEFT:
        if (!action->flag) {
            fh_log(LOG_NOTICE,
                   "stopping without the arbiter's word that it has its lease back: the "
                   "peer is granted it when it has run out");
        }
        host->left(ha->userdata);
        break;
    default:
        break;
    }
}

static void send_report(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes,
                        uint64_t previous)
{
    struct fh_wire_message message = {.type = FH_WIRE_REPORT};
    message.u.report.previous = previous;
    message.u.report.number = input->u.own_report.number;
    message.u.report.bytes.data = bytes;
    message.u.report.bytes.len = input->u.own_report.len;
    fh_ha_send_once(ha, &message);
}

static void perform(struct fh_ha *ha, struct fh_time now, const struct fh_fsm_input *input,
                    const void *bytes, struct fh_fsm_action *action)
{
    struct fh_wire_message message;
    switch (action->type) {
    case FH_FSM_PEER_REPORT:
        ha->host->peer_report(ha->userdata, ha->fsm.sync.peer_store, action->number,
                              input->u.message->u.report.bytes.data,
                              input->u.message->u.report.bytes.len);
        break;
    case FH_FSM_SEND_STATE:
        fh_fsm_fill_state(&ha->fsm, now, action->flag, &message);
        send_everywhere(ha, &message);
        break;
    case FH_FSM_SEND_DATAGRAM:
        fh_ha_send_datagram(ha, now);
        break;
    case FH_FSM_SEND_GOODBYE:
        memset(&message, 0, sizeof(message));
        message.type = FH_WIRE_GOODBYE;
        send_everywhere(ha, &message);
        break;
    case FH_FSM_SEND_REPORT:
        send_report(ha, input, bytes, action->number);
        break;
    case FH_FSM_SEND:
        fh_ha_send_once(ha, &action->u.message);
        break;
    case FH_FSM_ROLE_CHANGED:
        log_role(ha, action);
        break;
    case FH_FSM_NOTICE:
        log_notice(ha, action);
        break;
    case FH_FSM_LEASE_ACQUIRE:
    case FH_FSM_LEASE_RENEW:
    case FH_FSM_LEASE_RELEASE:
        fh_ha_ask_arbiter(ha, action);
        break;
    default:
        order_host(ha, action);
    }
}

static void step(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes)
{
    struct fh_time now = fh_now();
    fh_fsm_step(&ha->fsm, now, input, ha->scratch);
    fh_ha_follow_session(ha);
    for (size_t i = 0; i < ha->scratch->count; i++) {
        perform(ha, now, input, bytes, &ha->scratch->action[i]);
    }
}

/* Keep an input for later. Without memory it is dropped: heartbeats and questions repeat what
 * matters, and a host that cannot allocate is not far from its end. */
static void postpone(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes)
{
    size_t len = input->type == FH_FSM_OWN_REPORT ? input->u.own_report.len : 0;
    struct pending *pending =
        ha->pending_count < PENDING_MAX ? calloc(1, sizeof(*pending) + len) : NULL;
    if (!pending) {
        fh_log(LOG_ERR, "out of memory, an input of the pair is lost");
        return;
    }
    pending->input = *input;
    if (input->type == FH_FSM_LOCAL) {
        pending->u.local = *input->u.local;
        pending->input.u.local = &pending->u.local;
    }
    if (input->type == FH_FSM_ARBITER) {
        const struct fh_fsm_arbiter_answer *answer = input->u.arbiter;
        pending->u.arbiter.answer = *answer;
        snprintf(pending->u.arbiter.holder, sizeof(pending->u.arbiter.holder), "%s",
                 answer->holder);
        snprintf(pending->u.arbiter.text, sizeof(pending->u.arbiter.text), "%s", answer->text);
        pending->u.arbiter.answer.holder = pending->u.arbiter.holder;
        pending->u.arbiter.answer.text = pending->u.arbiter.text;
        pending->input.u.arbiter = &pending->u.arbiter.answer;
    }
    if (len > 0) {
        memcpy(pending->bytes, bytes, len);
    }
    *ha->last_pending = pending;
    ha->last_pending = &pending->next;
    ha->pending_count++;
}

static struct pending *next_pending(struct fh_ha *ha)
{
    struct pending *pending = ha->first_pending;
    if (pending) {
        ha->first_pending = pending->next;
        ha->pending_count--;
        if (!ha->first_pending) {
            ha->last_pending = &ha->first_pending;
        }
    }
    return pending;
}

void fh_ha_feed(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes)
{
    if (ha->stepping) {
        postpone(ha, input, bytes);
        return;
    }
    ha->stepping = true;
    step(ha, input, bytes);
    for (struct pending *pending; (pending = next_pending(ha));) {
        step(ha, &pending->input, pending->bytes);
        free(pending);
    }
    ha->stepping = false;
}

/* ---- what comes from the link and the clock ---- */

static void on_frame(void *userdata, const void *bytes, size_t len)
{
    struct fh_ha *ha = userdata;
    struct fh_wire_message message;
    if (!ha->started || fh_wire_decode(bytes, len, &message) < 0) {
        return; /* authenticated, so it is a version beyond ours: its HELLO tells */
    }
    if (message.type == FH_WIRE_ECHO) { /* says nothing about who leads */
        fh_ha_on_echo(ha, fh_now(), &message);
        return;
    }
    if (message.type == FH_WIRE_OFFER) { /* nor does this */
        fh_ha_on_offer(ha, &message);
        return;
    }
    if (message.type == FH_WIRE_REPORT && ha->host->takes_reports &&
        !ha->host->takes_reports(ha->userdata)) {
        return;
    }
    struct fh_fsm_input input = {.type = FH_FSM_MESSAGE, .u.message = &message};
    fh_ha_feed(ha, &input, NULL);
}

static void on_path(void *userdata, size_t index, enum fh_path_event event)
{
    struct fh_fsm_input input = {.type = FH_FSM_PATH, .u.path = {index, event}};
    fh_ha_feed(userdata, &input, NULL);
}

static void on_inbound(void *userdata, size_t connections)
{
    struct fh_fsm_input input = {.type = FH_FSM_INBOUND, .u.inbound = connections};
    fh_ha_feed(userdata, &input, NULL);
}

static void on_stranger(void *userdata, const char *address)
{
    struct fh_ha *ha = userdata;
    struct fh_time now = fh_now();
    if (fh_time_is_set(ha->stranger_logged) &&
        fh_time_diff_ms(now, ha->stranger_logged) < STRANGER_LOG_MS) {
        return;
    }
    ha->stranger_logged = now;
    const struct fh_log_field fields[] = {{"FIREHOSED_ADDRESS", address}};
    fh_log_event(LOG_WARNING, FH_LOG_PEER_REFUSED, fields, 1,
                 "a connection from %s was refused: its key is not pair.peer_public_key", address);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)usec;
    struct fh_ha *ha = userdata;
    struct fh_fsm_input input = {.type = FH_FSM_TICK};
    fh_ha_feed(ha, &input, NULL);
    fh_ha_ask_echo(ha, fh_now());
    fh_ha_look_for_offers(ha, fh_now());
    sd_event_source_set_time_relative(source, ha->tick_usec);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* ---- life ---- */

static const struct fh_link_handler link_handler = {.frame = on_frame,
                                                    .datagram = fh_ha_on_datagram,
                                                    .path = on_path,
                                                    .inbound = on_inbound,
                                                    .stranger = on_stranger};

static int fill_options(const struct fh_config *config, const char *secret_key,
                        const struct fh_ha_start *start, struct fh_fsm_options *ret)
{
    const struct fh_config_pair *pair = &config->pair;
    struct fh_fsm_options options = {
        .store_id = start->store_id,
        .replica_id = config->firehose.replica_id,
        .preferred = pair->preferred,
        .prefer_safety = pair->prefer == FH_PREFER_SAFETY,
        .heartbeat_ms = pair->heartbeat_ms,
        .failure_after = pair->failure_after,
        .join_timeout_ms = pair->join_timeout_ms,
        .path_count = pair->peer_count,
        .epoch = start->epoch,
        .last_primary = start->last_primary,
        .maintenance = start->maintenance,
        .handover_after_ms = pair->handover_after_ms,
        .damping_ms = pair->damping_ms,
    };
    snprintf(options.node, sizeof(options.node), "%s", config->node.name);
    for (size_t i = 0; i < config->firehose.ranges.count; i++) {
        struct fh_range range = config->firehose.ranges.range[i];
        for (unsigned p = range.first; p <= range.last && p <= FH_PARTITIONS; p++) {
            options.partitions = (uint16_t)(options.partitions | (1u << (p - 1)));
        }
    }
    while (options.instance == 0) {
        if (getrandom(&options.instance, sizeof(options.instance), 0) < 0) {
            return -errno;
        }
    }
    /* The two nodes see the same two keys in opposite places: one takes odd epochs, the other even
     * ones. */
    char public_key[41];
    if (fh_ha_public_key(secret_key, public_key) < 0) {
        return -EINVAL;
    }
    options.odd_epochs = strcmp(public_key, pair->peer_public_key) < 0;
    *ret = options;
    return 0;
}

int fh_ha_new(const struct fh_config *config, const char secret_key[41],
              const struct fh_ha_start *start, sd_event *event, const struct fh_ha_host *host,
              void *userdata, struct fh_error *err, struct fh_ha **ret)
{
    struct fh_fsm_options options = {.heartbeat_ms = 0};
    int r = fill_options(config, secret_key, start, &options);
    if (r < 0) {
        return fh_error_set(err, r,
                            "pair.secret_key_file does not hold a key (make one with "
                            "firehosectl keygen)");
    }
    struct fh_ha *ha = calloc(1, sizeof(*ha));
    if (!ha) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    ha->last_pending = &ha->first_pending;
    ha->host = host;
    ha->userdata = userdata;
    ha->event = sd_event_ref(event);
    ha->scratch = calloc(1, sizeof(*ha->scratch));
    int64_t tick_ms = options.heartbeat_ms / 6;
    ha->tick_usec = (uint64_t)(tick_ms < 1             ? 1
                               : tick_ms > TICK_MAX_MS ? TICK_MAX_MS
                                                       : tick_ms) *
                    1000;
    for (size_t i = 0; i < options.path_count; i++) {
        snprintf(ha->address[i], sizeof(ha->address[i]), "%.255s", config->pair.peers[i]);
    }
    r = fh_ha_open_arbiter(ha, config, secret_key, &options, err);
    if (r < 0) {
        fh_ha_free(ha);
        return r;
    }
    fh_fsm_init(&ha->fsm, fh_now(), &options);
    if (start->history && fh_history_decode(&ha->history, start->history, start->history_len) < 0) {
        fh_log(LOG_NOTICE, "the kept history of role changes cannot be read and begins anew");
    }
    r = ha->scratch
            ? fh_link_new(&config->pair, secret_key, options.heartbeat_ms * options.failure_after,
                          event, &link_handler, ha, err, &ha->link)
            : fh_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        fh_ha_free(ha);
        return r;
    }
    *ret = ha;
    return 0;
}

int fh_ha_start(struct fh_ha *ha, struct fh_error *err)
{
    int r = fh_link_start(ha->link, err);
    if (r < 0) {
        return r;
    }
    r = sd_event_add_time_relative(ha->event, &ha->tick_source, CLOCK_BOOTTIME, 0, 1000, on_tick,
                                   ha);
    if (r < 0) {
        return fh_error_set(err, r, "cannot start the pair's timer");
    }
    fh_ha_open_datagrams(ha);
    ha->fsm.started = fh_now();
    ha->fsm.last_step = ha->fsm.started;
    ha->started = true;
    return 0;
}

void fh_ha_leave(struct fh_ha *ha)
{
    struct fh_fsm_input input = {.type = FH_FSM_LEAVE};
    fh_ha_from_host(ha, &input, NULL);
}

void fh_ha_stop(struct fh_ha *ha)
{
    if (!ha->started) {
        return;
    }
    struct fh_fsm_input input = {.type = FH_FSM_STOP};
    fh_ha_feed(ha, &input, NULL);
    ha->started = false;
    ha->tick_source = sd_event_source_disable_unref(ha->tick_source);
    fh_link_free(ha->link);
    ha->link = NULL;
    fh_ha_close_arbiter(ha);
}

void fh_ha_free(struct fh_ha *ha)
{
    if (!ha) {
        return;
    }
    sd_event_source_disable_unref(ha->tick_source);
    fh_link_free(ha->link);
    fh_ha_close_arbiter(ha);
    for (struct pending *pending; (pending = next_pending(ha));) {
        free(pending);
    }
    sd_event_unref(ha->event);
    free(ha->scratch);
    free(ha);
}
