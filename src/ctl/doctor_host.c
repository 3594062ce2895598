/* doctor_host.c: owns the look at this host, with the eyes of the service's user: secrets, the
 * state directory, the directories and programs of sinks, the port. Never writes. */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_OF_UNIT "/var/lib/firehosed" /* systemd makes it (StateDirectory=) */

static const char *words(int code)
{
    static char text[128];
    return fh_strerror(code, text, sizeof(text));
}

int fh_doctor_access(const struct fh_doctor_user *user, const char *path, int mode)
{
    if (geteuid() != 0 || user->uid == 0) {
        return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : -errno;
    }
    pid_t child = fork();
    if (child < 0) {
        return -errno;
    }
    if (child == 0) {
        if (initgroups(user->name, user->gid) < 0 ||
            setresgid(user->gid, user->gid, user->gid) < 0 ||
            setresuid(user->uid, user->uid, user->uid) < 0) {
            _exit(EPERM);
        }
        _exit(faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

bool fh_doctor_credential(const struct fh_doctor *doctor, const char *name, char *path, size_t size)
{
    snprintf(path, size, "/etc/credstore/%s.%s", doctor->instance, name);
    return access(path, R_OK) == 0;
}

/* ---- secrets ----------------------------------------------------------------------------------
 */

static void look_at_secret(struct fh_doctor *doctor, const char *option, const char *path)
{
    struct stat st;
    if (!path[0]) {
        return;
    }
    if (stat(path, &st) < 0) {
        int code = -errno;
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "secrets", "%s: %s: %s%s", option, path,
                      words(code), code == -ENOENT ? "; put it there, mode 0600" : "");
        return;
    }
    fh_doctor_secret(doctor->report, option, path, &st,
                     fh_doctor_access(&doctor->service, path, R_OK), doctor->service.name);
}

/* A credential is root's: systemd hands the service a copy. */
static void look_at_credential(struct fh_doctor *doctor, const char *option, const char *name)
{
    char path[FH_PATH_MAX];
    struct stat st;
    if (!fh_doctor_credential(doctor, name, path, sizeof(path)) || stat(path, &st) < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "secrets",
                      "%s is empty: the service gets it as the credential %s, and none is to be "
                      "seen in %s from here",
                      option, name, path);
        return;
    }
    fh_doctor_secret(doctor->report, option, path, &st, 0, "root");
}

static void look_at_file(struct fh_doctor *doctor, const char *option, const char *path)
{
    int r = path[0] ? fh_doctor_access(&doctor->service, path, R_OK) : 0;
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "files", "%s: %s cannot read %s: %s", option,
                      doctor->service.name, path, words(r));
    }
}

static void look_at_secrets(struct fh_doctor *doctor)
{
    const struct fh_config *config = doctor->config;
    if (config->firehose.api_key_file[0]) {
        look_at_secret(doctor, "firehose.api_key_file", config->firehose.api_key_file);
    } else {
        look_at_credential(doctor, "firehose.api_key_file", "api_key");
    }
    if (config->pair.present && config->pair.secret_key_file[0]) {
        look_at_secret(doctor, "pair.secret_key_file", config->pair.secret_key_file);
    } else if (config->pair.present) {
        look_at_credential(doctor, "pair.secret_key_file", "pair_key");
    }
    look_at_secret(doctor, "arbiter.key_file", config->arbiter.key_file);
    look_at_secret(doctor, "arbiter.password_file", config->arbiter.password_file);
    look_at_file(doctor, "firehose.ca_file", config->firehose.ca_file);
    look_at_file(doctor, "firehose.descriptor_set", config->firehose.descriptor_set);
    look_at_file(doctor, "arbiter.ca_file", config->arbiter.ca_file);
    look_at_file(doctor, "arbiter.cert_file", config->arbiter.cert_file);
}

/* ---- the disk ---------------------------------------------------------------------------------
 */

void fh_doctor_nearest(const char *path, char *into, size_t size)
{
    snprintf(into, size, "%s", path);
    while (access(into, F_OK) != 0 && strlen(into) > 1) {
        char *slash = strrchr(into, '/');
        if (!slash || slash == into) {
            snprintf(into, size, "/");
            return;
        }
        *slash = '\0';
    }
}

/* 0 when the service can write there, now or once it has made it. */
static bool look_at_writable(struct fh_doctor *doctor, const char *check, const char *what,
                             const char *path)
{
    char there[FH_PATH_MAX];
    fh_doctor_nearest(path, there, sizeof(there));
    bool missing = strcmp(there, path) != 0;
    if (missing && fh_doctor_below(path, STATE_OF_UNIT)) {
        fh_doctor_say(doctor->report, FH_DOCTOR_OK, check, "%s %s is made when the service starts",
                      what, path);
        return true;
    }
    int r = fh_doctor_access(&doctor->service, there, R_OK | W_OK | X_OK);
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, check,
                      "%s %s: %s cannot write to %s (%s): install -d -o %s %s", what, path,
                      doctor->service.name, there, words(r), doctor->service.name, path);
        return false;
    }
    fh_doctor_say(doctor->report, FH_DOCTOR_OK, check, "%s %s: %s can %s", what, path,
                  doctor->service.name, missing ? "make it" : "write there");
    return true;
}

