/* past_options.c: owns the options that events, stats and replay share, and how they write. */
#include "past_options.h"

#include "instance.h"
#include "terminal.h"
#include "when.h"

#include "fh/clock.h"
#include "fh/config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool take_time(const struct fh_ctl_call *call, const char *name, int64_t now_ms,
                      int64_t *ret)
{
    struct fh_error err = {""};
    const char *text = fh_ctl_option(call, name);
    if (text && fh_when_parse(text, now_ms, &err, ret) < 0) {
        fh_ctl_usage_error(call, "--%s: %s", name, err.text);
        return false;
    }
    return true;
}

static struct fh_slice slice_of(const char *text)
{
    return (struct fh_slice){text ? text : "", text ? strlen(text) : 0};
}

bool fh_past_options(const struct fh_ctl_call *call, struct fh_pick *ret)
{
    struct fh_error err = {""};
    int64_t now_ms = fh_wall_ms();
    const char *types = fh_ctl_option(call, "type");
    *ret = (struct fh_pick){.interval = {INT64_MIN, INT64_MAX}};
    if (!take_time(call, "since", now_ms, &ret->interval.since_ms) ||
        !take_time(call, "until", now_ms, &ret->interval.until_ms)) {
        return false;
    }
    if (ret->interval.since_ms >= ret->interval.until_ms) {
        fh_ctl_usage_error(call, "--since must be before --until");
        return false;
    }
    if (types && fh_pick_types(ret, types, &err) < 0) {
        fh_ctl_usage_error(call, "%s", err.text);
        return false;
    }
    ret->device = slice_of(fh_ctl_option(call, "device"));
    ret->location = slice_of(fh_ctl_option(call, "location"));
    return true;
}

static const char *state_dir(const struct fh_ctl_call *call)
{
    static struct fh_config config; /* large */
    struct fh_config_findings findings = {0};
    const char *directory = fh_ctl_option(call, "state-dir");
    const char *path = fh_ctl_option(call, "config");
    if (directory) {
        return directory;
    }
    path = path ? path : FH_CTL_CONFIG;
    fh_ctl_instance_directories(path);
    int r = fh_config_load(path, &config, &findings);
    if (r == 0) {
        return config.node.state_dir;
    }
    char text[128];
    if (findings.count == 0) {
        fh_ctl_fail("cannot read %s: %s", path, fh_strerror(r, text, sizeof(text)));
    }
    for (size_t i = 0; i < findings.count; i++) {
        fh_ctl_fail("%s", findings.finding[i].text);
    }
    return NULL;
}

static char bus_error[2 * 4096 + 256]; /* said by a signal handler, so made before */

/* A store file that is shorter than it says ends a look with SIGBUS. */
static void on_bus_error(int signal_number)
{
    (void)signal_number;
    (void)!write(STDERR_FILENO, bus_error, strlen(bus_error));
    _exit(FH_CTL_FAILED);
}

/* Before the store is opened: to open it reads pages that may be missing already. */
static void catch_signals(const char *directory)
{
    snprintf(bus_error, sizeof(bus_error),
             "firehosectl: %.4000s/store/data.mdb is shorter than it should be: it is damaged, or "
             "the disk fails; stop firehosed, move %.4000s/store away and start it again\n",
             directory, directory);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGBUS, on_bus_error);
}

struct fh_past *fh_past_options_open(const struct fh_ctl_call *call)
{
    struct fh_error err = {""};
    struct fh_past *past = NULL;
    const char *directory = state_dir(call);
    if (directory) {
        catch_signals(directory);
    }
    if (directory && fh_past_open(directory, &err, &past) < 0) {
        fh_ctl_fail("%s", err.text);
    }
    return past;
}

void fh_past_options_nothing(struct fh_past *past)
{
    struct fh_past_kept kept;
    struct fh_error err = {""};
    char from[FH_WHEN_SIZE];
    char to[FH_WHEN_SIZE];
    if (fh_past_kept(past, &kept, &err) < 0) {
        return;
    }
    if (kept.next == 0) {
        fputs("firehosectl: the store holds no events\n", stderr);
        return;
    }
    fh_when_print(kept.oldest_ms, from);
    fh_when_print(kept.newest_ms, to);
    fprintf(stderr,
            "firehosectl: none of the %" PRIu64 " events kept is one of these; they are from about "
            "%s to %s\n",
            kept.next - kept.first, from, to);
}

bool fh_past_options_write(const void *bytes, size_t len, enum fh_ctl_exit *ret)
{
    if (fh_terminal_print(bytes, len)) {
        return true;
    }
    *ret = errno == EPIPE ? FH_CTL_OK : fh_ctl_fail("cannot write: %m");
    return false;
}

size_t fh_past_options_columns(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO)) {
        return 0;
    }
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
