/* command.c: the command sink: feeds a program of the operator's with a record per line. Owns what
 * is written into its standard input, what its answers lead to, and when it is started again.
 *
 * Lines go into the pipe in writes of whole records of at most PIPE_BUF bytes, which the kernel
 * takes as a whole or not at all: only a record larger than that can be cut by a death of either
 * side, and then its line has no newline. A program that died is started again and gets what it had
 * not acknowledged from the first record on. */
#include "collect.h"
#include "command_ack.h"
#include "command_process.h"
#include "types.h"

#include "fh/backoff.h"
#include "fh/sigpipe.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* As in webhook.c: accept returns in between, and the fence is looked at more often. */
#define ACCEPT_MS 500
#define TURN_MS   50

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 30000
#define HEALTHY_MS     60000
/* A program we part with because of what it says gets less time than one that is done. */
#define PART_MS     2000
#define END_LOOKS   40
#define END_LOOK_MS 5

struct command_sink {
    struct fh_config_sink config;
    const struct fh_sink_context *context;
    struct fh_collect batch;
    struct fh_command_account account;
    uint64_t epoch; /* 0: not leading */
    size_t offset;  /* bytes written of the record that is next, newline included */

    struct fh_command_process *process; /* NULL: not running */
    struct fh_backoff backoff;
    struct fh_time not_before; /* of the next start */
    struct fh_error reason;    /* why it is not running, or does not go on */

    char said[FH_COMMAND_LINE_MAX * 4]; /* and not dealt with */
    size_t said_len;
};

static bool acknowledges(const struct command_sink *sink)
{
    return sink->config.acknowledge == FH_ACK_LINES;
}

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size, "%s",
             config->acknowledge == FH_ACK_LINES
                 ? "at least once; what the program has not acknowledged comes again after a "
                   "failover or its death: drop by recordUid"
                 : "at least once into the program's pipe, no further: what it has not read when "
                   "it dies is lost (acknowledge = \"lines\" closes that gap)");
}

static uint32_t any_number(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number)) {
        number = (uint32_t)fh_now().ns;
    }
    return number;
}

/* What the program says, where it may stand in a sentence. */
static void print_plain(struct fh_slice from, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < from.len && used < size - 1; i++) {
        bool plain = from.data[i] >= ' ' && from.data[i] <= '~';
        text[used++] = plain ? from.data[i] : '.';
    }
    text[used] = '\0';
}

/* ---- the program ---- */

/* The numbers begin again; what is in doubt will be sent again. */
static void forget_process(struct command_sink *sink, int64_t limit_ms)
{
    fh_command_stop(sink->process, limit_ms);
    sink->process = NULL;
    sink->offset = 0;
    sink->said_len = 0;
    fh_command_account_restart(&sink->account, !acknowledges(sink));
}

static void start_later(struct command_sink *sink)
{
    struct fh_time now = fh_now();
    int64_t wait_ms = fh_backoff_failed(&sink->backoff, now, any_number(), 0);
    sink->not_before = fh_time_add_ms(now, wait_ms);
}

/* Negative errno: it cannot be started; the sentence is in reason. */
static int start(struct command_sink *sink)
{
    int r = fh_command_start(&sink->config, sink->context->node, sink->epoch, sink->context->replay,
                             &sink->reason, &sink->process);
    if (r < 0) {
        start_later(sink);
        return r;
    }
    fh_backoff_connected(&sink->backoff, fh_now());
    sink->offset = 0;
    sink->said_len = 0;
    fh_command_account_restart(&sink->account, !acknowledges(sink));
    return 0;
}

/* It has ended, or closed its standard input. */
static void process_is_gone(struct command_sink *sink)
{
    char how[96] = "";
    char unread[64] = "";
    size_t bytes = fh_command_unread(sink->process);
    bool ended = fh_command_ended(sink->process, how, sizeof(how));
    /* Its descriptors are closed a moment before it has ended. */
    for (int i = 0; i < END_LOOKS && !ended; i++) {
        poll(NULL, 0, END_LOOK_MS);
        ended = fh_command_ended(sink->process, how, sizeof(how));
    }
    if (bytes > 0) {
        snprintf(unread, sizeof(unread), " with %zu bytes of its input unread", bytes);
    }
    fh_error_set(&sink->reason, 0, "%s %s%s%s; it is started again", sink->config.command[0],
                 ended ? "ended " : "has closed its standard input or output", how, unread);
    forget_process(sink, PART_MS);
    start_later(sink);
}

