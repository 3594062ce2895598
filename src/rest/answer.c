/* answer.c: owns the reading of the service's answers (firehose-api.md section 13). It believes
 * nothing: sizes, types and ranges are checked before a number is handed on. */
#include "answer.h"

#include "fh/service.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT     "/api/partners/v1/"
#define SAID_MAX 200 /* of what a server says, in our message */

/* A floor is no longer than this in feet, nor its image in pixels. */
#define EXTENT_MAX 1000000.0
#define PIXELS_MAX 1000000.0

/* Unreserved characters of RFC 3986 2.3 stay, everything else is encoded. False: no room. */
static bool encode(const char *text, char *ret, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p < 0x80 && isalnum(*p)) || strchr("-._~", *p);
        if (n + (plain ? 1 : 3) >= size) {
            return false;
        }
        if (plain) {
            ret[n++] = (char)*p;
        } else {
            ret[n++] = '%';
            ret[n++] = hex[*p >> 4];
            ret[n++] = hex[*p & 15];
        }
    }
    ret[n] = '\0';
    return true;
}

static int check_id(const char *what, const char *id, struct fh_error *err)
{
    if (!id || id[0] == '\0' || strlen(id) > FH_REST_ID_MAX) {
        return fh_error_set(err, -EINVAL, "an id of a %s has 1 to %d bytes, not %zu", what,
                            FH_REST_ID_MAX, id ? strlen(id) : 0);
    }
    if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0) {
        return fh_error_set(err, -EINVAL, "\"%s\" is no id of a %s", id, what);
    }
    return 0;
}

int fh_rest_path(const char *kind, const char *id, const char *rest, const char *tenant,
                 char ret[FH_REST_PATH_MAX], struct fh_error *err)
{
    char id_text[FH_REST_ID_MAX * 3 + 1];
    char tenant_text[FH_REST_ID_MAX * 3 + 1] = "";
    bool with_tenant = tenant && tenant[0] != '\0';
    int r = check_id(kind[0] == 'm' ? "map" : "location", id, err);
    if (r == 0 && with_tenant) {
        r = check_id("tenant", tenant, err);
    }
    if (r < 0) {
        return r;
    }
    if (!encode(id, id_text, sizeof(id_text)) ||
        (with_tenant && !encode(tenant, tenant_text, sizeof(tenant_text)))) {
        return fh_error_set(err, -EINVAL, "the id is too long");
    }
    snprintf(ret, FH_REST_PATH_MAX, ROOT "%s/%s%s%s%s", kind, id_text, rest,
             with_tenant ? "?partnerTenantId=" : "", tenant_text);
    return 0;
}

int fh_rest_object(const char *bytes, size_t len, const char *secret, cJSON **ret,
                   struct fh_error *err)
{
    const char *end = NULL;
    cJSON *object = len > 0 ? cJSON_ParseWithLengthOpts(bytes, len, &end, 0) : NULL;
    bool whole = object && cJSON_IsObject(object);
    for (const char *p = end; whole && p < bytes + len; p++) {
        whole = *p == '\0' || strchr(" \t\r\n", *p) != NULL;
    }
    if (!whole) {
        cJSON_Delete(object);
        return fh_error_set(err, -EBADMSG, "the answer is no JSON object");
    }
    if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(object, "status"))) {
        char text[200];
        fh_rest_message(bytes, len, secret, text, sizeof(text));
        cJSON_Delete(object);
        return fh_error_set(err, -EACCES, "the service refuses it: %s",
                            text[0] ? text : "it does not say why");
    }
    *ret = object;
    return 0;
}

int fh_rest_read_location(const char *bytes, size_t len, const char *secret, cJSON **ret,
                          struct fh_error *err)
{
    cJSON *object = NULL;
    int r = fh_rest_object(bytes, len, secret, &object, err);
    if (r < 0) {
        return r;
    }
    if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(object, "location"))) {
        cJSON_Delete(object);
        return fh_error_set(err, -EBADMSG, "the answer holds no location");
    }
    *ret = object;
    return 0;
}

