/* activation.h: the keys behind on-premise activation (firehose-api.md, section 10): the service's
 * two, and one it does not know. Made when first asked for; any thread. */
#ifndef SIM_ACTIVATION_H
#define SIM_ACTIVATION_H

struct sim_activation;

struct sim_activation *sim_activation_new(void); /* NULL when out of memory */
void sim_activation_free(struct sim_activation *activation);

#endif
