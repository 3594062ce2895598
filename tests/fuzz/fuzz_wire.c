/* fuzz_wire.c: no bytes from the link may crash the decoder or the machine behind it; what decodes
 * encodes again and decodes to the same. */
#include "fsm.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct fh_wire_message *message)
{
    size_t need = fh_wire_size(message);
    char *bytes = malloc(need);
    struct fh_wire_message again;
    if (fh_wire_encode(message, bytes, need) != (int)need ||
        (need > 0 && fh_wire_encode(message, bytes, need - 1) >= 0)) {
        abort();
    }
    bool whole = message->type != FH_WIRE_HELLO || message->u.hello.complete;
    if (whole && fh_wire_decode(bytes, need, &again) != 0 &&
        message->u.hello.version_max <= FH_WIRE_VERSION_MAX) {
        abort();
    }
    free(bytes);
}

/* A message of an authenticated peer that went mad must not break the machine's own rules. */
static void check_machine(const struct fh_wire_message *message)
{
    struct fh_fsm fsm;
    struct fh_fsm_actions actions;
    struct fh_fsm_options options = {.node = "a",
                                     .instance = 7,
                                     .store_id = 1,
                                     .replica_id = 1,
                                     .heartbeat_ms = 300,
                                     .failure_after = 5,
                                     .join_timeout_ms = 5000,
                                     .path_count = 2,
                                     .epoch = 3};
    struct fh_sync_local local = {.own_report_last = 10};
    struct fh_time now = {1000000000};
    fh_fsm_init(&fsm, now, &options);
    struct fh_fsm_input input = {.type = FH_FSM_LOCAL, .u.local = &local};
    fh_fsm_step(&fsm, now, &input, &actions);
    input.type = FH_FSM_MESSAGE;
    input.u.message = message;
    for (int i = 0; i < 4; i++) {
        fsm.peer.instance = i == 1 ? message->instance : fsm.peer.instance;
        now = fh_time_add_ms(now, 100);
        fh_fsm_step(&fsm, now, &input, &actions);
        if (fsm.role == FH_ROLE_PRIMARY || fsm.epoch != 3) {
            abort(); /* nothing was persisted, so nothing may have changed */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_wire_message message;
    if (fh_wire_decode(data, size, &message) == 0) {
        check_round_trip(&message);
        check_machine(&message);
    }
    return 0;
}
