/* simulator.h: a firehose-sim of its own for a C test, over TLS. For tests only. */
#ifndef FH_TEST_SIMULATOR_H
#define FH_TEST_SIMULATOR_H

#include <stddef.h>
#include <sys/types.h>

struct simulator {
    const char *program; /* the caller's */
    pid_t pid;
    char directory[64]; /* of its certificate */
    char ca_file[80];
    char url[128];
};

/* options end with NULL; a free port of 127.0.0.1 is added. 0, or -1 with a line on stderr. */
int simulator_start(struct simulator *simulator, const char *const *options);
int simulator_stop(struct simulator *simulator); /* and removes its files */

/* Ask it; the caller frees the answer. Aborts when there is none: a test cannot go on. */
char *simulator_ask(const struct simulator *simulator, const char *method, const char *path);
/* The first bytes of the stream, at least len. */
char *simulator_stream(const struct simulator *simulator, const char *key, size_t len);

#endif
