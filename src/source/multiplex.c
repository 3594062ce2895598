/* multiplex.c: owns the question whose silence it is when several receivers share an HTTP/2
 * connection. A new attempt would go over the same connection again, so a dead one must be given up
 * by all: libcurl closes it when the last transfer that forbids its reuse is gone. */
#include "receiver.h"

/* Keep-alive records come on every stream, so another stream that lives shows that the connection
 * does. */
static bool somebody_heard(const struct fh_receiver *receiver)
{
    const struct fh_group *group = receiver->group;
    int64_t half_ms = receiver->context->config.silence_ms / 2;
    struct fh_time recently = fh_time_add_ms(receiver->byte_at, half_ms);
    for (size_t i = 0; i < group->count; i++) {
        const struct fh_receiver *other = group->receivers[i];
        if (other != receiver && other->status.state == FH_RECEIVER_STREAMING &&
            fh_time_before(recently, other->byte_at)) {
            return true;
        }
    }
    return false;
}

void fh_multiplex_silent(struct fh_receiver *receiver)
{
    struct fh_group *group = receiver->group;
    if (!receiver->context->config.multiplex || somebody_heard(receiver)) {
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        struct fh_receiver *other = group->receivers[i];
        if (other->transfer) {
            curl_easy_setopt(other->easy, CURLOPT_FORBID_REUSE, 1L);
            other->condemned = other != receiver;
        }
    }
}
