/* findings.c: the list of what was found. */
#include "sheet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

FH_PRINTF(5, 0)
static void add(struct fh_onboarding_findings *findings, const char *name, int line, bool warning,
                const char *format, va_list args)
{
    if (findings->count == FH_ARRAY_LEN(findings->finding)) {
        return; /* the caller sees by errors that there are more */
    }
    char *text = findings->finding[findings->count].text;
    size_t size = sizeof(findings->finding[0].text);
    const char *mark = warning ? "warning: " : "";
    int n = line > 0 ? snprintf(text, size, "%.200s:%d: %s", name, line, mark)
                     : snprintf(text, size, "%.200s: %s", name, mark);
    vsnprintf(text + n, size - (size_t)n, format, args);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?'; /* a key or value of the sheet may hold anything; a finding is one line */
        }
    }
    findings->finding[findings->count].line = line;
    findings->finding[findings->count].warning = warning;
    findings->count++;
}

void fh_sheet_refuse(struct fh_onboarding_findings *findings, const char *name, int line,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(findings, name, line, false, format, args);
    va_end(args);
    findings->errors++;
}

void fh_sheet_warn(struct fh_onboarding_findings *findings, const char *name, int line,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(findings, name, line, true, format, args);
    va_end(args);
}

void fh_onboarding_sort(struct fh_onboarding_findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) {
        __typeof__(findings->finding[0]) moved = findings->finding[i];
        size_t at = i;
        for (; at > 0 && findings->finding[at - 1].line > moved.line; at--) {
            findings->finding[at] = findings->finding[at - 1];
        }
        findings->finding[at] = moved;
    }
}
