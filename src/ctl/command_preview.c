/* command_preview.c: firehosectl preview: events straight from the service, by the daemon's own
 * receiver code and configuration, but without store, checkpoint or socket. */
#include "commands.h"
#include "terminal.h"

#include "fh/config.h"
#include "fh/envelope.h"
#include "fh/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct preview {
    int64_t left; /* events still wanted; -1 = no limit */
    int64_t from_ms;
    FILE *capture; /* NULL = none */
    bool failed;   /* nobody takes the output any more */
    bool left_off; /* ... because the reader has gone, as head does: no error */
};

static bool can_take(void *userdata, unsigned receiver)
{
    struct preview *preview = userdata;
    (void)receiver;
    return preview->left != 0 && !preview->failed;
}

static void not_written(struct preview *preview)
{
    preview->left_off = preview->left_off || errno == EPIPE;
    preview->failed = true;
}

static void take_line(void *userdata, unsigned receiver, const char *line, size_t len,
                      uint64_t offset, bool truncated)
{
    struct preview *preview = userdata;
    (void)receiver;
    (void)offset;
    if (preview->left == 0 || preview->failed) {
        return; /* the rest of the chunk */
    }
    struct fh_envelope envelope;
    enum fh_envelope_result result = fh_envelope_scan(line, len, &envelope);
    if (result == FH_ENVELOPE_OK && fh_envelope_is_keep_alive(&envelope)) {
        return;
    }
    if (truncated || result != FH_ENVELOPE_OK) {
        fprintf(stderr, "firehosectl: the next line is not an event: %s\n",
                truncated ? "longer than firehose.max_line_bytes" : fh_envelope_reason(result));
    }
    FILE *capture = preview->capture;
    if (!fh_terminal_print(line, len) || !fh_terminal_print("\n", 1) ||
        (capture && (fwrite(line, 1, len, capture) != len || fputc('\n', capture) == EOF))) {
        not_written(preview);
    }
    preview->left -= preview->left > 0;
}

static void flush(void *userdata, unsigned receiver)
{
    struct preview *preview = userdata;
    (void)receiver;
    if (fflush(stdout) != 0 || (preview->capture && fflush(preview->capture) != 0)) {
        not_written(preview);
    }
}

static int64_t resume_from(void *userdata, unsigned receiver)
{
    (void)receiver;
    return ((struct preview *)userdata)->from_ms;
}

static void connected(void *userdata, unsigned receiver, int64_t asked_from_ms)
{
    (void)userdata;
    (void)receiver;
    (void)asked_from_ms;
    fputs("firehosectl: connected; end with Ctrl-C\n", stderr);
}

static void disconnected(void *userdata, unsigned receiver, const char *reason)
{
    (void)receiver;
    const struct preview *preview = userdata;
    if (preview->left != 0 && !preview->failed) { /* else it was us */
        fprintf(stderr, "firehosectl: disconnected: %s\n", reason);
    }
}

/* Only the own replica is known here; which of the others the peer reads stands in the peer's
 * configuration. So with a pair only a third one is safe, and 3 is left for that by custom. */
static bool may_be_in_use(const struct fh_config *config, int64_t replica, const char **ret_why)
{
    /* 0 = none sent; the service then takes its default, which is 0 or 1 by its version. */
    int64_t own = config->firehose.replica_id > 0 ? config->firehose.replica_id : 1;
    if (replica == own) {
        *ret_why = "this node's daemon reads it";
        return true;
    }
    if (config->pair.present && replica != 3) {
        *ret_why = "the peer may be reading it";
        return true;
    }
    return false;
}

static bool load_config(const char *path, struct fh_config *config)
{
    struct fh_config_findings findings = {0};
    int r = fh_config_load(path, config, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        if (r < 0 || !findings.finding[i].warning) {
            fh_ctl_fail("%s", findings.finding[i].text);
        }
    }
    if (r < 0 && findings.count == 0) {
        char text[128];
        fh_ctl_fail("cannot read %s: %s", path, fh_strerror(r, text, sizeof(text)));
    }
    return r == 0;
}

static FILE *open_capture(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        char text[128];
        fh_ctl_fail("cannot create %s: %s", path, fh_strerror(-errno, text, sizeof(text)));
        if (fd >= 0) {
            close(fd);
        }
    }
    return file;
}

static enum fh_ctl_exit run(const struct fh_config *config, struct preview *preview)
{
    static const struct fh_source_handler handler = {.can_take = can_take,
                                                     .line = take_line,
                                                     .flush = flush,
                                                     .resume_from = resume_from,
                                                     .connected = connected,
                                                     .disconnected = disconnected};
    struct fh_error err = {""};
    char api_key[FH_API_KEY_MAX];
    int r = fh_config_api_key(config, api_key, &err);
    if (r == 0) {
        r = fh_source_preview(config, api_key, &handler, preview, &err);
    }
    explicit_bzero(api_key, sizeof(api_key));
    if (r < 0) {
        return fh_ctl_fail("%s", err.text);
    }
    if (preview->failed && !preview->left_off) {
        return fh_ctl_fail("cannot write the events");
    }
    /* With a count, fewer events mean that the service ended the stream. */
    return preview->left > 0
               ? fh_ctl_fail("the stream ended %" PRId64 " events too early", preview->left)
               : FH_CTL_OK;
}

enum fh_ctl_exit fh_ctl_preview(const struct fh_ctl_call *call)
{
    static struct fh_config config; /* large */
    const char *path = fh_ctl_option(call, "config");
    const char *capture = fh_ctl_option(call, "capture");
    const char *why = NULL;
    struct preview preview = {0};
    int64_t replica = 0;
    if (!path) {
        return fh_ctl_usage_error(call, "--config FILE is needed");
    }
    if (!fh_ctl_number(call, "replica", 1, 3, 3, &replica) ||
        !fh_ctl_number(call, "count", 1, INT64_MAX, -1, &preview.left) ||
        !fh_ctl_number(call, "from", 0, INT64_MAX / 1000000, 0, &preview.from_ms)) {
        return FH_CTL_USAGE;
    }
    if (!load_config(path, &config)) {
        return FH_CTL_FAILED;
    }
    if (may_be_in_use(&config, replica, &why) && !fh_ctl_option(call, "force")) {
        return fh_ctl_fail("replica %" PRId64 " is refused: %s, and connections on one replica "
                           "share its events, so that what is shown here would be missing there; "
                           "choose another --replica, or stop the daemon and add --force",
                           replica, why);
    }
    config.firehose.replica_id = replica;
    config.firehose.ranges =
        (struct fh_ranges){.count = 1, .range = {{.first = 1, .last = FH_PARTITIONS}}};
    if (capture && !(preview.capture = open_capture(capture))) {
        return FH_CTL_FAILED;
    }
    enum fh_ctl_exit status = run(&config, &preview);
    if (preview.capture && fclose(preview.capture) != 0 && status == FH_CTL_OK) {
        status = fh_ctl_fail("cannot write %s", capture);
    }
    return status;
}
