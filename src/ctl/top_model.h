/* top_model.h: what firehosectl top knows of the pair: the last status of one node, and for how
 * fast things go the differences between one status and the next. Pure: no clock, no socket. */
#ifndef FH_CTL_TOP_MODEL_H
#define FH_CTL_TOP_MODEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FH_TOP_POINTS    256
#define FH_TOP_RECEIVERS 12
#define FH_TOP_SINKS     16
#define FH_TOP_TYPES     64
#define FH_TOP_PATHS     4
#define FH_TOP_CHANGES   16

/* A counter over time: one point for each status, NAN where there was none. */
struct fh_top_series {
    char name[40]; /* printable ASCII, as every text here */
    uint64_t total;
    bool counted; /* total is that of the last status: a difference can be taken */
    bool seen;    /* it was in the last status */
    size_t points;
    size_t next;               /* in the ring */
    float rate[FH_TOP_POINTS]; /* per second */
};

struct fh_top_receiver {
    struct fh_top_series events;
    char state[16];
    char error[200];
    int64_t lag_ms;
    int64_t last_byte_age_ms;
    int64_t retry_in_ms;
    int64_t last_timestamp; /* source time, ms; 0: none yet */
};

struct fh_top_sink {
    struct fh_top_series delivered;
    char type[16];
    char error[200];
    int64_t pending;
    int64_t dropped;
    int64_t refused;
    bool healthy;
    bool required;
};

struct fh_top_path {
    char address[80];
    bool up;
    bool datagrams;
};

struct fh_top_peer {
    bool configured;
    bool reachable;
    bool ready;
    bool maintenance;
    char node[32];
    char role[16];
    char refused[200];
    int64_t epoch;
    int64_t last_heard_ms;
    struct fh_top_path path[FH_TOP_PATHS];
    size_t paths;
};

struct fh_top_change {
    int64_t time_ms;
    int64_t epoch;
    char from[16];
    char to[16];
    char reason[200];
};

struct fh_top_model {
    bool known;     /* a status has come at least once */
    bool connected; /* the last attempt brought one */
    char why[320];  /* it did not: why */
    int64_t now_ms; /* of the last attempt; any clock that only goes on */
    int64_t wall_ms;
    int64_t status_ms; /* of the last status, now_ms' clock */
    unsigned restarts; /* of the daemon, seen while looking */

    char node[32];
    char version[24];
    char role[16];
    char reason[200];
    char sync[200];
    int64_t epoch;
    int64_t uptime_ms;
    bool protected;
    bool ready;
    bool maintenance;
    bool fenced;
    bool switching;
    struct fh_top_peer peer;
    char arbiter[96]; /* "" when there is none */

    struct fh_top_series received;
    int64_t duplicates;
    int64_t quarantined;
    int64_t gaps;
    int64_t bytes_used;
    int64_t size_limit;
    int64_t kept;
    bool backpressure;

    struct fh_top_receiver receiver[FH_TOP_RECEIVERS];
    size_t receivers;
    struct fh_top_sink sink[FH_TOP_SINKS];
    size_t sinks;
    struct fh_top_series type[FH_TOP_TYPES];
    size_t types;
    struct fh_top_change change[FH_TOP_CHANGES]; /* the last ones, newest first */
    size_t changes;
};

/* A status came. now_ms: when, and wall_ms what people call that. Members that are missing or of
 * another type are taken as nothing. A counter that went back (the daemon began anew) gives no
 * rate this once. */
void fh_top_add(struct fh_top_model *model, const cJSON *status, int64_t now_ms, int64_t wall_ms);
/* The answer to history, or NULL: a single node has none. */
void fh_top_add_history(struct fh_top_model *model, const cJSON *history);
/* No status came, for this reason. */
void fh_top_lost(struct fh_top_model *model, const char *why, int64_t now_ms, int64_t wall_ms);

/* The last rate, NAN when there is none; and the one of `back` statuses before. */
double fh_top_rate(const struct fh_top_series *series, size_t back);
/* The largest lag of a receiver in source time, 0 without receivers. */
int64_t fh_top_lag(const struct fh_top_model *model);
/* Source time of the newest event, 0: none. */
int64_t fh_top_newest(const struct fh_top_model *model);
/* Indices of the types seen, the busiest first, into order. Returns their number. */
size_t fh_top_busiest(const struct fh_top_model *model, size_t order[FH_TOP_TYPES]);

#endif
