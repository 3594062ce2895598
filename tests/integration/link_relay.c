/* link_relay.c: a bad network on one host: connections that stall, datagrams that get lost or come
 * again. */
#include "link_relay.h"

#include "link_node.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32
#define KEPT_MAX        32
#define REPLAY_MS       10

struct kept {
    size_t len;
    unsigned char bytes[2048];
};

static struct {
    struct sockaddr_in target;
    int listener, datagrams, orders;
    int end[CONNECTIONS_MAX][2]; /* the node's, the target's */
    size_t connections;
    bool hold, drop, replay;
    struct kept kept[KEPT_MAX];
    size_t kept_count, next;
} me;

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void join(void)
{
    int from = accept(me.listener, NULL, NULL);
    int to = socket(AF_INET, SOCK_STREAM, 0);
    if (from < 0 || to < 0 || me.connections == CONNECTIONS_MAX ||
        connect(to, (struct sockaddr *)&me.target, sizeof(me.target)) < 0) {
        close(from);
        close(to);
        return;
    }
    me.end[me.connections][0] = from;
    me.end[me.connections][1] = to;
    me.connections++;
}

/* Blocking writes will do: what is passed on is little, and read. False: an end was closed. */
static bool pass(int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));
    return n > 0 && write(to, bytes, (size_t)n) == n;
}

static void part(size_t index)
{
    close(me.end[index][0]);
    close(me.end[index][1]);
    me.connections--;
    memmove(&me.end[index], &me.end[index + 1], (me.connections - index) * sizeof(me.end[0]));
}

static void send_kept(const struct kept *kept)
{
    (void)sendto(me.datagrams, kept->bytes, kept->len, 0, (struct sockaddr *)&me.target,
                 sizeof(me.target));
}

static void take_datagram(void)
{
    struct kept kept;
    ssize_t n = recv(me.datagrams, kept.bytes, sizeof(kept.bytes), MSG_DONTWAIT);
    if (n <= 0 || me.drop) {
        return;
    }
    kept.len = (size_t)n;
    send_kept(&kept);
    me.kept[me.next++ % KEPT_MAX] = kept;
    me.kept_count = me.kept_count < KEPT_MAX ? me.kept_count + 1 : KEPT_MAX;
}

static void take_order(void)
{
    char order = 0;
    if (read(me.orders, &order, 1) != 1) {
        _exit(0);
    }
    if (order == RELAY_HOLD_CONNECTIONS || order == RELAY_PASS_CONNECTIONS) {
        me.hold = order == RELAY_HOLD_CONNECTIONS;
    } else {
        me.drop = order != RELAY_PASS_DATAGRAMS;
        me.replay = order == RELAY_REPLAY_DATAGRAMS;
    }
    if (write(STDOUT_FILENO, &order, 1) != 1) {
        _exit(1);
    }
}

static void turn(void)
{
    struct pollfd fd[3 + 2 * CONNECTIONS_MAX] = {
        {me.orders, POLLIN, 0}, {me.datagrams, POLLIN, 0}, {me.hold ? -1 : me.listener, POLLIN, 0}};
    size_t count = me.connections;
    for (size_t i = 0; i < count; i++) {
        for (size_t side = 0; side < 2; side++) {
            fd[3 + 2 * i + side] = (struct pollfd){me.hold ? -1 : me.end[i][side], POLLIN, 0};
        }
    }
    int ready = poll(fd, 3 + 2 * count, me.replay ? REPLAY_MS : -1);
    if (me.replay && me.kept_count > 0) {
        send_kept(&me.kept[me.next++ % me.kept_count]);
    }
    if (ready <= 0) {
        return;
    }
    for (size_t i = count; i-- > 0;) {
        for (size_t side = 0; side < 2; side++) {
            if (fd[3 + 2 * i + side].revents && !pass(me.end[i][side], me.end[i][!side])) {
                part(i);
                break;
            }
        }
    }
    if (fd[1].revents) {
        take_datagram();
    }
    if (fd[2].revents) {
        join();
    }
    if (fd[0].revents) {
        take_order();
    }
}

void link_relay_start(struct link_relay *relay, int target_port)
{
    int in[2];
    int out[2];
    relay->port = link_node_free_port();
    struct sockaddr_in own = loopback(relay->port);
    int on = 1;
    memset(&me, 0, sizeof(me));
    me.target = loopback(target_port);
    me.listener = socket(AF_INET, SOCK_STREAM, 0);
    me.datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(me.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(me.listener, (struct sockaddr *)&own, sizeof(own)) < 0 ||
        listen(me.listener, 16) < 0 ||
        bind(me.datagrams, (struct sockaddr *)&own, sizeof(own)) < 0 || pipe(in) < 0 ||
        pipe(out) < 0) {
        perror("relay");
        exit(1);
    }
    fflush(NULL);
    relay->pid = fork();
    if (relay->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        close(out[0]);
        me.orders = in[0];
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            turn();
        }
    }
    close(me.listener);
    close(me.datagrams);
    close(in[0]);
    close(out[1]);
    relay->to = in[1];
    relay->from = out[0];
}

void link_relay_order(struct link_relay *relay, enum link_relay_order order)
{
    char byte = (char)order;
    if (write(relay->to, &byte, 1) != 1 || read(relay->from, &byte, 1) != 1) {
        perror("relay");
        abort();
    }
}

void link_relay_stop(struct link_relay *relay)
{
    kill(relay->pid, SIGKILL);
    waitpid(relay->pid, NULL, 0);
    close(relay->to);
    close(relay->from);
}
