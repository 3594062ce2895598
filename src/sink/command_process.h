/* command_process.h: one run of the program of a command sink: started without a shell, in a
 * process group of its own, with pipes for its standard input, output and error.
 *
 * Delivery thread. A thread of its own keeps the program: it starts it (the kernel ends the program
 * when that thread dies, as it does with the daemon) and passes on to the log what it writes to its
 * standard error, a few lines at a time. */
#ifndef FH_SINK_COMMAND_PROCESS_H
#define FH_SINK_COMMAND_PROCESS_H

#include "fh/sink.h"

struct fh_command_process;

/* Can it be started? Touches nothing. */
int fh_command_check(const struct fh_config_sink *config, struct fh_error *err);

/* 0 when the program runs. config is copied. replay: NULL for the live stream. */
int fh_command_start(const struct fh_config_sink *config, const char *node, uint64_t epoch,
                     const char *replay, struct fh_error *err, struct fh_command_process **ret);

/* Not blocking. Its standard input, and its standard output (acknowledge = "lines"; else -1). */
int fh_command_input(const struct fh_command_process *process);
int fh_command_output(const struct fh_command_process *process);

/* Has it ended? Then how, into text ("with status 1", "by signal 9 (Killed)"). */
bool fh_command_ended(const struct fh_command_process *process, char *text, size_t size);
/* Bytes in its standard input it has not read. */
size_t fh_command_unread(const struct fh_command_process *process);

/* Close its standard input and let it end by itself for half of limit_ms, then SIGTERM, then
 * SIGKILL to its whole group; frees. NULL allowed. */
void fh_command_stop(struct fh_command_process *process, int64_t limit_ms);

#endif
