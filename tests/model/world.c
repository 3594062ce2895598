/* world.c: owns virtual time, chance and the queue of what happens next. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_QUEUED 16384

struct world w;
bool tracing;
const char *failure_reason;

/* The heap holds only when and which; the events stay where they are. */
struct key {
    int64_t at;
    uint32_t order, slot;
};
static struct key heap[EVENTS_QUEUED];
static struct event slots[EVENTS_QUEUED];
static uint32_t free_slots[EVENTS_QUEUED];
static size_t count, free_count;
static struct frame frames[FRAMES_MAX];
static int free_frame;
static char reason[400];

uint64_t rnd(uint64_t below)
{
    w.random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    uint64_t z = w.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % below;
}

void fail(const char *format, ...)
{
    if (w.failed) {
        return;
    }
    w.failed = true;
    int len = snprintf(reason, sizeof(reason), "at %" PRId64 " ms: ", w.now / MS);
    va_list args;
    va_start(args, format);
    vsnprintf(reason + len, sizeof(reason) - (size_t)len, format, args);
    va_end(args);
    failure_reason = reason;
    trace("FAILED %s", reason);
}

void trace_line(const char *format, ...)
{
    printf("%8" PRId64 " ", w.now / MS);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* Every node has a clock of its own: it began somewhere, and runs up to 1 % fast or slow. */
struct fh_time clock_of(int n)
{
    const struct node *node = &w.node[n];
    return (struct fh_time){node->offset + w.now + w.now / 1000000 * node->drift_ppm};
}

void queue_reset(void)
{
    count = 0;
    free_count = EVENTS_QUEUED;
    for (uint32_t i = 0; i < EVENTS_QUEUED; i++) {
        free_slots[i] = EVENTS_QUEUED - 1 - i;
    }
    for (int i = 0; i < FRAMES_MAX; i++) {
        frames[i].next_free = i + 1 < FRAMES_MAX ? i + 1 : -1;
    }
    free_frame = 0;
}

static bool earlier(struct key a, struct key b)
{
    return a.at != b.at ? a.at < b.at : a.order < b.order;
}

void push(struct event event)
{
    if (free_count == 0) {
        fail("the queue overflows");
        return;
    }
    uint32_t slot = free_slots[--free_count];
    event.order = w.order++;
    slots[slot] = event;
    struct key key = {event.at, (uint32_t)event.order, slot};
    size_t i = count++;
    while (i > 0 && earlier(key, heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = key;
}

bool pop(struct event *ret)
{
    if (count == 0) {
        return false;
    }
    struct key top = heap[0];
    struct key last = heap[--count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && earlier(heap[child + 1], heap[child])) {
            child++;
        }
        if (!earlier(heap[child], last)) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    *ret = slots[top.slot];
    free_slots[free_count++] = top.slot;
    return true;
}

void later(enum what what, int node, int64_t after_ms)
{
    push((struct event){.at = w.now + after_ms * MS,
                        .what = what,
                        .node = node,
                        .life = w.node[node].life,
                        .frame = -1});
}

int frame_new(void)
{
    int index = free_frame;
    if (index < 0) {
        fail("too many messages under way");
        return 0;
    }
    free_frame = frames[index].next_free;
    return index;
}

struct frame *frame_at(int index)
{
    return &frames[index];
}

void frame_free(int index)
{
    if (index >= 0) {
        frames[index].next_free = free_frame;
        free_frame = index;
    }
}
