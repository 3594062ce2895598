/* command_import.c: firehosectl setup --import: puts the files that setup made on the other host
 * into their place on this one. Never makes a key. */
#include "commands.h"
#include "setup.h"

#include "fh/atomic_file.h"
#include "fh/ha.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[FH_SETUP_FILES_MAX] = {FH_SETUP_CA, FH_SETUP_API_KEY,
                                                      FH_SETUP_PAIR_KEY, FH_SETUP_CONF};

struct bundle {
    char *text[FH_SETUP_FILES_MAX]; /* NULL: not in it */
    struct fh_setup_files files;
};

static void bundle_done(struct bundle *bundle)
{
    for (size_t i = 0; i < FH_SETUP_FILES_MAX; i++) {
        if (bundle->text[i]) {
            explicit_bzero(bundle->text[i], strlen(bundle->text[i]));
            free(bundle->text[i]);
        }
    }
}

/* The file an option names must be the one of the bundle: DIRECTORY/NAME. */
static int check_place(const char *option, const char *value, const char *directory,
                       const char *name, struct fh_error *err)
{
    char wanted[2 * FH_PATH_MAX];
    snprintf(wanted, sizeof(wanted), "%s/%s", directory, name);
    if (value[0] && strcmp(value, wanted) != 0) {
        return fh_error_set(err, -EINVAL, "%s is %s, not %s: this is no bundle of setup", option,
                            value, wanted);
    }
    return 0;
}

/* Where the files belong is said by the configuration itself. */
static int read_conf(const char *from, char *directory, size_t size, bool *ret_pair,
                     struct fh_error *err)
{
    static struct fh_config config; /* large */
    struct fh_config_findings findings = {0};
    char path[2 * FH_PATH_MAX];
    snprintf(path, sizeof(path), "%s/" FH_SETUP_CONF, from);
    int r = fh_config_load(path, &config, &findings);
    if (r < 0) {
        return fh_error_set(err, r, "%s",
                            findings.count > 0 ? findings.finding[0].text : "not readable");
    }
    const char *slash = strrchr(config.firehose.api_key_file, '/');
    snprintf(directory, size, "%.*s", slash ? (int)(slash - config.firehose.api_key_file) : 0,
             config.firehose.api_key_file);
    *ret_pair = config.pair.present;
    r = check_place("firehose.api_key_file", config.firehose.api_key_file, directory,
                    FH_SETUP_API_KEY, err);
    r = r < 0
            ? r
            : check_place("firehose.ca_file", config.firehose.ca_file, directory, FH_SETUP_CA, err);
    return r < 0 ? r
                 : check_place("pair.secret_key_file", config.pair.secret_key_file, directory,
                               FH_SETUP_PAIR_KEY, err);
}

static int read_files(const char *from, struct bundle *bundle, struct fh_error *err)
{
    for (size_t i = 0; i < FH_SETUP_FILES_MAX; i++) {
        char path[2 * FH_PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", from, names[i]);
        int r = fh_file_read(path, FH_SETUP_CA_MAX, 0, &bundle->text[i], err);
        if (r < 0 && r != -ENOENT) {
            return r;
        }
    }
    return 0;
}

static int check_key(const char *text, struct fh_error *err)
{
    char secret[64];
    char public[41];
    snprintf(secret, sizeof(secret), "%.*s", (int)strcspn(text ? text : "", "\r\n"),
             text ? text : "");
    int r = fh_ha_public_key(secret, public);
    explicit_bzero(secret, sizeof(secret));
    return r < 0 ? fh_error_set(err, r, "the bundle has no good " FH_SETUP_PAIR_KEY) : 0;
}

static int import(const char *from, bool force, struct bundle *bundle, struct fh_error *err)
{
    char directory[FH_PATH_MAX];
    bool pair = false;
    int r = read_conf(from, directory, sizeof(directory), &pair, err);
    r = r < 0 ? r : read_files(from, bundle, err);
    r = r < 0 || !pair ? r : check_key(bundle->text[2], err);
    if (r < 0) {
        return r;
    }
    fh_setup_files_init(&bundle->files, directory, 0755);
    fh_setup_files_own(&bundle->files);
    for (size_t i = 0; r == 0 && i < FH_SETUP_FILES_MAX; i++) {
        bool secret = strcmp(names[i], FH_SETUP_CA) != 0 && strcmp(names[i], FH_SETUP_CONF) != 0;
        if (bundle->text[i]) {
            r = fh_setup_files_add(&bundle->files, names[i], bundle->text[i],
                                   strlen(bundle->text[i]), secret ? 0600 : 0640, err);
        }
    }
    r = r < 0 ? r : fh_setup_files_compare(&bundle->files, force, err);
    return r < 0 ? r : fh_setup_files_place(&bundle->files, err);
}

enum fh_ctl_exit fh_ctl_setup_import(const struct fh_ctl_call *call, const char *from)
{
    static struct bundle bundle; /* large */
    struct fh_error err = {""};
    int r = import(from, fh_ctl_option(call, "force") != NULL, &bundle, &err);
    for (size_t i = 0; r == 0 && i < bundle.files.count; i++) {
        printf("  %s %s\n", bundle.files.file[i].change ? "written   " : "unchanged ",
               bundle.files.file[i].path);
    }
    bundle_done(&bundle);
    if (r < 0) {
        return fh_ctl_fail("%s", err.text);
    }
    fh_setup_print_start("\nNext, here and on the other host",
                         fh_ctl_option(call, "force") != NULL);
    return FH_CTL_OK;
}
