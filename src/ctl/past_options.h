/* past_options.h: what events, stats and replay have in common on the command line. */
#ifndef FH_CTL_PAST_OPTIONS_H
#define FH_CTL_PAST_OPTIONS_H

#include "commands.h"
#include "pick.h"

/* Interval and filters as given; false after having complained (wrong usage). */
bool fh_past_options(const struct fh_ctl_call *call, struct fh_pick *ret);
/* The store that --state-dir or the configuration names; NULL after having complained. From now on
 * a pipe that nobody reads is an error of write, and a store file that is too short is said. */
struct fh_past *fh_past_options_open(const struct fh_ctl_call *call);
/* To stderr: nothing was found, but there is this. */
void fh_past_options_nothing(struct fh_past *past);
/* Output: bytes to stdout. false: nobody takes them any more; *ret then is the exit status: a
 * reader that has seen enough (| head) is no failure. */
bool fh_past_options_write(const void *bytes, size_t len, enum fh_ctl_exit *ret);
/* Columns of the terminal on stdout; 0: it is none. */
size_t fh_past_options_columns(void);

#endif
