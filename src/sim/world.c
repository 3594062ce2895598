/* world.c: the contract of world.h: passes time to the moving world (or the recorded one), keeps
 * what it yields, and shows it to readers. Owns the lock; knows nothing of connections. */
#include "world.h"

#include "campus.h"
#include "life.h"
#include "payload.h"
#include "world_ledger.h"
#include "world_replay.h"
#include "world_window.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define TICK_BITS 20   /* due times are kept in 2^-20 microseconds, so that no rate drifts */
#define PORTION   1024 /* events between two publications */

enum purpose {
    PURPOSE_UID = 0x0001,
    PURPOSE_LATE = 0x0002,
    PURPOSE_NOISE = 0x0003,
    PURPOSE_ALIVE = 0x0004,
    PURPOSE_REPLICA = 0x0005,
    PURPOSE_STAMP = 0x0006
};

struct sim_world {
    struct sim_world_options options;
    struct sim_campus *campus;
    struct sim_life *life;
    struct sim_replay replay;
    size_t replayed;
    struct sim_window window;
    struct sim_ledger ledger;
    pthread_rwlock_t lock;

    int64_t base_ms; /* what now_us counts from */
    int64_t now_us;
    int64_t debt_us; /* time given but not yet lived through */
    uint64_t due;    /* of the next event, in ticks */
    uint64_t step;   /* between two events, in ticks */
    double rate;
    struct sim_record held; /* made, but there was no memory to keep it */
    bool holds;

    _Atomic double wanted_rate;
    _Atomic bool uids_differ, stamps_differ;
    _Atomic bool ended;
    _Atomic int64_t now_ms;
    _Atomic uint64_t keep_alives;
};

static int check_options(const struct sim_world_options *options, struct fh_error *err)
{
    if (!(options->rate >= 1 && options->rate <= 1000000)) {
        return fh_error_set(err, -EINVAL, "The rate must be 1 to 1000000 events/s, not %g.",
                            options->rate);
    }
    if (options->uid_bits < 8 || options->uid_bits > 32) {
        return fh_error_set(err, -EINVAL, "The width of uids must be 8 to 32 bits, not %u.",
                            options->uid_bits);
    }
    if (options->lateness_ms < 0 || options->lateness_ms > 86400000) {
        return fh_error_set(err, -EINVAL, "The lateness must be 0 to 86400000 ms, not %lld.",
                            (long long)options->lateness_ms);
    }
    if (options->replica_jitter_ms < 0 || options->replica_jitter_ms > SIM_JITTER_MAX_MS) {
        return fh_error_set(err, -EINVAL, "The replica jitter must be 0 to %d ms, not %lld.",
                            SIM_JITTER_MAX_MS, (long long)options->replica_jitter_ms);
    }
    if (options->window_ms <= 0 || options->window_bytes == 0) {
        return fh_error_set(err, -EINVAL, "The replay window needs a time and a size above 0.");
    }
    if (options->replay_file && !(options->replay_speed > 0 && options->replay_speed <= 1e6)) {
        return fh_error_set(err, -EINVAL, "The replay speed must be above 0, up to 1000000.");
    }
    return 0;
}

static int make_content(struct sim_world *world, struct fh_error *err)
{
    const struct sim_world_options *options = &world->options;
    if (options->replay_file) {
        int r = sim_replay_load(options->replay_file, err, &world->replay);
        world->base_ms = r < 0 ? 0 : world->replay.lines[0].timestamp_ms;
        return r;
    }
    int r = sim_campus_new(options->seed, options->devices, err, &world->campus);
    if (r < 0) {
        return r;
    }
    r = sim_life_new(world->campus, options->seed, options->rate, options->start_ms, &world->life);
    return r < 0 ? fh_error_set(err, r, "Not enough memory for the simulated world.") : 0;
}

/* Rounded up: n seconds hold rate * n events, never one more. */
static uint64_t step_of(double rate)
{
    double ticks = 1e6 / rate * (double)(1ULL << TICK_BITS);
    uint64_t whole = (uint64_t)ticks;
    return whole + ((double)whole < ticks);
}

