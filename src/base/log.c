/* log.c: owns where lines go. One write(2) per line to stderr, one datagram to the journal. */
#include "fh/log.h"

#include "log_repeat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* We give our own fields and do not want CODE_FILE of this wrapper in every entry. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define FIELDS_MAX     16
#define LINE_MAX_BYTES 2048

static struct {
    const char *identifier;
    char node[64];
    bool journal;
    bool limited;
    atomic_int max_level;
    _Atomic(const char *) role;
    atomic_uint_least64_t epoch;
} state = {.identifier = "firehosed", .max_level = LOG_INFO};

enum { EACH, FLAPS };

static const struct {
    const char *hex;
    const char *name;
    int often;
} ids[FH_LOG_ID_COUNT] = {[FH_LOG_NONE] = {"", "", EACH},
#define ROW(symbol, id, name, often) [FH_LOG_##symbol] = {id, name, often},
                          FH_LOG_IDS(ROW)
#undef ROW
};

const char *fh_log_id_hex(enum fh_log_id id)
{
    return (unsigned)id < FH_LOG_ID_COUNT ? ids[id].hex : "";
}

const char *fh_log_id_name(enum fh_log_id id)
{
    return (unsigned)id < FH_LOG_ID_COUNT ? ids[id].name : "";
}

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream stderr is connected to. A shell
 * may inherit the variable with stderr pointing elsewhere, hence the comparison. */
