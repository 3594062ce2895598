/* detector.h: is the peer there? Judges from what the link reports and from when something was
 * last heard; says what it saw, never what to do about it.
 *
 * A path is one of our outgoing connections. It is up while it is connected and the peer says that
 * it hears us over it. The peer as a whole is
 *   gone    a new connection is refused, none of ours stands and none of its: the process is dead
 *   silent  nothing heard on any path for failure_after heartbeats
 * One path down while another is up is an alarm for people, not evidence.
 *
 * Heartbeats may come as datagrams as well. One of them says that the peer is there, as any message
 * does, but nothing about a connection: a path is up by what comes over its connection alone.
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_DETECTOR_H
#define FH_HA_DETECTOR_H

#include "fh/clock.h"

#include "wire.h"

enum fh_detector_verdict {
    FH_PEER_NEVER_HEARD = 0,
    FH_PEER_PRESENT,
    FH_PEER_SILENT,
    FH_PEER_GONE,     /* connection refused */
    FH_PEER_DEPARTED, /* it said goodbye */
};

enum fh_path_event {
    FH_PATH_CONNECTED, /* handshake done */
    FH_PATH_DISCONNECTED,
    FH_PATH_REFUSED, /* nobody listens at the peer's address */
};

struct fh_detector {
    int64_t failure_ms;
    size_t path_count;
    struct {
        bool connected;
        bool refused;
        bool up;
        struct fh_time echoed;          /* the peer said it hears us here */
        struct fh_time heard;           /* last message over the peer's path of this index */
        struct fh_time datagram_heard;  /* last datagram, the same */
        struct fh_time datagram_echoed; /* the peer said that ours come over this path */
    } path[FH_WIRE_PATHS_MAX];
    size_t inbound; /* connections of the peer to us */
    struct fh_time last_heard;
    bool departed;
    bool gone;
    struct fh_time gone_since;
    enum fh_detector_verdict verdict;
};

void fh_detector_init(struct fh_detector *detector, size_t path_count, int64_t failure_ms);
void fh_detector_path(struct fh_detector *detector, size_t path, enum fh_path_event event);
void fh_detector_inbound(struct fh_detector *detector, size_t connections);
/* A message came over the peer's path. new_process: from another one than the last message. What a
 * dead process left on the way does not bring it back. */
void fh_detector_heard(struct fh_detector *detector, struct fh_time now, uint8_t their_path,
                       bool new_process);
/* A datagram of the process heard last came over the peer's path. One that was on its way when the
 * process died does not bring it back; after a failure time none is on its way any more, so whoever
 * sends them lives, and only its connections are refused. */
void fh_detector_datagram(struct fh_detector *detector, struct fh_time now, uint8_t their_path);
/* The peer hears us over these of our paths. */
void fh_detector_echoed(struct fh_detector *detector, struct fh_time now, uint8_t heard_paths);
/* Our datagrams come to the peer over these of our paths. */
void fh_detector_datagram_echoed(struct fh_detector *detector, struct fh_time now, uint8_t paths);
void fh_detector_goodbye(struct fh_detector *detector);
/* This node itself stood still: silence so far says nothing about the peer. */
void fh_detector_stalled(struct fh_detector *detector, struct fh_time now);

/* Judge. ret_changed: bit per path whose up changed. */
enum fh_detector_verdict fh_detector_check(struct fh_detector *detector, struct fh_time now,
                                           uint8_t *ret_changed);
/* What to put into our own heartbeat. */
uint8_t fh_detector_heard_paths(const struct fh_detector *detector, struct fh_time now);
uint8_t fh_detector_datagram_paths(const struct fh_detector *detector, struct fh_time now);
/* Do our datagrams arrive over this path? */
bool fh_detector_datagrams_arrive(const struct fh_detector *detector, struct fh_time now,
                                  size_t path);

#endif