/* Absent or null: *ret is left alone. */
static bool read_number(const cJSON *object, const char *name, double max, double *ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    double number = 0;
    if (!item || cJSON_IsNull(item)) {
        return true;
    }
    if (cJSON_IsNumber(item)) {
        number = item->valuedouble;
    } else if (cJSON_IsString(item) && item->valuestring[0] != '\0') {
        char *end = NULL;
        number = strtod(item->valuestring, &end);
        if (*end != '\0') {
            return false;
        }
    } else {
        return false;
    }
    if (!isfinite(number) || number < 0 || number > max) {
        return false;
    }
    *ret = number;
    return true;
}

int fh_rest_read_map(const char *bytes, size_t len, const char *secret, struct fh_rest_map *ret,
                     struct fh_error *err)
{
    cJSON *object = NULL;
    int r = fh_rest_object(bytes, len, secret, &object, err);
    if (r < 0) {
        return r;
    }
    const cJSON *dimension = cJSON_GetObjectItemCaseSensitive(object, "dimension");
    double width = 0;
    double length = 0;
    double height = 0;
    double image_width = 0;
    double image_height = 0;
    bool good = read_number(dimension, "width", EXTENT_MAX, &width) &&
                read_number(dimension, "length", EXTENT_MAX, &length) &&
                read_number(dimension, "height", EXTENT_MAX, &height) &&
                read_number(object, "imageWidth", PIXELS_MAX, &image_width) &&
                read_number(object, "imageHeight", PIXELS_MAX, &image_height);
    cJSON_Delete(object);
    if (!good || width <= 0 || length <= 0) {
        return fh_error_set(err, -EBADMSG, "the answer does not say how large the map is");
    }
    ret->width = width;
    ret->length = length;
    ret->height = height;
    ret->image_width = (int64_t)image_width;
    ret->image_height = (int64_t)image_height;
    return 0;
}

const char *fh_rest_image_type(const char *bytes, size_t len)
{
    static const struct {
        const char *type;
        unsigned char start[8];
        size_t len;
    } types[] = {
        {"image/png", {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, 8}, /* PNG 5.2 */
        {"image/jpeg", {0xff, 0xd8, 0xff}, 3}, /* ITU-T T.81 B.1.1.3: SOI, and a marker */
    };
    for (size_t i = 0; i < FH_ARRAY_LEN(types); i++) {
        if (len > types[i].len && memcmp(bytes, types[i].start, types[i].len) == 0) {
            return types[i].type;
        }
    }
    return NULL;
}

void fh_rest_message(const char *bytes, size_t len, const char *secret, char *ret, size_t size)
{
    cJSON *object = len > 0 ? cJSON_ParseWithLength(bytes, len) : NULL;
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(object, "message");
    char *text =
        cJSON_IsString(message) ? strdup(message->valuestring) : strndup(len > 0 ? bytes : "", len);
    cJSON_Delete(object);
    if (text) { /* clean it while it is whole: half a secret would not be recognised */
        fh_text_clean(text, strlen(text) + 1, secret);
    }
    snprintf(ret, size, "%s", text ? text : "");
    free(text);
}

int fh_rest_judge(const struct fh_rest_meaning *meaning, long status, const char *bytes, size_t len,
                  const char *secret, struct fh_error *err)
{
    char said[SAID_MAX];
    if (status == 200) {
        return 0;
    }
    while (meaning->status != 0 && meaning->status != status &&
           !(meaning->status == 500 && status > 500)) {
        meaning++;
    }
    fh_rest_message(bytes, len, secret, said, sizeof(said));
    return fh_error_set(err, meaning->code, "answered with %ld: %s%s%s%s", status, meaning->text,
                        said[0] ? " (the server says: " : "", said, said[0] ? ")" : "");
}
