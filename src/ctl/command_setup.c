/* command_setup.c: firehosectl setup: both hosts' configurations and keys out of a few answers. */
#include "commands.h"
#include "setup.h"

#include "fh/atomic_file.h"
#include "fh/ha.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_TEXT_MAX 65536

struct setup {
    const struct fh_ctl_call *call;
    struct fh_setup_plan plan;
    char api_key[FH_API_KEY_MAX + 2]; /* with a newline */
    char *ca;                         /* PEM; NULL: the system's authorities */
    char bundle[FH_PATH_MAX];
    struct fh_buf conf[2];
    char pair_key[2][48]; /* with a newline */
    bool force;
    bool new_peer_key; /* for a node whose key the configuration here knows, and nobody here has */
};

/* ---- what is given ----------------------------------------------------------------------------
 */

static bool given(void *userdata, const char *option)
{
    const struct setup *setup = userdata;
    return fh_ctl_option(setup->call, option) != NULL;
}

static int take_options(struct setup *setup, struct fh_error *err)
{
    const struct fh_ctl_option *option = setup->call->command->options;
    for (size_t i = 0; option[i].name; i++) {
        if (!setup->call->given[i] || !option[i].value) {
            continue;
        }
        int r = fh_setup_set(&setup->plan, option[i].name, setup->call->given[i], err);
        if (r < 0 && r != -ENOENT) {
            return r;
        }
    }
    return 0;
}

/* From a file or a pipe; "-" is standard input. */
static int read_key_from(const char *path, char *into, size_t size, struct fh_error *err)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        char text[128];
        return fh_error_set(err, -errno, "cannot open %s: %s", path,
                            fh_strerror(-errno, text, sizeof(text)));
    }
    size_t len = fread(into, 1, size - 1, file);
    int code = ferror(file) ? -errno : 0;
    into[len] = '\0';
    if (file != stdin) {
        fclose(file);
    }
    char text[128];
    return code < 0 ? fh_error_set(err, code, "cannot read %s: %s", path,
                                   fh_strerror(code, text, sizeof(text)))
                    : 0;
}

/* One line with its end. What a key may consist of says fh_config_api_key, before it is in place.
 */
static int keep_key(struct setup *setup, char *text, struct fh_error *err)
{
    static const char blanks[] = " \t\r\n";
    char *start = text + strspn(text, blanks);
    size_t len = strlen(start);
    while (len > 0 && strchr(blanks, start[len - 1])) {
        len--;
    }
    if (len == 0 || len >= FH_API_KEY_MAX) {
        return fh_error_set(err, -EINVAL, "the API key is %s", len == 0 ? "empty" : "too long");
    }
    snprintf(setup->api_key, sizeof(setup->api_key), "%.*s\n", (int)len, start);
    return 0;
}

static int take_api_key(struct setup *setup, bool ask, struct fh_error *err)
{
    const char *path = fh_ctl_option(setup->call, "api-key-file");
    char there[FH_PATH_MAX];
    char text[4096] = "";
    int r = 0;
    snprintf(there, sizeof(there), "%s/" FH_SETUP_API_KEY, setup->plan.host[0].output);
    bool typed = path && strcmp(path, "-") == 0 && ask; /* nobody else shall read it from there */
    if (path && !typed) {
        r = read_key_from(path, text, sizeof(text), err);
    } else if (!path && access(there, F_OK) == 0) {
        r = read_key_from(there, text, sizeof(text), err);
    } else if (ask) {
        if (fh_setup_ask_secret("API key (not shown)", text, sizeof(text)) < 0) {
            r = fh_error_set(err, -ECANCELED, "no API key was given");
        }
    } else {
        r = fh_error_set(err, -EINVAL, "--api-key-file FILE is needed (- is standard input)");
    }
    r = r < 0 ? r : keep_key(setup, text, err);
    explicit_bzero(text, sizeof(text));
    return r;
}

static int take_ca(struct setup *setup, struct fh_error *err)
{
    const char *path = fh_ctl_option(setup->call, "ca-file");
    if (!path) {
        return 0;
    }
    int r = fh_file_read(path, FH_SETUP_CA_MAX, 0, &setup->ca, err);
    if (r == 0 && !strstr(setup->ca, "-----BEGIN CERTIFICATE-----")) {
        r = fh_error_set(err, -EINVAL, "%s holds no certificate in PEM form", path);
    }
    setup->plan.own_ca = r == 0;
    return r;
}

