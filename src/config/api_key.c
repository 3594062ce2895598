/* api_key.c: owns reading the two secrets, the API key and this node's key of the pair, from a file
 * or from a credential of the service. Never puts one, or a part of it, into a sentence, and leaves
 * no copy behind but the caller's. */
#include "fh/atomic_file.h"
#include "fh/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

#define SECRET_PATH_MAX ((size_t)2 * FH_PATH_MAX)

/* Where the secret lies. file: what the option says; empty means the credential. ret_secret: what
 * fh_file_read() shall ask of the file's mode. */
static int find(const char *file, const char *credential, const char *missing,
                char path[SECRET_PATH_MAX], int *ret_secret, struct fh_error *err)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    int n = 0;
    if (file[0] != '\0') {
        n = snprintf(path, SECRET_PATH_MAX, "%s", file);
        *ret_secret = 1;
    } else if (directory && directory[0] != '\0') {
        n = snprintf(path, SECRET_PATH_MAX, "%s/%s", directory, credential);
        /* systemd closes the directory to others and grants us by ACL, whose mask looks like
         * group-readable. */
        *ret_secret = 0;
    } else {
        return fh_error_set(err, -ENOENT, "%s", missing);
    }
    if (n < 0 || (size_t)n >= SECRET_PATH_MAX) {
        return fh_error_set(err, -ENAMETOOLONG, "the path of a secret is too long");
    }
    if (file[0] == '\0' && access(path, F_OK) < 0) {
        return fh_error_set(err, -ENOENT, "%s", missing);
    }
    return 0;
}

/* A file that is there for root alone, as it lies after having been copied, is told with its
 * remedy. */
static int read_secret(const char *what, const char *path, int secret, char **ret,
                       struct fh_error *err)
{
    int r = fh_file_read(path, 4096, secret, ret, err);
    if (r == -EACCES && secret) {
        return fh_error_set(
            err, r, "%s: %s may not be read by this user; for the service: chown firehosed: %s",
            what, path, path);
    }
    if (r < 0) {
        fh_error_prefix(err, "%s", what);
    }
    return r;
}

int fh_config_api_key(const struct fh_config *config, char key[FH_API_KEY_MAX],
                      struct fh_error *err)
{
    char path[SECRET_PATH_MAX];
    int secret = 1;
    int r =
        find(config->firehose.api_key_file, "api_key",
             "no API key: set firehose.api_key_file, or give the service the credential api_key "
             "(put it into /etc/credstore/firehosed.api_key, mode 0600; see firehosed(8))",
             path, &secret, err);
    if (r < 0) {
        return r;
    }
    FH_CLEANUP(wipe_text) char *text = NULL;
    r = read_secret("API key", path, secret, &text, err);
    if (r < 0) {
        return r;
    }
    return take_key(text, path, key, err);
}

int fh_config_pair_key(const struct fh_config *config, char key[FH_PAIR_KEY_MAX],
                       struct fh_error *err)
{
    char path[SECRET_PATH_MAX];
    int secret = 1;
    int r = find(config->pair.secret_key_file, "pair_key",
                 "no key of the pair: set pair.secret_key_file, or give the service the credential "
                 "pair_key (put it into /etc/credstore/firehosed.pair_key, mode 0600; see "
                 "firehosed(8))",
                 path, &secret, err);
    if (r < 0) {
        return r;
    }
    FH_CLEANUP(wipe_text) char *text = NULL;
    r = read_secret("key of the pair", path, secret, &text, err);
    if (r < 0) {
        return r;
    }
    size_t len = strcspn(text, BLANKS);
    if (len != FH_PAIR_KEY_MAX - 1) {
        return fh_error_set(err, -EINVAL,
                            "%s holds no CURVE secret key (40 characters); make one with: "
                            "firehosectl keygen --secret FILE",
                            path);
    }
    memcpy(key, text, len);
    key[len] = '\0';
    return 0;
}
