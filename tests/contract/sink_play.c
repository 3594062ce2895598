/* sink_play.c: owns the part of the delivery thread, played against a sink, and the comparison of
 * what the far side shows with what was written. */
#include "sink_suite.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define PATIENCE_MS   60000
#define BASE_MS       INT64_C(1700000000000)
#define LOOK_AGAIN_US 20000 /* the far side tells nobody when something becomes visible */
#define TRY_AGAIN_US  5000
/* A sink that promises "at most once" waits so long for whoever is to get it, then goes on. */
#define FIRST_SUBSCRIBER_MS 2000
#define PROBE               (SUITE_RECORDS_MAX - 1) /* a record that is begun and never sent */

static int64_t now_ms(void)
{
    return fh_now().ns / 1000000;
}

static struct fh_slice slice(const char *at, size_t len)
{
    return (struct fh_slice){at, len};
}

/* The text of record n, in memory the caller frees. */
static char *make_record(const struct suite *suite, uint64_t n, struct fh_record_facts *ret_facts)
{
    bool poison = suite->poison == n;
    size_t room = 256 + (poison ? SUITE_POISON_SIZE : 0);
    char *text = malloc(room);
    assert_non_null(text);
    int len = snprintf(
        text, room,
        "{\"recordUid\":\"event-%" PRIu64 "\",\"eventType\":\"T\",\"recordTimestamp\""
        ":%" PRId64 ",\"spacesTenantId\":\"t\",\"n\":%" PRIu64 ",\"device\":\"d%" PRIu64 "\"",
        n, BASE_MS + (int64_t)n, n, n % SUITE_DEVICES);
    if (poison) {
        len += snprintf(text + len, room - (size_t)len, ",\"poison\":\"");
        memset(text + len, 'x', SUITE_POISON_SIZE);
        len += (int)SUITE_POISON_SIZE;
        text[len++] = '"';
    }
    text[len++] = '}';
    text[len] = '\0';
    memset(ret_facts, 0, sizeof(*ret_facts));
    char *uid = strstr(text, "event-");
    ret_facts->uid = slice(uid, strcspn(uid, "\""));
    ret_facts->type = slice("T", 1);
    ret_facts->tenant = slice("t", 1);
    char *device = strstr(text, "\"device\":\"") + 10;
    ret_facts->device = slice(device, strcspn(device, "\""));
    ret_facts->timestamp_ms = BASE_MS + (int64_t)n;
    return text;
}

static struct fh_record_key key_of(uint64_t n)
{
    return (struct fh_record_key){.fingerprint = n * UINT64_C(0x9E3779B97F4A7C15),
                                  .timestamp_ms = BASE_MS + (int64_t)n};
}

static void lead(struct suite_node *node, uint64_t epoch)
{
    int64_t until = now_ms() + PATIENCE_MS;
    int r = 0;
    while (node->ops->lead && (r = node->ops->lead(node->sink, epoch, &node->err)) < 0 &&
           now_ms() < until) {
        usleep(TRY_AGAIN_US);
    }
    if (r < 0) {
        fail_msg("lead: %s", node->err.text);
    }
}

/* Leads until somebody is there before its patience is over, however slow this host is: it takes a
 * record only then. */
static void lead_with_subscriber(struct suite *suite, size_t index, uint64_t epoch)
{
    struct suite_node *node = &suite->node[index];
    int64_t until = now_ms() + PATIENCE_MS;
    for (;;) {
        int64_t began = now_ms();
        lead(node, epoch);
        int r;
        while ((r = suite_write(suite, index, PROBE, PROBE)) == -EAGAIN) {
            usleep(TRY_AGAIN_US);
        }
        bool met = now_ms() - began < FIRST_SUBSCRIBER_MS;
        if (r < 0 || node->ops->reopen(node->sink, &node->err) < 0 || now_ms() > until) {
            fail_msg("no subscriber: %s", node->err.text);
        }
        if (met) {
            return;
        }
        assert_int_equal(node->ops->abandon(node->sink, NULL, 0, &node->err), 0);
    }
}

void suite_lead(struct suite *suite, size_t index, uint64_t epoch)
{
    struct suite_node *node = &suite->node[index];
    node->fenced = false;
    node->config.required = true;
    if (strcmp(suite->promise, "most") == 0) {
        lead_with_subscriber(suite, index, epoch);
    } else {
        lead(node, epoch);
    }
}

static int take_found(void *userdata, const struct fh_record_key *keys, size_t count)
{
    struct suite_node *node = userdata;
    for (size_t i = 0; i < count; i++) {
        int64_t n = keys[i].timestamp_ms - BASE_MS;
        if (n > 0 && n < SUITE_RECORDS_MAX &&
            keys[i].fingerprint == key_of((uint64_t)n).fingerprint) {
            node->found[n] = true;
        }
    }
    return 0;
}

void suite_recover(struct suite *suite, size_t index, const char *position)
{
    struct suite_node *node = &suite->node[index];
    int64_t until = now_ms() + PATIENCE_MS;
    int r = 0;
    while (node->ops->recover &&
           (r = node->ops->recover(node->sink, position, BASE_MS, take_found, node, &node->err)) <
               0 &&
           now_ms() < until) {
        usleep(TRY_AGAIN_US);
    }
    if (r < 0) {
        fail_msg("recover: %s", node->err.text);
    }
}

