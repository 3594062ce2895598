/* doctor_status.c: owns what the status document of a running daemon means for its health. Members
 * that are missing are left out; never talks to the daemon itself. */
#include "doctor.h"

#include "members.h"

#include <string.h>

static const char *string(const cJSON *object, const char *name)
{
    const cJSON *item = member(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void judge_receivers(struct fh_doctor_report *report, const cJSON *status)
{
    const cJSON *receiver;
    size_t streaming = 0;
    size_t count = 0;
    cJSON_ArrayForEach(receiver, member(status, "receivers"))
    {
        const char *state = string(receiver, "state");
        bool good = strcmp(state, "streaming") == 0 || strcmp(state, "paused") == 0;
        streaming += good;
        count++;
        if (!good) {
            const char *error = string(receiver, "last_error");
            bool refused = strcmp(state, "refused") == 0;
            fh_doctor_say(report, refused ? FH_DOCTOR_FAIL : FH_DOCTOR_WARN, "stream",
                          "partitions %s: %s%s%s", string(receiver, "range"), state,
                          error[0] ? ": " : "", error);
        }
    }
    if (count > 0 && streaming == count) {
        fh_doctor_say(report, FH_DOCTOR_OK, "stream", "all %zu receivers are streaming", count);
    }
}

static void judge_sinks(struct fh_doctor_report *report, const cJSON *status)
{
    const cJSON *sink;
    cJSON_ArrayForEach(sink, member(status, "sinks"))
    {
        bool required = !cJSON_IsFalse(member(sink, "required"));
        if (cJSON_IsFalse(member(sink, "healthy"))) {
            fh_doctor_say(report, required ? FH_DOCTOR_FAIL : FH_DOCTOR_WARN, "sinks",
                          "the daemon says that sink \"%s\" is ill: %s", string(sink, "name"),
                          string(sink, "last_error"));
        }
    }
}

static void judge_paths(struct fh_doctor_report *report, const cJSON *peer)
{
    const cJSON *path;
    cJSON_ArrayForEach(path, member(peer, "paths"))
    {
        const char *address = string(path, "address");
        if (cJSON_IsFalse(member(path, "up"))) {
            fh_doctor_say(report, FH_DOCTOR_WARN, "peer", "%s: this path is down", address);
        } else if (cJSON_IsFalse(member(path, "datagrams"))) {
            fh_doctor_say(report, FH_DOCTOR_WARN, "datagrams",
                          "%s: no heartbeats over UDP; packet loss may be taken for a failure: let "
                          "that UDP port pass the firewalls in both directions",
                          address);
        } else if (cJSON_IsTrue(member(path, "datagrams"))) {
            fh_doctor_say(report, FH_DOCTOR_OK, "datagrams", "%s: heartbeats over UDP arrive",
                          address);
        } /* null: a node has them switched off */
    }
}

/* An order that somebody may have forgotten. */
static void judge_maintenance(struct fh_doctor_report *report, const cJSON *status)
{
    bool own = cJSON_IsTrue(member(status, "maintenance"));
    if (own || cJSON_IsTrue(member(member(status, "peer"), "maintenance"))) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "peer",
                      "%s is in maintenance and does not take over; when the work is done, "
                      "firehosectl maintenance off %s",
                      own ? "this node" : "the other node", own ? "here" : "there");
    }
}

static bool judge_peer(struct fh_doctor_report *report, const cJSON *status)
{
    const cJSON *peer = member(status, "peer");
    if (!cJSON_IsTrue(member(peer, "configured"))) {
        return false;
    }
    if (string(peer, "refused")[0]) {
        fh_doctor_say(report, FH_DOCTOR_FAIL, "peer", "no pair is formed: %s",
                      string(peer, "refused"));
        return true;
    }
    if (!cJSON_IsTrue(member(peer, "reachable"))) {
        return false; /* the examination says why */
    }
    fh_doctor_say(report, FH_DOCTOR_OK, "peer",
                  "node \"%s\" is %s; keys fit, replica and name are another than ours",
                  string(peer, "node"), string(peer, "role"));
    judge_paths(report, peer);
    judge_maintenance(report, status);
    if (cJSON_IsFalse(member(status, "protected"))) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "peer", "the pair is not protected now%s%s",
                      string(status, "sync")[0] ? ": " : "; see firehosectl status",
                      string(status, "sync"));
    }
    return true;
}

void fh_doctor_in_force(struct fh_doctor_report *report, const cJSON *status, const char *path,
                        int64_t mtime_ms)
{
    const cJSON *config = member(status, "config");
    int64_t read_ms = number(config, "mtime_ms", 0);
    if (strcmp(string(config, "file"), path) != 0 || read_ms == 0 || mtime_ms == 0) {
        return; /* another file, or an older daemon */
    }
    if (mtime_ms != read_ms) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "config",
                      "%s was changed after the daemon had read it: systemctl reload takes over "
                      "what can be, and says what needs a restart",
                      path);
    } else if (string(config, "needs_restart")[0]) {
        fh_doctor_say(report, FH_DOCTOR_WARN, "config",
                      "the daemon still has the old values of %s: restart it, the standby first",
                      string(config, "needs_restart"));
    }
}

bool fh_doctor_status(struct fh_doctor_report *report, const cJSON *status)
{
    fh_doctor_say(report, FH_DOCTOR_OK, "daemon", "runs, version %s, node \"%s\", %s%s%s",
                  string(status, "version"), string(status, "node"), string(status, "role"),
                  string(status, "role_reason")[0] ? ": " : "", string(status, "role_reason"));
    judge_receivers(report, status);
    judge_sinks(report, status);
    return judge_peer(report, status);
}
