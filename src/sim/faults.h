/* faults.h: the misbehaviour ordered over POST /sim/fault, and how much of it is still to come.
 *
 * A fault is a rule: a type, whom it concerns (replica, partition; 0 = everyone), how often or how
 * long, and its own parameters. Rules are consulted where they apply: at accept, at the request, at
 * each event, or once per connection. Any thread; one mutex; a lock-free look tells the hot path
 * that there is nothing to ask. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "fh/buf.h"
#include "fh/clock.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_fault_type {
    /* once for each matching connection there is (new=1: and for later ones) */
    SIM_FAULT_CUT,   /* FIN without an end of the body; after= bytes first; layer=stream: RST_STREAM
                      */
    SIM_FAULT_RESET, /* RST; after= */
    SIM_FAULT_STALL, /* no byte in or out for ms= */
    SIM_FAULT_HALF_OPEN, /* no byte ever again; swallows up to bytes= of events; zombie_ms= after
                            the client has gone it still competes for events so long */
    SIM_FAULT_END,       /* the stream ends as its channel says it: the last chunk, a close frame
                            with code= (1011), trailers with the status code= (13) */
    SIM_FAULT_REVOKE,    /* the key is revoked: last chunk, 1008, status 16; with ms= the next
                            requests are answered 401 for so long; with key= this key alone, until
                            cleared */
    SIM_FAULT_GO_AWAY,   /* what is said at shutdown: last chunk, 1001, GOAWAY and status 14 */
    SIM_FAULT_PING,      /* a ping frame of WebSocket or HTTP/2 */
    /* at accept and at the request */
    SIM_FAULT_REFUSE,   /* close on accept for ms=, or count= times */
    SIM_FAULT_STATUS,   /* answer code= for ms= or count= times; retry_after=; layer=http: in HTTP
                           even to gRPC */
    SIM_FAULT_REDIRECT, /* answer code= (307) with location=, default the same path here */
    SIM_FAULT_SLOW_TLS, /* the handshake waits ms= */
    /* at events: the next n of them, some until cleared */
    SIM_FAULT_DELAY,          /* ms= before each send */
    SIM_FAULT_DUPLICATE,      /* sent twice; the second later_ms= later */
    SIM_FAULT_REORDER,        /* sent by= events later than due */
    SIM_FAULT_OMIT,           /* not sent at all; a replay has it */
    SIM_FAULT_HALF_LINE,      /* half of the event's line, then close */
    SIM_FAULT_NOT_JSON,       /* a line of junk before the event */
    SIM_FAULT_BAD_UTF8,       /* a junk line that is JSON but for its bytes */
    SIM_FAULT_LONG_LINE,      /* a junk line of bytes= */
    SIM_FAULT_UNKNOWN_FIELDS, /* the event gets a member nobody knows */
    SIM_FAULT_CRLF,
    SIM_FAULT_EMPTY_LINES,
    SIM_FAULT_MANY_CHUNKS, /* each byte in a chunk (HTTP/1.1) or DATA frame (HTTP/2) of its own */
    SIM_FAULT_NO_KEEP_ALIVE,
    SIM_FAULT_MISSING_PAYLOAD, /* the envelope alone */
    /* at messages (partition= is not looked at): the next n of them */
    SIM_FAULT_FRAGMENTS,  /* WebSocket: in parts of bytes= (64); pings=1: a ping between them */
    SIM_FAULT_NO_NEWLINE, /* WebSocket: without the final newline */
    SIM_FAULT_MANY_LINES, /* WebSocket: by= (5) lines in one message */
    SIM_FAULT_WRAPPER,    /* gRPC: the record inside a BytesValue */
    /* at the activation */
    SIM_FAULT_ACTIVATION, /* "status":false with 200 */
    /* at the supporting REST calls */
    SIM_FAULT_REST, /* after ms=: answer code= (retry_after=), or so many bytes= of junk */
    /* once, in the world */
    SIM_FAULT_UNKNOWN_TYPE,       /* n= records of a type nobody knows; in the ledger */
    SIM_FAULT_FUTURE_STAMP,       /* n= records stamped ahead_ms= ahead; in the ledger */
    SIM_FAULT_REPLICA_UIDS,       /* differ=1|0 */
    SIM_FAULT_REPLICA_TIMESTAMPS, /* differ=1|0 */
    SIM_FAULT_CLEAR,              /* ends every rule */
    SIM_FAULT_TYPES
};

struct sim_fault {
    unsigned id; /* 1.. in the order they were ordered */
    enum sim_fault_type type;
    unsigned replica;   /* 0 = any */
    unsigned partition; /* 0 = any */
    int key;            /* index in the options; -1 = any */
    int64_t remaining;  /* -1 = until cleared or until */
    struct fh_time until;
    int64_t ms;
    int64_t later_ms;
    int64_t zombie_ms;
    int64_t ahead_ms;
    int64_t by;
    int64_t code;
    int64_t retry_after; /* -1 = none */
    uint64_t after;
    uint64_t bytes;
    bool stream_only;
    bool http_only;
    bool future_too; /* requests made later as well */
    bool differ;
    bool pings;
    char location[256];
    uint64_t applied;
    bool active;
};

struct sim_faults;

struct sim_faults *sim_faults_new(void);
void sim_faults_free(struct sim_faults *faults);

/* Read "type=..&n=.." (still percent-encoded) into a rule; nothing is remembered yet. -EINVAL with
 * a sentence. */
int sim_fault_parse(const char *query, struct fh_error *err, struct sim_fault *ret);
const char *sim_fault_name(enum sim_fault_type type);
/* Remember it; -ENOSPC when 256 rules are active. clear ends the others. Returns its id. */
int sim_faults_add(struct sim_faults *faults, const struct sim_fault *fault);
/* True when some rule at all may apply to events. Lock-free. */
bool sim_faults_at_events(const struct sim_faults *faults);
/* Rises with every rule; lock-free. Connections look for news when it has changed. */
unsigned sim_faults_generation(const struct sim_faults *faults);
/* If an active rule of that type matches, use it once and hand out a copy. */
bool sim_faults_use(struct sim_faults *faults, enum sim_fault_type type, unsigned replica,
                    unsigned partition, struct sim_fault *ret);
/* The next rule for connections after *seen that concerns a stream opened when the generation was
 * born; moves *seen. */
struct sim_reader_info;
bool sim_faults_for_stream(struct sim_faults *faults, unsigned born,
                           const struct sim_reader_info *reader, unsigned *seen,
                           struct sim_fault *ret);
/* JSON array of all that was ordered. */
int sim_faults_report(struct sim_faults *faults, struct fh_buf *out);

#endif
