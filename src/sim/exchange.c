/* exchange.c: owns the answer to one request: which status, which body (firehose-api.md 3.1, 3.3).
 * Never frames a byte. */
#include "exchange.h"

#include "grpc_request.h"
#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_PATH "/api/partners/v1/firehose/events"
#define TEXT_MAX    (65 << 20) /* the rest fault: up to 64 MiB */
#define OUT_MAX     (128 << 20)
#define LEDGER_FILL 65536
#define LEDGER_LINE 96

struct sim_exchange *sim_exchange_new(struct sim_server *server)
{
    struct sim_exchange *exchange = calloc(1, sizeof(*exchange));
    if (exchange) {
        exchange->server = server;
        exchange->retry_after = -1;
        exchange->left = UINT64_MAX;
        exchange->grpc_message = "";
        fh_buf_init(&exchange->text, TEXT_MAX);
        fh_buf_init(&exchange->out, OUT_MAX);
        fh_buf_init(&exchange->received, SIM_BODY_MAX);
    }
    return exchange;
}

void sim_exchange_free(struct sim_exchange *exchange)
{
    if (exchange) {
        sim_stream_free(exchange->stream);
        fh_buf_done(&exchange->text);
        fh_buf_done(&exchange->out);
        fh_buf_done(&exchange->received);
        sim_framer_done(&exchange->framer);
        free(exchange);
    }
}

const char *sim_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(texts); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

int sim_exchange_error(struct sim_exchange *exchange, int status, const char *message)
{
    exchange->status = status;
    exchange->content_type = "application/json";
    exchange->body = SIM_BODY_TEXT;
    fh_buf_clear(&exchange->text);
    /* Messages are ours but for a few echoed bytes: make those harmless. */
    char safe[256];
    size_t n = 0;
    for (; message[n] && n + 1 < sizeof(safe); n++) {
        unsigned char c = (unsigned char)message[n];
        safe[n] = c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '.' : (char)c;
    }
    safe[n] = '\0';
    return fh_buf_printf(&exchange->text, "{\"status\":false,\"message\":\"%s\"}\n", safe);
}

void sim_exchange_message(const struct sim_exchange *exchange, char *ret, size_t size)
{
    /* The text is ours: printable, without a quote, behind that key. */
    static const char key[] = "\"message\":\"";
    const struct fh_buf *text = &exchange->text;
    const char *found = text->len > 0 ? memmem(text->data, text->len, key, sizeof(key) - 1) : NULL;
    const char *p = found ? found + sizeof(key) - 1 : "\"";
    size_t n = 0;
    for (; *p != '"' && n + 4 < size; p++) {
        n += (size_t)snprintf(ret + n, size - n, *p == '%' ? "%%25" : "%c", *p);
    }
    ret[n] = '\0';
}

/* Absent leaves *ret alone. -EINVAL: not a number or outside. */
static int get_number(const char *query, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    char text[32];
    if (!strstr(query, name)) {
        return 0;
    }
    int64_t number = 0;
    if (!sim_query_get(query, name, text, sizeof(text))) {
        /* Absent under exactly that name, or too long to be a number. */
        char other[512];
        return sim_query_get(query, name, other, sizeof(other)) ? -EINVAL : 0;
    }
    if (sim_number(text, &number) < 0 || number < min || number > max) {
        return -EINVAL;
    }
    *ret = number;
    return 0;
}

static const struct sim_key *find_key(const struct sim_exchange *exchange, unsigned *ret_index)
{
    const struct sim_options *options = exchange->server->options;
    const struct sim_key *found = NULL;
    for (unsigned i = 0; i < options->key_count; i++) {
        if (sim_same_secret(exchange->request.api_key, options->keys[i].text) &&
            !atomic_load(&exchange->server->revoked[i])) {
            found = &options->keys[i];
            *ret_index = i;
        }
    }
    return found;
}

/* Section 5 of the API reference; others as the gRPC documentation maps them. */
int sim_exchange_grpc_status(int status)
{
    static const struct {
        int status, grpc;
    } map[] = {{200, 0},  {400, 3}, {413, 3},  {401, 16}, {403, 7},  {404, 12},
               {405, 12}, {429, 8}, {500, 13}, {502, 14}, {503, 14}, {504, 4}};
    for (size_t i = 0; i < FH_ARRAY_LEN(map); i++) {
        if (map[i].status == status) {
            return map[i].grpc;
        }
    }
    return status >= 500 ? 14 : 2;
}

