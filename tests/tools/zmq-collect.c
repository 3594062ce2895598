/* zmq-collect: a downstream program of a ZeroMQ sink, as an operator would write it: connects to
 * both nodes, appends each record to a file, and confirms it where that is the pattern.
 *
 *   zmq-collect pull|dealer|sub FILE ENDPOINT... [options]
 *     --server-key KEY     public key of the nodes (they share it here), once per endpoint in order
 *     --secret-file FILE   our own secret key
 *     --frames FILE        append the frames before the record, a line per message
 *     --topic TEXT         sub: subscribe to this instead of everything
 *
 * A record is confirmed after write(2). SIGTERM: where records are confirmed, ends at once; else
 * when nothing has come for a moment, because what has been received counts as delivered. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define ENDPOINTS_MAX 8
#define FRAMES        5
#define QUIET_MS      300
#define HIGH_WATER    100000

static volatile sig_atomic_t stopping;

static void on_term(int number)
{
    (void)number;
    stopping = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "zmq-collect: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

struct collector {
    int type;
    const char *topic;
    int file, frames;
    char secret[41], public[41];
    const char *server_key[ENDPOINTS_MAX];
    size_t server_key_count;
    const char *endpoint[ENDPOINTS_MAX];
    void *socket[ENDPOINTS_MAX];
    size_t count;
};

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            die("write");
        }
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
}

static void keep(const struct collector *collector, zmq_msg_t frame[FRAMES])
{
    size_t len = zmq_msg_size(&frame[FRAMES - 1]);
    char *line = malloc(len + 1);
    if (!line) {
        die("malloc");
    }
    memcpy(line, zmq_msg_data(&frame[FRAMES - 1]), len);
    line[len] = '\n';
    write_all(collector->file, line, len + 1);
    free(line);
    for (size_t i = 0; collector->frames >= 0 && i < FRAMES - 1; i++) {
        write_all(collector->frames, zmq_msg_data(&frame[i]), zmq_msg_size(&frame[i]));
        write_all(collector->frames, i < FRAMES - 2 ? " " : "\n", 1);
    }
}

/* One message; false when there is none. */
static bool take(const struct collector *collector, void *socket)
{
    zmq_msg_t frame[FRAMES];
    size_t count = 0;
    bool more = true;
    while (more && count < FRAMES) {
        zmq_msg_init(&frame[count]);
        if (zmq_msg_recv(&frame[count], socket, count == 0 ? ZMQ_DONTWAIT : 0) < 0) {
            zmq_msg_close(&frame[count]);
            break;
        }
        more = zmq_msg_more(&frame[count++]) != 0;
    }
    if (count == FRAMES && !more) {
        keep(collector, frame);
        if (collector->type == ZMQ_DEALER) {
            zmq_send(socket, zmq_msg_data(&frame[1]), zmq_msg_size(&frame[1]), 0);
        }
    } else if (count > 0) {
        fprintf(stderr, "zmq-collect: a message that is not of %d frames\n", FRAMES);
        exit(1);
    }
    for (size_t i = 0; i < count; i++) {
        zmq_msg_close(&frame[i]);
    }
    return count > 0;
}

static void run(const struct collector *collector)
{
    zmq_pollitem_t item[ENDPOINTS_MAX];
    while (true) {
        for (size_t i = 0; i < collector->count; i++) {
            item[i] = (zmq_pollitem_t){.socket = collector->socket[i], .events = ZMQ_POLLIN};
        }
        int ready = zmq_poll(item, (int)collector->count, QUIET_MS);
        if (stopping && (ready == 0 || collector->type == ZMQ_DEALER)) {
            return;
        }
        for (size_t i = 0; ready > 0 && i < collector->count; i++) {
            for (int n = 0; n < 100 && take(collector, collector->socket[i]); n++) {
            }
        }
    }
}

static void connect_to(struct collector *collector, void *zmq, size_t index)
{
    void *socket = zmq_socket(zmq, collector->type);
    int high_water = HIGH_WATER;
    int linger_ms = 1000;
    int reconnect_ms = 50;
    int connect_ms = 1000; /* else a lost SYN is waited for by the kernel's patience */
    int ping_ms = 2000;    /* a node that has vanished closes no connection */
    collector->socket[index] = socket;
    if (!socket || zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof(high_water)) != 0 ||
        zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms)) != 0 ||
        zmq_setsockopt(socket, ZMQ_CONNECT_TIMEOUT, &connect_ms, sizeof(connect_ms)) != 0 ||
        zmq_setsockopt(socket, ZMQ_HEARTBEAT_IVL, &ping_ms, sizeof(ping_ms)) != 0 ||
        zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof(reconnect_ms)) != 0) {
        die("socket");
    }
    if (collector->server_key_count > 0) {
        const char *server = collector->server_key[index % collector->server_key_count];
        if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, 40) != 0 ||
            zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, collector->public, 40) != 0 ||
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, collector->secret, 40) != 0) {
            die("keys");
        }
    }
    if (collector->type == ZMQ_SUB &&
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, collector->topic, strlen(collector->topic)) != 0) {
        die("subscribe");
    }
    if (zmq_connect(socket, collector->endpoint[index]) != 0) {
        die(collector->endpoint[index]);
    }
}

static void read_secret(struct collector *collector, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file || fread(collector->secret, 1, 40, file) != 40 ||
        zmq_curve_public(collector->public, collector->secret) != 0) {
        die(path);
    }
    fclose(file);
}

static int append_to(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        die(path);
    }
    return fd;
}

static void parse(struct collector *collector, int argc, char **argv)
{
    for (int i = 3; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool option = strncmp(argv[i], "--", 2) == 0;
        if (collector->count == ENDPOINTS_MAX || collector->server_key_count == ENDPOINTS_MAX) {
            exit(2);
        }
        if (strcmp(argv[i], "--server-key") == 0) {
            collector->server_key[collector->server_key_count++] = value;
        } else if (strcmp(argv[i], "--secret-file") == 0) {
            read_secret(collector, value);
        } else if (strcmp(argv[i], "--frames") == 0) {
            collector->frames = append_to(value);
        } else if (strcmp(argv[i], "--topic") == 0) {
            collector->topic = value;
        } else if (option) {
            fprintf(stderr, "zmq-collect: unknown option %s\n", argv[i]);
            exit(2);
        } else {
            collector->endpoint[collector->count++] = argv[i];
        }
        i += option;
    }
}

int main(int argc, char **argv)
{
    struct collector collector = {.frames = -1, .topic = ""};
    if (argc < 4) {
        fprintf(stderr, "usage: zmq-collect pull|dealer|sub FILE ENDPOINT...\n");
        return 2;
    }
    collector.type = strcmp(argv[1], "pull") == 0     ? ZMQ_PULL
                     : strcmp(argv[1], "dealer") == 0 ? ZMQ_DEALER
                                                      : ZMQ_SUB;
    collector.file = append_to(argv[2]);
    parse(&collector, argc, argv);
    struct sigaction action = {.sa_handler = on_term};
    sigaction(SIGTERM, &action, NULL);
    void *zmq = zmq_ctx_new();
    for (size_t i = 0; i < collector.count; i++) {
        connect_to(&collector, zmq, i);
    }
    run(&collector);
    for (size_t i = 0; i < collector.count; i++) {
        zmq_close(collector.socket[i]);
    }
    zmq_ctx_term(zmq);
    return 0;
}
