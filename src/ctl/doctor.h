/* doctor.h: what the parts of "firehosectl doctor" share: findings, judgements without I/O, and the
 * examinations. Each examination ends by itself within a few seconds, changes nothing, takes no
 * event from the pair, and never puts a secret into a finding. */
#ifndef FH_CTL_DOCTOR_H
#define FH_CTL_DOCTOR_H

#include "fh/buf.h"
#include "fh/config.h"
#include "fh/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FH_DOCTOR_LINES      96
#define FH_DOCTOR_TIMEOUT_MS 5000 /* of one step over the network */

enum fh_doctor_result { FH_DOCTOR_OK, FH_DOCTOR_WARN, FH_DOCTOR_FAIL };

struct fh_doctor_line {
    enum fh_doctor_result result;
    char check[16];
    char text[768];
};

struct fh_doctor_report {
    size_t count;
    struct fh_doctor_line line[FH_DOCTOR_LINES];
};

/* ---- doctor.c: no I/O ------------------------------------------------------------------------
 */

/* One finding: what, where, what to do. Control characters are taken out; beyond FH_DOCTOR_LINES
 * the last line says that there was more. */
void fh_doctor_say(struct fh_doctor_report *report, enum fh_doctor_result result, const char *check,
                   const char *format, ...) FH_PRINTF(4, 5);
bool fh_doctor_healthy(const struct fh_doctor_report *report); /* nothing failed */
int fh_doctor_text(const struct fh_doctor_report *report, struct fh_buf *into);
/* {"ok":true,"checks":[{"check":"dns","result":"ok","text":"..."}]}; NULL when out of memory. */
cJSON *fh_doctor_json(const struct fh_doctor_report *report);

/* The service's Date, of whole seconds, came with an answer to a question put at asked_ms; it was
 * read at answered_ms. Both of this host's clock. */
void fh_doctor_clock(struct fh_doctor_report *report, int64_t asked_ms, int64_t answered_ms,
                     int64_t date_ms);
/* When the certificate ends, seconds since 1970; -1: not known. */
void fh_doctor_certificate(struct fh_doctor_report *report, int64_t now_s, int64_t ends_s);
/* What a request for the stream came to: result and sentence of fh_source_preview. */
void fh_doctor_key(struct fh_doctor_report *report, bool connected, bool pair, int64_t replica,
                   int result, const char *sentence);
/* A replica the pair does not read: 1 to 3, or 0 when none is certain. peer: NULL = not known. */
int64_t fh_doctor_spare_replica(const struct fh_config *own, const struct fh_config *peer);
/* What does not fit together. public_key: this node's, "" when not known. */
void fh_doctor_compare(struct fh_doctor_report *report, const struct fh_config *own,
                       const struct fh_config *peer, const char *public_key);
/* A file that only its owner may read: judged by its mode and whether the service can (0 or
 * negative errno). */
void fh_doctor_secret(struct fh_doctor_report *report, const char *option, const char *path,
                      const struct stat *st, int readable, const char *user);
/* The name of a file system that lies on another host, NULL for others; type: statfs.f_type. */
const char *fh_doctor_network_fs(int64_t type);
/* used: what the database takes already. */
void fh_doctor_space(struct fh_doctor_report *report, const char *path, int64_t free_bytes,
                     int64_t used, int64_t size_limit);
/* Receivers, sinks and peer as the running daemon tells them (its status document). Returns whether
 * the peer is certain to be there and to accept us. */
bool fh_doctor_status(struct fh_doctor_report *report, const cJSON *status);
/* Whether the running daemon has what is in the file at path, last modified at mtime_ms. */
void fh_doctor_in_force(struct fh_doctor_report *report, const cJSON *status, const char *path,
                        int64_t mtime_ms);

/* ---- doctor_sandbox.c: no I/O ----------------------------------------------------------------
 */

#define FH_DOCTOR_RULES 96
#define FH_DOCTOR_WHY   48

enum fh_doctor_rule_kind {
    FH_DOCTOR_WRITABLE,
    FH_DOCTOR_READ_ONLY,
    FH_DOCTOR_HIDDEN,  /* nobody sees what is below */
    FH_DOCTOR_PRIVATE, /* the daemon sees one of its own */
};

