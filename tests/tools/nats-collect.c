/* nats-collect.c: what is in a stream of NATS JetStream, for tests: reads it from its beginning to
 * its end with a consumer of its own and keeps nothing at the server.
 *
 *   nats-collect URL STREAM            the messages, a line each, as they lie in the stream
 *   nats-collect --ids URL STREAM      their sequence, Nats-Msg-Id and subject instead
 *   nats-collect --leader URL STREAM   who leads the stream, and how many follow closely
 *
 * All of it, or nothing and an error (a server of a cluster that has fallen behind). A stream that
 * does not exist is empty. Shares no code with the sink it checks. */
#include <nats/nats.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 5000

static int complain(const char *what, natsStatus status)
{
    const char *more = nats_GetLastError(NULL);
    fprintf(stderr, "nats-collect: %s: %s%s%s\n", what, natsStatus_GetText(status),
            more ? ": " : "", more ? more : "");
    return 1;
}

static void print(natsMsg *msg, bool ids, FILE *into)
{
    const char *id = NULL;
    if (!ids) {
        fwrite(natsMsg_GetData(msg), 1, (size_t)natsMsg_GetDataLength(msg), into);
        putc('\n', into);
        return;
    }
    if (natsMsgHeader_Get(msg, "Nats-Msg-Id", &id) != NATS_OK) {
        id = "-";
    }
    fprintf(into, "%" PRIu64 " %s %s\n", natsMsg_GetSequence(msg), id, natsMsg_GetSubject(msg));
}

static int collect(jsCtx *js, const char *stream, uint64_t messages, bool ids)
{
    natsSubscription *subscription = NULL;
    jsSubOptions options;
    char *text = NULL;
    size_t len = 0;
    FILE *into = open_memstream(&text, &len);
    if (!into) {
        return complain("keep the messages", NATS_NO_MEMORY);
    }
    jsSubOptions_Init(&options);
    options.Stream = stream;
    options.Ordered = true;
    natsStatus status = js_SubscribeSync(&subscription, js, ">", NULL, &options, NULL);
    for (uint64_t i = 0; status == NATS_OK && i < messages; i++) {
        natsMsg *msg = NULL;
        status = natsSubscription_NextMsg(&msg, subscription, WAIT_MS);
        if (status == NATS_OK) {
            print(msg, ids, into);
            natsMsg_Destroy(msg);
        }
    }
    natsSubscription_Unsubscribe(subscription);
    natsSubscription_Destroy(subscription);
    if (fclose(into) != 0 && status == NATS_OK) {
        status = NATS_NO_MEMORY;
    }
    if (status == NATS_OK) {
        fwrite(text, 1, len, stdout);
    }
    free(text);
    return status == NATS_OK ? 0 : complain("read the stream", status);
}

static void print_leader(const jsClusterInfo *cluster)
{
    int current = 0;
    for (int i = 0; cluster && i < cluster->ReplicasLen; i++) {
        current += cluster->Replicas[i]->Current && !cluster->Replicas[i]->Offline;
    }
    printf("%s %d\n", cluster && cluster->Leader ? cluster->Leader : "-", current);
}

static int run(const char *what, const char *url, const char *stream)
{
    natsConnection *connection = NULL;
    jsCtx *js = NULL;
    jsStreamInfo *info = NULL;
    jsErrCode code = (jsErrCode)0;
    int r = 0;
    natsStatus status = natsConnection_ConnectTo(&connection, url);
    if (status == NATS_OK) {
        status = natsConnection_JetStream(&js, connection, NULL);
    }
    if (status == NATS_OK) {
        status = js_GetStreamInfo(&info, js, stream, NULL, &code);
    }
    if (status == NATS_NOT_FOUND) {
        r = 0;
    } else if (status != NATS_OK) {
        r = complain("look at the stream", status);
    } else if (strcmp(what, "--leader") == 0) {
        print_leader(info->Cluster);
    } else {
        r = collect(js, stream, info->State.Msgs, strcmp(what, "--ids") == 0);
    }
    jsStreamInfo_Destroy(info);
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
    nats_CloseAndWait(WAIT_MS);
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: nats-collect [--ids|--leader] URL STREAM\n");
        return 2;
    }
    int r = run(argc == 4 ? argv[1] : "", argv[argc - 2], argv[argc - 1]);
    return fflush(stdout) == 0 ? r : 1;
}
