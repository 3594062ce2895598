/* control.h: the control socket: one JSON object per line each way over a UNIX stream socket.
 *
 * Request   {"v":1,"command":"status","arguments":{...}}
 * Answer    {"v":1,"ok":true,"result":{...}}  or  {"v":1,"ok":false,"error":"sentence"}
 * A streaming command (tail) answers ok and then sends lines until the client hangs up.
 * Server side: on the main sd-event loop; at most 32 clients, 64 KiB a request, 8 MiB unsent. When
 * there are 32, one that has neither asked nor taken anything for a minute is closed for the next.
 */
#ifndef FH_CONTROL_H
#define FH_CONTROL_H

#include "fh/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

struct fh_control_server;
struct fh_control_client; /* one connection, at the server */

struct fh_control_command {
    const char *name;
    /* arguments may be NULL. Return 0 and *ret_result (may stay NULL), or negative errno with a
     * sentence. A streaming command returns 1 after taking hold of the client. */
    int (*run)(void *userdata, const cJSON *arguments, struct fh_control_client *client,
               cJSON **ret_result, struct fh_error *err);
};

/* commands: ended by a row with name NULL; kept by reference. The socket is made with mode 0660;
 * a stale one is replaced, one that answers is -EADDRINUSE. */
int fh_control_server_new(sd_event *event, const char *path,
                          const struct fh_control_command *commands, void *userdata,
                          struct fh_error *err, struct fh_control_server **ret);
void fh_control_server_free(struct fh_control_server *server); /* closes, unlinks */
/* Instead of a minute; for tests. */
void fh_control_server_idle(struct fh_control_server *server, int idle_ms);

/* Streaming clients: closed is called once when the client is gone (also on server_free). */
void fh_control_client_stream(struct fh_control_client *client,
                              void (*closed)(void *userdata, struct fh_control_client *client),
                              void *userdata);
/* One line (newline added). -ENOBUFS when the client reads too slowly: the line is dropped. */
int fh_control_client_send(struct fh_control_client *client, const char *line, size_t len);

/* Client side, blocking (firehosectl). */
int fh_control_connect(const char *path, struct fh_error *err);
/* Sends the request and reads the answer; *ret_result owned by the caller (cJSON_Delete). A
 * refusal is -EREMOTEIO with the daemon's sentence. timeout_ms bounds the wait. */
int fh_control_call(int fd, const char *command, const cJSON *arguments, int timeout_ms,
                    cJSON **ret_result, struct fh_error *err);
/* After a streaming command: next line (no newline) into a malloc'ed string; 0 at the end. */
int fh_control_read_line(int fd, char **ret_line, struct fh_error *err);

#endif
