/* loading.h: what load.c and check.c share while one file is read; private to src/config. */
#ifndef FH_CONFIG_LOADING_H
#define FH_CONFIG_LOADING_H

#include "schema.h"

#include "fh/buf.h"

struct fh_origin {
    int line; /* 0: not given */
    bool bad; /* given, but refused: it holds its default, so check.c stays silent about it */
};

struct fh_loading {
    const char *name; /* of the file, in sentences */
    struct fh_config *config;
    struct fh_config_findings *findings;
    unsigned errors;                   /* also those that found no place in findings */
    int section_line[FH_SECTIONS_MAX]; /* 0: not given; negative: given, but no group or list */
    /* Row 0 serves the options outside sinks as well. */
    struct fh_origin origin[FH_SINKS_MAX][FH_OPTIONS_MAX];
    int sink_line[FH_SINKS_MAX];
};

/* One finding; the text gets "NAME:LINE: " in front ("NAME: " for line 0). */
void fh_refuse(struct fh_loading *loading, int line, const char *format, ...) FH_PRINTF(3, 4);
void fh_warn(struct fh_loading *loading, int line, const char *format, ...) FH_PRINTF(3, 4);

/* Where "section.name" was given, or its section, or 0. */
int fh_line_of(const struct fh_loading *loading, const char *path, size_t sink);
bool fh_given(const struct fh_loading *loading, const char *path, size_t sink);
/* False when the value given was refused already. */
bool fh_usable(const struct fh_loading *loading, const char *path, size_t sink);

/* address.c */
/* HOST, HOST:PORT, [V6] or [V6]:PORT at text, len bytes. */
struct fh_authority {
    char host[256]; /* without brackets */
    bool bracketed; /* [...]: an IPv6 address */
    char port[8];   /* "" when none is given */
};
int fh_authority_split(const char *text, size_t len, struct fh_authority *ret);
bool fh_authority_is_good(const struct fh_authority *authority);
/* This host: localhost, 127.0.0.0/8 or [::1]. */
bool fh_authority_is_loopback(const struct fh_authority *authority);
/* An http or https base address. */
int fh_url_check(const char *url, struct fh_error *err);
/* Its host is this host: localhost, 127.0.0.0/8 or [::1]. */
bool fh_url_is_loopback(const char *url);
bool fh_url_is_https(const char *url);
/* tcp://HOST:PORT. listen: the host may be * or 0.0.0.0. */
int fh_endpoint_check(const char *endpoint, bool listen, struct fh_error *err);

/* check.c: everything that needs more than one option, or more than a range. */
void fh_config_check(struct fh_loading *loading);
void fh_check_name(struct fh_loading *loading, const char *path, const char *name, size_t sink);
/* where: the host whose key it is, in words. */
void fh_check_public_key(struct fh_loading *loading, const char *path, const char *key,
                         const char *where);

/* check_shape.c: the filters and fields of a sink. */
void fh_config_check_shape(struct fh_loading *loading, size_t sink);
/* check_alike.c: this sink beside those before it. */
void fh_config_check_alike(struct fh_loading *loading, size_t sink);
/* check_messaging.c: sinks of the types zeromq and mqtt; others pass. */
void fh_config_check_messaging(struct fh_loading *loading, size_t sink);
/* check_nats.c: sinks of the type nats; others pass. */
void fh_config_check_nats_sink(struct fh_loading *loading, size_t sink);
/* check_output.c: sinks of the types webhook, command and file; others pass. */
void fh_config_check_output(struct fh_loading *loading, size_t sink);

/* check_watch.c: the sections metrics and console. */
void fh_config_check_watch(struct fh_loading *loading);

/* check_arbiter.c: the section arbiter. */
void fh_config_check_arbiter(struct fh_loading *loading);

#endif
