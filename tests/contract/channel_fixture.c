/* channel_fixture.c: owns the one channel_server of a test. */
#include "channel_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct channel_server server = {.lock = PTHREAD_MUTEX_INITIALIZER};

void channel_serve(struct fixture *fixture, enum fh_channel channel, channel_script script,
                   bool tls)
{
    server.channel = channel;
    server.script = script;
    server.userdata = fixture;
    memset(server.requests, 0, sizeof(server.requests));
    struct fh_config_firehose *firehose = &fixture->config.firehose;
    firehose->channel = channel;
    snprintf(firehose->grpc_path, sizeof(firehose->grpc_path), "%s",
             "/firehose_api_v1.Firehose/GetEvents");
    fixture->server.headless = channel == FH_CHANNEL_GRPC;
    fixture_serve_with(fixture, channel_server_play, &server, tls);
}

enum fh_channel channel_from_arguments(int argc, char **argv)
{
    static const char *const names[] = {"http", "websocket", "grpc"};
    for (unsigned i = 0; i < FH_ARRAY_LEN(names); i++) {
        if (argc == 2 && strcmp(argv[1], names[i]) == 0) {
            printf("over %s\n", names[i]);
            return (enum fh_channel)i;
        }
    }
    fprintf(stderr, "usage: %s http|websocket|grpc\n", argv[0]);
    exit(2);
}

struct channel_request channel_asked(unsigned n)
{
    return channel_server_request(&server, n);
}

struct collected channel_collected(struct fixture *fixture)
{
    struct collected result;
    fixture_collected(fixture, 0, &result);
    return result;
}

struct fh_receiver_status channel_status(struct fixture *fixture, unsigned receiver)
{
    struct fh_receiver_status status;
    fh_sources_status(fixture->sources, receiver, &status);
    return status;
}

bool channel_lines_are(struct fixture *fixture, unsigned first, unsigned count, bool varied)
{
    size_t size = (size_t)count * 600;
    char *text = malloc(size);
    if (!text) {
        abort();
    }
    size_t len = 0;
    for (unsigned n = first; n < first + count; n++) {
        len += channel_record_text(n, varied ? n % 300 : 1, text + len, size - len);
    }
    bool same = fixture_text_is(fixture, text, len);
    free(text);
    return same;
}

void channel_breathe(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void channel_play_pieces(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_send_pieces(peer, 0, CHANNEL_MANY, 11)) {
        channel_wait_closed(peer);
    }
}

void channel_play_one(struct channel_peer *peer, void *userdata)
{
    (void)userdata;
    if (channel_open(peer) && channel_send_record(peer, peer->peer->number, 1)) {
        channel_wait_closed(peer);
    }
}
