/* queue.c: owns the bounded queue between threads: a ring of pointers under one mutex. Items are
 * whole batches, so the lock is taken some hundred times a second, not once per event. It never
 * looks inside an item and never blocks a producer. */
#include "fh/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct slot {
    void *item;
    size_t weight;
};

struct fh_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct slot *ring;
    size_t ring_size; /* grows only for urgent items */
    size_t head;
    size_t count;
    size_t weight;
    size_t capacity;
    size_t weight_max;
    bool closed;
    bool refused; /* a producer was told "full" and waits for on_room */
    int event_fd;
    void (*room)(void *userdata);
    void *room_userdata;
};

int fh_queue_new(size_t capacity, size_t weight_max, struct fh_queue **ret)
{
    if (capacity == 0 || capacity > SIZE_MAX / sizeof(struct slot)) {
        return -EINVAL;
    }
    struct fh_queue *queue = calloc(1, sizeof(*queue));
    if (!queue) {
        return -ENOMEM;
    }
    int r = -ENOMEM;
    queue->capacity = capacity;
    queue->weight_max = weight_max;
    queue->ring_size = capacity;
    queue->ring = calloc(capacity, sizeof(*queue->ring));
    if (!queue->ring) {
        goto fail_queue;
    }
    queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->event_fd < 0) {
        r = -errno;
        goto fail_ring;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&queue->lock, NULL);
    *ret = queue;
    return 0;

fail_ring:
    free(queue->ring);
fail_queue:
    free(queue);
    return r;
}

void fh_queue_free(struct fh_queue *queue, void (*release)(void *item))
{
    if (!queue) {
        return;
    }
    for (size_t i = 0; release && i < queue->count; i++) {
        release(queue->ring[(queue->head + i) % queue->ring_size].item);
    }
    close(queue->event_fd);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
    free(queue->ring);
    free(queue);
}

/* Full for one more item of this weight? An empty queue takes anything, else a single item heavier
 * than the limit could never pass. */
static bool is_full(const struct fh_queue *queue, size_t weight)
{
    if (queue->count >= queue->capacity) {
        return true;
    }
    return queue->weight_max > 0 && queue->count > 0 &&
           (queue->weight >= queue->weight_max || weight > queue->weight_max - queue->weight);
}

static int grow(struct fh_queue *queue)
{
    if (queue->ring_size > SIZE_MAX / 2 / sizeof(struct slot)) {
        return -ENOMEM;
    }
    size_t size = queue->ring_size * 2;
    struct slot *ring = calloc(size, sizeof(*ring));
    if (!ring) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < queue->count; i++) {
        ring[i] = queue->ring[(queue->head + i) % queue->ring_size];
    }
    free(queue->ring);
    queue->ring = ring;
    queue->ring_size = size;
    queue->head = 0;
    return 0;
}

/* The eventfd counts 1 while items are inside: it is written on the way from empty and read on the
 * way back, both under the lock, so the two can never disagree. */
static void put(struct fh_queue *queue, void *item, size_t weight)
{
    queue->ring[(queue->head + queue->count) % queue->ring_size] =
        (struct slot){.item = item, .weight = weight};
    queue->count++;
    queue->weight += weight;
    if (queue->count == 1) {
        (void)eventfd_write(queue->event_fd, 1);
        pthread_cond_signal(&queue->filled);
    }
}

int fh_queue_push(struct fh_queue *queue, void *item, size_t weight)
{
    int r = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        r = -EPIPE;
    } else if (is_full(queue, weight)) {
        queue->refused = true;
        r = -EAGAIN;
    } else if (queue->count < queue->ring_size || (r = grow(queue)) == 0) {
        put(queue, item, weight);
    }
    pthread_mutex_unlock(&queue->lock);
    return r;
}

int fh_queue_push_urgent(struct fh_queue *queue, void *item)
{
    int r = 0;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        r = -EPIPE;
    } else if (queue->count < queue->ring_size || (r = grow(queue)) == 0) {
        put(queue, item, 0);
    }
    pthread_mutex_unlock(&queue->lock);
    return r;
}

/* A "no" counts as a refusal: who asks before reading from the network relies on on_room exactly
 * like who was refused a push. */
bool fh_queue_has_room(struct fh_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool room = !queue->closed && !is_full(queue, 1);
    if (!room) {
        queue->refused = true;
    }
    pthread_mutex_unlock(&queue->lock);
    return room;
}

/* Take the head. ret_room says that the producers are to be woken, after the lock is released. */
static void *take(struct fh_queue *queue, bool *ret_room)
{
    if (queue->count == 0) {
        return NULL;
    }
    struct slot slot = queue->ring[queue->head];
    queue->head = (queue->head + 1) % queue->ring_size;
    queue->count--;
    queue->weight -= slot.weight;
    if (queue->count == 0) {
        eventfd_t ignored;
        (void)eventfd_read(queue->event_fd, &ignored);
    }
    if (queue->refused && queue->count <= queue->capacity / 2 &&
        (queue->weight_max == 0 || queue->weight <= queue->weight_max / 2)) {
        queue->refused = false;
        *ret_room = true;
    }
    return slot.item;
}

void *fh_queue_pop(struct fh_queue *queue)
{
    bool room = false;
    pthread_mutex_lock(&queue->lock);
    void *item = take(queue, &room);
    pthread_mutex_unlock(&queue->lock);
    if (room && queue->room) {
        queue->room(queue->room_userdata);
    }
    return item;
}

static struct timespec deadline_in(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

void *fh_queue_pop_wait(struct fh_queue *queue, int timeout_ms)
{
    bool room = false;
    struct timespec deadline = {0};
    if (timeout_ms > 0) {
        deadline = deadline_in(timeout_ms);
    }
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed && timeout_ms != 0) {
        if (timeout_ms < 0) {
            pthread_cond_wait(&queue->filled, &queue->lock);
        } else if (pthread_cond_timedwait(&queue->filled, &queue->lock, &deadline) == ETIMEDOUT) {
            break;
        }
    }
    void *item = take(queue, &room);
    pthread_mutex_unlock(&queue->lock);
    if (room && queue->room) {
        queue->room(queue->room_userdata);
    }
    return item;
}

int fh_queue_fd(struct fh_queue *queue)
{
    return queue->event_fd;
}

void fh_queue_close(struct fh_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

void fh_queue_on_room(struct fh_queue *queue, void (*room)(void *userdata), void *userdata)
{
    queue->room = room;
    queue->room_userdata = userdata;
}
