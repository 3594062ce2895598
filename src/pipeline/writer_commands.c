/* writer_commands.c: what other threads ask of the writer. Each command stages its change; the
 * answer is sent after the commit that makes it durable. */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A portion of reports for a joining peer: small enough that heartbeats are never starved. */
#define REPORTS_PORTION_BYTES ((size_t)4 * 1024 * 1024)
#define REPORTS_PORTION_COUNT 256

void fh_command_free(void *item)
{
    struct command *command = item;
    if (!command) {
        return;
    }
    free((void *)command->report.keys);
    free(command->bytes);
    free(command);
}

int fh_pipeline_command(struct fh_pipeline *pipeline, const struct command *command)
{
    struct command *copy = malloc(sizeof(*copy));
    if (!copy) {
        return -ENOMEM;
    }
    *copy = *command;
    int r = fh_queue_push_urgent(pipeline->commands, copy);
    if (r < 0) {
        free(copy);
    }
    return r;
}

static void persist_epoch(struct fh_pipeline *pipeline, const struct command *command)
{
    fh_store_set_epoch(pipeline->store, command->number, command->flag);
    struct answer *answer = fh_answer_new(ANSWER_EPOCH, NULL, 0);
    answer->number = command->number;
    fh_writer_after_commit(pipeline, answer);
    /* At once, not with the next group: the role machine waits for it. */
    fh_writer_commit(pipeline);
}

static void apply_peer_report(struct fh_pipeline *pipeline, const struct command *command)
{
    struct fh_report head;
    pipeline->peer_bytes_applied += PEER_COST + command->len;
    int r = fh_report_peek(command->bytes, command->len, &head);
    struct fh_record_key *keys = NULL;
    if (r == 0) {
        keys = malloc(((size_t)head.count + 1) * sizeof(*keys));
        r = keys ? fh_report_decode(command->bytes, command->len, keys, head.count, &head)
                 : -ENOMEM;
    }
    uint64_t doubled = 0;
    if (r == 0) {
        r = fh_store_peer_apply(pipeline->store, command->store_id, &head, &doubled);
    }
    free(keys);
    if (r == -EBADMSG || r == -EPROTONOSUPPORT) {
        char text[64];
        fh_log(LOG_ERR,
               "report %" PRIu64
               " of the peer makes no sense (%s): what it tells of, this node may "
               "deliver again",
               command->number, fh_strerror(r, text, sizeof(text)));
        return;
    }
    if (r < 0) { /* the next one would confirm it, too */
        fh_writer_fail(pipeline, "a report of the peer cannot be applied", r);
        return;
    }
    atomic_fetch_add(&pipeline->doubled, doubled);
    struct answer *answer = fh_answer_new(ANSWER_APPLIED, NULL, 0);
    answer->number = command->number;
    answer->store_id = command->store_id;
    fh_writer_after_commit(pipeline, answer);
}

static void add_report(struct fh_pipeline *pipeline, struct command *command)
{
    uint64_t number = 0;
    uint64_t doubled = fh_store_report_doubled(pipeline->store, &command->report);
    int r = fh_store_report_add(pipeline->store, &command->report, &number);
    if (r < 0) {
        fh_writer_fail(pipeline, "a report cannot be stored", r);
        return;
    }
    atomic_fetch_add(&pipeline->doubled, doubled);
    command->report.number = number;
    struct answer *answer = fh_answer_new(ANSWER_REPORT, NULL, fh_report_size(&command->report));
    fh_report_encode(&command->report, answer->bytes);
    answer->number = number;
    answer->delivery = command->delivery;
    answer->token = command->token;
    fh_writer_after_commit(pipeline, answer);
}

static bool received(void *userdata, struct fh_record_key key)
{
    const struct fh_pipeline *pipeline = userdata;
    enum fh_dedup_key by = (enum fh_dedup_key)atomic_load(&pipeline->key);
    return fh_dedup_contains(pipeline->dedup, fh_rekey_known(by, key));
}