/* line: what it said; the program is ended, for we no longer know what its answers mean. */
static int part_with_process(struct command_sink *sink, size_t line_len, const char *complaint)
{
    char line[128];
    print_plain((struct fh_slice){sink->said, line_len}, line, sizeof(line));
    fh_error_set(&sink->reason, 0,
                 "%s wrote %s to its standard output; it is started again" FH_SINK_SAYS "%s",
                 sink->config.command[0], complaint, line);
    forget_process(sink, PART_MS);
    start_later(sink);
    return -ESRCH;
}

/* ---- what it says ---- */

static int put_aside(struct command_sink *sink, const struct fh_command_answer *answer)
{
    uint32_t record = 0;
    int r = fh_command_account_which(&sink->account, answer->number, &record);
    if (r < 0) {
        return r;
    }
    struct fh_collect_item item;
    char reason[256];
    fh_collect_get(&sink->batch, record, &item);
    print_plain(answer->reason, reason, sizeof(reason));
    r = fh_sink_refused(sink->context, item.record,
                        reason[0] ? reason : "the program refused it and gave no reason",
                        &sink->reason);
    if (r < 0) {
        return -EAGAIN; /* the same line once more, later */
    }
    fh_command_account_bad(&sink->account, answer->number);
    return 0;
}

/* 0, -EAGAIN (the line stays), -ESRCH: the program is gone. */
static int take_line(struct command_sink *sink, size_t len)
{
    struct fh_command_answer answer;
    if (fh_command_answer_parse(sink->said, len, &answer) < 0) {
        return part_with_process(sink, len, "neither \"ok N\" nor \"bad N REASON\"");
    }
    int r = answer.word == FH_COMMAND_OK ? fh_command_account_ok(&sink->account, answer.number)
                                         : put_aside(sink, &answer);
    if (r == -EPROTO) {
        return part_with_process(sink, len,
                                 "about records it was not sent, or had settled before,");
    }
    return r;
}

static int take_lines(struct command_sink *sink)
{
    for (;;) {
        char *newline = memchr(sink->said, '\n', sink->said_len);
        size_t len = newline ? (size_t)(newline - sink->said) : sink->said_len;
        if (len > FH_COMMAND_LINE_MAX) {
            return part_with_process(sink, len, "a line longer than an answer can be");
        }
        if (!newline) {
            return 0;
        }
        int r = take_line(sink, len);
        if (r < 0) {
            return r;
        }
        sink->said_len -= len + 1;
        memmove(sink->said, newline + 1, sink->said_len);
        sink->reason.text[0] = '\0';
    }
}

/* All that is there. 0, -EPIPE: nothing will ever come again; else as take_line. */
static int read_answers(struct command_sink *sink)
{
    for (;;) {
        int r = take_lines(sink);
        if (r < 0) {
            return r;
        }
        ssize_t n = read(fh_command_output(sink->process), sink->said + sink->said_len,
                         sizeof(sink->said) - sink->said_len);
        if (n > 0) {
            sink->said_len += (size_t)n;
        } else if (n == 0) {
            return -EPIPE;
        } else if (errno != EINTR) {
            return errno == EAGAIN ? 0 : -EPIPE;
        }
    }
}

/* ---- what it is given ---- */

static void count_written(struct command_sink *sink, size_t bytes)
{
    while (bytes > 0) {
        size_t rest = sink->batch.entry[sink->account.next].len + 1 - sink->offset;
        if (bytes < rest) {
            sink->offset += bytes;
            return;
        }
        bytes -= rest;
        sink->offset = 0;
        fh_command_account_sent(&sink->account);
    }
}

/* The next write: whole records with their newlines as far as PIPE_BUF goes, or what is left of one
 * that is larger. */
static struct fh_slice next_piece(const struct command_sink *sink, char chunk[PIPE_BUF])
{
    const struct fh_collect *batch = &sink->batch;
    uint32_t at = sink->account.next;
    size_t used = 0;
    if (at < sink->account.count && batch->entry[at].len + (size_t)1 > PIPE_BUF) {
        const struct fh_collect_entry *entry = &batch->entry[at];
        return sink->offset == entry->len
                   ? (struct fh_slice){"\n", 1}
                   : (struct fh_slice){batch->bytes.data + entry->offset + sink->offset,
                                       entry->len - sink->offset};
    }
    while (at < sink->account.count && used + batch->entry[at].len + 1 <= PIPE_BUF) {
        const struct fh_collect_entry *entry = &batch->entry[at];
        memcpy(chunk + used, batch->bytes.data + entry->offset, entry->len);
        used += entry->len;
        chunk[used++] = '\n';
        at = fh_command_account_next(&sink->account, at + 1);
    }
    return (struct fh_slice){chunk, used};
}

