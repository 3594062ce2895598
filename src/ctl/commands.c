/* commands.c: the table of commands, and those that ask the running daemon. */
#include "commands.h"
#include "render.h"
#include "terminal.h"
#include "when.h"

#include "fh/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 10000

/* ---- what every command uses ------------------------------------------------------------------
 */

const char *fh_ctl_option(const struct fh_ctl_call *call, const char *name)
{
    const struct fh_ctl_option *option = call->command->options;
    for (size_t i = 0; option[i].name; i++) {
        if (strcmp(option[i].name, name) == 0) {
            return call->given[i];
        }
    }
    return NULL;
}

bool fh_ctl_number(const struct fh_ctl_call *call, const char *name, int64_t min, int64_t max,
                   int64_t otherwise, int64_t *ret)
{
    const char *text = fh_ctl_option(call, name);
    if (!text) {
        *ret = otherwise;
        return true;
    }
    char *end = NULL;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || value < min || value > max) {
        fh_ctl_usage_error(call, "--%s wants a whole number from %lld to %lld, not \"%s\"", name,
                           (long long)min, (long long)max, text);
        return false;
    }
    *ret = value;
    return true;
}

enum fh_ctl_exit fh_ctl_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("firehosectl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return FH_CTL_FAILED;
}

enum fh_ctl_exit fh_ctl_usage_error(const struct fh_ctl_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "firehosectl %s: ", call->command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nsee: firehosectl %s --help\n", call->command->name);
    va_end(args);
    return FH_CTL_USAGE;
}

/* ---- asking the daemon ------------------------------------------------------------------------
 */

int fh_ctl_ask(const struct fh_ctl_call *call, const char *command, const cJSON *arguments,
               cJSON **ret_result)
{
    struct fh_error err = {""};
    int fd = fh_control_connect(call->socket_path, &err);
    if (fd < 0) {
        fh_ctl_fail("%s", err.text);
        return fd;
    }
    int r = fh_control_call(fd, command, arguments, ANSWER_TIMEOUT_MS, ret_result, &err);
    if (r < 0) {
        fh_ctl_fail("%s", err.text);
        close(fd);
        return r;
    }
    return fd;
}

static enum fh_ctl_exit ask_and_render(const struct fh_ctl_call *call, const char *command,
                                       int (*render_text)(const cJSON *, struct fh_buf *))
{
    cJSON *result = NULL;
    int fd = fh_ctl_ask(call, command, NULL, &result);
    if (fd < 0) {
        return FH_CTL_FAILED;
    }
    close(fd);
    struct fh_buf text;
    fh_buf_init(&text, FH_RENDER_MAX);
    int r =
        fh_ctl_option(call, "json") ? fh_render_json(result, &text) : render_text(result, &text);
    bool written = r == 0 && fh_terminal_print(text.data, text.len) && fflush(stdout) == 0;
    fh_buf_done(&text);
    cJSON_Delete(result);
    return written ? FH_CTL_OK : fh_ctl_fail("cannot write the answer");
}

static enum fh_ctl_exit run_status(const struct fh_ctl_call *call)
{
    return ask_and_render(call, "status", fh_render_status_text);
}

static enum fh_ctl_exit run_checkpoint(const struct fh_ctl_call *call)
{
    return ask_and_render(call, "checkpoint", fh_render_checkpoint_text);
}

/* Until count lines came (0: no limit), the daemon ends, or nobody reads us any more. */
static enum fh_ctl_exit copy_lines(int fd, int64_t count)
{
    for (int64_t i = 0; count == 0 || i < count; i++) {
        char *line = NULL;
        struct fh_error err = {""};
        int r = fh_control_read_line(fd, &line, &err);
        if (r < 0) {
            return fh_ctl_fail("%s", err.text);
        }
        if (r == 0) {
            return fh_ctl_fail("the daemon ended the stream");
        }
        bool written = fh_terminal_print(line, strlen(line)) && fh_terminal_print("\n", 1) &&
                       fflush(stdout) == 0;
        free(line);
        if (!written) {
            return FH_CTL_FAILED;
        }
    }
    return FH_CTL_OK;
}

