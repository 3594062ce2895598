/* relay: a bad network between two network namespaces. Owns one TUN device in each and every packet
 * on its way between them: it delays, drops, doubles, reorders and cuts, as told on standard input
 * and from a printed seed. It never looks into a packet and never touches the machine's own
 * network.
 *
 * Orders, one a line; each is answered by one line "N ok ..." or "N error ..." (N counts the
 * orders):
 *
 *     loss PERCENT [a|b]        of what side a, or b, sends; without a side both
 *     delay MS [JITTER] [a|b]   each packet waits MS +- JITTER, drawn for itself, so jitter
 * reorders duplicate PERCENT [a|b]   the second copy draws a delay of its own reorder PERCENT [a|b]
 * these wait 1 to 50 ms longer, so that later ones overtake them cut [a|b]                 nothing
 * that this side sends arrives heal                      no cut, nothing of the above statistics
 * what happened so far
 *
 * It ends with the end of standard input. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX   2048  /* the devices keep their MTU of 1500 */
#define HELD_MAX     16384 /* packets on their way; more are lost, as in a full queue */
#define AT_ONCE      64    /* packets read before anything else is looked at */
#define LINE_MAX_LEN 128
#define REORDER_MS   50
#define NS_PER_MS    INT64_C(1000000)

struct packet {
    int64_t due_ns;
    uint64_t serial; /* equal due: in order */
    size_t to;
    size_t len;
    unsigned char data[];
};

/* What side X sends. */
struct direction {
    double loss, duplicate, reorder; /* 0 to 1 */
    int64_t delay_ms, jitter_ms;
    bool cut;
    struct {
        uint64_t passed, lost, doubled, late, cut, overflow;
    } count;
};