/* As much as the pipe takes. 0, or -EPIPE: nobody reads any more. */
static int feed(struct command_sink *sink)
{
    char chunk[PIPE_BUF];
    while (sink->account.next < sink->account.count && !fh_sink_fenced(sink->context)) {
        struct fh_slice piece = next_piece(sink, chunk);
        ssize_t n = write(fh_command_input(sink->process), piece.data, piece.len);
        if (n > 0) {
            count_written(sink, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            break;
        } else if (n < 0 && errno != EINTR) {
            return -EPIPE;
        }
    }
    return 0;
}

/* ---- accept ---- */

static bool finished(const struct command_sink *sink)
{
    return acknowledges(sink) ? sink->account.left == 0 : sink->account.next == sink->account.count;
}

/* One round with the program. 0: go on; -EAGAIN: nothing to be done before the next call. */
static int turn(struct command_sink *sink, int64_t wait_ms)
{
    struct fh_time now = fh_now();
    if (!sink->process) {
        if (fh_time_before(now, sink->not_before)) {
            int64_t left_ms = fh_time_diff_ms(sink->not_before, now) + 1;
            poll(NULL, 0, (int)(left_ms < wait_ms ? left_ms : wait_ms));
            return 0;
        }
        return start(sink) < 0 ? -EAGAIN : 0;
    }
    int r = feed(sink);
    int heard = acknowledges(sink) ? read_answers(sink) : 0;
    if (heard == -ESRCH || heard == -EAGAIN) {
        return -EAGAIN;
    }
    if (r == -EPIPE || heard == -EPIPE) {
        process_is_gone(sink);
        return 0;
    }
    if (finished(sink)) {
        return 0;
    }
    bool more = sink->account.next < sink->account.count;
    struct pollfd fds[] = {
        {.fd = fh_command_input(sink->process), .events = more ? POLLOUT : 0},
        {.fd = fh_command_output(sink->process), .events = POLLIN}}; /* -1: not looked at */
    (void)poll(fds, FH_ARRAY_LEN(fds), (int)wait_ms);
    if (!more && (fds[0].revents & POLLERR) && !(fds[1].revents & POLLIN)) {
        process_is_gone(sink);
    }
    return 0;
}

static int not_yet(const struct command_sink *sink, struct fh_error *err)
{
    if (fh_sink_fenced(sink->context)) {
        return fh_error_set(err, -EAGAIN, "this node must keep quiet at present");
    }
    if (sink->reason.text[0] != '\0') {
        return fh_error_set(err, -EAGAIN, "%s", sink->reason.text);
    }
    return sink->account.next < sink->account.count
               ? fh_error_set(err, -EAGAIN, "%s does not read its standard input fast enough",
                              sink->config.command[0])
               : fh_error_set(err, -EAGAIN,
                              "%s has not yet acknowledged the last %" PRIu32 " of %" PRIu32
                              " records",
                              sink->config.command[0], sink->account.left, sink->account.count);
}

static void forget_batch(struct command_sink *sink)
{
    fh_command_account_end(&sink->account);
    fh_collect_clear(&sink->batch);
}

static int work_until(struct command_sink *sink, struct fh_time deadline, struct fh_error *err)
{
    while (!finished(sink)) {
        int64_t left_ms = fh_time_diff_ms(deadline, fh_now());
        if (left_ms <= 0 || fh_sink_fenced(sink->context)) {
            return not_yet(sink, err);
        }
        if (turn(sink, left_ms < TURN_MS ? left_ms : TURN_MS) < 0) {
            return not_yet(sink, err);
        }
    }
    return 0;
}

static int command_accept(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct command_sink *sink = opaque;
    position[0] = '\0';
    if (sink->batch.count == 0) {
        return 0;
    }
    if (sink->account.count == 0 &&
        fh_command_account_begin(&sink->account, (uint32_t)sink->batch.count) < 0) {
        return fh_error_set(err, -ENOMEM, "no memory for the batch of sink \"%s\"",
                            sink->config.name);
    }
    int64_t limit_ms = sink->config.timeout_ms < ACCEPT_MS ? sink->config.timeout_ms : ACCEPT_MS;
    struct fh_sigpipe_hold hold;
    fh_sigpipe_block(&hold);
    int r = work_until(sink, fh_time_add_ms(fh_now(), limit_ms), err);
    fh_sigpipe_unblock(&hold);
    if (r == 0) {
        sink->reason.text[0] = '\0';
        forget_batch(sink);
    }
    return r;
}

/* ---- the rest of the table ---- */

static void command_close(void *opaque)
{
    struct command_sink *sink = opaque;
    if (!sink) {
        return;
    }
    fh_command_stop(sink->process, sink->config.timeout_ms);
    fh_command_account_done(&sink->account);
    fh_collect_done(&sink->batch);
    free(sink);
}

static int command_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                        struct fh_error *err, void **ret)
{
    int r = fh_command_check(config, err);
    if (r < 0) {
        return r;
    }
    struct command_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    sink->config = *config;
    sink->context = context;
    fh_collect_init(&sink->batch);
    fh_command_account_init(&sink->account);
    fh_backoff_init(&sink->backoff, BACKOFF_MIN_MS, BACKOFF_MAX_MS, HEALTHY_MS);
    *ret = sink;
    return 0;
}

