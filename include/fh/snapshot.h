/* snapshot.h: what this node is at one instant, copied so that another thread may look at it as
 * long as it likes. Made by the daemon on the main thread once a second while somebody watches
 * (metrics, console); plain data, owns nothing. */
#ifndef FH_SNAPSHOT_H
#define FH_SNAPSHOT_H

#include "fh/ha.h"
#include "fh/pipeline.h"

#define FH_SNAPSHOT_TRANSITIONS 10

struct fh_snapshot {
    char node[32];
    char peer_node[32]; /* "" until it was heard */
    char channel[16];   /* "http", "websocket", "grpc" */
    bool paired;        /* false: a single node, of ha only role, epoch and reason mean something */
    int64_t wall_ms;    /* for people only */
    int64_t uptime_ms;
    struct fh_ha_status ha;
    struct fh_pipeline_status pipeline;
    struct fh_ha_transition transition[FH_SNAPSHOT_TRANSITIONS]; /* the last ones, oldest first */
    size_t transition_count;
};

#endif
