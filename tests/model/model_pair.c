/* model_pair.c: runs schedules, one after the other, and the list of broken machines.
 *
 * usage: model_pair [SEEDS] [--first N] [--seed N] [--mutant NAME] [--mutants]
 *   SEEDS      how many schedules (2000)      --first N   beginning with this one (1)
 *   --seed N   only this one, telling all     --mutant X  with the machine broken in this way
 *   --mutants  every broken machine must be caught within SEEDS schedules (10000)
 *
 * Behind those schedules come the remembered ones, each of which a machine or host before failed.
 *
 * Every fourth schedule is a clean one: one fault at a time, when the pair is protected; there
 * every event must be published exactly once. Of the others half have an arbiter. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum fh_mutant fh_mutant;

static const struct {
    const char *name, *text;
} mutants[] = {{"none", ""},
#define ROW(name, text) {#name, text},
               FH_MUTANTS_LIST(ROW)
#undef ROW
};

/* What happens once in some hundred thousand schedules is not found again by running some. */
static const uint64_t remembered[] = {118551, 353785, 446574, 869898, /* without arbiter */
                                      91551,  357923, 444917, 859287,
                                      343477, /* only one of the nodes prefers safety */
                                      730690};
#define REMEMBERED (sizeof(remembered) / sizeof(remembered[0]))

static void set_up(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    queue_reset();
    w.seed = seed;
    w.random = seed * 0x2545f4914f6cdd1dull + 1;
    w.now = 1000 * MS;
    w.clean = seed % 4 == 0;
    w.arbiter = seed % 2 == 1 ? chance(2) : chance(4);
    w.old = !w.arbiter && !w.clean && chance(8);
    w.encoded = w.old || chance(16);
    w.datagrams = chance(4);
    w.wipes = !w.clean && !w.old && chance(3);
    w.sink = chance(3) ? SINK_ASKED : SINK_PREPARES;
    w.paths = 1 + rnd(2);
    w.delay_max = 2;
    w.witness_drift_ppm = (int64_t)rnd(20001) - 10000;
    uint64_t old = rnd(2);
    for (unsigned n = 0; n < 2; n++) {
        struct node *node = &w.node[n];
        node->store_id = 100 + n;
        node->preferred = chance(2);
        node->safety = chance(4);
        node->version = w.old && n == old ? 1 : FH_WIRE_VERSION_MAX;
        /* The ends of what is allowed are where it hurts. */
        node->drift_ppm = chance(2) ? (int64_t)rnd(20001) - 10000 : chance(2) ? 10000 : -10000;
        node->offset = (int64_t)(1 + rnd(1000000)) * MS;
        later(EV_START, (int)n, (int64_t)rnd(4000));
    }
    if (w.arbiter && (seed % 8 == 1 || seed % 8 == 2 || seed % 16 == 8)) {
        w.node[0].safety = w.node[1].safety = true;
    }
    w.careful = w.arbiter && w.node[0].safety && w.node[1].safety;
    w.promotes = w.careful && seed % 16 == 1;
    w.stops = seed % 16 == 11 || seed % 16 == 4 || seed % 32 == 26; /* none of the remembered */
    if (w.arbiter) {
        witness_start();
    }
    trace("seed %" PRIu64 ":%s%s%s%s%s%s%s, %s sink, %zu paths, prefer %s and %s", seed,
          w.clean ? " clean" : "", w.arbiter ? " arbiter" : "", w.old ? " old peer" : "",
          w.datagrams ? " datagrams" : "", w.wipes ? " wipes" : "", w.stops ? " stops" : "",
          w.encoded ? " encoded" : "", w.sink == SINK_ASKED ? "asked" : "preparing", w.paths,
          w.node[0].safety ? "safety" : "availability",
          w.node[1].safety ? "safety" : "availability");
    int64_t gap = w.clean ? 7000 : 4000;
    for (int64_t at = 4000; at < FAULTS_MS; at += 100 + (int64_t)rnd((uint64_t)gap)) {
        later(EV_FAULT, 0, at);
    }
}

static bool about_world(const struct event *event)
{
    return event->what == EV_FAULT || event->what == EV_ASKED || event->what == EV_WITNESS_START;
}

static void happen(const struct event *event)
{
    struct node *node = &w.node[event->node];
    switch (event->what) {
    case EV_TICK:
        tick(event->node);
        break;
    case EV_FRAME:
        frame_arrived(event);
        break;
    case EV_OP:
        op_done(event);
        break;
    case EV_START:
        if (!node->alive) {
            start_node(event->node);
        }
        break;
    case EV_CONNECT:
        connect_paths(event->node);
        break;
    case EV_FAULT:
        fault();
        break;
    case EV_WAKE: /* the sink's thread may be the first to run again */
        trace("%c: wakes", 'a' + event->node);
        check_two();
        sink_turn(event->node);
        break;
    case EV_ASKED:
    case EV_ANSWERED:
    case EV_NO_ANSWER:
        arbiter_event(event);
        break;
    case EV_WITNESS_START:
        witness_start();
        break;
    }
}

