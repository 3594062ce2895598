/* test_onboarding.c: every tests/onboarding/NN-name.sheet against its NN-name.ok, the example of
 * etc/ and its documents against tests/onboarding/example.*, and what a table of cases cannot say.
 *
 * An .ok file holds "complete" or "incomplete" and then the findings, one a line, exactly. A sheet
 * whose name has a NN-name.conf beside it is compared with that configuration as well. With
 * FH_UPDATE_EXPECTED=1 in the environment .ok files and documents are written anew: read the
 * difference.
 *
 * Usage: test_onboarding FOLDER_OF_CASES FOLDER_OF_EXAMPLES */
#include "image.h"
#include "sheet.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *cases_folder;
static const char *examples_folder;

static char *read_file(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    char *text = calloc(1, (1 << 20) + 1);
    assert_non_null(text);
    assert_true(fread(text, 1, 1 << 20, file) < 1 << 20);
    fclose(file);
    return text;
}

static void expect_file(const char *name, const char *got)
{
    if (getenv("FH_UPDATE_EXPECTED")) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", cases_folder, name);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(got, file);
        fclose(file);
    }
    char *expected = read_file(cases_folder, name);
    assert_non_null(expected);
    assert_string_equal(got, expected);
    free(expected);
}

static struct fh_sheet *parsed(const char *text, struct fh_onboarding_findings *findings)
{
    struct fh_sheet *sheet = NULL;
    memset(findings, 0, sizeof(*findings));
    fh_sheet_parse(text, "test.sheet", findings, &sheet);
    return sheet;
}

static void one_case(const char *name)
{
    static struct fh_onboarding_findings findings;
    char other[300];
    int stem = (int)(strlen(name) - strlen(".sheet"));
    struct fh_sheet *sheet = NULL;
    char *text = read_file(cases_folder, name);
    assert_non_null(text);
    memset(&findings, 0, sizeof(findings));
    int r = fh_sheet_parse(text, name, &findings, &sheet);
    assert_int_equal(r == 0, sheet != NULL);
    snprintf(other, sizeof(other), "%.*s.conf", stem, name);
    char *conf = read_file(cases_folder, other);
    if (sheet) {
        fh_sheet_check(sheet, &findings);
        fh_sheet_check_images(sheet, cases_folder, &findings);
    }
    if (sheet && conf) {
        static struct fh_config config;
        static struct fh_config_findings wrong;
        assert_int_equal(fh_config_parse(conf, other, &config, &wrong), 0);
        fh_sheet_compare(sheet, &config, other, &findings);
    }
    fh_onboarding_sort(&findings);
    struct fh_buf got;
    fh_buf_init(&got, 1 << 20);
    fh_buf_printf(&got, "%s\n", findings.errors == 0 ? "complete" : "incomplete");
    for (size_t i = 0; i < findings.count; i++) {
        fh_buf_printf(&got, "%s\n", findings.finding[i].text);
    }
    snprintf(other, sizeof(other), "%.*s.ok", stem, name);
    expect_file(other, fh_buf_string(&got));
    fh_buf_done(&got);
    fh_sheet_free(sheet);
    free(conf);
    free(text);
}

static int is_sheet(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 6 && strcmp(entry->d_name + len - 6, ".sheet") == 0;
}

