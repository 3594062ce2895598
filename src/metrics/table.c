/* table.c: every metric there is. A new number is a row here, and nothing else unless it has labels
 * of its own. Names and units follow the conventions of Prometheus. */
#include "internal.h"

#define NODE(member) .scope = SCOPE_NODE, .offset = offsetof(struct fh_snapshot, member)
#define SELF(member) .scope = SCOPE_SELF, .offset = offsetof(struct fh_metrics_self, member)
#define RECEIVER(member)                                                                           \
    .scope = SCOPE_RECEIVER, .offset = offsetof(struct fh_pipeline_receiver, member)
#define SINK(member) .scope = SCOPE_SINK, .offset = offsetof(struct fh_pipeline_sink, member)
/* The first path's; the others follow at the distance of one. */
#define PATH(member)                                                                               \
    .scope = SCOPE_PATH, .offset = offsetof(struct fh_snapshot, ha.peer.path[0].member)
#define ROWS(function, how_many, names)                                                            \
    .scope = SCOPE_ROWS, .rows = (function), .max = (how_many), .labels = (names)

#define GAUGE   .type = METRIC_GAUGE
#define COUNTER .type = METRIC_COUNTER
#define SECONDS .unit = "seconds"
#define BYTES   .unit = "bytes"
#define RATIO   .unit = "ratio"
#define PLAIN   .unit = ""

