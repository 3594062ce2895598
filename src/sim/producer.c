/* producer.c: owns the passing of world time. Never touches a connection.
 *
 * A turn every 2 ms (10 ms at low rates): elapsed real time becomes world time. Under --rate max
 * time is made up instead: just as much as keeps the slowest reader a lead of 100 ms of events
 * behind the world's end, so that nothing is skipped and memory stays small. */
#include "producer.h"

#include "fh/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define TURN_EVENTS_MAX 20000
#define LEAD_EVENTS     ((uint64_t)(SIM_RATE_AT_MAX / 10))
#define FAST_TURN_US    2000
#define SLOW_TURN_US    10000
#define IDLE_TURN_US    200000
/* After a suspend or a stopped process: do not make up more than this at once. */
#define ELAPSED_MAX_US 10000000

struct sim_producer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t order;  /* for the thread */
    pthread_cond_t turned; /* by the thread, after each turn */
    struct sim_world *world;
    struct sim_feeds *feeds;
    void (*notify)(void *userdata);
    void *userdata;
    uint64_t events; /* stop after so many; 0 = never */
    /* under lock: */
    bool started; /* the caller's thread */
    bool quit, running, done, rate_max, rate_changed, uids_differ, stamps_differ, differ_changed;
    bool moving; /* the last turn let time pass */
    double rate;
    /* the thread's own: */
    uint64_t issued;
    struct fh_time last;
};

/* How much world time this turn brings, and how many events it may. */
static int64_t turn_us(struct sim_producer *producer, bool rate_max, struct fh_time now)
{
    int64_t elapsed_us = (now.ns - producer->last.ns) / 1000;
    producer->last.ns += elapsed_us * 1000;
    if (!rate_max) {
        return elapsed_us > ELAPSED_MAX_US ? ELAPSED_MAX_US : elapsed_us;
    }
    uint64_t slowest = 0;
    if (!sim_feeds_slowest(producer->feeds, &slowest)) {
        return 0;
    }
    sim_world_lock_read(producer->world);
    uint64_t end = sim_world_end(producer->world);
    sim_world_unlock_read(producer->world);
    uint64_t lead = end > slowest ? end - slowest : 0;
    if (lead >= LEAD_EVENTS) {
        return 0;
    }
    uint64_t wanted = LEAD_EVENTS - lead;
    if (wanted > TURN_EVENTS_MAX / 2) {
        wanted = TURN_EVENTS_MAX / 2;
    }
    return (int64_t)((double)wanted * 1e6 / SIM_RATE_AT_MAX) + 1;
}

static uint64_t allowance(const struct sim_producer *producer)
{
    if (producer->events == 0) {
        return TURN_EVENTS_MAX;
    }
    uint64_t left = producer->events - producer->issued;
    return left < TURN_EVENTS_MAX ? left : TURN_EVENTS_MAX;
}

static void settle(struct sim_producer *producer)
{
    sim_world_settle(producer->world);
    producer->notify(producer->userdata);
}

/* One turn; returns after how many microseconds the next is due. */
static int64_t turn(struct sim_producer *producer, bool rate_max, double rate)
{
    uint64_t allowed = allowance(producer);
    int64_t us = turn_us(producer, rate_max, fh_now());
    uint64_t made = allowed > 0 ? sim_world_advance(producer->world, us, allowed) : 0;
    producer->issued += made;
    if (allowance(producer) == 0 || sim_world_ended(producer->world)) {
        settle(producer);
        pthread_mutex_lock(&producer->lock);
        producer->done = true;
        pthread_mutex_unlock(&producer->lock);
        return IDLE_TURN_US;
    }
    producer->notify(producer->userdata);
    if (made == TURN_EVENTS_MAX || (rate_max && us > 0)) {
        return 0;
    }
    return rate_max || rate > 200 ? FAST_TURN_US : SLOW_TURN_US;
}

static void wait_us(struct sim_producer *producer, int64_t us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (us % 1000000) * 1000;
    until.tv_sec += us / 1000000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&producer->order, &producer->lock, &until);
}

/* What was ordered since the last turn. Called with the lock, which it gives up meanwhile. */
static void take_orders(struct sim_producer *producer)
{
    bool rate_changed = producer->rate_changed;
    bool differ_changed = producer->differ_changed;
    bool uids_differ = producer->uids_differ;
    bool stamps_differ = producer->stamps_differ;
    double rate = producer->rate;
    producer->rate_changed = producer->differ_changed = false;
    pthread_mutex_unlock(&producer->lock);
    if (rate_changed) {
        sim_world_set_rate(producer->world, rate);
    }
    if (differ_changed) {
        sim_world_set_replica_uids_differ(producer->world, uids_differ);
        sim_world_set_replica_timestamps_differ(producer->world, stamps_differ);
    }
    pthread_mutex_lock(&producer->lock);
}

