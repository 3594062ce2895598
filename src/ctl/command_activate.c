/* command_activate.c: firehosectl activate: a token of the vendor's dashboard becomes an API key in
 * a file. Neither is ever shown; the token comes from a file or standard input alone. */
#include "commands.h"
#include "key_place.h"
#include "setup.h"

#include "fh/activation.h"
#include "fh/clock.h"
#include "fh/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONFIG_PATH "/etc/firehosed/firehosed.conf"
#define CREDENTIAL  "/etc/credstore/firehosed.api_key"
#define BLANKS      " \t\r\n"
#define CONNECT_MS  10000

struct activate {
    const struct fh_ctl_call *call;
    const char *config_path; /* NULL: there is none */
    struct fh_config config;
    struct fh_key_place place;
    char token[FH_TOKEN_MAX];
    struct fh_activation_claims claims;
    bool dry_run;
};

/* ---- what is given ---- */

/* The configuration says where the service is, how to reach it, and where it wants its key. Without
 * one, as before the first setup, the options have to. */
static int take_config(struct activate *activate, struct fh_error *err)
{
    struct fh_config_findings findings = {0};
    struct fh_config_firehose *firehose = &activate->config.firehose;
    const char *given = fh_ctl_option(activate->call, "config");
    const char *url = fh_ctl_option(activate->call, "url");
    const char *ca_file = fh_ctl_option(activate->call, "ca-file");
    const char *path = given ? given : CONFIG_PATH;
    if (given || access(path, F_OK) == 0) {
        int r = fh_config_load(path, &activate->config, &findings);
        if (r < 0) {
            return fh_error_set(err, r, "%s",
                                findings.count > 0 ? findings.finding[0].text : "cannot read it");
        }
        activate->config_path = path;
    } else {
        firehose->connect_timeout_ms = CONNECT_MS;
    }
    if ((url && strlen(url) >= sizeof(firehose->url)) ||
        (ca_file && strlen(ca_file) >= sizeof(firehose->ca_file))) {
        return fh_error_set(err, -ENAMETOOLONG, "--url or --ca-file is too long");
    }
    if (ca_file) {
        snprintf(firehose->ca_file, sizeof(firehose->ca_file), "%s", ca_file);
    }
    return 0;
}

/* What the operator says is the service: --url, else the configuration. */
static const char *own_url(const struct activate *activate)
{
    const char *url = fh_ctl_option(activate->call, "url");
    return url ? url : activate->config.firehose.url;
}

static int take_place(struct activate *activate, struct fh_error *err)
{
    const char *path = fh_ctl_option(activate->call, "output");
    if (!path && !activate->config_path) {
        return fh_error_set(err, -EINVAL,
                            "--output FILE is needed: there is no %s that says where the key "
                            "belongs",
                            CONFIG_PATH);
    }
    if (!path) {
        path = activate->config.firehose.api_key_file[0] ? activate->config.firehose.api_key_file
                                                         : CREDENTIAL;
    }
    return fh_key_place_init(&activate->place, path, fh_ctl_option(activate->call, "force") != NULL,
                             err);
}

static int read_token(struct activate *activate, struct fh_error *err)
{
    const char *path = fh_ctl_option(activate->call, "token-file");
    bool standard = !path || strcmp(path, "-") == 0;
    char *token = activate->token;
    size_t len = 0;
    if (standard && isatty(STDIN_FILENO)) {
        int n = fh_setup_ask_secret("Activation token (not shown)", token, FH_TOKEN_MAX);
        len = n > 0 ? (size_t)n : 0;
    } else {
        FILE *file = standard ? stdin : fopen(path, "re");
        if (!file) {
            char text[128];
            return fh_error_set(err, -errno, "cannot open %s: %s", path,
                                fh_strerror(-errno, text, sizeof(text)));
        }
        len = fread(token, 1, FH_TOKEN_MAX, file);
        if (!standard) {
            fclose(file);
        }
    }
    if (len == 0 || len == FH_TOKEN_MAX) {
        return fh_error_set(err, -EINVAL, "%s",
                            len == 0 ? "no token was given" : "that is too long to be a token");
    }
    token[len] = '\0';
    size_t start = strspn(token, BLANKS);
    size_t end = start + strcspn(token + start, BLANKS);
    if (strlen(token) != len || token[end + strspn(token + end, BLANKS)] != '\0') {
        return fh_error_set(err, -EINVAL, "the token has blanks or line breaks inside");
    }
    memmove(token, token + start, end - start);
    token[end - start] = '\0';
    return 0;
}

/* ---- what is done ---- */

