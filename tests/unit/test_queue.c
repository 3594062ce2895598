/* test_queue.c: limits, order, closing, the event descriptor, the room callback, and many
 * producers against one consumer. */
#include "fh/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka wants these above first */
#include <cmocka.h>

static int numbers[4096];

static struct fh_queue *new_queue(size_t capacity, size_t weight_max)
{
    struct fh_queue *queue = NULL;
    assert_int_equal(fh_queue_new(capacity, weight_max, &queue), 0);
    assert_non_null(queue);
    return queue;
}

static bool readable(struct fh_queue *queue)
{
    struct pollfd poll_fd = {.fd = fh_queue_fd(queue), .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static void first_in_first_out_within_capacity(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(3, 0);
    assert_null(fh_queue_pop(queue));
    for (int round = 0; round < 5; round++) { /* past the end of the ring */
        assert_int_equal(fh_queue_push(queue, &numbers[0], 1), 0);
        assert_int_equal(fh_queue_push(queue, &numbers[1], 1), 0);
        assert_true(fh_queue_has_room(queue));
        assert_int_equal(fh_queue_push(queue, &numbers[2], 1), 0);
        assert_false(fh_queue_has_room(queue));
        assert_int_equal(fh_queue_push(queue, &numbers[3], 1), -EAGAIN);
        assert_ptr_equal(fh_queue_pop(queue), &numbers[0]);
        assert_ptr_equal(fh_queue_pop(queue), &numbers[1]);
        assert_int_equal(fh_queue_push(queue, &numbers[4], 1), 0);
        assert_ptr_equal(fh_queue_pop(queue), &numbers[2]);
        assert_ptr_equal(fh_queue_pop(queue), &numbers[4]);
        assert_null(fh_queue_pop(queue));
    }
    fh_queue_free(queue, NULL);
}

static void weight_limits_but_an_empty_queue_takes_anything(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(10, 100);
    assert_int_equal(fh_queue_push(queue, &numbers[0], 1000), 0);
    assert_int_equal(fh_queue_push(queue, &numbers[1], 0), -EAGAIN);
    assert_ptr_equal(fh_queue_pop(queue), &numbers[0]);
    assert_int_equal(fh_queue_push(queue, &numbers[1], 60), 0);
    assert_int_equal(fh_queue_push(queue, &numbers[2], 41), -EAGAIN);
    assert_int_equal(fh_queue_push(queue, &numbers[2], SIZE_MAX), -EAGAIN);
    assert_int_equal(fh_queue_push(queue, &numbers[2], 40), 0);
    assert_false(fh_queue_has_room(queue));
    assert_ptr_equal(fh_queue_pop(queue), &numbers[1]);
    assert_true(fh_queue_has_room(queue));
    fh_queue_free(queue, NULL);
}

static void urgent_items_pass_the_limits_in_order(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(2, 10);
    assert_int_equal(fh_queue_push(queue, &numbers[0], 5), 0);
    assert_ptr_equal(fh_queue_pop(queue), &numbers[0]); /* so that the ring wraps when it grows */
    assert_int_equal(fh_queue_push(queue, &numbers[0], 5), 0);
    assert_int_equal(fh_queue_push(queue, &numbers[1], 5), 0);
    for (int i = 2; i < 100; i++) {
        assert_int_equal(fh_queue_push_urgent(queue, &numbers[i]), 0);
    }
    assert_int_equal(fh_queue_push(queue, &numbers[100], 1), -EAGAIN);
    for (int i = 0; i < 100; i++) {
        assert_ptr_equal(fh_queue_pop(queue), &numbers[i]);
    }
    assert_null(fh_queue_pop(queue));
    fh_queue_free(queue, NULL);
}

static void descriptor_is_readable_while_items_are_inside(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(4, 0);
    assert_false(readable(queue));
    fh_queue_push(queue, &numbers[0], 1);
    fh_queue_push_urgent(queue, &numbers[1]);
    assert_true(readable(queue));
    fh_queue_pop(queue);
    assert_true(readable(queue));
    fh_queue_pop_wait(queue, 0);
    assert_false(readable(queue));
    fh_queue_free(queue, NULL);
}

static void closed_queue_refuses_pushes_and_drains(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(4, 0);
    fh_queue_push(queue, &numbers[0], 1);
    fh_queue_close(queue);
    assert_int_equal(fh_queue_push(queue, &numbers[1], 1), -EPIPE);
    assert_int_equal(fh_queue_push_urgent(queue, &numbers[1]), -EPIPE);
    assert_false(fh_queue_has_room(queue));
    assert_ptr_equal(fh_queue_pop_wait(queue, -1), &numbers[0]);
    assert_null(fh_queue_pop_wait(queue, -1)); /* returns at once: nothing can come */
    fh_queue_free(queue, NULL);
}

static int released;
static void count_release(void *item)
{
    assert_non_null(item);
    released++;
}

static void free_hands_over_what_is_inside(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(4, 0);
    fh_queue_push(queue, &numbers[0], 1);
    fh_queue_push(queue, &numbers[1], 1);
    fh_queue_pop(queue);
    fh_queue_push(queue, &numbers[2], 1);
    released = 0;
    fh_queue_free(queue, count_release);
    assert_int_equal(released, 2);
    fh_queue_free(NULL, count_release);
    assert_int_equal(fh_queue_new(0, 0, &queue), -EINVAL);
}

static void count_room(void *userdata)
{
    ++*(int *)userdata;
}

static void room_is_told_once_when_half_empty(void **state)
{
    (void)state;
    int rooms = 0;
    struct fh_queue *queue = new_queue(4, 0);
    fh_queue_on_room(queue, count_room, &rooms);
    for (int i = 0; i < 4; i++) {
        fh_queue_push(queue, &numbers[i], 1);
    }
    fh_queue_pop(queue);
    fh_queue_pop(queue);
    assert_int_equal(rooms, 0); /* nobody was refused */
    fh_queue_push(queue, &numbers[0], 1);
    fh_queue_push(queue, &numbers[0], 1);
    assert_int_equal(fh_queue_push(queue, &numbers[0], 1), -EAGAIN);
    fh_queue_pop(queue);
    assert_int_equal(rooms, 0);
    fh_queue_pop(queue);
    assert_int_equal(rooms, 1);
    fh_queue_pop(queue);
    fh_queue_pop(queue);
    assert_int_equal(rooms, 1);
    for (int i = 0; i < 4; i++) {
        fh_queue_push(queue, &numbers[i], 1);
    }
    assert_false(fh_queue_has_room(queue)); /* asking and hearing no counts as refused */
    fh_queue_pop(queue);
    fh_queue_pop_wait(queue, 0);
    assert_int_equal(rooms, 2);
    fh_queue_free(queue, NULL);
}

static void waiting_ends_by_itself(void **state)
{
    (void)state;
    struct fh_queue *queue = new_queue(4, 0);
    assert_null(fh_queue_pop_wait(queue, 0));
    assert_null(fh_queue_pop_wait(queue, 20));
    fh_queue_free(queue, NULL);
}

static void *close_later(void *queue)
{
    fh_queue_close(queue);
    return NULL;
}

static void closing_wakes_the_consumer(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct fh_queue *queue = new_queue(4, 0);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, close_later, queue), 0);
        assert_null(fh_queue_pop_wait(queue, -1));
        pthread_join(thread, NULL);
        fh_queue_free(queue, NULL);
    }
}

