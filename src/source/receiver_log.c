/* receiver_log.c: owns what the operator reads about a receiver: one line per change, no storm when
 * the same failure repeats. What comes from a server has been cleaned before (fh_text_clean). */
#include "receiver.h"

#include "fh/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define REPEAT_LOG_MS 600000

struct fields {
    struct fh_log_field field[2];
    char status[16];
};

static void fill_fields(const struct fh_receiver *receiver, struct fields *fields)
{
    snprintf(fields->status, sizeof(fields->status), "%d", receiver->status.http_status);
    fields->field[0] = (struct fh_log_field){"FIREHOSED_RECEIVER", receiver->range_text};
    fields->field[1] = (struct fh_log_field){"FIREHOSED_STATUS", fields->status};
}

/* For people, in UTC: "from 2026-11-23T09:38:54.593Z" */
static void since_text(int64_t ms, char *text, size_t size)
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    char day[32];
    if (ms <= 0) {
        snprintf(text, size, "from now on");
    } else if (gmtime_r(&seconds, &tm) &&
               strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) > 0) {
        snprintf(text, size, "from %s.%03" PRId64 "Z", day, ms % 1000);
    } else {
        snprintf(text, size, "from %" PRId64, ms);
    }
}

void fh_receiver_log_up(struct fh_receiver *receiver)
{
    if (receiver->context->once) {
        return;
    }
    char since[64];
    since_text(receiver->status.asked_from_ms, since, sizeof(since));
    char failures[64] = "";
    if (receiver->unlogged > 0) {
        snprintf(failures, sizeof(failures), ", after %" PRIu64 " more failures like the last",
                 receiver->unlogged);
    }
    struct fields fields = {0};
    fill_fields(receiver, &fields);
    fh_log_event(LOG_NOTICE, FH_LOG_STREAM_UP, fields.field, FH_ARRAY_LEN(fields.field),
                 "receiver %s: stream open over %s, %s%s", receiver->range_text,
                 receiver->status.protocol, since, failures);
    receiver->logged = FH_FAILURE_NONE;
    receiver->unlogged = 0;
}

void fh_receiver_log_failure(struct fh_receiver *receiver, enum fh_failure failure, long code,
                             int64_t retry_ms, const char *reason)
{
    if (receiver->context->once) {
        return;
    }
    bool same = receiver->logged == failure && receiver->logged_code == code;
    if (same && fh_time_diff_ms(receiver->group->now, receiver->logged_at) < REPEAT_LOG_MS) {
        receiver->unlogged++;
        return;
    }
    char again[64] = "";
    if (same) {
        snprintf(again, sizeof(again), " (%" PRIu64 " times since the last line)",
                 receiver->unlogged + 1);
    }
    enum fh_log_id id = FH_LOG_STREAM_DOWN;
    int level = LOG_WARNING;
    if (failure == FH_FAILURE_REFUSED) {
        id = FH_LOG_STREAM_REFUSED;
        level = LOG_ERR;
    } else if (failure == FH_FAILURE_SILENT) {
        id = FH_LOG_STREAM_SILENT;
    }
    struct fields fields = {0};
    fill_fields(receiver, &fields);
    fh_log_event(level, id, fields.field, FH_ARRAY_LEN(fields.field),
                 "receiver %s: %s; next try in %" PRId64 ".%" PRId64 " s%s", receiver->range_text,
                 reason, retry_ms / 1000, retry_ms % 1000 / 100, again);
    receiver->logged = failure;
    receiver->logged_code = code;
    receiver->logged_at = receiver->group->now;
    receiver->unlogged = 0;
}
