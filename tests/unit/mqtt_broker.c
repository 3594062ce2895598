/* mqtt_broker.c: one connection at a time, one packet after the other. */
#include "mqtt_broker.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLL_MS 20

static bool stopping(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    bool stop = broker->stop;
    pthread_mutex_unlock(&broker->lock);
    return stop;
}

static void put(int fd, const uint8_t *bytes, size_t len)
{
    (void)!send(fd, bytes, len, MSG_NOSIGNAL);
}

static void acknowledge(struct broker *broker, int fd, unsigned id, int reason)
{
    uint8_t head = (uint8_t)(id >> 8);
    uint8_t tail = (uint8_t)id;
    if (broker->version == 5) {
        put(fd, (const uint8_t[]){0x40, 4, head, tail, (uint8_t)reason, 0}, 6);
    } else {
        put(fd, (const uint8_t[]){0x40, 2, head, tail}, 4);
    }
}

static void answer_held(struct broker *broker, int fd)
{
    pthread_mutex_lock(&broker->lock);
    broker->outstanding -= (unsigned)broker->held_count;
    pthread_mutex_unlock(&broker->lock);
    for (size_t i = 0; i < broker->held_count; i++) {
        acknowledge(broker, fd, broker->held[i], 0);
    }
    broker->held_count = 0;
}

static bool read_exactly(struct broker *broker, int fd, uint8_t *into, size_t len)
{
    for (size_t have = 0; have < len;) {
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (poll(&item, 1, POLL_MS) == 0) {
            if (stopping(broker)) {
                return false;
            }
            answer_held(broker, fd);
            continue;
        }
        ssize_t n = read(fd, into + have, len - have);
        if (n <= 0) {
            return false;
        }
        have += (size_t)n;
    }
    return true;
}

static unsigned number(const uint8_t **at)
{
    unsigned value = (unsigned)(*at)[0] << 8 | (*at)[1];
    *at += 2;
    return value;
}

static uint32_t variable(const uint8_t **at)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            break;
        }
    }
    return value;
}

static void string(const uint8_t **at, char *into, size_t size)
{
    unsigned len = number(at);
    snprintf(into, size, "%.*s", (int)len, (const char *)*at);
    *at += len;
}

/* False: the connection ends. */
static bool greet(struct broker *broker, int fd, const uint8_t *at)
{
    char name[16];
    string(&at, name, sizeof(name));
    int version = *at++;
    uint8_t flags = *at++;
    at += 2; /* keep-alive */
    pthread_mutex_lock(&broker->lock);
    broker->version = version;
    broker->connections++;
    broker->outstanding = 0;
    broker->held_count = 0;
    if (version == 5) {
        uint32_t len = variable(&at);
        at += len;
    }
    string(&at, broker->client_id, sizeof(broker->client_id));
    if (flags & 0x80) {
        string(&at, broker->user, sizeof(broker->user));
    }
    if (flags & 0x40) {
        string(&at, broker->password, sizeof(broker->password));
    }
    pthread_mutex_unlock(&broker->lock);
    if (version == 5 && broker->hang_up_on_version5) {
        return false;
    }
    if (version == 5 && broker->only_version3) {
        put(fd, (const uint8_t[]){0x20, 2, 0, 1}, 4);
        return false;
    }
    if (version != 5) {
        put(fd, (const uint8_t[]){0x20, 2, 0, 0}, 4);
        return true;
    }
    uint8_t answer[16] = {0x20, 3, 0, 0, 0};
    uint8_t len = 5;
    if (broker->receive_maximum > 0) {
        answer[len++] = 0x21;
        answer[len++] = (uint8_t)(broker->receive_maximum >> 8);
        answer[len++] = (uint8_t)broker->receive_maximum;
    }
    if (broker->packet_maximum > 0) {
        answer[len++] = 0x27;
        for (int shift = 24; shift >= 0; shift -= 8) {
            answer[len++] = (uint8_t)(broker->packet_maximum >> shift);
        }
    }
    answer[1] = (uint8_t)(len - 2);
    answer[4] = (uint8_t)(len - 5);
    put(fd, answer, len);
    return true;
}

