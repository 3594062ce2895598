/* grpc_status.h: the statuses gRPC ends a stream with, and what they mean to us. Private to
 * src/source. */
#ifndef FH_SOURCE_GRPC_STATUS_H
#define FH_SOURCE_GRPC_STATUS_H

#include "channel.h"

#define FH_GRPC_OK      0
#define FH_GRPC_UNKNOWN 2

/* The value of grpc-status; what is no number from 0 to 16 is UNKNOWN. */
int fh_grpc_status_parse(const char *value, size_t len);
/* "UNAUTHENTICATED" */
const char *fh_grpc_status_name(int status);
/* What the operator should know or do: part of a sentence. */
const char *fh_grpc_status_meaning(int status);
/* STREAM for OK: the stream ended in good order. */
enum fh_verdict fh_grpc_status_verdict(int status);
/* The HTTP status that says the same, 0 = none (firehose-api.md section 5). */
int fh_grpc_status_http(int status);
/* grpc-message: percent-decoded, cut to fit; what is no valid escape stays as it is. */
void fh_grpc_message_decode(const char *value, size_t len, char *text, size_t size);

#endif
