/* file_keep.c: owns the removal of old published files. Never touches a file that is not published,
 * and nothing of a sink with another name. */
#include "file_keep.h"

#include "file_name.h"
#include "file_place.h"
#include "published_mark.h"

#include "fh/clock.h"
#include "fh/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Age alone makes files due so often; a publication looks earlier, but not after each. */
#define LOOK_MS       60000
#define LOOK_LEAST_MS 5000
#define MORE_MS       1000

struct file {
    int64_t modified_ns; /* when its last record was written; publishing does not change it */
    int64_t size;
    char name[FH_SINK_POSITION_MAX];
};

struct fh_file_keep {
    char directory[FH_PATH_MAX];
    char name[FH_SINK_NAME_MAX];
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* below: under the lock */
    struct fh_file_keep_limits limits;
    bool published;
    bool stop;
    /* the thread's own */
    bool failing;
    bool told;
};

/* ---- one step ---- */

/* The oldest files of the directory, at most one more than a step removes: the marked one may be
 * among them. */
struct oldest {
    struct file file[FH_FILE_KEEP_STEP + 1];
    size_t count;
    size_t youngest; /* of those, when full */
    int64_t total;   /* bytes of all */
};

static int compare(const void *left, const void *right)
{
    const struct file *a = left;
    const struct file *b = right;
    if (a->modified_ns != b->modified_ns) {
        return a->modified_ns < b->modified_ns ? -1 : 1;
    }
    return strcmp(a->name, b->name);
}

static void note(struct oldest *oldest, const struct file *file)
{
    oldest->total += file->size;
    if (oldest->count < FH_ARRAY_LEN(oldest->file)) {
        oldest->file[oldest->count++] = *file;
    } else if (compare(file, &oldest->file[oldest->youngest]) < 0) {
        oldest->file[oldest->youngest] = *file;
    } else {
        return;
    }
    oldest->youngest = 0;
    for (size_t i = 1; i < oldest->count; i++) {
        if (compare(&oldest->file[oldest->youngest], &oldest->file[i]) < 0) {
            oldest->youngest = i;
        }
    }
}

static void find_oldest(DIR *directory, const char *sink, struct oldest *oldest)
{
    struct dirent *entry;
    oldest->count = 0;
    oldest->total = 0;
    while ((entry = readdir(directory))) {
        struct stat st;
        struct file file;
        size_t len = strlen(entry->d_name);
        if (len >= sizeof(file.name) || !fh_file_name_is_ours(entry->d_name, sink) ||
            fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode)) {
            continue; /* a stranger's, or its consumer was faster */
        }
        file.modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        file.size = st.st_size;
        memcpy(file.name, entry->d_name, len + 1);
        note(oldest, &file);
    }
}

static bool is_due(const struct file *file, const struct fh_file_keep_limits *limits, int64_t total,
                   int64_t wall_ms)
{
    bool old = limits->age_ms > 0 && wall_ms - file->modified_ns / 1000000 > limits->age_ms;
    return old || (limits->bytes > 0 && total > limits->bytes);
}

static int remove_due(DIR *directory, int lock_fd, struct oldest *oldest,
                      const struct fh_file_keep_limits *limits, int64_t wall_ms,
                      struct fh_file_keep_result *result)
{
    int64_t total = oldest->total;
    for (size_t i = 0; i < oldest->count && is_due(&oldest->file[i], limits, total, wall_ms); i++) {
        const struct file *file = &oldest->file[i];
        if (result->removed == FH_FILE_KEEP_STEP) {
            result->more = true;
            break;
        }
        /* Asked for each: a file that was listed is published, so the mark names it or a later
         * one. */
        if (lock_fd >= 0 && fh_published_mark_is(lock_fd, file->name)) {
            continue;
        }
        if (unlinkat(dirfd(directory), file->name, 0) != 0 && errno != ENOENT) {
            return -errno;
        }
        total -= file->size;
        result->removed++;
        result->removed_bytes += file->size;
    }
    return 0;
}

int fh_file_keep_step(const char *directory, const char *sink,
                      const struct fh_file_keep_limits *limits, int64_t wall_ms,
                      struct fh_error *err, struct fh_file_keep_result *ret)
{
    char lock[FH_FILE_PATH_MAX];
    struct fh_file_keep_result result = {0};
    DIR *open_directory = opendir(directory);
    struct oldest *oldest = malloc(sizeof(*oldest));
    if (!open_directory || !oldest) {
        int code = open_directory ? -ENOMEM : -errno;
        if (open_directory) {
            closedir(open_directory);
        }
        free(oldest);
        return fh_file_fail(err, code, "look for old files in", directory);
    }
    fh_file_lock_path(directory, sink, lock);
    int lock_fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    find_oldest(open_directory, sink, oldest);
    qsort(oldest->file, oldest->count, sizeof(oldest->file[0]), compare);
    int r = remove_due(open_directory, lock_fd, oldest, limits, wall_ms, &result);
    if (lock_fd >= 0) {
        close(lock_fd);
    }
    closedir(open_directory);
    free(oldest);
    *ret = result;
    return r < 0 ? fh_file_fail(err, r, "remove old files from", directory) : 0;
}

