/* rekey.c: owns what records are known by (dedup.key) and the change to another key, at the start
 * or while running. Never decides that replicas differ; it is told.
 *
 * Two notes in the store: "dedup-key" is what was chosen for good, "keyed-by" what the store's
 * records are known by now. Whenever they disagree the store is given new keys, so a crash at any
 * point is followed by another try at the next start.
 *
 * While running:
 *   1. writer   the choice is durable ("dedup-key")
 *   2. sinks    let go of the keys they remember of batches in progress, and rest
 *   3. writer   new keys in the store, the de-duplication made anew from them
 *   4. sinks    go on where they were
 *
 * From uid_timestamp or uid it goes to content, uid_payload or payload, from the first two of these
 * to payload, never back: the new key also knows the copies that the one before knows.
 *
 * Receivers are held back while the writer is busy; what they scanned under the old key is
 * recognized by the writer and scanned again. In the end they reconnect (twins.c). */
#include "internal.h"

#include "fh/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHOICE_NOTE    "dedup-key"
#define STATE_NOTE     "keyed-by"
#define AGAIN_AFTER_MS 30000

static const char *const key_name[] = {
    [FH_KEY_UID_TIMESTAMP] = "uid_timestamp",
    [FH_KEY_UID] = "uid",
    [FH_KEY_CONTENT] = "content",
    [FH_KEY_UID_PAYLOAD] = "uid_payload",
    [FH_KEY_PAYLOAD] = "payload",
};

const char *fh_rekey_name(enum fh_dedup_key key)
{
    return (size_t)key < FH_ARRAY_LEN(key_name) ? key_name[key] : "?";
}

/* The key a note names, or otherwise. */
static enum fh_dedup_key read_note(struct fh_pipeline *pipeline, const char *note,
                                   enum fh_dedup_key otherwise)
{
    char name[32] = "";
    size_t len = sizeof(name) - 1;
    if (fh_store_get_note(pipeline->store, note, name, &len) < 0) {
        return otherwise;
    }
    name[len] = '\0';
    for (size_t i = 0; i < FH_ARRAY_LEN(key_name); i++) {
        if (strcmp(name, key_name[i]) == 0) {
            return (enum fh_dedup_key)i;
        }
    }
    return otherwise;
}

static int write_note(struct fh_pipeline *pipeline, const char *note, enum fh_dedup_key key)
{
    const char *name = fh_rekey_name(key);
    return fh_store_set_note(pipeline->store, note, name, strlen(name));
}

static enum fh_dedup_key in_force(const struct fh_pipeline *pipeline)
{
    return (enum fh_dedup_key)atomic_load(&pipeline->key);
}

