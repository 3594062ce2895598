/* command_doctor.c: firehosectl doctor: the order of the examinations, and their outcome. */
#include "commands.h"
#include "doctor.h"
#include "instance.h"
#include "render.h"

#include "fh/control.h"
#include "fh/log.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void take_user(struct fh_doctor_user *user, const struct passwd *found, uid_t uid)
{
    user->uid = uid;
    user->gid = found ? found->pw_gid : getegid();
    if (found) {
        snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
    } else {
        snprintf(user->name, sizeof(user->name), "uid %u", (unsigned)uid);
    }
}

/* Whom the daemon runs as: as ordered, as it does, as the unit has it, or, for a configuration that
 * no unit reads, who asks. */
static bool find_user(const struct fh_ctl_call *call, int control_fd, struct fh_doctor *doctor)
{
    struct fh_doctor_user *user = &doctor->service;
    const char *name = fh_ctl_option(call, "user");
    struct ucred peer;
    socklen_t size = sizeof(peer);
    const struct passwd *found = getpwnam(name ? name : FH_CTL_SERVICE);
    if (name && !found) {
        fh_ctl_fail("there is no user \"%s\"", name);
        return false;
    }
    if (name) {
        take_user(user, found, found->pw_uid);
    } else if (control_fd >= 0 &&
               getsockopt(control_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        take_user(user, getpwuid(peer.uid), peer.uid);
    } else if (found && (geteuid() == 0 || doctor->of_unit)) {
        take_user(user, found, found->pw_uid);
    } else {
        take_user(user, getpwuid(geteuid()), geteuid());
    }
    return true;
}

static bool load(struct fh_doctor_report *report, const char *check, const char *path,
                 struct fh_config *config)
{
    struct fh_config_findings findings = {0};
    int r = fh_config_load(path, config, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        fh_doctor_say(report, findings.finding[i].warning ? FH_DOCTOR_WARN : FH_DOCTOR_FAIL, check,
                      "%s", findings.finding[i].text);
    }
    if (r < 0 && findings.count == 0) {
        char text[128];
        fh_doctor_say(report, FH_DOCTOR_FAIL, check, "%s: %s", path,
                      fh_strerror(r, text, sizeof(text)));
    }
    if (r == 0) {
        fh_doctor_say(report, FH_DOCTOR_OK, check, "%s is good", path);
    }
    return r == 0;
}

/* The status document of the running daemon; NULL after having said why there is none. *ret_fd is
 * the connection, for whose it is. */
static cJSON *ask_daemon(const struct fh_ctl_call *call, struct fh_doctor *doctor, int *ret_fd)
{
    const char *path = doctor->config->node.control_socket;
    struct fh_error err = {""};
    cJSON *status = NULL;
    if (strcmp(call->socket_path, FH_CTL_SOCKET) != 0) {
        path = call->socket_path;
    }
    *ret_fd = fh_control_connect(path, &err);
    if (*ret_fd < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "daemon", "%s", err.text);
        return NULL;
    }
    if (fh_control_call(*ret_fd, "status", NULL, FH_DOCTOR_TIMEOUT_MS, &status, &err) < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "daemon", "%s", err.text);
        return NULL;
    }
    return status;
}

static void look_at_age(struct fh_doctor *doctor, const cJSON *status)
{
    struct stat st;
    if (status && stat(doctor->config_path, &st) == 0) {
        int64_t mtime_ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000;
        fh_doctor_in_force(doctor->report, status, doctor->config_path, mtime_ms);
    }
}

/* With the eyes of a third user every file of the service would look wrong. */
static void look_at_who_asks(struct fh_doctor *doctor)
{
    doctor->stranger = geteuid() != 0 && geteuid() != doctor->service.uid;
    if (doctor->stranger) {
        fh_doctor_say(
            doctor->report, FH_DOCTOR_WARN, "user",
            "asked by a user who is neither root nor %s: secrets, directories and the key "
            "are not looked at; ask as root",
            doctor->service.name);
    }
}

static bool examine(const struct fh_ctl_call *call, struct fh_doctor *doctor)
{
    static struct fh_config config; /* large */
    static struct fh_config peer;
    const char *path = fh_ctl_option(call, "config");
    const char *peer_path = fh_ctl_option(call, "peer-config");
    path = path ? path : FH_CTL_CONFIG;
    doctor->of_unit = fh_ctl_instance(path, doctor->instance, sizeof(doctor->instance));
    fh_ctl_instance_directories(path);
    if (!load(doctor->report, "config", path, &config)) {
        return true;
    }
    doctor->config = &config;
    doctor->config_path = path;
    if (peer_path && load(doctor->report, "peer-config", peer_path, &peer)) {
        doctor->peer = &peer;
    }
    int fd = -1;
    cJSON *status = ask_daemon(call, doctor, &fd);
    bool known = find_user(call, fd, doctor);
    doctor->listens = fd >= 0;
    if (fd >= 0) {
        close(fd);
    }
    bool peer_certain = status && fh_doctor_status(doctor->report, status);
    look_at_age(doctor, status);
    cJSON_Delete(status);
    if (!known) {
        return false;
    }
    look_at_who_asks(doctor);
    fh_doctor_host(doctor);
    fh_doctor_unit(doctor);
    fh_doctor_service(doctor);
    if (config.pair.present) {
        fh_doctor_own_key(doctor);
        if (doctor->peer) {
            fh_doctor_compare(doctor->report, &config, &peer, doctor->public_key);
        }
        if (!peer_certain) {
            fh_doctor_peer(doctor);
        }
    }
    fh_doctor_arbiter(doctor);
    return true;
}

static enum fh_ctl_exit print(const struct fh_ctl_call *call, const struct fh_doctor_report *report)
{
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    int r = 0;
    if (fh_ctl_option(call, "json")) {
        cJSON *json = fh_doctor_json(report);
        r = json ? fh_render_json(json, &text) : -ENOMEM;
        cJSON_Delete(json);
    } else {
        r = fh_doctor_text(report, &text);
    }
    bool written =
        r == 0 && fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    fh_buf_done(&text);
    if (!written) {
        return fh_ctl_fail("cannot write the findings");
    }
    return fh_doctor_healthy(report) ? FH_CTL_OK : FH_CTL_FAILED;
}

enum fh_ctl_exit fh_ctl_doctor(const struct fh_ctl_call *call)
{
    static struct fh_doctor_report report; /* large */
    struct fh_doctor doctor = {.report = &report};
    fh_log_set_level(-1); /* what the receivers' code has to say comes as a finding */
    bool examined = examine(call, &doctor);
    explicit_bzero(doctor.secret_key, sizeof(doctor.secret_key));
    return examined ? print(call, &report) : FH_CTL_USAGE;
}