/* A sink's far side holds these records: those nobody knew of are delivered from now on. */
static void add_found(struct fh_pipeline *pipeline, struct command *command)
{
    uint64_t number = 0;
    struct fh_report *report = &command->report;
    int r = fh_store_report_found(pipeline->store, report, received, pipeline, &number);
    if (r < 0) {
        fh_writer_fail(pipeline, "what the far side of a sink holds cannot be stored", r);
        return;
    }
    if (number == 0) {
        fh_delivery_numbered(command->delivery, command->token, 0);
        return;
    }
    atomic_fetch_add(&command->delivery->found, report->count);
    struct answer *answer = fh_answer_new(ANSWER_REPORT, NULL, fh_report_size(report));
    fh_report_encode(report, answer->bytes);
    answer->number = number;
    answer->delivery = command->delivery;
    answer->token = command->token;
    fh_writer_after_commit(pipeline, answer);
}

static void finish_report(struct fh_pipeline *pipeline, const struct command *command)
{
    enum fh_report_state state = command->flag ? FH_REPORT_DELIVERED : FH_REPORT_VOID;
    int r = fh_store_report_finish(pipeline->store, command->number, state);
    if (r < 0 && r != -ENOENT) {
        char text[64];
        fh_log(LOG_ERR, "report %llu could not be finished: %s",
               (unsigned long long)command->number, fh_strerror(r, text, sizeof(text)));
    }
    pipeline->must_commit = true;
}

struct portion {
    struct fh_pipeline *pipeline;
    size_t bytes;
    uint64_t undecided; /* a report that the peer must not hear of yet */
};

static int send_one(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct portion *portion = userdata;
    struct fh_report head;
    if (fh_report_peek(bytes, len, &head) == 0) {
        if (fh_delivery_undecided(portion->pipeline, &head)) {
            portion->undecided = number;
            return -EAGAIN;
        }
        if (fh_delivery_of_no_sink(portion->pipeline, &head)) {
            return 0;
        }
    }
    struct answer *answer = fh_answer_new(ANSWER_REPORT, bytes, len);
    answer->number = number;
    fh_answer_send(portion->pipeline, answer);
    portion->bytes += len;
    return portion->bytes >= REPORTS_PORTION_BYTES;
}

/* The peer has lost the store whose reports are held here: what it had delivered is known to nobody
 * but this node, and it will receive and, promoted, deliver the last of it again. */
static bool peer_lost_its_store(struct fh_pipeline *pipeline, const struct command *command)
{
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    return command->number <= 1 && command->store_id != 0 && state.peer_store_id != 0 &&
           command->store_id != state.peer_store_id;
}

static void send_reports(struct fh_pipeline *pipeline, const struct command *command)
{
    struct portion portion = {.pipeline = pipeline};
    struct answer *answer = fh_answer_new(ANSWER_PORTION, NULL, 0);
    /* What is read is what is on the disk: a batch that has just been discarded is still PREPARED
     * there, and the peer would take it for delivered. */
    if (pipeline->must_commit && fh_writer_commit(pipeline) < 0) {
        answer->number = command->number; /* nothing; the peer asks again */
        fh_answer_send(pipeline, answer);
        return;
    }
    answer->number = fh_store_reports_from(pipeline->store, command->number, command->timestamp_ms,
                                           REPORTS_PORTION_COUNT, send_one, &portion);
    if (portion.undecided != 0) {
        answer->number = portion.undecided; /* the answer ends before it; the peer asks again */
    }
    fh_answer_send(pipeline, answer);
}

void fh_writer_vouch(struct fh_pipeline *pipeline)
{
    struct vouching *vouching = &pipeline->vouching;
    if (!vouching->active || pipeline->writer_failed) {
        return;
    }
    /* Before a portion, so that the index holds all that is marked; behind the last one, so that
     * what is told is durable. Without room the next turn tries again. */
    vouching->waits = fh_writer_commit(pipeline) < 0;
    if (vouching->waits) {
        return;
    }
    if (!vouching->done) {
        int r = fh_store_vouch(pipeline->store, vouching->command.timestamp_ms, &vouching->at);
        if (r < 0) {
            fh_writer_fail(pipeline, "cannot tell the peer what is delivered", r);
        }
        vouching->done = r == 0;
        pipeline->must_commit = true;
        return;
    }
    vouching->active = false;
    send_reports(pipeline, &vouching->command);
}

