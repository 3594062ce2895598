/* group.c: owns a receiver thread: its curl multi handle, its loop and what other threads ask of
 * it. It decides nothing about a connection. */
#include "receiver.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* The loop waits on CLOCK_MONOTONIC but deadlines are BOOTTIME: after a suspend they are noticed
 * within this time. */
#define LONGEST_WAIT_MS 1000

int fh_group_init(struct fh_group *group, bool multiplex)
{
    group->multi = curl_multi_init();
    if (!group->multi) {
        return -ENOMEM;
    }
    curl_multi_setopt(group->multi, CURLMOPT_PIPELINING,
                      multiplex ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
    atomic_init(&group->stop, false);
    atomic_init(&group->wake, false);
    atomic_init(&group->new_key, false);
    atomic_init(&group->reconnect, 0);
    atomic_init(&group->retire, 0);
    atomic_init(&group->add, 0);
    return 0;
}

void fh_group_done(struct fh_group *group)
{
    if (group->multi) {
        curl_multi_cleanup(group->multi);
        group->multi = NULL;
    }
}

void fh_group_notify(struct fh_group *group)
{
    curl_multi_wakeup(group->multi);
}

static void retire(struct fh_group *group, unsigned indices)
{
    size_t kept = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct fh_receiver *receiver = group->receivers[i];
        if ((indices & 1U << receiver->index) == 0) {
            group->receivers[kept++] = receiver;
            continue;
        }
        const struct fh_source_context *context = receiver->context;
        unsigned index = receiver->index;
        fh_receiver_shut(receiver);
        fh_receiver_turn_end(receiver);
        if (context->handler.retired) {
            context->handler.retired(context->userdata, index); /* it may be free from here on */
        }
    }
    group->count = kept;
}

static void add(struct fh_group *group, unsigned indices)
{
    for (unsigned i = 0; i < FH_PARTITIONS; i++) {
        if ((indices & 1U << i) != 0) {
            group->receivers[group->count++] = group->incoming[i];
            fh_receiver_let_notice(group->incoming[i]); /* its range was read by another till now */
            fh_receiver_open_soon(group->incoming[i]);
        }
    }
}

static void obey(struct fh_group *group)
{
    /* Retire is read first and done last: who was added and retired between two turns comes and
     * goes, and nobody is retired before he came. */
    unsigned gone = atomic_exchange(&group->retire, 0);
    unsigned come = atomic_exchange(&group->add, 0);
    if (come != 0) {
        add(group, come);
    }
    if (gone != 0) {
        retire(group, gone);
    }
    unsigned reconnect = atomic_exchange(&group->reconnect, 0);
    bool new_key = atomic_exchange(&group->new_key, false);
    bool wake = atomic_exchange(&group->wake, false);
    for (size_t i = 0; i < group->count; i++) {
        struct fh_receiver *receiver = group->receivers[i];
        if ((reconnect & 1U << receiver->index) != 0) {
            fh_receiver_reconnect(receiver);
        } else if (new_key && receiver->status.state == FH_RECEIVER_REFUSED) {
            fh_receiver_reconnect(receiver); /* the key may be what was wrong */
        } else if (wake) {
            fh_receiver_wake(receiver);
        }
    }
}

static void collect_finished(struct fh_group *group)
{
    int left = 0;
    CURLMsg *message = NULL;
    while ((message = curl_multi_info_read(group->multi, &left))) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        char *receiver = NULL; /* CURLINFO_PRIVATE is a string by its type */
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &receiver);
        fh_receiver_finished((struct fh_receiver *)(void *)receiver, code);
    }
}

static int wait_ms(const struct fh_group *group)
{
    int64_t wait = LONGEST_WAIT_MS;
    for (size_t i = 0; i < group->count; i++) {
        int64_t next = fh_receiver_next_ms(group->receivers[i]);
        if (next >= 0 && next < wait) {
            wait = next;
        }
    }
    return (int)wait;
}

/* One turn: wait, read the clock, do what others asked, let curl work, then look at the time-outs.
 * In this order a process that was stopped for a minute first reads what has arrived meanwhile and
 * does not take its own pause for the server's silence. */
void fh_group_run(struct fh_group *group)
{
    group->now = fh_now();
    for (size_t i = 0; i < group->count; i++) {
        fh_receiver_open(group->receivers[i]);
    }
    while (!atomic_load(&group->stop)) {
        group->now = fh_now();
        obey(group);
        int running = 0;
        curl_multi_perform(group->multi, &running);
        collect_finished(group);
        for (size_t i = 0; i < group->count; i++) {
            fh_receiver_tick(group->receivers[i]);
            fh_receiver_turn_end(group->receivers[i]);
        }
        if (!atomic_load(&group->stop)) {
            curl_multi_poll(group->multi, NULL, 0, wait_ms(group), NULL);
        }
    }
    for (size_t i = 0; i < group->count; i++) {
        fh_receiver_shut(group->receivers[i]);
        fh_receiver_turn_end(group->receivers[i]);
    }
}

static void *thread_main(void *group)
{
    pthread_setname_np(pthread_self(), "fh-receive");
    fh_group_run(group);
    return NULL;
}

/* All signals are blocked in the thread: they belong to the main loop, and SIGPIPE of a connection
 * the server has closed to nobody. */
int fh_group_start(struct fh_group *group)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&group->thread, NULL, thread_main, group);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    group->running = r == 0;
    return -r;
}

void fh_group_stop(struct fh_group *group)
{
    if (!group->running) {
        return;
    }
    atomic_store(&group->stop, true);
    fh_group_notify(group);
    pthread_join(group->thread, NULL);
    group->running = false;
}