enum { PRODUCERS = 4, PER_PRODUCER = 20000 };

struct producer {
    pthread_t thread;
    struct fh_queue *queue;
    _Atomic int *rooms;
    uintptr_t index;
};

/* Sends (index << 24 | sequence + 1); when refused it waits for the room callback, as a paused
 * receiver does: a callback that never comes hangs the test. */
static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (uintptr_t i = 0; i < PER_PRODUCER; i++) {
        void *item = (void *)(producer->index << 24 | (i + 1)); // NOLINT(performance-no-int-to-ptr)
        for (;;) {
            int rooms = atomic_load(producer->rooms);
            if (fh_queue_push(producer->queue, item, 10) == 0) {
                break;
            }
            while (atomic_load(producer->rooms) == rooms) {
                sched_yield();
            }
        }
    }
    return NULL;
}

static void count_room_atomic(void *userdata)
{
    atomic_fetch_add((_Atomic int *)userdata, 1);
}

static void many_producers_lose_nothing(void **state)
{
    (void)state;
    _Atomic int rooms = 0;
    struct fh_queue *queue = new_queue(64, 320);
    fh_queue_on_room(queue, count_room_atomic, &rooms);
    struct producer producers[PRODUCERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.queue = queue, .rooms = &rooms, .index = i};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    uintptr_t next[PRODUCERS] = {0};
    for (int i = 0; i < PRODUCERS * PER_PRODUCER; i++) {
        uintptr_t item = (uintptr_t)fh_queue_pop_wait(queue, 60000);
        assert_true(item != 0);
        uintptr_t index = item >> 24;
        assert_true(index < PRODUCERS);
        assert_int_equal((item & 0xffffff), ++next[index]);
    }
    assert_null(fh_queue_pop(queue));
    assert_false(readable(queue));
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
    }
    fh_queue_free(queue, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out_within_capacity),
        cmocka_unit_test(weight_limits_but_an_empty_queue_takes_anything),
        cmocka_unit_test(urgent_items_pass_the_limits_in_order),
        cmocka_unit_test(descriptor_is_readable_while_items_are_inside),
        cmocka_unit_test(closed_queue_refuses_pushes_and_drains),
        cmocka_unit_test(free_hands_over_what_is_inside),
        cmocka_unit_test(room_is_told_once_when_half_empty),
        cmocka_unit_test(waiting_ends_by_itself),
        cmocka_unit_test(closing_wakes_the_consumer),
        cmocka_unit_test(many_producers_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
