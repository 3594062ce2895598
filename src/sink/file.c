/* file.c: the file sink: NDJSON, optionally zstd, in batch files that appear whole or not at all.
 *
 * A batch is written to NAME-...ndjson.part. prepare makes it durable and says its name; from then
 * on only publish (rename) or discard (unlink) touch it. A batch in progress after a failed write
 * is never repaired: it is broken until reopen() removes it, and the caller writes it again from
 * its start. So no file with half a record can be published.
 *
 * Its parts: file_place (the directory and the lock in it), file_owner (whom published files
 * belong to), file_keep (how long they stay), published_mark (which was the last one). */
#include "file_keep.h"
#include "file_name.h"
#include "file_owner.h"
#include "file_place.h"
#include "published_mark.h"
#include "types.h"
#include "zstd_writer.h"

#include "fh/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_sink {
    struct fh_config_sink config;
    int lock_fd;
    struct fh_file_owner owner;
    struct fh_file_keep *keep;
    struct fh_output output;
    struct fh_zstd_writer *zstd; /* NULL until first needed */

    /* The batch in progress; name is empty when there is none. */
    char name[FH_SINK_POSITION_MAX];
    int fd;
    bool compressed;      /* this batch, whatever reload said since */
    int broken;           /* negative errno of the failed write, 0 = sound */
    uint64_t bytes;       /* NDJSON bytes taken */
    struct fh_time began; /* first record */
};

static void promise(const struct fh_config_sink *config, char *text, size_t size)
{
    snprintf(text, size,
             "exactly once over published files (%s/%s-*.ndjson%s); names ending in .part are not "
             "published",
             config->directory, config->name,
             config->compression == FH_COMPRESS_ZSTD ? ".zst" : "");
}

static void full_path(const struct file_sink *sink, const char *name, const char *suffix,
                      char path[FH_FILE_PATH_MAX])
{
    snprintf(path, FH_FILE_PATH_MAX, "%s/%s%s", sink->config.directory, name, suffix);
}

/* 1 = there, 0 = not there, negative errno = cannot tell. A missing directory is "cannot tell": an
 * archive that is not mounted must not look like one that lost its files. */
static int exists(const struct file_sink *sink, const char *name, const char *suffix,
                  struct fh_error *err)
{
    char path[FH_FILE_PATH_MAX];
    full_path(sink, name, suffix, path);
    struct stat st;
    if (lstat(path, &st) == 0) {
        return 1;
    }
    if (errno != ENOENT) {
        return fh_file_fail(err, -errno, "look for", path);
    }
    if (stat(sink->config.directory, &st) != 0) {
        return fh_file_fail(err, -errno, "look into", sink->config.directory);
    }
    return 0;
}

static int take_directory(struct file_sink *sink, struct fh_error *err)
{
    return fh_file_place_take(sink->config.directory, sink->config.name, err, &sink->lock_fd);
}

/* The lock, and the mark in it, may have been let go by a reopen that failed. */
static int hold_directory(struct file_sink *sink, struct fh_error *err)
{
    return sink->lock_fd < 0 ? take_directory(sink, err) : 0;
}

static void file_close(void *opaque)
{
    struct file_sink *sink = opaque;
    if (!sink) {
        return;
    }
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    if (sink->lock_fd >= 0) {
        close(sink->lock_fd);
    }
    fh_file_keep_free(sink->keep);
    fh_zstd_writer_free(sink->zstd);
    fh_output_done(&sink->output);
    free(sink);
}

static int file_open(const struct fh_config_sink *config, const struct fh_sink_context *context,
                     struct fh_error *err, void **ret)
{
    (void)context;
    struct file_sink *sink = calloc(1, sizeof(*sink));
    if (!sink) {
        return fh_error_set(err, -ENOMEM, "no memory for sink \"%s\"", config->name);
    }
    sink->config = *config;
    sink->fd = -1;
    sink->lock_fd = -1;
    int r = fh_output_init(&sink->output);
    if (r < 0) {
        fh_error_set(err, r, "no memory for the buffer of sink \"%s\"", config->name);
    } else {
        r = fh_file_owner_find(config, err, &sink->owner);
    }
    r = r < 0 ? r : take_directory(sink, err);
    r = r < 0 ? r : fh_file_owner_try(&sink->owner, config, err);
    r = r < 0 ? r : fh_file_keep_new(config, err, &sink->keep);
    if (r < 0) {
        file_close(sink);
        return r;
    }
    *ret = sink;
    return 0;
}