static int make_lock(struct sim_world *world)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* Readers come in a steady stream; without this the producer might wait for ever. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int r = -pthread_rwlock_init(&world->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return r;
}

int sim_world_new(const struct sim_world_options *options, struct fh_error *err,
                  struct sim_world **ret)
{
    int r = check_options(options, err);
    if (r < 0) {
        return r;
    }
    struct sim_world *world = calloc(1, sizeof(*world));
    if (!world || make_lock(world) < 0) {
        free(world);
        return fh_error_set(err, -ENOMEM, "Not enough memory for the simulated world.");
    }
    world->options = *options;
    world->base_ms = options->start_ms;
    world->rate = options->rate;
    world->step = step_of(options->rate);
    world->wanted_rate = options->rate;
    world->uids_differ = options->replica_uids_differ;
    r = make_content(world, err);
    if (r >= 0) {
        world->now_ms = world->base_ms;
        r = sim_window_init(&world->window, options->seed, world->base_ms,
                            options->replica_jitter_ms, options->window_ms, options->window_bytes);
        if (r >= 0 && options->ledger) {
            r = sim_ledger_init(&world->ledger);
        }
        if (r < 0) {
            (void)fh_error_set(err, r, "Not enough memory for the simulated world.");
        }
    }
    if (r < 0) {
        sim_world_free(world);
        return r;
    }
    *ret = world;
    return 0;
}

void sim_world_free(struct sim_world *world)
{
    if (!world) {
        return;
    }
    sim_ledger_done(&world->ledger);
    sim_window_done(&world->window);
    sim_life_free(world->life);
    sim_campus_free(world->campus);
    sim_replay_done(&world->replay);
    pthread_rwlock_destroy(&world->lock);
    free(world);
}

const struct sim_campus *sim_world_campus(const struct sim_world *world)
{
    return world->campus;
}

void sim_world_set_rate(struct sim_world *world, double rate)
{
    rate = rate >= 1 ? rate : 1;
    atomic_store(&world->wanted_rate, rate < 1e6 ? rate : 1e6);
}

void sim_world_set_replica_uids_differ(struct sim_world *world, bool differ)
{
    atomic_store(&world->uids_differ, differ);
}

void sim_world_set_replica_timestamps_differ(struct sim_world *world, bool differ)
{
    atomic_store(&world->stamps_differ, differ);
}

/* ---- what follows from seed and index alone ---- */

static uint32_t base_uid(const struct sim_world *world, const struct sim_record *record,
                         uint64_t index)
{
    if (world->options.replay_file) {
        return world->replay.lines[record->actor].uid;
    }
    uint64_t bits = sim_mix2(world->options.seed ^ PURPOSE_UID << 20, index);
    return (uint32_t)(bits >> 32) >> (32 - world->options.uid_bits);
}

static uint32_t replica_uid(const struct sim_world *world, unsigned which, uint32_t uid,
                            uint64_t index)
{
    uint64_t bits = sim_mix2(PURPOSE_REPLICA << 20 | which, (uint64_t)uid << 32 ^ index);
    return (uint32_t)(bits >> 32) >> (32 - world->options.uid_bits);
}

/* Replica 1 always shows the uids of the ledger. */
static uint32_t uid_for(const struct sim_world *world, unsigned replica,
                        const struct sim_record *record, uint64_t index)
{
    uint32_t uid = base_uid(world, record, index);
    if (replica == 0 || !atomic_load_explicit(&world->uids_differ, memory_order_relaxed)) {
        return uid;
    }
    return replica_uid(world, replica, uid, index);
}

