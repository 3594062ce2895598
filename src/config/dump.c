/* dump.c: owns the printed forms of the configuration: the values in force, as a file that can be
 * read again, and the reference of all options. Never prints a secret. */
#include "schema.h"

#include "fh/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int print_string(struct fh_buf *into, const char *text)
{
    int r = fh_buf_append(into, "\"", 1);
    for (; *text && r == 0; text++) {
        r = *text == '"' || *text == '\\' ? fh_buf_printf(into, "\\%c", *text)
                                          : fh_buf_append(into, text, 1);
    }
    return r < 0 ? r : fh_buf_append(into, "\"", 1);
}

/* A password before the host is replaced by three stars. */
static int print_url(struct fh_buf *into, const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest ? rest + 3 : url;
    const char *host = strrchr(rest, '@');
    if (!host) {
        return print_string(into, url);
    }
    char masked[FH_URL_MAX + 8];
    snprintf(masked, sizeof(masked), "%.*s***%s", (int)(rest - url), url, host);
    return print_string(into, masked);
}

static int print_strings(struct fh_buf *into, const struct fh_option *option,
                         struct fh_config *config, size_t sink)
{
    size_t count = *fh_option_strings_count(option, config, sink);
    int r = fh_buf_printf(into, "(");
    for (size_t i = 0; i < count && r == 0; i++) {
        r = fh_buf_printf(into, i > 0 ? ", " : " ");
        if (r == 0) {
            r = print_string(into, fh_option_string(option, config, sink, i));
        }
    }
    return r < 0 ? r : fh_buf_printf(into, " )");
}

static int print_ranges(struct fh_buf *into, const struct fh_ranges *ranges)
{
    int r = fh_buf_printf(into, "(");
    for (size_t i = 0; i < ranges->count && r == 0; i++) {
        r = fh_buf_printf(into, "%s[%u, %u]", i > 0 ? ", " : " ", ranges->range[i].first,
                          ranges->range[i].last);
    }
    return r < 0 ? r : fh_buf_printf(into, " )");
}

static int print_number(struct fh_buf *into, int64_t number)
{
    /* The L is for libconfig before 1.7, which cuts wide integers without it. */
    return fh_buf_printf(into, "%" PRId64 "%s", number, number > INT32_MAX ? "L" : "");
}

static int print_value(struct fh_buf *into, const struct fh_option *option,
                       struct fh_config *config, size_t sink)
{
    const void *at = fh_option_value(option, config, sink);
    int64_t number;
    bool truth;
    switch (option->type) {
    case FH_OPTION_STRING:
    case FH_OPTION_PATH:
        return option->url ? print_url(into, at) : print_string(into, at);
    case FH_OPTION_STRINGS:
        return print_strings(into, option, config, sink);
    case FH_OPTION_NAME:
    case FH_OPTION_CHOICE:
    case FH_OPTION_LEVEL:
        return print_string(into, fh_choice_of(option, config, sink));
    case FH_OPTION_INTEGER:
    case FH_OPTION_SIZE:
        memcpy(&number, at, sizeof(number));
        return print_number(into, number);
    case FH_OPTION_BOOL:
        memcpy(&truth, at, sizeof(truth));
        return fh_buf_printf(into, "%s", truth ? "true" : "false");
    case FH_OPTION_RECEIVERS:
    case FH_OPTION_RANGES:
        return print_ranges(into, at);
    }
    return -EINVAL;
}

static int print_options(struct fh_buf *into, const char *section, const char *indent,
                         struct fh_config *config, size_t sink)
{
    int r = 0;
    for (size_t i = 0; i < fh_option_count && r == 0; i++) {
        const struct fh_option *option = &fh_options[i];
        /* receivers and ranges share their value; ranges say all of it */
        if (!fh_option_in(option, section) || option->type == FH_OPTION_RECEIVERS) {
            continue;
        }
        if (option->types && !fh_option_for_type(option, config->sinks[sink].type)) {
            continue;
        }
        r = fh_buf_printf(into, "%s%s = ", indent, fh_option_name(option));
        if (r == 0) {
            r = print_value(into, option, config, sink);
        }
        if (r == 0) {
            r = fh_buf_printf(into, ";\n");
        }
    }
    return r;
}

