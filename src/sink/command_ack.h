/* command_ack.h: what a program of a command sink says on its standard output, and what it means
 * for the records of a batch:
 *
 *     ok N              it is done with the first N records since its start
 *     bad N REASON      it will never take record N; "ok" of a later one passes over it
 *
 * Pure but for the memory of the account. Numbers begin at 1 with each start of the program. */
#ifndef FH_SINK_COMMAND_ACK_H
#define FH_SINK_COMMAND_ACK_H

#include "fh/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a line without its newline; a longer one is no answer. */
#define FH_COMMAND_LINE_MAX 1024

enum fh_command_word { FH_COMMAND_OK, FH_COMMAND_BAD };

struct fh_command_answer {
    enum fh_command_word word;
    uint64_t number;
    struct fh_slice reason; /* bad: into the line; may be empty */
};

/* line: without newline; a CR at its end is overlooked. -EBADMSG: not an answer. */
int fh_command_answer_parse(const char *line, size_t len, struct fh_command_answer *ret);

/* Which records of the batch went to the program, and what it said of them. */
struct fh_command_account {
    unsigned char *state; /* of each record of the batch */
    uint32_t *sent;       /* the record that has the number base + 1 + i */
    size_t capacity;
    uint32_t count;      /* of the batch */
    uint32_t next;       /* none before it is left to send */
    uint32_t sent_count; /* of this batch, to the program that runs now */
    uint32_t settled;    /* of those, how many from the first on are dealt with */
    uint32_t left;       /* of the batch, not dealt with */
    uint64_t base;       /* records of earlier batches this program was sent */
    uint64_t last_ok;
};

void fh_command_account_init(struct fh_command_account *account);
void fh_command_account_done(struct fh_command_account *account);
/* A batch begins. -ENOMEM. */
int fh_command_account_begin(struct fh_command_account *account, uint32_t count);
/* It is over: all of it is dealt with. The numbers go on. */
void fh_command_account_end(struct fh_command_account *account);
/* Another program, or none: numbers begin at 1; what is not dealt with is sent again. all: also
 * what counted as dealt with because it was sent. */
void fh_command_account_restart(struct fh_command_account *account, bool all);

/* The first record left to send at or behind from; count when there is none. */
uint32_t fh_command_account_next(const struct fh_command_account *account, uint32_t from);
/* The record next() has named was written as a whole. */
void fh_command_account_sent(struct fh_command_account *account);
/* -EPROTO: it says so of records it was not sent, or takes back what it said. */
int fh_command_account_ok(struct fh_command_account *account, uint64_t number);
/* Which record that is. -EPROTO as above, or it was dealt with before. The caller calls bad() once
 * the record is put aside. */
int fh_command_account_which(const struct fh_command_account *account, uint64_t number,
                             uint32_t *ret);
void fh_command_account_bad(struct fh_command_account *account, uint64_t number);

#endif
