/* pipeline_fixture.c: see pipeline_fixture.h. */
#include "pipeline_fixture.h"

#include <inttypes.h>

static struct fixture *current; /* open() has to find its far side */

/* ---- the far side ------------------------------------------------------------------------------
 */

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    (void)config;
    snprintf(text, size, "at least once");
}

static int far_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                    struct fh_error *err, void **ret)
{
    struct far_side *far = &current->far[context->replay ? 2 : strcmp(config->name, "second") == 0];
    pthread_mutex_lock(&far->lock);
    far->opens++;
    far->context = context;
    bool refused = far->no_open;
    pthread_mutex_unlock(&far->lock);
    if (refused) {
        return fh_error_set(err, -EACCES, "cannot be opened");
    }
    *ret = far;
    return 0;
}

static int far_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct far_side *far = opaque;
    pthread_mutex_lock(&far->lock);
    far->leads++;
    int r = far->lead_result;
    if (r == 0) {
        far->led_epoch = epoch;
        far->recovered = false;
    }
    pthread_mutex_unlock(&far->lock);
    return r < 0 ? fh_error_set(err, r, "cannot lead") : 0;
}

static int far_recover(void *opaque, const char *position, int64_t since_ms, fh_sink_found found,
                       void *userdata, struct fh_error *err)
{
    struct far_side *far = opaque;
    pthread_mutex_lock(&far->lock);
    far->recovers++;
    snprintf(far->asked_position, sizeof(far->asked_position), "%s", position);
    far->asked_since = since_ms;
    int r = far->recover_result;
    size_t count = far->there_count;
    struct fh_record_key *keys = malloc((count + 1) * sizeof(*keys));
    memcpy(keys, far->there, count * sizeof(*keys));
    far->recovered = r == 0;
    pthread_mutex_unlock(&far->lock);
    for (size_t at = 0; r == 0 && at < count; at += 700) { /* more than asked for, in portions */
        r = found(userdata, keys + at, count - at < 700 ? count - at : 700);
    }
    free(keys);
    return r < 0 ? fh_error_set(err, r, "cannot be read") : r;
}

static int far_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct far_side *far = opaque;
    pthread_mutex_lock(&far->lock);
    int r = far->write_result;
    far->began = far->batch_count == far->prepared ? fh_now() : far->began;
    for (uint32_t i = 0; r == 0 && i < write->count; i++) {
        uint64_t number = (uint64_t)(write->key[i].timestamp_ms - T0) / 10;
        if (far->refuse_every > 0 && number % far->refuse_every == 0) {
            r = fh_sink_refused(far->context, write->record[i], "not to be taken", err);
            continue;
        }
        far->batch[far->batch_count++] = write->key[i];
        far->wrote_before_recover |= !far->recovered;
    }
    pthread_mutex_unlock(&far->lock);
    return r < 0 ? fh_error_set(err, r, "the far side is slow") : 0;
}

static int64_t far_due_in(void *opaque, struct fh_time now)
{
    struct far_side *far = opaque;
    pthread_mutex_lock(&far->lock);
    int64_t left = 5 - fh_time_diff_ms(now, far->began);
    size_t open = far->batch_count - far->prepared;
    int64_t due = open == 0 ? -1 : open >= 1000 || left < 0 ? 0 : left;
    pthread_mutex_unlock(&far->lock);
    return due;
}

/* The first of what was written leave the batch. The caller holds the lock. */
static void leave(struct far_side *far, size_t count)
{
    far->batch_count -= count;
    memmove(far->batch, far->batch + count, far->batch_count * sizeof(*far->batch));
    far->prepared = 0;
}

static void arrive(struct far_side *far, size_t count)
{
    memcpy(far->there + far->there_count, far->batch, count * sizeof(*far->batch));
    far->there_count += count;
    leave(far, count);
}

static int far_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct far_side *far = opaque;
    pthread_mutex_lock(&far->lock);
    far->accepts++;
    while (far->hangs && !fh_sink_fenced(far->context)) {
        pthread_mutex_unlock(&far->lock);
        usleep(1000);
        pthread_mutex_lock(&far->lock);
    }
    bool enough = far->accept_limit > 0 && far->there_count > far->accept_limit;
    int r = far->hangs || enough ? -EAGAIN : far->accept_result;
    if (r == 0) {
        arrive(far, far->batch_count);
        snprintf(position, FH_SINK_POSITION_MAX, "offset-%zu", far->there_count);
    }
    if (far->lost_answer && r == 0) {
        far->lost_answer = false;
        r = -EIO;
    }
    pthread_mutex_unlock(&far->lock);
    return r < 0 ? fh_error_set(err, r, "does not answer") : 0;
}

