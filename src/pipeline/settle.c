/* settle.c: what becomes of a batch that was prepared when the node died or was demoted. Its report
 * is stored as PREPARED; whether it counts is decided by whether the peer has applied it:
 *
 *   visible already            it was published: DELIVERED, the peer learns it as a fact
 *   prepared, peer applied it  the peer will not deliver it: publish, DELIVERED
 *   prepared, peer has not     the peer may deliver it: discard, VOID
 *   prepared, no peer heard    this node goes on alone and would deliver the same again: publish;
 *                              but discard, VOID, when the peer has reported records of it as
 *                              delivered meanwhile: what is left of it is delivered anew
 *   gone                       VOID; when the peer applied it the records are lost from this disk:
 *                              said loudly
 *
 * Runs on the sink's own thread, before it delivers anything. An answer of the peer serves once: a
 * sink that could not be opened, or failed, when it came asks again before it settles later - the
 * peer may have delivered since, or have learnt more. Meanwhile the reports in question are kept
 * from the peer. */
#include "internal.h"

#include "fh/log.h"

#include <inttypes.h>
#include <string.h>

#define DOUBTS_MAX   64
#define ASK_AGAIN_MS 5000 /* the role machine keeps the question in mind; this is for lost ones */

enum verdict { VERDICT_WAIT, VERDICT_DELIVERED, VERDICT_VOID };

/* What is known about a report in doubt. */
struct evidence {
    bool known;         /* the peer was asked, and ... */
    bool held;          /* ... has applied the report */
    uint64_t overtaken; /* records of it that the peer has delivered itself */
};

static const char *verdict_text(enum verdict verdict)
{
    return verdict == VERDICT_DELIVERED ? "is published" : "was discarded and is delivered again";
}

static enum verdict judge(struct delivery *delivery, const struct fh_report *report,
                          const struct evidence *evidence)
{
    struct fh_error err = {""};
    enum fh_sink_fate fate = FH_SINK_MISSING;
    bool held = evidence->held;
    int r = delivery->ops->fate(delivery->sink, report->position, &fate, &err);
    if (r == 0 && fate == FH_SINK_PREPARED) {
        bool publish = evidence->known ? held : evidence->overtaken == 0;
        r = publish ? delivery->ops->publish(delivery->sink, report->position, &err)
                    : delivery->ops->discard(delivery->sink, report->position, &err);
        fate = publish ? FH_SINK_PUBLISHED : FH_SINK_MISSING;
        held = false;
    }
    if (r < 0) {
        fh_delivery_failed(delivery, &err);
        return VERDICT_WAIT;
    }
    if (fate == FH_SINK_PUBLISHED) {
        return VERDICT_DELIVERED;
    }
    if (held) {
        fh_log_event(LOG_ERR, FH_LOG_SINK_RESOLVED, NULL, 0,
                     "sink %s: batch %s is gone from this disk although the peer counts its %u "
                     "records as delivered; restore the file if you can",
                     delivery->config.name, report->position, report->count);
    }
    return VERDICT_VOID;
}

static bool settle_one(struct delivery *delivery, const struct fh_report *report,
                       const struct evidence *evidence)
{
    enum verdict verdict =
        delivery->ops->prepare ? judge(delivery, report, evidence) : VERDICT_DELIVERED;
    if (verdict == VERDICT_WAIT) {
        return false;
    }
    struct fh_log_field fields[] = {{"FIREHOSED_SINK", delivery->config.name}};
    fh_log_event(LOG_NOTICE, FH_LOG_SINK_RESOLVED, fields, 1,
                 "sink %s: batch %s (%u records, report %" PRIu64 ") was in doubt and %s: %s",
                 delivery->config.name, report->position, report->count, report->number,
                 verdict_text(verdict),
                 evidence->held             ? "the peer holds its report"
                 : evidence->known          ? "the peer does not hold its report"
                 : evidence->overtaken == 0 ? "no peer to ask"
                                            : "no peer to ask, but it has delivered some of them");
    struct command command = {.kind = COMMAND_REPORT_FINISH,
                              .number = report->number,
                              .flag = verdict == VERDICT_DELIVERED};
    delivery->settled_through = report->number;
    return fh_pipeline_command(delivery->pipeline, &command) == 0;
}