static void every_case(void **state)
{
    (void)state;
    struct dirent **entry;
    int count = scandir(cases_folder, &entry, is_sheet, alphasort);
    assert_true(count >= 20);
    for (int i = 0; i < count; i++) {
        one_case(entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
}

static struct fh_sheet *example(void)
{
    static struct fh_onboarding_findings findings;
    char *text = read_file(examples_folder, "onboarding.example.conf");
    assert_non_null(text);
    struct fh_sheet *sheet = parsed(text, &findings);
    free(text);
    assert_non_null(sheet);
    fh_sheet_check(sheet, &findings);
    fh_sheet_check_images(sheet, examples_folder, &findings);
    if (findings.count > 0) {
        fail_msg("%s", findings.finding[0].text);
    }
    return sheet;
}

/* Opening and closing tags in pairs, no stray < or &: enough XML for what we write. */
static void is_well_formed(const char *html)
{
    char open[32][16];
    size_t depth = 0;
    for (const char *at = html; *at; at++) {
        if (*at == '&') {
            assert_true(at[1] == '#' && at[2] >= '0' && at[2] <= '9');
        }
        if (*at == '>') {
            fail_msg("a > of its own: %.40s", at);
        }
        if (*at != '<') {
            continue;
        }
        const char *end = strchr(at, '>');
        assert_non_null(end);
        assert_null(memchr(at + 1, '<', (size_t)(end - at - 1)));
        if (at[1] == '/') {
            size_t len = (size_t)(end - at) - 2;
            assert_true(depth > 0);
            depth--;
            assert_int_equal(strlen(open[depth]), len);
            assert_memory_equal(open[depth], at + 2, len);
        } else if (at[1] != '!' && end[-1] != '/') {
            size_t len = strcspn(at + 1, " >");
            assert_true(depth < FH_ARRAY_LEN(open) && len < sizeof(open[0]));
            snprintf(open[depth++], sizeof(open[0]), "%.*s", (int)len, at + 1);
        }
        at = end;
    }
    assert_int_equal(depth, 0);
}

static char *rendered(const struct fh_sheet *sheet, enum fh_document_format format, bool draft,
                      const char *folder)
{
    struct fh_buf text;
    struct fh_error err;
    fh_buf_init(&text, FH_DOCUMENT_BYTES);
    assert_int_equal(fh_sheet_render(sheet, format, draft, folder, &text, &err), 0);
    char *copy = strdup(fh_buf_string(&text));
    fh_buf_done(&text);
    assert_non_null(copy);
    return copy;
}

static void documents_of_the_example(void **state)
{
    (void)state;
    static const char *const names[] = {"example.md", "example.html", "example.json"};
    struct fh_sheet *sheet = example();
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        char *text = rendered(sheet, (enum fh_document_format)i, false, examples_folder);
        expect_file(names[i], text);
        if (i == FH_DOCUMENT_HTML) {
            is_well_formed(text);
            assert_non_null(strstr(text, "src=\"data:image/svg+xml;base64,"));
            assert_null(strstr(text, "src=\"http"));
        }
        free(text);
    }
    fh_sheet_free(sheet);
}

/* A sheet with markup in every string, in every form a text and nothing else. */
static void text_stays_text(void **state)
{
    (void)state;
    static struct fh_onboarding_findings findings;
    struct fh_sheet *sheet = parsed(
        "app_center: { name = \"<script>alert('1')</script> & \\\"q\\\"\"; icon = \"a.png\"; "
        "description = \"one\\ntwo\\n\\n</td><b>three\"; tagline = \"*bold* [x](y) `c`\"; };\n"
        "events: { types = ( \"<i>none</i>\", \"Tele Presence\" ); };",
        &findings);
    assert_non_null(sheet);
    char *html = rendered(sheet, FH_DOCUMENT_HTML, true, "/nowhere");
    is_well_formed(html);
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<b>"));
    assert_null(strstr(html, "<i>"));
    assert_non_null(strstr(html, "<p>one<br/>two</p><p>"));
    assert_non_null(strstr(html, "Draft"));
    free(html);
    char *markdown = rendered(sheet, FH_DOCUMENT_MARKDOWN, true, "/nowhere");
    assert_non_null(strstr(markdown, "\\*bold\\* \\[x\\](y) \\`c\\`"));
    assert_null(strstr(markdown, " <script"));
    assert_non_null(strstr(markdown, "includes presence and people count"));
    free(markdown);
    char *json = rendered(sheet, FH_DOCUMENT_JSON, true, "/nowhere");
    cJSON *root = cJSON_Parse(json);
    assert_non_null(root);
    cJSON *center = cJSON_GetObjectItem(root, "app_center");
    assert_string_equal(cJSON_GetObjectItem(center, "name")->valuestring,
                        "<script>alert('1')</script> & \"q\"");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(center, "company_name")));
    cJSON_Delete(root);
    free(json);
    fh_sheet_free(sheet);
}

/* What is markup at the beginning of a line only: headings by a line below, rules, lists, code. */
static void lines_stay_text(void **state)
{
    (void)state;
    static struct fh_onboarding_findings findings;
    struct fh_sheet *sheet =
        parsed("app_center: { description = \"Title\\n---\\n- item\\n1. one\\n"
               "12) two\\n\\n    code\\n===\\n1.5 km - far\\n2026-11-23\"; };\n"
               "events: { types = ( \"- 1\", \"3. x\" ); };",
               &findings);
    assert_non_null(sheet);
    char *markdown = rendered(sheet, FH_DOCUMENT_MARKDOWN, true, "/nowhere");
    const char *wanted = "**App Description**: Title  \n  \\---  \n  \\- item  \n  1\\. one  \n  "
                         "12\\) two\n\n  code  \n  \\===  \n  1\\.5 km - far  \n  2026-11-23\n";
    if (!strstr(markdown, wanted)) {
        fail_msg("%s", markdown);
    }
    assert_non_null(strstr(markdown, "\n  - \\- 1\n  - 3\\. x\n"));
    free(markdown);
    fh_sheet_free(sheet);
}

/* The empty sheet can be read; every required field is asked for in it, each once. */
static void template_asks_for_all(void **state)
{
    (void)state;
    static struct fh_onboarding_findings findings;
    struct fh_buf text;
    fh_buf_init(&text, FH_SHEET_BYTES);
    assert_int_equal(fh_onboarding_template(&text), 0);
    struct fh_sheet *sheet = parsed(fh_buf_string(&text), &findings);
    assert_non_null(sheet);
    assert_int_equal(findings.count, 0);
    fh_sheet_check(sheet, &findings);
    size_t asked = 0;
    for (size_t i = 0; i < fh_field_count; i++) {
        assert_non_null(strstr(fh_buf_string(&text), fh_fields[i].label));
        if (!fh_fields[i].required || strncmp(fh_fields[i].path, "use_cases.", 10) == 0 ||
            fh_fields[i].type == FH_FIELD_NUMBER) {
            continue;
        }
        char start[128];
        snprintf(start, sizeof(start), "%s is empty", fh_fields[i].path);
        size_t hits = 0;
        for (size_t k = 0; k < findings.count; k++) {
            hits += strstr(findings.finding[k].text, start) != NULL;
        }
        assert_int_equal(hits, 1);
        asked++;
    }
    assert_int_equal(findings.count, asked);
    fh_sheet_free(sheet);
    fh_buf_done(&text);
}

