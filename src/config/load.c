/* load.c: owns the way from the text of a file to struct fh_config: libconfig's tree, matched row
 * by row against the table of options. Never opens any file but the one it is given, and judges
 * single values only (check.c the rest). */
#include "loading.h"

#include "fh/atomic_file.h"

#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)1024 * 1024)

/* Editors of another system put it in front of UTF-8; libconfig calls it a syntax error. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

FH_PRINTF(4, 0)
static void add_finding(struct fh_loading *loading, int line, bool warning, const char *format,
                        va_list args)
{
    struct fh_config_findings *findings = loading->findings;
    if (findings->count == FH_ARRAY_LEN(findings->finding)) {
        /* An error must be seen: the last place tells that there is more. */
        size_t last = findings->count - 1;
        findings->finding[last].line = 0;
        findings->finding[last].warning = warning && loading->errors == 0;
        snprintf(findings->finding[last].text, sizeof(findings->finding[last].text),
                 "%.200s: more was found; mend the above first", loading->name);
        return;
    }
    char *text = findings->finding[findings->count].text;
    size_t size = sizeof(findings->finding[0].text);
    const char *mark = warning ? "warning: " : "";
    int n = line > 0 ? snprintf(text, size, "%.200s:%d: %s", loading->name, line, mark)
                     : snprintf(text, size, "%.200s: %s", loading->name, mark);
    vsnprintf(text + n, size - (size_t)n, format, args);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?'; /* a key or value of the file may hold anything; a finding is one line */
        }
    }
    findings->finding[findings->count].line = line;
    findings->finding[findings->count].warning = warning;
    findings->count++;
}

void fh_refuse(struct fh_loading *loading, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_finding(loading, line, false, format, args);
    va_end(args);
    loading->errors++;
}

void fh_warn(struct fh_loading *loading, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_finding(loading, line, true, format, args);
    va_end(args);
}

/* One option being read: what, from where, into which sink. */
struct reading {
    struct fh_loading *loading;
    const struct fh_option *option;
    const config_setting_t *setting;
    size_t sink;
    int line;
};

static const char *type_text(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    case CONFIG_TYPE_LIST:
        return "a list";
    default:
        return "nothing";
    }
}

static int wrong_type(const struct reading *reading, const config_setting_t *got)
{
    char expects[256];
    fh_refuse(reading->loading, reading->line, "%s must be %s, not %s", reading->option->path,
              fh_option_expects(reading->option, expects, sizeof(expects)), type_text(got));
    return -EINVAL;
}

static bool is_integer(const config_setting_t *setting)
{
    int type = config_setting_type(setting);
    return type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
}

static int read_integer(const struct reading *reading, int64_t *ret)
{
    const struct fh_option *option = reading->option;
    char text[64];
    int64_t number;
    if (is_integer(reading->setting)) {
        number = config_setting_get_int64(reading->setting);
        snprintf(text, sizeof(text), "%" PRId64, number);
    } else if (option->type == FH_OPTION_SIZE &&
               config_setting_type(reading->setting) == CONFIG_TYPE_STRING) {
        const char *size = config_setting_get_string(reading->setting);
        number = fh_size_parse(size);
        snprintf(text, sizeof(text), "\"%.40s\"", size);
    } else {
        return wrong_type(reading, reading->setting);
    }
    if (number < option->min || number > option->max) {
        char expects[256];
        fh_refuse(reading->loading, reading->line, "%s is %s; it must be %s", option->path, text,
                  fh_option_expects(option, expects, sizeof(expects)));
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

/* A string that fits and holds no control characters, from one element into size bytes. */
static int read_string(const struct reading *reading, const config_setting_t *from, char *ret,
                       size_t size)
{
    if (config_setting_type(from) != CONFIG_TYPE_STRING) {
        return wrong_type(reading, from);
    }
    const char *text = config_setting_get_string(from);
    size_t len = strlen(text);
    if (len >= size) {
        fh_refuse(reading->loading, reading->line, "%s is %zu bytes long; at most %zu are allowed",
                  reading->option->path, len, size - 1);
        return -EINVAL;
    }
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            fh_refuse(reading->loading, reading->line,
                      "%s must not contain control characters (line breaks, tabs)",
                      reading->option->path);
            return -EINVAL;
        }
    }
    memset(ret, 0, size); /* no rest of the default behind the value */
    snprintf(ret, size, "%s", text);
    return 0;
}

