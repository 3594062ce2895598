/* fuzz_sheet.c: any text as onboarding sheet. Refused means with a reason; what can be read at all
 * is checked, compared, and rendered in every form, complete or not; the JSON form is JSON. */
#include "fh/onboarding.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig 1.5 forgets the string of a statement it cannot parse. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

static void expect(int truth)
{
    if (!truth) {
        abort();
    }
}

/* No folder: every image that is not named by an absolute path is missing. */
#define NO_FOLDER "/proc/self/nowhere"

/* Every < and > is ours: the elements it opens it closes, and it has none but these. */
static void check_html(const char *html)
{
    static const char known[] =
        "!DOCTYPE html head meta style title body h1 h2 h3 table tr th td p "
        "br ul li code span img ";
    long open = 0;
    for (const char *at = strchr(html, '<'); at; at = strchr(at, '<')) {
        const char *end = strchr(at, '>');
        char name[16] = "";
        expect(end != NULL);
        at += at[1] == '/' ? 2 : 1;
        size_t len = strcspn(at, " />");
        expect(len > 0 && len < sizeof(name) - 1);
        memcpy(name, at, len);
        name[len] = ' ';
        expect(strstr(known, name) != NULL);
        open += at[-1] == '/' ? -1 : end[-1] == '/' || at[0] == '!' ? 0 : 1;
        at = end;
    }
    expect(open == 0);
}

static void render_all(const struct fh_sheet *sheet)
{
    for (int format = FH_DOCUMENT_MARKDOWN; format <= FH_DOCUMENT_JSON; format++) {
        struct fh_buf text;
        struct fh_error err;
        fh_buf_init(&text, FH_DOCUMENT_BYTES);
        expect(fh_sheet_render(sheet, (enum fh_document_format)format, true, NO_FOLDER, &text,
                               &err) == 0);
        if (format == FH_DOCUMENT_HTML) {
            check_html(fh_buf_string(&text));
        }
        if (format == FH_DOCUMENT_JSON) {
            cJSON *root = cJSON_Parse(fh_buf_string(&text));
            expect(root != NULL);
            cJSON_Delete(root);
        }
        fh_buf_done(&text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fh_onboarding_findings findings;
    static struct fh_config config;
    struct fh_sheet *sheet = NULL;
    char *text = malloc(size + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    memset(&findings, 0, sizeof(findings));
    int r = fh_sheet_parse(text, "fuzz.conf", &findings, &sheet);
    free(text);
    expect((r < 0) == (sheet == NULL));
    expect(r == 0 || findings.errors > 0);
    if (sheet) {
        fh_sheet_check(sheet, &findings);
        fh_sheet_compare(sheet, &config, "fuzz", &findings);
        fh_onboarding_sort(&findings);
        render_all(sheet);
    }
    expect(findings.count <= FH_ONBOARDING_FINDINGS);
    for (size_t i = 0; i < findings.count; i++) {
        expect(strlen(findings.finding[i].text) < sizeof(findings.finding[i].text));
        expect(!strchr(findings.finding[i].text, '\n'));
        expect(i == 0 || findings.finding[i].line >= findings.finding[i - 1].line);
    }
    fh_sheet_free(sheet);
    return 0;
}
