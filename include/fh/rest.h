/* rest.h: the few supporting REST calls of the service (firehose-api.md section 13): a location, a
 * map, its image. Over libcurl with the TLS, proxy and key of the stream.
 *
 * A client blocks in its calls and belongs to one thread at a time; never the main thread of the
 * daemon. Answers are cached (locations and maps 10 minutes, images a day, at most
 * FH_REST_CACHE_BYTES together; refusals 1 minute), requests limited to FH_REST_PER_MINUTE, an
 * answer to FH_REST_ANSWER_MAX bytes. The key never enters a sentence. */
#ifndef FH_REST_H
#define FH_REST_H

#include "fh/buf.h"
#include "fh/config.h"
#include "fh/err.h"

#include <cjson/cJSON.h>

#define FH_REST_ANSWER_MAX  ((size_t)16 * 1024 * 1024)
#define FH_REST_CACHE_BYTES ((size_t)64 * 1024 * 1024)
#define FH_REST_PER_MINUTE  60

struct fh_rest;

/* config and key are copied. */
int fh_rest_new(const struct fh_config *config, const char *api_key, struct fh_error *err,
                struct fh_rest **ret);
void fh_rest_free(struct fh_rest *rest); /* NULL allowed */

/* Any thread: the call in progress ends within about a second with -ECANCELED, as does every later
 * one that is not answered from the cache. For good. */
void fh_rest_cancel(struct fh_rest *rest);

/* partner_tenant_id may be NULL or "" (on-premise). Errors of all: -ENOENT (404), -EACCES (401,
 * 403, the proxy's 407), -EAGAIN (429, 5xx, not reached, our own limit), -ETIMEDOUT, -EMSGSIZE,
 * -EBADMSG (not what was asked for, a redirect to another server), -EINVAL (an id that is none),
 * -ECANCELED, -ENOMEM, each with a sentence. After a 429 or 503 nothing is asked for as long as the
 * service says (Retry-After, 10 s without one, 10 minutes at most). What was not reached is asked
 * for again after 10 s. */

/* {"location": {...}, "locationDetails": {...}}; the caller's (cJSON_Delete). */
int fh_rest_location(struct fh_rest *rest, const char *location_id, const char *partner_tenant_id,
                     cJSON **ret, struct fh_error *err);

struct fh_rest_map {
    char id[64];
    double width, length;              /* of the floor, in the unit of the events' xPos and yPos */
    double height;                     /* 0 = not said */
    int64_t image_width, image_height; /* pixels; 0 = not said */
};
int fh_rest_map(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                struct fh_rest_map *ret, struct fh_error *err);

/* PNG or JPEG, found out by its first bytes, anything else is -EBADMSG. Replaces what ret holds, up
 * to its max (-EMSGSIZE). *ret_type is "image/png" or "image/jpeg", static. */
int fh_rest_map_image(struct fh_rest *rest, const char *map_id, const char *partner_tenant_id,
                      struct fh_buf *ret, const char **ret_type, struct fh_error *err);

#endif
