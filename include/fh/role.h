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

#endif