/* Open the batch file under the first name that neither a published nor an unpublished file has. */
static int create_part(struct file_sink *sink, const struct fh_sink_write *write,
                       struct fh_error *err)
{
    char name[FH_SINK_POSITION_MAX];
    char path[FH_FILE_PATH_MAX];
    for (unsigned copy = 0; copy <= FH_FILE_NAME_COPIES; copy++) {
        fh_file_name(name, sizeof(name), sink->config.name, fh_wall_ms(), write->epoch,
                     write->sequence[0], copy, sink->compressed);
        int r = exists(sink, name, "", err);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            continue;
        }
        full_path(sink, name, FH_PART_SUFFIX, path);
        sink->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FH_FILE_MODE);
        if (sink->fd >= 0) {
            memcpy(sink->name, name, sizeof(name));
            return 0;
        }
        if (errno != EEXIST) {
            return fh_file_fail(err, -errno, "create", path);
        }
    }
    return fh_error_set(err, -EEXIST, "every name like %s is taken in %s; move old files away",
                        name, sink->config.directory);
}

static int begin_batch(struct file_sink *sink, const struct fh_sink_write *write,
                       struct fh_error *err)
{
    int r = hold_directory(sink, err);
    if (r < 0) {
        return r;
    }
    sink->compressed = sink->config.compression == FH_COMPRESS_ZSTD;
    if (sink->compressed) {
        r = sink->zstd ? 0 : fh_zstd_writer_new(&sink->zstd);
        if (r == 0) {
            r = fh_zstd_writer_start(sink->zstd, sink->config.zstd_level);
        }
        if (r < 0) {
            return fh_error_set(err, r, "cannot start zstd for sink \"%s\"", sink->config.name);
        }
    }
    r = create_part(sink, write, err);
    if (r < 0) {
        return r;
    }
    fh_output_start(&sink->output, sink->fd);
    sink->broken = 0;
    sink->bytes = 0;
    sink->began = fh_now();
    return 0;
}

static int put(struct file_sink *sink, const char *bytes, size_t len)
{
    sink->bytes += len;
    return sink->compressed ? fh_zstd_writer_append(sink->zstd, &sink->output, bytes, len)
                            : fh_output_append(&sink->output, bytes, len);
}

/* The batch failed: everything but reopen and abandon answers with the same error from now on. */
static int break_batch(struct file_sink *sink, int code, const char *what, struct fh_error *err)
{
    char path[FH_FILE_PATH_MAX];
    full_path(sink, sink->name, FH_PART_SUFFIX, path);
    sink->broken = code;
    return fh_file_fail(err, code, what, path);
}

static int file_write(void *opaque, const struct fh_sink_write *write, struct fh_error *err)
{
    struct file_sink *sink = opaque;
    if (write->count == 0) {
        return 0;
    }
    if (sink->name[0] == '\0') {
        int r = begin_batch(sink, write, err);
        if (r < 0) {
            return r;
        }
    } else if (sink->broken < 0) {
        return break_batch(sink, sink->broken, "go on with", err);
    }
    int r = 0;
    if (write->raw.len > 0) {
        r = put(sink, write->raw.data, write->raw.len);
    } else {
        for (uint32_t i = 0; i < write->count && r == 0; i++) {
            r = put(sink, write->record[i].data, write->record[i].len);
            if (r == 0) {
                r = put(sink, "\n", 1);
            }
        }
    }
    return r < 0 ? break_batch(sink, r, "write", err) : 0;
}

static int file_flush(void *opaque, struct fh_error *err)
{
    struct file_sink *sink = opaque;
    if (sink->name[0] == '\0') {
        return 0;
    }
    if (sink->broken < 0) {
        return break_batch(sink, sink->broken, "go on with", err);
    }
    int r = sink->compressed ? fh_zstd_writer_flush(sink->zstd, &sink->output) : 0;
    if (r == 0) {
        r = fh_output_flush(&sink->output);
    }
    return r < 0 ? break_batch(sink, r, "write", err) : 0;
}

