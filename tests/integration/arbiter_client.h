/* arbiter_client.h: what the tests of both arbiters share: a program beside us whose output is read
 * and waited for, and a client of the library with an event loop of its own. */
#ifndef FH_TEST_ARBITER_CLIENT_H
#define FH_TEST_ARBITER_CLIENT_H

#include "fh/arbiter.h"

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    int output; /* stdout and stderr */
    char text[65536];
    size_t len;
};

void process_start(struct process *process, const char *const *arguments);
/* Wait until the output (since the start, or the last process_forget) holds the text. */
bool process_says(struct process *process, const char *text, int timeout_ms);
void process_forget(struct process *process);
/* Send the signal; with SIGSTOP, SIGCONT that is all, else wait for the end. Exit code or -signal.
 */
int process_end(struct process *process, int signal);
/* A port of the loopback that stays bound, unused, until this program ends: nobody else is given
 * it, connections to it are refused, and a program that sets SO_REUSEADDR may listen there. */
int free_port(void);
void write_file(const char *path, const char *text, unsigned mode);

struct client {
    sd_event *event;
    struct fh_arbiter *arbiter;
    const struct fh_arbiter_claim *claim; /* goes with every request; NULL: none */
    struct fh_arbiter_answer answer;      /* the last one */
    int answers;
    struct fh_arbiter_answer kept[64]; /* by number, for requests answered in one turn */
};

void client_new(struct client *client, const struct fh_config *config, const char *secret_key);
void client_free(struct client *client);
enum client_request { ACQUIRE, RENEW, RELEASE };
uint64_t client_send(struct client *client, enum client_request request, uint64_t epoch);
/* Run the loop until this request is answered; fails the test when it is not within 120 s. */
enum fh_arbiter_result client_wait(struct client *client, uint64_t number);
enum fh_arbiter_result client_ask(struct client *client, enum client_request request,
                                  uint64_t epoch);
/* Ask again and again until the result comes; milliseconds it took, or the test fails. */
int64_t client_ask_until(struct client *client, enum client_request request, uint64_t epoch,
                         enum fh_arbiter_result result, int64_t timeout_ms);
/* A renewal; the other asks at once for the epoch after it, and is granted the lease only if this
 * machine stood still for as long as it runs: false then, and nobody has it. ret_asked: when the
 * renewal was asked for. */
bool client_renews_and_keeps(struct client *holder, struct client *other, uint64_t epoch,
                             int64_t ttl_ms, struct fh_time *ret_asked);
/* Let time pass. */
void client_run(struct client *client, int64_t ms);

#endif