/* What the table gives as an example is accepted, field by field. */
static void examples_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < fh_field_count; i++) {
        static struct fh_onboarding_findings findings;
        char text[512];
        char part[32];
        size_t len = strcspn(fh_fields[i].path, ".");
        snprintf(part, sizeof(part), "%.*s", (int)len, fh_fields[i].path);
        bool list = fh_parts[fh_part_find(part)].list;
        snprintf(text, sizeof(text), "%s: %s %s = %s; } %s;", part, list ? "( {" : "{",
                 fh_field_name(&fh_fields[i]), fh_fields[i].example, list ? ")" : "");
        struct fh_sheet *sheet = parsed(text, &findings);
        assert_non_null(sheet);
        assert_int_equal(findings.count, 0);
        fh_sheet_check(sheet, &findings);
        for (size_t k = 0; k < findings.count; k++) {
            if (!findings.finding[k].warning && !strstr(findings.finding[k].text, "missing")) {
                fail_msg("%s: %s", fh_fields[i].path, findings.finding[k].text);
            }
        }
        fh_sheet_free(sheet);
    }
}

static void pictures_by_their_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *type;
    } cases[] = {
        {"\x89PNG\r\n\x1a\n....", "image/png"},
        {"\xff\xd8\xff\xe0", "image/jpeg"},
        {"GIF89a..", "image/gif"},
        {"RIFF....WEBPVP8 ", "image/webp"},
        {"<svg xmlns='x'/>", "image/svg+xml"},
        {"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <svg --> <!DOCTYPE svg>\n<svg>", "image/svg+xml"},
        {"<html><svg></html>", NULL},
        {"<!-- <svg>", NULL},
        {"\x89PNG", NULL},
        {"RIFF....WAVE", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        const char *type =
            fh_image_type((const unsigned char *)cases[i].bytes, strlen(cases[i].bytes));
        if (cases[i].type) {
            assert_non_null(type);
            assert_string_equal(type, cases[i].type);
        } else {
            assert_null(type);
        }
    }
}

static void pictures_that_are_none(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_onboarding.XXXXXX";
    char path[64];
    struct fh_error err;
    struct fh_image image = {0};
    assert_non_null(mkdtemp(folder));
    assert_true(fh_image_load(folder, "none.png", &err, &image) < 0);
    assert_non_null(strstr(err.text, "cannot be opened"));
    assert_true(fh_image_load("/tmp", folder, &err, &image) < 0);
    assert_string_equal(err.text, "is no file");
    snprintf(path, sizeof(path), "%s/big", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fclose(file);
    assert_true(fh_image_load(folder, "big", &err, &image) < 0);
    assert_string_equal(err.text, "is empty");
    assert_int_equal(truncate(path, FH_IMAGE_BYTES + 1), 0);
    assert_true(fh_image_load(folder, "big", &err, &image) < 0);
    assert_non_null(strstr(err.text, "at most 2 MiB"));
    assert_int_equal(truncate(path, 100), 0);
    assert_true(fh_image_load(folder, "big", &err, &image) < 0);
    assert_non_null(strstr(err.text, "holds no picture"));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: it must not wait */
    assert_true(fh_image_load(folder, "big", &err, &image) < 0);
    assert_string_equal(err.text, "is no file");
    unlink(path);
    rmdir(folder);
}

/* More findings than there are places: none is lost from the count. */
static void findings_beyond_the_last(void **state)
{
    (void)state;
    static struct fh_onboarding_findings findings;
    struct fh_buf text;
    fh_buf_init(&text, 1 << 16);
    for (int i = 0; i < 100; i++) {
        fh_buf_printf(&text, "zzz%d = 1;\n", i);
    }
    struct fh_sheet *sheet = parsed(fh_buf_string(&text), &findings);
    assert_non_null(sheet);
    assert_int_equal(findings.count, FH_ONBOARDING_FINDINGS);
    assert_int_equal(findings.errors, 100);
    fh_sheet_free(sheet);
    fh_buf_done(&text);
}

/* libconfig 1.5 forgets the string of a statement it cannot parse. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: test_onboarding FOLDER_OF_CASES FOLDER_OF_EXAMPLES\n");
        return 2;
    }
    cases_folder = argv[1];
    examples_folder = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(documents_of_the_example),
        cmocka_unit_test(text_stays_text),
        cmocka_unit_test(lines_stay_text),
        cmocka_unit_test(template_asks_for_all),
        cmocka_unit_test(examples_of_the_table),
        cmocka_unit_test(pictures_by_their_bytes),
        cmocka_unit_test(pictures_that_are_none),
        cmocka_unit_test(findings_beyond_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