const struct sim_key *sim_exchange_key(struct sim_exchange *exchange, unsigned *ret_index)
{
    const struct sim_key *key =
        exchange->request.has_api_key ? find_key(exchange, ret_index) : NULL;
    if (!key || key->kind == SIM_KEY_BLOCKED) {
        sim_exchange_error(exchange, 401,
                           !exchange->request.has_api_key ? "X-API-KEY is missing"
                           : !key                         ? "API key is not valid"
                                                          : "API key is blocked");
        return NULL;
    }
    return key;
}

struct wish {
    int64_t min_partition, max_partition, from, replica;
    bool replica_given;
};

/* The message of a gRPC call; 0 stands for "not given". The result is 1 when the exchange has its
 * answer. */
static int read_message(struct sim_exchange *exchange, struct wish *wish)
{
    struct sim_grpc_request request;
    int r = sim_grpc_body_read(exchange->received.data, exchange->received.len,
                               exchange->request.sends_gzip, &request);
    if (r < 0 || exchange->too_long) {
        sim_exchange_error(exchange, 400, "the request is not one EventsStreamRequest");
        return 1;
    }
    wish->min_partition = request.min_partition ? request.min_partition : 1;
    wish->max_partition = request.max_partition ? request.max_partition : SIM_PARTITIONS;
    wish->from = request.from_timestamp;
    wish->replica = request.replica_id ? request.replica_id : -1;
    if (wish->min_partition < 1 || wish->min_partition > SIM_PARTITIONS ||
        wish->max_partition < 1 || wish->max_partition > SIM_PARTITIONS) {
        sim_exchange_error(exchange, 400,
                           "min_partition and max_partition are numbers from 1 to 12");
        return 1;
    }
    if (wish->from < 0 || request.replica_id < 0) {
        sim_exchange_error(exchange, 400, "from_timestamp and replica_id are not negative");
        return 1;
    }
    return 0;
}

static int read_query(struct sim_exchange *exchange, const char *query, struct wish *wish)
{
    if (get_number(query, "minPartition", 1, SIM_PARTITIONS, &wish->min_partition) < 0 ||
        get_number(query, "maxPartition", 1, SIM_PARTITIONS, &wish->max_partition) < 0) {
        sim_exchange_error(exchange, 400, "minPartition and maxPartition are numbers from 1 to 12");
        return 1;
    }
    if (get_number(query, "fromTimestamp", 0, INT64_MAX, &wish->from) < 0) {
        sim_exchange_error(exchange, 400, "fromTimestamp is a number of milliseconds");
        return 1;
    }
    if (get_number(query, "replicaId", 0, INT64_MAX, &wish->replica) < 0) {
        sim_exchange_error(exchange, 400, "replicaId is a number");
        return 1;
    }
    return 0;
}

/* The parameters of 3.1; on a fault the exchange has its answer and the result is 1. */
static int read_wish(struct sim_exchange *exchange, const char *query, struct wish *wish)
{
    *wish = (struct wish){.min_partition = 1, .max_partition = SIM_PARTITIONS, .replica = -1};
    int bad = exchange->request.channel == SIM_CHANNEL_GRPC ? read_message(exchange, wish)
                                                            : read_query(exchange, query, wish);
    if (!bad && wish->min_partition > wish->max_partition) {
        sim_exchange_error(exchange, 400, "minPartition is greater than maxPartition");
        bad = 1;
    }
    wish->replica_given = wish->replica >= 0;
    /* 0 is like nothing: the first replica, or one of its own (--replica-default). */
    if (wish->replica <= 0) {
        wish->replica = exchange->server->options->replica_default;
    }
    return bad;
}

static int judge_timestamp(struct sim_exchange *exchange, const struct wish *wish)
{
    struct sim_server *server = exchange->server;
    if (wish->from == 0) {
        return 0;
    }
    sim_world_lock_read(server->world);
    int64_t now_ms = sim_world_now_ms(server->world);
    struct sim_event oldest = {.timestamp_ms = INT64_MIN};
    unsigned replica = (unsigned)wish->replica;
    uint64_t first = sim_world_first(server->world);
    /* As long as event 0 is kept nothing has left the window. */
    if (first > 0 && first < sim_world_ready(server->world, replica)) {
        sim_world_event(server->world, replica, first, &oldest);
    }
    sim_world_unlock_read(server->world);
    if (wish->from > now_ms) {
        sim_exchange_error(exchange, 400, "fromTimestamp lies in the future");
        return 1;
    }
    if (strcmp(server->options->old_timestamp, "error") == 0 && wish->from < oldest.timestamp_ms) {
        sim_exchange_error(exchange, 400, "fromTimestamp lies before the replay window");
        return 1;
    }
    return 0;
}

