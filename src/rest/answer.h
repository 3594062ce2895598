/* answer.h: what the service's answers say, and the path of a request. Pure: no I/O, no clock.
 * Private to src/rest. */
#ifndef FH_REST_ANSWER_H
#define FH_REST_ANSWER_H

#include "fh/rest.h"

#define FH_REST_ID_MAX   128 /* bytes of a location's, map's or tenant's id */
#define FH_REST_PATH_MAX 1024

/* "/api/partners/v1/" kind "/" id rest, with "?partnerTenantId=tenant" unless that is NULL or "";
 * both ids percent-encoded (RFC 3986 2.1). An id comes from a record, hence from outside: -EINVAL
 * with a sentence when it is empty, longer than FH_REST_ID_MAX or a step of a path ("." and "..").
 */
int fh_rest_path(const char *kind, const char *id, const char *rest, const char *tenant,
                 char ret[FH_REST_PATH_MAX], struct fh_error *err);

/* The whole of bytes is one JSON object, and no {"status": false}: a document the caller deletes.
 * secret is blanked where the service repeats it in its reason. -EACCES: it says no; -EBADMSG; with
 * a sentence. */
int fh_rest_object(const char *bytes, size_t len, const char *secret, cJSON **ret,
                   struct fh_error *err);
/* It holds an object "location". */
int fh_rest_read_location(const char *bytes, size_t len, const char *secret, cJSON **ret,
                          struct fh_error *err);
/* Width and length of the floor must be there; what else is not said is 0. ret->id is left alone.
 * Numbers may be written as strings. */
int fh_rest_read_map(const char *bytes, size_t len, const char *secret, struct fh_rest_map *ret,
                     struct fh_error *err);

/* "image/png", "image/jpeg", or NULL for anything else; by the first bytes alone. */
const char *fh_rest_image_type(const char *bytes, size_t len);

/* What an error's body says to people, {"message": "..."} or else the text itself, as its first
 * size - 1 bytes: printable, and without the secret. "" when there is nothing. */
void fh_rest_message(const char *bytes, size_t len, const char *secret, char *ret, size_t size);

/* What a status means, other than 200. */
struct fh_rest_meaning {
    long status; /* 500: all from there on; 0: all that no row before it names, and the last row */
    int code;    /* negative errno */
    const char *text;
};
/* 0 for status 200; else the code of the first row that fits, with its text and with what the body
 * says to people, the secret blanked. */
int fh_rest_judge(const struct fh_rest_meaning *meaning, long status, const char *bytes, size_t len,
                  const char *secret, struct fh_error *err);

#endif
