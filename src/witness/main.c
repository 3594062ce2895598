/* main.c: firehose-witness: the command line, start in order, stop. */
#include "server.h"

#include "fh/atomic_file.h"
#include "fh/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <zmq.h>

#define SERVICE_USER "firehose-witness" /* of the unit */

static void usage(FILE *to)
{
    fprintf(
        to,
        "Usage: firehose-witness --config FILE [--check]\n"
        "       firehose-witness --keygen FILE\n"
        "\n"
        "Says, from a third host, which node of a pair of firehosed may lead.\n"
        "\n"
        "  --config FILE  the configuration (libconfig); see firehose-witness(8)\n"
        "  --check        check it and its key, print what is wrong with line and remedy, exit\n"
        "  --keygen FILE  write a new secret key to FILE, print its public key, exit\n"
        "  --version      print the version, exit\n"
        "  --help         print this, exit\n"
        "\n"
        "Exit status: 0 stopped as asked, 1 an error that the log names, 2 bad usage, 78 an error\n"
        "in the configuration (with --check: 1).\n");
}

static void print_finding(void *userdata, const char *text)
{
    (void)userdata;
    fprintf(stderr, "%s\n", text);
}

static void log_finding(void *userdata, const char *text)
{
    (void)userdata;
    fh_log_event(LOG_ERR, FH_LOG_WITNESS_CONFIG, NULL, 0, "%s", text);
}

static int read_secret(const char *path, char secret[41], struct fh_error *err)
{
    char *text = NULL;
    int r = fh_file_read(path, 256, 1, &text, err);
    if (r < 0) {
        fh_error_prefix(err, "witness.secret_key_file");
        return r;
    }
    size_t len = strcspn(text, " \t\r\n");
    unsigned char binary[32];
    if (len == 40) {
        memcpy(secret, text, 40);
        secret[40] = '\0';
    }
    bool good = len == 40 && zmq_z85_decode(binary, secret);
    explicit_bzero(text, strlen(text));
    explicit_bzero(binary, sizeof(binary));
    free(text);
    return good ? 0
                : fh_error_set(err, -EINVAL,
                               "witness.secret_key_file: %s holds no secret key; make one with "
                               "firehose-witness --keygen",
                               path);
}

/* Two witnesses on one state would each grant what the other does not know of. Held until exit. */
static int lock_state(const char *directory, struct fh_error *err)
{
    char path[WITNESS_PATH_MAX + 8];
    char text[128];
    snprintf(path, sizeof(path), "%s/lock", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        int code = -errno;
        return fh_error_set(err, code, "cannot open %s (witness.state_dir): %s", path,
                            fh_strerror(code, text, sizeof(text)));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return fh_error_set(err, -EBUSY, "another firehose-witness is running on %s", directory);
    }
    return fd;
}

static int add_signals(sd_event *event)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
        return -errno;
    }
    signal(SIGPIPE, SIG_IGN);
    int r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
    if (r >= 0) {
        r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
    }
    return r < 0 ? r : sd_event_set_watchdog(event, true);
}

static int serve(const struct witness_config *config, const char *secret, sd_event *event,
                 struct fh_error *err)
{
    struct witness_pairs *pairs = NULL;
    struct witness_server *server = NULL;
    char public_key[41] = "";
    int r = witness_pairs_new(config, event, err, &pairs);
    if (r >= 0) {
        r = witness_server_new(config, secret, pairs, event, err, &server);
    }
    if (r >= 0) {
        zmq_curve_public(public_key, secret);
        fh_log_event(LOG_NOTICE, FH_LOG_WITNESS_STARTED, NULL, 0,
                     "version %s, serving %zu pair%s at %s, public key %s", FH_VERSION,
                     config->pair_count, config->pair_count == 1 ? "" : "s", config->listen[0],
                     public_key);
        sd_notify(0, "READY=1");
        r = sd_event_loop(event);
        sd_notify(0, "STOPPING=1");
        if (r < 0) {
            fh_error_set(err, r, "the event loop failed");
        }
    }
    witness_server_free(server);
    witness_pairs_free(pairs);
    return r;
}