/* Everything a script has to say, when nobody can be asked. */
static const char *missing_option(const struct setup *setup)
{
    const struct fh_setup_host *host = setup->plan.host;
    if (setup->plan.single) {
        return NULL;
    }
    return host[0].address_count == 0   ? "address"
           : host[1].address_count == 0 ? "peer-address"
                                        : NULL;
}

static int take_answers(struct setup *setup, struct fh_error *err)
{
    int r = take_options(setup, err);
    r = r < 0 ? r : fh_setup_judge(&setup->plan, err); /* before the first question */
    const char *missing = missing_option(setup);
    bool ask = missing && isatty(STDIN_FILENO);
    if (r == 0 && missing && !ask) {
        return fh_error_set(err, -EINVAL, "--%s is needed, or --single for one node alone",
                            missing);
    }
    if (r == 0 && ask && (r = fh_setup_ask(&setup->plan, given, setup)) < 0) {
        return fh_error_set(err, r, "no answer; nothing was written");
    }
    if (r == 0 && setup->plan.witness_count > 0 && !setup->plan.witness_key[0]) {
        return fh_error_set(err, -EINVAL,
                            "--witness-key is needed: what firehose-witness --keygen printed");
    }
    r = r < 0 ? r : take_ca(setup, err);
    r = r < 0 ? r : take_api_key(setup, isatty(STDIN_FILENO), err);
    return r < 0 ? r : fh_setup_judge(&setup->plan, err);
}

/* ---- keys -------------------------------------------------------------------------------------
 */

/* Trimmed. -ENOENT: there is none. */
static int read_pair_key(const char *path, struct fh_setup_host *host, struct fh_error *err)
{
    char *text = NULL;
    int r = fh_file_read(path, 256, 0, &text, err);
    if (r < 0) {
        return r;
    }
    text[strcspn(text, " \t\r\n")] = '\0';
    r = fh_ha_public_key(text, host->public_key);
    if (r == 0) {
        memcpy(host->secret_key, text, sizeof(host->secret_key));
    } else {
        r = fh_error_set(err, r, "%s holds no secret key; remove it to get a new one", path);
    }
    explicit_bzero(text, strlen(text));
    free(text);
    return r;
}

/* The other host has its files already and what was made for it is gone from here: then its public
 * key, as the configuration here knows it, is enough. */
static bool knows_peer_key(const struct setup *setup, char public_key[41])
{
    static struct fh_config config; /* large */
    struct fh_config_findings findings;
    char path[FH_PATH_MAX];
    snprintf(path, sizeof(path), "%s/" FH_SETUP_CONF, setup->plan.host[0].output);
    if (fh_config_load(path, &config, &findings) < 0 || !config.pair.present) {
        return false;
    }
    memcpy(public_key, config.pair.peer_public_key, 41);
    return true;
}

/* A key that is there stays: running setup twice must not take a pair apart. */
static int take_pair_key(struct setup *setup, size_t index, const char *directory,
                         struct fh_error *err)
{
    struct fh_setup_host *host = &setup->plan.host[index];
    char path[2 * FH_PATH_MAX];
    snprintf(path, sizeof(path), "%s/" FH_SETUP_PAIR_KEY, directory);
    int r = read_pair_key(path, host, err);
    bool known = r == -ENOENT && index == 1 && knows_peer_key(setup, host->public_key);
    if (known && !setup->force) {
        return 0;
    }
    setup->new_peer_key |= known;
    if (r == -ENOENT) {
        r = fh_ha_keygen(host->public_key, host->secret_key);
        r = r < 0 ? fh_error_set(err, r, "cannot make a key pair") : 0;
    }
    memcpy(setup->pair_key[index], host->secret_key, 40);
    memcpy(setup->pair_key[index] + 40, "\n", 2);
    return r;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static int list_files(struct setup *setup, size_t index, struct fh_setup_files *files,
                      mode_t conf_mode, struct fh_error *err)
{
    struct fh_buf *conf = &setup->conf[index];
    fh_buf_clear(conf);
    int r = fh_setup_render(&setup->plan, index, conf);
    if (r < 0) {
        return fh_error_set(err, r, "cannot make the configuration");
    }
    if (setup->ca) {
        r = fh_setup_files_add(files, FH_SETUP_CA, setup->ca, strlen(setup->ca), conf_mode, err);
    }
    r = r < 0 ? r
              : fh_setup_files_add(files, FH_SETUP_API_KEY, setup->api_key, strlen(setup->api_key),
                                   0600, err);
    if (r == 0 && !setup->plan.single) {
        r = fh_setup_files_add(files, FH_SETUP_PAIR_KEY, setup->pair_key[index],
                               strlen(setup->pair_key[index]), 0600, err);
    }
    return r < 0 ? r
                 : fh_setup_files_add(files, FH_SETUP_CONF, conf->data, conf->len, conf_mode, err);
}

static void print_files(const struct fh_setup_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        printf("  %s %s\n", files->file[i].change ? "written   " : "unchanged ",
               files->file[i].path);
    }
}

