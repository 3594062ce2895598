/* test_top.c: firehosectl top without daemon and terminal: statuses in, rates and screens out.
 * data/top-NAME-COLUMNSxLINES.txt are the screens. argv[1]: the folder of them. With FH_UPDATE set
 * in the environment they are written. */
#include "top_layout.h"

#include "fh/err.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define WALL INT64_C(1767265200000) /* 2026-01-01T11:00:00Z */

static const char *folder;

/* A status of node a, `second` seconds after the beginning. */
static cJSON *status_at(int second)
{
    static const char *const states[] = {"streaming", "streaming", "waiting", "streaming"};
    static const int shape[] = {5, 9, 14, 20, 26, 30, 26, 20, 14, 9};
    long sum = 0;
    for (int i = 0; i < second; i++) {
        sum += shape[i % 10];
    }
    char text[8192];
    size_t used = (size_t)snprintf(
        text, sizeof(text),
        "{\"node\":\"a\",\"version\":\"0.1.0\",\"role\":\"primary\",\"role_reason\":\"x\","
        "\"epoch\":7,\"protected\":true,\"ready\":false,\"sync\":\"\",\"uptime_ms\":%d,"
        "\"peer\":{\"configured\":true,\"reachable\":true,\"node\":\"b\",\"role\":\"standby\","
        "\"epoch\":7,\"ready\":true,\"last_heard_ms\":120,\"refused\":\"\",\"paths\":["
        "{\"address\":\"tcp://10.0.0.2:5570\",\"up\":true,\"datagrams\":true},"
        "{\"address\":\"tcp://10.1.0.2:5570\",\"up\":%s,\"datagrams\":false}]},\"receivers\":[",
        7200000 + second * 1000, second > 20 ? "false" : "true");
    for (int i = 0; i < 4; i++) {
        used += (size_t)snprintf(
            text + used, sizeof(text) - used,
            "%s{\"range\":\"%d-%d\",\"state\":\"%s\",\"last_timestamp\":%lld,\"lag_ms\":%d,"
            "\"events\":%ld,\"last_byte_age_ms\":%d,\"last_error\":\"%s\"}",
            i > 0 ? "," : "", 3 * i + 1, 3 * i + 3, states[i],
            (long long)(WALL + second * 1000 - 800), i == 2 ? 30500 : 10 * i,
            i == 2 ? 0 : sum * 5 * (i + 1), i == 2 ? 30500 : 15,
            i == 2 ? "the service answered 503: \\u001b[31mtry\\nlater" : "");
    }
    snprintf(text + used, sizeof(text) - used,
             "],\"sinks\":[{\"name\":\"archive\",\"type\":\"file\",\"healthy\":true,\"delivered\":"
             "%ld,\"pending\":555,\"last_error\":\"\"},{\"name\":\"bus\",\"type\":\"nats\","
             "\"healthy\":false,\"delivered\":0,\"pending\":123555,\"last_error\":\"connection "
             "refused\"}],\"counters\":{\"received\":%ld,\"duplicates\":12,\"quarantined\":1,"
             "\"gaps\":0,\"types\":{\"DEVICE_LOCATION_UPDATE\":%ld,\"IOT_TELEMETRY\":%ld,"
             "\"DEVICE_PRESENCE\":%ld,\"other\":4}},\"store\":{\"bytes_used\":1610612736,"
             "\"size_limit\":8589934592,\"events\":1235550,\"backpressure\":false}}",
             sum * 30, sum * 35, sum * 25, sum * 9, sum);
    cJSON *status = cJSON_Parse(text);
    assert_non_null(status);
    return status;
}

static void add_history(struct fh_top_model *model)
{
    cJSON *history = cJSON_Parse(
        "{\"history\":[{\"time_ms\":1767265100000,\"from\":\"starting\",\"to\":\"standby\","
        "\"epoch\":6,\"reason\":\"the peer is primary\",\"evidence\":\"\"},"
        "{\"time_ms\":1767265190000,\"from\":\"standby\",\"to\":\"promoting\",\"epoch\":6,"
        "\"reason\":\"the peer is lost and this node is ready\",\"evidence\":\"e\"},"
        "{\"time_ms\":1767265190010,\"from\":\"promoting\",\"to\":\"primary\",\"epoch\":7,"
        "\"reason\":\"the peer is lost and this node is ready\",\"evidence\":\"e\"}]}");
    assert_non_null(history);
    fh_top_add_history(model, history);
    cJSON_Delete(history);
}

static void add_seconds(struct fh_top_model *model, int from, int to)
{
    for (int second = from; second < to; second++) {
        cJSON *status = status_at(second);
        fh_top_add(model, status, 1000 + second * 1000, WALL + second * 1000);
        cJSON_Delete(status);
    }
}

