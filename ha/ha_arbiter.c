/* ha_arbiter.c: carries the machine's questions to the arbiter and its answers back. Decides
 * nothing.
 */
#include "fh/arbiter.h"

#include "ha_private.h"

#include <stdio.h>

void fh_ha_ask_arbiter(struct fh_ha *ha, const struct fh_fsm_action *action)
{
    if (!ha->arbiter) {
        return;
    }
    const struct fh_arbiter_claim claim = {.stint = action->u.claim.stint,
                                           .knows_other = action->u.claim.knows_other,
                                           .careful = action->u.claim.careful};
    if (action->type == FH_FSM_LEASE_ACQUIRE) {
        fh_arbiter_acquire(ha->arbiter, action->number, &claim);
    } else if (action->type == FH_FSM_LEASE_RENEW) {
        fh_arbiter_renew(ha->arbiter, action->number, &claim);
    } else {
        fh_arbiter_release(ha->arbiter, action->number, &claim);
    }
}

static void on_arbiter(void *userdata, const struct fh_arbiter_answer *answer)
{
    static const enum fh_fsm_arbiter_result results[] = {
        [FH_ARBITER_GRANTED] = FH_FSM_ARBITER_GRANTED,
        [FH_ARBITER_DENIED] = FH_FSM_ARBITER_DENIED,
        [FH_ARBITER_RELEASED] = FH_FSM_ARBITER_RELEASED,
        [FH_ARBITER_UNREACHABLE] = FH_FSM_ARBITER_UNREACHABLE,
    };
    struct fh_fsm_arbiter_answer copy = {
        .result = results[answer->result],
        .epoch = answer->epoch,
        .holder = answer->holder,
        .text = answer->text,
        .ttl_ms = answer->ttl_ms,
        .asked_at = answer->asked_at,
        .stint = answer->stint,
        .other_alone = answer->other_alone,
        .alone = answer->alone,
    };
    struct fh_fsm_input input = {.type = FH_FSM_ARBITER, .u.arbiter = &copy};
    fh_ha_feed(userdata, &input, NULL);
}

static const struct fh_arbiter_handler arbiter_handler = {.answer = on_arbiter};

int fh_ha_open_arbiter(struct fh_ha *ha, const struct fh_config *config, const char *secret_key,
                       struct fh_fsm_options *options, struct fh_error *err)
{
    static const char *const types[] = {
        [FH_ARBITER_NONE] = "none", [FH_ARBITER_WITNESS] = "witness", [FH_ARBITER_ETCD] = "etcd"};
    snprintf(ha->arbiter_type, sizeof(ha->arbiter_type), "%s", types[config->arbiter.type]);
    if (config->arbiter.type == FH_ARBITER_NONE) {
        return 0;
    }
    int r = fh_arbiter_new(config, secret_key, ha->event, &arbiter_handler, ha, err, &ha->arbiter);
    if (r < 0) {
        return r;
    }
    options->arbiter = true;
    options->lease_ttl_ms = fh_arbiter_ttl_ms(ha->arbiter);
    return 0;
}

void fh_ha_close_arbiter(struct fh_ha *ha)
{
    fh_arbiter_free(ha->arbiter);
    ha->arbiter = NULL;
}