static bool answer(struct broker *broker, int fd, unsigned id, int reason)
{
    switch (reason) {
    case BROKER_SILENT:
        return true;
    case BROKER_CLOSE:
        return false;
    case BROKER_TAKEOVER:
        put(fd, (const uint8_t[]){0xe0, 2, 0x8e, 0}, 4);
        /* closed with something unread, the reason might be lost on the way */
        for (uint8_t byte = 0; read_exactly(broker, fd, &byte, 1);) {
        }
        return false;
    default:
        break;
    }
    if (broker->gathers && broker->held_count < BROKER_HELD_MAX) {
        broker->held[broker->held_count++] = id;
        return true;
    }
    acknowledge(broker, fd, id, reason);
    pthread_mutex_lock(&broker->lock);
    broker->outstanding--;
    pthread_mutex_unlock(&broker->lock);
    return true;
}

static bool take(struct broker *broker, int fd, uint8_t flags, const uint8_t *at, size_t len)
{
    const uint8_t *end = at + len;
    struct broker_message message = {.retain = flags & 1};
    string(&at, message.topic, sizeof(message.topic));
    unsigned id = number(&at);
    if (broker->version == 5) {
        uint32_t properties = variable(&at);
        message.has_key = memmem(at, properties, "firehosed-key", 13) != NULL;
        at += properties;
    }
    char head[32];
    snprintf(head, sizeof(head), "%.*s", (int)(end - at), (const char *)at);
    (void)sscanf(head, "{\"n\":%u", &message.n);
    pthread_mutex_lock(&broker->lock);
    message.connection = broker->connections;
    size_t index = broker->count;
    if (index < BROKER_MESSAGES_MAX) {
        broker->message[broker->count++] = message;
    }
    broker->outstanding++;
    if (broker->outstanding > broker->most_outstanding) {
        broker->most_outstanding = broker->outstanding;
    }
    pthread_mutex_unlock(&broker->lock);
    return answer(broker, fd, id,
                  broker->judge ? broker->judge(broker->userdata, &message, index) : 0);
}

static bool packet(struct broker *broker, int fd)
{
    uint8_t type = 0;
    uint8_t digit = 0;
    uint32_t len = 0;
    if (!read_exactly(broker, fd, &type, 1)) {
        return false;
    }
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (!read_exactly(broker, fd, &digit, 1)) {
            return false;
        }
        len |= (uint32_t)(digit & 0x7f) << shift;
        if (!(digit & 0x80)) {
            break;
        }
    }
    uint8_t *body = malloc(len + 1);
    bool goes_on = body && read_exactly(broker, fd, body, len);
    if (goes_on && type >> 4 == 1) {
        goes_on = greet(broker, fd, body);
    } else if (goes_on && type >> 4 == 3) {
        goes_on = take(broker, fd, type & 15, body, len);
    } else if (goes_on && type >> 4 == 12) {
        put(fd, (const uint8_t[]){0xd0, 0}, 2);
    } else if (type >> 4 == 14) {
        goes_on = false;
    }
    free(body);
    return goes_on;
}

static void *run(void *userdata)
{
    struct broker *broker = userdata;
    while (!stopping(broker)) {
        struct pollfd item = {.fd = broker->listener, .events = POLLIN};
        if (poll(&item, 1, POLL_MS) <= 0) {
            continue;
        }
        int fd = accept(broker->listener, NULL, NULL);
        while (fd >= 0 && packet(broker, fd)) {
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return NULL;
}

int broker_start(struct broker *broker)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t size = sizeof(address);
    pthread_mutex_init(&broker->lock, NULL);
    broker->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(broker->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(broker->listener, 8) != 0 ||
        getsockname(broker->listener, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    broker->port = ntohs(address.sin_port);
    return pthread_create(&broker->thread, NULL, run, broker);
}

void broker_stop(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    broker->stop = true;
    pthread_mutex_unlock(&broker->lock);
    pthread_join(broker->thread, NULL);
    close(broker->listener);
    pthread_mutex_destroy(&broker->lock);
}

size_t broker_count(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    size_t count = broker->count;
    pthread_mutex_unlock(&broker->lock);
    return count;
}

unsigned broker_connections(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    unsigned connections = broker->connections;
    pthread_mutex_unlock(&broker->lock);
    return connections;
}