/* The same for the stamps. */
static int64_t stamp_for(const struct sim_world *world, unsigned replica, int64_t timestamp_ms,
                         uint64_t index)
{
    if (replica == 0 || !atomic_load_explicit(&world->stamps_differ, memory_order_relaxed)) {
        return timestamp_ms;
    }
    uint64_t bits = sim_mix2(PURPOSE_STAMP << 20 | replica, index);
    int64_t off_ms = (int64_t)(bits % (2 * SIM_STAMPS_APART_MS + 1)) - SIM_STAMPS_APART_MS;
    return timestamp_ms + off_ms > 0 ? timestamp_ms + off_ms : 1;
}

/* Mostly small: the fourth power of an even chance, up to lateness_ms. */
static uint32_t lateness_of(const struct sim_world *world, uint64_t index)
{
    if (world->options.lateness_ms == 0) {
        return 0;
    }
    uint64_t chance = sim_mix2(world->options.seed ^ PURPOSE_LATE << 20, index) >> 48;
    uint64_t square = chance * chance >> 16;
    uint64_t fourth = square * square >> 16;
    return (uint32_t)((uint64_t)(world->options.lateness_ms + 1) * fourth >> 16);
}

/* ---- production ---- */

static int keep(struct sim_world *world, const struct sim_record *record)
{
    uint64_t index = world->window.appended;
    if (world->options.ledger) {
        int r = sim_ledger_reserve(&world->ledger);
        if (r < 0) {
            return r;
        }
    }
    int r = sim_window_append(&world->window, record, record->timestamp_ms + record->lateness_ms);
    if (r < 0 || !world->options.ledger) {
        return r;
    }
    struct sim_ledger_row row = {
        .timestamp_ms = record->timestamp_ms,
        .uid = base_uid(world, record, index),
        .partition = record->partition,
    };
    sim_ledger_append(&world->ledger, &row);
    return 0;
}

/* Microseconds until the next event is due, counted like now_us; INT64_MAX after the last one. */
static int64_t next_due_us(const struct sim_world *world)
{
    if (!world->options.replay_file) {
        return (int64_t)(world->due >> TICK_BITS);
    }
    if (world->replayed == world->replay.count) {
        return INT64_MAX;
    }
    int64_t offset_us = (world->replay.lines[world->replayed].timestamp_ms - world->base_ms) * 1000;
    /* Recorded stamps are not monotonic: one that is late is issued with the one before it. */
    return offset_us > world->now_us ? offset_us : world->now_us;
}

static void make_record(struct sim_world *world, int64_t due_us, struct sim_record *record)
{
    int64_t arrival_ms = world->base_ms + due_us / 1000;
    if (world->options.replay_file) {
        const struct sim_replay_line *line = &world->replay.lines[world->replayed];
        int64_t lateness_ms = arrival_ms - line->timestamp_ms;
        *record = (struct sim_record){
            .timestamp_ms = line->timestamp_ms,
            .lateness_ms = (uint32_t)(lateness_ms < UINT32_MAX ? lateness_ms : UINT32_MAX),
            .actor = (uint32_t)world->replayed++,
            .type = line->type,
            .partition = line->partition,
        };
        return;
    }
    sim_life_next(world->life, due_us, record);
    record->lateness_ms = lateness_of(world, world->window.appended);
    record->timestamp_ms = arrival_ms - record->lateness_ms;
    world->due += world->step;
}

static void publish(struct sim_world *world)
{
    int64_t now_ms = world->base_ms + world->now_us / 1000;
    sim_window_flush(&world->window, now_ms);
    pthread_rwlock_wrlock(&world->lock);
    if (world->options.ledger) {
        sim_ledger_publish(&world->ledger);
    }
    sim_window_publish(&world->window, now_ms);
    pthread_rwlock_unlock(&world->lock);
    atomic_store(&world->now_ms, now_ms);
    if (world->options.replay_file && world->replayed == world->replay.count && !world->holds) {
        atomic_store(&world->ended, true);
    }
}

/* Up to `most` events due before target_us. A record that finds no memory waits for the next call.
 */
