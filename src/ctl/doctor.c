/* doctor.c: owns the findings of "firehosectl doctor" and every judgement that needs no look
 * outside. Never touches a file, a socket or a clock. */
#include "doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_LIMIT_MS   2000
#define CERTIFICATE_DAYS 14
#define DAY_S            86400
#define MIB              (INT64_C(1) << 20)

/* Not in linux/magic.h of every distribution. */
#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xFE534D42
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00C36400
#endif
#define GFS2_MAGIC_NUMBER  0x01161970
#define FUSE_MAGIC_NUMBER  0x65735546
#define LUSTRE_MAGIC_VALUE 0x0BD00BD0

/* ---- findings ---------------------------------------------------------------------------------
 */

void fh_doctor_say(struct fh_doctor_report *report, enum fh_doctor_result result, const char *check,
                   const char *format, ...)
{
    struct fh_doctor_line *line = &report->line[report->count];
    if (report->count == FH_DOCTOR_LINES) {
        line--;
        if (result == FH_DOCTOR_FAIL) {
            line->result = result;
        }
        snprintf(line->text, sizeof(line->text), "and more than can be shown here");
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(line->text, sizeof(line->text), format, args);
    va_end(args);
    for (char *at = line->text; *at; at++) {
        *at = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
    }
    line->result = result;
    snprintf(line->check, sizeof(line->check), "%s", check);
    report->count++;
}

bool fh_doctor_healthy(const struct fh_doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->line[i].result == FH_DOCTOR_FAIL) {
            return false;
        }
    }
    return true;
}

int fh_doctor_text(const struct fh_doctor_report *report, struct fh_buf *into)
{
    static const char *const words[] = {"ok", "warn", "FAIL"};
    size_t count[3] = {0};
    int r = 0;
    for (size_t i = 0; i < report->count && r == 0; i++) {
        const struct fh_doctor_line *line = &report->line[i];
        count[line->result]++;
        r = fh_buf_printf(into, "%-5s %-11s %s\n", words[line->result], line->check, line->text);
    }
    return r < 0 ? r
                 : fh_buf_printf(into, "%zu ok, %zu to look at, %zu failed\n", count[0], count[1],
                                 count[2]);
}

cJSON *fh_doctor_json(const struct fh_doctor_report *report)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    cJSON *root = cJSON_CreateObject();
    cJSON_AddBoolToObject(root, "ok", fh_doctor_healthy(report));
    cJSON *list = cJSON_AddArrayToObject(root, "checks");
    for (size_t i = 0; list && i < report->count; i++) {
        const struct fh_doctor_line *line = &report->line[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "check", line->check);
        cJSON_AddStringToObject(row, "result", words[line->result]);
        cJSON_AddStringToObject(row, "text", line->text);
        cJSON_AddItemToArray(list, row);
    }
    return root;
}

/* ---- the service ------------------------------------------------------------------------------
 */

/* The service's clock lay in [date, date + 1 s) at some moment in [asked, answered]: what is
 * certain of the difference is the least it can have been. */
void fh_doctor_clock(struct fh_doctor_report *report, int64_t asked_ms, int64_t answered_ms,
                     int64_t date_ms)
{
    int64_t ahead = asked_ms - (date_ms + 999);
    int64_t behind = date_ms - answered_ms;
    int64_t apart = ahead > behind ? ahead : behind;
    if (apart > CLOCK_LIMIT_MS) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "clock",
                      "this host's clock is %" PRId64 ".%" PRId64 " s %s the service's; lags and "
                      "time stamps will be wrong by that: let chrony or systemd-timesyncd set it",
                      apart / 1000, apart % 1000 / 100, ahead > behind ? "ahead of" : "behind");
        return;
    }
    fh_doctor_say(report, FH_DOCTOR_OK, "clock", "within %d s of the service's",
                  CLOCK_LIMIT_MS / 1000);
}

