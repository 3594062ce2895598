/* ha_private.h: what ha.c (the engine), ha_arbiter.c, ha_datagram.c, ha_echo.c, ha_host.c,
 * ha_offer.c and ha_status.c share. */
#ifndef FH_HA_PRIVATE_H
#define FH_HA_PRIVATE_H

#include "fh/ha.h"

#include "fsm.h"
#include "history.h"
#include "link.h"

struct fh_arbiter;

/* An input that came out of a host's callback: the machine takes it when it is done with the one
 * at hand. */
struct pending {
    struct pending *next;
    struct fh_fsm_input input;
    union {
        struct fh_sync_local local;
        struct {
            struct fh_fsm_arbiter_answer answer;
            char holder[FH_WIRE_NODE_MAX];
            char text[200];
        } arbiter;
    } u;
    char bytes[];
};

struct fh_ha {
    struct fh_fsm fsm;
    const struct fh_ha_host *host;
    void *userdata;
    sd_event *event;
    sd_event_source *tick_source;
    uint64_t tick_usec;
    struct fh_link *link;
    uint64_t sequence;
    uint64_t session; /* the peer's process datagrams are sealed for */
    bool started;
    bool stepping;
    struct pending *first_pending, **last_pending;
    size_t pending_count;
    struct fh_time stranger_logged;
    char address[FH_PATHS_MAX][256];
    struct fh_fsm_actions *scratch;
    struct fh_arbiter *arbiter; /* NULL: none configured */
    char arbiter_type[16];
    struct {
        struct fh_time asked_at; /* also the token of the question */
        struct {
            struct fh_time at; /* of the last answer; unset: none */
            int64_t round_trip_us;
        } path[FH_PATHS_MAX];
    } echo;
    struct {
        struct fh_time looked_at;
        struct fh_time sent_at; /* unset: nothing was offered */
        size_t path;
    } offer;
    struct fh_history history;
    unsigned char history_bytes[FH_HISTORY_BYTES_MAX];
};

/* Give the machine an input and perform what it decides. bytes: of an own report. */
void fh_ha_feed(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes);
/* ha_host.c: the same for what the host says; nobody listens any more after fh_ha_stop. */
void fh_ha_from_host(struct fh_ha *ha, const struct fh_fsm_input *input, const void *bytes);

/* ha_datagram.c */
void fh_ha_open_datagrams(struct fh_ha *ha);
/* After a step: seal for whoever the machine knows now. */
void fh_ha_follow_session(struct fh_ha *ha);
void fh_ha_send_datagram(struct fh_ha *ha, struct fh_time now);
void fh_ha_on_datagram(void *userdata, uint8_t path, const void *bytes, size_t len);

/* ha.c: over this path, when it is connected, else over the best; over the best, which it answers.
 */
void fh_ha_send_over(struct fh_ha *ha, size_t path, struct fh_wire_message *message);
size_t fh_ha_send_once(struct fh_ha *ha, struct fh_wire_message *message);

/* ha_echo.c */
/* As often as the clock ticks. */
void fh_ha_ask_echo(struct fh_ha *ha, struct fh_time now);
void fh_ha_on_echo(struct fh_ha *ha, struct fh_time now, const struct fh_wire_message *message);
/* -1: not known, or no longer. */
int64_t fh_ha_round_trip_us(const struct fh_ha *ha, struct fh_time now, size_t path);

/* ha_offer.c */
/* As often as the clock ticks. */
void fh_ha_look_for_offers(struct fh_ha *ha, struct fh_time now);
void fh_ha_on_offer(struct fh_ha *ha, const struct fh_wire_message *message);

/* ha_status.c: into the history, which the host keeps. */
void fh_ha_remember(struct fh_ha *ha, struct fh_ha_transition *transition);

/* ha_arbiter.c */
int fh_ha_open_arbiter(struct fh_ha *ha, const struct fh_config *config, const char *secret_key,
                       struct fh_fsm_options *options, struct fh_error *err);
void fh_ha_close_arbiter(struct fh_ha *ha);
void fh_ha_ask_arbiter(struct fh_ha *ha, const struct fh_fsm_action *action);

#endif