/* The status fault: answers in place of what would have been said. */
static bool injected_status(struct sim_exchange *exchange, unsigned replica)
{
    struct sim_fault fault;
    struct sim_faults *faults = exchange->server->faults;
    if (!sim_faults_use(faults, SIM_FAULT_STATUS, replica, 0, &fault) &&
        !sim_faults_use(faults, SIM_FAULT_REDIRECT, replica, 0, &fault)) {
        return false;
    }
    sim_exchange_error(exchange, (int)fault.code, "injected by the simulator");
    exchange->retry_after = fault.retry_after;
    exchange->plain_status = fault.http_only || fault.type == SIM_FAULT_REDIRECT;
    if (fault.type == SIM_FAULT_REDIRECT) {
        snprintf(exchange->location, sizeof(exchange->location), "%s",
                 *fault.location ? fault.location : exchange->request.target);
    }
    return true;
}

static int open_stream(struct sim_exchange *exchange, unsigned key, const struct wish *wish)
{
    struct sim_server *server = exchange->server;
    struct sim_reader_info info = {.connection = exchange->request.connection,
                                   .key = key,
                                   .replica = (unsigned)wish->replica,
                                   .min_partition = (unsigned)wish->min_partition,
                                   .max_partition = (unsigned)wish->max_partition,
                                   .from_timestamp = wish->from,
                                   .http_version = exchange->request.http_version,
                                   .channel = exchange->request.channel};
    struct sim_reader *reader = NULL;
    int r = sim_reader_open(server->feeds, &info, &reader);
    if (r == -EUSERS) {
        return sim_exchange_error(exchange, 429, "too many connections for this key and replica");
    }
    if (r < 0) {
        return r;
    }
    exchange->stream = sim_stream_new(server, reader);
    if (!exchange->stream) {
        sim_reader_close(reader);
        return -ENOMEM;
    }
    enum sim_channel channel = exchange->request.channel;
    bool gzip = server->options->grpc_gzip && exchange->request.accepts_gzip;
    r = channel == SIM_CHANNEL_HTTP
            ? 0
            : sim_framer_init(&exchange->framer, channel, server->schema, gzip);
    if (r < 0) {
        return r;
    }
    exchange->stream->whole = channel != SIM_CHANNEL_HTTP;
    exchange->fault_born = sim_faults_generation(server->faults);
    exchange->status = channel == SIM_CHANNEL_WEBSOCKET ? 101 : 200;
    exchange->content_type =
        channel == SIM_CHANNEL_GRPC ? "application/grpc" : "application/x-ndjson";
    exchange->body = SIM_BODY_STREAM;
    return 0;
}

/* Order of the checks: who are you (401), may you (403), what do you ask for (400), is there room
 * (429). */
static int start_events(struct sim_exchange *exchange, const char *query)
{
    struct wish wish;
    unsigned index = 0;
    int bad = read_wish(exchange, query, &wish);
    struct sim_fault fault;
    if (sim_faults_use(exchange->server->faults, SIM_FAULT_REFUSE, (unsigned)wish.replica, 0,
                       &fault)) {
        return -ECONNRESET;
    }
    if (injected_status(exchange, bad ? 0 : (unsigned)wish.replica)) {
        return 0;
    }
    const struct sim_key *key = sim_exchange_key(exchange, &index);
    if (!key) {
        return 0;
    }
    enum sim_channel channel = exchange->request.channel;
    if (!(key->channels & 1U << channel)) {
        char text[64];
        snprintf(text, sizeof(text), "%s is not enabled for this activation",
                 sim_channel_name(channel));
        return sim_exchange_error(exchange, 403, text);
    }
    if (bad) {
        return 0;
    }
    if (key->kind == SIM_KEY_CLOUD && wish.replica_given) {
        return sim_exchange_error(exchange, 400, "replicaId is not valid for a cloud activation");
    }
    if (wish.replica > exchange->server->options->max_replica) {
        return sim_exchange_error(exchange, 429, "replicaId exceeds the limit");
    }
    if (judge_timestamp(exchange, &wish)) {
        return 0;
    }
    return open_stream(exchange, index, &wish);
}

