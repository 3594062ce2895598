/* link_node.h: a node that is only its pair engine, as a program of its own, and the means to
 * start, steer and watch it. */
#ifndef FH_TEST_LINK_NODE_H
#define FH_TEST_LINK_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct link_node_options {
    const char *name;
    int port;
    int peer_port[2]; /* 0 = no second path */
    char secret[41];
    char peer_public[41];
    int replica;
    bool preferred;
    bool safety;
    bool datagrams;
    int failure_after; /* heartbeats, one each 100 ms */
    char state[256];   /* file that stands for the node's disk */
};

/* The node's main(): argv after "node". Reads "report N", "full 0|1" (no room for reports of
 * the peer) and "status" from stdin; prints a line per
 * order of the engine, among them "role NAME EPOCH", "confirmed N", "applied N", "in-sync 0|1",
 * "ready 0|1", "protected 0|1"; for "status", all of the first path, "path up|down", "datagrams
 * 0|1" (ours arrive over it) and "round trip known|unknown". The journal goes to the same stream.
 */
int link_node_main(int argc, char **argv);

struct link_node {
    pid_t pid;
    int to, from;
    char line[4096];
    char heard[4096]; /* the line that was found last */
    size_t len;
};

void link_node_start(struct link_node *node, const struct link_node_options *options);
void link_node_say(struct link_node *node, const char *line);
/* Read lines until one contains text; fails the test after timeout_ms. Returns how long it took. */
int64_t link_node_wait(struct link_node *node, const char *text, int timeout_ms);
/* True when a line with text comes within timeout_ms; lines read are gone. */
bool link_node_hears(struct link_node *node, const char *text, int timeout_ms);
/* Which of the texts (the last is NULL) comes first; -1: none within timeout_ms. */
int link_node_hears_one(struct link_node *node, const char *const *texts, int timeout_ms);
void link_node_kill(struct link_node *node, int signal); /* and reap, unless it only stops */
/* Wait for its own end; true when it ended well. */
bool link_node_reap(struct link_node *node);
/* A port of the loopback that stays bound, unused, until this program ends: nobody else is given
 * it, connections to it are refused, and a program that sets SO_REUSEADDR may listen there. */
int link_node_free_port(void);

#endif
