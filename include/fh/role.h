/* role.h: the words for what a node is, shared by ha, pipeline, control and daemon. */
#ifndef FH_ROLE_H
#define FH_ROLE_H

enum fh_role {
    FH_ROLE_STARTING = 0, /* looking for the peer, delivers nothing */
    FH_ROLE_STANDBY,      /* receives and stores, delivers nothing */
    FH_ROLE_PROMOTING,    /* persisting its epoch before it acts */
    FH_ROLE_PRIMARY,      /* delivers */
    FH_ROLE_DEMOTING,     /* stopping its sinks before it says it is standby */
    FH_ROLE_COUNT
};

static inline const char *fh_role_name(enum fh_role role)
{
    static const char *const names[FH_ROLE_COUNT] = {"starting", "standby", "promoting", "primary",
                                                     "demoting"};
    return (unsigned)role < FH_ROLE_COUNT ? names[role] : "?";
}

/* Why a node became primary. */
enum fh_promotion {
    FH_PROMOTION_STARTED = 0, /* it was starting: elected, or alone */
    FH_PROMOTION_PEER_GONE,   /* the peer's process is dead: connection refused */
    FH_PROMOTION_PEER_SILENT, /* nothing was heard of the peer */
    FH_PROMOTION_PEER_LEFT,   /* it said goodbye */
    FH_PROMOTION_SWITCHOVER,  /* handed over by an operator's order */
    FH_PROMOTION_HEALTH,      /* handed over because the peer's own health was bad */
    FH_PROMOTION_ELECTED,     /* both were there and neither led */
    FH_PROMOTION_UNPAIRED,    /* the peer is there, but no pair can be formed with it */
    FH_PROMOTION_COUNT
};

static inline const char *fh_promotion_name(enum fh_promotion promotion)
{
    static const char *const names[FH_PROMOTION_COUNT] = {"started",   "peer_gone",  "peer_silent",
                                                          "peer_left", "switchover", "health",
                                                          "elected",   "unpaired"};
    return (unsigned)promotion < FH_PROMOTION_COUNT ? names[promotion] : "?";
}

#endif
