/* tsan_threads.c: threads of C11 as threads of POSIX, in builds with ThreadSanitizer only. It does
 * not know thrd_create, which librdkafka uses, and ends with a segmentation fault in a thread it
 * was not told of. Being in the program, these are found before those of the C library. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct begin {
    thrd_start_t run;
    void *argument;
};

static void *begin(void *opaque)
{
    struct begin start = *(struct begin *)opaque;
    free(opaque);
    return (void *)(intptr_t)start.run(start.argument); /* NOLINT(performance-no-int-to-ptr) */
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    struct begin *start = malloc(sizeof(*start));
    if (!start) {
        return thrd_nomem;
    }
    *start = (struct begin){run, argument};
    if (pthread_create(thread, NULL, begin, start) != 0) {
        free(start);
        return thrd_error;
    }
    return thrd_success;
}

int thrd_join(thrd_t thread, int *ret)
{
    void *value;
    if (pthread_join(thread, &value) != 0) {
        return thrd_error;
    }
    if (ret) {
        *ret = (int)(intptr_t)value;
    }
    return thrd_success;
}

int thrd_detach(thrd_t thread)
{
    return pthread_detach(thread) == 0 ? thrd_success : thrd_error;
}
