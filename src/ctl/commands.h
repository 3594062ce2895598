/* commands.h: the command table of firehosectl, which is also its help. */
#ifndef FH_CTL_COMMANDS_H
#define FH_CTL_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#define FH_CTL_SOCKET "/run/firehosed/control.sock"

enum fh_ctl_exit { FH_CTL_OK = 0, FH_CTL_FAILED = 1, FH_CTL_USAGE = 2 };

struct fh_ctl_option {
    const char *name;  /* without the dashes; NULL ends the list */
    const char *value; /* what to call the value in the help; NULL = a switch */
    const char *help;
};

#define FH_CTL_OPTIONS_MAX 32

/* What was given on the command line, in the order of the command's option list. */
struct fh_ctl_call {
    const char *socket_path;
    const struct fh_ctl_command *command;
    const char *operand;                   /* the word behind the options; NULL = none was given */
    const char *file;                      /* the word behind that; NULL = none was given */
    const char *given[FH_CTL_OPTIONS_MAX]; /* NULL = not given; "" for a switch */
};

struct fh_ctl_command {
    const char *name; /* NULL ends the table */
    const char *summary;
    const char *help;    /* more than the summary; may be NULL */
    const char *operand; /* what to call it in the help; NULL = the command takes none */
    const char *file;    /* what to call a second one, which may be left out; NULL = none */
    struct fh_ctl_option options[FH_CTL_OPTIONS_MAX];
    enum fh_ctl_exit (*run)(const struct fh_ctl_call *call);
};

extern const struct fh_ctl_command fh_ctl_commands[];

/* The value of an option by name ("" for a switch), NULL when it was not given. */
const char *fh_ctl_option(const struct fh_ctl_call *call, const char *name);
/* A whole number in min..max, or a complaint and false. Not given: otherwise. */
bool fh_ctl_number(const struct fh_ctl_call *call, const char *name, int64_t min, int64_t max,
                   int64_t otherwise, int64_t *ret);
/* "firehosectl: ..." to stderr; returns FH_CTL_FAILED. */
enum fh_ctl_exit fh_ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with a pointer to the command's help; returns FH_CTL_USAGE. */
enum fh_ctl_exit fh_ctl_usage_error(const struct fh_ctl_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Asks the daemon: the connection, with the answer taken (the caller frees it); negative after
 * having complained. */
struct cJSON;
int fh_ctl_ask(const struct fh_ctl_call *call, const char *command, const struct cJSON *arguments,
               struct cJSON **ret_result);

/* command_NAME.c */
enum fh_ctl_exit fh_ctl_switchover(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_promote(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_maintenance(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_history(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_keygen(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_preview(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_activate(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_onboarding(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_events(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_replay(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_stats(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_top(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_doctor(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_setup(const struct fh_ctl_call *call);
enum fh_ctl_exit fh_ctl_setup_import(const struct fh_ctl_call *call, const char *from);

#endif