static int read_path(const struct reading *reading, char *at)
{
    char path[FH_PATH_MAX];
    int r = read_string(reading, reading->setting, path, reading->option->size);
    if (r == 0 && path[0] != '/' && path[0] != '\0') {
        fh_refuse(reading->loading, reading->line,
                  "%s is \"%.100s\"; it must be an absolute path, starting with /",
                  reading->option->path, path);
        r = -EINVAL;
    }
    if (r == 0) {
        memcpy(at, path, reading->option->size);
    }
    return r;
}

static int read_choice(const struct reading *reading)
{
    const struct fh_option *option = reading->option;
    if (config_setting_type(reading->setting) != CONFIG_TYPE_STRING) {
        return wrong_type(reading, reading->setting);
    }
    const char *text = config_setting_get_string(reading->setting);
    int choice = fh_choice_find(option, text);
    if (choice < 0) {
        char expects[256];
        const char *nearest = fh_nearest_choice(option, text);
        fh_refuse(reading->loading, reading->line, "%s is \"%.60s\"; it must be %s%s%s%s",
                  option->path, text, fh_option_expects(option, expects, sizeof(expects)),
                  nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
        return -EINVAL;
    }
    fh_choice_store(option, reading->loading->config, reading->sink, choice);
    return 0;
}

static bool is_sequence(const config_setting_t *setting)
{
    int type = config_setting_type(setting);
    return type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_ARRAY;
}

static int read_strings(const struct reading *reading)
{
    struct fh_config *config = reading->loading->config;
    size_t max = fh_option_strings_max(reading->option);
    if (!is_sequence(reading->setting)) {
        return wrong_type(reading, reading->setting);
    }
    int count = config_setting_length(reading->setting);
    if ((size_t)count > max) {
        fh_refuse(reading->loading, reading->line, "%s has %d entries; at most %zu are allowed",
                  reading->option->path, count, max);
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        int r = read_string(reading, config_setting_get_elem(reading->setting, (unsigned)i),
                            fh_option_string(reading->option, config, reading->sink, (size_t)i),
                            reading->option->width);
        if (r < 0) {
            memset(fh_option_value(reading->option, config, reading->sink), 0,
                   reading->option->size);
            return r;
        }
    }
    *fh_option_strings_count(reading->option, config, reading->sink) = (size_t)count;
    return 0;
}

/* [1, 3], or [7] for a single partition. */
static int read_range(const config_setting_t *from, struct fh_range *ret)
{
    int count = is_sequence(from) ? config_setting_length(from) : 0;
    if (count < 1 || count > 2) {
        return -EINVAL;
    }
    int64_t bound[2];
    for (int i = 0; i < count; i++) {
        const config_setting_t *number = config_setting_get_elem(from, (unsigned)i);
        if (!is_integer(number)) {
            return -EINVAL;
        }
        bound[i] = config_setting_get_int64(number);
        if (bound[i] < 1 || bound[i] > FH_PARTITIONS) {
            return -ERANGE;
        }
    }
    *ret = (struct fh_range){(uint8_t)bound[0], (uint8_t)bound[count - 1]};
    return 0;
}

static int read_ranges(const struct reading *reading)
{
    const char *path = reading->option->path;
    if (!is_sequence(reading->setting)) {
        return wrong_type(reading, reading->setting);
    }
    int count = config_setting_length(reading->setting);
    if (count > FH_PARTITIONS) {
        fh_refuse(reading->loading, reading->line, "%s has %d entries; at most %d are allowed",
                  path, count, FH_PARTITIONS);
        return -EINVAL;
    }
    struct fh_ranges ranges = {.count = (size_t)count};
    for (int i = 0; i < count; i++) {
        int r =
            read_range(config_setting_get_elem(reading->setting, (unsigned)i), &ranges.range[i]);
        if (r < 0) {
            fh_refuse(reading->loading, reading->line,
                      r == -ERANGE ? "%s: entry %d is outside the partitions 1 to 12"
                                   : "%s: entry %d must be a range such as [1, 3]",
                      path, i + 1);
            return r;
        }
    }
    struct fh_error err;
    int r = fh_ranges_check(&ranges, &reading->loading->config->firehose.range_holes, &err);
    if (r < 0) {
        fh_refuse(reading->loading, reading->line, "%s: %s", path, err.text);
        return r;
    }
    reading->loading->config->firehose.ranges = ranges;
    return 0;
}

static int read_bool(const struct reading *reading, bool *ret)
{
    if (config_setting_type(reading->setting) != CONFIG_TYPE_BOOL) {
        return wrong_type(reading, reading->setting);
    }
    *ret = config_setting_get_bool(reading->setting) != 0;
    return 0;
}

static int read_value(const struct reading *reading)
{
    const struct fh_option *option = reading->option;
    void *at = fh_option_value(option, reading->loading->config, reading->sink);
    int64_t number = 0;
    int r;
    switch (option->type) {
    case FH_OPTION_STRING:
        return read_string(reading, reading->setting, at, option->size);
    case FH_OPTION_PATH:
        return read_path(reading, at);
    case FH_OPTION_STRINGS:
        return read_strings(reading);
    case FH_OPTION_NAME:
    case FH_OPTION_CHOICE:
    case FH_OPTION_LEVEL:
        return read_choice(reading);
    case FH_OPTION_INTEGER:
    case FH_OPTION_SIZE:
        r = read_integer(reading, &number);
        if (r == 0) {
            memcpy(at, &number, sizeof(number));
        }
        return r;
    case FH_OPTION_BOOL:
        return read_bool(reading, at);
    case FH_OPTION_RECEIVERS:
        r = read_integer(reading, &number);
        if (r == 0 && !fh_given(reading->loading, "firehose.ranges", 0)) {
            r = fh_ranges_split((unsigned)number, at);
        }
        return r;
    case FH_OPTION_RANGES:
        return read_ranges(reading);
    }
    return -EINVAL;
}

static void unknown_option(struct fh_loading *loading, const char *section, const char *name,
                           int line)
{
    const char *nearest = fh_nearest_option(section, name);
    if (nearest) {
        fh_refuse(loading, line, "unknown option %s.%.60s; did you mean %s?", section, name,
                  nearest);
        return;
    }
    char known[384] = "";
    for (size_t i = 0; i < fh_option_count; i++) {
        if (fh_option_in(&fh_options[i], section)) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? ", " : "",
                     fh_option_name(&fh_options[i]));
        }
    }
    fh_refuse(loading, line, "unknown option %s.%.60s; known here: %s", section, name, known);
}