static void look_at_owner(struct fh_doctor *doctor, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_uid != doctor->service.uid) {
        fh_doctor_say(
            doctor->report, FH_DOCTOR_WARN, "disk",
            "node.state_dir %s belongs to uid %u, the service runs as %s: chown -R %s: %s", path,
            (unsigned)st.st_uid, doctor->service.name, doctor->service.name, path);
    }
}

static void look_at_disk(struct fh_doctor *doctor)
{
    const char *path = doctor->config->node.state_dir;
    char there[FH_PATH_MAX];
    char database[FH_PATH_MAX + 32];
    struct statfs fs;
    struct stat st;
    if (look_at_writable(doctor, "disk", "node.state_dir", path)) {
        look_at_owner(doctor, path);
    }
    fh_doctor_nearest(path, there, sizeof(there));
    if (statfs(there, &fs) < 0) {
        int code = -errno;
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "disk", "%s: %s", there, words(code));
        return;
    }
    const char *network = fh_doctor_network_fs((int64_t)fs.f_type);
    if (network) {
        fh_doctor_say(doctor->report, FH_DOCTOR_WARN, "disk",
                      "%s lies on %s: the database maps its file into memory and locks it, which "
                      "is not safe there; put node.state_dir on a disk of this host",
                      path, network);
    }
    snprintf(database, sizeof(database), "%s/store/data.mdb", path);
    int64_t used = stat(database, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
    fh_doctor_space(doctor->report, path, (int64_t)fs.f_bavail * (int64_t)fs.f_bsize, used,
                    doctor->config->store.size_limit);
}

static void look_at_sink(struct fh_doctor *doctor, const struct fh_config_sink *sink)
{
    char what[96];
    snprintf(what, sizeof(what), "directory of sink \"%s\"", sink->name);
    if (strcmp(sink->type, "file") == 0) {
        look_at_writable(doctor, "sinks", what, sink->directory);
    }
    if (strcmp(sink->type, "command") == 0 && sink->command_count > 0) {
        int r = fh_doctor_access(&doctor->service, sink->command[0], X_OK);
        fh_doctor_say(doctor->report, r < 0 ? FH_DOCTOR_FAIL : FH_DOCTOR_OK, "sinks",
                      "program %s of sink \"%s\": %s", sink->command[0], sink->name,
                      r < 0 ? words(r) : "can be run");
    }
    look_at_secret(doctor, "sinks.password_file", sink->password_file);
    look_at_secret(doctor, "sinks.token_file", sink->token_file);
    look_at_secret(doctor, "sinks.credentials_file", sink->credentials_file);
    look_at_secret(doctor, "sinks.key_file", sink->key_file);
    look_at_secret(doctor, "sinks.secret_key_file", sink->secret_key_file);
    look_at_file(doctor, "sinks.ca_file", sink->ca_file);
    look_at_file(doctor, "sinks.cert_file", sink->cert_file);
}

/* ---- the configuration and the port -----------------------------------------------------------
 */

/* The parser has read it with the eyes of who asks. */
static void look_at_config(struct fh_doctor *doctor)
{
    int r = fh_doctor_access(&doctor->service, doctor->config_path, R_OK);
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "config",
                      "%s cannot read %s (%s), so the service does not start: chown %s: %s",
                      doctor->service.name, doctor->config_path, words(r), doctor->service.name,
                      doctor->config_path);
    }
}

static void free_addresses(struct addrinfo **list)
{
    if (*list) {
        freeaddrinfo(*list);
    }
}

/* 0, or why nobody can listen there. Only bound, for a moment: the daemon can take it meanwhile. */
static int try_port(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_socktype = SOCK_STREAM};
    FH_CLEANUP(free_addresses) struct addrinfo *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return 0; /* the name of an interface: the daemon will say */
    }
    int on = 1;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return 0;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = bind(fd, list->ai_addr, list->ai_addrlen) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static void look_at_listen(struct fh_doctor *doctor)
{
    const char *listen = doctor->config->pair.listen;
    char host[256];
    const char *at = strncmp(listen, "tcp://", 6) == 0 ? listen + 6 : listen;
    const char *colon = strrchr(at, ':');
    if (doctor->listens || !doctor->config->pair.present || !colon) {
        return;
    }
    bool bracketed = *at == '[' && colon > at + 1;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - at) - (bracketed ? 2 : 0),
             at + (bracketed ? 1 : 0));
    int r = try_port(strcmp(host, "*") == 0 ? NULL : host, colon + 1);
    if (r < 0) {
        fh_doctor_say(doctor->report, FH_DOCTOR_FAIL, "listen", "pair.listen = \"%s\": %s; %s",
                      listen, words(r),
                      r == -EADDRNOTAVAIL
                          ? "write an address of this host, or tcp://0.0.0.0 for all"
                          : "another program has it: ss -ltnp shows which");
    }
}

void fh_doctor_host(struct fh_doctor *doctor)
{
    if (doctor->stranger) {
        return;
    }
    look_at_config(doctor);
    look_at_listen(doctor);
    look_at_secrets(doctor);
    look_at_disk(doctor);
    for (size_t i = 0; i < doctor->config->sink_count; i++) {
        look_at_sink(doctor, &doctor->config->sinks[i]);
    }
}
