/* pattern.h: names made from a record: "firehose/{tenant}/{type}". A pattern is compiled once, when
 * its sink is opened, and expanded for each record.
 *
 * Words: {tenant}, {type}, {device}, {location} (the most specific one), {uid}. A word whose value
 * is missing becomes "unknown"; a character the far side gives a meaning to becomes '_'. */
#ifndef FH_SINK_PATTERN_H
#define FH_SINK_PATTERN_H

#include "fh/err.h"
#include "fh/facts.h"

#define FH_PATTERN_PARTS_MAX 16

enum fh_pattern_word {
    FH_PATTERN_TEXT,
    FH_PATTERN_TENANT,
    FH_PATTERN_TYPE,
    FH_PATTERN_DEVICE,
    FH_PATTERN_LOCATION,
    FH_PATTERN_UID,
};

struct fh_pattern {
    struct {
        enum fh_pattern_word word;
        struct fh_slice text; /* into the text the pattern was compiled from */
    } part[FH_PATTERN_PARTS_MAX];
    size_t count;
};

/* text must live as long as the pattern. option: its name, for the sentence. -EINVAL: an unknown
 * word, a brace that is not closed, more than 16 parts. */
int fh_pattern_compile(const char *text, const char *option, struct fh_error *err,
                       struct fh_pattern *ret);
bool fh_pattern_has(const struct fh_pattern *pattern, enum fh_pattern_word word);
/* into: with NUL. special: characters to replace in values (blanks and control characters always
 * are). -ENAMETOOLONG: into is untouched but for its first byte, which is NUL. */
int fh_pattern_expand(const struct fh_pattern *pattern, const struct fh_record_facts *facts,
                      const char *special, char *into, size_t size);

#endif
