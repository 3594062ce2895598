/* log_ids.h: every change of state the operator can read about, as one table.
 *
 * X(symbol, MESSAGE_ID, short name). The MESSAGE_ID keys packaging/systemd/firehosed.catalog (of
 * ids that end in fXX, which the witness says, firehose-witness.catalog)
 * (what it means, what to do); the short name stands in brackets when the log goes to stderr, and
 * is what tests wait for. Never reuse an id; a new row needs a catalog entry (a test checks). */
#ifndef FH_LOG_IDS_H
#define FH_LOG_IDS_H

#define FH_LOG_IDS(X)                                                                              \
    X(STARTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a01", "started")                                      \
    X(STOPPING, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a02", "stopping")                                    \
    X(STOPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a03", "stopped")                                      \
    X(CONFIG_INVALID, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a04", "config-invalid")                        \
    X(CONFIG_RELOADED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a05", "config-reloaded")                      \
    X(RANGE_HOLE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a06", "range-hole")                                \
    X(FATAL, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a07", "fatal")                                          \
    X(RESPLIT, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7a08", "resplit")                                      \
    X(STREAM_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b01", "stream-up")                                  \
    X(STREAM_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b02", "stream-down")                              \
    X(STREAM_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b03", "stream-refused")                        \
    X(STREAM_SILENT, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b04", "stream-silent")                          \
    X(GAP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b05", "gap")                                              \
    X(QUARANTINE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b06", "quarantine")                                \
    X(BACKPRESSURE_ON, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b07", "backpressure-on")                      \
    X(BACKPRESSURE_OFF, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7b08", "backpressure-off")                    \
    X(STORE_OPENED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c01", "store-opened")                            \
    X(STORE_DAMAGED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c02", "store-damaged")                          \
    X(STORE_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7c03", "store-failed")                            \
    X(SINK_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d01", "sink-failed")                              \
    X(SINK_RECOVERED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d02", "sink-recovered")                        \
    X(SINK_RESOLVED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d03", "sink-resolved")                          \
    X(SINK_PROMISE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d04", "sink-promise")                            \
    X(SINK_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d10", "sink-refused")                            \
    X(SINK_DROPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d11", "sink-dropped")                            \
    X(SINK_MISSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d13", "sink-missed")                              \
    X(SINK_FOUND, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7d12", "sink-found")                                \
    X(ROLE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e01", "role")                                            \
    X(PEER_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e02", "peer-up")                                      \
    X(PEER_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e03", "peer-down")                                  \
    X(PEER_REFUSED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e04", "peer-refused")                            \
    X(PROTECTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e05", "protected")                                  \
    X(UNPROTECTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e06", "unprotected")                              \
    X(SYNC, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e07", "sync")                                            \
    X(DOUBLED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e60", "doubled")                                      \
    X(PATH_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e08", "path-down")                                  \
    X(PATH_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e09", "path-up")                                      \
    X(FENCED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0a", "fenced")                                        \
    X(UNFENCED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0b", "unfenced")                                    \
    X(ARBITER_DOWN, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0c", "arbiter-down")                            \
    X(ARBITER_UP, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0d", "arbiter-up")                                \
    X(MAINTENANCE, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0e", "maintenance")                              \
    X(REPLICAS_DIFFER, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e0f", "replicas-differ")                      \
    X(WITNESS_STARTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f01", "witness-started")                      \
    X(LEASE_GRANTED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f02", "lease-granted")                          \
    X(LEASE_EXPIRED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f03", "lease-expired")                          \
    X(LEASE_RELEASED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f04", "lease-released")                        \
    X(WITNESS_STRANGER, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f05", "witness-stranger")                    \
    X(WITNESS_FAILED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f06", "witness-failed")                        \
    X(WITNESS_STOPPED, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f07", "witness-stopped")                      \
    X(WITNESS_FATAL, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f08", "witness-fatal")                          \
    X(WITNESS_CONFIG, "6d1b0f4f3a0e4c5c9d0a5f8f2f3b7f09", "witness-config")

enum fh_log_id {
    FH_LOG_NONE = 0,
#define FH_LOG_ENUM(symbol, id, name) FH_LOG_##symbol,
    FH_LOG_IDS(FH_LOG_ENUM)
#undef FH_LOG_ENUM
        FH_LOG_ID_COUNT
};

#endif
