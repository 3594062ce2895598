/* queue.h: the bounded queue between two threads, with an eventfd for sd-event and poll.
 *
 * Many producers, one consumer. Items are pointers; ownership passes with the item. */
#ifndef FH_QUEUE_H
#define FH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct fh_queue;

/* capacity: items. weight_max: the sum of the weights of what is inside (bytes); 0 = no limit. */
int fh_queue_new(size_t capacity, size_t weight_max, struct fh_queue **ret);
/* Items still inside are handed to release (may be NULL). */
void fh_queue_free(struct fh_queue *queue, void (*release)(void *item));

/* 0; -EAGAIN when full by count or by weight (an item heavier than weight_max is taken when the
 * queue is empty); -EPIPE when closed. Never blocks. */
int fh_queue_push(struct fh_queue *queue, void *item, size_t weight);
/* Like push, but past the limits: for control messages that are bounded by their sender. */
int fh_queue_push_urgent(struct fh_queue *queue, void *item);
/* True while a push of a small item would be taken. A hint. */
bool fh_queue_has_room(struct fh_queue *queue);
/* Next item or NULL. Never blocks. */
void *fh_queue_pop(struct fh_queue *queue);
/* Wait until an item is there, the queue is closed, or timeout_ms (-1: for ever) has passed;
 * returns the item or NULL. Consumer only. */
void *fh_queue_pop_wait(struct fh_queue *queue, int timeout_ms);
/* Readable while items are inside; fh_queue_pop drains it. For the consumer's event loop. */
int fh_queue_fd(struct fh_queue *queue);
/* No more pushes; what is inside can still be popped. */
void fh_queue_close(struct fh_queue *queue);
/* Called once, on the consumer's thread inside pop, when a queue that had refused a push has room
 * again (half empty). For waking a paused receiver. Set before use. */
void fh_queue_on_room(struct fh_queue *queue, void (*room)(void *userdata), void *userdata);

#endif