/* Questions of the peer: the next one comes when this one is answered. */
static void answer_peer(struct fh_pipeline *pipeline, const struct command *command)
{
    pipeline->vouching.active = peer_lost_its_store(pipeline, command);
    if (pipeline->vouching.active) {
        pipeline->vouching = (struct vouching){.active = true, .command = *command};
    } else {
        send_reports(pipeline, command);
    }
}

static void drain(struct fh_pipeline *pipeline)
{
    if (!pipeline->sources_stopped) {
        fh_sources_stop(pipeline->sources);
        pipeline->sources_stopped = true;
    }
    int r;
    do {
        r = fh_writer_drain_intake(pipeline);
    } while (r == 0 && fh_intake_pending(pipeline));
    fh_writer_commit(pipeline);
    atomic_store(&pipeline->draining, true);
    fh_store_wake(pipeline->store);
}

/* An order to stop overtakes an order to lead that is still in the queue. */
static void lead(struct fh_pipeline *pipeline, uint64_t epoch, uint64_t order)
{
    int r = fh_store_lead(pipeline->store);
    if (r < 0) {
        fh_writer_fail(pipeline, "cannot begin to deliver", r);
    } else if (order == atomic_load(&pipeline->order)) {
        fh_gap_lead(pipeline);
        atomic_store(&pipeline->lead_epoch, epoch);
        if (order != atomic_load(&pipeline->order)) {
            atomic_store(&pipeline->lead_epoch, 0); /* overtaken between the two lines above */
        }
        fh_store_wake(pipeline->store);
    }
}

static void follow(struct fh_pipeline *pipeline)
{
    int r = fh_store_follow(pipeline->store);
    if (r < 0) {
        fh_writer_fail(pipeline, "cannot follow the peer's reports", r);
        return;
    }
    fh_answer_send(pipeline, fh_answer_new(ANSWER_STOPPED, NULL, 0));
}

static void open_intake(struct fh_pipeline *pipeline, const struct command *command)
{
    struct answer *answer = fh_answer_new(ANSWER_INTAKE_OPENED, NULL, 0);
    int r = answer ? fh_resplit_open(pipeline, (unsigned)command->number, command->range) : -ENOMEM;
    if (!answer) { /* nobody would ever read these partitions */
        fh_writer_fail(pipeline, "the partitions cannot be split anew", r);
        return;
    }
    answer->number = command->number;
    answer->result = r;
    fh_answer_send(pipeline, answer);
}

void fh_writer_command(struct fh_pipeline *pipeline, struct command *command)
{
    switch (command->kind) {
    case COMMAND_EPOCH:
        persist_epoch(pipeline, command);
        break;
    case COMMAND_LEAD:
        lead(pipeline, command->number, command->order);
        break;
    case COMMAND_FOLLOW:
        follow(pipeline);
        break;
    case COMMAND_PEER_REPORT:
        apply_peer_report(pipeline, command);
        break;
    case COMMAND_REPORT_ADD:
        add_report(pipeline, command);
        break;
    case COMMAND_REPORT_FINISH:
        finish_report(pipeline, command);
        break;
    case COMMAND_FOUND:
        add_found(pipeline, command);
        break;
    case COMMAND_SEND_REPORTS:
        answer_peer(pipeline, command);
        break;
    case COMMAND_NOTE:
        fh_store_set_note(pipeline->store, command->key, command->bytes, command->len);
        pipeline->must_commit = true;
        break;
    case COMMAND_USE_KEY:
        fh_rekey_begin(pipeline, (enum fh_dedup_key)command->number);
        break;
    case COMMAND_REKEY:
        fh_rekey_run(pipeline);
        break;
    case COMMAND_FIND_UNREPORTED:
        fh_repair_find(pipeline);
        break;
    case COMMAND_PEER_OFFERS:
        fh_repair_take(pipeline, command->bytes, command->len);
        break;
    case COMMAND_DRAIN:
        drain(pipeline);
        break;
    case COMMAND_OPEN_INTAKE:
        open_intake(pipeline, command);
        break;
    }
    fh_command_free(command);
}
