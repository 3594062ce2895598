/* doctor_unit.c: owns the question to systemd what the service's unit lets the daemon write, and
 * whether it keeps it running. By
 * systemctl, which speaks to systemd without a message bus, too. Changes nothing. */
#include "doctor.h"

#include "fh/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE     "firehosed"
#define ANSWER_MAX  65536
#define BOOTED_MARK "/run/systemd/system" /* sd_booted(3) */

/* ---- systemctl --------------------------------------------------------------------------------
 */

static int start(const char *unit, int into, pid_t *ret)
{
    char properties[1024];
    char name[128];
    snprintf(name, sizeof(name), "%s", unit);
    snprintf(properties, sizeof(properties), "--property=%s", fh_doctor_unit_properties);
    char *arguments[] = {"systemctl", "show", properties, "--", name, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    int code = posix_spawn_file_actions_adddup2(&actions, into, STDOUT_FILENO);
    code =
        code ? code
             : posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    code = code ? code : posix_spawnp(ret, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -code;
}

/* Everything there is to read until the other end is closed. */
static int read_all(int fd, struct fh_buf *into)
{
    struct fh_time end = fh_time_add_ms(fh_now(), FH_DOCTOR_TIMEOUT_MS);
    for (;;) {
        char bytes[4096];
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left = fh_time_diff_ms(end, fh_now());
        if (left <= 0 || (poll(&poll_fd, 1, (int)left) < 0 && errno != EINTR)) {
            return left <= 0 ? -ETIMEDOUT : -errno;
        }
        if (poll_fd.revents == 0) {
            continue;
        }
        ssize_t n = read(fd, bytes, sizeof(bytes));
        int r = n > 0 ? fh_buf_append(into, bytes, (size_t)n) : n < 0 ? -errno : 0;
        if (n <= 0 || r < 0) {
            return r;
        }
    }
}

static int show(const char *unit, struct fh_buf *into)
{
    int ends[2];
    pid_t child = -1;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return -errno;
    }
    int r = start(unit, ends[1], &child);
    close(ends[1]);
    if (r == 0) {
        int status = 0;
        r = read_all(ends[0], into);
        if (r < 0) {
            kill(child, SIGKILL);
        }
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        r = r == 0 && status != 0 ? -EIO : r;
    }
    close(ends[0]);
    return r;
}

/* ---- the places -------------------------------------------------------------------------------
 */

/* The mounts of a unit lie on what a path leads to. */
static void resolve(const char *path, char *into, size_t size)
{
    char there[FH_PATH_MAX];
    fh_doctor_nearest(path, there, sizeof(there));
    char *real = realpath(there, NULL);
    const char *rest = path + (strlen(there) > 1 ? strlen(there) : 0);
    snprintf(into, size, "%s%s", real && strcmp(real, "/") != 0 ? real : "", rest);
    free(real);
}

static bool look_at(struct fh_doctor *doctor, const struct fh_doctor_unit *unit, const char *what,
                    const char *path)
{
    char real[2 * FH_PATH_MAX];
    resolve(path, real, sizeof(real));
    struct fh_doctor_place place = {.what = what,
                                    .path = path,
                                    .real = real,
                                    .user = doctor->service.name,
                                    .missing = access(path, F_OK) != 0 && errno == ENOENT};
    return fh_doctor_sandbox(doctor->report, unit, &place);
}

static bool look_at_socket(struct fh_doctor *doctor, const struct fh_doctor_unit *unit,
                           const char *option, const char *path)
{
    char what[96];
    char directory[FH_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) { /* there is none */
        return true;
    }
    snprintf(what, sizeof(what), "directory of %s", option);
    snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
    return look_at(doctor, unit, what, directory);
}

static void look_at_all(struct fh_doctor *doctor, const struct fh_doctor_unit *unit)
{
    const struct fh_config *config = doctor->config;
    bool good = look_at(doctor, unit, "node.state_dir", config->node.state_dir);
    for (size_t i = 0; i < unit->rules; i++) {
        if (unit->rule[i].needed && access(unit->rule[i].path, F_OK) != 0 && errno == ENOENT) {
            fh_doctor_rule_missing(doctor->report, unit, &unit->rule[i], doctor->service.name);
            good = false;
        }
    }
    good &= look_at_socket(doctor, unit, "node.control_socket", config->node.control_socket);
    good &= look_at_socket(doctor, unit, "metrics.socket", config->metrics.socket);
    good &= look_at_socket(doctor, unit, "console.socket", config->console.socket);
    for (size_t i = 0; i < config->sink_count; i++) {
        const struct fh_config_sink *sink = &config->sinks[i];
        char what[96];
        snprintf(what, sizeof(what), "directory of sink \"%s\"", sink->name);
        if (strcmp(sink->type, "file") == 0) {
            good &= look_at(doctor, unit, what, sink->directory);
        }
    }
    if (good) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "sandbox",
                      "%s lets the daemon write to every directory of the configuration",
                      unit->name);
    }
}

static void resolve_rules(struct fh_doctor_unit *unit)
{
    for (size_t i = 0; i < unit->rules; i++) {
        char real[2 * FH_PATH_MAX];
        struct fh_doctor_rule *rule = &unit->rule[i];
        resolve(rule->path, real, sizeof(real));
        snprintf(rule->path, sizeof(rule->path), "%.*s", (int)sizeof(rule->path) - 1,
                 real[0] ? real : "/");
    }
}

void fh_doctor_unit(struct fh_doctor *doctor)
{
    static struct fh_doctor_unit unit; /* large */
    char text[128];
    bool usual = strcmp(doctor->instance, SERVICE) == 0;
    snprintf(unit.name, sizeof(unit.name), "%s%s%s.service", SERVICE, usual ? "" : "@",
             usual ? "" : doctor->instance);
    if (access(BOOTED_MARK, F_OK) != 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "sandbox",
                      "no systemd runs here: no unit keeps the daemon from writing");
        return;
    }
    if (!doctor->of_unit) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, "sandbox",
                      "not looked at: no unit reads this configuration, which is not in "
                      "/etc/firehosed");
        return;
    }
    FH_CLEANUP(fh_buf_done) struct fh_buf answer;
    fh_buf_init(&answer, ANSWER_MAX);
    int r = show(unit.name, &answer);
    const char *properties = r < 0 ? NULL : fh_buf_string(&answer);
    if (!properties) {
        r = r < 0 ? r : -ENOBUFS;
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "sandbox",
                      "not looked at: systemctl show %s: %s", unit.name,
                      fh_strerror(r, text, sizeof(text)));
        return;
    }
    fh_doctor_unit_read(&unit, properties);
    if (!unit.loaded) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "sandbox",
                      "not looked at: systemd has no unit %s", unit.name);
        return;
    }
    if (unit.changed) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "sandbox",
                      "%s was changed since systemd read it: systemctl daemon-reload", unit.name);
    }
    fh_doctor_unit_state(doctor->report, &unit, doctor->listens);
    resolve_rules(&unit);
    look_at_all(doctor, &unit);
}
