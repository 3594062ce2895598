/* test_file_reader.c: somebody reads published files the moment they appear: every line is whole
 * and every file stays as it is, plain and compressed; together they are all the records, once. */
#include "fh/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define FILES     200
#define PER_FILE  50
#define RECORDS   (FILES * PER_FILE)
#define BYTES_MAX ((size_t)4 << 20)

struct reader {
    char place[64];
    atomic_bool done; /* nothing more will be published */
    unsigned seen[RECORDS];
    unsigned files;
    char wrong[256];
};

static size_t read_all(int fd, char *bytes)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, bytes + len, BYTES_MAX - len)) > 0) {
        len += (size_t)n;
    }
    return len;
}

/* Lines {"n":N,"pad":"xxx..."} and nothing else. */
static void check_lines(struct reader *reader, const char *name, char *text, size_t len)
{
    if (len == 0 || text[len - 1] != '\n') {
        snprintf(reader->wrong, sizeof(reader->wrong), "%.150s does not end with a line", name);
        return;
    }
    text[len - 1] = '\0';
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        unsigned n;
        size_t end = strlen(line);
        if (sscanf(line, "{\"n\":%u,", &n) != 1 || n >= RECORDS || end < 2 ||
            strcmp(line + end - 2, "\"}") != 0) {
            snprintf(reader->wrong, sizeof(reader->wrong), "%.100s has the line %.100s", name,
                     line);
            return;
        }
        reader->seen[n]++;
    }
}

static void read_file(struct reader *reader, const char *name, char *bytes, char *text)
{
    char path[512];
    struct stat before;
    struct stat after;
    snprintf(path, sizeof(path), "%s/%s", reader->place, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &before) != 0) {
        snprintf(reader->wrong, sizeof(reader->wrong), "%.200s cannot be read", name);
        return;
    }
    size_t len = read_all(fd, bytes);
    char *content = bytes;
    if (strstr(name, ".zst")) {
        size_t whole = ZSTD_findFrameCompressedSize(bytes, len);
        ZSTD_DStream *stream = ZSTD_createDStream();
        ZSTD_inBuffer in = {bytes, len, 0};
        ZSTD_outBuffer out = {text, BYTES_MAX, 0};
        if (ZSTD_isError(whole) || whole != len || ZSTD_decompressStream(stream, &out, &in) != 0) {
            snprintf(reader->wrong, sizeof(reader->wrong), "%.200s is no whole frame", name);
        }
        ZSTD_freeDStream(stream);
        content = text;
        len = out.pos;
    }
    check_lines(reader, name, content, len);
    if (fstat(fd, &after) != 0 || after.st_size != before.st_size ||
        after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
        after.st_mtim.tv_nsec != before.st_mtim.tv_nsec) {
        snprintf(reader->wrong, sizeof(reader->wrong), "%.200s changed after it was published",
                 name);
    }
    close(fd);
    unlink(path); /* as a consumer does */
    reader->files++;
}

static void *read_what_appears(void *userdata)
{
    struct reader *reader = userdata;
    char *bytes = malloc(BYTES_MAX);
    char *text = malloc(BYTES_MAX);
    bool last = false;
    while (!last && reader->wrong[0] == '\0') {
        last = atomic_load(&reader->done); /* once more after that */
        DIR *directory = opendir(reader->place);
        for (struct dirent *entry; (entry = readdir(directory));) {
            const char *end = strstr(entry->d_name, ".ndjson");
            if (end && (strcmp(end, ".ndjson") == 0 || strcmp(end, ".ndjson.zst") == 0)) {
                read_file(reader, entry->d_name, bytes, text);
            }
        }
        closedir(directory);
    }
    free(bytes);
    free(text);
    return NULL;
}

/* Pieces of a file reach the disk one by one. */
static void publish_file(const struct fh_sink_ops *ops, void *sink, unsigned file,
                         struct fh_error *err)
{
    static char pad[2000];
    char position[FH_SINK_POSITION_MAX];
    memset(pad, 'x', sizeof(pad) - 1);
    for (unsigned i = 0; i < PER_FILE; i++) {
        char text[2100];
        unsigned n = file * PER_FILE + i;
        int len = snprintf(text, sizeof(text), "{\"n\":%u,\"pad\":\"%.*s\"}", n,
                           (int)(n * 37 % 2000), pad);
        struct fh_slice record = {text, (size_t)len};
        struct fh_record_key key = {n + 1, 1};
        uint64_t sequence = n + 1;
        struct fh_sink_write write = {
            .record = &record, .key = &key, .sequence = &sequence, .count = 1, .epoch = 1};
        if (ops->write(sink, &write, err) != 0 || ops->flush(sink, err) != 0) {
            fail_msg("%s", err->text);
        }
    }
    if (ops->prepare(sink, position, err) != 0 || ops->publish(sink, position, err) != 0) {
        fail_msg("%s", err->text);
    }
}

static void run(enum fh_compression compression)
{
    static struct reader reader;
    struct fh_config_sink config = {
        .roll_seconds = 10, .roll_bytes = 1000, .compression = compression, .zstd_level = 3};
    struct fh_sink_context context = {.node = "a"};
    struct fh_error err;
    const struct fh_sink_ops *ops = fh_sink_find("file");
    void *sink = NULL;
    pthread_t thread;
    memset(&reader, 0, sizeof(reader));
    snprintf(reader.place, sizeof(reader.place), "/tmp/fh_file_reader.XXXXXX");
    assert_non_null(mkdtemp(reader.place));
    context.state_dir = reader.place;
    snprintf(config.name, sizeof(config.name), "archive");
    snprintf(config.directory, sizeof(config.directory), "%s", reader.place);
    assert_int_equal(ops->open(&config, &context, &err, &sink), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_what_appears, &reader), 0);
    for (unsigned file = 0; file < FILES; file++) {
        publish_file(ops, sink, file, &err);
    }
    atomic_store(&reader.done, true);
    pthread_join(thread, NULL);
    ops->close(sink);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", reader.place);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    assert_string_equal(reader.wrong, "");
    assert_int_equal(reader.files, FILES);
    for (unsigned n = 0; n < RECORDS; n++) {
        assert_int_equal(reader.seen[n], 1);
    }
}

static void test_plain(void **state)
{
    (void)state;
    run(FH_COMPRESS_NONE);
}

static void test_compressed(void **state)
{
    (void)state;
    run(FH_COMPRESS_ZSTD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