/* True when nothing of this sink is in doubt any more. */
static bool settle_all(struct delivery *delivery, bool known, uint64_t applied)
{
    struct fh_report reports[DOUBTS_MAX];
    const char *keep[DOUBTS_MAX];
    size_t kept = 0;
    struct fh_store *store = delivery->pipeline->store;
    size_t count = fh_store_reports_in_doubt(store, reports, DOUBTS_MAX);
    uint64_t after = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(reports[i].sink, delivery->config.name) != 0) {
            continue;
        }
        struct evidence evidence = {
            .known = known,
            .held = known && reports[i].number <= applied,
            .overtaken = fh_store_report_overtaken(store, &reports[i], after),
        };
        after = reports[i].cursor_after;
        if (!settle_one(delivery, &reports[i], &evidence)) {
            keep[kept++] = reports[i].position;
        }
    }
    struct fh_error err = {""};
    if (delivery->ops->abandon && delivery->ops->abandon(delivery->sink, keep, kept, &err) < 0) {
        fh_delivery_failed(delivery, &err);
    }
    return kept == 0;
}

bool fh_delivery_settled(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->lock);
    bool wanted = delivery->settle_wanted;
    pthread_mutex_unlock(&delivery->lock);
    if (wanted || delivery->settled_through == 0) {
        return !wanted;
    }
    struct fh_report reports[DOUBTS_MAX];
    size_t count = fh_store_reports_in_doubt(delivery->pipeline->store, reports, DOUBTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (reports[i].number <= delivery->settled_through &&
            strcmp(reports[i].sink, delivery->config.name) == 0) {
            return false;
        }
    }
    delivery->settled_through = 0;
    return true;
}

bool fh_delivery_of_no_sink(const struct fh_pipeline *pipeline, const struct fh_report *report)
{
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        if (strcmp(report->sink, pipeline->delivery[i].config.name) == 0) {
            return false;
        }
    }
    return report->state == FH_REPORT_PREPARED;
}

bool fh_delivery_undecided(struct fh_pipeline *pipeline, const struct fh_report *report)
{
    bool undecided = false;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        struct delivery *delivery = &pipeline->delivery[i];
        if (report->state == FH_REPORT_PREPARED &&
            strcmp(report->sink, delivery->config.name) == 0) {
            pthread_mutex_lock(&delivery->lock);
            undecided = delivery->settle_wanted;
            pthread_mutex_unlock(&delivery->lock);
        }
    }
    return undecided;
}

static void ask_again(struct delivery *delivery)
{
    struct fh_time now = fh_now();
    if (!delivery->sink || (fh_time_is_set(delivery->asked_again) &&
                            fh_time_diff_ms(now, delivery->asked_again) < ASK_AGAIN_MS)) {
        return;
    }
    delivery->asked_again = now;
    fh_answer_send(delivery->pipeline, fh_answer_new(ANSWER_UNSETTLED, NULL, 0));
}

void fh_delivery_settle(struct delivery *delivery)
{
    struct fh_pipeline *pipeline = delivery->pipeline;
    pthread_mutex_lock(&delivery->lock);
    bool wanted = delivery->settle_wanted;
    bool known = delivery->settle_known;
    bool used = delivery->settle_used && pipeline->config.pair.present;
    uint64_t applied = delivery->settle_applied;
    bool told = delivery->settle_told;
    pthread_mutex_unlock(&delivery->lock);
    if (!wanted) {
        return;
    }
    if (used) {
        ask_again(delivery);
        return;
    }
    /* Another sink has asked again: what this one has prepared while it delivers is not in doubt.
     */
    bool settled = atomic_load(&delivery->epoch) != 0 && !delivery->unsettled;
    settled = settled || (delivery->sink && settle_all(delivery, known, applied));
    delivery->unsettled = !settled;
    delivery->asked_again = (struct fh_time){0};
    pthread_mutex_lock(&delivery->lock);
    delivery->settle_wanted = !settled;
    delivery->settle_used = true;
    delivery->settle_told = true;
    pthread_mutex_unlock(&delivery->lock);
    /* A sink that cannot be opened now must not keep the node from its role: it settles as soon as
     * it works, before it delivers. */
    if (!told && atomic_fetch_sub(&pipeline->settle_left, 1) == 1) {
        fh_answer_send(pipeline, fh_answer_new(ANSWER_SETTLED, NULL, 0));
    }
}
