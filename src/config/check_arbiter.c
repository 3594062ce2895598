/* check_arbiter.c: owns the rules of the section arbiter that need more than one option. Never
 * changes a value and never asks the arbiter. */
#include "loading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void check_witness(struct fh_loading *loading)
{
    const struct fh_config_arbiter *arbiter = &loading->config->arbiter;
    int line = fh_line_of(loading, "arbiter.addresses", 0);
    if (arbiter->address_count == 0 && fh_usable(loading, "arbiter.addresses", 0)) {
        fh_refuse(loading, line,
                  "arbiter.addresses is missing; a witness needs it: addresses = ( "
                  "\"tcp://10.0.0.3:5571\" );");
    }
    for (size_t i = 0; i < arbiter->address_count; i++) {
        struct fh_error err;
        if (fh_endpoint_check(arbiter->addresses[i], false, &err) < 0) {
            fh_refuse(loading, line, "arbiter.addresses: \"%.100s\" %s", arbiter->addresses[i],
                      err.text);
        }
    }
    if (arbiter->witness_public_key[0] == '\0' &&
        fh_usable(loading, "arbiter.witness_public_key", 0)) {
        fh_refuse(loading, fh_line_of(loading, "arbiter.witness_public_key", 0),
                  "arbiter.witness_public_key is missing; copy what firehosectl keygen printed on "
                  "the witness");
    }
    fh_check_public_key(loading, "arbiter.witness_public_key", arbiter->witness_public_key,
                        "the witness");
}

/* A password goes out in clear over http, and anybody on the way could answer in etcd's place. */
static void check_endpoints(struct fh_loading *loading)
{
    const struct fh_config_arbiter *arbiter = &loading->config->arbiter;
    int line = fh_line_of(loading, "arbiter.endpoints", 0);
    if (arbiter->endpoint_count == 0 && fh_usable(loading, "arbiter.endpoints", 0)) {
        fh_refuse(loading, line,
                  "arbiter.endpoints is missing; etcd needs it: endpoints = ( "
                  "\"https://10.0.0.3:2379\" );");
    }
    for (size_t i = 0; i < arbiter->endpoint_count; i++) {
        const char *url = arbiter->endpoints[i];
        struct fh_error err;
        if (fh_url_check(url, &err) < 0) {
            fh_refuse(loading, line, "arbiter.endpoints: \"%.100s\" %s", url, err.text);
        } else if (!fh_url_is_https(url) && !fh_url_is_loopback(url) && arbiter->user[0] != '\0') {
            fh_refuse(loading, line,
                      "arbiter.endpoints: \"%.100s\" would carry the password in clear; use "
                      "https://",
                      url);
        } else if (!fh_url_is_https(url) && !fh_url_is_loopback(url)) {
            fh_warn(loading, line,
                    "arbiter.endpoints: \"%.100s\" is not encrypted: whoever can reach the network "
                    "in between decides who leads; use https://",
                    url);
        }
    }
}

static void check_together(struct fh_loading *loading, const char *one, const char *one_value,
                           const char *other, const char *other_value)
{
    if ((one_value[0] == '\0') != (other_value[0] == '\0') && fh_usable(loading, one, 0) &&
        fh_usable(loading, other, 0)) {
        const char *given = one_value[0] != '\0' ? one : other;
        fh_refuse(loading, fh_line_of(loading, given, 0),
                  "%s is given without %s; they go together", given, given == one ? other : one);
    }
}

static void check_etcd(struct fh_loading *loading)
{
    const struct fh_config_arbiter *arbiter = &loading->config->arbiter;
    check_endpoints(loading);
    check_together(loading, "arbiter.cert_file", arbiter->cert_file, "arbiter.key_file",
                   arbiter->key_file);
    check_together(loading, "arbiter.user", arbiter->user, "arbiter.password_file",
                   arbiter->password_file);
    if (arbiter->pair_name[0] != '\0') {
        fh_check_name(loading, "arbiter.pair_name", arbiter->pair_name, 0);
    }
    if (arbiter->ttl_ms % 1000 != 0 && fh_usable(loading, "arbiter.ttl_ms", 0)) {
        fh_warn(loading, fh_line_of(loading, "arbiter.ttl_ms", 0),
                "arbiter.ttl_ms is %" PRId64 ", but etcd counts whole seconds: a takeover waits "
                "for %" PRId64 " ms",
                arbiter->ttl_ms, (arbiter->ttl_ms + 999) / 1000 * 1000);
    }
}

/* A lease that lapses before the peer is missed would stop a primary whose pair is well. */
static void check_times(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    int64_t failure_ms = config->pair.heartbeat_ms * config->pair.failure_after;
    if (config->arbiter.request_timeout_ms * 2 > config->arbiter.ttl_ms &&
        fh_usable(loading, "arbiter.request_timeout_ms", 0) &&
        fh_usable(loading, "arbiter.ttl_ms", 0)) {
        const char *given = fh_given(loading, "arbiter.request_timeout_ms", 0)
                                ? "arbiter.request_timeout_ms"
                                : "arbiter.ttl_ms";
        fh_refuse(loading, fh_line_of(loading, given, 0),
                  "arbiter.request_timeout_ms is %" PRId64
                  ", more than half of arbiter.ttl_ms (%" PRId64
                  "): a lease must outlast a request that gets no answer and the next",
                  config->arbiter.request_timeout_ms, config->arbiter.ttl_ms);
    }
    if (config->arbiter.ttl_ms <= failure_ms && fh_usable(loading, "arbiter.ttl_ms", 0)) {
        const char *given =
            fh_given(loading, "arbiter.ttl_ms", 0) ? "arbiter.ttl_ms" : "pair.failure_after";
        fh_refuse(loading, fh_line_of(loading, given, 0),
                  "arbiter.ttl_ms is %" PRId64 "; it must be longer than pair.heartbeat_ms x "
                  "failure_after (%" PRId64 " ms)",
                  config->arbiter.ttl_ms, failure_ms);
    }
}

void fh_config_check_arbiter(struct fh_loading *loading)
{
    const struct fh_config *config = loading->config;
    if (config->arbiter.type == FH_ARBITER_NONE) {
        return;
    }
    if (!config->pair.present) {
        fh_refuse(loading, fh_line_of(loading, "arbiter.type", 0),
                  "arbiter.type is given, but there is no section pair: a node alone needs no "
                  "arbiter; write type = \"none\";");
        return;
    }
    if (config->arbiter.type == FH_ARBITER_WITNESS) {
        check_witness(loading);
    } else {
        check_etcd(loading);
    }
    check_times(loading);
}
