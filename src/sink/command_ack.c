/* command_ack.c: owns the account of what a program was sent and what it is done with. Never
 * touches a pipe. */
#include "command_ack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING, DONE, BAD };

static int parse_number(struct fh_slice *inout_rest, uint64_t *ret)
{
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < inout_rest->len && inout_rest->data[digits] >= '0' &&
           inout_rest->data[digits] <= '9') {
        number = number * 10 + (uint64_t)(inout_rest->data[digits] - '0');
        if (++digits > 18) {
            return -EBADMSG;
        }
    }
    if (digits == 0) {
        return -EBADMSG;
    }
    inout_rest->data += digits;
    inout_rest->len -= digits;
    *ret = number;
    return 0;
}

int fh_command_answer_parse(const char *line, size_t len, struct fh_command_answer *ret)
{
    struct fh_command_answer answer = {.reason = {"", 0}};
    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }
    if (len > 3 && memcmp(line, "ok ", 3) == 0) {
        answer.word = FH_COMMAND_OK;
    } else if (len > 4 && memcmp(line, "bad ", 4) == 0) {
        answer.word = FH_COMMAND_BAD;
    } else {
        return -EBADMSG;
    }
    size_t word = answer.word == FH_COMMAND_OK ? 3 : 4;
    struct fh_slice rest = {line + word, len - word};
    int r = parse_number(&rest, &answer.number);
    if (r < 0) {
        return r;
    }
    if (answer.word == FH_COMMAND_BAD && rest.len > 0 && rest.data[0] == ' ') {
        answer.reason = (struct fh_slice){rest.data + 1, rest.len - 1};
        rest.len = 0;
    }
    if (rest.len > 0 || (answer.word == FH_COMMAND_BAD && answer.number == 0)) {
        return -EBADMSG;
    }
    *ret = answer;
    return 0;
}

/* ---- the account ---- */

void fh_command_account_init(struct fh_command_account *account)
{
    *account = (struct fh_command_account){.count = 0};
}

void fh_command_account_done(struct fh_command_account *account)
{
    free(account->state);
    free(account->sent);
    fh_command_account_init(account);
}

static int reserve(struct fh_command_account *account, size_t count)
{
    if (count <= account->capacity) {
        return 0;
    }
    unsigned char *state = realloc(account->state, count);
    if (!state) {
        return -ENOMEM;
    }
    account->state = state;
    uint32_t *sent = realloc(account->sent, count * sizeof(*sent));
    if (!sent) {
        return -ENOMEM;
    }
    account->sent = sent;
    account->capacity = count;
    return 0;
}

int fh_command_account_begin(struct fh_command_account *account, uint32_t count)
{
    int r = reserve(account, count);
    if (r < 0) {
        return r;
    }
    memset(account->state, WAITING, count);
    account->count = count;
    account->left = count;
    account->next = 0;
    account->settled = 0;
    return 0;
}

void fh_command_account_end(struct fh_command_account *account)
{
    account->base += account->sent_count;
    account->sent_count = 0;
    account->settled = 0;
    account->count = 0;
    account->left = 0;
    account->next = 0;
}

void fh_command_account_restart(struct fh_command_account *account, bool all)
{
    for (uint32_t i = 0; all && i < account->count; i++) {
        if (account->state[i] == DONE) {
            account->state[i] = WAITING;
            account->left++;
        }
    }
    account->base = 0;
    account->last_ok = 0;
    account->sent_count = 0;
    account->settled = 0;
    account->next = fh_command_account_next(account, 0);
}

uint32_t fh_command_account_next(const struct fh_command_account *account, uint32_t from)
{
    while (from < account->count && account->state[from] != WAITING) {
        from++;
    }
    return from;
}

void fh_command_account_sent(struct fh_command_account *account)
{
    account->sent[account->sent_count++] = account->next;
    account->next = fh_command_account_next(account, account->next + 1);
}

static void settle(struct fh_command_account *account, uint32_t record, unsigned char state)
{
    if (account->state[record] == WAITING) {
        account->state[record] = state;
        account->left--;
    }
}

int fh_command_account_ok(struct fh_command_account *account, uint64_t number)
{
    if (number < account->last_ok || number > account->base + account->sent_count) {
        return -EPROTO;
    }
    account->last_ok = number;
    for (; number > account->base + account->settled; account->settled++) {
        settle(account, account->sent[account->settled], DONE);
    }
    return 0;
}

int fh_command_account_which(const struct fh_command_account *account, uint64_t number,
                             uint32_t *ret)
{
    if (number <= account->base || number > account->base + account->sent_count) {
        return -EPROTO;
    }
    uint32_t record = account->sent[number - account->base - 1];
    if (account->state[record] != WAITING) {
        return -EPROTO;
    }
    *ret = record;
    return 0;
}

void fh_command_account_bad(struct fh_command_account *account, uint64_t number)
{
    settle(account, account->sent[number - account->base - 1], BAD);
}
