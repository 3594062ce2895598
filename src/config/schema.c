/* schema.c: owns the table of options: path, type, range, default, sentence. Never reads a file
 * and never judges a combination of values (check.c does). */
#include "schema.h"

#include <stddef.h>
#include <syslog.h>

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define TIB (INT64_C(1) << 40)

#define IN(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define AT(member)       IN(struct fh_config, member)
#define SINK(member)     IN(struct fh_config_sink, member)

#define LIST_IN(type, member, counter)                                                             \
    IN(type, member), .width = sizeof(((type *)0)->member[0]),                                     \
                      .count_offset = offsetof(type, counter)
#define LIST(member, counter)      LIST_IN(struct fh_config, member, counter)
#define SINK_LIST(member, counter) LIST_IN(struct fh_config_sink, member, counter)

#define BETWEEN(low, high, standard) .min = (low), .max = (high), .number = (standard)

static const char *const channels[] = {"http", "websocket", "grpc", NULL};
static const char *const http_versions[] = {"auto", "1.1", "2", NULL};
static const char *const dedup_keys[] = {"uid_timestamp", "uid",     "content",
                                         "uid_payload",   "payload", NULL};
static const char *const syncs[] = {"always", "interval", NULL};
static const char *const prefers[] = {"availability", "safety", NULL};
static const char *const arbiters[] = {"none", "witness", "etcd", NULL};
static const char *const sink_types[] = {"file",  "zeromq", "webhook", "command",
                                         "kafka", "nats",   "mqtt",    NULL};
static const char *const patterns[] = {"push", "pub", "dealer", NULL};
static const char *const bodies[] = {"ndjson", "array", NULL};
static const char *const acknowledgements[] = {"none", "lines", NULL};
/* All but file: they send, batch by batch, to somebody who answers. */
#define SENDERS "zeromq webhook command kafka nats mqtt"
static const char *const compressions[] = {"none", "zstd", NULL};
static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};

const struct fh_section fh_sections[] = {
    {"node", .required = true, .example = "node: { name = \"a\"; };",
     .sentence = "this node and its places on disk"},
    {"log", .sentence = "what is logged"},
    {"firehose", .required = true, .example = "firehose: { url = \"https://...\"; };",
     .sentence = "the stream to read"},
    {"dedup", .sentence = "how records are recognised as seen"},
    {"store", .sentence = "the database that holds the events until they are delivered"},
    {"pair", .sentence = "the other node; without this section the node is alone and primary",
     .present_offset = offsetof(struct fh_config, pair.present)},
    {"arbiter", .sentence = "the tie-breaker of a pair"},
    {"metrics",
     .sentence = "figures for Prometheus over HTTP; without this section there are none, and "
                 "\"metrics: { };\" serves them on the loopback address",
     .present_offset = offsetof(struct fh_config, metrics.present)},
    {"console",
     .sentence = "a read-only page for people over HTTP; without this section there is none, and "
                 "\"console: { };\" serves it on the loopback address",
     .present_offset = offsetof(struct fh_config, console.present)},
    {FH_SINKS_SECTION, .required = true,
     .example = "sinks: ( { name = \"archive\"; type = \"file\"; directory = "
                "\"/var/lib/firehosed/events\"; } );",
     .sentence = "where the events go; a list with one group per sink"},
};
const size_t fh_section_count = FH_ARRAY_LEN(fh_sections);

