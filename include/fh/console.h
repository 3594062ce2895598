/* console.h: the page for people: the pair as a picture, rates, sinks, and the space with what
 * moves in it. Read-only; it can order nothing.
 *
 * Owns a web server (web.h), a thread that reads new records from the store (fh_pipeline_read) and
 * keeps a bounded picture of the space, and, with console.maps, a thread for the REST client. What
 * it serves:
 *
 *   GET /              the page; /app.js, /style.css, ...: files of console.assets, read at start
 *   GET /map/ID        image of a floor from the service (404 without console.maps)
 *   GET /events        text/event-stream, for good; with ?floor=ID also "devices" of that floor,
 *                      with ?place=ID "occupancy" of that place (both: ?floor=ID&place=ID)
 *
 * Events on the stream, one JSON object each:
 *   pair     at once and every second: {"now","node","version","channel","paired","protected",
 *            "sync","fenced","maintenance","switching","uptime_ms","lag_ms","dedup_key",
 *            "nodes":[{"node","self","reachable","role","epoch","ready","reason"}] (self first;
 *            the other one also has "last_heard_ms" and "maintenance"),
 *            "paths":[{"address","up","datagrams","rtt_ms"}],
 *            "arbiter":{"type","configured","reachable","holder","lease_ms"},
 *            "receivers":[{"range","state","lag_ms","events","protocol","last_error"}],
 *            "sinks":[{"name","type","promise","required","healthy","delivered","pending",
 *            "refused","last_error"}],
 *            "counters":{"received","duplicates","quarantined","delivered","gaps","types":{}},
 *            "store":{"bytes_used","size_limit","events","oldest_pending_age_ms"},
 *            "transitions":[{"wall_ms","from","to","epoch","reason","evidence"}]}
 *   history  at once: {"step_s":5,"to":ms,"received":[],"delivered":[],"lag_ms":[],"pending":[]}:
 *            the last hour, oldest first, 720 values at most, null where nothing is known; rates in
 *            events/s
 *   sample   every 5 s: {"at":ms,"received","delivered","lag_ms","pending"}
 *   space    at once and when it changed, at most every 2 s: {"locations":[{"id","parent","name",
 *            "level","devices","present","camera"}],"dropped":n,"devices_dropped":n,"skipped":n,
 *            "graphless":n}:
 *            parent null at the top; level "ROOT", "NETWORK", "CAMPUS", "BUILDING", "FLOOR",
 *            "ZONE" or ""; devices: last DEVICE_COUNT, or when there is none the devices seen
 *            there in the last 5 minutes and the sum of what lies in it; present (users, else
 *            devices) and camera (the service's sum, else that of cameras and TelePresence
 *            devices) null when nothing said so; at most 2,000 locations. What there was no room
 *            for is counted: locations, devices, records that went by unread, and places of whose
 *            last hour nothing is kept
 *   occupancy  at once and every 10 s, only ?place=: {"place":"ID","full":true|false,"step_s":10,
 *            "to":ms,"devices":[],"present":[],"camera":[]}: these numbers of that place over the
 *            last hour, oldest first, 360 values at most, null where nothing is known: full at
 *            first, then one more. Kept of 512 floors, buildings and what these lie in; of a zone,
 *            and of what there is no room for, full is empty and nothing follows
 *   devices  twice a second, only ?floor=: {"floor":"ID","full":true|false,"map":{"id","width",
 *            "length","image":true|false},"devices":[["id",x,y,confidence,age_ms],...],
 *            "gone":["id",...]}: full at first, then what changed; a device not seen for 5 minutes
 *            is gone; at most 5,000 devices a floor and 50,000 in all. Nothing comes while nothing
 *            changes. map: null what is not known; without a size from the service or the records
 *            it reaches as far as devices were seen
 *
 * Personal data: a device is an id made from a key of this process and the record's device id,
 * so it can be followed on the screen and nowhere else; console.device_ids = true shows the
 * service's own device ids. Names, user ids, e-mail, phone and MAC addresses are never read. */
#ifndef FH_CONSOLE_H
#define FH_CONSOLE_H

#include "fh/config.h"
#include "fh/err.h"
#include "fh/pipeline.h"
#include "fh/snapshot.h"

struct fh_console;

/* Any thread; waits for the disk the page lies on. What it answers is handed to the main thread.
 * api_key is used with console.maps only, copied. */
int fh_console_new(const struct fh_config *config, const char *api_key,
                   struct fh_pipeline *pipeline, struct fh_error *err, struct fh_console **ret);
/* Main thread: from now on the service is asked with this key (after a reload). */
void fh_console_use_key(struct fh_console *console, const struct fh_config *config,
                        const char *api_key);
/* Main thread, once a second; copied. */
void fh_console_update(struct fh_console *console, const struct fh_snapshot *snapshot);
/* Before the pipeline's end. NULL allowed. */
void fh_console_free(struct fh_console *console);

#endif