const struct metric metrics_table[] = {
    {"firehosed_build", .type = METRIC_INFO, PLAIN, ROWS(rows_build, 1, "version"),
     .help = "The program; always 1."},
    {"firehosed_node", .type = METRIC_INFO, PLAIN,
     ROWS(rows_node, 1, "node, peer, channel, paired"),
     .help = "Who this is and who its peer is (empty until it was heard); always 1."},
    {"firehosed_uptime_seconds", GAUGE, SECONDS, NODE(uptime_ms), .value = VALUE_MS,
     .help = "Since the process started."},

    /* the pair */
    {"firehosed_role", .type = METRIC_STATESET, PLAIN,
     ROWS(rows_role, FH_ROLE_COUNT, "firehosed_role"), .help = "The role of this node: one is 1."},
    {"firehosed_epoch", GAUGE, PLAIN, NODE(ha.epoch), .value = VALUE_U64,
     .help = "Number of the reign this node knows; grows by every failover."},
    {"firehosed_protected", GAUGE, PLAIN, NODE(ha.protected), .value = VALUE_BOOL,
     .when = WHEN_PAIR, .help = "1: the other node would take over now without losing anything."},
    {"firehosed_ready", GAUGE, PLAIN, NODE(ha.ready), .value = VALUE_BOOL, .when = WHEN_PAIR,
     .help = "1: a standby that has everything the primary has not delivered."},
    {"firehosed_fenced", GAUGE, PLAIN, NODE(ha.fenced), .value = VALUE_BOOL, .when = WHEN_PAIR,
     .help = "1: a primary that must not publish now: lease lost, or just woken up."},
    {"firehosed_switching", GAUGE, PLAIN, NODE(ha.switching), .value = VALUE_BOOL,
     .when = WHEN_PAIR, .help = "1: a planned switchover is under way."},
    {"firehosed_maintenance", GAUGE, PLAIN, NODE(ha.maintenance), .value = VALUE_BOOL,
     .when = WHEN_PAIR, .help = "1: this node never becomes primary, by an operator's order."},
    {"firehosed_promotions", COUNTER, PLAIN, ROWS(rows_promotions, FH_PROMOTION_COUNT, "reason"),
     .when = WHEN_PAIR,
     .help = "Times this process became primary, by the reason: started (at its start), peer_gone "
             "(process dead), peer_silent (nothing heard), peer_left (said goodbye), switchover "
             "(an operator's order), health (the other node's was bad), elected (neither led), "
             "unpaired (no pair could be formed)."},
    {"firehosed_demotions", COUNTER, PLAIN, NODE(ha.demotions), .value = VALUE_U64,
     .when = WHEN_PAIR, .help = "Times this process ceased to be primary."},
    {"firehosed_peer_reachable", GAUGE, PLAIN, NODE(ha.peer.reachable), .value = VALUE_BOOL,
     .when = WHEN_PAIR, .help = "1: the other node is heard."},
    {"firehosed_peer_role", .type = METRIC_STATESET, PLAIN,
     ROWS(rows_peer_role, FH_ROLE_COUNT, "firehosed_peer_role"), .when = WHEN_PAIR,
     .help = "The role the other node says it has: one is 1; absent while it is not heard."},
    {"firehosed_peer_last_heard_seconds", GAUGE, SECONDS, NODE(ha.peer.last_heard_ms),
     .value = VALUE_MS, .when = WHEN_PAIR,
     .help = "Since the other node was last heard; absent until it was."},
    {"firehosed_peer_ready", GAUGE, PLAIN, NODE(ha.peer.ready), .value = VALUE_BOOL,
     .when = WHEN_PAIR, .help = "1: the other node says that it is a ready standby."},
    {"firehosed_path_up", GAUGE, PLAIN, PATH(up), .value = VALUE_BOOL, .when = WHEN_PAIR,
     .help = "1: the peer hears this node over this path."},
    {"firehosed_path_datagrams", GAUGE, PLAIN, PATH(datagrams), .value = VALUE_BOOL,
     .when = WHEN_DATAGRAMS,
     .help =
         "1: heartbeats as datagrams arrive at the peer over this path; absent where a node has "
         "them switched off (pair.datagrams)."},
    {"firehosed_path_round_trip_seconds", GAUGE, SECONDS, PATH(round_trip_us), .value = VALUE_US,
     .when = WHEN_PAIR,
     .help = "A message to the peer over this path and its answer, measured once a second; absent "
             "while there is none."},
    {"firehosed_arbiter_reachable", GAUGE, PLAIN, NODE(ha.arbiter.reachable), .value = VALUE_BOOL,
     .when = WHEN_ARBITER,
     .help =
         "1: the arbiter answered when it was last asked; only a node that leads, or is about to, "
         "asks it."},
    {"firehosed_arbiter_lease_seconds", GAUGE, SECONDS, NODE(ha.arbiter.lease_ms),
     .value = VALUE_MS, .when = WHEN_ARBITER,
     .help = "So much longer this node's lease runs; 0: it holds none."},
    {"firehosed_replicas_differ", GAUGE, PLAIN, NODE(ha.replica_match.differ), .value = VALUE_BOOL,
     .when = WHEN_PAIR,
     .help = "1: the two replicas carry the same events under other UIDs or timestamps, and events "
             "are known by what they have in common."},
    {"firehosed_replica_match_ratio", GAUGE, RATIO, ROWS(rows_match, 1, ""), .when = WHEN_PAIR,
     .help = "How much of what both nodes received lately was the same; absent while it cannot be "
             "told."},

    /* the stream */
    {"firehosed_events_received", COUNTER, PLAIN, ROWS(rows_types, FH_PIPELINE_TYPES + 1, "type"),
     .help = "Events received by type, duplicates included; types beyond the first 64 are "
             "\"other\"."},
    {"firehosed_events", COUNTER, PLAIN, ROWS(rows_outcomes, 6, "outcome"),
     .help = "What became of events. received: read from the stream; duplicate of these dropped; "
             "late of these older than the window of the de-duplication; quarantined: lines that "
             "are no records, not among received; delivered: by this node, over all sinks; "
             "doubled: also delivered by the other node. Not to be added up."},
    {"firehosed_repaired_events", COUNTER, PLAIN, NODE(pipeline.counters.repaired),
     .value = VALUE_U64,
     .help = "Events that the own stream did not bring and that were taken from the standby, which "
             "had received them."},
    {"firehosed_keep_alives", COUNTER, PLAIN, NODE(pipeline.counters.keep_alives),
     .value = VALUE_U64, .help = "Keep-alives received."},
    {"firehosed_gaps", COUNTER, PLAIN, NODE(pipeline.counters.gaps), .value = VALUE_U64,
     .help = "Gaps declared: stretches of time whose events could not be fetched any more."},
    {"firehosed_backpressure", GAUGE, PLAIN, NODE(pipeline.backpressure), .value = VALUE_BOOL,
     .help = "1: the store is full and the receivers wait."},
    {"firehosed_receiver_state", .type = METRIC_STATESET, PLAIN,
     ROWS(rows_receiver_state, FH_PARTITIONS *FH_RECEIVER_STATE_COUNT,
          "receiver, firehosed_receiver_state"),
     .help = "What a receiver does: one is 1."},
    {"firehosed_receiver_events", COUNTER, PLAIN, RECEIVER(events), .value = VALUE_U64,
     .help = "Events a receiver has taken, duplicates included."},
    {"firehosed_receiver_read_bytes", COUNTER, BYTES, RECEIVER(source.bytes), .value = VALUE_U64,
     .help = "Bytes of bodies a receiver has read."},
    {"firehosed_receiver_connects", COUNTER, PLAIN, RECEIVER(source.connects), .value = VALUE_U64,
     .help = "Times the service answered with a stream."},
    {"firehosed_receiver_failures", COUNTER, PLAIN, RECEIVER(source.failures), .value = VALUE_U64,
     .help = "Attempts to connect that failed and streams that broke."},
    {"firehosed_receiver_unknown_fields", COUNTER, PLAIN, RECEIVER(source.unknown_fields),
     .value = VALUE_U64, .help = "gRPC: fields that no schema knows."},
    {"firehosed_receiver_last_byte_seconds", GAUGE, SECONDS, RECEIVER(source.last_byte_age_ms),
     .value = VALUE_MS, .help = "Since a receiver read anything; absent until it did."},
    {"firehosed_receiver_last_event_timestamp_seconds", GAUGE, SECONDS, RECEIVER(last_timestamp_ms),
     .value = VALUE_STAMP_MS,
     .help = "Newest event of a receiver, by the service's clock; absent until there is one."},
    {"firehosed_receiver_lag_seconds", GAUGE, SECONDS,
     ROWS(rows_receiver_lag, FH_PARTITIONS, "receiver"),
     .help = "How far a receiver's newest event lies behind this host's clock."},
    {"firehosed_checkpoint_timestamp_seconds", GAUGE, SECONDS,
     ROWS(rows_checkpoint, 2 * FH_PARTITIONS, "partition, point"),
     .help = "received: where this node would ask the service to go on; delivered: before it "
             "everything is delivered by all required sinks, and a successor goes on here. By the "
             "service's clock; absent while unknown."},

    /* what is kept */
    {"firehosed_store_used_bytes", GAUGE, BYTES, NODE(pipeline.store.bytes_used),
     .value = VALUE_U64, .help = "Used of the store's file."},
    {"firehosed_store_limit_bytes", GAUGE, BYTES, NODE(pipeline.store.size_limit),
     .value = VALUE_U64, .help = "store.size_limit; events may fill three quarters of it."},
    {"firehosed_store_events", GAUGE, PLAIN, ROWS(rows_store_events, 1, ""),
     .help = "Events kept, delivered ones included."},
    {"firehosed_store_oldest_pending_seconds", GAUGE, SECONDS, NODE(pipeline.oldest_pending_age_ms),
     .value = VALUE_MS,
     .help = "Since the oldest event that required sinks have not got arrived here, or since the "
             "start of the process when that was before it; 0: they have all."},
    {"firehosed_store_unmatched_reports", GAUGE, PLAIN, NODE(pipeline.store.unmatched_reports),
     .value = VALUE_U64, .when = WHEN_PAIR,
     .help = "Events the peer has delivered that did not arrive here yet."},
    {"firehosed_store_given_up", COUNTER, PLAIN, NODE(pipeline.store.given_up), .value = VALUE_U64,
     .when = WHEN_PAIR,
     .help = "Events of a standby that the primary never reported: it did not receive them."},
    {"firehosed_dedup_records", GAUGE, PLAIN, NODE(pipeline.dedup_records), .value = VALUE_U64,
     .help = "Events the de-duplication remembers."},
    {"firehosed_dedup_memory_bytes", GAUGE, BYTES, NODE(pipeline.dedup_bytes), .value = VALUE_U64,
     .help = "Memory the de-duplication takes."},

    /* sinks */
    {"firehosed_sink", .type = METRIC_INFO, PLAIN,
     ROWS(rows_sink_info, FH_SINKS_MAX, "sink, type, required"),
     .help = "A sink and its kind; always 1."},
    {"firehosed_sink_healthy", GAUGE, PLAIN, SINK(healthy), .value = VALUE_BOOL,
     .help =
         "1: the last attempt to deliver worked. A standby makes none: there it stays what it was, "
         "or says whether the sink could be opened."},
    {"firehosed_sink_delivered_events", COUNTER, PLAIN, SINK(delivered), .value = VALUE_U64,
     .help = "Events delivered by this node."},
    {"firehosed_sink_filtered_events", COUNTER, PLAIN, SINK(filtered), .value = VALUE_U64,
     .help = "Events the sink did not want (event_types, tenants, locations)."},
    {"firehosed_sink_refused_events", COUNTER, PLAIN, SINK(refused), .value = VALUE_U64,
     .help = "Events the far side will never take: they are in the file of dead letters."},
    {"firehosed_sink_dropped_events", COUNTER, PLAIN, SINK(dropped), .value = VALUE_U64,
     .help = "Events let go because nobody took them (kinds that promise at most once)."},
    {"firehosed_sink_missed_events", COUNTER, PLAIN, SINK(missed), .value = VALUE_U64,
     .help = "Events an optional sink did not get because the store had no room for its backlog."},
    {"firehosed_sink_pending_events", GAUGE, PLAIN, SINK(pending), .value = VALUE_U64,
     .help = "Events kept that are not delivered yet, whichever node delivers."},

    {"firehosed_sink_oldest_pending_seconds", GAUGE, SECONDS, SINK(oldest_pending_age_ms),
     .value = VALUE_MS,
     .help = "Since the oldest of them arrived here, or since the start of the process when that "
             "was before it; 0: none is pending."},
    {"firehosed_sink_failures", COUNTER, PLAIN, SINK(failures), .value = VALUE_U64,
     .help = "Attempts to deliver that failed, and times the far side was found stuck."},
    {"firehosed_sink_delivery_latency_seconds", .type = METRIC_HISTOGRAM, SECONDS,
     ROWS(rows_sink_latency, FH_SINKS_MAX *(FH_LATENCY_BOUNDS + 3), "sink, le"),
     .help = "From an event's arrival at this node to its delivery, the confirmation of the other "
             "node included. Events that arrived before the process started are not in it."},

    /* replays: of the operator, beside the live stream */
    {"firehosed_replay_running", GAUGE, PLAIN, SINK(replaying), .value = VALUE_BOOL,
     .help = "1: a replay into the sink, ordered by an operator, is in progress."},
    {"firehosed_replay_pending_events", GAUGE, PLAIN, NODE(pipeline.replays.pending),
     .value = VALUE_U64, .help = "Events of the replays in progress that were not looked at yet."},
    {"firehosed_replay_events", COUNTER, PLAIN, ROWS(rows_replay_outcomes, 4, "outcome"),
     .help = "What became of the events of replays, dry runs left out; the live stream's counters "
             "do not have them. delivered: the far side has them; filtered: not ordered, or not "
             "wanted by the sink; refused: the far side will never take them; dropped: nobody took "
             "them (kinds that promise at most once)."},
    {"firehosed_replays", COUNTER, PLAIN, ROWS(rows_replays, 3, "result"),
     .help = "Replays that have ended, dry runs left out. failed: the far side took nothing for a "
             "minute, or the node ceased to deliver; the journal says which, and from when on to "
             "go on."},

    /* itself */
    {"firehosed_scrapes", COUNTER, PLAIN, SELF(scrapes), .value = VALUE_U64,
     .help = "Answers to scrapes before this one."},
    {"firehosed_scrape_render_seconds", COUNTER, SECONDS, SELF(render_ns), .value = VALUE_NS,
     .help = "Time spent on making them."},
    {"firehosed_scrape_snapshot_age_seconds", GAUGE, SECONDS, SELF(snapshot_age_ms),
     .value = VALUE_MS, .help = "How old the numbers are; made anew once a second."},
    {"firehosed_scrape_refused_requests", COUNTER, PLAIN, SELF(requests_refused),
     .value = VALUE_U64, .help = "Requests refused: wrong host, method or path."},
    {"firehosed_scrape_connections", GAUGE, PLAIN, SELF(connections), .value = VALUE_U32,
     .help = "Connections to this endpoint now."},
    {"process_cpu_seconds", COUNTER, SECONDS, SELF(cpu_us), .value = VALUE_US,
     .help = "User and system time of the process."},
    {"process_resident_memory_bytes", GAUGE, BYTES, SELF(resident_bytes), .value = VALUE_U64,
     .help = "Memory of the process."},
    {"process_start_time_seconds", GAUGE, SECONDS, SELF(started_ms), .value = VALUE_STAMP_MS,
     .help = "When the process started."},
};
const size_t metrics_table_count = FH_ARRAY_LEN(metrics_table);