static uint64_t produce(struct sim_world *world, int64_t target_us, uint64_t most)
{
    uint64_t made = 0;
    while (made < most) {
        if (!world->holds) {
            int64_t due_us = next_due_us(world);
            if (due_us >= target_us) {
                break;
            }
            world->now_us = due_us;
            make_record(world, due_us, &world->held);
        }
        world->holds = keep(world, &world->held) < 0;
        if (world->holds) {
            break;
        }
        made++;
    }
    return made;
}

static void apply_rate(struct sim_world *world)
{
    double rate = atomic_load(&world->wanted_rate);
    if (rate != world->rate) {
        world->rate = rate;
        world->step = step_of(rate);
        uint64_t soon = ((uint64_t)world->now_us << TICK_BITS) + world->step;
        world->due = world->due < soon ? world->due : soon;
        if (world->life) {
            sim_life_set_rate(world->life, rate);
        }
    }
}

uint64_t sim_world_advance(struct sim_world *world, int64_t elapsed_us, uint64_t max_events)
{
    apply_rate(world);
    if (elapsed_us > 0) {
        double speed = world->options.replay_file ? world->options.replay_speed : 1;
        world->debt_us += speed == 1 ? elapsed_us : (int64_t)((double)elapsed_us * speed);
    }
    int64_t target_us = world->now_us + world->debt_us;
    uint64_t total = 0;
    bool more = true;
    while (more) {
        uint64_t left = max_events - total;
        uint64_t portion = left < PORTION ? left : PORTION;
        uint64_t made = produce(world, target_us, portion);
        total += made;
        more = made == portion && total < max_events;
        if (made < portion && !world->holds) {
            world->now_us = target_us; /* nothing else is due before it */
        }
        publish(world);
    }
    world->debt_us = target_us - world->now_us;
    return total;
}

void sim_world_settle(struct sim_world *world)
{
    sim_window_settle(&world->window);
    publish(world);
}

bool sim_world_ended(const struct sim_world *world)
{
    return atomic_load(&world->ended);
}

int64_t sim_world_now_ms(const struct sim_world *world)
{
    return atomic_load(&world->now_ms);
}

/* ---- reading ---- */

void sim_world_lock_read(struct sim_world *world)
{
    pthread_rwlock_rdlock(&world->lock);
}

void sim_world_unlock_read(struct sim_world *world)
{
    pthread_rwlock_unlock(&world->lock);
}

uint64_t sim_world_first(const struct sim_world *world)
{
    return world->window.first;
}

uint64_t sim_world_end(const struct sim_world *world)
{
    return world->window.end;
}

/* 1..3 of the contract, 0 meaning 1, to 0..2. */
static unsigned replica_index(unsigned replica)
{
    return replica <= 1 ? 0 : replica >= SIM_REPLICAS ? SIM_REPLICAS - 1 : replica - 1;
}

uint64_t sim_world_ready(const struct sim_world *world, unsigned replica)
{
    return world->window.ready[replica_index(replica)];
}

void sim_world_event(const struct sim_world *world, unsigned replica, uint64_t position,
                     struct sim_event *ret)
{
    unsigned which = replica_index(replica);
    uint64_t index = sim_window_index(&world->window, which, position);
    const struct sim_record *record = sim_window_record(&world->window, index);
    *ret = (struct sim_event){
        .index = index,
        .timestamp_ms = stamp_for(world, which, record->timestamp_ms, index),
        .arrival_ms = record->timestamp_ms + record->lateness_ms,
        .uid = uid_for(world, which, record, index),
        .partition = record->partition,
        .type = record->type,
    };
}

/* The line as recorded; with another uid and stamp in it where replicas are to differ. */
static size_t render_replayed(const struct sim_world *world, unsigned which,
                              const struct sim_record *record, uint64_t index, char *buf,
                              size_t capacity)
{
    const struct sim_replay_line *line = &world->replay.lines[record->actor];
    uint32_t uid = uid_for(world, which, record, index);
    bool differs = which > 0 && atomic_load_explicit(&world->uids_differ, memory_order_relaxed);
    int64_t stamp_ms = stamp_for(world, which, line->timestamp_ms, index);
    return sim_replay_render(line, differs ? &uid : NULL, stamp_ms, buf, capacity);
}