/* ---- the thread ---- */

static bool limited(const struct fh_file_keep *keep)
{
    return keep->limits.age_ms > 0 || keep->limits.bytes > 0;
}

/* Milliseconds until the next step. Logs what changes, and the first removal: somebody may wonder
 * where the files are. */
static int64_t work(struct fh_file_keep *keep, const struct fh_file_keep_limits *limits)
{
    struct fh_file_keep_result result = {0};
    struct fh_error err;
    int r = fh_file_keep_step(keep->directory, keep->name, limits, fh_wall_ms(), &err, &result);
    if (r < 0 && !keep->failing) {
        fh_log(LOG_WARNING, "sink %s: %s", keep->name, err.text);
    }
    keep->failing = r < 0;
    if (result.removed > 0) {
        fh_log(keep->told ? LOG_DEBUG : LOG_NOTICE,
               "sink %s: removed %u published files (%" PRId64
               " bytes) beyond keep_hours or keep_bytes%s",
               keep->name, result.removed, result.removed_bytes,
               keep->told ? "" : "; the next ones are told at log level debug");
        keep->told = true;
    }
    return result.more ? MORE_MS : LOOK_MS;
}

/* Under the lock. Until the time has come, something was published, or the end. */
static void wait_ms(struct fh_file_keep *keep, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&keep->changed, &keep->lock, &until);
}

static void *run(void *userdata)
{
    struct fh_file_keep *keep = userdata;
    struct fh_time next = fh_now();
    pthread_mutex_lock(&keep->lock);
    while (!keep->stop) {
        struct fh_time now = fh_now();
        if (!limited(keep)) {
            wait_ms(keep, LOOK_MS);
            next = fh_now();
        } else if (fh_time_before(now, next)) {
            wait_ms(keep, fh_time_diff_ms(next, now) + 1);
        } else {
            struct fh_file_keep_limits limits = keep->limits;
            keep->published = false;
            pthread_mutex_unlock(&keep->lock);
            int64_t ms = work(keep, &limits);
            next = fh_time_add_ms(fh_now(), ms);
            pthread_mutex_lock(&keep->lock);
        }
        struct fh_time soon = fh_time_add_ms(fh_now(), LOOK_LEAST_MS);
        if (keep->published && fh_time_before(soon, next)) {
            keep->published = false;
            next = soon;
        }
    }
    pthread_mutex_unlock(&keep->lock);
    return NULL;
}

static int start(struct fh_file_keep *keep)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = -pthread_create(&keep->thread, NULL, run, keep);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    keep->started = r == 0;
    return r;
}

static void set_limits(struct fh_file_keep *keep, int64_t hours, int64_t bytes)
{
    keep->limits = (struct fh_file_keep_limits){.age_ms = hours * 3600000, .bytes = bytes};
}

int fh_file_keep_new(const struct fh_config_sink *config, struct fh_error *err,
                     struct fh_file_keep **ret)
{
    struct fh_file_keep *keep = calloc(1, sizeof(*keep));
    pthread_condattr_t attributes;
    if (!keep) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    snprintf(keep->directory, sizeof(keep->directory), "%s", config->directory);
    snprintf(keep->name, sizeof(keep->name), "%s", config->name);
    pthread_mutex_init(&keep->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keep->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    set_limits(keep, config->keep_hours, config->keep_bytes);
    int r = limited(keep) ? start(keep) : 0;
    if (r < 0) {
        fh_file_keep_free(keep);
        return fh_error_set(err, r, "cannot start a thread for sink \"%s\"", config->name);
    }
    *ret = keep;
    return 0;
}

void fh_file_keep_free(struct fh_file_keep *keep)
{
    if (!keep) {
        return;
    }
    if (keep->started) {
        pthread_mutex_lock(&keep->lock);
        keep->stop = true;
        pthread_cond_signal(&keep->changed);
        pthread_mutex_unlock(&keep->lock);
        pthread_join(keep->thread, NULL);
    }
    pthread_cond_destroy(&keep->changed);
    pthread_mutex_destroy(&keep->lock);
    free(keep);
}

void fh_file_keep_limit(struct fh_file_keep *keep, int64_t hours, int64_t bytes)
{
    pthread_mutex_lock(&keep->lock);
    set_limits(keep, hours, bytes);
    keep->published = true; /* look soon */
    bool wanted = limited(keep) && !keep->started;
    pthread_cond_signal(&keep->changed);
    pthread_mutex_unlock(&keep->lock);
    if (wanted && start(keep) < 0) {
        fh_log(LOG_WARNING, "sink %s: cannot start a thread; old files stay until a restart",
               keep->name);
    }
}

void fh_file_keep_look(struct fh_file_keep *keep)
{
    pthread_mutex_lock(&keep->lock);
    keep->published = true;
    pthread_cond_signal(&keep->changed);
    pthread_mutex_unlock(&keep->lock);
}
