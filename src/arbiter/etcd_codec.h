/* etcd_codec.h: what is asked of etcd's JSON gateway and what it answers, and whether what stands
 * there lets a node have the lease. Pure.
 *
 * Two keys per pair, each holding {"node":"a","key":"<public key>","epoch":"5","released":false}
 * and, where nodes have it noted, "stint":"3","before":false,"other":false (alone.h; who does not
 * know that leaves it out): /firehosed/PAIR/lease  attached to an etcd lease: it is there while
 * somebody may lead /firehosed/PAIR/epoch  stays: the highest epoch granted, and to whom Both
 * change in one transaction, which compares the mod_revision of both with what was read. */
#ifndef FH_ARBITER_ETCD_CODEC_H
#define FH_ARBITER_ETCD_CODEC_H

#include "alone.h"

#include "fh/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FH_ETCD_ANSWER_MAX ((size_t)64 * 1024)
#define FH_ETCD_TOKEN_MAX  2048
#define FH_ETCD_EPOCH_MAX  (UINT64_MAX / 2)

struct fh_etcd_record {
    char node[32];
    char mark[41]; /* the node's public key: what counts, the name is for people */
    uint64_t epoch;
    bool released;
    struct fh_alone_note alone;
};

struct fh_etcd_entry {
    bool present;
    int64_t mod_revision; /* 0 when not present, which etcd compares alike */
    int64_t lease;        /* the etcd lease it is attached to, 0: none */
    struct fh_etcd_record record;
};

/* What stands under the two keys. */
struct fh_etcd_view {
    struct fh_etcd_entry lease;
    struct fh_etcd_entry epoch;
};

struct fh_etcd_answer {
    bool succeeded;           /* transaction: all comparisons held */
    bool has_view;            /* transaction: two ranges came back */
    struct fh_etcd_view view; /* with has_view */
    int64_t lease_id;         /* lease/grant, lease/keepalive */
    int64_t ttl_s;            /* 0: the lease is gone */
    char token[FH_ETCD_TOKEN_MAX];
    int code;        /* gRPC code of an error, 0: none */
    char error[120]; /* its text, printable */
};

enum fh_etcd_verdict { FH_ETCD_MAY, FH_ETCD_HELD, FH_ETCD_OLD, FH_ETCD_ALONE };

/* 0, or -EBADMSG when it is no JSON of this shape, or a key holds something else than a record. */
int fh_etcd_parse(const char *text, size_t len, struct fh_etcd_answer *answer);
/* May the node with this mark have the lease under this epoch, by what was read and by what it
 * claims?
 */
enum fh_etcd_verdict fh_etcd_judge(const struct fh_etcd_view *view, const char *mark,
                                   uint64_t epoch, const struct fh_alone_claim *claim);
/* What is to be noted with that lease. */
struct fh_alone_note fh_etcd_note(const struct fh_etcd_view *view, const char *mark, uint64_t epoch,
                                  const struct fh_alone_claim *claim);
/* Is the lease this node's, under this epoch and this etcd lease? */
bool fh_etcd_is_ours(const struct fh_etcd_view *view, const char *mark, uint64_t epoch,
                     int64_t lease);

/* Bodies, appended; prefix is "/firehosed/PAIR/". 0, -ENOMEM or -ENOBUFS. */
int fh_etcd_read_body(struct fh_buf *into, const char *prefix);
/* Put the record under both keys, the first attached to lease, if both are still as in view. */
int fh_etcd_grant_body(struct fh_buf *into, const char *prefix, const struct fh_etcd_view *view,
                       const struct fh_etcd_record *record, int64_t lease);
/* Delete the lease's key and note the epoch as released, and the stint when it is a later one, if
 * both keys are still as in view. */
int fh_etcd_release_body(struct fh_buf *into, const char *prefix, const struct fh_etcd_view *view,
                         uint16_t stint);
int fh_etcd_login_body(struct fh_buf *into, const char *user, const char *password);

#endif
