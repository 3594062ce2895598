/* setup.h: what the parts of "firehosectl setup" share: the plan, its rendering, the questions, and
 * the files it becomes. */
#ifndef FH_CTL_SETUP_H
#define FH_CTL_SETUP_H

#include "fh/buf.h"
#include "fh/config.h"
#include "fh/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FH_SETUP_DIRECTORY "/etc/firehosed"
#define FH_SETUP_STATE     "/var/lib/firehosed"
#define FH_SETUP_USER      "firehosed"
#define FH_SETUP_CONF      "firehosed.conf"
#define FH_SETUP_API_KEY   "api_key"
#define FH_SETUP_PAIR_KEY  "pair.key"
#define FH_SETUP_CA        "ca.pem"
#define FH_SETUP_CA_MAX    ((size_t)1024 * 1024)

/* ---- setup_plan.c: pure, no file and no terminal ---------------------------------------------
 */

struct fh_setup_host {
    char name[sizeof(((struct fh_config_node *)0)->name)];
    char output[FH_PATH_MAX - 64];     /* directory of its configuration */
    char state_dir[FH_PATH_MAX - 64];  /* outside of both standard directories it also holds the
                                        * control socket */
    char addresses[FH_PATHS_MAX][256]; /* HOST or HOST:PORT, how the other node reaches it */
    size_t address_count;
    char public_key[41];
    char secret_key[41];
};

struct fh_setup_plan {
    bool single;
    bool own_ca; /* the service's authority comes in a file of its own */
    char url[FH_URL_MAX];
    char channel[16];
    char prefer[16];
    char preferred[8];               /* this, peer */
    char sink_dir[FH_PATH_MAX - 64]; /* "": events below the state directory */
    char witness[FH_PATHS_MAX][256];
    size_t witness_count;
    char witness_key[41];
    char receivers[8];
    char port[8];                 /* of addresses that have none */
    struct fh_setup_host host[2]; /* [0]: where it runs; [1]: the other one */
};

void fh_setup_plan_init(struct fh_setup_plan *plan);
/* One answer, under the name of its option. 0; -ENOENT for an option that is no answer of the plan;
 * -EINVAL with what is wrong with it. Combinations are fh_setup_judge's. */
int fh_setup_set(struct fh_setup_plan *plan, const char *option, const char *value,
                 struct fh_error *err);
/* Would the daemon take the configurations? What is not known yet counts as good. 0 or -EINVAL with
 * the first finding. */
int fh_setup_judge(const struct fh_setup_plan *plan, struct fh_error *err);
/* The configuration file of a host. 0, -ENOBUFS, -ENOMEM. */
int fh_setup_render(const struct fh_setup_plan *plan, size_t host, struct fh_buf *into);
/* HOST or HOST:PORT without its port; brackets stay. Returns into. */
const char *fh_setup_address_host(const char *address, char *into, size_t size);

/* ---- setup_ask.c: the terminal ---------------------------------------------------------------
 */

/* Asks for every answer that was not given on the command line; given(userdata, option) says which
 * were. 0, or -ECANCELED at the end of the input. */
int fh_setup_ask(struct fh_setup_plan *plan, bool (*given)(void *userdata, const char *option),
                 void *userdata);
/* Without echo. The number of bytes, or -ECANCELED. */
int fh_setup_ask_secret(const char *question, char *into, size_t size);

/* ---- setup_files.c: places files, all or none ------------------------------------------------
 */

#define FH_SETUP_FILES_MAX 4

struct fh_setup_file {
    char path[FH_PATH_MAX];
    const char *bytes;
    size_t len;
    mode_t mode;
    bool change; /* what is there differs, or nothing is there; set by compare */
};

struct fh_setup_files {
    char directory[FH_PATH_MAX];
    mode_t directory_mode; /* when it is made */
    bool owned;            /* by uid, gid; else by whoever runs this */
    uid_t uid;
    gid_t gid;
    size_t count;
    struct fh_setup_file file[FH_SETUP_FILES_MAX]; /* the configuration last */
};

void fh_setup_files_init(struct fh_setup_files *files, const char *directory, mode_t mode);
/* The files belong to the service's user, where there is one and we may give them away. */
void fh_setup_files_own(struct fh_setup_files *files);
/* bytes by reference. -ENAMETOOLONG with a sentence. */
int fh_setup_files_add(struct fh_setup_files *files, const char *name, const char *bytes,
                       size_t len, mode_t mode, struct fh_error *err);
/* What would have to be written. -EEXIST with the names of files that hold something else and that
 * nobody allowed to replace. A configuration that still points to a host below ".example", as the
 * one of the package does, is nobody's and may be replaced. */
int fh_setup_files_compare(struct fh_setup_files *files, bool force, struct fh_error *err);
/* Writes beside, has the daemon's parser read it, then renames; mode and owner are put right also
 * where the contents stay. Nothing is in place after a failure before the renames. */
int fh_setup_files_place(const struct fh_setup_files *files, struct fh_error *err);

/* ---- command_setup.c -------------------------------------------------------------------------
 */

/* The last steps, after the words that say where. replaced: of a pair that may be running. */
void fh_setup_print_start(const char *where, bool replaced);

#endif
