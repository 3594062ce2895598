/* nats_link.h: one connection to a NATS server for one sink: made, used to publish, closed; never
 * mended. After a break the sink makes another one: libnats's own reconnecting would send what it
 * has buffered without asking whether this node may still speak.
 *
 * Everything here is called by one thread; what libnats's threads tell is handed over inside. */
#ifndef FH_SINK_NATS_LINK_H
#define FH_SINK_NATS_LINK_H

#include "nats_name.h"

#include "fh/clock.h"
#include "fh/sink.h"

#include <nats/nats.h>

/* Published and not yet answered, at most. */
#define FH_NATS_IN_FLIGHT_MAX 512

struct fh_nats_link;

enum fh_nats_answer {
    FH_NATS_STORED,  /* in the stream, now or before (a duplicate) */
    FH_NATS_REFUSED, /* never will be: too large */
    FH_NATS_FAILED,  /* not stored this time */
};

struct fh_nats_ack {
    size_t index;
    enum fh_nats_answer answer;
    uint64_t sequence; /* of a stored one */
};

struct fh_nats_message {
    const char *subject;
    const char *id; /* Nats-Msg-Id */
    const char *uid;
    uint64_t epoch;
    const char *replay; /* NULL: none */
    struct fh_slice record;
    size_t index; /* comes back with the answer */
};

/* Connect; blocks for timeout_ms at most. config must live as long as the link. */
int fh_nats_link_open(const struct fh_config_sink *config, const char *node, struct fh_error *err,
                      struct fh_nats_link **ret);
/* Ends the connection; answers still on their way are lost. NULL allowed. */
void fh_nats_link_close(struct fh_nats_link *link);
jsCtx *fh_nats_link_stream(struct fh_nats_link *link);
size_t fh_nats_link_in_flight(struct fh_nats_link *link);

/* 0: on its way. -EMSGSIZE: larger than the server's max_payload, for good. -EAGAIN: as many as may
 * be are on their way. Others: the link is of no use any more. */
int fh_nats_link_publish(struct fh_nats_link *link, const struct fh_nats_message *message,
                         struct fh_error *err);
/* Wait up to wait_ms for answers; returns how many are in ack. 0 with *ret_broken: nothing more
 * will come. After FH_NATS_FAILED and a break, err says why. */
size_t fh_nats_link_answers(struct fh_nats_link *link, int64_t wait_ms, struct fh_nats_ack *ack,
                            size_t room, bool *ret_broken, struct fh_error *err);

/* When the server has complained about what we asked for (it does not answer then), put its words
 * in place of the sentence in err. */
void fh_nats_link_explain(struct fh_nats_link *link, struct fh_error *err);

/* A sentence for what libnats or JetStream answered. what: "look for stream X". */
int fh_nats_fail(struct fh_error *err, natsStatus status, jsErrCode code, const char *what);

#endif