/* Ready for a shell. into: PATH_SHOWN bytes. */
#define PATH_SHOWN (4 * FH_PATH_MAX + 3)
static const char *quoted(const char *text, char *into)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+=,:@%";
    size_t used = 0;
    if (text[strspn(text, plain)] == '\0') {
        snprintf(into, PATH_SHOWN, "%s", text);
        return into;
    }
    into[used++] = '\'';
    for (; *text && used < PATH_SHOWN - 6; text++) {
        used +=
            (size_t)snprintf(into + used, PATH_SHOWN - used, *text == '\'' ? "'\\''" : "%c", *text);
    }
    snprintf(into + used, PATH_SHOWN - used, "'");
    return into;
}

/* The unit lets the service write to its state directory only. */
static void print_permission(const char *what, const char *where, const char *path)
{
    char directory[PATH_SHOWN];
    char assignment[FH_PATH_MAX + 32];
    char line[PATH_SHOWN];
    bool plain = !strchr(path, ' ');
    snprintf(assignment, sizeof(assignment), plain ? "ReadWritePaths=%s" : "ReadWritePaths=\"%s\"",
             path);
    printf("\nThe service may write to " FH_SETUP_STATE " only. For %s, %s:\n"
           "  install -d -o " FH_SETUP_USER " -g " FH_SETUP_USER " %s\n"
           "  mkdir -p /etc/systemd/system/firehosed.service.d\n"
           "  printf '%%s\\n' '[Service]' %s "
           ">/etc/systemd/system/firehosed.service.d/%s.conf\n"
           "  systemctl daemon-reload\n",
           path, where, quoted(path, directory), quoted(assignment, line), what);
}

static bool is_elsewhere(const char *path)
{
    return path[0] && strcmp(path, FH_SETUP_STATE) != 0 &&
           strncmp(path, FH_SETUP_STATE "/", strlen(FH_SETUP_STATE "/")) != 0;
}

/* Of the configuration that the unit reads. */
static void print_permissions(const struct fh_setup_plan *plan)
{
    const struct fh_setup_host *host = plan->host;
    for (size_t i = 0; i < (plan->single ? 1U : 2U); i++) {
        if (strcmp(host[i].output, FH_SETUP_DIRECTORY) == 0 && is_elsewhere(host[i].state_dir)) {
            print_permission("state", i == 0 ? "here" : "on the other host", host[i].state_dir);
        }
    }
    if (is_elsewhere(plan->sink_dir)) {
        print_permission("sink", plan->single ? "here" : "on each host", plan->sink_dir);
    }
}

static void print_witness_hint(const struct fh_setup_plan *plan)
{
    if (plan->witness_count > 0) {
        printf(
            "\nThe witness must know this pair; in /etc/firehose-witness/firehose-witness.conf:\n"
            "  pairs: ( { name = \"%s-%s\"; public_keys = ( \"%s\", \"%s\" ); } );\n",
            plan->host[0].name, plan->host[1].name, plan->host[0].public_key,
            plan->host[1].public_key);
    }
}

/* A daemon that runs has what it read at its start. */
void fh_setup_print_start(const char *where, bool replaced)
{
    printf("%s%s:\n%s"
           "  firehosectl doctor\n",
           where, replaced ? " (a daemon that runs has the old files until then)" : "",
           replaced ? "  systemctl enable firehosed\n  systemctl restart firehosed\n"
                    : "  systemctl enable --now firehosed\n");
}