void fh_doctor_certificate(struct fh_doctor_report *report, int64_t now_s, int64_t ends_s)
{
    int64_t days = (ends_s - now_s) / DAY_S;
    if (ends_s < 0) {
        fh_doctor_say(report, FH_DOCTOR_OK, "tls", "the service's certificate is good");
    } else if (ends_s <= now_s) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "tls",
                      "the service's certificate has expired, or this host's clock is wrong");
    } else if (days < CERTIFICATE_DAYS) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "tls",
                      "the service's certificate is good, but ends in %" PRId64
                      " days: its operator has to renew it",
                      days);
    } else {
        fh_doctor_say(report, FH_DOCTOR_OK, "tls",
                      "the service's certificate is good for another %" PRId64 " days", days);
    }
}

/* The sentences are those of the receivers, which operators know from the journal. */
void fh_doctor_key(struct fh_doctor_report *report, bool connected, bool pair, int64_t replica,
                   int result, const char *sentence)
{
    if (connected) {
        fh_doctor_say(report, FH_DOCTOR_OK, "key", "accepted by the service");
        fh_doctor_say(report, FH_DOCTOR_OK, "channel",
                      "granted (tried on replica %" PRId64 ", which no node reads)", replica);
    } else if (strstr(sentence, "answered with 401") || strstr(sentence, "UNAUTHENTICATED")) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "key", "%s", sentence);
    } else if (strstr(sentence, "answered with 403") || strstr(sentence, "PERMISSION_DENIED")) {
        fh_doctor_say(report, FH_DOCTOR_OK, "key", "known to the service");
        fh_doctor_say(report, FH_DOCTOR_FAIL, "channel", "%s", sentence);
    } else if (strstr(sentence, "answered with 400") || strstr(sentence, "INVALID_ARGUMENT")) {
        /* A cloud activation has one copy of the stream, and says so by refusing the replica. */
        fh_doctor_say(report, pair ? FH_DOCTOR_FAIL : FH_DOCTOR_OK, "key", "%s%s",
                      pair ? "the service takes no replicaId with this key, but each node of a "
                             "pair needs a replica of its own: ask for an on-premise activation: "
                           : "known to the service; its activation has no replicas, so the channel "
                             "was not tried, which would take events: ",
                      sentence);
    } else if (strstr(sentence, "answered with 429") || strstr(sentence, "RESOURCE_EXHAUSTED")) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "key",
                      "known to the service, but there are too many connections: %s", sentence);
    } else {
        fh_doctor_say(report, FH_DOCTOR_FAIL, result == -EACCES ? "channel" : "key", "%s",
                      sentence);
    }
}

int64_t fh_doctor_spare_replica(const struct fh_config *own, const struct fh_config *peer)
{
    /* 0: none is sent, and the service takes its default, which is 0 or 1 by its version. */
    int64_t ours = own->firehose.replica_id > 0 ? own->firehose.replica_id : 1;
    int64_t theirs = peer && peer->firehose.replica_id > 0 ? peer->firehose.replica_id : 0;
    for (int64_t replica = 3; replica >= 1; replica--) {
        /* Of a pair's other node nothing is known; 3 is left free by custom. */
        bool certain = !own->pair.present || peer || replica == 3;
        if (certain && replica != ours && replica != theirs) {
            return replica;
        }
    }
    return 0;
}

/* ---- both configurations ----------------------------------------------------------------------
 */

static void expect_same(struct fh_doctor_report *report, bool same, const char *option)
{
    if (!same) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer-config", "%s has to be the same on both nodes",
                      option);
    }
}

static void expect_other(struct fh_doctor_report *report, bool other, const char *option)
{
    if (!other) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer-config",
                      "%s is the same on both nodes; each needs its own", option);
    }
}

