/* producer.h: the one thread that lets the world's time pass. */
#ifndef SIM_PRODUCER_H
#define SIM_PRODUCER_H

#include "feed.h"
#include "options.h"
#include "world.h"

#include <stdbool.h>

struct sim_producer;

struct sim_producer_status {
    bool running; /* world time passes */
    bool done;    /* all --events issued, or the recording played to its end */
    bool rate_max;
    double rate;
};

int sim_producer_new(const struct sim_options *options, struct sim_world *world,
                     struct sim_feeds *feeds, struct sim_producer **ret);
void sim_producer_free(struct sim_producer *producer); /* stopped; NULL allowed */
/* Start the thread, and the world's time with it unless options->paused. notify is called from it
 * whenever there may be something new to send. */
int sim_producer_start(struct sim_producer *producer, void (*notify)(void *userdata),
                       void *userdata);
/* Stop and join; does nothing when not started. NULL allowed. */
void sim_producer_stop(struct sim_producer *producer);

/* Orders; any thread; they take effect at the producer's next turn. To stop waits for it:
 * afterwards nothing is issued and everything issued is ready. */
void sim_producer_run(struct sim_producer *producer, bool run);
void sim_producer_set_rate(struct sim_producer *producer, double rate, bool max);
void sim_producer_set_replica_uids_differ(struct sim_producer *producer, bool differ);
void sim_producer_set_replica_timestamps_differ(struct sim_producer *producer, bool differ);
void sim_producer_status(struct sim_producer *producer, struct sim_producer_status *ret);

#endif
