/* wire.h: the messages of the pair's link, as values and as bytes.
 *
 * One message is one frame, little-endian:
 *     magic u32 | version u8 | type u8 | path u8 | 0 u8 | instance u64 | sequence u64 | body
 * version is the protocol the body is written in. A HELLO begins with fields that keep their place
 * in every version to come (version range, role, epoch, node name), so that two nodes which cannot
 * talk can still tell each other why, and who leads. In a HELLO of a newer version bytes behind
 * those we know are ignored; everywhere else trailing bytes are an error.
 *
 * Version 2 appends to the state of a node: beats and promises (see fsm.h), the hand-over, flags
 * for maintenance and patience, and digests of what it received. A node that speaks 2 says HELLO
 * in a form that 1 understands, and everything else in the highest version both speak. Flags that
 * came later than version 2 itself (datagrams, the key that records are known by) stand in bits
 * that its first readers pass over.
 *
 * Pure: no clock, I/O or allocation. */
#ifndef FH_HA_WIRE_H
#define FH_HA_WIRE_H

#include "fh/event.h"
#include "fh/partition.h"
#include "fh/report.h"
#include "fh/role.h"

#include "replica.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FH_WIRE_MAGIC       0x4c504846u /* "FHPL" */
#define FH_WIRE_VERSION_MIN 1u
#define FH_WIRE_VERSION_MAX 2u
#define FH_WIRE_EPOCH_MAX   ((uint64_t)1 << 62)
#define FH_WIRE_NODE_MAX    32 /* with NUL */
#define FH_WIRE_PATHS_MAX   8
#define FH_WIRE_SMALL_MAX   1024 /* any message but REPORT and OFFER fits */
#define FH_WIRE_REPORT_HEAD 48   /* a REPORT is this and its bytes */
/* 16 bytes a key and a head that stays below 4 KiB */
#define FH_WIRE_REPORT_MAX (FH_REPORT_KEYS_MAX * 16u + 4096u)
#define FH_WIRE_OFFER_MAX  FH_WIRE_REPORT_MAX

enum fh_wire_type {
    FH_WIRE_HELLO = 1,
    FH_WIRE_HEARTBEAT = 2,
    FH_WIRE_REPORT = 3,
    FH_WIRE_CONFIRM = 4,
    FH_WIRE_WANT = 5,
    FH_WIRE_ANSWERED = 6, /* end of the answer to a WANT */
    FH_WIRE_GOODBYE = 7,
    FH_WIRE_SAMPLE = 8, /* version 2; who does not know it passes over it */
    FH_WIRE_ECHO = 9,   /* the same: how long the way there and back takes */
    FH_WIRE_OFFER = 10, /* the same: records the receiver seems not to have received */
};

/* What a node says of itself in every HELLO and HEARTBEAT. */
struct fh_wire_state {
    enum fh_role role;
    uint64_t epoch;    /* persisted */
    bool last_primary; /* was primary in it */
    bool ready;        /* standby: covers everything from the primary's checkpoint on */
    bool streams_live;
    bool sinks_healthy;
    bool applied_final;   /* nothing of the peer's is on its way into the store: report_applied is
                             the last word on what an earlier process of the peer had sent */
    uint8_t heard_paths;  /* bit per path of the receiver over which it was heard lately */
    uint64_t echo;        /* instance whose HELLO was accepted, 0 = none: "I know you" */
    uint64_t report_last; /* own highest number */
    uint64_t report_applied; /* the receiver's reports held durably up to here ... */
    uint64_t report_store;   /* ... counted in the store of this id */
    struct fh_checkpoint received, delivered, covered_from;

    /* since version 2; zero in version 1 */
    bool maintenance;     /* never promotes */
    uint8_t dedup_key;    /* enum fh_dedup_key in force + 1; 0: not said */
    bool patient;         /* does not promote because it hears nobody: it wants proof */
    bool yield_automatic; /* the hand-over is nobody's order */
    uint64_t yield_epoch; /* delivery of this own epoch has ended so that the receiver takes over */
    uint64_t beat;        /* counts the states this instance sent */
    uint64_t beat_heard;  /* the receiver's latest beat that was heard ... */
    uint64_t promise_epoch; /* ... as a leader of this epoch, which it follows ... */
    uint32_t promise_ms;    /* ... for so long since it heard that beat: it will not lead itself */
    bool datagrams;         /* takes heartbeats as datagrams, too (seal.h) */
    uint8_t datagram_paths; /* bit per path of the receiver over which they came lately */
    struct fh_replica_minutes minutes;
};

struct fh_wire_hello {
    uint8_t version_min, version_max;
    char node[FH_WIRE_NODE_MAX];
    uint64_t store_id;
    int64_t replica_id;
    bool preferred;
    uint16_t partitions; /* bit per partition the node reads */
    bool complete; /* false: of a version we do not know; only the version range, node, state.role
                      and state.epoch are filled */
    struct fh_wire_state state;
};

struct fh_wire_report {
    uint64_t previous; /* everything between it and number does not concern the receiver */
    uint64_t number;
    struct fh_slice bytes; /* report.h encoding; points into the frame */
};

struct fh_wire_message {
    uint8_t version;
    enum fh_wire_type type;
    uint8_t path;      /* index of the sender's connection it went out by */
    uint64_t instance; /* random per process */
    uint64_t sequence; /* counts the messages of the instance, 1.. */
    union {
        struct fh_wire_hello hello;
        struct fh_wire_state heartbeat;
        struct fh_wire_report report;
        struct fh_replica_slice sample;
        struct fh_slice offer; /* records, each with its newline; points into the frame */
        struct {
            uint64_t token; /* the asker's own; comes back as it is */
            uint8_t path;   /* the asker's that is measured */
            bool answer;
        } echo;
        struct {
            uint64_t store_id, number;
        } confirm;
        struct {
            uint64_t store_id, from;
            int64_t min_timestamp_ms;
        } want;
        struct {
            uint64_t previous, through;
        } answered;
    } u;
};

/* Bytes the encoding takes. */
size_t fh_wire_size(const struct fh_wire_message *message);
/* -ENOBUFS when it does not fit into size; else the length. */
int fh_wire_encode(const struct fh_wire_message *message, void *bytes, size_t size);
/* -EBADMSG: not ours, cut short or with bytes behind. -EPROTONOSUPPORT: of a version outside
 * ours (never for a HELLO). Whatever decodes is in range: enumerations, lengths, NUL-terminated
 * names. */
int fh_wire_decode(const void *bytes, size_t len, struct fh_wire_message *ret);

#endif
