/* command_process.c: owns the program's process, its pipes and the thread that keeps it. Knows
 * nothing of records. */
#include "command_process.h"

#include "fh/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Lines of standard error passed on within a time; the others are counted. */
#define LOG_LINES_MAX 20
#define LOG_PERIOD_MS 10000
#define LOG_LINE_MAX  512
/* Nothing tells us that a process has ended; it is looked at so often. */
#define LOOK_MS 5
/* After SIGKILL: only a process stuck in the kernel takes longer, and it is left behind. */
#define KILL_MS    1000
#define PIPE_BYTES (1 << 20) /* as much as the kernel allows without privilege */

extern char **environ;

struct fh_command_process {
    struct fh_config_sink config;
    char **environment;
    char own[4][96]; /* variables we add */
    pid_t pid;
    int in, out, err; /* our ends */
    int theirs[3];    /* until it is started */
    int stop;         /* eventfd: the keeper is to end */
    pthread_t keeper;
    bool kept;
    sem_t started;
    int start_error; /* negative errno */

    /* keeper only */
    char line[LOG_LINE_MAX];
    size_t line_len;
    bool cut; /* the rest of this line is left out */
    unsigned lines;
    unsigned left_out;
    struct fh_time period;
};

int fh_command_check(const struct fh_config_sink *config, struct fh_error *err)
{
    const char *path = config->command[0];
    struct stat st;
    char text[128];
    if (fh_config_check_command(config, err) < 0) {
        return -EINVAL;
    }
    if (stat(path, &st) != 0) {
        int r = -errno;
        return fh_error_set(err, r, "command: %s: %s", path, fh_strerror(r, text, sizeof(text)));
    }
    if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0) {
        return fh_error_set(err, -EACCES, "command: %s is no program this user may run", path);
    }
    return 0;
}

/* ---- start ---- */

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
}

/* ours: the end this process keeps, not blocking. */
static int make_pipe(int *ours, int *theirs, bool we_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    *ours = fds[we_write ? 1 : 0];
    *theirs = fds[we_write ? 0 : 1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : -errno;
}

static int make_pipes(struct fh_command_process *process)
{
    int r = make_pipe(&process->in, &process->theirs[STDIN_FILENO], true);
    if (r == 0 && process->config.acknowledge == FH_ACK_LINES) {
        /* Fewer turns for both. Not for the other kind: what is in its pipe may be lost. */
        (void)fcntl(process->in, F_SETPIPE_SZ, PIPE_BYTES);
        r = make_pipe(&process->out, &process->theirs[STDOUT_FILENO], false);
    } else if (r == 0) {
        process->theirs[STDOUT_FILENO] = open("/dev/null", O_WRONLY | O_CLOEXEC);
        r = process->theirs[STDOUT_FILENO] >= 0 ? 0 : -errno;
    }
    if (r == 0) {
        r = make_pipe(&process->err, &process->theirs[STDERR_FILENO], false);
    }
    if (r == 0) {
        process->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = process->stop >= 0 ? 0 : -errno;
    }
    return r;
}

/* What systemd told the daemon about itself is not for its children. */
static bool is_private(const char *variable)
{
    static const char *const names[] = {
        "NOTIFY_SOCKET=",         "WATCHDOG_", "LISTEN_", "JOURNAL_STREAM=",
        "CREDENTIALS_DIRECTORY=", "FIREHOSED_"};
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int make_environment(struct fh_command_process *process, const char *node, uint64_t epoch,
                            const char *replay)
{
    size_t count = 0;
    while (environ && environ[count]) {
        count++;
    }
    process->environment = calloc(count + 1 + FH_ARRAY_LEN(process->own), sizeof(char *));
    if (!process->environment) {
        return -ENOMEM;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_private(environ[i])) {
            process->environment[used++] = environ[i];
        }
    }
    snprintf(process->own[0], sizeof(process->own[0]), "FIREHOSED_SINK=%s", process->config.name);
    snprintf(process->own[1], sizeof(process->own[1]), "FIREHOSED_NODE=%s", node);
    snprintf(process->own[2], sizeof(process->own[2]), "FIREHOSED_EPOCH=%" PRIu64, epoch);
    snprintf(process->own[3], sizeof(process->own[3]), "FIREHOSED_REPLAY=%s", replay ? replay : "");
    for (size_t i = 0; i < FH_ARRAY_LEN(process->own) - (replay ? 0 : 1); i++) {
        process->environment[used++] = process->own[i];
    }
    return 0;
}

/* In the child, between fork and exec: only what is allowed there. tell: the errno of a failure. */
static void become_program(const struct fh_command_process *process, pid_t daemon, int tell)
{
    char *words[FH_SINK_LIST_MAX + 1] = {NULL};
    sigset_t none;
    for (size_t i = 0; i < process->config.command_count; i++) {
        words[i] = (char *)process->config.command[i];
    }
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != daemon) {
        _exit(127); /* it died before we asked to die with it */
    }
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Out of the way of 0, 1 and 2, which it may be itself when the daemon had closed them. */
    tell = fcntl(tell, F_DUPFD_CLOEXEC, 3);
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = fcntl(process->theirs[i], F_DUPFD_CLOEXEC, 3);
    }
    bool good = tell >= 0;
    for (int i = 0; i < 3; i++) {
        good = good && fd[i] >= 0 && dup2(fd[i], i) == i;
    }
