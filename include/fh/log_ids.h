/* log_ids.h: every change of state the operator can read about, as one table.
 *
 * X(symbol, MESSAGE_ID, short name, how often). The MESSAGE_ID keys
 * packaging/systemd/firehosed.catalog (of ids that end in fXX, which the witness says,
 * firehose-witness.catalog): what happened, what it means, what to do. The short name stands in
 * brackets when the log goes to stderr, and is what tests wait for. EACH: every one is said. FLAPS:
 * may come and go; more than a few a minute of the same thing are summed up (fh_log_limit).
 * firehosed-messages(7) is made of this table and the catalogs
 * (packaging/man/make-messages-page.sh). Never reuse an id; a new row needs a catalog entry and the
 * page made anew (lint checks both). HOOK_FAILED is said by packaging/systemd/run-hooks. */
#ifndef FH_LOG_IDS_H
#define FH_LOG_IDS_H

#define FH_LOG_IDS(X)                                                                              \
    X(STARTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a01", "started", EACH)                                \
    X(STOPPING, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a02", "stopping", EACH)                              \
    X(STOPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a03", "stopped", EACH)                                \
    X(CONFIG_INVALID, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a04", "config-invalid", EACH)                  \
    X(CONFIG_RELOADED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a05", "config-reloaded", EACH)                \
    X(CONFIG_WARNING, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a06", "config-warning", EACH)                  \
    X(FATAL, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a07", "fatal", EACH)                                    \
    X(RESPLIT, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a08", "resplit", EACH)                                \
    X(WATCH_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a09", "watch-failed", EACH)                      \
    X(WATCH_LISTENING, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a0a", "watch-listening", EACH)                \
    X(RESPLIT_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a0b", "resplit-failed", EACH)                  \
    X(STREAM_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b01", "stream-up", FLAPS)                           \
    X(STREAM_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b02", "stream-down", FLAPS)                       \
    X(STREAM_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b03", "stream-refused", FLAPS)                 \
    X(STREAM_SILENT, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b04", "stream-silent", FLAPS)                   \
    X(GAP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b05", "gap", EACH)                                        \
    X(QUARANTINE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b06", "quarantine", FLAPS)                         \
    X(BACKPRESSURE_ON, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b07", "backpressure-on", FLAPS)               \
    X(BACKPRESSURE_OFF, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b08", "backpressure-off", FLAPS)             \
    X(STORE_OPENED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c01", "store-opened", EACH)                      \
    X(STORE_DAMAGED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c02", "store-damaged", EACH)                    \
    X(STORE_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c03", "store-failed", EACH)                      \
    X(STORE_FORGETS, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c04", "store-forgets", EACH)                    \
    X(SINK_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d01", "sink-failed", FLAPS)                       \
    X(SINK_RECOVERED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d02", "sink-recovered", FLAPS)                 \
    X(SINK_RESOLVED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d03", "sink-resolved", EACH)                    \
    X(SINK_PROMISE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d04", "sink-promise", EACH)                      \
    X(SINK_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d10", "sink-refused", FLAPS)                     \
    X(SINK_DROPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d11", "sink-dropped", FLAPS)                     \
    X(SINK_MISSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d13", "sink-missed", FLAPS)                       \
    X(REPLAY_STARTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d14", "replay-started", EACH)                  \
    X(REPLAY_ENDED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d15", "replay-ended", EACH)                      \
    X(SINK_FOUND, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d12", "sink-found", EACH)                          \
    X(ROLE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e01", "role", EACH)                                      \
    X(PEER_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e02", "peer-up", FLAPS)                               \
    X(PEER_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e03", "peer-down", FLAPS)                           \
    X(PEER_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e04", "peer-refused", FLAPS)                     \
    X(PROTECTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e05", "protected", FLAPS)                           \
    X(UNPROTECTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e06", "unprotected", FLAPS)                       \
    X(SYNC, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e07", "sync", FLAPS)                                     \
    X(DOUBLED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e60", "doubled", EACH)                                \
    X(REPAIRED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e61", "repaired", EACH)                              \
    X(PATH_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e08", "path-down", FLAPS)                           \
    X(PATH_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e09", "path-up", FLAPS)                               \
    X(FENCED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0a", "fenced", FLAPS)                                 \
    X(UNFENCED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0b", "unfenced", FLAPS)                             \
    X(ARBITER_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0c", "arbiter-down", FLAPS)                     \
    X(ARBITER_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0d", "arbiter-up", FLAPS)                         \
    X(MAINTENANCE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0e", "maintenance", EACH)                        \
    X(REPLICAS_DIFFER, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0f", "replicas-differ", EACH)                \
    X(HOOK_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e10", "hook-failed", EACH)                        \
    X(WITNESS_STARTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f01", "witness-started", EACH)                \
    X(LEASE_GRANTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f02", "lease-granted", EACH)                    \
    X(LEASE_EXPIRED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f03", "lease-expired", EACH)                    \
    X(LEASE_RELEASED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f04", "lease-released", EACH)                  \
    X(WITNESS_STRANGER, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f05", "witness-stranger", EACH)              \
    X(WITNESS_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f06", "witness-failed", EACH)                  \
    X(WITNESS_STOPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f07", "witness-stopped", EACH)                \
    X(WITNESS_FATAL, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f08", "witness-fatal", EACH)                    \
    X(WITNESS_CONFIG, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f09", "witness-config", EACH)

enum fh_log_id {
    FH_LOG_NONE = 0,
#define FH_LOG_ENUM(symbol, id, name, often) FH_LOG_##symbol,
    FH_LOG_IDS(FH_LOG_ENUM)
#undef FH_LOG_ENUM
        FH_LOG_ID_COUNT
};

#endif
