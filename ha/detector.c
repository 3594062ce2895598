/* detector.c: owns the judgement whether the peer is there. Never acts on it. */
#include "detector.h"

#include <string.h>

void fh_detector_init(struct fh_detector *detector, size_t path_count, int64_t failure_ms)
{
    memset(detector, 0, sizeof(*detector));
    detector->path_count = path_count < FH_WIRE_PATHS_MAX ? path_count : FH_WIRE_PATHS_MAX;
    detector->failure_ms = failure_ms;
}

void fh_detector_path(struct fh_detector *detector, size_t path, enum fh_path_event event)
{
    if (path >= detector->path_count) {
        return;
    }
    detector->path[path].connected = event == FH_PATH_CONNECTED;
    detector->path[path].refused = event == FH_PATH_REFUSED;
}

void fh_detector_inbound(struct fh_detector *detector, size_t connections)
{
    detector->inbound = connections;
}

void fh_detector_heard(struct fh_detector *detector, struct fh_time now, uint8_t their_path,
                       bool new_process)
{
    bool connected = detector->inbound > 0;
    for (size_t i = 0; i < detector->path_count; i++) {
        connected |= detector->path[i].connected;
    }
    if (detector->gone && !connected && !new_process) {
        return; /* left over from a process that is dead */
    }
    detector->last_heard = now;
    detector->departed = false;
    detector->gone = false;
    if (their_path < FH_WIRE_PATHS_MAX) {
        detector->path[their_path].heard = now;
    }
    /* Whoever speaks is not gone; a refusal seen before was of an earlier process, or of a
     * firewall that lets only one direction through. */
    for (size_t i = 0; i < detector->path_count; i++) {
        detector->path[i].refused = false;
    }
}

void fh_detector_datagram(struct fh_detector *detector, struct fh_time now, uint8_t their_path)
{
    if (detector->gone) {
        if (fh_time_diff_ms(now, detector->gone_since) < detector->failure_ms) {
            return;
        }
        detector->gone = false;
        for (size_t i = 0; i < detector->path_count; i++) {
            detector->path[i].refused = false;
        }
    }
    /* A refusal that counts once its connections are closed, too, stays: this may be a leftover. */
    detector->last_heard = now;
    if (their_path < FH_WIRE_PATHS_MAX) {
        detector->path[their_path].datagram_heard = now;
    }
}

void fh_detector_datagram_echoed(struct fh_detector *detector, struct fh_time now, uint8_t paths)
{
    for (size_t i = 0; i < detector->path_count; i++) {
        if (paths & (1u << i)) {
            detector->path[i].datagram_echoed = now;
        }
    }
}

void fh_detector_echoed(struct fh_detector *detector, struct fh_time now, uint8_t heard_paths)
{
    for (size_t i = 0; i < detector->path_count; i++) {
        if (heard_paths & (1u << i)) {
            detector->path[i].echoed = now;
        }
    }
}

void fh_detector_goodbye(struct fh_detector *detector)
{
    detector->departed = true;
}

void fh_detector_stalled(struct fh_detector *detector, struct fh_time now)
{
    if (fh_time_is_set(detector->last_heard)) {
        detector->last_heard = now;
    }
    for (size_t i = 0; i < FH_WIRE_PATHS_MAX; i++) {
        if (fh_time_is_set(detector->path[i].echoed)) {
            detector->path[i].echoed = now;
        }
        if (fh_time_is_set(detector->path[i].heard)) {
            detector->path[i].heard = now;
        }
    }
}

static bool recent(const struct fh_detector *detector, struct fh_time now, struct fh_time when)
{
    return fh_time_is_set(when) && fh_time_diff_ms(now, when) < detector->failure_ms;
}

static enum fh_detector_verdict judge(const struct fh_detector *detector, struct fh_time now)
{
    if (!fh_time_is_set(detector->last_heard)) {
        return FH_PEER_NEVER_HEARD;
    }
    if (detector->departed) {
        return FH_PEER_DEPARTED;
    }
    bool refused = false;
    bool connected = detector->inbound > 0;
    for (size_t i = 0; i < detector->path_count; i++) {
        refused |= detector->path[i].refused;
        connected |= detector->path[i].connected;
    }
    if (detector->gone || (refused && !connected)) {
        return FH_PEER_GONE;
    }
    if (recent(detector, now, detector->last_heard)) {
        return FH_PEER_PRESENT;
    }
    return FH_PEER_SILENT;
}

enum fh_detector_verdict fh_detector_check(struct fh_detector *detector, struct fh_time now,
                                           uint8_t *ret_changed)
{
    enum fh_detector_verdict verdict = judge(detector, now);
    uint8_t changed = 0;
    for (size_t i = 0; i < detector->path_count; i++) {
        bool up = detector->path[i].connected && recent(detector, now, detector->path[i].echoed);
        if (up != detector->path[i].up) {
            detector->path[i].up = up;
            changed = (uint8_t)(changed | (1u << i));
        }
    }
    /* Gone stays gone until something is heard: a listener that is back has not yet said who it
     * is. */
    if (verdict == FH_PEER_GONE && !detector->gone) {
        detector->gone_since = now;
    }
    detector->gone = verdict == FH_PEER_GONE;
    detector->verdict = verdict;
    *ret_changed = changed;
    return verdict;
}

uint8_t fh_detector_heard_paths(const struct fh_detector *detector, struct fh_time now)
{
    uint8_t paths = 0;
    for (size_t i = 0; i < FH_WIRE_PATHS_MAX; i++) {
        if (recent(detector, now, detector->path[i].heard)) {
            paths = (uint8_t)(paths | (1u << i));
        }
    }
    return paths;
}

uint8_t fh_detector_datagram_paths(const struct fh_detector *detector, struct fh_time now)
{
    uint8_t paths = 0;
    for (size_t i = 0; i < FH_WIRE_PATHS_MAX; i++) {
        if (recent(detector, now, detector->path[i].datagram_heard)) {
            paths = (uint8_t)(paths | (1u << i));
        }
    }
    return paths;
}

bool fh_detector_datagrams_arrive(const struct fh_detector *detector, struct fh_time now,
                                  size_t path)
{
    return path < detector->path_count &&
           recent(detector, now, detector->path[path].datagram_echoed);
}