void fh_doctor_compare(struct fh_doctor_report *report, const struct fh_config *own,
                       const struct fh_config *peer, const char *public_key)
{
    size_t before = report->count;
    if (!peer->pair.present) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer-config", "has no section pair");
        return;
    }
    expect_other(report, strcmp(own->node.name, peer->node.name) != 0, "node.name");
    expect_other(report, own->firehose.replica_id != peer->firehose.replica_id,
                 "firehose.replica_id");
    expect_same(report, strcmp(own->firehose.url, peer->firehose.url) == 0, "firehose.url");
    expect_same(report, own->dedup.key == peer->dedup.key, "dedup.key");
    expect_same(report, own->arbiter.type == peer->arbiter.type, "arbiter.type");
    if (own->arbiter.type != FH_ARBITER_NONE) {
        expect_same(report, own->arbiter.ttl_ms == peer->arbiter.ttl_ms, "arbiter.ttl_ms");
    }
    expect_same(report, own->pair.prefer == peer->pair.prefer, "pair.prefer");
    if (own->pair.preferred && peer->pair.preferred) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer-config",
                      "pair.preferred is true on both nodes; only one can be");
    }
    if (public_key[0] && strcmp(peer->pair.peer_public_key, public_key) != 0) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer-config",
                      "its pair.peer_public_key is not this node's key; write \"%s\" there",
                      public_key);
    }
    if (report->count == before) {
        fh_doctor_say(report, FH_DOCTOR_OK, "peer-config",
                      "fits this node's (replica %" PRId64 " there, %" PRId64 " here)",
                      peer->firehose.replica_id, own->firehose.replica_id);
    }
}

/* ---- this host --------------------------------------------------------------------------------
 */

void fh_doctor_secret(struct fh_doctor_report *report, const char *option, const char *path,
                      const struct stat *st, int readable, const char *user)
{
    char text[128];
    if (!S_ISREG(st->st_mode)) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "secrets", "%s: %s is no file", option, path);
    } else if (st->st_mode & (S_IRWXG | S_IRWXO)) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "secrets",
                      "%s: others may read %s (mode %04o), so the daemon refuses it: chmod 0600 %s",
                      option, path, st->st_mode & 07777, path);
    } else if (readable < 0) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "secrets", "%s: %s cannot read %s (%s): chown %s: %s",
                      option, user, path, fh_strerror(readable, text, sizeof(text)), user, path);
    } else {
        fh_doctor_say(report, FH_DOCTOR_OK, "secrets", "%s: %s, its owner's alone", option, path);
    }
}

const char *fh_doctor_network_fs(int64_t type)
{
    switch ((uint32_t)type) {
    case NFS_SUPER_MAGIC:
        return "NFS";
    case SMB_SUPER_MAGIC:
    case (uint32_t)CIFS_SUPER_MAGIC:
    case (uint32_t)SMB2_SUPER_MAGIC:
        return "SMB";
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
        return "AFS";
    case CEPH_SUPER_MAGIC:
        return "CephFS";
    case V9FS_MAGIC:
        return "9P";
    case GFS2_MAGIC_NUMBER:
        return "GFS2";
    case OCFS2_SUPER_MAGIC:
        return "OCFS2";
    case LUSTRE_MAGIC_VALUE:
        return "Lustre";
    case FUSE_MAGIC_NUMBER:
        return "FUSE";
    default:
        return NULL;
    }
}

void fh_doctor_space(struct fh_doctor_report *report, const char *path, int64_t free_bytes,
                     int64_t used, int64_t size_limit)
{
    int64_t left = size_limit > used ? size_limit - used : 0;
    if (free_bytes < 64 * MIB && free_bytes < left) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "disk",
                      "%s: %" PRId64 " MiB free; the database has nowhere to go: make room", path,
                      free_bytes / MIB);
    } else if (free_bytes < left) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "disk",
                      "%s: %" PRId64 " MiB free, but the database may grow by another %" PRId64
                      " MiB: make room, or lower store.size_limit",
                      path, free_bytes / MIB, left / MIB);
    } else {
        fh_doctor_say(report, FH_DOCTOR_OK, "disk",
                      "%s: %" PRId64 " MiB free, %" PRId64 " MiB left to store.size_limit", path,
                      free_bytes / MIB, left / MIB);
    }
}
