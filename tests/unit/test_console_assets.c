/* test_console_assets.c: which files of a directory are the page, and which are not. */
#include "assets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* In place of the server's. */
struct fh_web_request {
    const char *path;
    bool gzip;
};

const char *fh_web_path(const struct fh_web_request *request)
{
    return request->path;
}

bool fh_web_takes_gzip(const struct fh_web_request *request)
{
    return request->gzip;
}

static char directory[64];
static struct assets assets;
static struct fh_error err;

static int setup(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/test_console_assets-XXXXXX");
    assert_non_null(mkdtemp(directory));
    err.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assets_done(&assets);
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    for (const struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) {
        unlinkat(dirfd(stream), entry->d_name, 0);
        unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR);
    }
    closedir(stream);
    return rmdir(directory);
}

static void path_of(const char *name, char path[160])
{
    snprintf(path, 160, "%s/%s", directory, name);
}

static void put(const char *name, const char *text)
{
    char path[160];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The answer's text; NULL when there is none. */
static const char *get(const char *path, bool gzip, struct fh_web_answer *ret)
{
    static char text[256];
    const struct fh_web_request request = {path, gzip};
    *ret = (struct fh_web_answer){.status = 200};
    fh_buf_init(&ret->body, 1 << 20);
    int r = assets_answer(&assets, &request, ret);
    assert_true(r == 0 || r == -ENOENT);
    snprintf(text, sizeof(text), "%.*s", (int)ret->body.len, ret->body.data ? ret->body.data : "");
    fh_buf_done(&ret->body);
    return r == 0 ? text : NULL;
}

static void test_served(void **state)
{
    (void)state;
    struct fh_web_answer answer, packed;
    put("index.html", "<p>");
    put("app.js", "let a");
    put("app.js.gz", "packed");
    put("empty.css", "");
    assert_int_equal(assets_load(directory, &assets, &err), 0);
    assert_int_equal(assets.count, 3);
    assert_string_equal(get("/", false, &answer), "<p>");
    assert_string_equal(answer.type, "text/html; charset=utf-8");
    assert_string_equal(answer.cache, "no-cache");
    assert_string_equal(get("/empty.css", false, &answer), "");
    assert_string_equal(get("/app.js", false, &answer), "let a");
    assert_string_equal(answer.type, "text/javascript; charset=utf-8");
    assert_false(answer.gzip_encoded);
    assert_string_equal(get("/app.js", true, &packed), "packed");
    assert_true(packed.gzip_encoded);
    assert_string_not_equal(packed.etag, answer.etag); /* other bytes, another tag */
    assert_string_equal(get("/", true, &answer), "<p>");
    assert_false(answer.gzip_encoded);
}

static void test_not_served(void **state)
{
    (void)state;
    static const char *const others[] = {"notes.md", "app.js.map",    ".secret.html",
                                         "a b.html", "key",           "x.php",
                                         "loose.gz", "caf\xC3\xA9.js"};
    struct fh_web_answer answer;
    put("index.html", "<p>");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        put(others[i], "no");
    }
    char path[160];
    path_of("folder.js", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of("pipe.js", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(assets_load(directory, &assets, &err), 0);
    assert_int_equal(assets.count, 1);
    static const char *const paths[] = {"/index.html", "/../etc/passwd", "/.secret.html", "",
                                        "//",          "/folder.js",     "/app.js.map"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_null(get(paths[i], false, &answer));
    }
}

static void test_not_there(void **state)
{
    (void)state;
    assert_int_equal(assets_load("/proc/nonexistent/console", &assets, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/proc/nonexistent/console"));
    put("app.js", "let a");
    assert_int_equal(assets_load(directory, &assets, &err), -ENOENT);
    assert_non_null(strstr(err.text, "index.html"));
    assert_int_equal(assets.count, 0);
}

static void test_too_much(void **state)
{
    (void)state;
    char path[160], name[32];
    put("index.html", "<p>");
    put("large.js", "");
    path_of("large.js", path);
    assert_int_equal(truncate(path, (off_t)ASSET_BYTES_MAX + 1), 0);
    assert_int_equal(assets_load(directory, &assets, &err), -EFBIG);
    assert_non_null(strstr(err.text, "large.js"));
    assert_int_equal(truncate(path, (off_t)ASSET_BYTES_MAX), 0);
    assert_int_equal(assets_load(directory, &assets, &err), 0);
    assets_done(&assets);
    for (int i = 0; i < ASSETS_MAX; i++) {
        snprintf(name, sizeof(name), "%d.js", i);
        put(name, "x");
    }
    assert_int_equal(assets_load(directory, &assets, &err), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
