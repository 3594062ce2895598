/* fuzz_command_ack.c: whatever a program says, the account stays sound: nothing is dealt with that
 * was not sent, nothing twice, nothing comes back but by a restart. The input is what it says, line
 * by line; a line "send N" or "die" is what happens in between. */
#include "command_ack.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct fh_command_account *account)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < account->count; i++) {
        waiting += account->state[i] == 0 ? 1 : 0;
    }
    if (waiting != account->left || account->settled > account->sent_count ||
        account->sent_count > account->count || account->next > account->count ||
        account->last_ok > account->base + account->sent_count) {
        abort();
    }
}

static void happen(struct fh_command_account *account, const char *line, size_t len)
{
    struct fh_command_answer answer;
    uint32_t record;
    if (len == 3 && memcmp(line, "die", 3) == 0) {
        fh_command_account_restart(account, false);
    } else if (len > 5 && memcmp(line, "send ", 5) == 0) {
        for (int count = line[5]; count > 0 && account->next < account->count; count--) {
            fh_command_account_sent(account);
        }
    } else if (fh_command_answer_parse(line, len, &answer) == 0) {
        uint32_t left = account->left;
        int r = answer.word == FH_COMMAND_OK
                    ? fh_command_account_ok(account, answer.number)
                    : fh_command_account_which(account, answer.number, &record);
        if (r == 0 && answer.word == FH_COMMAND_BAD) {
            fh_command_account_bad(account, answer.number);
            if (account->left != left - 1) {
                abort();
            }
        }
        if (r < 0 && account->left != left) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_command_account account;
    fh_command_account_init(&account);
    if (fh_command_account_begin(&account, BATCH) < 0) {
        return 0;
    }
    const char *at = (const char *)data;
    const char *end = at + size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        happen(&account, at, (size_t)(stop - at));
        check(&account);
        if (account.left == 0) {
            fh_command_account_end(&account);
            if (fh_command_account_begin(&account, BATCH) < 0) {
                break;
            }
        }
        at = newline ? newline + 1 : end;
    }
    fh_command_account_done(&account);
    return 0;
}