/* What the unit says of everything below a path (systemd.exec(5)). */
struct fh_doctor_rule {
    enum fh_doctor_rule_kind kind;
    char path[FH_PATH_MAX];
    char why[FH_DOCTOR_WHY]; /* the property */
    bool needed;             /* without the path the unit does not start */
};

struct fh_doctor_unit {
    char name[96];  /* firehosed.service */
    bool loaded;    /* systemd knows it */
    bool changed;   /* its files are newer than what systemd knows */
    bool uncertain; /* it has what is not followed here: a root of its own, binds */
    char active[16], sub[24], result[24], enabled[24]; /* as systemd names them; "": not told */
    size_t rules;
    struct fh_doctor_rule rule[FH_DOCTOR_RULES];
};

/* Where the daemon writes. real: path without symbolic links, as far as it is there. */
struct fh_doctor_place {
    const char *what, *path, *real;
    const char *user; /* whose it has to be */
    bool missing;
};

/* What "systemctl show" is to be asked for, separated by commas; and its answer, NAME=VALUE a line.
 * unit: with a name, else zero. */
extern const char *const fh_doctor_unit_properties;
void fh_doctor_unit_read(struct fh_doctor_unit *unit, const char *text);
/* What systemd knows of the daemon's coming and going, when that is not as it should be. answers:
 * the daemon does. */
void fh_doctor_unit_state(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                          bool answers);
/* Whether the unit lets the daemon write there; says why not and what to do. */
bool fh_doctor_sandbox(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                       const struct fh_doctor_place *place);
/* A path that is needed is not there. */
void fh_doctor_rule_missing(struct fh_doctor_report *report, const struct fh_doctor_unit *unit,
                            const struct fh_doctor_rule *rule, const char *user);
/* path is the directory or below it. */
bool fh_doctor_below(const char *path, const char *directory);

/* ---- the examinations ------------------------------------------------------------------------
 */

struct fh_doctor_user {
    char name[64];
    uid_t uid;
    gid_t gid;
};

struct fh_doctor {
    struct fh_doctor_report *report;
    const struct fh_config *config;
    const struct fh_config *peer; /* NULL: not given */
    const char *config_path;
    struct fh_doctor_user service; /* whom the daemon runs as */
    bool stranger;                 /* who asks is neither root nor that user */
    bool listens;                  /* the daemon runs, so that its port is taken by it */
    char instance[64];             /* of the unit: the name of the configuration file */
    bool of_unit;                  /* the configuration lies where the unit reads it */
    char secret_key[FH_PAIR_KEY_MAX];
    char public_key[FH_PAIR_KEY_MAX]; /* "": not known */
};

/* doctor_service.c: DNS, TCP, TLS, clock; the key. */
void fh_doctor_service(struct fh_doctor *doctor);
/* A connection to HOST:PORT and no more. 0, or negative errno with a sentence. */
int fh_doctor_connect(const char *host_port, struct fh_error *err);
/* doctor_peer.c: peer and arbiter. */
void fh_doctor_own_key(struct fh_doctor *doctor);
void fh_doctor_peer(struct fh_doctor *doctor);
void fh_doctor_arbiter(struct fh_doctor *doctor);
/* doctor_etcd.c */
void fh_doctor_etcd(struct fh_doctor *doctor);
/* doctor_host.c: secrets, disk, directories of sinks. */
void fh_doctor_host(struct fh_doctor *doctor);
/* Up to what is there. */
void fh_doctor_nearest(const char *path, char *into, size_t size);
/* doctor_unit.c: whether the service's unit lets the daemon write where it has to. */
void fh_doctor_unit(struct fh_doctor *doctor);
/* An empty option means a credential of the service; where root keeps it, if it can be seen. */
bool fh_doctor_credential(const struct fh_doctor *doctor, const char *name, char *path,
                          size_t size);
/* As the service's user: 0 or negative errno. mode as for access(2). */
int fh_doctor_access(const struct fh_doctor_user *user, const char *path, int mode);

#endif
