/* grpc_request.h: the one message a gRPC client sends: EventsStreamRequest. Pure. */
#ifndef SIM_GRPC_REQUEST_H
#define SIM_GRPC_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#define SIM_GRPC_PREFIX      5    /* flag and length before each message */
#define SIM_GRPC_REQUEST_MAX 4096 /* of the message */

/* 0 stands for a field that is not there, as always in proto3. */
struct sim_grpc_request {
    int64_t min_partition;
    int64_t max_partition;
    int64_t from_timestamp;
    int64_t replica_id;
};

/* The message without its prefix. Unknown fields are skipped. -EINVAL: not protobuf, or a field of
 * ours of another wire type. */
int sim_grpc_request_read(const void *bytes, size_t len, struct sim_grpc_request *ret);
/* The whole body of the call: one message, plain or gzip as ->gzip of the call says. -EINVAL: no
 * message, or more than one; -EMSGSIZE; -ENOTSUP: compressed, and nobody said how. */
int sim_grpc_body_read(const char *body, size_t len, int gzip, struct sim_grpc_request *ret);

#endif