#ifdef SYS_close_range
    /* Descriptors of libraries that forgot to say close-on-exec; 4 is CLOSE_RANGE_CLOEXEC. */
    (void)syscall(SYS_close_range, 3U, ~0U, 4U);
#endif
    if (good) {
        execve(process->config.command[0], words, process->environment);
    }
    int code = errno;
    (void)!write(tell, &code, sizeof(code));
    _exit(127);
}

static int start_program(struct fh_command_process *process)
{
    int tell[2];
    int code = 0;
    if (pipe2(tell, O_CLOEXEC) != 0) {
        return -errno;
    }
    pid_t daemon = getpid();
    process->pid = fork();
    if (process->pid == 0) {
        become_program(process, daemon, tell[1]);
    }
    int r = process->pid < 0 ? -errno : 0;
    close(tell[1]);
    if (r == 0) {
        setpgid(process->pid, process->pid); /* whoever is first */
        ssize_t n;
        do {
            n = read(tell[0], &code, sizeof(code));
        } while (n < 0 && errno == EINTR);
        r = n == (ssize_t)sizeof(code) ? -code : 0;
    }
    close(tell[0]);
    if (r < 0 && process->pid > 0) {
        waitpid(process->pid, NULL, 0);
    }
    return r;
}

/* ---- the keeper ---- */

static void pass_on(struct fh_command_process *process)
{
    struct fh_time now = fh_now();
    if (fh_time_diff_ms(now, process->period) >= LOG_PERIOD_MS) {
        if (process->left_out > 0) {
            fh_log(LOG_NOTICE, "sink %s: the program wrote %u more lines", process->config.name,
                   process->left_out);
        }
        process->period = now;
        process->lines = 0;
        process->left_out = 0;
    }
    if (process->lines < LOG_LINES_MAX) {
        process->lines++;
        fh_log(LOG_NOTICE, "sink %s: the program writes: %.*s%s", process->config.name,
               (int)process->line_len, process->line, process->cut ? " ..." : "");
    } else {
        process->left_out++;
    }
}

static void take_text(struct fh_command_process *process, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            if (process->line_len > 0) {
                pass_on(process);
            }
            process->line_len = 0;
            process->cut = false;
        } else if (process->line_len == sizeof(process->line)) {
            process->cut = true;
        } else {
            bool printable = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
            process->line[process->line_len++] = printable ? text[i] : ' ';
        }
    }
}

/* False when there is nothing more to come. */
static bool read_errors(struct fh_command_process *process)
{
    char text[4096];
    ssize_t n = read(process->err, text, sizeof(text));
    if (n > 0) {
        take_text(process, text, (size_t)n);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void *keep(void *userdata)
{
    struct fh_command_process *process = userdata;
    process->start_error = start_program(process);
    bool runs = process->start_error == 0;
    close_all(process->theirs, FH_ARRAY_LEN(process->theirs));
    sem_post(&process->started);
    struct pollfd fds[] = {{.fd = process->stop, .events = POLLIN},
                           {.fd = process->err, .events = POLLIN}};
    while (runs) {
        fds[0].revents = 0;
        (void)poll(fds, FH_ARRAY_LEN(fds), -1);
        if (fds[1].fd >= 0 && fds[1].revents != 0 && !read_errors(process)) {
            fds[1].fd = -1; /* closed; we stay, for the program lives as long as we do */
        }
        runs = fds[0].revents == 0;
    }
    take_text(process, "\n", 1);
    if (process->left_out > 0) {
        fh_log(LOG_NOTICE, "sink %s: the program wrote %u more lines", process->config.name,
               process->left_out);
    }
    return NULL;
}

static int start_keeper(struct fh_command_process *process)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = -pthread_create(&process->keeper, NULL, keep, process);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r < 0) {
        return r;
    }
    process->kept = true;
    while (sem_wait(&process->started) != 0) {
    }
    return process->start_error;
}