static int far_prepare(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)err;
    pthread_mutex_lock(&far->lock);
    snprintf(far->part, sizeof(far->part), "part-%u", ++far->position);
    far->fate = FH_SINK_PREPARED;
    far->prepared = far->batch_count; /* what is written from now on is of the next one */
    memcpy(position, far->part, sizeof(far->part));
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static int far_publish(void *opaque, const char *position, struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)position;
    (void)err;
    pthread_mutex_lock(&far->lock);
    arrive(far, far->prepared);
    far->published++;
    far->fate = FH_SINK_PUBLISHED;
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static int far_discard(void *opaque, const char *position, struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)position;
    (void)err;
    pthread_mutex_lock(&far->lock);
    leave(far, far->prepared);
    far->discarded++;
    far->fate = FH_SINK_MISSING;
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static int far_fate(void *opaque, const char *position, enum fh_sink_fate *ret,
                    struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)err;
    pthread_mutex_lock(&far->lock);
    far->asked_fate++;
    *ret = strcmp(position, far->part) == 0 ? far->fate : FH_SINK_MISSING;
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static int far_flush(void *opaque, struct fh_error *err)
{
    (void)opaque;
    (void)err;
    return 0;
}

static int far_abandon(void *opaque, const char *const *keep, size_t keep_count,
                       struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)keep;
    (void)err;
    pthread_mutex_lock(&far->lock);
    far->abandons++;
    far->prepared = keep_count == 0 ? 0 : far->prepared;
    far->batch_count = far->prepared;
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static int far_reopen(void *opaque, struct fh_error *err)
{
    struct far_side *far = opaque;
    (void)err;
    pthread_mutex_lock(&far->lock);
    far->batch_count = far->prepared;
    pthread_mutex_unlock(&far->lock);
    return 0;
}

static void far_close(void *opaque)
{
    (void)opaque;
}

#define FAR_OPS                                                                                    \
    .promise = promise, .open = far_open, .write = far_write, .due_in = far_due_in,                \
    .abandon = far_abandon, .reopen = far_reopen, .close = far_close

const struct fh_sink_ops fixture_one_phase = {
    .type = "scripted", FAR_OPS, .lead = far_lead, .accept = far_accept};
const struct fh_sink_ops fixture_asked = {
    .type = "asked", FAR_OPS, .lead = far_lead, .recover = far_recover, .accept = far_accept};
const struct fh_sink_ops fixture_two_phase = {.type = "phases",
                                              FAR_OPS,
                                              .prepare = far_prepare,
                                              .publish = far_publish,
                                              .discard = far_discard,
                                              .fate = far_fate,
                                              .flush = far_flush};

/* ---- the host ----------------------------------------------------------------------------------
 */

static void on_epoch(void *userdata, uint64_t epoch, int result)
{
    assert_int_equal(result, 0);
    ((struct fixture *)userdata)->epoch_done = epoch;
}

static void on_stopped(void *userdata)
{
    ((struct fixture *)userdata)->stopped++;
}

static void on_settled(void *userdata)
{
    ((struct fixture *)userdata)->settled++;
}

static void on_settle_again(void *userdata)
{
    ((struct fixture *)userdata)->settle_again++;
}

static void on_applied(void *userdata, uint64_t store, uint64_t number)
{
    (void)store;
    ((struct fixture *)userdata)->applied = number;
}

static void on_report(void *userdata, uint64_t number, const void *bytes, size_t len)
{
    struct fixture *f = userdata;
    static struct fh_record_key keys[FH_REPORT_KEYS_MAX];
    assert_int_equal(fh_report_decode(bytes, len, keys, FH_REPORT_KEYS_MAX, &f->last), 0);
    f->last.number = number;
    f->reports++;
    f->report_keys += f->last.count;
    if (strcmp(f->last.position, FH_REPORT_RECOVERED) == 0) {
        memcpy(f->recovered_keys + f->recovered_count, keys, f->last.count * sizeof(*keys));
        f->recovered_count += f->last.count;
    }
}

static void on_portion(void *userdata, uint64_t next)
{
    ((struct fixture *)userdata)->portion_next = next;
}

static void on_unreported(void *userdata, const void *lines, size_t len)
{
    struct fixture *f = userdata;
    assert_in_range(len, 1, sizeof(f->unreported) - f->unreported_len);
    memcpy(f->unreported + f->unreported_len, lines, len);
    f->unreported_len += len;
}

