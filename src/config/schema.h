/* schema.h: the one table of options, private to src/config. Parser, checker, dump and reference
 * all read it; nothing else knows a default or a range. */
#ifndef FH_CONFIG_SCHEMA_H
#define FH_CONFIG_SCHEMA_H

#include "fh/config.h"

#define FH_OPTIONS_MAX  192
#define FH_SECTIONS_MAX 16

enum fh_option_type {
    FH_OPTION_STRING,
    FH_OPTION_PATH,    /* absolute, or "" where that means something */
    FH_OPTION_STRINGS, /* list of strings: array of width bytes each, their number at count_offset
                        */
    FH_OPTION_NAME,    /* string out of choices, stored as text */
    FH_OPTION_CHOICE,  /* string out of choices, stored as an enum: min + index */
    FH_OPTION_LEVEL,   /* as CHOICE, stored as int64_t */
    FH_OPTION_INTEGER,
    FH_OPTION_SIZE, /* integer, or "64 MiB" */
    FH_OPTION_BOOL,
    FH_OPTION_RECEIVERS, /* integer, stored as ranges */
    FH_OPTION_RANGES,    /* ( [1, 3], [4, 6] ) */
};

struct fh_option {
    const char *path; /* "section.name" */
    enum fh_option_type type;
    bool required;   /* when its section is there */
    bool reloadable; /* taken over while running */
    bool url;        /* may hold a password: the dump masks it */
    int64_t min;
    int64_t max;
    int64_t number;             /* default of the numeric types */
    const char *text;           /* default of the others, "" when NULL */
    const char *const *choices; /* NULL-terminated */
    const char *example;        /* for a required option */
    const char *sentence;
    size_t offset;       /* into struct fh_config; of sinks.*: into struct fh_config_sink */
    size_t size;         /* of the member */
    size_t width;        /* STRINGS: bytes of each, with NUL */
    size_t count_offset; /* STRINGS: of their number, a size_t; into the same struct as offset */
    const char *types;   /* sinks.*: the types it belongs to, blank-separated; NULL: every one */
    bool needed;         /* sinks.*: those types cannot do without it */
};

struct fh_section {
    const char *name;
    bool required;
    const char *example;
    const char *sentence;
    size_t present_offset; /* of the bool that says the section is there; 0: it has none */
};

extern const struct fh_option fh_options[];
extern const size_t fh_option_count;
extern const struct fh_section fh_sections[];
extern const size_t fh_section_count;

#define FH_SINKS_SECTION "sinks" /* the one section that is a list of groups */

/* Sections that mean something by being there. True for all others. */
bool fh_section_is_there(const struct fh_section *section, const struct fh_config *config);
const struct fh_section *fh_section_find(const char *name); /* NULL when there is none */

/* Index in the table, or -1. */
int fh_option_find(const char *section, size_t section_len, const char *name);
bool fh_option_in(const struct fh_option *option, const char *section);
/* STRINGS: one of the array, how many it can hold, and where their number is kept. */
char *fh_option_string(const struct fh_option *option, struct fh_config *config, size_t sink,
                       size_t index);
size_t fh_option_strings_max(const struct fh_option *option);
size_t *fh_option_strings_count(const struct fh_option *option, struct fh_config *config,
                                size_t sink);
/* Does an option of sinks belong to sinks of this type? */
bool fh_option_for_type(const struct fh_option *option, const char *type);
/* The part after the dot. */
const char *fh_option_name(const struct fh_option *option);
/* Where the value lives; sink counts for options of sinks only. */
void *fh_option_value(const struct fh_option *option, struct fh_config *config, size_t sink);
/* "an integer from 0 to 3": what the option accepts, in words. Returns buf. */
const char *fh_option_expects(const struct fh_option *option, char *buf, size_t size);
void fh_option_set_default(const struct fh_option *option, struct fh_config *config, size_t sink);

/* Number of the choice and back; -1 when there is none. */
int fh_choice_find(const struct fh_option *option, const char *text);
/* The name of the value now in config. */
const char *fh_choice_of(const struct fh_option *option, struct fh_config *config, size_t sink);
void fh_choice_store(const struct fh_option *option, struct fh_config *config, size_t sink,
                     int choice);

/* "64 MiB" -> 67108864; -1 when it is no size. And back, into buf. */
int64_t fh_size_parse(const char *text);
const char *fh_size_text(int64_t bytes, char *buf, size_t size);

/* The nearest option or section to a key nobody knows: its path, or NULL when none is near. */
const char *fh_nearest_option(const char *section, const char *name);
const char *fh_nearest_section(const char *name);
const char *fh_nearest_choice(const struct fh_option *option, const char *text);

#endif
