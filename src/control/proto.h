/* proto.h: the lines of the control socket as text and back. Pure but for cJSON's memory; input is
 * whatever somebody typed into the socket. */
#ifndef FH_CONTROL_PROTO_H
#define FH_CONTROL_PROTO_H

#include "fh/err.h"

#include <cjson/cJSON.h>
#include <stddef.h>

#define FH_CONTROL_VERSION     1
#define FH_CONTROL_REQUEST_MAX ((size_t)64 * 1024)
#define FH_CONTROL_UNSENT_MAX  ((size_t)8 * 1024 * 1024)
#define FH_CONTROL_CLIENTS_MAX 32
/* One answer or streamed line as the client accepts it. */
#define FH_CONTROL_LINE_MAX ((size_t)16 * 1024 * 1024)

/* *ret_root is owned by the caller (cJSON_Delete); command and arguments (NULL when absent) point
 * into it. -EBADMSG, -EPROTONOSUPPORT for another version, -ENOMEM; each with a sentence that is
 * fit for the one who sent the line. */
int fh_control_parse_request(const char *line, size_t len, cJSON **ret_root,
                             const char **ret_command, const cJSON **ret_arguments,
                             struct fh_error *err);
/* *ret_result (may become NULL) is owned by the caller. -EREMOTEIO with the daemon's sentence for a
 * refusal, -EBADMSG for anything that is not an answer. */
int fh_control_parse_answer(const char *line, size_t len, cJSON **ret_result, struct fh_error *err);

/* Without newline, malloc'ed; NULL when out of memory. arguments and result may be NULL and stay
 * the caller's. error non-NULL makes a refusal. */
char *fh_control_print_request(const char *command, const cJSON *arguments);
char *fh_control_print_answer(const cJSON *result, const char *error);

#endif
