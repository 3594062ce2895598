/* top_summary.c: the model in one line, where there is no screen. */
#include "top_layout.h"
#include "words.h"

#include "fh/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD 32

FH_PRINTF(3, 4) static void say(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void say_peer(const struct fh_top_peer *peer, char *text, size_t size)
{
    size_t up = 0;
    if (!peer->configured) {
        return;
    }
    for (size_t i = 0; i < peer->paths; i++) {
        up += peer->path[i].up;
    }
    say(text, size, "; %s %s%s%s, %zu of %zu paths up", peer->node[0] ? peer->node : "(peer)",
        peer->reachable ? "" : "NOT REACHABLE, was ", peer->role[0] ? peer->role : "unknown",
        strcmp(peer->role, "standby") == 0 ? (peer->ready ? " ready" : " not ready") : "", up,
        peer->paths);
}

void fh_top_summary(const struct fh_top_model *model, char *text, size_t size)
{
    char word[WORD];
    text[0] = '\0';
    fh_words_time(model->wall_ms, word, sizeof(word));
    say(text, size, "%s ", word);
    if (!model->connected) {
        say(text, size, "NO ANSWER: %s", model->why);
        return;
    }
    say(text, size, "%s %s epoch %" PRId64 "%s", model->node, model->role, model->epoch,
        model->protected ? " protected" : "");
    say_peer(&model->peer, text, size);
    fh_top_rate_text(fh_top_rate(&model->received, 0), word, sizeof(word));
    say(text, size, "; %s ev/s", word);
    fh_words_duration(fh_top_lag(model), word, sizeof(word));
    say(text, size, ", lag %s", word);
    for (size_t i = 0; i < model->sinks; i++) {
        const struct fh_top_sink *sink = &model->sink[i];
        fh_top_rate_text(fh_top_rate(&sink->delivered, 0), word, sizeof(word));
        say(text, size, "; %s %s/s", sink->delivered.name, word);
        fh_words_grouped(sink->pending > 0 ? (uint64_t)sink->pending : 0, word, sizeof(word));
        say(text, size, " pending %s%s", word, sink->healthy ? "" : " UNHEALTHY");
    }
}