static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (; *text; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

static void check_page(const struct fh_top_page *page, const struct fh_top_view *view)
{
    assert_int_equal(page->lines, view->lines);
    for (size_t i = 0; i < page->lines; i++) {
        assert_true(columns_of(page->line[i].text) <= (size_t)view->columns);
        assert_null(strpbrk(page->line[i].text, "\n\033\t"));
    }
}

static void expect_screen(const char *name, const struct fh_top_model *model,
                          struct fh_top_view view)
{
    static struct fh_top_page page;
    char path[1024];
    char got[65536] = "";
    char expected[65536] = "";
    fh_top_layout(model, &view, &page);
    check_page(&page, &view);
    for (size_t i = 0; i < page.lines; i++) {
        size_t used = strlen(got);
        static const char marks[] = {' ', '=', '#', '+', '!', '.'}; /* the style of the line */
        snprintf(got + used, sizeof(got) - used, "%c|%s\n", marks[page.line[i].style],
                 page.line[i].text);
    }
    snprintf(path, sizeof(path), "%s/top-%s-%dx%d.txt", folder, name, view.columns, view.lines);
    if (getenv("FH_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(got, file);
        fclose(file);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    expected[fread(expected, 1, sizeof(expected) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(got, expected);
}

static const struct fh_top_view standard = {
    .columns = 80, .lines = 24, .unicode = true, .interval_ms = 1000};

static void screens(void **state)
{
    (void)state;
    static struct fh_top_model model;
    struct fh_top_view view = standard;
    memset(&model, 0, sizeof(model));
    add_seconds(&model, 0, 30);
    add_history(&model);
    expect_screen("pair", &model, view);
    view.types = true;
    expect_screen("types", &model, view);
    view.types = false;
    view.unicode = false;
    view.paused = true;
    expect_screen("ascii", &model, view);
    view = standard;
    view.columns = 120;
    view.lines = 40;
    expect_screen("pair", &model, view);
    view.columns = 60;
    view.lines = 15;
    expect_screen("pair", &model, view);
    view = standard;
    view.help = true;
    expect_screen("help", &model, view);
    fh_top_lost(&model, "no firehosed answers on /run/firehosed/control.sock; is it running?",
                34000, WALL + 33000);
    view.help = false;
    expect_screen("lost", &model, view);
}

static void screen_before_anything(void **state)
{
    (void)state;
    static struct fh_top_model model;
    memset(&model, 0, sizeof(model));
    fh_top_lost(&model, "no firehosed answers on /x", 1000, WALL);
    expect_screen("nobody", &model, standard);
}

static void screen_of_strange_answers(void **state)
{
    (void)state;
    static struct fh_top_model model;
    static const char *const texts[] = {
        "{}",
        "[]",
        ("{\"node\":7,\"role\":null,\"epoch\":\"x\",\"protected\":\"yes\",\"uptime_ms\":1e300,"
         "\"peer\":[],\"receivers\":{\"a\":1},\"sinks\":\"none\",\"counters\":{\"received\":-5,"
         "\"types\":[1]},\"store\":[]}"),
        ("{\"receivers\":[{},{},7,{\"range\":\"\\u00e4\\u0001\",\"events\":1e17}],\"sinks\":[[]],"
         "\"counters\":{\"types\":{\"\":1,\"A\\nB\":2,\"A\\tB\":3}}}"),
    };
    memset(&model, 0, sizeof(model));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
            static struct fh_top_page page;
            cJSON *status = cJSON_Parse(texts[i]);
            assert_non_null(status);
            fh_top_add(&model, status, (int64_t)(round * 10 + i) * 1000, WALL);
            fh_top_add_history(&model, status);
            fh_top_layout(&model, &standard, &page);
            check_page(&page, &standard);
            cJSON_Delete(status);
        }
    }
}

/* Any size, also none. */
static void every_size(void **state)
{
    (void)state;
    static struct fh_top_model model;
    static struct fh_top_page page;
    memset(&model, 0, sizeof(model));
    add_seconds(&model, 0, 300); /* the ring has gone round */
    add_history(&model);
    for (int columns = 0; columns < 300; columns += (columns > 55 && columns < 65) ? 1 : 7) {
        for (int lines = 0; lines < 130; lines += lines < 16 || lines == 33 ? 1 : 3) {
            for (int form = 0; form < 4; form++) {
                struct fh_top_view view = {.columns = columns,
                                           .lines = lines,
                                           .unicode = (form & 1) != 0,
                                           .types = (form & 2) != 0,
                                           .help = form == 3,
                                           .interval_ms = 200};
                fh_top_layout(&model, &view, &page);
                assert_int_equal(page.lines, lines < 1                  ? 1
                                             : lines > FH_TOP_LINES_MAX ? FH_TOP_LINES_MAX
                                                                        : lines);
                for (size_t i = 0; i < page.lines; i++) {
                    assert_true(columns_of(page.line[i].text) <=
                                (size_t)(columns < 1 ? 1 : columns));
                }
            }
        }
    }
}

static void rates(void **state)
{
    (void)state;
    static struct fh_top_model model;
    memset(&model, 0, sizeof(model));
    add_seconds(&model, 0, 1);
    assert_true(isnan(fh_top_rate(&model.received, 0)));
    add_seconds(&model, 1, 3);
    assert_true(fabs(fh_top_rate(&model.received, 0) - 9 * 35) < 0.01);
    assert_true(fabs(fh_top_rate(&model.received, 1) - 5 * 35) < 0.01);
    assert_true(isnan(fh_top_rate(&model.received, 2)));
    /* a restart: the counters begin anew, and no rate comes of it */
    cJSON *status = status_at(1);
    fh_top_add(&model, status, 10000, WALL);
    cJSON_Delete(status);
    assert_int_equal(model.restarts, 1);
    assert_true(isnan(fh_top_rate(&model.received, 0)));
    assert_true(isnan(fh_top_rate(&model.receiver[0].events, 0)));
    /* nobody answers for a while, then again: no rate over the hole */
    fh_top_lost(&model, "gone", 11000, WALL);
    add_seconds(&model, 20, 21);
    assert_true(isnan(fh_top_rate(&model.received, 0)));
    add_seconds(&model, 21, 22);
    assert_true(fh_top_rate(&model.received, 0) > 0);
}

/* A type that comes for the first time is new since the status before; the busiest is first. */
static void types_come_and_go(void **state)
{
    (void)state;
    static struct fh_top_model model;
    size_t order[FH_TOP_TYPES];
    static const char *const texts[] = {
        "{\"counters\":{\"types\":{\"A\":10}}}",
        "{\"counters\":{\"types\":{\"A\":11,\"B\":5}}}",
        "{\"counters\":{\"types\":{\"A\":31,\"B\":5}}}",
    };
    memset(&model, 0, sizeof(model));
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        cJSON *status = cJSON_Parse(texts[i]);
        fh_top_add(&model, status, 1000 + (int64_t)i * 1000, WALL);
        cJSON_Delete(status);
        assert_int_equal(fh_top_busiest(&model, order), i == 0 ? 1 : 2);
        assert_string_equal(model.type[order[0]].name, i == 1 ? "B" : "A");
        if (i == 1) {
            assert_true(fabs(fh_top_rate(&model.type[order[0]], 0) - 5) < 0.01);
        }
    }
}

/* A reload that splits the partitions anew: the old ranges make room. */
static void ranges_change(void **state)
{
    (void)state;
    static struct fh_top_model model;
    memset(&model, 0, sizeof(model));
    for (int split = 1; split <= 12; split++) {
        char text[2048] = "{\"receivers\":[";
        for (int i = 0; i < split; i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s{\"range\":\"%d/%d\",\"events\":1}",
                     i > 0 ? "," : "", i, split);
        }
        strcat(text, "]}");
        cJSON *status = cJSON_Parse(text);
        fh_top_add(&model, status, split * 1000, WALL);
        cJSON_Delete(status);
        assert_int_equal(model.receivers, split);
    }
}

static void in_one_line(void **state)
{
    (void)state;
    static struct fh_top_model model;
    char text[2048];
    memset(&model, 0, sizeof(model));
    add_seconds(&model, 0, 3);
    fh_top_summary(&model, text, sizeof(text));
    assert_string_equal(
        text, "2026-01-01T11:00:02.000Z a primary epoch 7 protected; b standby ready, 2 of 2 paths "
              "up; 315 ev/s, lag 30.5 s; archive 270/s pending 555; bus 0/s pending 123,555 "
              "UNHEALTHY");
    fh_top_lost(&model, "gone", 4000, WALL + 3000);
    fh_top_summary(&model, text, sizeof(text));
    assert_string_equal(text, "2026-01-01T11:00:03.000Z NO ANSWER: gone");
    fh_top_summary(&model, text, 20);
    assert_int_equal(strlen(text), 19);
}

static void rates_in_words(void **state)
{
    (void)state;
    static const struct {
        double rate;
        const char *text;
    } cases[] = {{NAN, "-"},   {0, "0"},          {0.04, "0.0"},         {9.94, "9.9"},
                 {9.96, "10"}, {2003.4, "2,003"}, {999999.4, "999,999"}, {1234567, "1.23 M"}};
    for (size_t i = 0; i < FH_ARRAY_LEN(cases); i++) {
        char text[32];
        fh_top_rate_text(cases[i].rate, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: test_top FOLDER\n");
        return 2;
    }
    folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens),
        cmocka_unit_test(screen_before_anything),
        cmocka_unit_test(screen_of_strange_answers),
        cmocka_unit_test(every_size),
        cmocka_unit_test(rates),
        cmocka_unit_test(types_come_and_go),
        cmocka_unit_test(ranges_change),
        cmocka_unit_test(in_one_line),
        cmocka_unit_test(rates_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