static int command_abandon(void *opaque, const char *const *keep, size_t keep_count,
                           struct fh_error *err)
{
    struct command_sink *sink = opaque;
    (void)keep;
    (void)keep_count;
    (void)err;
    if (sink->process) {
        forget_process(sink, sink->config.timeout_ms);
    }
    forget_batch(sink);
    sink->epoch = 0;
    sink->reason.text[0] = '\0';
    return 0;
}

static int command_lead(void *opaque, uint64_t epoch, struct fh_error *err)
{
    struct command_sink *sink = opaque;
    if (sink->process && sink->epoch == epoch) {
        return 0;
    }
    (void)command_abandon(sink, NULL, 0, err); /* it carries the epoch in its environment */
    sink->epoch = epoch;
    int r = start(sink);
    if (r < 0 && err) {
        *err = sink->reason;
    }
    return r;
}

static int command_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct command_sink *sink = opaque;
    if (sink->epoch == 0) {
        return fh_error_set(err, -EPERM, "sink \"%s\" was told to be quiet", sink->config.name);
    }
    if (sink->account.count > 0 || sink->batch.count >= (size_t)sink->config.batch_records ||
        sink->batch.bytes.len >= FH_COLLECT_BYTES_MAX) {
        return fh_error_set(err, -EAGAIN, "the batch is full and waits for %s",
                            sink->config.command[0]);
    }
    int r = fh_collect_add(&sink->batch, write, fh_now());
    return r < 0 ? fh_error_set(err, r, "no memory for the batch of sink \"%s\"", sink->config.name)
                 : 0;
}

static int64_t command_due_in(void *opaque, struct fh_time now)
{
    struct command_sink *sink = opaque;
    return sink->account.count > 0 ? 0 : fh_collect_due_in(&sink->batch, &sink->config, now);
}

static int command_reopen(void *opaque, struct fh_error *err)
{
    struct command_sink *sink = opaque;
    (void)err;
    if (sink->process && sink->account.sent_count + sink->offset > 0) {
        /* it has some of the batch, and nobody will tell it that it comes again */
        forget_process(sink, PART_MS);
    }
    forget_batch(sink);
    return 0;
}

static void command_reload(void *opaque, const struct fh_config_sink *config)
{
    struct command_sink *sink = opaque;
    sink->config.batch_records = config->batch_records;
    sink->config.batch_ms = config->batch_ms;
    sink->config.timeout_ms = config->timeout_ms;
    sink->not_before = (struct fh_time){0};
}

const struct fh_sink_ops fh_sink_command_ops = {
    .type = "command",
    .wants_facts = true, /* fh_collect keeps them */
    .promise = promise,
    .open = command_open,
    .lead = command_lead,
    .write = command_write,
    .due_in = command_due_in,
    .accept = command_accept,
    .abandon = command_abandon,
    .reopen = command_reopen,
    .reload = command_reload,
    .close = command_close,
};