static void run_seed(uint64_t seed)
{
    set_up(seed);
    int64_t end_of_faults = w.now + FAULTS_MS * MS;
    int64_t end = end_of_faults + CALM_MS * MS;
    struct event event;
    while (!w.failed && pop(&event)) {
        const struct node *node = &w.node[event.node];
        w.now = event.at > w.now ? event.at : w.now;
        if (!w.calm && w.now >= end_of_faults) {
            w.calm = true;
            trace("calm");
            calm_down();
        }
        if (w.now >= end) {
            break;
        }
        if (!about_world(&event) && event.what != EV_CONNECT && event.life != node->life) {
            frame_free(event.frame);
            continue;
        }
        if (!about_world(&event) && w.now < node->paused_until) {
            event.at = node->paused_until; /* keeps its order: push gives a later one */
            push(event);
            continue;
        }
        happen(&event);
        frame_free(event.frame);
    }
    check_end();
}

static void replay_hint(uint64_t seed)
{
    printf("seed %" PRIu64 ": %s\n  replay: model_pair --seed %" PRIu64 "%s%s\n", seed,
           failure_reason, seed, fh_mutant ? " --mutant " : "",
           fh_mutant ? mutants[fh_mutant].name : "");
}

static int run_mutants(uint64_t seeds)
{
    int missed = 0;
    for (unsigned m = 1; m < FH_MUTANT_COUNT; m++) {
        fh_mutant = (enum fh_mutant)m;
        uint64_t seed = 1;
        do {
            run_seed(seed);
        } while (!w.failed && ++seed <= seeds);
        for (size_t i = 0; i < REMEMBERED && !w.failed; i++) {
            seed = remembered[i];
            run_seed(seed);
        }
        if (w.failed) {
            printf("%-20s caught by seed %6" PRIu64 ": %.100s\n", mutants[m].name, seed,
                   failure_reason);
        } else {
            printf("%-20s NOT CAUGHT: %s\n", mutants[m].name, mutants[m].text);
            missed++;
        }
    }
    printf("%d broken machines, %d not caught\n", FH_MUTANT_COUNT - 1, missed);
    return missed > 0;
}

static int run_seeds(uint64_t first, uint64_t seeds)
{
    uint64_t steps = 0;
    uint64_t failures = 0;
    uint64_t faults = 0;
    uint64_t promotions = 0;
    uint64_t handovers = 0;
    uint64_t stopped = 0;
    uint64_t splits = 0;
    uint64_t barred = 0;
    uint64_t ordered = 0;
    uint64_t count = seeds > 1 ? seeds + REMEMBERED : seeds;
    uint64_t done = 0;
    for (; done < count && failures < 20; done++) {
        uint64_t seed = done < seeds ? first + done : remembered[done - seeds];
        run_seed(seed);
        steps += w.steps;
        faults += w.faults;
        promotions += w.promotions;
        handovers += w.handovers;
        stopped += w.stopped;
        splits += w.split;
        barred += w.barred > 0;
        ordered += w.ordered > 0;
        if (w.failed) {
            failures++;
            replay_hint(seed);
        }
    }
    printf("%" PRIu64 " seeds from %" PRIu64 " and %" PRIu64 " remembered: %" PRIu64
           " steps, %" PRIu64 " faults, %" PRIu64 " promotions, %" PRIu64 " hand-overs, %" PRIu64
           " planned stops, %" PRIu64 " schedules with a split (without arbiter), %" PRIu64
           " in which a node waited for one that had led alone (%" PRIu64
           " with the operator's order), "
           "%" PRIu64 " failures\n",
           done < seeds ? done : seeds, first, done < seeds ? 0 : done - seeds, steps, faults,
           promotions, handovers, stopped, splits, barred, ordered, failures);
    return failures > 0;
}

static enum fh_mutant find_mutant(const char *name)
{
    for (unsigned m = 1; m < FH_MUTANT_COUNT; m++) {
        if (strcasecmp(mutants[m].name, name) == 0) {
            return (enum fh_mutant)m;
        }
    }
    fprintf(stderr, "model_pair: there is no mutant %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t seeds = 0;
    uint64_t first = 1;
    bool all_mutants = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--first") == 0) {
            first = strtoull(value, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(value, NULL, 10);
            seeds = 1;
            tracing = true;
            i++;
        } else if (strcmp(argv[i], "--mutant") == 0) {
            fh_mutant = find_mutant(value);
            i++;
        } else if (strcmp(argv[i], "--mutants") == 0) {
            all_mutants = true;
        } else {
            seeds = strtoull(argv[i], NULL, 10);
        }
    }
    if (all_mutants) {
        return run_mutants(seeds ? seeds : 10000);
    }
    return run_seeds(first, seeds ? seeds : 2000);
}