static void on_stored(void *userdata, const char *lines, size_t len)
{
    (void)userdata;
    (void)lines;
    (void)len;
}

static void on_drained(void *userdata)
{
    ((struct fixture *)userdata)->drained++;
}

static void on_failed(void *userdata)
{
    (void)userdata;
    fail_msg("the pipeline failed");
}

static const struct fh_pipeline_host host = {
    .epoch_done = on_epoch,
    .delivery_stopped = on_stopped,
    .settled = on_settled,
    .settle_again = on_settle_again,
    .peer_report_applied = on_applied,
    .own_report = on_report,
    .reports_sent = on_portion,
    .unreported = on_unreported,
    .stored = on_stored,
    .drained = on_drained,
    .failed = on_failed,
};

/* ---- the pipeline ------------------------------------------------------------------------------
 */

static const char *const names[] = {"first", "second"};

static void open_parts(struct fh_pipeline *pipeline, const struct fixture *f)
{
    struct fh_error err = {""};
    struct fh_store_options options = {.directory = f->directory,
                                       .size_limit = f->size_limit ? f->size_limit : 64u << 20,
                                       .sink_optional = f->optional,
                                       .block_bytes = 65536,
                                       .cache_bytes = 1u << 20,
                                       .window_minutes = 120,
                                       .sinks = names,
                                       .sink_count = pipeline->config.sink_count};
    if (fh_store_open(&options, &err, &pipeline->store) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(fh_rekey_remember(pipeline), 0);
    assert_int_equal(fh_queue_new(4096, 0, &pipeline->commands), 0);
    assert_int_equal(fh_queue_new(4096, 0, &pipeline->answers), 0);
    pipeline->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    fh_buf_init(&pipeline->tail_lines, 4096);
    pthread_mutex_init(&pipeline->minute_lock, NULL);
    if (pipeline->config.firehose.ranges.count == 0) { /* the test wants nothing else */
        pipeline->config.firehose.ranges.range[0] = (struct fh_range){1, FH_PARTITIONS};
        pipeline->config.firehose.ranges.count = 1;
    }
    pipeline->config.store.queue_bytes = 16u << 20;
    assert_int_equal(fh_resplit_init(pipeline), 0);
    fh_gap_load(pipeline);
}

void fixture_start(struct fixture *f, const struct fh_sink_ops *const *sinks, bool paired)
{
    struct fh_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    assert_non_null(pipeline);
    f->pipeline = pipeline;
    current = f;
    pipeline->host = host;
    pipeline->userdata = f;
    pipeline->config.pair.present = paired;
    pipeline->config.store.commit_ms = 1;
    pipeline->config.dedup.window_minutes = 120;
    pipeline->config.dedup.max_records = 1000000;
    pipeline->config.firehose.overlap_min_ms = 10000;
    pipeline->config.firehose.replay_window_ms = 3300000;
    for (size_t i = 0; sinks[i]; i++) {
        struct fh_config_sink *sink = &pipeline->config.sinks[i];
        snprintf(sink->name, sizeof(sink->name), "%s", names[i]);
        snprintf(sink->type, sizeof(sink->type), "%s", sinks[i]->type);
        sink->required = !f->optional[i];
        pipeline->config.sink_count++;
    }
    snprintf(pipeline->config.node.name, sizeof(pipeline->config.node.name), "a");
    snprintf(pipeline->config.node.state_dir, sizeof(pipeline->config.node.state_dir), "%s",
             f->directory);
    if (f->configure) {
        f->configure(&pipeline->config);
    }
    open_parts(pipeline, f);
    assert_int_equal(pthread_create(&pipeline->writer, NULL, fh_writer_run, pipeline), 0);
    pipeline->writer_started = true;
    pipeline->delivery_count = pipeline->config.sink_count;
    for (size_t i = 0; i < pipeline->delivery_count; i++) {
        struct fh_error err = {""};
        assert_int_equal(fh_delivery_start(pipeline, i, sinks[i], &err), 0);
    }
}

void fixture_restart(struct fixture *f, const struct fh_sink_ops *const *sinks, bool paired)
{
    fh_pipeline_free(f->pipeline);
    fixture_start(f, sinks, paired);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(f->far); i++) {
        pthread_mutex_init(&f->far[i].lock, NULL);
        f->far[i].recovered = true;
    }
    snprintf(f->directory, sizeof(f->directory), "/tmp/fh-pipeline-XXXXXX");
    if (!mkdtemp(f->directory)) {
        free(f);
        return -1;
    }
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    fh_pipeline_free(f->pipeline);
    static const char *const files[] = {"store/data.mdb",
                                        "store/lock.mdb",
                                        "store/pid",
                                        "store",
                                        "dead-letters/first.ndjson",
                                        "dead-letters",
                                        ""};
    for (size_t i = 0; i < FH_ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", f->directory, files[i]);
        remove(path);
    }
    free(f);
    return 0;
}