int suite_write(struct suite *suite, size_t index, uint64_t first, uint64_t last)
{
    struct suite_node *node = &suite->node[index];
    size_t room = (size_t)(last - first + 1);
    struct fh_slice *record = calloc(room, sizeof(*record));
    struct fh_record_key *key = calloc(room, sizeof(*key));
    struct fh_record_facts *facts = calloc(room, sizeof(*facts));
    uint64_t *sequence = calloc(room, sizeof(*sequence));
    char **text = calloc(room, sizeof(*text));
    struct fh_sink_write write = {
        .record = record, .key = key, .facts = facts, .sequence = sequence, .epoch = 7};
    for (uint64_t n = first; n <= last; n++) {
        if (!node->found[n]) {
            uint32_t i = write.count++;
            text[i] = make_record(suite, n, &facts[i]);
            record[i] = slice(text[i], strlen(text[i]));
            key[i] = key_of(n);
            sequence[i] = n;
        }
    }
    int r = write.count > 0 ? node->ops->write(node->sink, &write, &node->err) : 0;
    for (uint32_t i = 0; i < write.count; i++) {
        free(text[i]);
    }
    free(record);
    free(key);
    free(facts);
    free(sequence);
    free(text);
    return r;
}

static int end_batch(struct suite_node *node)
{
    char position[FH_SINK_POSITION_MAX] = "";
    int r;
    if (node->ops->due_in(node->sink, fh_now()) < 0) {
        return 0; /* all of it was found */
    }
    if (node->ops->prepare) {
        r = node->ops->prepare(node->sink, position, &node->err);
        return r < 0 ? r : node->ops->publish(node->sink, position, &node->err);
    }
    r = node->ops->accept(node->sink, position, &node->err);
    if (r == 0) {
        memcpy(node->position, position, sizeof(position));
    }
    return r;
}

void suite_deliver(struct suite *suite, size_t index, uint64_t first, uint64_t last)
{
    struct suite_node *node = &suite->node[index];
    int64_t until = now_ms() + PATIENCE_MS;
    bool written = false;
    while (now_ms() < until) {
        int r = written ? 0 : suite_write(suite, index, first, last);
        written = written || r == 0;
        r = r < 0 ? r : end_batch(node);
        if (r == 0) {
            return;
        }
        if (r != -EAGAIN) {
            written = false;
            node->ops->reopen(node->sink, &node->err);
        }
        usleep(TRY_AGAIN_US);
    }
    fail_msg("records %" PRIu64 " to %" PRIu64 " were not accepted in %d s: %s", first, last,
             PATIENCE_MS / 1000, node->err.text);
}

/* What the far side shows: how often each record, and whether a device's are in order. */
struct view {
    unsigned count[SUITE_RECORDS_MAX];
    uint64_t last[SUITE_DEVICES];
    size_t different;
    char wrong[256]; /* what may never be, whatever comes later */
};

static void look_at(const struct suite *suite, char *line, struct view *view)
{
    unsigned long long n = 0;
    struct fh_record_facts facts;
    if (sscanf(line, "{\"recordUid\":\"event-%llu\"", &n) != 1 || n == 0 ||
        n >= SUITE_RECORDS_MAX) {
        snprintf(view->wrong, sizeof(view->wrong), "no record of ours: %.100s", line);
        return;
    }
    char *expected = make_record(suite, n, &facts);
    if (strcmp(expected, line) != 0) {
        snprintf(view->wrong, sizeof(view->wrong), "not what was written: %.100s", line);
    }
    free(expected);
    if (view->count[n]++ > 0) {
        if (strcmp(suite->promise, "least") != 0) {
            snprintf(view->wrong, sizeof(view->wrong), "record %llu is there twice", n);
        }
        return;
    }
    view->different++;
    if (n < view->last[n % SUITE_DEVICES]) {
        snprintf(view->wrong, sizeof(view->wrong),
                 "record %llu comes after %" PRIu64 " of the same device", n,
                 view->last[n % SUITE_DEVICES]);
    }
    view->last[n % SUITE_DEVICES] = n;
}

static void look(struct suite *suite, struct view *view)
{
    char path[128];
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    memset(view, 0, sizeof(*view));
    snprintf(path, sizeof(path), "%s/collected", suite->place);
    suite_order(suite, "collect %s", path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while ((len = getline(&line, &room, file)) > 0) {
        assert_int_equal(line[len - 1], '\n'); /* no half record is ever visible */
        line[len - 1] = '\0';
        look_at(suite, line, view);
    }
    free(line);
    fclose(file);
}

void suite_expect(struct suite *suite, uint64_t first, uint64_t last)
{
    static struct view view;
    int64_t until = now_ms() + suite->wait_ms;
    bool may_lose = suite->troubled && strcmp(suite->promise, "most") == 0;
    while (true) {
        uint64_t missing = 0;
        look(suite, &view);
        for (uint64_t n = first; n <= last; n++) {
            if (view.count[n] == 0 && n != suite->poison) {
                missing = missing > 0 ? missing : n;
            }
        }
        for (uint64_t n = 1; n < SUITE_RECORDS_MAX && view.wrong[0] == '\0'; n++) {
            if (view.count[n] > 0 && (n < first || n > last)) {
                snprintf(view.wrong, sizeof(view.wrong), "record %" PRIu64 " is visible", n);
            }
        }
        if (view.wrong[0] != '\0') {
            fail_msg("%s", view.wrong);
        }
        if (missing == 0 || may_lose) {
            return;
        }
        if (now_ms() >= until) {
            fail_msg("record %" PRIu64 " is missing", missing);
        }
        usleep(LOOK_AGAIN_US);
    }
}

size_t suite_visible(struct suite *suite)
{
    static struct view view;
    look(suite, &view);
    if (view.wrong[0] != '\0') {
        fail_msg("%s", view.wrong);
    }
    return view.different;
}
