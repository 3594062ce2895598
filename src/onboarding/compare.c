/* compare.c: owns the comparison of what a sheet orders with what firehosed is told to read. Pure.
 * An error is what would show as a refused connection or as silence; a warning is what may be
 * meant. */
#include "sheet.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct comparing {
    const struct fh_sheet *sheet;
    const struct fh_config *config;
    const char *config_name;
    struct fh_onboarding_findings *findings;
};

#define REFUSE(comparing, path, ...)                                                               \
    fh_sheet_refuse((comparing)->findings, (comparing)->sheet->name,                               \
                    fh_sheet_line((comparing)->sheet, (path), 0), __VA_ARGS__)
#define WARN(comparing, path, ...)                                                                 \
    fh_sheet_warn((comparing)->findings, (comparing)->sheet->name,                                 \
                  fh_sheet_line((comparing)->sheet, (path), 0), __VA_ARGS__)

static bool has(const struct fh_sheet *sheet, const char *path)
{
    return fh_sheet_has(sheet, fh_field_of(path), 0);
}

/* "If you select the Tele Presence option ... Includes the presence event and the people count
 * event": that of the devices connected to the unit. */
static bool brings(const struct fh_order_event *event, const char *type)
{
    return fh_order_event_brings(event, type) ||
           (event->kind == FH_EVENT_TELE &&
            fh_order_event_brings(fh_order_event_find("DEVICE_PRESENCE"), type));
}

static bool is_ordered(const struct fh_sheet *sheet, const char *type)
{
    const struct fh_value *types = fh_sheet_value(sheet, fh_field_of("events.types"), 0);
    for (size_t i = 0; i < types->count; i++) {
        const struct fh_order_event *event = fh_sheet_event(sheet, i);
        if (event && brings(event, type)) {
            return true;
        }
    }
    return false;
}

static void compare_filter(const struct comparing *comparing, const struct fh_config_sink *sink,
                           const char *type)
{
    const struct fh_order_event *event = fh_order_event_find(type);
    if (event && event->kind == FH_EVENT_ALWAYS) {
        return; /* never given to a sink, as firehosed --check says */
    }
    if (is_ordered(comparing->sheet, type) || strcmp(type, "FIREHOSED_GAP") == 0) {
        return;
    }
    if (event) {
        REFUSE(comparing, "events.types",
               "events.types: the sink \"%s\" of %s waits for %s, which is not ordered; add "
               "\"%s\", or remove it from the sink",
               sink->name, comparing->config_name, type, event->name);
    } else {
        WARN(comparing, "events.types",
             "events.types: the sink \"%s\" of %s waits for %s, which the guide does not name; ask "
             "the vendor whether it can be ordered",
             sink->name, comparing->config_name, type);
    }
}

static bool sink_takes(const struct fh_config_sink *sink, const struct fh_order_event *event)
{
    for (size_t i = 0; i < sink->event_type_count; i++) {
        if (brings(event, sink->event_types[i])) {
            return true;
        }
    }
    return sink->event_type_count == 0;
}

/* Ordered, received, stored, and then for nobody. */
static void compare_orders(const struct comparing *comparing)
{
    const struct fh_sheet *sheet = comparing->sheet;
    const struct fh_value *types = fh_sheet_value(sheet, fh_field_of("events.types"), 0);
    for (size_t i = 0; i < types->count; i++) {
        const struct fh_order_event *event = fh_sheet_event(sheet, i);
        bool taken = !event || event->kind == FH_EVENT_ALWAYS;
        for (size_t k = 0; k < comparing->config->sink_count && !taken; k++) {
            taken = sink_takes(&comparing->config->sinks[k], event);
        }
        if (!taken) {
            WARN(comparing, "events.types",
                 "events.types: no sink of %s takes \"%s\"; order only what is needed",
                 comparing->config_name, event->name);
        }
    }
}

static void compare_sinks(const struct comparing *comparing)
{
    if (!has(comparing->sheet, "events.types")) {
        return;
    }
    for (size_t i = 0; i < comparing->config->sink_count; i++) {
        const struct fh_config_sink *sink = &comparing->config->sinks[i];
        for (size_t k = 0; k < sink->event_type_count; k++) {
            compare_filter(comparing, sink, sink->event_types[k]);
        }
    }
    compare_orders(comparing);
}

static void compare_channel(const struct comparing *comparing)
{
    static const char *const names[] = {"http", "websocket", "grpc"};
    const char *path = "integration.channels";
    const struct fh_value *channels = fh_sheet_value(comparing->sheet, fh_field_of(path), 0);
    const char *used = names[comparing->config->firehose.channel];
    for (size_t i = 0; i < channels->count; i++) {
        if (strcmp(channels->text[i], used) == 0) {
            return;
        }
    }
    if (channels->count > 0) {
        REFUSE(comparing, path,
               "%s: %s reads by \"%s\", which is not ordered (the service would answer 403); add "
               "it, or change firehose.channel",
               path, comparing->config_name, used);
    }
}

static void compare_endpoint(const struct comparing *comparing)
{
    const char *path = "endpoint.domain";
    const char *domain = fh_sheet_text(comparing->sheet, path, 0);
    const char *url = comparing->config->firehose.url;
    struct fh_url_parts ordered;
    struct fh_url_parts used;
    if (domain[0] == '\0' || fh_config_url(domain, NULL, &ordered) < 0 ||
        fh_config_url(url, NULL, &used) < 0) {
        return; /* said elsewhere */
    }
    const char *ordered_port = ordered.port[0] ? ordered.port : "443";
    const char *used_port = used.port[0] ? used.port : "443";
    if (strcasecmp(ordered.host, used.host) == 0 && strcmp(ordered_port, used_port) == 0) {
        return;
    }
    if (used.loopback) {
        WARN(comparing, path, "%s: %s reads from this host itself (%s), not from %s: a simulator?",
             path, comparing->config_name, url, domain);
    } else {
        REFUSE(comparing, path, "%s is %s, but %s reads from %s; one of them is wrong", path,
               domain, comparing->config_name, url);
    }
}

/* "replicaId is supported only for on-premise applications"; it starts with 1. */
static void compare_replicas(const struct comparing *comparing)
{
    const char *path = "integration.replicas";
    const struct fh_value *value = fh_sheet_value(comparing->sheet, fh_field_of(path), 0);
    const struct fh_config *config = comparing->config;
    if (!has(comparing->sheet, path)) {
        return;
    }
    if (config->firehose.replica_id > value->number) {
        REFUSE(comparing, path,
               "%s is %" PRId64 ", but %s reads replica %" PRId64
               "; order as many, or change firehose.replica_id",
               path, value->number, comparing->config_name, config->firehose.replica_id);
    } else if (config->pair.present && value->number < 2) {
        REFUSE(comparing, path,
               "%s is %" PRId64 ", but %s is one of a pair, whose nodes read a replica each; "
               "order 2",
               path, value->number, comparing->config_name);
    }
}

void fh_sheet_compare(const struct fh_sheet *sheet, const struct fh_config *config,
                      const char *config_name, struct fh_onboarding_findings *findings)
{
    const struct comparing comparing = {sheet, config, config_name, findings};
    compare_sinks(&comparing);
    compare_channel(&comparing);
    compare_endpoint(&comparing);
    compare_replicas(&comparing);
}