/* Ready to be pasted; the last line of all is the next command. */
static void print_next(const struct setup *setup)
{
    const struct fh_setup_plan *plan = &setup->plan;
    const struct fh_setup_host *peer = &plan->host[1];
    char at[256];
    char bundle[PATH_SHOWN];
    print_permissions(plan);
    print_witness_hint(plan);
    if (!setup->plan.host[1].secret_key[0]) { /* a single node, or the other one has its files */
        fh_setup_print_start("\nNext", setup->force);
        return;
    }
    if (setup->new_peer_key) {
        printf("\nNode %s gets another key: the one it had is not on this host. Until both nodes "
               "run with\nwhat was written now they do not hear each other.\n",
               peer->name);
    }
    fh_setup_address_host(peer->addresses[0], at, sizeof(at));
    printf("\nNext, from here (the directory holds secrets; it is removed on both hosts):\n"
           "  scp -rp %s root@%s:/root/firehosed-%s\n",
           quoted(setup->bundle, bundle), at, peer->name);
    if (at[0] == '[') { /* ssh wants it bare */
        memmove(at, at + 1, strlen(at));
        at[strcspn(at, "]")] = '\0';
    }
    printf("  ssh root@%s 'firehosectl setup --import /root/firehosed-%s%s &&"
           " rm -r /root/firehosed-%s'\n"
           "  rm -r %s\n",
           at, peer->name, setup->force ? " --force" : "", peer->name, bundle);
    fh_setup_print_start("Then, on both hosts", setup->force);
}

static int place_all(struct setup *setup, struct fh_error *err)
{
    struct fh_setup_files own;
    struct fh_setup_files other;
    fh_setup_files_init(&own, setup->plan.host[0].output, 0755);
    fh_setup_files_own(&own);
    fh_setup_files_init(&other, setup->bundle, 0700);
    int r = list_files(setup, 0, &own, 0640, err);
    r = r < 0 ? r : fh_setup_files_compare(&own, setup->force, err);
    bool bundle = setup->plan.host[1].secret_key[0] != '\0';
    if (r == 0 && bundle) {
        r = list_files(setup, 1, &other, 0600, err);
        r = r < 0 ? r : fh_setup_files_compare(&other, setup->force, err);
        r = r < 0 ? r : fh_setup_files_place(&other, err);
    }
    /* The other host's first: after a failure here this host is as it was. */
    r = r < 0 ? r : fh_setup_files_place(&own, err);
    if (r < 0) {
        return r;
    }
    printf("This host, node %s:\n", setup->plan.host[0].name);
    print_files(&own);
    if (bundle) {
        printf("The other host, node %s:\n", setup->plan.host[1].name);
        print_files(&other);
    }
    return 0;
}

static int make(struct setup *setup, struct fh_error *err)
{
    int r = take_answers(setup, err);
    if (r < 0) {
        return r;
    }
    const char *bundle = fh_ctl_option(setup->call, "bundle");
    int n = bundle ? snprintf(setup->bundle, sizeof(setup->bundle), "%s", bundle)
                   : snprintf(setup->bundle, sizeof(setup->bundle), "%s/bundle-%s",
                              setup->plan.host[0].output, setup->plan.host[1].name);
    if (n < 0 || (size_t)n >= sizeof(setup->bundle)) {
        return fh_error_set(err, -ENAMETOOLONG, "the path of the bundle is too long");
    }
    if (!setup->plan.single) {
        r = take_pair_key(setup, 0, setup->plan.host[0].output, err);
        r = r < 0 ? r : take_pair_key(setup, 1, setup->bundle, err);
    }
    r = r < 0 ? r : fh_setup_judge(&setup->plan, err);
    r = r < 0 ? r : place_all(setup, err);
    if (r == 0) {
        print_next(setup);
    }
    return r;
}

enum fh_ctl_exit fh_ctl_setup(const struct fh_ctl_call *call)
{
    const char *import = fh_ctl_option(call, "import");
    if (import) {
        return fh_ctl_setup_import(call, import);
    }
    static struct setup setup; /* large */
    struct fh_error err = {""};
    setup.call = call;
    setup.force = fh_ctl_option(call, "force") != NULL;
    fh_setup_plan_init(&setup.plan);
    setup.plan.single = fh_ctl_option(call, "single") != NULL;
    fh_buf_init(&setup.conf[0], CONFIG_TEXT_MAX);
    fh_buf_init(&setup.conf[1], CONFIG_TEXT_MAX);
    int r = make(&setup, &err);
    fh_buf_done(&setup.conf[0]);
    fh_buf_done(&setup.conf[1]);
    free(setup.ca);
    explicit_bzero(&setup, sizeof(setup));
    if (r == -EINVAL) {
        return fh_ctl_usage_error(call, "%s", err.text);
    }
    return r < 0 ? fh_ctl_fail("%s", err.text) : FH_CTL_OK;
}
