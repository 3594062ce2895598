/* command_key.c: firehosectl keygen. The secret key goes into its file and nowhere else. */
#include "commands.h"

#include "fh/atomic_file.h"
#include "fh/err.h"
#include "fh/ha.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file, durable when it returns. A file that is there is never touched: a key in use that is
 * gone takes the pair apart. */
static int write_key(const char *path, const char *key, mode_t mode, struct fh_error *err)
{
    char text[128];
    char line[64];
    int len = snprintf(line, sizeof(line), "%s\n", key);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    int code = fd < 0 ? -errno : 0;
    if (fd >= 0 &&
        (fchmod(fd, mode) != 0 || write(fd, line, (size_t)len) != len || fsync(fd) != 0)) {
        code = errno != 0 ? -errno : -EIO;
    }
    if (fd >= 0 && close(fd) != 0 && code == 0) {
        code = -errno;
    }
    explicit_bzero(line, sizeof(line));
    if (code == -EEXIST) {
        return fh_error_set(err, code,
                            "%s exists and is left as it is; remove it first if a new key is "
                            "really wanted (the peer then needs the new public key)",
                            path);
    }
    if (code < 0 && fd >= 0) {
        unlink(path);
    }
    if (code == 0) {
        char directory[4096];
        snprintf(directory, sizeof(directory), "%s", path);
        return fh_directory_sync(dirname(directory), err);
    }
    return fh_error_set(err, code, "cannot write %s: %s", path,
                        fh_strerror(code, text, sizeof(text)));
}

enum fh_ctl_exit fh_ctl_keygen(const struct fh_ctl_call *call)
{
    const char *secret_path = fh_ctl_option(call, "secret");
    const char *public_path = fh_ctl_option(call, "public");
    if (!secret_path) {
        return fh_ctl_usage_error(call, "--secret FILE is needed");
    }
    if (public_path && access(public_path, F_OK) == 0) {
        return fh_ctl_fail("%s exists and is left as it is; remove it first", public_path);
    }
    char public_key[41];
    char secret_key[41];
    int r = fh_ha_keygen(public_key, secret_key);
    if (r < 0) {
        char text[128];
        return fh_ctl_fail("cannot make a key pair: %s", fh_strerror(r, text, sizeof(text)));
    }
    struct fh_error err = {""};
    r = write_key(secret_path, secret_key, 0600, &err);
    explicit_bzero(secret_key, sizeof(secret_key));
    if (r < 0) {
        return fh_ctl_fail("%s", err.text);
    }
    if (public_path && write_key(public_path, public_key, 0644, &err) < 0) {
        unlink(secret_path);
        return fh_ctl_fail("%s", err.text);
    }
    printf("%s\n", public_key);
    fprintf(stderr,
            "secret key in %s: pair.secret_key_file of this node\n"
            "public key above: pair.peer_public_key of the peer\n",
            secret_path);
    return FH_CTL_OK;
}
