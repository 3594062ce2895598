/* firehose-ledger.c: compares what the simulator says it sent with what stands in the published
 * files of any number of nodes. The referee of every end-to-end test.
 *
 * Never looks at .part files: what is not published is not delivered. */
#include "fh/err.h"
#include "ledger_alias.h"
#include "ledger_read.h"
#include "ledger_table.h"
#include "ledger_twins.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    const char *ledger;
    const char *also; /* NULL: every replica shows the same uids and stamps */
    const char *ca_file;
    int64_t exclude_tail_ms;
    uint64_t show;
};

struct tally {
    struct options options;
    struct ledger_table table;
    struct ledger_alias alias;
    struct ledger_twins twins; /* when the ledger tells payloads */
    bool aliases;              /* reading the other replica's ledger */
    int64_t newest_ms;
    int64_t cutoff_ms; /* later records of the ledger may still be on their way */
    uint64_t repeated; /* ledger lines that name a record again */
    uint64_t sent, delivered, lost, duplicated, foreign, gaps;
    uint64_t interchanged, repeated_twins; /* where nothing tells events apart */
    uint64_t shown_foreign, shown_duplicates, shown_lost;
    bool naming; /* second pass: name examples instead of counting */
    const char *file;
};

static void usage(FILE *to)
{
    fputs(
        "usage: firehose-ledger --ledger FILE|URL [--also FILE|URL] [--ca FILE] "
        "[--exclude-tail-ms N]\n"
        "                       [--show N] DIR|FILE...\n"
        "\n"
        "Reads the simulator's ledger (a file, or http(s)://HOST/sim/ledger) and all published\n"
        "*.ndjson and *.ndjson.zst of the directories and files named, and prints\n"
        "  sent N, delivered N, lost N, duplicated N, foreign N\n"
        "\n"
        "  --ledger FILE|URL     lines of: uid timestamp partition [payload]\n"
        "                        With payloads (a hash in hex) events of equal payload and minute\n"
        "                        are counted apart: one lost while another one is there once too\n"
        "                        often (interchanged), or one there once too often (repeated); "
        "under\n"
        "                        other uids and stamps nothing tells them apart\n"
        "  --also FILE|URL       the same ledger as another replica shows it, line by line:\n"
        "                        a record counts under either key, and twice under both\n"
        "  --ca FILE             certificate authority for https\n"
        "  --exclude-tail-ms N   leave out the newest N ms of the ledger (still on their way)\n"
        "  --show N              name up to N examples of each kind\n"
        "\n"
        "Exit status: 0 nothing lost, duplicated or foreign; 1 otherwise; 2 wrong usage.\n",
        to);
}

/* ---- the ledger -------------------------------------------------------------------------------
 */

/* "event-6b42f3eb 1767225601137 4" */
static bool parse_ledger_line(const char *line, size_t len, size_t *ret_uid_len, int64_t *ret_ms)
{
    const char *space = memchr(line, ' ', len);
    if (!space || space == line) {
        return false;
    }
    char digits[32];
    size_t rest = len - (size_t)(space - line) - 1;
    size_t n = rest < sizeof(digits) - 1 ? rest : sizeof(digits) - 1;
    memcpy(digits, space + 1, n);
    digits[n] = '\0';
    char *end = NULL;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (errno != 0 || end == digits || (*end != ' ' && *end != '\0' && *end != '\r')) {
        return false;
    }
    *ret_uid_len = (size_t)(space - line);
    *ret_ms = value;
    return true;
}