static size_t render(const struct sim_world *world, unsigned which, uint64_t index, char *buf,
                     size_t capacity)
{
    const struct sim_record *record = sim_window_record(&world->window, index);
    if (world->options.replay_file) {
        return render_replayed(world, which, record, index, buf, capacity);
    }
    struct sim_view view = {
        .campus = world->campus,
        .record = record,
        .arrival_ms = record->timestamp_ms + record->lateness_ms,
        .noise = sim_mix2(world->options.seed ^ PURPOSE_NOISE << 20, index),
        .stamp_ms = stamp_for(world, which, record->timestamp_ms, index),
    };
    uint32_t uid = uid_for(world, which, record, index);
    if (capacity >= SIM_LINE_MAX) {
        return sim_payload_render(&view, uid, buf);
    }
    char line[SIM_LINE_MAX];
    size_t length = sim_payload_render(&view, uid, line);
    if (length <= capacity) {
        memcpy(buf, line, length);
    }
    return length;
}

size_t sim_world_render(const struct sim_world *world, unsigned replica, uint64_t position,
                        char *buf, size_t capacity)
{
    unsigned which = replica_index(replica);
    return render(world, which, sim_window_index(&world->window, which, position), buf, capacity);
}

uint64_t sim_world_payload(const struct sim_world *world, uint64_t index)
{
    static const char key[] = "\"recordTimestamp\":";
    char line[SIM_LINE_MAX];
    if (index < world->window.first || index >= world->window.end || world->options.replay_file) {
        return 0;
    }
    size_t length = render(world, 0, index, line, sizeof(line));
    const char *p = memmem(line, length, key, sizeof(key) - 1);
    if (!p) {
        return 0;
    }
    const char *end = line + length;
    p = memchr(p, ',', (size_t)(end - p)); /* uid and stamp come first */
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; p && p < end; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    return hash ? hash : 1;
}

uint64_t sim_world_seek(const struct sim_world *world, unsigned replica, int64_t from_ms,
                        bool by_arrival)
{
    unsigned which = replica_index(replica);
    /* A stamp may lie ahead of the one that the order goes by. */
    if (!by_arrival && which > 0 && atomic_load(&world->stamps_differ)) {
        from_ms -= SIM_STAMPS_APART_MS;
    }
    return sim_window_seek(&world->window, which, from_ms, by_arrival);
}

const char *sim_type_name(unsigned type)
{
    return sim_payload_type_name(type);
}

size_t sim_world_keep_alive(struct sim_world *world, char *buf, size_t capacity)
{
    uint64_t number = atomic_fetch_add(&world->keep_alives, 1);
    uint64_t bits = sim_mix2(world->options.seed ^ PURPOSE_ALIVE << 20, number);
    char line[256];
    size_t length = sim_payload_keep_alive(sim_world_now_ms(world), (uint32_t)(bits >> 32), line);
    if (length <= capacity) {
        memcpy(buf, line, length);
    }
    return length;
}

uint64_t sim_world_ledger_count(const struct sim_world *world)
{
    return atomic_load_explicit(&world->ledger.count, memory_order_acquire);
}

bool sim_world_ledger_row(const struct sim_world *world, uint64_t index, struct sim_ledger_row *ret)
{
    return sim_world_ledger_row_of(world, 1, index, ret);
}

bool sim_world_ledger_row_of(const struct sim_world *world, unsigned replica, uint64_t index,
                             struct sim_ledger_row *ret)
{
    unsigned which = replica_index(replica);
    if (!sim_ledger_read(&world->ledger, index, ret)) {
        return false;
    }
    if (which > 0 && atomic_load_explicit(&world->uids_differ, memory_order_relaxed)) {
        ret->uid = replica_uid(world, which, ret->uid, index);
    }
    ret->timestamp_ms = stamp_for(world, which, ret->timestamp_ms, index);
    return true;
}