/* Between the nodes. */
static int64_t apart_ms(enum fh_dedup_key key)
{
    return fh_key_ignores_stamps(key) ? FH_COPIES_NEAR_MS : 0;
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct rekeying {
    struct fh_pipeline *pipeline;
    enum fh_dedup_key key;
    struct fh_dedup *shown; /* for twins: everything the store has shown so far */
};

static int key_of(void *userdata, const char *record, size_t len, struct fh_record_key *ret)
{
    const struct rekeying *rekeying = userdata;
    struct fh_envelope envelope;
    atomic_store(&rekeying->pipeline->progress_ns, fh_now().ns);
    if (fh_envelope_scan(record, len, &envelope) != FH_ENVELOPE_OK) {
        return -EUCLEAN; /* it was one when it was stored */
    }
    ret->fingerprint = fh_envelope_fingerprint(&envelope, record, len, rekeying->key);
    return rekeying->key == FH_KEY_CONTENT ? fh_twins_number(rekeying->shown, ret) : 0;
}

struct fh_record_key fh_rekey_known(enum fh_dedup_key key_in_force, struct fh_record_key key)
{
    if (fh_key_ignores_stamps(key_in_force)) {
        key.fingerprint ^= (uint64_t)key.timestamp_ms * UINT64_C(0x9E3779B97F4A7C15);
        key.fingerprint += key.fingerprint == 0;
    }
    return key;
}

struct fh_record_key fh_rekey_item(const struct fh_pipeline *pipeline, const struct item *item,
                                   const char *line, struct fh_record_key *ret_identity)
{
    struct fh_record_key key = item->key;
    struct fh_envelope envelope;
    *ret_identity = (struct fh_record_key){item->identity, item->key.timestamp_ms};
    if (item->reason != (uint16_t)in_force(pipeline) &&
        fh_envelope_scan(line, item->len, &envelope) == FH_ENVELOPE_OK) {
        key.fingerprint = fh_envelope_fingerprint(&envelope, line, item->len, in_force(pipeline));
        ret_identity->fingerprint =
            fh_envelope_fingerprint(&envelope, line, item->len, FH_KEY_UID_TIMESTAMP);
    }
    return key;
}

/* ---- what is made from the index ------------------------------------------------------------ */

static int remember_keys(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct fh_pipeline *pipeline = userdata;
    enum fh_dedup_key key = in_force(pipeline);
    for (size_t i = 0; i < count; i++) {
        struct fh_record_key known = fh_rekey_known(key, keys[i]);
        /* What is stored twice under one key and stamp are twins: nothing else is let in twice. */
        int r = fh_key_ignores_stamps(key) ? fh_twins_number(pipeline->dedup, &known)
                                           : fh_dedup_add(pipeline->dedup, known);
        if (r == -ENOMEM) {
            return -ENOMEM;
        }
        if (atomic_load(&pipeline->minutes_from) != 0) { /* else before the start: not whole */
            fh_writer_note_minute(pipeline, keys[i]);
        }
    }
    return 0;
}

int fh_rekey_remember(struct fh_pipeline *pipeline)
{
    const struct fh_config_dedup *config = &pipeline->config.dedup;
    struct fh_store_state state;
    fh_dedup_free(pipeline->dedup);
    pipeline->dedup = NULL;
    memset(pipeline->minute, 0, sizeof(pipeline->minute));
    int r = fh_dedup_new((unsigned)config->window_minutes, (uint64_t)config->max_records,
                         &fh_allocator_default, &pipeline->dedup);
    if (r < 0) {
        return r;
    }
    fh_store_state(pipeline->store, &state);
    if (state.source_time_ms > 0) {
        fh_dedup_advance(pipeline->dedup, state.source_time_ms);
    }
    if (state.forgotten_ms > 0) {
        fh_dedup_forget(pipeline->dedup, state.forgotten_ms);
    }
    return fh_store_keys(pipeline->store, remember_keys, pipeline);
}

/* ---- new keys for the store ----------------------------------------------------------------- */

static void log_done(enum fh_dedup_key key, const struct fh_store_rekeyed *done)
{
    fh_log_event(done->untranslated > 0 ? LOG_WARNING : LOG_NOTICE, FH_LOG_REPLICAS_DIFFER, NULL, 0,
                 "%" PRIu64 " stored records are known by dedup.key = \"%s\" now; %" PRIu64
                 " delivery reports go to the peer once more; %" PRIu64
                 " delivered records in them are no longer kept and could not be translated",
                 done->records, fh_rekey_name(key), done->reports, done->untranslated);
}

static int rekey_store(struct fh_pipeline *pipeline, enum fh_dedup_key key, struct fh_error *err)
{
    const struct fh_config_dedup *config = &pipeline->config.dedup;
    struct rekeying rekeying = {pipeline, key, NULL};
    struct fh_store_rekeyed done = {0};
    int r = fh_dedup_new((unsigned)config->window_minutes, (uint64_t)config->max_records,
                         &fh_allocator_default, &rekeying.shown);
    if (r < 0) {
        return fh_error_set(err, r, "out of memory");
    }
    r = fh_store_rekey(pipeline->store, key_of, &rekeying, apart_ms(key), &done, err);
    fh_dedup_free(rekeying.shown);
    if (r < 0) {
        return r;
    }
    log_done(key, &done);
    r = write_note(pipeline, STATE_NOTE, key);
    if (r < 0) {
        return fh_error_set(err, r, "out of memory");
    }
    r = fh_store_commit(pipeline->store, err);
    return r == -ENOSPC ? 0 : r; /* the keys are changed; the note follows when there is room */
}

int fh_rekey_at_start(struct fh_pipeline *pipeline, struct fh_error *err)
{
    enum fh_dedup_key configured = pipeline->config.dedup.key;
    enum fh_dedup_key wanted = read_note(pipeline, CHOICE_NOTE, configured);
    wanted = fh_key_join(configured, wanted);
    atomic_store(&pipeline->key, (int)wanted);
    if (wanted != configured) {
        fh_log_event(LOG_NOTICE, FH_LOG_REPLICAS_DIFFER, NULL, 0,
                     "records are known by dedup.key = \"%s\", chosen earlier because the replicas "
                     "differ; the configuration says \"%s\"",
                     fh_rekey_name(wanted), fh_rekey_name(configured));
    }
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    /* Nothing in it: whatever we say. No note: filled by a version that knew no other change. */
    enum fh_dedup_key now =
        state.next_sequence == 1 ? wanted : read_note(pipeline, STATE_NOTE, configured);
    if (now != wanted || fh_store_apart_ms(pipeline->store) != apart_ms(wanted)) {
        return rekey_store(pipeline, wanted, err);
    }
    if (read_note(pipeline, STATE_NOTE, (enum fh_dedup_key)UINT8_MAX) == wanted) {
        return 0;
    }
    int r = write_note(pipeline, STATE_NOTE, wanted);
    return r < 0 ? fh_error_set(err, r, "out of memory") : fh_store_commit(pipeline->store, err);
}

/* ---- while running ------------------------------------------------------------------------- */

static void ask_for_rest(struct fh_pipeline *pipeline)
{
    pipeline->rekey_at = (struct fh_time){0};
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        atomic_store(&pipeline->delivery[i].at_rest, false);
    }
    atomic_store(&pipeline->rekey_asked, false);
    atomic_store(&pipeline->rest_wanted, true);
    fh_store_wake(pipeline->store);
    fh_rekey_tell(pipeline); /* without sinks there is nobody to wait for */
}