static void read_group(struct fh_loading *loading, const char *section,
                       const config_setting_t *group, size_t sink)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        int line = (int)config_setting_source_line(setting);
        int index = fh_option_find(section, strlen(section), name);
        if (index < 0) {
            unknown_option(loading, section, name, line);
            continue;
        }
        struct reading reading = {loading, &fh_options[index], setting, sink, line};
        struct fh_origin *origin = &loading->origin[sink][index];
        origin->line = line;
        origin->bad = read_value(&reading) < 0;
    }
}

static void read_sinks(struct fh_loading *loading, const config_setting_t *list, int line)
{
    struct fh_config *config = loading->config;
    int count = config_setting_length(list);
    if (count > FH_SINKS_MAX) {
        fh_refuse(loading, line, "%d sinks are given; at most %d are allowed", count, FH_SINKS_MAX);
        count = FH_SINKS_MAX;
    }
    for (int i = 0; i < count; i++) {
        const config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        size_t sink = config->sink_count;
        if (config_setting_type(group) != CONFIG_TYPE_GROUP) {
            fh_refuse(loading, line, "entry %d of sinks must be a group { ... }, not %s", i + 1,
                      type_text(group));
            continue;
        }
        loading->sink_line[sink] = (int)config_setting_source_line(group);
        config->sink_count++;
        read_group(loading, FH_SINKS_SECTION, group, sink);
    }
}

static void unknown_section(struct fh_loading *loading, const char *name, int line)
{
    const char *section = fh_nearest_section(name);
    const char *option = fh_nearest_option("", name);
    if (section || !option) {
        char known[256] = "";
        for (size_t i = 0; i < fh_section_count; i++) {
            size_t used = strlen(known);
            snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                     fh_sections[i].name);
        }
        fh_refuse(loading, line, "unknown section %.60s; %s%s%s", name,
                  section ? "did you mean " : "known are: ", section ? section : known,
                  section ? "?" : "");
    } else {
        fh_refuse(loading, line,
                  "unknown section %.60s; did you mean the option %s, inside its "
                  "section?",
                  name, option);
    }
}

static void read_section(struct fh_loading *loading, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    int line = (int)config_setting_source_line(setting);
    size_t index = 0;
    while (index < fh_section_count && strcmp(fh_sections[index].name, name) != 0) {
        index++;
    }
    if (index == fh_section_count) {
        unknown_section(loading, name, line);
        return;
    }
    loading->section_line[index] = line;
    bool list = strcmp(name, FH_SINKS_SECTION) == 0;
    int type = config_setting_type(setting);
    if (list && type == CONFIG_TYPE_LIST) {
        read_sinks(loading, setting, line);
    } else if (!list && type == CONFIG_TYPE_GROUP) {
        if (fh_sections[index].present_offset > 0) {
            *(bool *)((char *)loading->config + fh_sections[index].present_offset) = true;
        }
        read_group(loading, name, setting, 0);
    } else {
        loading->section_line[index] = -line;
        fh_refuse(loading, line,
                  list ? "%s must be a list of groups: %s: ( { ... } );"
                       : "%s must be a group: %s: { ... };",
                  name, name);
    }
}