static enum fh_ctl_exit run_tail(const struct fh_ctl_call *call)
{
    int64_t count = 0;
    if (!fh_ctl_number(call, "count", 1, INT64_MAX, 0, &count)) {
        return FH_CTL_USAGE;
    }
    cJSON *arguments = cJSON_CreateObject();
    if (count > 0) {
        cJSON_AddNumberToObject(arguments, "count", (double)count);
    }
    cJSON *result = NULL;
    int fd = fh_ctl_ask(call, "tail", arguments, &result);
    cJSON_Delete(arguments);
    cJSON_Delete(result);
    if (fd < 0) {
        return FH_CTL_FAILED;
    }
    enum fh_ctl_exit status = copy_lines(fd, count);
    close(fd);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------
 */

const struct fh_ctl_command fh_ctl_commands[] = {
    {.name = "onboarding",
     .summary = "what the vendor wants to know before the first event: a sheet, its document",
     .help =
         "init writes an empty sheet with comments (default onboarding.conf; never overwrites),\n"
         "check says what is missing or against the vendor's rules, render writes the document\n"
         "to send, fields lists all fields and event types. Needs no running daemon.",
     .operand = "init|check|render|fields",
     .file = "FILE",
     .options = {{"config", "FILE", "check: compare with this configuration of firehosed"},
                 {"format", "markdown|html|json", "render: default markdown"},
                 {"output", "FILE", "render: write it there, not to standard output"},
                 {"draft", NULL, "render: although something is missing"}},
     .run = fh_ctl_onboarding},
    {.name = "activate",
     .summary = "exchange an activation token of the vendor's dashboard for the API key",
     .help =
         "The token comes from --token-file or standard input, never from the command line. It is\n"
         "verified first: signed by the service, not expired, for an address of the service. The\n"
         "key goes into its file (mode 0600, of the service's user) and is never shown. Federal\n"
         "endpoints have no activation: there the vendor coordinates the key with you.",
     .options = {{"token-file", "FILE", "the token; - is standard input (default)"},
                 {"config", "FILE", "default /etc/firehosed/firehosed.conf"},
                 {"output", "FILE", "the key (default: firehose.api_key_file)"},
                 {"url", "URL", "the service, if it is not firehose.url"},
                 {"ca-file", "FILE", "its authority, PEM (default: firehose.ca_file)"},
                 {"force", NULL, "replace a key that is there"},
                 {"dry-run", NULL, "verify the token, activate nothing"}},
     .run = fh_ctl_activate},
    {.name = "setup",
     .summary = "write configuration and keys of both hosts of a pair, or of a single node",
     .help =
         "Run on one of the two hosts. Asks when --address or --peer-address is missing and this\n"
         "is a terminal. This host's files go into /etc/firehosed, the other host's into a\n"
         "directory to be copied there, where setup --import puts them into place. Files with\n"
         "other contents are replaced with --force only; keys that are there stay.",
     .options = {{"import", "DIR", "put the files another host's setup made into place here"},
                 {"single", NULL, "one node alone, no pair"},
                 {"url", "URL", "address of the service"},
                 {"api-key-file", "FILE", "the API key; - reads it from standard input"},
                 {"ca-file", "FILE", "authority of the service, PEM (default: the system's)"},
                 {"channel", "http|websocket|grpc", "the one the activation has (default http)"},
                 {"receivers", "N", "connections the partitions are split over (default 4)"},
                 {"name", "NAME", "this node (default a)"},
                 {"peer-name", "NAME", "the other node (default b)"},
                 {"address", "HOST", "this host, as the other reaches it; HOST:PORT; A,B: paths"},
                 {"peer-address", "HOST", "the other host, the same way"},
                 {"port", "N", "port of the link between them (default 5570)"},
                 {"preferred", "this|peer", "primary when both start together (default this)"},
                 {"prefer", "availability|safety", "hearing nobody: go on (default) or stop"},
                 {"witness", "HOST", "address of a firehose-witness"},
                 {"witness-key", "KEY", "its public key"},
                 {"sink-dir", "DIR", "where the events go (default: STATE/events)"},
                 {"output", "DIR", "configuration here (default /etc/firehosed)"},
                 {"state-dir", "DIR", "state here (default /var/lib/firehosed)"},
                 {"peer-output", "DIR", "configuration on the other host"},
                 {"peer-state-dir", "DIR", "state on the other host"},
                 {"bundle", "DIR", "files for the other host (default OUTPUT/bundle-NAME)"},
                 {"force", NULL, "replace files that hold something else"}},
     .run = fh_ctl_setup},
    {.name = "doctor",
     .summary = "examine this node, its service, its peer: what is wrong and what to do",
     .help =
         "Changes nothing, takes no event from the pair, needs no running daemon. One line for\n"
         "each finding: ok, warn or FAIL. Exit status 0: nothing failed.",
     .options = {{"config", "FILE", "default /etc/firehosed/firehosed.conf"},
                 {"peer-config", "FILE", "the other node's, to be compared"},
                 {"user", "NAME", "the service's user (default: the daemon's, or firehosed)"},
                 {"json", NULL, "as JSON"}},
     .run = fh_ctl_doctor},
    {.name = "status",
     .summary = "what this node is and does: role, peer, receivers, sinks, counters",
     .options = {{"json", NULL, "the whole result as JSON, for programs"}},
     .run = run_status},
    {.name = "top",
     .summary = "the pair live: roles, link, rates, lag, sinks, last changes",
     .help =
         "On a terminal a screen of any size from 60x12 (h there lists the keys), else, or with\n"
         "--plain, a line for each look. Reconnects when the daemon restarts.",
     .options = {{"interval", "SECONDS", "between two looks, 0.2 to 3600 (default 1)"},
                 {"count", "N", "end after N looks"},
                 {"plain", NULL, "lines, although this is a terminal"}},
     .run = fh_ctl_top},
    {.name = "checkpoint",
     .summary = "up to which time each partition is received and delivered",
     .options = {{"json", NULL, "as JSON, in milliseconds since 1970"}},
     .run = run_checkpoint},
    {.name = "tail",
     .summary = "print events as they are stored, one JSON object per line",
     .help = "For looking, not for keeping: a reader that is too slow misses events. Reads what\n"
             "this node stores, whatever its role, and changes nothing.",
     .options = {{"count", "N", "end after N events"}},
     .run = run_tail},
    {.name = "events",
     .summary = "look back: the events kept in this node's store, whatever its role",
     .help =
         "Reads the store itself; the daemon may run or not, and is not asked. In the order in\n"
         "which the events came, which is nearly that of their time. json is the record as it\n"
         "is stored; the table (default) has no names, e-mail addresses or telephone numbers.\n"
         "Delivered events are kept for dedup.window_minutes when there is room.\n" FH_WHEN_FORMS,
     .options = {{"since", "TIME", "events from this time on"},
                 {"until", "TIME", "events before this time"},
                 {"type", "TYPE", "of these event types; several: A,B"},
                 {"device", "ID", "about this device (its id, else MAC address, user, camera)"},
                 {"location", "ID", "at this location or inside it"},
                 {"format", "table|json", "a line for people, or one JSON object per line"},
                 {"limit", "N", "end after N events"},
                 {"newest", NULL, "the newest first"},
                 {"config", "FILE", "default /etc/firehosed/firehosed.conf"},
                 {"state-dir", "DIR", "node.state_dir, without a configuration"}},
     .run = fh_ctl_events},
    {.name = "stats",
     .summary = "count the events kept in this node's store by type, location, hour or tenant",
     .help = "One pass over the store, as events reads it; by location: the most specific one.\n"
             "What is behind the first --top names is counted as other.\n" FH_WHEN_FORMS,
     .options = {{"since", "TIME", "events from this time on"},
                 {"until", "TIME", "events before this time"},
                 {"type", "TYPE", "of these event types; several: A,B"},
                 {"device", "ID", "about this device (its id, else MAC address, user, camera)"},
                 {"location", "ID", "at this location or inside it"},
                 {"by", "type|location|hour|tenant", "what to count by (default type)"},
                 {"format", "table|json|csv", "default table"},
                 {"top", "N", "so many names (default 20; by hour: all)"},
                 {"config", "FILE", "default /etc/firehosed/firehosed.conf"},
                 {"state-dir", "DIR", "node.state_dir, without a configuration"}},
     .run = fh_ctl_stats},
    {.name = "replay",
     .summary = "deliver events of the past again into one sink, marked as a replay",
     .help =
         "To be given on the primary. The sink's filters and fields apply; each record carries "
         "the\n"
         "replay's id in the member \"_firehosed\"; the live stream goes first, and nothing of it\n"
         "changes. Ctrl-C ends the replay; so do a restart and the loss of the role. It then says\n"
         "from when on to go on.\n" FH_WHEN_FORMS,
     .options = {{"sink", "NAME", "the sink, as the configuration names it; needed"},
                 {"since", "TIME", "events from this time on; needed"},
                 {"until", "TIME", "events before this time (default now)"},
                 {"type", "TYPE", "of these event types; several: A,B"},
                 {"rate", "N", "so many events a second at most"},
                 {"listen", "ADDRESS", "zeromq: bind this address for the replay's consumer"},
                 {"dry-run", NULL, "say how many events of which types would go where"},
                 {"detach", NULL, "do not wait; status shows it"},
                 {"cancel", NULL, "end the replay that is running (into --sink)"}},
     .run = fh_ctl_replay},
    {.name = "history",
     .summary = "the last changes of role on this node, each with reason and evidence",
     .options = {{"json", NULL, "as JSON"}},
     .run = fh_ctl_history},
    {.name = "switchover",
     .summary = "hand the primary's role to the other node, without loss or duplicate",
     .help =
         "To be given on the primary. Refused, with the reason, when the standby is not ready;\n"
         "--force goes ahead all the same and says what may be lost or doubled.",
     .options = {{"wait", NULL, "until the other node has taken over (at most 30 s)"},
                 {"force", NULL, "although the standby is not ready"}},
     .run = fh_ctl_switchover},
    {.name = "promote",
     .summary = "make a node lead that waits for the other one",
     .help = "To be given on a standby, or on a node that has just started, when the other node is "
             "not\n"
             "to come back soon: with pair.prefer = \"safety\" it does not lead by itself unless "
             "it knows\n"
             "that nothing is delivered twice. Without --force it only says what may be. Refused "
             "while\n"
             "the other node is heard or holds the arbiter's lease.",
     .options = {{"force", NULL, "lead, and deliver again what only the other node knows"}},
     .run = fh_ctl_promote},
    {.name = "maintenance",
     .summary = "keep this node from promoting itself, or let it again",
     .help = "A primary hands its role over first. The order outlives restarts; status shows it.",
     .operand = "on|off",
     .options = {{"force", NULL, "although the standby is not ready"}},
     .run = fh_ctl_maintenance},
    {.name = "keygen",
     .summary = "make the key pair with which this node proves who it is to its peer",
     .help = "Prints the public key: it belongs into the peer's configuration as\n"
             "pair.peer_public_key. The secret key never leaves this host; pair.secret_key_file\n"
             "names its file. Needs no running daemon. Never overwrites a file.",
     .options = {{"secret", "FILE", "where the secret key goes (mode 0600); needed"},
                 {"public", "FILE", "write the public key there, too"}},
     .run = fh_ctl_keygen},
    {.name = "preview",
     .summary = "print events straight from the service, without touching any state",
     .help = "One connection for all 12 partitions. Connections on one replica share its events:\n"
             "what a preview reads on a replica in use is missing there. So a replica that the\n"
             "pair may be using is refused; --force is for a pair that is stopped.",
     .options = {{"config", "FILE", "the daemon's configuration; needed"},
                 {"replica", "N", "replica to read, 1 to 3 (default 3)"},
                 {"force", NULL, "also one that the pair may be using"},
                 {"count", "N", "end after N events"},
                 {"capture", "FILE", "write the events there, too; never overwrites"},
                 {"from", "MS", "start at this time, in milliseconds since 1970"}},
     .run = fh_ctl_preview},
    {.name = NULL},
};