const struct fh_option fh_options[] = {
    {"node.name", FH_OPTION_STRING, AT(node.name), .required = true, .example = "name = \"a\";",
     .sentence = "Name of this node in logs and status; letters, digits, dot, dash, underscore."},
    {"node.state_dir", FH_OPTION_PATH, AT(node.state_dir), .text = "/var/lib/firehosed",
     .sentence = "Directory of the database; belongs to one daemon alone. The default under "
                 "systemd: the unit's StateDirectory."},
    {"node.control_socket", FH_OPTION_PATH, AT(node.control_socket),
     .text = "/run/firehosed/control.sock",
     .sentence = "Unix socket firehosectl talks to; at most 107 bytes. The default under systemd: "
                 "control.sock in the unit's RuntimeDirectory."},

    {"log.level", FH_OPTION_LEVEL, AT(log.level), .choices = levels, .min = LOG_ERR,
     .number = LOG_INFO, .reloadable = true, .sentence = "Least severe level that is logged."},

    {"firehose.url", FH_OPTION_STRING, AT(firehose.url), .required = true,
     .example = "url = \"https://partners.example/\";",
     .sentence = "Base address of the service; https, or http to this host itself."},
    {"firehose.path", FH_OPTION_STRING, AT(firehose.path),
     .text = "/api/partners/v1/firehose/events", .sentence = "Path of the stream below url."},
    {"firehose.api_key_file", FH_OPTION_PATH, AT(firehose.api_key_file),
     .sentence = "File with the API key, readable by its owner only; empty: the systemd credential "
                 "api_key. SIGHUP reads it again."},
    {"firehose.ca_file", FH_OPTION_PATH, AT(firehose.ca_file),
     .sentence = "PEM file of the authorities that may vouch for the service; empty: the "
                 "system's."},
    {"firehose.proxy", FH_OPTION_STRING, AT(firehose.proxy), .url = true,
     .sentence = "HTTP proxy; empty: from the environment (https_proxy, no_proxy)."},
    {"firehose.channel", FH_OPTION_CHOICE, AT(firehose.channel), .choices = channels,
     .sentence = "How the stream is read; an activation is granted one or another."},
    {"firehose.http_version", FH_OPTION_CHOICE, AT(firehose.http_version), .choices = http_versions,
     .sentence = "HTTP version; auto takes 2 where it is offered."},
    {"firehose.replica_id", FH_OPTION_INTEGER, AT(firehose.replica_id), BETWEEN(0, 3, 0),
     .sentence = "Copy of the stream this node reads, a different one on each node of a pair; 0 "
                 "sends none (single node)."},
    {"firehose.receivers", FH_OPTION_RECEIVERS, AT(firehose.ranges), BETWEEN(1, FH_PARTITIONS, 4),
     .reloadable = true,
     .sentence = "Number of connections the 12 partitions are split over evenly."},
    {"firehose.ranges", FH_OPTION_RANGES, AT(firehose.ranges), .reloadable = true,
     .sentence = "The ranges themselves, instead of receivers. A reload may split them anew; which "
                 "partitions are read at all changes with a restart only."},
    {"firehose.threads", FH_OPTION_INTEGER, AT(firehose.threads), BETWEEN(1, FH_PARTITIONS, 1),
     .sentence = "Threads the connections are spread over."},
    {"firehose.multiplex", FH_OPTION_BOOL, AT(firehose.multiplex),
     .sentence = "The receivers of a thread share one HTTP/2 connection (channel http or grpc): "
                 "fewer connections through a firewall, but what breaks it breaks them all; over "
                 "HTTP/1.1 each has its own all the same. libcurl 7.88 loses about 1 KiB of memory "
                 "whenever one of them is opened anew."},
    {"firehose.silence_ms", FH_OPTION_INTEGER, AT(firehose.silence_ms),
     BETWEEN(15001, 3600000, 35000),
     .sentence = "A stream without a byte for so long is dead; longer than the keep-alive period "
                 "of 15 s."},
    {"firehose.connect_timeout_ms", FH_OPTION_INTEGER, AT(firehose.connect_timeout_ms),
     BETWEEN(100, 300000, 10000), .sentence = "Longest wait for a connection, TLS included."},
    {"firehose.backoff_min_ms", FH_OPTION_INTEGER, AT(firehose.backoff_min_ms),
     BETWEEN(10, 3600000, 1000),
     .sentence = "Longest wait before the first new attempt; doubles with each failure."},
    {"firehose.backoff_max_ms", FH_OPTION_INTEGER, AT(firehose.backoff_max_ms),
     BETWEEN(10, 3600000, 300000), .sentence = "Longest wait between two attempts."},
    {"firehose.backoff_reset_ms", FH_OPTION_INTEGER, AT(firehose.backoff_reset_ms),
     BETWEEN(100, 86400000, 300000),
     .sentence = "A connection healthy for so long starts the waits anew."},
    {"firehose.refused_retry_ms", FH_OPTION_INTEGER, AT(firehose.refused_retry_ms),
     BETWEEN(100, 86400000, 300000),
     .sentence = "Wait after a refusal that only a person can mend (401, 403, 404)."},
    {"firehose.overlap_min_ms", FH_OPTION_INTEGER, AT(firehose.overlap_min_ms),
     BETWEEN(10000, 86400000, 10000),
     .sentence = "Source time read again after each reconnect, at least."},
    {"firehose.replay_window_ms", FH_OPTION_INTEGER, AT(firehose.replay_window_ms),
     BETWEEN(10000, 86400000, 3300000),
     .sentence =
         "What the service replays for certain: a longer outage becomes a declared gap, and "
         "a service that refuses to replay from longer ago (400) is asked for this much."},
    {"firehose.max_line_bytes", FH_OPTION_SIZE, AT(firehose.max_line_bytes),
     BETWEEN(4 * KIB, GIB, 8 * MIB), .sentence = "A longer record is quarantined, truncated."},
    {"firehose.grpc_path", FH_OPTION_STRING, AT(firehose.grpc_path),
     .text = "/firehose_api_v1.Firehose/GetEvents",
     .sentence = "Path of the method when channel is grpc: /package.Service/Method."},
    {"firehose.descriptor_set", FH_OPTION_PATH, AT(firehose.descriptor_set),
     .sentence = "Schema of the records when channel is grpc, as protoc --include_imports "
                 "--descriptor_set_out writes it; empty: the one built in."},
    {"firehose.keep_unknown", FH_OPTION_BOOL, AT(firehose.keep_unknown),
     .sentence = "When channel is grpc: write fields the schema does not know into the record, as "
                 "_unknown."},

    {"dedup.key", FH_OPTION_CHOICE, AT(dedup.key), .choices = dedup_keys,
     .sentence = "What makes two records the same: uid and timestamp, the uid alone, all but the "
                 "uid, all but the timestamp, or all but both; see firehosed-ha(7)."},
    {"dedup.window_minutes", FH_OPTION_INTEGER, AT(dedup.window_minutes), BETWEEN(1, 1440, 120),
     .sentence = "Source time over which records are remembered."},
    {"dedup.max_records", FH_OPTION_INTEGER, AT(dedup.max_records),
     BETWEEN(1000, INT64_C(10000000000), 100000000),
     .sentence = "Records remembered at most, about 12 and never more than 25 bytes each."},

    {"store.size_limit", FH_OPTION_SIZE, AT(store.size_limit), BETWEEN(16 * MIB, 16 * TIB, 8 * GIB),
     .sentence = "Largest size of the database; when full, the stream is held back, not dropped."},
    {"store.block_bytes", FH_OPTION_SIZE, AT(store.block_bytes),
     BETWEEN(4 * KIB, 16 * MIB, 256 * KIB), .sentence = "Bytes of events compressed together."},
    {"store.commit_ms", FH_OPTION_INTEGER, AT(store.commit_ms), BETWEEN(1, 1000, 5),
     .sentence = "Longest wait from the first event of a batch to its commit."},
    {"store.cache_bytes", FH_OPTION_SIZE, AT(store.cache_bytes), BETWEEN(MIB, 64 * GIB, 64 * MIB),
     .sentence = "Memory for the newest events, so that sinks need not read them back."},
    {"store.queue_bytes", FH_OPTION_SIZE, AT(store.queue_bytes), BETWEEN(MIB, 64 * GIB, 64 * MIB),
     .sentence = "Memory between the receivers and the database."},
    {"store.sync", FH_OPTION_CHOICE, AT(store.sync), .choices = syncs,
     .sentence = "always: each commit reaches the disk; interval: every sync_interval_ms (a power "
                 "cut then replays that much)."},
    {"store.sync_interval_ms", FH_OPTION_INTEGER, AT(store.sync_interval_ms),
     BETWEEN(10, 60000, 1000), .sentence = "With sync = \"interval\": time between two syncs."},
    {"store.quarantine_bytes", FH_OPTION_SIZE, AT(store.quarantine_bytes),
     BETWEEN(64 * KIB, TIB, 16 * MIB),
     .sentence = "Size of the file of what was not a record, before it rolls."},

    {"pair.listen", FH_OPTION_STRING, AT(pair.listen), .required = true,
     .example = "listen = \"tcp://0.0.0.0:5570\";",
     .sentence = "Address the other node connects to."},
    {"pair.peers", FH_OPTION_STRINGS, LIST(pair.peers, pair.peer_count), .required = true,
     .example = "peers = ( \"tcp://10.0.0.2:5570\" );",
     .sentence = "Addresses of the other node, one per network path, at most 4."},
    {"pair.secret_key_file", FH_OPTION_PATH, AT(pair.secret_key_file), .text = "",
     .sentence =
         "This node's secret key (firehosectl keygen), readable by its owner only; empty: the "
         "service's credential pair_key."},
    {"pair.peer_public_key", FH_OPTION_STRING, AT(pair.peer_public_key), .required = true,
     .example = "peer_public_key = \"...\";",
     .sentence = "The other node's public key, 40 characters; no other is accepted."},
    {"pair.heartbeat_ms", FH_OPTION_INTEGER, AT(pair.heartbeat_ms), BETWEEN(20, 10000, 300),
     .sentence = "Time between two heartbeats."},
    {"pair.failure_after", FH_OPTION_INTEGER, AT(pair.failure_after), BETWEEN(2, 100, 5),
     .sentence = "Heartbeats missed on every path before the other node counts as failed."},
    {"pair.preferred", FH_OPTION_BOOL, AT(pair.preferred),
     .sentence = "When both start together this node becomes primary; set it on one of them."},
    {"pair.prefer", FH_OPTION_CHOICE, AT(pair.prefer), .choices = prefers,
     .sentence = "Hearing nobody and without an arbiter: go on (availability; a split may deliver "
                 "twice) or stop (safety). With one, when a primary led alone and died: take over "
                 "(availability; what only it knew comes twice) or wait for it (safety). The same "
                 "on both nodes."},
    {"pair.join_timeout_ms", FH_OPTION_INTEGER, AT(pair.join_timeout_ms),
     BETWEEN(100, 600000, 5000),
     .sentence = "How long a node that starts waits for the other before it follows prefer."},
    {"pair.handover_after_ms", FH_OPTION_INTEGER, AT(pair.handover_after_ms),
     BETWEEN(0, 86400000, 30000),
     .sentence = "How long the primary's streams or a required sink must be bad, while the "
                 "standby's are good, before it hands over; 0: never."},
    {"pair.damping_ms", FH_OPTION_INTEGER, AT(pair.damping_ms), BETWEEN(0, 86400000, 600000),
     .sentence =
         "At most one change of role in this time that nobody ordered, unless a node dies."},
    {"pair.datagrams", FH_OPTION_BOOL, AT(pair.datagrams), .number = 1,
     .sentence = "Send heartbeats over UDP, too, on the ports of listen and peers, so that packet "
                 "loss is not taken for a failure; where UDP does not pass, nothing is lost."},

    {"arbiter.type", FH_OPTION_CHOICE, AT(arbiter.type), .choices = arbiters,
     .sentence = "Who says which node may lead: nobody, firehose-witness on a third host, or an "
                 "etcd cluster; the same on both nodes."},
    {"arbiter.ttl_ms", FH_OPTION_INTEGER, AT(arbiter.ttl_ms), BETWEEN(500, 600000, 2000),
     .sentence = "How long the right to lead lasts without being renewed; the same on both nodes. "
                 "Longer than heartbeat_ms x failure_after; etcd counts whole seconds."},
    {"arbiter.request_timeout_ms", FH_OPTION_INTEGER, AT(arbiter.request_timeout_ms),
     BETWEEN(50, 60000, 1000), .sentence = "Longest wait for an answer of the arbiter."},
    {"arbiter.addresses", FH_OPTION_STRINGS, LIST(arbiter.addresses, arbiter.address_count),
     .sentence = "witness: its addresses, tcp://HOST:PORT, one per network path."},
    {"arbiter.witness_public_key", FH_OPTION_STRING, AT(arbiter.witness_public_key),
     .sentence = "witness: its public key, 40 characters; it must know this node's in turn."},
    {"arbiter.endpoints", FH_OPTION_STRINGS, LIST(arbiter.endpoints, arbiter.endpoint_count),
     .sentence = "etcd: client addresses of its members, https://HOST:PORT, tried in turn; numeric "
                 "addresses do not depend on DNS."},
    {"arbiter.ca_file", FH_OPTION_PATH, AT(arbiter.ca_file),
     .sentence = "etcd: PEM file of the authorities that may vouch for it; empty: the system's."},
    {"arbiter.cert_file", FH_OPTION_PATH, AT(arbiter.cert_file),
     .sentence = "etcd: PEM file of this node's certificate, when etcd asks for one; without a "
                 "CommonName when it has users too, else its gateway refuses."},
    {"arbiter.key_file", FH_OPTION_PATH, AT(arbiter.key_file),
     .sentence = "etcd: PEM file of the certificate's key."},
    {"arbiter.user", FH_OPTION_STRING, AT(arbiter.user),
     .sentence = "etcd: user, when it has authentication switched on."},
    {"arbiter.password_file", FH_OPTION_PATH, AT(arbiter.password_file),
     .sentence = "etcd: file with the user's password, readable by its owner only."},
    {"arbiter.pair_name", FH_OPTION_STRING, AT(arbiter.pair_name),
     .sentence = "etcd: name of the pair, part of its keys (/firehosed/NAME/...); empty: made from "
                 "the public keys of both nodes."},

    {"metrics.listen", FH_OPTION_STRING, AT(metrics.listen), .text = "127.0.0.1:9570",
     .sentence =
         "ADDRESS:PORT to listen on for HTTP, [ADDRESS]:PORT for IPv6; the path is /metrics; "
         "empty: the socket only."},
    {"metrics.socket", FH_OPTION_PATH, AT(metrics.socket),
     .sentence = "UNIX socket to listen on, too (mode 0660); empty: none."},
    {"metrics.hosts", FH_OPTION_STRINGS, LIST(metrics.hosts, metrics.host_count),
     .sentence = "Names under which it may be asked for, besides addresses, localhost and this "
                 "host's own name; any other is refused."},
    {"console.listen", FH_OPTION_STRING, AT(console.listen), .text = "127.0.0.1:9580",
     .sentence =
         "ADDRESS:PORT to listen on for HTTP, [ADDRESS]:PORT for IPv6; empty: the socket "
         "only. There is no log-in: beyond loopback put a proxy with TLS and one in front."},
    {"console.socket", FH_OPTION_PATH, AT(console.socket),
     .sentence = "UNIX socket to listen on, too (mode 0660); empty: none."},
    {"console.hosts", FH_OPTION_STRINGS, LIST(console.hosts, console.host_count),
     .sentence = "Names under which it may be asked for, besides addresses, localhost and this "
                 "host's own name; any other is refused."},
    {"console.assets", FH_OPTION_PATH, AT(console.assets), .text = "/usr/share/firehosed/console",
     .sentence = "Directory with the page, read at start."},
    {"console.maps", FH_OPTION_BOOL, AT(console.maps),
     .sentence = "Fetch the images of floors from the service's map API and keep them in memory."},
    {"console.device_ids", FH_OPTION_BOOL, AT(console.device_ids),
     .sentence = "Show the device ids of the service instead of ones that mean nothing outside the "
                 "page. Names, user ids, e-mail, phone and MAC addresses are never shown."},

    {"sinks.name", FH_OPTION_STRING, SINK(name), .required = true, .example = "name = \"archive\";",
     .sentence = "Name of the sink, unique; letters, digits, dot, dash, underscore."},
    {"sinks.type", FH_OPTION_NAME, SINK(type), .required = true, .choices = sink_types,
     .example = "type = \"file\";", .sentence = "Kind of sink."},
    {"sinks.required", FH_OPTION_BOOL, SINK(required), .number = 1,
     .sentence = "Whether the node counts as ill when this sink fails, and whether the checkpoint "
                 "and the database wait for it; what an optional sink misses while the database is "
                 "short of room is dropped for it and counted."},
    {"sinks.event_types", FH_OPTION_STRINGS, SINK_LIST(event_types, event_type_count),
     .example = "event_types = ( \"DEVICE_LOCATION_UPDATE\" );",
     .sentence = "Only records of these types; an empty list: all. FIREHOSED_GAP, the declaration "
                 "of a gap, always passes."},
    {"sinks.tenants", FH_OPTION_STRINGS, SINK_LIST(tenants, tenant_count),
     .sentence = "Only records of these tenants (spacesTenantId); an empty list: all."},
    {"sinks.locations", FH_OPTION_STRINGS, SINK_LIST(locations, location_count),
     .sentence = "Only records from these locations: ids of any level, a building includes its "
                 "floors; an empty list: all."},
    {"sinks.include", FH_OPTION_STRINGS, SINK_LIST(include, include_count),
     .example = "include = ( \"deviceLocationUpdate.location\" );",
     .sentence = "Fields to keep, as paths with dots, with all below them; recordUid, eventType, "
                 "recordTimestamp and spacesTenantId are always kept; an empty list: every field."},
    {"sinks.drop", FH_OPTION_STRINGS, SINK_LIST(drop, drop_count),
     .example = "drop = ( \"deviceLocationUpdate.device.macAddress\", \"*.device.email\" );",
     .sentence = "Fields to leave out, as paths with dots; a * stands for any one name. Keep no "
                 "more personal data than is needed."},
    {"sinks.envelope", FH_OPTION_BOOL, SINK(envelope),
     .sentence = "Add \"_firehosed\": {\"node\", \"replica\", \"epoch\"} to each record."},

    {"sinks.directory", FH_OPTION_PATH, SINK(directory), .types = "file", .needed = true,
     .example = "directory = \"/var/lib/firehosed/events\";",
     .sentence = "Directory the files are written to."},
    {"sinks.roll_seconds", FH_OPTION_INTEGER, SINK(roll_seconds), BETWEEN(1, 86400, 10),
     .types = "file", .reloadable = true, .sentence = "Age at which a file is published."},
    {"sinks.roll_bytes", FH_OPTION_SIZE, SINK(roll_bytes), BETWEEN(4 * KIB, TIB, 256 * MIB),
     .types = "file", .reloadable = true,
     .sentence = "Size at which a file is published, before compression."},
    {"sinks.compression", FH_OPTION_CHOICE, SINK(compression), .choices = compressions,
     .types = "file", .sentence = "Compression of what is written."},
    {"sinks.zstd_level", FH_OPTION_INTEGER, SINK(zstd_level), BETWEEN(1, 19, 3), .types = "file",
     .sentence = "Level of zstd."},
    {"sinks.keep_hours", FH_OPTION_INTEGER, SINK(keep_hours), BETWEEN(0, 876000, 0),
     .types = "file", .reloadable = true,
     .sentence = "Published files older than this are removed; 0: kept for ever."},
    {"sinks.keep_bytes", FH_OPTION_SIZE, SINK(keep_bytes), BETWEEN(0, 1024 * TIB, 0),
     .types = "file", .reloadable = true,
     .sentence = "When the published files take more, the oldest are removed; 0: no limit."},
    {"sinks.owner", FH_OPTION_STRING, SINK(owner), .types = "file",
     .sentence = "User published files belong to; needs the right to give files away; empty: the "
                 "daemon's."},
    {"sinks.group", FH_OPTION_STRING, SINK(group), .types = "file",
     .sentence = "Group published files belong to, one the daemon is a member of; empty: the "
                 "daemon's."},
    {"sinks.mode", FH_OPTION_STRING, SINK(mode), .text = "0640", .types = "file",
     .sentence = "Permissions of published files, octal."},

    {"sinks.batch_records", FH_OPTION_INTEGER, SINK(batch_records), BETWEEN(1, 100000, 1000),
     .types = SENDERS, .reloadable = true, .sentence = "Records sent together, at most."},
    {"sinks.batch_ms", FH_OPTION_INTEGER, SINK(batch_ms), BETWEEN(1, 60000, 100), .types = SENDERS,
     .reloadable = true, .sentence = "Longest wait for a batch to fill."},
    {"sinks.timeout_ms", FH_OPTION_INTEGER, SINK(timeout_ms), BETWEEN(100, 300000, 10000),
     .types = SENDERS, .reloadable = true,
     .sentence =
         "Longest wait for one answer of the far side; command: the time its program has to "
         "end; zeromq: pub waits no longer for a first subscriber, nor at its end, push and "
         "dealer wait for their consumers as long as it takes."},

    {"sinks.url", FH_OPTION_STRING, SINK(url), .url = true, .types = "webhook", .needed = true,
     .example = "url = \"https://events.example/in\";",
     .sentence = "Where batches are posted to; https, or http to this host itself."},
    {"sinks.servers", FH_OPTION_STRINGS, SINK_LIST(servers, server_count),
     .types = "kafka nats mqtt", .needed = true,
     .example = "servers = ( \"broker.example:9092\" );",
     .sentence = "Where the engine is: kafka HOST:PORT, nats nats://HOST:PORT or tls://HOST:PORT, "
                 "mqtt mqtt://HOST:PORT or mqtts://HOST:PORT; several are tried in turn."},
    {"sinks.ca_file", FH_OPTION_PATH, SINK(ca_file), .types = "webhook nats mqtt",
     .sentence = "PEM file of the authorities that may vouch for the far side; empty: the "
                 "system's."},
    {"sinks.cert_file", FH_OPTION_PATH, SINK(cert_file), .types = "webhook nats mqtt",
     .sentence = "PEM file of our certificate, when the far side asks for one."},
    {"sinks.key_file", FH_OPTION_PATH, SINK(key_file), .types = "webhook nats mqtt",
     .sentence = "PEM file of the certificate's key."},
    {"sinks.user", FH_OPTION_STRING, SINK(user), .types = "webhook kafka nats mqtt",
     .sentence = "User at the far side; kafka: sasl.username."},
    {"sinks.password_file", FH_OPTION_PATH, SINK(password_file), .types = "webhook kafka nats mqtt",
     .sentence = "File with the user's password, readable by its owner only; kafka: "
                 "sasl.password."},

    {"sinks.token_file", FH_OPTION_PATH, SINK(token_file), .types = "webhook nats",
     .sentence = "File with a token, readable by its owner only; webhook: sent as Authorization: "
                 "Bearer."},
    {"sinks.headers", FH_OPTION_STRINGS, SINK_LIST(headers, header_count), .types = "webhook",
     .example = "headers = ( \"X-Site: north\" );", .sentence = "Headers of each request."},
    {"sinks.concurrency", FH_OPTION_INTEGER, SINK(concurrency), BETWEEN(1, 64, 4),
     .types = "webhook",
     .sentence = "Requests under way at a time; the records of one device never overtake each "
                 "other."},
    {"sinks.body", FH_OPTION_CHOICE, SINK(body), .choices = bodies, .types = "webhook",
     .sentence = "A record per line, or one JSON array."},

    {"sinks.pattern", FH_OPTION_CHOICE, SINK(pattern), .choices = patterns, .types = "zeromq",
     .sentence = "push: each record to one of those connected (PULL sockets), waiting for room; "
                 "dealer: the same to DEALER sockets, which confirm each record; pub: to all who "
                 "subscribed to its type (SUB sockets), dropped where there is no room."},
    {"sinks.listen", FH_OPTION_STRING, SINK(listen), .types = "zeromq", .needed = true,
     .example = "listen = \"tcp://0.0.0.0:5580\";",
     .sentence = "Address downstream programs connect to, on each node its own: tcp://ADDRESS:PORT "
                 "or ipc://PATH."},
    {"sinks.secret_key_file", FH_OPTION_PATH, SINK(secret_key_file), .types = "zeromq",
     .sentence = "Secret CURVE key of the socket (firehosectl keygen), readable by its owner only; "
                 "empty: in clear, allowed on this host only."},
    {"sinks.client_keys", FH_OPTION_STRINGS, SINK_LIST(client_keys, client_key_count),
     .types = "zeromq",
     .sentence = "Public keys of the programs that may connect; no other is accepted."},
    {"sinks.high_water", FH_OPTION_INTEGER, SINK(high_water), BETWEEN(1, 10000000, 10000),
     .types = "zeromq", .sentence = "Records waiting in memory for each connection, at most."},

    {"sinks.command", FH_OPTION_STRINGS, SINK_LIST(command, command_count), .types = "command",
     .needed = true, .example = "command = ( \"/usr/local/bin/consume\", \"--site\", \"7\" );",
     .sentence = "Program, by its absolute path, and its arguments; no shell is involved. It reads "
                 "a record per line from its standard input."},
    {"sinks.acknowledge", FH_OPTION_CHOICE, SINK(acknowledge), .choices = acknowledgements,
     .types = "command",
     .sentence = "none: what the pipe has taken counts as delivered; lines: the program writes "
                 "\"ok N\" to its standard output when it is done with the first N records, "
                 "counted from its start."},

    {"sinks.topic", FH_OPTION_STRING, SINK(topic), .types = "kafka nats mqtt",
     .sentence = "Topic (nats: subject), a pattern with {tenant}, {type}, {device} and {location}; "
                 "empty: kafka firehose, nats firehose.{tenant}.{type}, mqtt "
                 "firehose/{tenant}/{type}."},
    {"sinks.transactional_id", FH_OPTION_STRING, SINK(transactional_id), .types = "kafka",
     .sentence = "The same on both nodes and nowhere else: by it the cluster fences the node that "
                 "is no longer primary; empty: firehosed- and the name of the sink."},
    {"sinks.properties", FH_OPTION_STRINGS, SINK_LIST(properties, property_count), .types = "kafka",
     .example = "properties = ( \"security.protocol=SASL_SSL\", \"sasl.mechanisms=PLAIN\" );",
     .sentence = "Settings of librdkafka by name, NAME=VALUE; those the promise rests upon cannot "
                 "be changed."},
    {"sinks.stream", FH_OPTION_STRING, SINK(stream), .text = "FIREHOSE", .types = "nats",
     .sentence = "Stream of JetStream the subjects belong to."},
    {"sinks.stream_replicas", FH_OPTION_INTEGER, SINK(stream_replicas), BETWEEN(0, 5, 0),
     .types = "nats",
     .sentence = "Make the stream with so many copies when it is not there; 0: it must be there."},
    {"sinks.duplicate_window_seconds", FH_OPTION_INTEGER, SINK(duplicate_window_seconds),
     BETWEEN(1, 604800, 7200), .types = "nats",
     .sentence = "How long the stream recognises duplicates, which is what the promise rests upon: "
                 "so long in a stream we make, and at least so long in one that is there."},
    {"sinks.credentials_file", FH_OPTION_PATH, SINK(credentials_file), .types = "nats",
     .sentence = "File with the user's JWT and NKey seed, readable by its owner only."},
    {"sinks.client_id", FH_OPTION_STRING, SINK(client_id), .types = "mqtt",
     .sentence = "The same on both nodes and nowhere else: by it the broker ends the connection of "
                 "the node that is no longer primary; empty: firehosed- and the name of the sink."},
    {"sinks.retain_position", FH_OPTION_BOOL, SINK(retain_position), .types = "mqtt",
     .sentence = "Also keep the last DEVICE_LOCATION_UPDATE of each device as a retained message."},
    {"sinks.position_topic", FH_OPTION_STRING, SINK(position_topic), .types = "mqtt",
     .text = "firehose/{tenant}/position/{device}",
     .sentence = "Topic of the retained ones, a pattern that has {device}."},
};
const size_t fh_option_count = FH_ARRAY_LEN(fh_options);

_Static_assert(FH_ARRAY_LEN(fh_options) <= FH_OPTIONS_MAX, "raise FH_OPTIONS_MAX");
_Static_assert(FH_ARRAY_LEN(fh_sections) <= FH_SECTIONS_MAX, "raise FH_SECTIONS_MAX");
