/* setup_ask.c: owns the questions of "firehosectl setup" on a terminal. Each answer is judged at
 * once by the rules of the configuration; a bad one is asked for again. Never writes a file. */
#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum asked_of { ALWAYS, PAIRS, WITH_WITNESS };

static const struct question {
    const char *option;
    enum asked_of of;
    const char *text;
    const char *standard; /* shown and taken for an empty answer; NULL: an answer is needed */
} questions[] = {
    {"url", ALWAYS, "Address of the service", "https://partners.ciscospaces.io/"},
    {"channel", ALWAYS, "Channel your activation has: http, websocket or grpc", "http"},
    {"receivers", ALWAYS, "Connections the 12 partitions are split over", "4"},
    {"name", ALWAYS, "Name of this node", "a"},
    {"peer-name", PAIRS, "Name of the other node", "b"},
    {"address", PAIRS, "Address of this host, as the other one reaches it", NULL},
    {"peer-address", PAIRS, "Address of the other host", NULL},
    {"port", PAIRS, "Port of the link between them, TCP and UDP", "5570"},
    {"preferred", PAIRS, "Which node is primary when both start together: this or peer", "this"},
    {"prefer", PAIRS, "Hearing nobody, without a witness: go on (availability) or stop (safety)",
     "availability"},
    {"witness", PAIRS, "Address of a firehose-witness, empty for none", ""},
    {"witness-key", WITH_WITNESS, "Its public key", NULL},
    {"sink-dir", ALWAYS, "Directory for the events, empty for events below the state directory",
     ""},
};

/* A line without its end; -ECANCELED at the end of the input. */
static int read_line(char *into, size_t size)
{
    if (!fgets(into, (int)size, stdin)) {
        return -ECANCELED;
    }
    size_t len = strcspn(into, "\r\n");
    if (into[len] == '\0' && len == size - 1) {
        for (int c; (c = getchar()) != EOF && c != '\n';) { /* the rest of it */
        }
    }
    into[len] = '\0';
    return (int)len;
}

static int ask_one(struct fh_setup_plan *plan, const struct question *question)
{
    for (;;) {
        char answer[FH_URL_MAX];
        fprintf(stderr, "%s", question->text);
        if (question->standard && question->standard[0]) {
            fprintf(stderr, " [%s]", question->standard);
        }
        fputs(": ", stderr);
        int len = read_line(answer, sizeof(answer));
        if (len < 0) {
            return len;
        }
        if (len == 0 && question->standard) {
            snprintf(answer, sizeof(answer), "%s", question->standard);
        }
        if (len == 0 && !question->standard) {
            fputs("  an answer is needed\n", stderr);
            continue;
        }
        struct fh_setup_plan changed = *plan;
        struct fh_error err = {""};
        bool optional = question->standard && !question->standard[0] && answer[0] == '\0';
        int r = optional ? 0 : fh_setup_set(&changed, question->option, answer, &err);
        r = r < 0 ? r : fh_setup_judge(&changed, &err);
        if (r == 0) {
            *plan = changed;
            return 0;
        }
        fprintf(stderr, "  %s\n", err.text);
    }
}

int fh_setup_ask(struct fh_setup_plan *plan, bool (*given)(void *userdata, const char *option),
                 void *userdata)
{
    for (size_t i = 0; i < FH_ARRAY_LEN(questions); i++) {
        const struct question *question = &questions[i];
        bool due = question->of == ALWAYS || (!plan->single && question->of == PAIRS) ||
                   (!plan->single && question->of == WITH_WITNESS && plan->witness_count > 0);
        int r = due && !given(userdata, question->option) ? ask_one(plan, question) : 0;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int fh_setup_ask_secret(const char *question, char *into, size_t size)
{
    struct termios before;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    fprintf(stderr, "%s: ", question);
    int len = read_line(into, size);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    return len;
}