static int refuse_federal(const char *url, struct fh_error *err)
{
    if (!fh_activation_is_federal(url)) {
        return 0;
    }
    return fh_error_set(err, -ENOTSUP,
                        "%.200s belongs to the US federal service. There is no activation by "
                        "token there: the vendor coordinates the API key with you during "
                        "onboarding. Put that key into firehose.api_key_file (mode 0600), or give "
                        "it to firehosectl setup --api-key-file",
                        url);
}

static void show_claims(const struct activate *activate, int64_t now_s)
{
    const struct fh_activation_claims *claims = &activate->claims;
    struct tm tm;
    char until[64] = "";
    time_t expires = (time_t)claims->expires_s;
    if (gmtime_r(&expires, &tm)) {
        strftime(until, sizeof(until), "%Y-%m-%d %H:%M:%S UTC", &tm);
    }
    printf("customer     %s%s%s%s\n", claims->customer[0] ? claims->customer : "(not said)",
           claims->partner_tenant_id[0] ? " (tenant " : "", claims->partner_tenant_id,
           claims->partner_tenant_id[0] ? ")" : "");
    printf("app          %s\n", claims->app_id);
    printf("service      %s\n", claims->base_url);
    printf("valid until  %s, %" PRId64 " s from now\n", until, claims->expires_s - now_s);
}

/* Everything that can be said before the first byte is sent, then whether it is genuine. */
static int judge_token(struct activate *activate, struct fh_error *err)
{
    struct fh_activation_claims *claims = &activate->claims;
    int64_t now_s = fh_wall_ms() / 1000;
    int r = fh_activation_read(activate->token, claims, err);
    r = r < 0 ? r : refuse_federal(claims->base_url, err);
    r = r < 0 ? r : fh_activation_judge_time(claims, now_s, err);
    r = r < 0 ? r : fh_activation_judge_url(claims->base_url, own_url(activate), err);
    r = r < 0 ? r : fh_activation_verify(&activate->config.firehose, activate->token, claims, err);
    if (r == 0) {
        show_claims(activate, now_s);
        printf("signature    good\n");
    }
    return r;
}

/* The place first: the token is spent by the exchange, so that nothing may fail behind it. */
static int exchange(struct activate *activate, struct fh_error *err)
{
    char key[FH_API_KEY_MAX];
    int r = fh_key_place_reserve(&activate->place, err);
    if (r < 0) {
        return r;
    }
    r = fh_activation_exchange(&activate->config.firehose, activate->token, &activate->claims, key,
                               err);
    r = r < 0 ? r : fh_key_place_put(&activate->place, key, err);
    explicit_bzero(key, sizeof(key));
    fh_key_place_done(&activate->place);
    return r;
}

static void say_what_is_left(const struct activate *activate)
{
    const struct fh_config_firehose *firehose = &activate->config.firehose;
    const char *base_url = activate->claims.base_url;
    if (!activate->config_path) {
        printf("next         firehosectl setup --url %s --api-key-file %s\n", base_url,
               activate->place.path);
        return;
    }
    bool moved = !fh_same_server(base_url, firehose->url);
    if (moved) {
        printf("next         set firehose.url in %s: the key belongs to another service than %s\n"
               "             url = \"%s\";\n",
               activate->config_path, firehose->url, base_url);
    }
    if (firehose->api_key_file[0] && strcmp(firehose->api_key_file, activate->place.path) != 0) {
        printf("next         set firehose.api_key_file in %s to %s, or move the file\n",
               activate->config_path, activate->place.path);
    }
    printf("next         the same key on the other host of a pair, then on each:\n"
           "             systemctl %s firehosed\n",
           moved || activate->place.credential ? "restart" : "reload");
}

static int run(struct activate *activate, struct fh_error *err)
{
    int r = take_config(activate, err);
    r = r < 0 ? r : refuse_federal(own_url(activate), err);
    r = r < 0 ? r : take_place(activate, err);
    r = r < 0 ? r : read_token(activate, err);
    r = r < 0 ? r : judge_token(activate, err);
    if (r < 0) {
        return r;
    }
    if (activate->dry_run) {
        printf("dry run      nothing was activated; the API key would go into %s\n",
               activate->place.path);
        return 0;
    }
    r = exchange(activate, err);
    if (r == 0) {
        printf("activated    the API key is in %s, mode 0600%s\n", activate->place.path,
               activate->place.given_away ? ", owner " FH_SETUP_USER : "");
        say_what_is_left(activate);
    }
    return r;
}

enum fh_ctl_exit fh_ctl_activate(const struct fh_ctl_call *call)
{
    static struct activate activate; /* large */
    struct fh_error err = {""};
    activate = (struct activate){.call = call, .place.fd = -1};
    activate.dry_run = fh_ctl_option(call, "dry-run") != NULL;
    int r = run(&activate, &err);
    explicit_bzero(activate.token, sizeof(activate.token));
    return r < 0 ? fh_ctl_fail("%s", err.text) : FH_CTL_OK;
}