static const char *difference(enum fh_dedup_key key)
{
    switch (key) {
    case FH_KEY_UID_PAYLOAD:
        return "timestamps: records are known by all but the timestamp";
    case FH_KEY_PAYLOAD:
        return "UIDs and timestamps: records are known by their payload, and events that repeat "
               "themselves word for word within a minute may be delivered again by a failover";
    default:
        return "UIDs: records are known by all but the UID";
    }
}

static void log_choice(enum fh_dedup_key key)
{
    fh_log_event(
        LOG_WARNING, FH_LOG_REPLICAS_DIFFER, NULL, 0,
        "the replicas of the two nodes carry different %s (dedup.key = \"%s\" from now on, "
        "for good)",
        difference(key), fh_rekey_name(key));
}

void fh_rekey_begin(struct fh_pipeline *pipeline, enum fh_dedup_key key)
{
    bool under_way = atomic_load(&pipeline->rest_wanted) || fh_time_is_set(pipeline->rekey_at);
    enum fh_dedup_key now = under_way ? pipeline->rekey_to : in_force(pipeline);
    if (key >= FH_KEY_COUNT || fh_key_join(now, key) == now) {
        return;
    }
    key = fh_key_join(now, key);
    log_choice(key);
    pipeline->rekey_to = key;
    int r = write_note(pipeline, CHOICE_NOTE, key);
    if (r < 0) {
        fh_writer_fail(pipeline, "the choice of dedup.key cannot be stored", r);
        return;
    }
    pipeline->must_commit = true;
    r = fh_writer_commit(pipeline);
    if (under_way || (r < 0 && r != -ENOSPC)) {
        return; /* one rest is enough; or said, and the daemon is about to stop */
    }
    ask_for_rest(pipeline);
}

void fh_rekey_tell(struct fh_pipeline *pipeline)
{
    bool rest = true;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        rest = rest && atomic_load(&pipeline->delivery[i].at_rest);
    }
    if (rest && atomic_load(&pipeline->rest_wanted) &&
        !atomic_exchange(&pipeline->rekey_asked, true)) {
        struct command command = {.kind = COMMAND_REKEY};
        if (fh_pipeline_command(pipeline, &command) < 0) {
            atomic_store(&pipeline->rekey_asked, false); /* asked again within a second */
        }
    }
}

static int send_report(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct answer *answer = fh_answer_new(ANSWER_REPORT, bytes, len);
    answer->number = number;
    fh_answer_send(userdata, answer);
    return 0;
}

/* The newest report is enough: the peer sees that others are missing, and asks for them. */
static void announce(struct fh_pipeline *pipeline)
{
    struct fh_store_state state;
    fh_store_state(pipeline->store, &state);
    if (state.own_report_last > 0) {
        fh_store_reports_from(pipeline->store, state.own_report_last, INT64_MIN, 1, send_report,
                              pipeline);
    }
}

static void go_on(struct fh_pipeline *pipeline)
{
    atomic_store(&pipeline->rest_wanted, false);
    fh_store_wake(pipeline->store);
}

void fh_rekey_run(struct fh_pipeline *pipeline)
{
    struct fh_error err = {""};
    int r = fh_writer_commit(pipeline);
    enum fh_dedup_key key = pipeline->rekey_to;
    r = r < 0 ? r : rekey_store(pipeline, key, &err);
    if (r == -ENOSPC) {
        /* The sinks must be allowed to make room. */
        fh_log(LOG_WARNING,
               "the store has no room for the new keys of its records; trying again in %d s",
               AGAIN_AFTER_MS / 1000);
        pipeline->rekey_at = fh_time_add_ms(fh_now(), AGAIN_AFTER_MS);
        go_on(pipeline);
        return;
    }
    if (r == 0) {
        atomic_store(&pipeline->key, (int)key);
        r = fh_rekey_remember(pipeline);
    }
    if (r < 0) {
        fh_writer_fail(pipeline, err.text[0] ? err.text : "the records cannot be given new keys",
                       r);
        return;
    }
    announce(pipeline);
    go_on(pipeline);
    /* A twin of which one came before and one comes after this moment is only told by a connection
     * that shows both. */
    fh_sources_reconnect(pipeline->sources, fh_intake_mask(pipeline));
}

void fh_rekey_again(struct fh_pipeline *pipeline)
{
    if (fh_time_is_set(pipeline->rekey_at) && fh_time_before(pipeline->rekey_at, fh_now())) {
        ask_for_rest(pipeline);
    }
}
