/* fuzz_project.c: projections against cJSON. The first line holds paths, separated by blanks (+a.b
 * includes, -a.b drops), the rest is the text.
 *
 *  1. What the JSON check accepts is projected, to JSON again, no longer than it was.
 *  2. What it refuses is refused, and nothing is written.
 *  3. The result is what cJSON's tree holds after the same projection, and to project it again
 *     changes nothing. (Not compared when a \u0000 is in it: to cJSON it ends a value.) */
#include "fh/project.h"

#include "../unit/project_oracle.h"
#include "fuzzer.h"
#include "json.h"

#include <errno.h>

static void make(struct fh_projection *projection, char *paths)
{
    struct fh_error err;
    char *rest = NULL;
    for (char *path = strtok_r(paths, " ", &rest); path; path = strtok_r(NULL, " ", &rest)) {
        if (path[0] == '+') {
            fh_projection_include(projection, path + 1, &err);
        } else if (path[0] == '-') {
            fh_projection_drop(projection, path + 1, &err);
        }
    }
    fh_projection_check(projection, &err);
}

static bool is_json(const char *text, size_t len)
{
    const struct fh_json_ops *ops = fh_json_implementation(0);
    const uint8_t *end = (const uint8_t *)text + len;
    struct fh_json json = {.start = (const uint8_t *)text, .end = end};
    const uint8_t *p = ops->value(&json, (const uint8_t *)text, 0);
    return p && fh_json_skip_blanks(p, end) == end;
}

static void compare(const struct fh_projection *projection, const char *text, size_t len,
                    const struct fh_buf *into)
{
    char *wanted = oracle_text(projection, text, len);
    char *got = oracle_again(into->data, into->len);
    CHECK(!wanted == !got);
    if (wanted && strcmp(wanted, got) != 0) {
        fprintf(stderr, "wanted %s\ngot    %s\n", wanted, got);
        abort();
    }
    free(wanted);
    free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line_end = memchr(data, '\n', size);
    if (!line_end || line_end - data > 1000 || memchr(data, 0, (size_t)(line_end - data))) {
        return 0;
    }
    char paths[1001];
    memcpy(paths, data, (size_t)(line_end - data));
    paths[line_end - data] = '\0';
    static struct fh_projection projection;
    memset(&projection, 0, sizeof(projection));
    make(&projection, paths);
    /* Copies of their exact sizes: the address sanitizer sees the first byte too many. */
    size_t len = size - (size_t)(line_end - data) - 1;
    char *text = malloc(len ? len : 1);
    CHECK(text);
    memcpy(text, line_end + 1, len);
    struct fh_buf into = {.data = malloc(len ? len : 1), .capacity = len, .max = len};
    CHECK(into.data);
    int r = fh_project(&projection, text, len, &into);
    CHECK(r == (is_json(text, len) ? 0 : -EINVAL));
    CHECK(r == 0 || into.len == 0);
    if (r == 0) {
        CHECK(into.len <= len && is_json(into.data, into.len));
        struct fh_buf again = {.max = len};
        CHECK(fh_project(&projection, into.data, into.len, &again) == 0);
        CHECK(again.len == into.len && memcmp(again.data, into.data, into.len) == 0);
        fh_buf_done(&again);
        if (!memmem(text, len, "\\u0000", 6)) {
            compare(&projection, text, len, &into);
        }
    }
    fh_buf_done(&into);
    free(text);
    return 0;
}