static void set_defaults(struct fh_config *config)
{
    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < fh_option_count; i++) {
        bool of_sink = fh_option_in(&fh_options[i], FH_SINKS_SECTION);
        for (size_t sink = 0; sink < (of_sink ? FH_SINKS_MAX : 1); sink++) {
            fh_option_set_default(&fh_options[i], config, sink);
        }
    }
}

/* What the unit gives the service (systemd.exec(5)), so that several daemons on one host need no
 * word about it. A list, when the unit names several: the first. */
static size_t unit_directory(const char *variable, char *path, size_t size)
{
    const char *list = getenv(variable);
    size_t len = list ? strcspn(list, ":") : 0;
    if (len == 0 || list[0] != '/' || len >= size) {
        return 0;
    }
    memset(path, 0, size); /* no rest of the default behind it */
    memcpy(path, list, len);
    return len;
}

static void set_unit_defaults(struct fh_config *config)
{
    static const char name[] = "/control.sock";
    (void)unit_directory("STATE_DIRECTORY", config->node.state_dir, sizeof(config->node.state_dir));
    char *socket = config->node.control_socket;
    size_t len = unit_directory("RUNTIME_DIRECTORY", socket,
                                sizeof(config->node.control_socket) - sizeof(name));
    if (len > 0) {
        memset(socket + len, 0, sizeof(config->node.control_socket) - len);
        memcpy(socket + len, name, sizeof(name));
    }
}

/* Sinks that are not there are all zero, so that two equal configurations are equal in memory. */
static void clear_unused_sinks(struct fh_config *config)
{
    for (size_t i = config->sink_count; i < FH_SINKS_MAX; i++) {
        memset(&config->sinks[i], 0, sizeof(config->sinks[i]));
    }
}

static void read_tree(struct fh_loading *loading, const char *text)
{
    config_t tree;
    config_init(&tree);
    if (config_read_string(&tree, text) != CONFIG_TRUE) {
        const char *what = config_error_text(&tree);
        fh_refuse(loading, config_error_line(&tree), "%s; %s", what ? what : "not readable",
                  what && strstr(what, "duplicate")
                      ? "give each option and section once"
                      : "look here and at the line before for a missing ; or quote or bracket");
    } else {
        const config_setting_t *root = config_root_setting(&tree);
        for (int i = 0; i < config_setting_length(root); i++) {
            read_section(loading, config_setting_get_elem(root, (unsigned)i));
        }
        fh_config_check(loading);
    }
    config_destroy(&tree);
}

int fh_config_parse(const char *text, const char *name, struct fh_config *ret,
                    struct fh_config_findings *findings)
{
    struct fh_config config;
    struct fh_loading loading = {.name = name, .config = &config, .findings = findings};
    findings->count = 0;
    set_defaults(&config);
    set_unit_defaults(&config);

    if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
        text += strlen(BYTE_ORDER_MARK);
    }
    if (strlen(text) > TEXT_MAX) {
        fh_refuse(&loading, 0, "larger than 1 MiB; this is no configuration");
        return -EINVAL;
    }
    struct fh_buf prepared;
    fh_buf_init(&prepared, 2 * TEXT_MAX + 16);
    struct fh_error err = {"not enough memory to read it"};
    int line = 0;
    int r = fh_config_prepare(text, &prepared, &line, &err);
    const char *ready = r == 0 ? fh_buf_string(&prepared) : NULL;
    if (ready) {
        read_tree(&loading, ready);
    } else {
        fh_refuse(&loading, line, "%s", err.text);
    }
    fh_buf_done(&prepared);
    if (loading.errors > 0) {
        return -EINVAL;
    }
    clear_unused_sinks(&config);
    *ret = config;
    return 0;
}

static void free_text(char **text)
{
    free(*text);
}

int fh_config_load(const char *path, struct fh_config *ret, struct fh_config_findings *findings)
{
    struct fh_loading loading = {.name = path, .findings = findings};
    FH_CLEANUP(free_text) char *text = NULL;
    struct fh_error err;
    findings->count = 0;
    int r = fh_file_read(path, TEXT_MAX, 0, &text, &err);
    if (r < 0) {
        fh_refuse(&loading, 0, "%s", err.text);
        return r == -ENOENT || r == -EACCES ? r : -EINVAL;
    }
    return fh_config_parse(text, path, ret, findings);
}