static bool stderr_is_journal(void)
{
    const char *value = getenv("JOURNAL_STREAM");
    if (!value) {
        return false;
    }
    char *end = NULL;
    unsigned long long device = strtoull(value, &end, 10);
    if (*end != ':') {
        return false;
    }
    unsigned long long inode = strtoull(end + 1, &end, 10);
    struct stat st;
    return *end == '\0' && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

void fh_log_init(const char *identifier, enum fh_log_target target, int max_level)
{
    state.identifier = identifier;
    fh_log_set_level(max_level);
    state.journal = target == FH_LOG_JOURNAL || (target == FH_LOG_AUTO && stderr_is_journal());
}

void fh_log_set_level(int max_level)
{
    atomic_store(&state.max_level, max_level);
}

void fh_log_set_node(const char *node)
{
    snprintf(state.node, sizeof(state.node), "%s", node);
}

void fh_log_set_role(const char *role, uint64_t epoch)
{
    atomic_store(&state.epoch, epoch);
    atomic_store(&state.role, role);
}

void fh_log_limit(bool on)
{
    state.limited = on;
    fh_log_repeat_reset();
}

static const char *level_name(int level)
{
    static const char *const names[] = {"emerg",   "alert",  "crit", "error",
                                        "warning", "notice", "info", "debug"};
    return level >= 0 && level <= LOG_DEBUG ? names[level] : "info";
}

static void to_stderr(int level, enum fh_log_id id, const struct fh_log_field *fields,
                      size_t field_count, const char *message)
{
    char line[LINE_MAX_BYTES];
    size_t room = sizeof(line) - 1; /* for the newline */
    size_t used = 0;
    int n = snprintf(line, room, "%s%s%s%s %s %s%s%s%s", state.identifier, state.node[0] ? "[" : "",
                     state.node, state.node[0] ? "]" : "", level_name(level), id ? "[" : "",
                     fh_log_id_name(id), id ? "] " : "", message);
    used = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    for (size_t i = 0; i < field_count && used < room; i++) {
        n = snprintf(line + used, room - used, "%s%s=%s", i == 0 ? "  " : " ", fields[i].name,
                     fields[i].value);
        used = n < 0 ? used : used + (size_t)n < room ? used + (size_t)n : room - 1;
    }
    for (size_t i = 0; i < used; i++) {
        if (line[i] == '\n' || line[i] == '\r') {
            line[i] = ' '; /* one line per entry, whatever a server put into its answer */
        }
    }
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* nowhere left to complain */
}

static void to_journal(int level, enum fh_log_id id, const struct fh_log_field *fields,
                       size_t field_count, const char *message)
{
    char text[FIELDS_MAX + 7][LINE_MAX_BYTES + 64];
    struct iovec iov[FIELDS_MAX + 7];
    int count = 0;
    const char *role = atomic_load(&state.role);
    bool says_role = false;
#define ADD(...)                                                                                   \
    do {                                                                                           \
        int n_ = snprintf(text[count], sizeof(text[count]), __VA_ARGS__);                          \
        size_t len_ = n_ < 0 ? 0 : (size_t)n_;                                                     \
        iov[count].iov_base = text[count];                                                         \
        iov[count].iov_len = len_ < sizeof(text[count]) ? len_ : sizeof(text[count]) - 1;          \
        count++;                                                                                   \
    } while (0)
    ADD("MESSAGE=%s", message);
    ADD("PRIORITY=%d", level);
    ADD("SYSLOG_IDENTIFIER=%s", state.identifier);
    if (id != FH_LOG_NONE) {
        ADD("MESSAGE_ID=%s", fh_log_id_hex(id));
    }
    if (state.node[0]) {
        ADD("FIREHOSED_NODE=%s", state.node);
    }
    for (size_t i = 0; i < field_count && i < FIELDS_MAX; i++) {
        ADD("%s=%s", fields[i].name, fields[i].value);
        says_role = says_role || strcmp(fields[i].name, "FIREHOSED_ROLE") == 0;
    }
    if (role && !says_role) {
        ADD("FIREHOSED_ROLE=%s", role);
        ADD("FIREHOSED_EPOCH=%" PRIu64, (uint64_t)atomic_load(&state.epoch));
    }
#undef ADD
    if (sd_journal_sendv(iov, count) < 0) {
        to_stderr(level, id, fields, field_count, message);
    }
}

static void say(int level, enum fh_log_id id, const struct fh_log_field *fields, size_t field_count,
                const char *message)
{
    if (state.journal) {
        to_journal(level, id, fields, field_count, message);
    } else {
        to_stderr(level, id, fields, field_count, message);
    }
}

static void emit(int level, enum fh_log_id id, const struct fh_log_field *fields,
                 size_t field_count, const char *format, va_list args) FH_PRINTF(5, 0);
static void emit(int level, enum fh_log_id id, const struct fh_log_field *fields,
                 size_t field_count, const char *format, va_list args)
{
    if (level > atomic_load(&state.max_level)) {
        return;
    }
    char message[LINE_MAX_BYTES];
    vsnprintf(message, sizeof(message), format, args);
    if (state.limited && ids[id].often == FLAPS &&
        fh_log_repeat_hold(fh_now(), level, id, fields, field_count, message)) {
        return;
    }
    say(level, id, fields, field_count, message);
}

void fh_log_flush(bool all)
{
    struct fh_log_held held = {0};
    struct fh_log_field fields[FH_LOG_HELD_FIELDS];
    while (state.limited && fh_log_repeat_next(fh_now(), all, &held)) {
        char message[FH_LOG_HELD_TEXT + 64];
        for (size_t i = 0; i < FH_LOG_HELD_FIELDS; i++) {
            fields[i] =
                (struct fh_log_field){i < held.field_count ? held.name[i] : "", held.value[i]};
        }
        snprintf(message, sizeof(message),
                 held.count > 1 ? "%s (the last of %u such changes)" : "%s", held.message,
                 held.count);
        say(held.level, held.id, fields, held.field_count, message);
    }
}

void fh_log(int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(level, FH_LOG_NONE, NULL, 0, format, args);
    va_end(args);
}

void fh_log_event(int level, enum fh_log_id id, const struct fh_log_field *fields,
                  size_t field_count, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit(level, id, fields, field_count, format, args);
    va_end(args);
}
