/* places.c: owns the supporting REST calls (firehose-api.md section 13): a location, a map, its
 * image, all of the campus the events come from. A replayed recording has none of them. */
#include "campus.h"
#include "exchange.h"
#include "floor_map.h"
#include "payload.h"
#include "query.h"

#include <errno.h>
#include <string.h>

#define LOCATIONS "/api/partners/v1/locations/"
#define MAPS      "/api/partners/v1/maps/"
#define IMAGE     "/image"

static bool begins(const char *path, const char *start)
{
    return strncmp(path, start, strlen(start)) == 0;
}

bool sim_places_has(const char *path)
{
    return begins(path, LOCATIONS) || begins(path, MAPS);
}

static int answer(struct sim_exchange *exchange, const char *type)
{
    exchange->status = 200;
    exchange->content_type = type;
    exchange->body = SIM_BODY_TEXT;
    return 0;
}

/* The place with that id, or the floor with that map. NULL: none. */
static const struct sim_place *find(const struct sim_campus *campus, const char *id, size_t len,
                                    bool map)
{
    for (unsigned i = 0; campus && i < campus->place_count; i++) {
        const struct sim_place *place = &campus->places[i];
        const char *own = map ? place->map_id : place->id;
        if ((!map || place->kind == SIM_FLOOR) && strlen(own) == len && memcmp(own, id, len) == 0) {
            return place;
        }
    }
    return NULL;
}

static int say_location(struct sim_exchange *exchange, const struct sim_campus *campus,
                        const char *id)
{
    const struct sim_place *place = find(campus, id, strlen(id), false);
    if (!place) {
        return sim_exchange_error(exchange, 404, "no such location");
    }
    char text[SIM_LINE_MAX];
    char *p = SIM_PUT(text, "{\"location\":");
    p = sim_put_bytes(p, place->text, place->text_length);
    *p++ = ',';
    p = sim_put_location_details(campus, place, 0, p);
    p = SIM_PUT(p, "}\n");
    answer(exchange, "application/json");
    return fh_buf_append(&exchange->text, text, (size_t)(p - text));
}

static int say_map(struct sim_exchange *exchange, const struct sim_campus *campus, const char *id)
{
    const char *rest = strchr(id, '/');
    size_t len = rest ? (size_t)(rest - id) : strlen(id);
    const struct sim_place *floor = find(campus, id, len, true);
    if (!floor || (rest && strcmp(rest, IMAGE) != 0)) {
        return sim_exchange_error(exchange, 404, "no such map");
    }
    if (rest) {
        answer(exchange, "image/png");
        return sim_floor_map(campus, (unsigned)(floor - campus->places), &exchange->text);
    }
    char text[SIM_LINE_MAX];
    char *p = sim_put_map(floor, text);
    *p++ = '\n';
    answer(exchange, "application/json");
    return fh_buf_append(&exchange->text, text, (size_t)(p - text));
}

/* True: the exchange has its answer. */
static bool spoilt(struct sim_exchange *exchange, int *ret)
{
    struct sim_fault fault;
    if (!sim_faults_use(exchange->server->faults, SIM_FAULT_REST, 0, 0, &fault)) {
        return false;
    }
    if (fault.ms > 0) {
        exchange->not_before = fh_time_add_ms(fh_now(), fault.ms);
    }
    if (fault.code != 200) {
        *ret = sim_exchange_error(exchange, (int)fault.code, "injected by the simulator");
        exchange->retry_after = fault.retry_after;
        return true;
    }
    if (fault.bytes > 0) {
        answer(exchange, "application/octet-stream");
        *ret = fh_buf_reserve(&exchange->text, fault.bytes);
        if (*ret == 0) {
            memset(exchange->text.data, 'x', fault.bytes);
            exchange->text.len = fault.bytes;
        }
        return true;
    }
    return false;
}

/* Who are you (401), for whom do you ask (403), is it there (404). Without a tenant asks who has
 * only one: an app on the premises. */
int sim_places_start(struct sim_exchange *exchange, const char *path, const char *query)
{
    const struct sim_campus *campus = sim_world_campus(exchange->server->world);
    unsigned index = 0;
    char tenant[128];
    int r = 0;
    if (strcmp(exchange->request.method, "GET") != 0) {
        return sim_exchange_error(exchange, 405, "only GET");
    }
    if (spoilt(exchange, &r)) {
        return r;
    }
    const struct sim_key *key = sim_exchange_key(exchange, &index);
    if (!key) {
        return 0;
    }
    bool named = sim_query_get(query, "partnerTenantId", tenant, sizeof(tenant));
    bool unfit = !named && strstr(query, "partnerTenantId=") != NULL; /* it does not fit */
    if (named ? strcmp(tenant, SIM_PARTNER_TENANT) != 0 : unfit || key->kind == SIM_KEY_CLOUD) {
        return sim_exchange_error(exchange, 403, "the tenant is not authorised");
    }
    return begins(path, LOCATIONS) ? say_location(exchange, campus, path + strlen(LOCATIONS))
                                   : say_map(exchange, campus, path + strlen(MAPS));
}