void fixture_turn(struct fixture *f)
{
    struct pollfd fd = {.fd = fh_pipeline_fd(f->pipeline), .events = POLLIN};
    poll(&fd, 1, 2);
    fh_pipeline_dispatch(f->pipeline);
}

void fixture_offer(struct fixture *f, uint64_t count)
{
    struct intake *intake = &f->pipeline->intake[0];
    uint64_t one = 1;
    pthread_mutex_lock(&intake->lock);
    intake->filling->since = fh_now();
    for (uint64_t i = 0; i < count; i++) {
        char text[600];
        uint64_t number = ++f->appended;
        int len = snprintf(text, sizeof(text),
                           "{\"recordUid\":\"event-%08" PRIx64 "\",\"recordTimestamp\":%" PRId64
                           ",\"eventType\":\"TYPE_%u\"",
                           number, key_of(number).timestamp_ms, (unsigned)(number % TYPES));
        if (f->bulky) {
            len += snprintf(text + len, sizeof(text) - (size_t)len, ",\"x\":\"");
            while (len < 500) {
                len += snprintf(text + len, sizeof(text) - (size_t)len, "%08lx", (long)random());
            }
            len += snprintf(text + len, sizeof(text) - (size_t)len, "\"");
        }
        len += snprintf(text + len, sizeof(text) - (size_t)len, "}");
        struct batch *batch = intake->filling;
        if (batch->count == batch->capacity) {
            batch->capacity = batch->capacity ? batch->capacity * 2 : 64;
            batch->items = realloc(batch->items, batch->capacity * sizeof(*batch->items));
            assert_non_null(batch->items);
        }
        batch->items[batch->count++] = (struct item){.key = key_of(number),
                                                     .identity = key_of(number).fingerprint,
                                                     .offset = (uint32_t)batch->bytes.len,
                                                     .len = (uint32_t)len,
                                                     .kind = ITEM_RECORD};
        assert_int_equal(fh_buf_append(&batch->bytes, text, (size_t)len), 0);
    }
    pthread_mutex_unlock(&intake->lock);
    assert_int_equal(write(f->pipeline->doorbell, &one, sizeof(one)), sizeof(one));
}

void fixture_append(struct fixture *f, uint64_t count)
{
    struct fh_store_state state;
    fixture_offer(f, count);
    fixture_wait(
        f, (fh_store_state(f->pipeline->store, &state), state.next_sequence == f->appended + 1));
}

void fixture_lead(struct fixture *f, uint64_t epoch)
{
    unsigned before = f->settled;
    fh_pipeline_persist_epoch(f->pipeline, epoch, true);
    fh_pipeline_settle(f->pipeline, false, 0);
    fixture_wait(f, f->settled > before);
    fh_pipeline_lead(f->pipeline, epoch);
}

void fixture_expect(struct fixture *f, size_t index, uint64_t from, uint64_t to, unsigned times)
{
    struct far_side *far = &f->far[index];
    pthread_mutex_lock(&far->lock);
    for (uint64_t number = from; number <= to; number++) {
        struct fh_record_key key = key_of(number);
        unsigned seen = 0;
        for (size_t i = 0; i < far->there_count; i++) {
            seen += memcmp(&far->there[i], &key, sizeof(key)) == 0;
        }
        if (seen != times) {
            fail_msg("record %" PRIu64 " arrived %u times instead of %u", number, seen, times);
        }
    }
    pthread_mutex_unlock(&far->lock);
}

uint64_t fixture_pending(struct fixture *f, size_t sink)
{
    struct fh_store_cursor cursor = {0};
    fh_store_cursor(f->pipeline->store, names[sink], &cursor);
    return cursor.pending;
}

void fixture_peer_report(struct fixture *f, uint64_t number, const struct fh_report *report)
{
    struct fh_report numbered = *report;
    numbered.number = number;
    size_t size = fh_report_size(&numbered);
    void *bytes = malloc(size);
    assert_non_null(bytes);
    fh_report_encode(&numbered, bytes);
    fh_pipeline_peer_report(f->pipeline, 77, number, bytes, size);
    free(bytes);
    fixture_wait(f, f->applied >= number);
}