static int64_t file_due_in(void *opaque, struct fh_time now)
{
    struct file_sink *sink = opaque;
    if (sink->name[0] == '\0') {
        return -1;
    }
    if (sink->broken < 0 || sink->bytes >= (uint64_t)sink->config.roll_bytes) {
        return 0;
    }
    int64_t left = sink->config.roll_seconds * 1000 - fh_time_diff_ms(now, sink->began);
    return left > 0 ? left : 0;
}

static int make_durable(struct file_sink *sink)
{
    int r = sink->compressed ? fh_zstd_writer_finish(sink->zstd, &sink->output) : 0;
    if (r == 0) {
        r = fh_output_flush(&sink->output);
    }
    if (r == 0) {
        r = fh_file_owner_give(&sink->owner, sink->fd);
    }
    if (r == 0 && fsync(sink->fd) != 0) { /* not fdatasync: owner and mode, too */
        r = -errno;
    }
    if (r == 0) {
        /* Some network file systems report a failed write only here. */
        r = close(sink->fd) == 0 ? 0 : -errno;
        sink->fd = -1;
    }
    return r;
}

static int file_prepare(void *opaque, char position[FH_SINK_POSITION_MAX], struct fh_error *err)
{
    struct file_sink *sink = opaque;
    if (sink->name[0] == '\0') {
        return fh_error_set(err, -ENODATA, "sink \"%s\" has no batch to end", sink->config.name);
    }
    if (sink->broken < 0) {
        return break_batch(sink, sink->broken, "end", err);
    }
    int r = make_durable(sink);
    if (r < 0) {
        return break_batch(sink, r, "end", err);
    }
    /* The name too: after a power cut the peer counts on finding this very file here. */
    r = fh_directory_sync(sink->config.directory, err);
    if (r < 0) {
        sink->broken = r;
        return r;
    }
    memcpy(position, sink->name, FH_SINK_POSITION_MAX);
    sink->name[0] = '\0';
    return 0;
}

/* Positions come back out of the store and from the peer: never trust one with a path in it. */
static int check_position(const struct file_sink *sink, const char *position, struct fh_error *err)
{
    if (!fh_file_name_is_ours(position, sink->config.name)) {
        return fh_error_set(err, -EINVAL, "\"%.160s\" is not the name of a file of sink \"%s\"",
                            position, sink->config.name);
    }
    return 0;
}

static int file_fate(void *opaque, const char *position, enum fh_sink_fate *ret,
                     struct fh_error *err)
{
    struct file_sink *sink = opaque;
    int r = check_position(sink, position, err);
    if (r < 0) {
        return r;
    }
    int published = exists(sink, position, "", err);
    if (published < 0) {
        return published;
    }
    int part = published ? 0 : exists(sink, position, FH_PART_SUFFIX, err);
    r = part < 0 ? part : hold_directory(sink, err);
    if (r < 0) {
        return r;
    }
    /* Renamed by us, and taken away by its consumer since. */
    bool taken = !published && !part && fh_published_mark_is(sink->lock_fd, position);
    *ret = published || taken ? FH_SINK_PUBLISHED : part ? FH_SINK_PREPARED : FH_SINK_MISSING;
    return 0;
}

static int file_publish(void *opaque, const char *position, struct fh_error *err)
{
    struct file_sink *sink = opaque;
    int r = check_position(sink, position, err);
    r = r < 0 ? r : hold_directory(sink, err);
    if (r < 0) {
        return r;
    }
    int part = exists(sink, position, FH_PART_SUFFIX, err);
    int published = part < 0 ? part : exists(sink, position, "", err);
    if (published < 0) {
        return published;
    }
    if (published && part) {
        return fh_error_set(err, -EEXIST,
                            "%s/%s exists both published and as .part; somebody else made one of "
                            "them: move the published one away",
                            sink->config.directory, position);
    }
    if (published) {
        /* Renamed by an earlier call whose sync failed, or before a crash. */
        return fh_directory_sync(sink->config.directory, err);
    }
    char from[FH_FILE_PATH_MAX];
    char to[FH_FILE_PATH_MAX];
    full_path(sink, position, FH_PART_SUFFIX, from);
    full_path(sink, position, "", to);
    if (!part) {
        return fh_published_mark_is(sink->lock_fd, position)
                   ? fh_directory_sync(sink->config.directory, err)
                   : fh_file_fail(err, -ENOENT, "publish", from);
    }
    r = fh_published_mark_set(sink->lock_fd, position);
    if (r < 0) {
        return fh_file_fail(err, r, "note the publication of", from);
    }
    r = fh_atomic_file_publish(from, to, err);
    fh_file_keep_look(sink->keep);
    return r;
}

