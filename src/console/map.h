/* map.h: images of floors from the service, for floors that somebody looks at. Private to
 * src/console.
 *
 * Owns a thread with a REST client, which may block there as long as it likes; everything else
 * returns at once. Bounded: MAPS_MAX maps are known, their images take MAPS_BYTES_MAX together; the
 * one nobody looked at for longest goes first. */
#ifndef FH_CONSOLE_MAP_H
#define FH_CONSOLE_MAP_H

#include "record.h"

#include "fh/config.h"
#include "fh/web.h"

#define MAPS_MAX       64
#define MAPS_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define MAPS_AGAIN_MS  60000 /* after a failure */
#define MAPS_KEEP_MS   (INT64_C(24) * 60 * 60 * 1000)

struct maps;
int maps_new(const struct fh_config *config, const char *api_key, struct fh_error *err,
             struct maps **ret);
/* Another key from the next request on; without memory for it the old one stays. Main thread. */
void maps_use_key(struct maps *maps, const struct fh_config *config, const char *api_key);
void maps_free(struct maps *maps); /* NULL allowed; ends what is in progress */

struct maps_known {
    double width, length; /* 0 = not known */
    bool image;
};
/* What is known of a map that is looked at now; asks for it when it is not. Any thread. */
void maps_look(struct maps *maps, const char *id, const char *tenant, struct maps_known *ret);
/* Its image; -ENOENT when it is not here. Any thread. */
int maps_answer(struct maps *maps, const char *id, struct fh_web_answer *answer);

#endif
