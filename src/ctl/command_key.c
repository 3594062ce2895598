/* command_key.c: firehosectl keygen. The secret key goes into its file and nowhere else. */
#include "commands.h"

#include "fh/atomic_file.h"
#include "fh/err.h"
#include "fh/ha.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A file that is there is never touched: a key in use that is gone takes the pair apart. */
static int write_key(const char *path, const char *key, mode_t mode, struct fh_error *err)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "%s\n", key);
    int r = fh_file_create(path, line, (size_t)len, mode, err);
    explicit_bzero(line, sizeof(line));
    return r;
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
    /* What lies there is root's, and systemd hands the service a copy. */
    if (strncmp(secret_path, "/etc/credstore", strlen("/etc/credstore")) == 0) {
        fprintf(stderr, "secret key in %s: a credential of the service, leave it to root\n",
                secret_path);
    } else {
        fprintf(stderr,
                "secret key in %s: pair.secret_key_file of this node; the service has to own it:\n"
                "    chown firehosed: %s\n",
                secret_path, secret_path);
    }
    fprintf(stderr, "public key above: pair.peer_public_key of the peer\n");
    return FH_CTL_OK;
}
