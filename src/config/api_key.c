/* api_key.c: owns reading the API key. Never puts it, or a part of it, into a sentence, and leaves
 * no copy behind but the caller's. */
#include "fh/atomic_file.h"
#include "fh/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

static void wipe_text(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
    }
}

static int take_key(const char *text, const char *path, char key[FH_API_KEY_MAX],
                    struct fh_error *err)
{
    text += strspn(text, BLANKS);
    size_t len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1])) {
        len--;
    }
    if (len == 0) {
        return fh_error_set(err, -EINVAL, "%s is empty; put the API key into it", path);
    }
    if (len >= FH_API_KEY_MAX) {
        return fh_error_set(err, -EINVAL, "%s holds %zu bytes; an API key has at most %d", path,
                            len, FH_API_KEY_MAX - 1);
    }
    for (size_t i = 0; i < len; i++) {
        /* It becomes an HTTP header: a line break in it would forge another. */
        if (text[i] <= ' ' || text[i] > '~') {
            return fh_error_set(err, -EINVAL,
                                "%s holds a blank, a line break or a character outside ASCII "
                                "inside the key; it must hold the API key alone",
                                path);
        }
    }
    memcpy(key, text, len);
    key[len] = '\0';
    return 0;
}

int fh_config_api_key(const struct fh_config *config, char key[FH_API_KEY_MAX],
                      struct fh_error *err)
{
    char credential[2 * FH_PATH_MAX];
    const char *path = config->firehose.api_key_file;
    int secret = 1;
    if (path[0] == '\0') {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        if (!directory || directory[0] == '\0') {
            return fh_error_set(err, -ENOENT,
                                "no API key: set firehose.api_key_file, or give the service the "
                                "credential api_key (LoadCredential=api_key:...)");
        }
        int n = snprintf(credential, sizeof(credential), "%s/api_key", directory);
        if (n < 0 || (size_t)n >= sizeof(credential)) {
            return fh_error_set(err, -ENAMETOOLONG, "$CREDENTIALS_DIRECTORY is too long");
        }
        path = credential;
        /* systemd closes the directory to others and grants us by ACL, whose mask looks like
         * group-readable. */
        secret = 0;
    }
    FH_CLEANUP(wipe_text) char *text = NULL;
    int r = fh_file_read(path, 4096, secret, &text, err);
    if (r < 0) {
        fh_error_prefix(err, "API key");
        return r;
    }
    return take_key(text, path, key, err);
}
