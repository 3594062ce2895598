/* command_onboarding.c: the onboarding sheet: begun, examined, turned into the document to send. */
#include "commands.h"

#include "fh/atomic_file.h"
#include "fh/onboarding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHEET "onboarding.conf"

static void free_text(char **text)
{
    free(*text);
}

static void free_sheet(struct fh_sheet **sheet)
{
    fh_sheet_free(*sheet);
}

/* The folder a file is in, into size bytes. */
static void folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        snprintf(folder, size, ".");
    } else {
        snprintf(folder, size, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
}

static enum fh_ctl_exit print(const struct fh_buf *text)
{
    bool written = fwrite(text->data, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    return written ? FH_CTL_OK : fh_ctl_fail("cannot write to standard output");
}

static enum fh_ctl_exit begin_sheet(const struct fh_ctl_call *call, const char *path)
{
    struct fh_buf text;
    struct fh_error err = {"not enough memory"};
    (void)call;
    fh_buf_init(&text, FH_SHEET_BYTES);
    int r = fh_onboarding_template(&text);
    r = r == 0 ? fh_file_create(path, text.data, text.len, 0644, &err) : r;
    fh_buf_done(&text);
    if (r == -EEXIST) {
        return fh_ctl_fail("%s is there already and is left as it is", path);
    }
    if (r < 0) {
        return fh_ctl_fail("%s", err.text);
    }
    printf("written: %s\nfill it in, then: firehosectl onboarding check %s\n", path, path);
    return FH_CTL_OK;
}

static enum fh_ctl_exit list_fields(const struct fh_ctl_call *call, const char *path)
{
    struct fh_buf text;
    (void)call;
    (void)path;
    fh_buf_init(&text, FH_SHEET_BYTES);
    enum fh_ctl_exit status =
        fh_onboarding_reference(&text) == 0 ? print(&text) : fh_ctl_fail("not enough memory");
    fh_buf_done(&text);
    return status;
}

/* The sheet with everything that is wrong with it alone. NULL after having said why. */
static struct fh_sheet *read_sheet(const char *path, const char *folder,
                                   struct fh_onboarding_findings *findings)
{
    FH_CLEANUP(free_text) char *text = NULL;
    struct fh_error err;
    struct fh_sheet *sheet = NULL;
    if (fh_file_read(path, FH_SHEET_BYTES, 0, &text, &err) < 0) {
        fh_ctl_fail("%s", err.text);
        return NULL;
    }
    if (fh_sheet_parse(text, path, findings, &sheet) == 0) {
        fh_sheet_check(sheet, findings);
        fh_sheet_check_images(sheet, folder, findings);
    }
    return sheet;
}

static void print_findings(const struct fh_onboarding_findings *findings, FILE *to)
{
    for (size_t i = 0; i < findings->count; i++) {
        fprintf(to, "%s\n", findings->finding[i].text);
    }
}

static bool compare_config(const struct fh_sheet *sheet, const char *config_path,
                           struct fh_onboarding_findings *findings)
{
    struct fh_config *config = malloc(sizeof(*config));
    struct fh_config_findings *wrong = calloc(1, sizeof(*wrong));
    bool good = config && wrong && fh_config_load(config_path, config, wrong) == 0;
    if (good) {
        fh_sheet_compare(sheet, config, config_path, findings);
    } else {
        for (size_t i = 0; wrong && i < wrong->count; i++) {
            fprintf(stderr, "%s\n", wrong->finding[i].text);
        }
        fh_ctl_fail("%s cannot be compared with the sheet until this is mended", config_path);
    }
    free(wrong);
    free(config);
    return good;
}

static enum fh_ctl_exit check_sheet(const struct fh_ctl_call *call, const char *path)
{
    static struct fh_onboarding_findings findings; /* too large for the stack */
    char folder[FH_PATH_MAX];
    folder_of(path, folder, sizeof(folder));
    FH_CLEANUP(free_sheet) struct fh_sheet *sheet = read_sheet(path, folder, &findings);
    const char *config = fh_ctl_option(call, "config");
    bool compared = !sheet || !config || compare_config(sheet, config, &findings);
    fh_onboarding_sort(&findings);
    print_findings(&findings, stdout);
    if (!sheet || !compared) {
        return FH_CTL_FAILED;
    }
    if (findings.errors > 0) {
        printf("%s: %u to be mended\n", path, findings.errors);
        return FH_CTL_FAILED;
    }
    printf("%s: complete%s%s\n", path, config ? ", and fits " : "", config ? config : "");
    return FH_CTL_OK;
}

static bool find_format(const struct fh_ctl_call *call, enum fh_document_format *ret)
{
    static const char *const names[] = {"markdown", "html", "json"};
    const char *given = fh_ctl_option(call, "format");
    for (size_t i = 0; i < FH_ARRAY_LEN(names); i++) {
        if (strcmp(given ? given : names[0], names[i]) == 0) {
            *ret = (enum fh_document_format)i;
            return true;
        }
    }
    fh_ctl_usage_error(call, "--format wants markdown, html or json, not \"%s\"", given);
    return false;
}

static enum fh_ctl_exit write_document(const struct fh_ctl_call *call, const struct fh_buf *text)
{
    const char *output = fh_ctl_option(call, "output");
    struct fh_error err;
    if (!output) {
        return print(text);
    }
    if (fh_atomic_file_write(output, text->data, text->len, 0644, &err) < 0) {
        return fh_ctl_fail("%s", err.text);
    }
    printf("written: %s\n", output);
    return FH_CTL_OK;
}

static enum fh_ctl_exit render_sheet(const struct fh_ctl_call *call, const char *path)
{
    static struct fh_onboarding_findings findings;
    char folder[FH_PATH_MAX];
    struct fh_error err;
    enum fh_document_format format;
    if (!find_format(call, &format)) {
        return FH_CTL_USAGE;
    }
    folder_of(path, folder, sizeof(folder));
    FH_CLEANUP(free_sheet) struct fh_sheet *sheet = read_sheet(path, folder, &findings);
    bool draft = findings.errors > 0;
    if (!sheet || (draft && !fh_ctl_option(call, "draft"))) {
        fh_onboarding_sort(&findings);
        print_findings(&findings, stderr);
        return sheet ? fh_ctl_fail("%s is not complete; --draft renders it all the same", path)
                     : FH_CTL_FAILED;
    }
    struct fh_buf text;
    fh_buf_init(&text, FH_DOCUMENT_BYTES);
    int r = fh_sheet_render(sheet, format, draft, folder, &text, &err);
    enum fh_ctl_exit status = r < 0 ? fh_ctl_fail("%s", err.text) : write_document(call, &text);
    fh_buf_done(&text);
    return status;
}

enum fh_ctl_exit fh_ctl_onboarding(const struct fh_ctl_call *call)
{
    static const struct {
        const char *name;
        enum fh_ctl_exit (*run)(const struct fh_ctl_call *call, const char *path);
        const char *options; /* those it has, each between blanks */
    } actions[] = {{"init", begin_sheet, ""},
                   {"check", check_sheet, " config "},
                   {"render", render_sheet, " format output draft "},
                   {"fields", list_fields, ""}};
    for (size_t i = 0; call->operand && i < FH_ARRAY_LEN(actions); i++) {
        if (strcmp(call->operand, actions[i].name) != 0) {
            continue;
        }
        for (size_t k = 0; call->command->options[k].name; k++) {
            char name[32];
            snprintf(name, sizeof(name), " %s ", call->command->options[k].name);
            if (call->given[k] && !strstr(actions[i].options, name)) {
                return fh_ctl_usage_error(call, "--%s does not belong to %s",
                                          call->command->options[k].name, actions[i].name);
            }
        }
        return actions[i].run(call, call->file ? call->file : SHEET);
    }
    return fh_ctl_usage_error(call, "say init, check, render or fields");
}