/* The fourth column, if there is one: "event-6b42f3eb 1767225601137 4 9f2c..." */
static uint64_t payload_of(const char *line, size_t len)
{
    char text[96];
    size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
    memcpy(text, line, n);
    text[n] = '\0';
    char *at = text;
    for (int column = 0; at && column < 3; column++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? strtoull(at, NULL, 16) : 0;
}

static void name_if_lost(struct tally *tally, const char *line, size_t len, struct ledger_key key)
{
    size_t slot = ledger_table_find(&tally->table, key);
    if (slot != LEDGER_NONE && tally->table.seen[slot] == 1 &&
        key.timestamp_ms <= tally->cutoff_ms && tally->shown_lost < tally->options.show) {
        tally->shown_lost++;
        fprintf(stderr, "lost: %.*s\n", (int)len, line);
    }
}

static int take_ledger_line(void *userdata, const char *line, size_t len, bool whole)
{
    struct tally *tally = userdata;
    if (len == 0 || line[0] == '#') {
        return 0;
    }
    size_t uid_len = 0;
    int64_t timestamp_ms = 0;
    if (!whole || !parse_ledger_line(line, len, &uid_len, &timestamp_ms)) {
        fprintf(stderr, "firehose-ledger: not a line of a ledger: %.*s\n",
                (int)(len < 100 ? len : 100), line);
        return -EBADMSG;
    }
    struct ledger_key key = ledger_key_of(line, uid_len, timestamp_ms);
    if (tally->naming) {
        name_if_lost(tally, line, len, key);
        return 0;
    }
    if (tally->aliases) {
        return ledger_alias_tell(&tally->alias, key);
    }
    if (tally->options.also && ledger_alias_add(&tally->alias, key) < 0) {
        return -ENOMEM;
    }
    if (timestamp_ms > tally->newest_ms) {
        tally->newest_ms = timestamp_ms;
    }
    uint64_t payload = payload_of(line, len);
    if (payload != 0 && ledger_twins_add(&tally->twins, key, payload) < 0) {
        return -ENOMEM;
    }
    int r = ledger_table_add(&tally->table, key);
    if (r == 0) {
        tally->repeated++;
    }
    return r < 0 ? r : 0;
}

static int read_ledger(struct tally *tally, const char *ledger, struct fh_error *err)
{
    if (strncmp(ledger, "http://", 7) == 0 || strncmp(ledger, "https://", 8) == 0) {
        return ledger_read_url(ledger, tally->options.ca_file, take_ledger_line, tally, err);
    }
    return ledger_read_file(ledger, take_ledger_line, tally, err);
}

static int read_also(struct tally *tally, struct fh_error *err)
{
    if (!tally->options.also) {
        return 0;
    }
    tally->aliases = true;
    int r = read_ledger(tally, tally->options.also, err);
    tally->aliases = false;
    if (r < 0 && r != -ERANGE && r != -EBADMSG) {
        return r;
    }
    if (r < 0 || ledger_alias_end(&tally->alias) < 0) {
        return fh_error_set(err, -EBADMSG, "%s does not tell the events of %s line by line",
                            tally->options.also, tally->options.ledger);
    }
    return 0;
}

/* ---- the files --------------------------------------------------------------------------------
 */

static void take_foreign(struct tally *tally, const char *line, size_t len, const char *why)
{
    if (tally->naming) {
        return;
    }
    tally->foreign++;
    if (tally->shown_foreign < tally->options.show) {
        tally->shown_foreign++;
        fprintf(stderr, "foreign: %s in %s: %.*s\n", why, tally->file, (int)(len < 160 ? len : 160),
                line);
    }
}

static int take_record_line(void *userdata, const char *line, size_t len, bool whole)
{
    struct tally *tally = userdata;
    struct ledger_record record = {0};
    if (!whole || !ledger_scan(line, len, &record)) {
        take_foreign(tally, line, len, whole ? "not a record" : "half a record");
        return 0;
    }
    if (record.gap) {
        tally->gaps += !tally->naming;
        return 0;
    }
    struct ledger_key key = ledger_key_of(record.uid, record.uid_len, record.timestamp_ms);
    size_t slot = ledger_table_find(&tally->table, key);
    const struct ledger_key *first =
        slot == LEDGER_NONE ? ledger_alias_find(&tally->alias, key) : NULL;
    if (first) {
        slot = ledger_table_find(&tally->table, *first);
    }
    if (slot == LEDGER_NONE) {
        take_foreign(tally, line, len, "not in the ledger");
        return 0;
    }
    uint8_t *seen = &tally->table.seen[slot];
    if (tally->naming) {
        if (*seen > 2 && tally->shown_duplicates < tally->options.show) {
            tally->shown_duplicates++;
            fprintf(stderr, "duplicated: %.*s %" PRId64 " in %s\n", (int)record.uid_len, record.uid,
                    record.timestamp_ms, tally->file);
        }
        return 0;
    }
    if (*seen > 1) {
        tally->duplicated++;
    }
    if (*seen < UINT8_MAX) {
        (*seen)++;
    }
    return 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name);
    size_t suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int wanted(const struct dirent *entry)
{
    return ends_with(entry->d_name, ".ndjson") || ends_with(entry->d_name, ".ndjson.zst");
}

static int read_records(struct tally *tally, const char *path, struct fh_error *err)
{
    tally->file = path;
    return ledger_read_file(path, take_record_line, tally, err);
}

static int read_directory(struct tally *tally, const char *path, struct fh_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, wanted, alphasort);
    if (count < 0) {
        return fh_error_set(err, -errno, "cannot list %s", path);
    }
    int r = 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        if (r == 0) {
            r = read_records(tally, file, err);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int read_all(struct tally *tally, char **paths, int count, struct fh_error *err)
{
    for (int i = 0; i < count; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0) {
            return fh_error_set(err, -errno, "cannot find %s", paths[i]);
        }
        if (ends_with(paths[i], ".part")) {
            return fh_error_set(err, -EINVAL, "%s is not published", paths[i]);
        }
        int r = S_ISDIR(st.st_mode) ? read_directory(tally, paths[i], err)
                                    : read_records(tally, paths[i], err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* ---- the verdict ------------------------------------------------------------------------------
 */

static void count_up(struct tally *tally)
{
    for (size_t i = 0; i < tally->table.capacity; i++) {
        if (tally->table.seen[i] != 0 && tally->table.key[i].timestamp_ms <= tally->cutoff_ms) {
            tally->sent++;
            tally->delivered += tally->table.seen[i] > 1;
        }
    }
    struct ledger_twins_count twins = ledger_twins_judge(&tally->twins, &tally->table);
    tally->interchanged = twins.interchanged;
    tally->repeated_twins = twins.repeated;
    tally->delivered += twins.interchanged;
    tally->duplicated -= twins.interchanged + twins.repeated;
    tally->lost = tally->sent - tally->delivered;
}

/* The table keeps hashes; names come from reading once more, only when something is wrong. */
static int name_examples(struct tally *tally, char **paths, int count, struct fh_error *err)
{
    if (tally->options.show == 0) {
        return 0;
    }
    tally->naming = true;
    int r = 0;
    if (tally->lost > 0) {
        r = read_ledger(tally, tally->options.ledger, err);
    }
    if (r == 0 && tally->duplicated > 0) {
        r = read_all(tally, paths, count, err);
    }
    return r;
}

static int verdict(struct tally *tally)
{
    printf("sent %" PRIu64 ", delivered %" PRIu64 ", lost %" PRIu64 ", duplicated %" PRIu64
           ", foreign %" PRIu64,
           tally->sent, tally->delivered, tally->lost, tally->duplicated, tally->foreign);
    if (tally->gaps > 0) {
        printf(", gaps %" PRIu64, tally->gaps);
    }
    if (tally->interchanged + tally->repeated_twins > 0) {
        printf(", of equal payload: interchanged %" PRIu64 ", repeated %" PRIu64,
               tally->interchanged, tally->repeated_twins);
    }
    printf("\n");
    if (tally->repeated > 0) {
        fprintf(stderr, "firehose-ledger: %" PRIu64 " ledger lines repeat a uid and timestamp\n",
                tally->repeated);
    }
    if (tally->sent == 0) {
        fputs("firehose-ledger: the ledger is empty, so nothing was checked\n", stderr);
        return 1;
    }
    return tally->lost == 0 && tally->duplicated == 0 && tally->foreign == 0 ? 0 : 1;
}

static int run(struct tally *tally, char **paths, int count, struct fh_error *err)
{
    int r = read_ledger(tally, tally->options.ledger, err);
    if (r == 0) {
        r = read_also(tally, err);
    }
    if (r < 0) {
        return r;
    }
    tally->cutoff_ms = tally->newest_ms - tally->options.exclude_tail_ms;
    r = read_all(tally, paths, count, err);
    if (r < 0) {
        return r;
    }
    count_up(tally);
    return name_examples(tally, paths, count, err);
}

static bool parse_number(const char *text, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0) {
        return false;
    }
    *ret = value;
    return true;
}

static bool parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option long_options[] = {
        {"ledger", required_argument, NULL, 'l'},
        {"also", required_argument, NULL, 'a'},
        {"ca", required_argument, NULL, 'c'},
        {"exclude-tail-ms", required_argument, NULL, 't'},
        {"show", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int64_t show = 0;
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        bool good = true;
        switch (c) {
        case 'l':
            ret->ledger = optarg;
            break;
        case 'a':
            ret->also = optarg;
            break;
        case 'c':
            ret->ca_file = optarg;
            break;
        case 't':
            good = parse_number(optarg, &ret->exclude_tail_ms);
            break;
        case 's':
            good = parse_number(optarg, &show);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            good = false;
        }
        if (!good) {
            return false;
        }
    }
    ret->show = (uint64_t)show;
    return ret->ledger && optind < argc;
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    if (!parse_options(argc, argv, &tally.options)) {
        usage(stderr);
        return 2;
    }
    struct fh_error err = {""};
    int r = run(&tally, argv + optind, argc - optind, &err);
    if (r < 0) {
        fprintf(stderr, "firehose-ledger: %s\n", err.text);
    }
    int status = r < 0 ? 1 : verdict(&tally);
    ledger_table_done(&tally.table);
    ledger_alias_done(&tally.alias);
    ledger_twins_done(&tally.twins);
    return status;
}
