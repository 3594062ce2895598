/* grpc_status.c: the table of gRPC's statuses as the vendor documents them, and how their messages
 * are written. Pure. */
#include "grpc_status.h"

#include <string.h>

struct row {
    const char *name;
    enum fh_verdict verdict;
    int http_status;
    const char *meaning;
};

#define FAULT "the service or a proxy has a problem of its own"

/* REFUSED is what no retry can change; everything not documented may pass. */
static const struct row rows[] = {
    {"OK", FH_VERDICT_STREAM, 0, "the service ended the stream"},
    {"CANCELLED", FH_VERDICT_RETRY, 0, FAULT},
    {"UNKNOWN", FH_VERDICT_RETRY, 500, FAULT},
    {"INVALID_ARGUMENT", FH_VERDICT_REFUSED, 400,
     "the service rejects the request: check firehose.replica_id and the ranges"},
    {"DEADLINE_EXCEEDED", FH_VERDICT_RETRY, 0, "the service took too long"},
    {"NOT_FOUND", FH_VERDICT_RETRY, 404, FAULT},
    {"ALREADY_EXISTS", FH_VERDICT_RETRY, 0, FAULT},
    {"PERMISSION_DENIED", FH_VERDICT_REFUSED, 403,
     "the gRPC endpoint is not enabled for this activation, or the key may not use it: check "
     "firehose.channel"},
    {"RESOURCE_EXHAUSTED", FH_VERDICT_RETRY, 429,
     "rate limit or connection limit exceeded (12 connections; replicas up to 3)"},
    {"FAILED_PRECONDITION", FH_VERDICT_RETRY, 0, FAULT},
    {"ABORTED", FH_VERDICT_RETRY, 0, FAULT},
    {"OUT_OF_RANGE", FH_VERDICT_RETRY, 0, FAULT},
    {"UNIMPLEMENTED", FH_VERDICT_REFUSED, 404,
     "the service has no such method: check firehose.url and firehose.grpc_path"},
    {"INTERNAL", FH_VERDICT_RETRY, 500, FAULT},
    {"UNAVAILABLE", FH_VERDICT_RETRY, 503, "the service is not available at the moment"},
    {"DATA_LOSS", FH_VERDICT_RETRY, 0, FAULT},
    {"UNAUTHENTICATED", FH_VERDICT_REFUSED, 401,
     "the API key is missing, invalid or blocked: check firehose.api_key_file, or the credential "
     "api_key"},
};

static const struct row *row_of(int status)
{
    bool known = status >= 0 && (size_t)status < FH_ARRAY_LEN(rows);
    return &rows[known ? status : FH_GRPC_UNKNOWN];
}

int fh_grpc_status_parse(const char *value, size_t len)
{
    int status = 0;
    if (len < 1 || len > 2) {
        return FH_GRPC_UNKNOWN;
    }
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return FH_GRPC_UNKNOWN;
        }
        status = status * 10 + (value[i] - '0');
    }
    return (size_t)status < FH_ARRAY_LEN(rows) ? status : FH_GRPC_UNKNOWN;
}

const char *fh_grpc_status_name(int status)
{
    return row_of(status)->name;
}

const char *fh_grpc_status_meaning(int status)
{
    return row_of(status)->meaning;
}

enum fh_verdict fh_grpc_status_verdict(int status)
{
    return row_of(status)->verdict;
}

int fh_grpc_status_http(int status)
{
    return row_of(status)->http_status;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void fh_grpc_message_decode(const char *value, size_t len, char *text, size_t size)
{
    size_t out = 0;
    for (size_t i = 0; i < len && out + 1 < size; i++) {
        char c = value[i];
        if (c == '%' && len - i > 2 && hex_digit(value[i + 1]) >= 0 &&
            hex_digit(value[i + 2]) >= 0) {
            int byte = hex_digit(value[i + 1]) << 4 | hex_digit(value[i + 2]);
            c = byte == 0 ? '?' : (char)byte; /* the text ends with its NUL, not before */
            i += 2;
        }
        text[out++] = c;
    }
    text[out] = '\0';
}