static void free_process(struct fh_command_process *process)
{
    if (process->kept) {
        uint64_t one = 1;
        (void)!write(process->stop, &one, sizeof(one));
        pthread_join(process->keeper, NULL);
    }
    int ours[] = {process->in, process->out, process->err, process->stop};
    close_all(ours, FH_ARRAY_LEN(ours));
    close_all(process->theirs, FH_ARRAY_LEN(process->theirs));
    sem_destroy(&process->started);
    free(process->environment);
    free(process);
}

static const char *remedy(int code)
{
    switch (-code) {
    case EACCES:
    case EPERM:
        return "; is it executable for this user, and its file system mounted without noexec? See "
               "also the sandboxing of firehosed.service";
    case ENOENT:
        return "; is it there, and the interpreter its first line names?";
    case ENOEXEC:
        return "; a script begins with a line like #!/bin/sh";
    default:
        return "";
    }
}

int fh_command_start(const struct fh_config_sink *config, const char *node, uint64_t epoch,
                     const char *replay, struct fh_error *err, struct fh_command_process **ret)
{
    struct fh_command_process *process = calloc(1, sizeof(*process));
    if (!process) {
        return fh_error_set(err, -ENOMEM, "out of memory");
    }
    process->config = *config;
    process->in = process->out = process->err = process->stop = -1;
    process->theirs[0] = process->theirs[1] = process->theirs[2] = -1;
    process->period = fh_now();
    sem_init(&process->started, 0, 0);
    int r = make_environment(process, node, epoch, replay);
    r = r < 0 ? r : make_pipes(process);
    r = r < 0 ? r : start_keeper(process);
    if (r < 0) {
        char text[128];
        fh_error_set(err, r, "cannot start %s: %s%s", config->command[0],
                     fh_strerror(r, text, sizeof(text)), remedy(r));
        free_process(process);
        return r;
    }
    *ret = process;
    return 0;
}

/* ---- life and end ---- */

int fh_command_input(const struct fh_command_process *process)
{
    return process->in;
}

int fh_command_output(const struct fh_command_process *process)
{
    return process->out;
}

size_t fh_command_unread(const struct fh_command_process *process)
{
    int bytes = 0;
    return ioctl(process->in, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

/* It stays a zombie, so that the number of its group remains ours until we have ended that. */
static bool has_ended(const struct fh_command_process *process, siginfo_t *ret)
{
    ret->si_pid = 0;
    return waitid(P_PID, (id_t)process->pid, ret, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           ret->si_pid == process->pid;
}

bool fh_command_ended(const struct fh_command_process *process, char *text, size_t size)
{
    siginfo_t info;
    if (!has_ended(process, &info)) {
        return false;
    }
    if (info.si_pid != process->pid) {
        snprintf(text, size, "nobody knows how");
    } else if (info.si_code == CLD_EXITED) {
        snprintf(text, size, "with status %d", info.si_status);
    } else {
        snprintf(text, size, "by signal %d (%s)", info.si_status, strsignal(info.si_status));
    }
    return true;
}

/* Whatever it still has to say is not waited for, but must not keep it from ending. */
static bool wait_for_end(const struct fh_command_process *process, int64_t limit_ms)
{
    struct fh_time until = fh_time_add_ms(fh_now(), limit_ms);
    siginfo_t info;
    while (!has_ended(process, &info)) {
        char text[4096];
        if (!fh_time_before(fh_now(), until)) {
            return false;
        }
        if (process->out < 0 || read(process->out, text, sizeof(text)) <= 0) {
            poll(NULL, 0, LOOK_MS);
        }
    }
    return true;
}

void fh_command_stop(struct fh_command_process *process, int64_t limit_ms)
{
    if (!process) {
        return;
    }
    close_all(&process->in, 1);
    bool ended = wait_for_end(process, limit_ms / 2);
    if (!ended) {
        kill(-process->pid, SIGTERM);
        ended = wait_for_end(process, limit_ms / 2);
    }
    kill(-process->pid, SIGKILL); /* and whatever it has left behind */
    if (!ended && !wait_for_end(process, KILL_MS)) {
        fh_log(LOG_WARNING, "sink %s: process %d does not end, not even by SIGKILL",
               process->config.name, (int)process->pid);
    }
    waitpid(process->pid, NULL, WNOHANG);
    free_process(process);
}