static int run(const char *path)
{
    struct witness_config config;
    struct fh_error err = {""};
    char secret[41] = "";
    sd_event *event = NULL;
    if (witness_config_load(path, &config, log_finding, NULL) < 0) {
        return EX_CONFIG;
    }
    fh_log_set_level(config.level);
    int lock = lock_state(config.state_dir, &err);
    int r = lock < 0 ? lock : read_secret(config.secret_key_file, secret, &err);
    /* A file that is missing may come yet; what is wrong with one is not mended by trying again. */
    bool wrong = lock >= 0 && (r == -EINVAL || r == -EACCES || r == -EPERM || r == -EFBIG);
    if (r >= 0 && ((r = sd_event_default(&event)) < 0 || (r = add_signals(event)) < 0)) {
        fh_error_set(&err, r, "cannot set up the event loop");
    }
    if (r >= 0) {
        r = serve(&config, secret, event, &err);
    }
    explicit_bzero(secret, sizeof(secret));
    sd_event_unref(event);
    if (lock >= 0) {
        close(lock);
    }
    if (r < 0) {
        fh_log_event(LOG_ERR, FH_LOG_WITNESS_FATAL, NULL, 0, "%s", err.text);
        return wrong ? EX_CONFIG : 1;
    }
    fh_log_event(LOG_NOTICE, FH_LOG_WITNESS_STOPPED, NULL, 0, "stopped");
    return 0;
}

/* Root can read any key, its service only its own: as long as it belongs to root, what is looked at
 * here is not what the service will find. */
static int check_owner(const char *path, struct fh_error *err)
{
    struct stat file;
    struct passwd *user = geteuid() == 0 ? getpwnam(SERVICE_USER) : NULL;
    if (!user || user->pw_uid == 0 || stat(path, &file) < 0 || file.st_uid != 0) {
        return 0;
    }
    return fh_error_set(err, -EACCES,
                        "witness.secret_key_file: %s belongs to root, and the service runs as "
                        "%s; give it the file: chown %s: %s",
                        path, SERVICE_USER, SERVICE_USER, path);
}

static int check(const char *path)
{
    struct witness_config config;
    struct fh_error err = {""};
    char secret[41] = "";
    if (witness_config_load(path, &config, print_finding, NULL) < 0) {
        return 1;
    }
    int r = read_secret(config.secret_key_file, secret, &err);
    explicit_bzero(secret, sizeof(secret));
    r = r < 0 ? r : check_owner(config.secret_key_file, &err);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return 1;
    }
    printf("%s: good, %zu pair%s\n", path, config.pair_count, config.pair_count == 1 ? "" : "s");
    return 0;
}

/* The secret goes into its file and nowhere else. */
static int keygen(const char *path)
{
    char public_key[41];
    char secret[42]; /* and a newline */
    struct fh_error err = {""};
    if (zmq_curve_keypair(public_key, secret) != 0) {
        fprintf(stderr, "cannot make a key pair: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    secret[40] = '\n';
    int r = fh_file_create(path, secret, 41, 0600, &err);
    explicit_bzero(secret, sizeof(secret));
    if (r < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%s\n", public_key);
    fprintf(stderr,
            "secret key in %s: witness.secret_key_file; the service has to own it:\n"
            "    chown firehose-witness: %s\n"
            "public key above: arbiter.witness_public_key of every node\n",
            path, path);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"keygen", required_argument, NULL, 'g'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *config_path = NULL;
    bool check_only = false;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'k':
            check_only = true;
            break;
        case 'g':
            if (config_path || check_only || optind != argc) {
                usage(stderr);
                return 2;
            }
            return keygen(optarg);
        case 'v':
            printf("firehose-witness %s\n", FH_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!config_path || optind != argc) {
        usage(stderr);
        return 2;
    }
    fh_log_init("firehose-witness", FH_LOG_AUTO, LOG_INFO);
    return check_only ? check(config_path) : run(config_path);
}
