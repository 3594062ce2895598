/* arbiter_client.c: programs beside the test, and clients of the arbiter. */
#include "arbiter_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the ones above first */
#include <cmocka.h>

void process_start(struct process *process, const char *const *arguments)
{
    int ends[2];
    memset(process, 0, sizeof(*process));
    assert_int_equal(pipe(ends), 0);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        perror(arguments[0]);
        _exit(127);
    }
    close(ends[1]);
    process->output = ends[0];
}

static bool read_output(struct process *process, int timeout_ms)
{
    struct pollfd ready = {.fd = process->output, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) <= 0) {
        return false;
    }
    if (process->len > sizeof(process->text) / 2) { /* the newest half is kept */
        size_t half = process->len / 2;
        memmove(process->text, process->text + half, process->len - half);
        process->len -= half;
    }
    ssize_t n = read(process->output, process->text + process->len,
                     sizeof(process->text) - 1 - process->len);
    if (n <= 0) {
        return false;
    }
    process->len += (size_t)n;
    process->text[process->len] = '\0';
    return true;
}

bool process_says(struct process *process, const char *text, int timeout_ms)
{
    struct fh_time end = fh_time_add_ms(fh_now(), timeout_ms);
    while (!strstr(process->text, text)) {
        int64_t left = fh_time_diff_ms(end, fh_now());
        if (left <= 0 || !read_output(process, (int)left)) {
            printf("\"%s\" was not said; it said:\n%s\n", text, process->text);
            return false;
        }
    }
    return true;
}

void process_forget(struct process *process)
{
    while (read_output(process, 0)) {
    }
    process->len = 0;
    process->text[0] = '\0';
}

int process_end(struct process *process, int signal)
{
    int status = 0;
    if (process->pid <= 0) {
        return 0;
    }
    kill(process->pid, signal);
    if (signal == SIGSTOP || signal == SIGCONT) {
        return 0;
    }
    waitpid(process->pid, &status, 0);
    close(process->output);
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    /* after the bind, which would else take a port that somebody holds like this */
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    return ntohs(address.sin_port);
}

void write_file(const char *path, const char *text, unsigned mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* ---- clients ---- */

#define CLIENT_WAIT_MS 120000 /* longer than the time-out of any request here */

static void on_answer(void *userdata, const struct fh_arbiter_answer *answer)
{
    struct client *client = userdata;
    client->answer = *answer;
    client->kept[answer->request % FH_ARRAY_LEN(client->kept)] = *answer;
    client->answers++;
}

void client_new(struct client *client, const struct fh_config *config, const char *secret_key)
{
    static const struct fh_arbiter_handler handler = {on_answer};
    struct fh_error err = {""};
    memset(client, 0, sizeof(*client));
    assert_true(sd_event_new(&client->event) >= 0);
    int r =
        fh_arbiter_new(config, secret_key, client->event, &handler, client, &err, &client->arbiter);
    if (r < 0) {
        fail_msg("no arbiter: %s", err.text);
    }
}

void client_free(struct client *client)
{
    fh_arbiter_free(client->arbiter);
    sd_event_unref(client->event);
    memset(client, 0, sizeof(*client));
}

uint64_t client_send(struct client *client, enum client_request request, uint64_t epoch)
{
    int before = client->answers;
    uint64_t number = request == ACQUIRE ? fh_arbiter_acquire(client->arbiter, epoch, client->claim)
                      : request == RENEW
                          ? fh_arbiter_renew(client->arbiter, epoch, client->claim)
                          : fh_arbiter_release(client->arbiter, epoch, client->claim);
    assert_true(number > 0);
    assert_int_equal(client->answers, before); /* never from within the call */
    return number;
}

static void run_until(struct client *client, struct fh_time end, uint64_t number)
{
    const struct fh_arbiter_answer *kept = &client->kept[number % FH_ARRAY_LEN(client->kept)];
    while (number == 0 || kept->request != number) {
        int64_t left = (end.ns - fh_now().ns) / 1000;
        if (left <= 0) {
            return;
        }
        assert_true(sd_event_run(client->event, (uint64_t)left) >= 0);
    }
}

enum fh_arbiter_result client_wait(struct client *client, uint64_t number)
{
    run_until(client, fh_time_add_ms(fh_now(), CLIENT_WAIT_MS), number);
    client->answer = client->kept[number % FH_ARRAY_LEN(client->kept)];
    if (client->answer.request != number) {
        fail_msg("request %d was not answered", (int)number);
    }
    return client->answer.result;
}

enum fh_arbiter_result client_ask(struct client *client, enum client_request request,
                                  uint64_t epoch)
{
    struct fh_time before = fh_now();
    enum fh_arbiter_result result = client_wait(client, client_send(client, request, epoch));
    assert_true(client->answer.asked_at.ns >= before.ns);
    assert_true(client->answer.asked_at.ns <= fh_now().ns);
    return result;
}

int64_t client_ask_until(struct client *client, enum client_request request, uint64_t epoch,
                         enum fh_arbiter_result result, int64_t timeout_ms)
{
    struct fh_time start = fh_now();
    while (client_ask(client, request, epoch) != result) {
        if (fh_time_diff_ms(fh_now(), start) > timeout_ms) {
            fail_msg("result %d did not come, but %d (%s)", (int)result, (int)client->answer.result,
                     client->answer.text);
        }
        client_run(client, 20);
    }
    return fh_time_diff_ms(fh_now(), start);
}

bool client_renews_and_keeps(struct client *holder, struct client *other, uint64_t epoch,
                             int64_t ttl_ms, struct fh_time *ret_asked)
{
    assert_int_equal(client_ask(holder, RENEW, epoch), FH_ARBITER_GRANTED);
    *ret_asked = holder->answer.asked_at;
    if (client_ask(other, ACQUIRE, epoch + 1) == FH_ARBITER_DENIED) {
        return true;
    }
    assert_int_equal(other->answer.result, FH_ARBITER_GRANTED);
    assert_true(fh_time_diff_ms(fh_now(), *ret_asked) >= ttl_ms);
    assert_int_equal(client_ask(other, RELEASE, epoch + 1), FH_ARBITER_RELEASED);
    return false;
}

void client_run(struct client *client, int64_t ms)
{
    run_until(client, fh_time_add_ms(fh_now(), ms), 0);
}
