/* options.h: what the operator of the simulator asked for; one table for command line and file.
 *
 * Every option has the same name on the command line (--keep-alive-ms 200) and in the libconfig
 * file (keep-alive-ms = 200; or keep_alive_ms = 200;). The command line wins. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "fh/err.h"
#include "request.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_KEYS_MAX    32
#define SIM_HOSTS_MAX   16
#define SIM_REPLICAS    3
#define SIM_RATE_AT_MAX 500000.0 /* events per second of world time under --rate max */
#define SIM_TEXT_MAX    4096
#define SIM_THREADS_MAX 32

/* How a key was activated; decides between 200, 400, 401 and 403. */
enum sim_key_kind {
    SIM_KEY_ON_PREMISE, /* everything works, replicas too */
    SIM_KEY_CLOUD,      /* a replicaId is refused with 400 */
    SIM_KEY_BLOCKED,    /* 401 */
};

#define SIM_ALL_CHANNELS ((1U << SIM_CHANNELS) - 1)

struct sim_key {
    enum sim_key_kind kind;
    unsigned channels; /* 1 << enum sim_channel; another one is refused with 403 */
    char text[256];
};

struct sim_options {
    struct sim_world_options world;
    char listen[SIM_TEXT_MAX]; /* "ADDR:PORT", "[ADDR]:PORT" or "PORT" */
    char rate[64];             /* a number or "max" */
    bool rate_max;             /* follow the slowest connected reader */
    char config[SIM_TEXT_MAX];
    char replay[SIM_TEXT_MAX];
    char tls_cert[SIM_TEXT_MAX];
    char tls_key[SIM_TEXT_MAX];
    char make_cert[SIM_TEXT_MAX]; /* directory */
    char old_timestamp[16];       /* "clamp" or "error" */
    char replay_compares[16];     /* "record" or "arrival" */
    char grpc_package[256];
    char grpc_path[512];
    bool grpc_gzip;
    unsigned replica_default; /* which replica 0 or none means: 1, or 0, one of its own */
    int64_t ping_ms;          /* WebSocket; 0 = never */
    struct sim_key keys[SIM_KEYS_MAX];
    unsigned key_count;
    char hosts[SIM_HOSTS_MAX][256]; /* further names in the made certificate */
    unsigned host_count;
    bool plain;
    bool http1_only;
    bool paused;
    bool help;
    bool version;
    int64_t keep_alive_ms;
    unsigned max_replica;
    unsigned max_connections; /* per key and replica */
    unsigned threads;
    unsigned send_buffer; /* SO_SNDBUF, 0 = the kernel's own choice */
    uint64_t events;      /* stop after so many; 0 = never */
    int64_t window_minutes;
    uint64_t window_mb;
};

/* Reads the command line and the file it may name. -EINVAL with a sentence naming the option and
 * what is allowed. world.replay_file points into *ret_options, which must not move afterwards. */
int sim_options_parse(int argc, char **argv, struct fh_error *err, struct sim_options *ret_options);
/* The help text, from the same table. */
void sim_options_help(void);

#endif