struct relay {
    int device[2];
    struct direction from[2];
    struct packet *held[HELD_MAX]; /* a heap: the earliest is first */
    size_t held_count;
    uint64_t serial;
    uint64_t random;
    char line[LINE_MAX_LEN];
    size_t line_len;
    uint64_t orders;
    bool over;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(struct relay *relay)
{
    uint64_t z = relay->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bool chance(struct relay *relay, double share)
{
    return (double)(draw(relay) >> 11) * 0x1p-53 < share;
}

/* ---- packets on their way ---- */

static bool earlier(const struct packet *a, const struct packet *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->serial < b->serial;
}

static void hold(struct relay *relay, struct packet *packet)
{
    size_t at = relay->held_count++;
    for (; at > 0 && earlier(packet, relay->held[(at - 1) / 2]); at = (at - 1) / 2) {
        relay->held[at] = relay->held[(at - 1) / 2];
    }
    relay->held[at] = packet;
}

static struct packet *take_first(struct relay *relay)
{
    struct packet *first = relay->held[0];
    struct packet *last = relay->held[--relay->held_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= relay->held_count) {
            break;
        }
        if (child + 1 < relay->held_count && earlier(relay->held[child + 1], relay->held[child])) {
            child++;
        }
        if (!earlier(relay->held[child], last)) {
            break;
        }
        relay->held[at] = relay->held[child];
        at = child;
    }
    relay->held[at] = last;
    return first;
}

/* One copy goes on its way, with a delay of its own. */
static void send_off(struct relay *relay, size_t side, const unsigned char *data, size_t len)
{
    struct direction *from = &relay->from[side];
    struct packet *packet = relay->held_count < HELD_MAX ? malloc(sizeof(*packet) + len) : NULL;
    if (!packet) {
        from->count.overflow++;
        return;
    }
    int64_t ms = from->delay_ms;
    int64_t wait_ns = ms * NS_PER_MS;
    if (from->jitter_ms > 0) {
        uint64_t span = (uint64_t)(2 * from->jitter_ms * NS_PER_MS);
        wait_ns += (int64_t)(draw(relay) % span) - from->jitter_ms * NS_PER_MS;
    }
    if (chance(relay, from->reorder)) {
        wait_ns += (int64_t)(draw(relay) % REORDER_MS + 1) * NS_PER_MS;
        from->count.late++;
    }
    packet->due_ns = now_ns() + (wait_ns > 0 ? wait_ns : 0);
    packet->serial = relay->serial++;
    packet->to = 1 - side;
    packet->len = len;
    memcpy(packet->data, data, len);
    hold(relay, packet);
}

static void arrived(struct relay *relay, size_t side, const unsigned char *data, size_t len)
{
    struct direction *from = &relay->from[side];
    if (from->cut) {
        from->count.cut++;
        return;
    }
    if (chance(relay, from->loss)) {
        from->count.lost++;
        return;
    }
    send_off(relay, side, data, len);
    if (chance(relay, from->duplicate)) {
        from->count.doubled++;
        send_off(relay, side, data, len);
    }
}

/* A cut holds for what is on its way too: after the answer to "cut" nothing arrives. */
static void deliver_due(struct relay *relay)
{
    int64_t now = now_ns();
    while (relay->held_count > 0 && relay->held[0]->due_ns <= now) {
        struct packet *packet = take_first(relay);
        struct direction *from = &relay->from[1 - packet->to];
        if (from->cut) {
            from->count.cut++;
        } else if (write(relay->device[packet->to], packet->data, packet->len) < 0) {
            from->count.lost++; /* the device is down: the host has vanished */
        } else {
            from->count.passed++;
        }
        free(packet);
    }
}

static void read_device(struct relay *relay, size_t side)
{
    unsigned char data[PACKET_MAX];
    for (int i = 0; i < AT_ONCE; i++) {
        ssize_t len = read(relay->device[side], data, sizeof(data));
        if (len <= 0) {
            return; /* nothing more, or the device is down */
        }
        arrived(relay, side, data, (size_t)len);
    }
}

/* ---- orders ---- */

/* Which sides an order is for: "a", "b", or both when the word is missing. */
static bool parse_side(const char *word, size_t *ret_first, size_t *ret_last)
{
    if (!word) {
        *ret_first = 0;
        *ret_last = 1;
        return true;
    }
    if (strcmp(word, "a") != 0 && strcmp(word, "b") != 0) {
        return false;
    }
    *ret_first = *ret_last = word[0] == 'b';
    return true;
}

static bool parse_number(const char *word, double highest, double *ret)
{
    char *end = NULL;
    double value = word ? strtod(word, &end) : -1;
    if (!word || end == word || *end != '\0' || !(value >= 0 && value <= highest)) {
        return false;
    }
    *ret = value;
    return true;
}

static void answer_statistics(const struct relay *relay)
{
    printf("%" PRIu64 " ok", relay->orders);
    for (size_t side = 0; side < 2; side++) {
        const struct direction *from = &relay->from[side];
        printf(" %s passed %" PRIu64 " lost %" PRIu64 " doubled %" PRIu64 " late %" PRIu64
               " cut %" PRIu64 " overflow %" PRIu64,
               side == 0 ? "a" : "b", from->count.passed, from->count.lost, from->count.doubled,
               from->count.late, from->count.cut, from->count.overflow);
    }
    printf("\n");
}

/* loss, duplicate, reorder: a share each; delay: one or two numbers. */
static bool set_numbers(struct relay *relay, char *const word[4], int words)
{
    bool delay = strcmp(word[0], "delay") == 0;
    double value = 0;
    double jitter = 0;
    size_t first = 0;
    size_t last = 1;
    if (!parse_number(word[1], delay ? 60000 : 100, &value)) {
        return false;
    }
    int next = 2;
    if (delay && next < words && parse_number(word[next], 60000, &jitter)) {
        next++;
    }
    if (next < words - 1 || !parse_side(next < words ? word[next] : NULL, &first, &last)) {
        return false;
    }
    for (size_t side = first; side <= last; side++) {
        struct direction *from = &relay->from[side];
        switch (word[0][0]) {
        case 'l':
            from->loss = value / 100;
            break;
        case 'r':
            from->reorder = value / 100;
            break;
        default:
            if (delay) {
                from->delay_ms = (int64_t)value;
                from->jitter_ms = (int64_t)jitter;
            } else {
                from->duplicate = value / 100;
            }
        }
    }
    return true;
}

static void heal(struct relay *relay)
{
    for (size_t side = 0; side < 2; side++) {
        struct direction *from = &relay->from[side];
        from->loss = from->duplicate = from->reorder = 0;
        from->delay_ms = from->jitter_ms = 0;
        from->cut = false;
    }
}

static void obey(struct relay *relay, char *line)
{
    char *word[4] = {NULL};
    int words = 0;
    char *rest = NULL;
    for (char *at = strtok_r(line, " \t", &rest); at && words < 4;
         at = strtok_r(NULL, " \t", &rest)) {
        word[words++] = at;
    }
    relay->orders++;
    size_t first = 0;
    size_t last = 1;
    bool done = true;
    if (words == 0) {
        done = false;
    } else if (strcmp(word[0], "statistics") == 0 && words == 1) {
        answer_statistics(relay);
        return;
    } else if (strcmp(word[0], "heal") == 0 && words == 1) {
        heal(relay);
    } else if (strcmp(word[0], "cut") == 0 && words <= 2 && parse_side(word[1], &first, &last)) {
        for (size_t side = first; side <= last; side++) {
            relay->from[side].cut = true;
        }
    } else if (strcmp(word[0], "loss") == 0 || strcmp(word[0], "delay") == 0 ||
               strcmp(word[0], "duplicate") == 0 || strcmp(word[0], "reorder") == 0) {
        done = set_numbers(relay, word, words);
    } else {
        done = false;
    }
    printf("%" PRIu64 " %s\n", relay->orders, done ? "ok" : "error: what was that?");
}

static void read_orders(struct relay *relay)
{
    char data[LINE_MAX_LEN];
    ssize_t len = read(STDIN_FILENO, data, sizeof(data));
    if (len <= 0) {
        relay->over = len == 0 || (errno != EINTR && errno != EAGAIN);
        return;
    }
    for (ssize_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            relay->line[relay->line_len] = '\0';
            obey(relay, relay->line);
            relay->line_len = 0;
        } else if (relay->line_len < sizeof(relay->line) - 1) {
            relay->line[relay->line_len++] = data[i];
        }
    }
}

