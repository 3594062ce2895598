/* option.c: owns what can be done with one row of the table: find it, name what it accepts, reach
 * its value, suggest the row an operator may have meant. Never reads a file. */
#include "schema.h"

#include "fh/nearest.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int fh_option_find(const char *section, size_t section_len, const char *name)
{
    for (size_t i = 0; i < fh_option_count; i++) {
        const char *path = fh_options[i].path;
        if (strncmp(path, section, section_len) == 0 && path[section_len] == '.' &&
            strcmp(path + section_len + 1, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

const struct fh_section *fh_section_find(const char *name)
{
    for (size_t i = 0; i < fh_section_count; i++) {
        if (strcmp(fh_sections[i].name, name) == 0) {
            return &fh_sections[i];
        }
    }
    return NULL;
}

bool fh_section_is_there(const struct fh_section *section, const struct fh_config *config)
{
    return section->present_offset == 0 ||
           *(const bool *)((const char *)config + section->present_offset);
}

bool fh_option_in(const struct fh_option *option, const char *section)
{
    size_t len = strlen(section);
    return strncmp(option->path, section, len) == 0 && option->path[len] == '.';
}

char *fh_option_string(const struct fh_option *option, struct fh_config *config, size_t sink,
                       size_t index)
{
    return (char *)fh_option_value(option, config, sink) + index * option->width;
}

size_t fh_option_strings_max(const struct fh_option *option)
{
    return option->size / option->width;
}

size_t *fh_option_strings_count(const struct fh_option *option, struct fh_config *config,
                                size_t sink)
{
    char *base =
        fh_option_in(option, FH_SINKS_SECTION) ? (char *)&config->sinks[sink] : (char *)config;
    return (size_t *)(void *)(base + option->count_offset);
}

bool fh_option_for_type(const struct fh_option *option, const char *type)
{
    size_t len = strlen(type);
    for (const char *at = option->types; at && *at;) {
        size_t word = strcspn(at, " ");
        if (word == len && strncmp(at, type, len) == 0) {
            return true;
        }
        at += word + strspn(at + word, " ");
    }
    return option->types == NULL;
}

const char *fh_option_name(const struct fh_option *option)
{
    return strchr(option->path, '.') + 1;
}

void *fh_option_value(const struct fh_option *option, struct fh_config *config, size_t sink)
{
    char *base =
        fh_option_in(option, FH_SINKS_SECTION) ? (char *)&config->sinks[sink] : (char *)config;
    return base + option->offset;
}

/* Enums are stored as unsigned; the members are reached by their offset only. */
_Static_assert(sizeof(enum fh_channel) == sizeof(unsigned), "enums are stored as unsigned");

static void store_number(const struct fh_option *option, void *at, int64_t number)
{
    if (option->size == sizeof(int64_t)) {
        memcpy(at, &number, sizeof(number));
    } else if (option->size == sizeof(unsigned)) {
        unsigned small = (unsigned)number;
        memcpy(at, &small, sizeof(small));
    } else {
        bool truth = number != 0;
        memcpy(at, &truth, sizeof(truth));
    }
}

void fh_option_set_default(const struct fh_option *option, struct fh_config *config, size_t sink)
{
    void *at = fh_option_value(option, config, sink);
    switch (option->type) {
    case FH_OPTION_STRING:
    case FH_OPTION_PATH:
    case FH_OPTION_NAME:
        snprintf(at, option->size, "%s", option->text ? option->text : "");
        break;
    case FH_OPTION_CHOICE:
    case FH_OPTION_LEVEL:
    case FH_OPTION_INTEGER:
    case FH_OPTION_SIZE:
    case FH_OPTION_BOOL:
        store_number(option, at, option->number);
        break;
    case FH_OPTION_RECEIVERS:
        fh_ranges_split((unsigned)option->number, at);
        break;
    case FH_OPTION_STRINGS:
    case FH_OPTION_RANGES:
        break; /* nothing listed; ranges share their place with receivers */
    }
}

int fh_choice_find(const struct fh_option *option, const char *text)
{
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

const char *fh_choice_of(const struct fh_option *option, struct fh_config *config, size_t sink)
{
    const void *at = fh_option_value(option, config, sink);
    if (option->type == FH_OPTION_NAME) {
        return at;
    }
    int64_t number = 0;
    if (option->type == FH_OPTION_LEVEL) {
        memcpy(&number, at, sizeof(number));
    } else {
        unsigned small;
        memcpy(&small, at, sizeof(small));
        number = small;
    }
    for (int64_t i = 0; option->choices[i]; i++) {
        if (i == number - option->min) {
            return option->choices[i];
        }
    }
    return "";
}

void fh_choice_store(const struct fh_option *option, struct fh_config *config, size_t sink,
                     int choice)
{
    void *at = fh_option_value(option, config, sink);
    if (option->type == FH_OPTION_NAME) {
        snprintf(at, option->size, "%s", option->choices[choice]);
    } else {
        store_number(option, at, option->min + choice);
    }
}

static const struct {
    const char *name;
    int shift;
} units[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}};

int64_t fh_size_parse(const char *text)
{
    if (!isdigit((unsigned char)text[0])) {
        return -1;
    }
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    while (*end == ' ') {
        end++;
    }
    for (size_t i = 0; i < FH_ARRAY_LEN(units); i++) {
        if (strcasecmp(end, units[i].name) == 0) {
            return number > (uint64_t)(INT64_MAX >> units[i].shift)
                       ? -1
                       : (int64_t)(number << units[i].shift);
        }
    }
    return *end == '\0' && number <= INT64_MAX ? (int64_t)number : -1;
}

const char *fh_size_text(int64_t bytes, char *buf, size_t size)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(units); i++) {
        int64_t unit = INT64_C(1) << units[i].shift;
        if (bytes > 0 && bytes % unit == 0) {
            snprintf(buf, size, "%" PRId64 " %s", bytes / unit, units[i].name);
            return buf;
        }
    }
    snprintf(buf, size, "%" PRId64, bytes);
    return buf;
}

static const char *choices_text(const struct fh_option *option, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "%s", option->choices[1] ? "one of " : "");
    for (int i = 0; option->choices[i] && used < size; i++) {
        used += (size_t)snprintf(buf + used, size - used, "%s\"%s\"", i > 0 ? ", " : "",
                                 option->choices[i]);
    }
    return buf;
}

const char *fh_option_expects(const struct fh_option *option, char *buf, size_t size)
{
    char low[32];
    char high[32];
    switch (option->type) {
    case FH_OPTION_STRING:
        snprintf(buf, size, "a string");
        break;
    case FH_OPTION_PATH:
        snprintf(buf, size, "a string, an absolute path");
        break;
    case FH_OPTION_STRINGS:
        snprintf(buf, size, "a list of strings, at most %zu", fh_option_strings_max(option));
        break;
    case FH_OPTION_NAME:
    case FH_OPTION_CHOICE:
    case FH_OPTION_LEVEL:
        choices_text(option, buf, size);
        break;
    case FH_OPTION_INTEGER:
    case FH_OPTION_RECEIVERS:
        snprintf(buf, size, "an integer from %" PRId64 " to %" PRId64, option->min, option->max);
        break;
    case FH_OPTION_SIZE:
        snprintf(buf, size, "a size from \"%s\" to \"%s\"",
                 fh_size_text(option->min, low, sizeof(low)),
                 fh_size_text(option->max, high, sizeof(high)));
        break;
    case FH_OPTION_BOOL:
        snprintf(buf, size, "true or false");
        break;
    case FH_OPTION_RANGES:
        snprintf(buf, size, "a list of ranges such as ( [1, 6], [7, 12] )");
        break;
    }
    return buf;
}

/* A name cut short ("api_key" for "api_key_file") counts as one slip. */
static size_t slips_of(const char *name, const char *option)
{
    size_t len = strlen(name);
    bool cut_short = len >= 3 && strncasecmp(name, option, len) == 0 && option[len] == '_';
    size_t slips = fh_slips_between(name, option);
    return cut_short && slips > 1 ? 1 : slips;
}

const char *fh_nearest_option(const char *section, const char *name)
{
    struct fh_nearest nearest;
    fh_nearest_begin(&nearest, name);
    for (size_t i = 0; i < fh_option_count; i++) {
        const struct fh_option *option = &fh_options[i];
        fh_nearest_offer(&nearest, slips_of(name, fh_option_name(option)),
                         !fh_option_in(option, section), option->path);
    }
    return nearest.found;
}

const char *fh_nearest_section(const char *name)
{
    struct fh_nearest nearest;
    fh_nearest_begin(&nearest, name);
    for (size_t i = 0; i < fh_section_count; i++) {
        const char *section = fh_sections[i].name;
        fh_nearest_offer(&nearest, fh_slips_between(name, section), false, section);
    }
    return nearest.found;
}

const char *fh_nearest_choice(const struct fh_option *option, const char *text)
{
    struct fh_nearest nearest;
    fh_nearest_begin(&nearest, text);
    for (int i = 0; option->choices[i]; i++) {
        const char *choice = option->choices[i];
        fh_nearest_offer(&nearest, fh_slips_between(text, choice), false, choice);
    }
    return nearest.found;
}