static int print_sinks(struct fh_buf *into, struct fh_config *config)
{
    int r = fh_buf_printf(into, FH_SINKS_SECTION ": (\n");
    for (size_t i = 0; i < config->sink_count && r == 0; i++) {
        r = fh_buf_printf(into, "    {\n");
        if (r == 0) {
            r = print_options(into, FH_SINKS_SECTION, "        ", config, i);
        }
        if (r == 0) {
            r = fh_buf_printf(into, "    }%s\n", i + 1 < config->sink_count ? "," : "");
        }
    }
    return r < 0 ? r : fh_buf_printf(into, ");\n");
}

static int print_section(struct fh_buf *into, const char *section, struct fh_config *config)
{
    if (strcmp(section, FH_SINKS_SECTION) == 0) {
        return print_sinks(into, config);
    }
    if (!fh_section_is_there(fh_section_find(section), config)) {
        return 0;
    }
    int r = fh_buf_printf(into, "%s: {\n", section);
    if (r == 0) {
        r = print_options(into, section, "    ", config, 0);
    }
    return r < 0 ? r : fh_buf_printf(into, "};\n");
}

int fh_config_dump(const struct fh_config *values, struct fh_buf *into)
{
    if (!values) {
        return fh_config_reference(into);
    }
    /* The table reaches members through one non-const way; a copy keeps the promise. */
    struct fh_config config = *values;
    int r = 0;
    for (size_t i = 0; i < fh_section_count && r == 0; i++) {
        r = print_section(into, fh_sections[i].name, &config);
    }
    return r;
}

static int print_default(struct fh_buf *into, const struct fh_option *option,
                         struct fh_config *defaults)
{
    char size[32];
    const void *at = fh_option_value(option, defaults, 0);
    if (option->required) {
        return fh_buf_printf(into, "; must be given, e.g. %s", option->example);
    }
    int r = 0;
    switch (option->type) {
    case FH_OPTION_STRINGS:
    case FH_OPTION_RANGES:
        return 0;
    case FH_OPTION_SIZE:
        return fh_buf_printf(into, "; default \"%s\"",
                             fh_size_text(option->number, size, sizeof(size)));
    case FH_OPTION_RECEIVERS:
        return fh_buf_printf(into, "; default %" PRId64, option->number);
    case FH_OPTION_STRING:
    case FH_OPTION_PATH:
        if (*(const char *)at == '\0') {
            return fh_buf_printf(into, "; default empty");
        }
        break;
    default:
        break;
    }
    r = fh_buf_printf(into, "; default ");
    return r < 0 ? r : print_value(into, option, defaults, 0);
}

static int print_reference(struct fh_buf *into, const struct fh_option *option,
                           struct fh_config *defaults)
{
    char expects[256];
    int r = fh_buf_printf(into, "  %s\n      %s", option->path,
                          fh_option_expects(option, expects, sizeof(expects)));
    if (r == 0) {
        r = print_default(into, option, defaults);
    }
    if (r == 0) {
        r = fh_buf_printf(into, "%s%s%s%s\n      %s\n", option->types ? "; for " : "",
                          option->types ? option->types : "", option->needed ? "; required" : "",
                          option->reloadable ? "; reloadable" : "", option->sentence);
    }
    return r;
}

int fh_config_reference(struct fh_buf *into)
{
    struct fh_config defaults;
    memset(&defaults, 0, sizeof(defaults));
    for (size_t i = 0; i < fh_option_count; i++) {
        fh_option_set_default(&fh_options[i], &defaults, 0);
    }
    int r = 0;
    for (size_t i = 0; i < fh_section_count && r == 0; i++) {
        r = fh_buf_printf(into, "%s%s: %s%s\n", i > 0 ? "\n" : "", fh_sections[i].name,
                          fh_sections[i].sentence, fh_sections[i].required ? " (required)" : "");
        for (size_t k = 0; k < fh_option_count && r == 0; k++) {
            if (fh_option_in(&fh_options[k], fh_sections[i].name)) {
                r = print_reference(into, &fh_options[k], &defaults);
            }
        }
    }
    return r;
}
