/* ledger_alias.h: the same events under the uids and stamps of another replica. */
#ifndef LEDGER_ALIAS_H
#define LEDGER_ALIAS_H

#include "ledger_table.h"

struct ledger_alias_entry {
    struct ledger_key key; /* of the other replica; of the first one until it is told */
    struct ledger_key first;
};

struct ledger_alias {
    struct ledger_alias_entry *entry;
    size_t count, capacity;
    size_t told;
};

/* An event as the first replica shows it. -ENOMEM. */
int ledger_alias_add(struct ledger_alias *alias, struct ledger_key first);
/* The next of these events, in the same order, as the other replica shows it. -ERANGE: there are
 * not so many; -EBADMSG: its time is more than LEDGER_APART_MS away. */
#define LEDGER_APART_MS 10000
int ledger_alias_tell(struct ledger_alias *alias, struct ledger_key key);
/* All are told: -ERANGE when some are not. Look-ups work from here on. */
int ledger_alias_end(struct ledger_alias *alias);
/* The key of the first replica; NULL: not known. */
const struct ledger_key *ledger_alias_find(const struct ledger_alias *alias, struct ledger_key key);
void ledger_alias_done(struct ledger_alias *alias);

#endif
