/* nats_creds.h: an operator, accounts and a user for a nats-server in operator mode, made up for
 * one test: keys, signed claims, and the credentials file of the user. */
#ifndef TEST_NATS_CREDS_H
#define TEST_NATS_CREDS_H

#include <stddef.h>

/* server: lines for its configuration. credentials: of a user it knows; wrong: signed by nobody it
 * knows. */
void nats_creds_make(char *server, size_t server_size, char *credentials, char *wrong, size_t size);

#endif
