/* fuzz_sim_request: what firehose-sim reads from the network with hand-written parsers, and the
 * lines of recordings it turns into protobuf. The first byte chooses. */
#include "grpc_request.h"
#include "query.h"
#include "record_encode.h"
#include "request.h"
#include "websocket_frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const char *text, size_t len)
{
    static struct sim_request request;
    struct sim_head head;
    char name[32];
    char value[64];
    size_t position = 0;
    memset(&request, 0, sizeof(request));
    if (!sim_request_read_head(text, len, &request, &head)) {
        return;
    }
    assert(request.http_version == 1 && request.target[0] == '/');
    assert(strlen(request.method) < sizeof(request.method));
    const char *mark = strchr(request.target, '?');
    while (mark && sim_query_next(mark + 1, &position, name, sizeof(name), value, sizeof(value))) {
        assert(strlen(name) < sizeof(name) && strlen(value) < sizeof(value));
    }
}

/* A stream of frames, as a connection walks along it. */
static void check_frames(const char *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    size_t at = 0;
    assert(copy);
    memcpy(copy, bytes, len);
    for (;;) {
        struct sim_ws_frame frame;
        unsigned char head[SIM_WS_HEAD_MAX];
        if (sim_ws_frame_read(copy + at, len - at, &frame) <= 0) {
            break;
        }
        assert(frame.length <= SIM_WS_RECEIVED_MAX && frame.head <= len - at);
        if (frame.length > len - at - frame.head) {
            break;
        }
        sim_ws_frame_unmask(&frame, copy + at + frame.head);
        /* Ours is the same head without the mask. */
        size_t own =
            sim_ws_frame_head(frame.final, (enum sim_ws_opcode)frame.opcode, frame.length, head);
        assert(own + 4 == frame.head && head[0] == (unsigned char)copy[at]);
        at += frame.head + (size_t)frame.length;
    }
    free(copy);
}

static void check_call(const char *bytes, size_t len)
{
    struct sim_grpc_request request = {.min_partition = -77};
    int r = sim_grpc_body_read(bytes, len, 1, &request);
    assert(r == 0 || request.min_partition == -77);
    if (r == 0) {
        assert(request.replica_id >= INT32_MIN && request.replica_id <= INT32_MAX);
    }
    (void)sim_grpc_request_read(bytes, len, &request);
}

static void check_line(const char *line, size_t len)
{
    static struct sim_schema *schema;
    struct fh_buf out;
    if (!schema && sim_schema_new(&schema) < 0) {
        abort();
    }
    fh_buf_init(&out, 1 << 20);
    if (fh_buf_append(&out, "kept", 4) == 0) {
        int r = sim_record_encode(schema, line, len, &out);
        assert(memcmp(out.data, "kept", 4) == 0 && (r == 0 || out.len == 4));
        assert(r == 0 || r == -EINVAL || r == -ENOBUFS);
    }
    fh_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)data + 1;
    switch (data[0] & 3) {
    case 0:
        check_head(text, size - 1);
        break;
    case 1:
        check_frames(text, size - 1);
        break;
    case 2:
        check_call(text, size - 1);
        break;
    default:
        check_line(text, size - 1);
        break;
    }
    return 0;
}