static void *produce(void *argument)
{
    struct sim_producer *producer = argument;
    pthread_mutex_lock(&producer->lock);
    producer->last = fh_now();
    while (!producer->quit) {
        take_orders(producer);
        bool running = producer->running && !producer->done;
        bool rate_max = producer->rate_max;
        double rate = producer->rate;
        int64_t pause_us = IDLE_TURN_US;
        pthread_mutex_unlock(&producer->lock);
        if (running) {
            pause_us = turn(producer, rate_max, rate);
        } else if (producer->moving) {
            settle(producer);
        }
        pthread_mutex_lock(&producer->lock);
        producer->moving = running;
        pthread_cond_broadcast(&producer->turned);
        if (pause_us > 0 && !producer->quit && !producer->rate_changed &&
            !producer->differ_changed && producer->running == producer->moving) {
            wait_us(producer, pause_us);
        } else if (pause_us > 0 && producer->done) {
            wait_us(producer, pause_us);
        }
        if (!running) {
            producer->last = fh_now(); /* time spent standing still is not made up for */
        }
    }
    producer->moving = false;
    pthread_cond_broadcast(&producer->turned);
    pthread_mutex_unlock(&producer->lock);
    return NULL;
}

int sim_producer_new(const struct sim_options *options, struct sim_world *world,
                     struct sim_feeds *feeds, struct sim_producer **ret)
{
    struct sim_producer *producer = calloc(1, sizeof(*producer));
    if (!producer) {
        return -ENOMEM;
    }
    producer->world = world;
    producer->feeds = feeds;
    producer->events = options->events;
    producer->running = !options->paused;
    producer->rate = options->world.rate;
    producer->rate_max = options->rate_max;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&producer->order, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_cond_init(&producer->turned, NULL);
    pthread_mutex_init(&producer->lock, NULL);
    *ret = producer;
    return 0;
}

int sim_producer_start(struct sim_producer *producer, void (*notify)(void *userdata),
                       void *userdata)
{
    producer->notify = notify;
    producer->userdata = userdata;
    int r = pthread_create(&producer->thread, NULL, produce, producer);
    producer->started = r == 0;
    return -r;
}

void sim_producer_stop(struct sim_producer *producer)
{
    if (!producer || !producer->started) {
        return;
    }
    pthread_mutex_lock(&producer->lock);
    producer->quit = true;
    pthread_cond_signal(&producer->order);
    pthread_mutex_unlock(&producer->lock);
    pthread_join(producer->thread, NULL);
    producer->started = false;
}

void sim_producer_free(struct sim_producer *producer)
{
    if (!producer) {
        return;
    }
    pthread_cond_destroy(&producer->order);
    pthread_cond_destroy(&producer->turned);
    pthread_mutex_destroy(&producer->lock);
    free(producer);
}

void sim_producer_run(struct sim_producer *producer, bool run)
{
    pthread_mutex_lock(&producer->lock);
    producer->running = run;
    pthread_cond_signal(&producer->order);
    /* A stop is one when it returns: whoever asks for the ledger next gets all of it. */
    while (!run && producer->moving && !producer->quit) {
        pthread_cond_wait(&producer->turned, &producer->lock);
    }
    pthread_mutex_unlock(&producer->lock);
}

void sim_producer_set_rate(struct sim_producer *producer, double rate, bool max)
{
    pthread_mutex_lock(&producer->lock);
    producer->rate = rate;
    producer->rate_max = max;
    producer->rate_changed = true;
    pthread_cond_signal(&producer->order);
    pthread_mutex_unlock(&producer->lock);
}

void sim_producer_set_replica_uids_differ(struct sim_producer *producer, bool differ)
{
    pthread_mutex_lock(&producer->lock);
    producer->uids_differ = differ;
    producer->differ_changed = true;
    pthread_cond_signal(&producer->order);
    pthread_mutex_unlock(&producer->lock);
}

void sim_producer_set_replica_timestamps_differ(struct sim_producer *producer, bool differ)
{
    pthread_mutex_lock(&producer->lock);
    producer->stamps_differ = differ;
    producer->differ_changed = true;
    pthread_cond_signal(&producer->order);
    pthread_mutex_unlock(&producer->lock);
}

void sim_producer_status(struct sim_producer *producer, struct sim_producer_status *ret)
{
    pthread_mutex_lock(&producer->lock);
    *ret = (struct sim_producer_status){producer->running, producer->done, producer->rate_max,
                                        producer->rate};
    pthread_mutex_unlock(&producer->lock);
}