int sim_exchange_start(struct sim_exchange *exchange)
{
    const char *target = exchange->request.target;
    const char *mark = strchr(target, '?');
    const char *query = mark ? mark + 1 : "";
    size_t len = mark ? (size_t)(mark - target) : strlen(target);
    int r;
    bool events = len == strlen(EVENTS_PATH) && strncmp(target, EVENTS_PATH, len) == 0;
    if (exchange->request.channel == SIM_CHANNEL_GRPC) {
        r = strcmp(target, exchange->server->options->grpc_path) == 0
                ? start_events(exchange, "")
                : sim_exchange_error(exchange, 404, "no such method");
    } else if (exchange->too_long) {
        r = sim_exchange_error(exchange, 413, "request body too large");
    } else if (exchange->request.channel == SIM_CHANNEL_WEBSOCKET && !events) {
        r = sim_exchange_error(exchange, 404, "no such resource");
    } else if (events) {
        r = strcmp(exchange->request.method, "GET") == 0
                ? start_events(exchange, query)
                : sim_exchange_error(exchange, 405, "only GET");
    } else {
        char path[256];
        sim_request_copy(path, sizeof(path), target, len);
        if (strncmp(path, "/sim/", 5) == 0) {
            r = sim_control_start(exchange, path, query);
        } else if (sim_activation_has(path)) {
            r = sim_activation_start(exchange, path);
        } else if (sim_places_has(path)) {
            r = sim_places_start(exchange, path, query);
        } else {
            r = sim_exchange_error(exchange, 404, "no such resource");
        }
    }
    if (r == 0 && exchange->status > 0 && exchange->status < 600) {
        atomic_fetch_add(&exchange->server->statuses[exchange->status], 1);
    }
    return r;
}

/* World rows first, then the extras. */
static int64_t fill_ledger(struct sim_exchange *exchange, struct fh_buf *out)
{
    struct sim_server *server = exchange->server;
    size_t origin = out->len;
    if (exchange->ledger_next >= exchange->ledger_end) {
        return SIM_FILL_END;
    }
    int r = fh_buf_reserve(out, LEDGER_FILL + LEDGER_LINE);
    sim_world_lock_read(server->world);
    while (r == 0 && exchange->ledger_next < exchange->ledger_end &&
           out->len - origin < LEDGER_FILL) {
        struct sim_ledger_row row;
        uint64_t index = exchange->ledger_next++;
        if (!sim_world_ledger_row_of(server->world, exchange->ledger_replica, index, &row)) {
            continue;
        }
        r = fh_buf_printf(out, "event-%x %lld %u", row.uid, (long long)row.timestamp_ms,
                          row.partition);
        if (r == 0 && exchange->ledger_payloads) {
            r = fh_buf_printf(out, " %llx",
                              (unsigned long long)sim_world_payload(server->world, index));
        }
        if (r == 0) {
            r = fh_buf_append(out, "\n", 1);
        }
    }
    sim_world_unlock_read(server->world);
    if (r == 0 && exchange->ledger_next >= exchange->ledger_end) {
        uint32_t count = sim_extras_count(server->extras);
        for (uint32_t i = 0; i < count && r == 0; i++) {
            const struct sim_extra *extra = sim_extras_get(server->extras, i);
            r = fh_buf_printf(out, "event-%x %lld %u\n", extra->uid, (long long)extra->timestamp_ms,
                              extra->partition);
        }
    }
    if (r < 0) {
        return r;
    }
    return out->len > origin ? (int64_t)(out->len - origin) : SIM_FILL_END;
}

int64_t sim_exchange_fill(struct sim_exchange *exchange, struct fh_time now, unsigned pass,
                          struct fh_buf *out)
{
    int64_t n;
    exchange->more = false;
    if (exchange->body == SIM_BODY_STREAM) {
        n = exchange->request.channel == SIM_CHANNEL_HTTP
                ? sim_stream_fill(exchange->stream, now, pass, out)
                : sim_framer_fill(&exchange->framer, exchange->stream, now, pass, out);
        if (n > 0) {
            struct sim_reader_info *info = sim_reader_info(exchange->stream->reader);
            atomic_fetch_add_explicit(&info->bytes, (uint64_t)n, memory_order_relaxed);
        }
        exchange->more = exchange->stream->more;
        return n;
    }
    if (exchange->body == SIM_BODY_LEDGER) {
        n = fill_ledger(exchange, out);
        exchange->more = n > 0;
        return n;
    }
    if (fh_time_before(now, exchange->not_before)) {
        return 0;
    }
    n = (int64_t)exchange->text.len;
    int r = fh_buf_append(out, exchange->text.data, exchange->text.len);
    fh_buf_clear(&exchange->text);
    return r < 0 ? r : n > 0 ? n : SIM_FILL_END;
}

/* RFC 9110 5.6.7, IMF-fixdate. Not by strftime: the names must not depend on the locale. */
const char *sim_exchange_date(const struct sim_exchange *exchange, char *buf, size_t size)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(sim_world_now_ms(exchange->server->world) / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        memset(&tm, 0, sizeof(tm));
    }
    snprintf(buf, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3L * tm.tm_wday,
             tm.tm_mday, months + 3L * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
             tm.tm_sec);
    return buf;
}