/* ---- start ---- */

/* A TUN device in the namespace of that name (of "ip netns"). It is gone when this process is. */
static int open_device(const char *space, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "/run/netns/%s", space);
    int netns = open(path, O_RDONLY | O_CLOEXEC);
    int r = netns < 0 ? -errno : 0;
    if (r == 0 && setns(netns, CLONE_NEWNET) < 0) {
        r = -errno;
    }
    if (netns >= 0) {
        close(netns);
    }
    if (r < 0) {
        fprintf(stderr, "relay: network namespace %s: %s\n", space, strerror(-r));
        return r;
    }
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) {
        r = -errno;
        fprintf(stderr, "relay: device %s in %s: %s\n", name, space, strerror(-r));
        if (device >= 0) {
            close(device);
        }
        return r;
    }
    return device;
}

static void wait_and_work(struct relay *relay)
{
    struct pollfd wait[3] = {{.fd = relay->device[0], .events = POLLIN},
                             {.fd = relay->device[1], .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    struct timespec until = {0};
    struct timespec *timeout = NULL;
    if (relay->held_count > 0) {
        int64_t left = relay->held[0]->due_ns - now_ns();
        left = left > 0 ? left : 0;
        until.tv_sec = (time_t)(left / (1000 * NS_PER_MS));
        until.tv_nsec = (long)(left % (1000 * NS_PER_MS));
        timeout = &until;
    }
    if (ppoll(wait, 3, timeout, NULL) > 0) {
        for (size_t side = 0; side < 2; side++) {
            if (wait[side].revents & POLLIN) {
                read_device(relay, side);
            }
        }
        if (wait[2].revents) {
            read_orders(relay);
        }
    }
    deliver_due(relay);
}

int main(int argc, char **argv)
{
    static struct relay relay;
    if (argc != 5) {
        fprintf(stderr, "usage: relay NAMESPACE_A NAMESPACE_B DEVICE SEED\n");
        return 2;
    }
    relay.random = strtoull(argv[4], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int side = 0; side < 2; side++) {
        relay.device[side] = open_device(argv[1 + side], argv[3]);
        if (relay.device[side] < 0) {
            return 1;
        }
    }
    printf("0 ok seed %s\n", argv[4]);
    while (!relay.over) {
        wait_and_work(&relay);
    }
    while (relay.held_count > 0) {
        free(take_first(&relay));
    }
    return 0;
}