static int remove_part(struct file_sink *sink, const char *name, struct fh_error *err)
{
    char path[FH_FILE_PATH_MAX];
    full_path(sink, name, FH_PART_SUFFIX, path);
    int r = hold_directory(sink, err);
    if (r < 0) {
        return r;
    }
    r = fh_published_mark_clear(sink->lock_fd, name);
    if (r < 0) {
        return fh_file_fail(err, r, "note the removal of", path);
    }
    if (unlink(path) != 0 && errno != ENOENT) {
        return fh_file_fail(err, -errno, "remove", path);
    }
    return 0;
}

static int file_discard(void *opaque, const char *position, struct fh_error *err)
{
    struct file_sink *sink = opaque;
    int r = check_position(sink, position, err);
    return r < 0 ? r : remove_part(sink, position, err);
}

/* Forget the batch in progress; its file stays for the caller to remove. */
static void forget_batch(struct file_sink *sink)
{
    if (sink->fd >= 0) {
        close(sink->fd);
        sink->fd = -1;
    }
    fh_output_start(&sink->output, -1);
    sink->name[0] = '\0';
    sink->broken = 0;
}

static bool listed(const char *name, const char *const *keep, size_t keep_count)
{
    for (size_t i = 0; i < keep_count; i++) {
        if (strcmp(name, keep[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int file_abandon(void *opaque, const char *const *keep, size_t keep_count,
                        struct fh_error *err)
{
    struct file_sink *sink = opaque;
    forget_batch(sink);
    DIR *directory = opendir(sink->config.directory);
    if (!directory) {
        return fh_file_fail(err, -errno, "read the directory", sink->config.directory);
    }
    int r = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry) {
            if (errno != 0 && r == 0) {
                r = fh_file_fail(err, -errno, "read the directory", sink->config.directory);
            }
            break;
        }
        char name[FH_SINK_POSITION_MAX];
        if (!fh_file_name_is_part(entry->d_name, sink->config.name, name, sizeof(name)) ||
            listed(name, keep, keep_count)) {
            continue;
        }
        int removed = remove_part(sink, name, r == 0 ? err : NULL);
        r = r < 0 ? r : removed; /* the others go all the same */
    }
    closedir(directory);
    return r;
}

static int file_reopen(void *opaque, struct fh_error *err)
{
    struct file_sink *sink = opaque;
    char name[FH_SINK_POSITION_MAX];
    memcpy(name, sink->name, sizeof(name));
    forget_batch(sink);
    int r = take_directory(sink, err);
    if (r == 0 && name[0] != '\0') {
        r = remove_part(sink, name, err);
    }
    return r;
}

static void file_reload(void *opaque, const struct fh_config_sink *config)
{
    struct file_sink *sink = opaque;
    sink->config.roll_seconds = config->roll_seconds;
    sink->config.roll_bytes = config->roll_bytes;
    sink->config.compression = config->compression; /* from the next batch on */
    sink->config.zstd_level = config->zstd_level;
    fh_file_keep_limit(sink->keep, config->keep_hours, config->keep_bytes);
}

const struct fh_sink_ops fh_sink_file_ops = {
    .type = "file",
    .promise = promise,
    .open = file_open,
    .write = file_write,
    .flush = file_flush,
    .due_in = file_due_in,
    .prepare = file_prepare,
    .publish = file_publish,
    .discard = file_discard,
    .fate = file_fate,
    .abandon = file_abandon,
    .reopen = file_reopen,
    .reload = file_reload,
    .close = file_close,
};
