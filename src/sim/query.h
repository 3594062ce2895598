/* query.h: the parameters behind the question mark. Pure. */
#ifndef SIM_QUERY_H
#define SIM_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of name, percent-decoded. False when absent, or when it does not fit. An empty value
 * counts as present. Of several the first. */
bool sim_query_get(const char *query, const char *name, char *ret, size_t size);
/* Name and value of the parameter at *position (start with 0); false at the end. */
bool sim_query_next(const char *query, size_t *position, char *name, size_t name_size, char *value,
                    size_t value_size);
/* Decimal digits alone, with an optional minus. 0, or -EINVAL. */
int sim_number(const char *text, int64_t *ret);
/* Equal, and the time it takes does not tell where they differ. */
bool sim_same_secret(const char *left, const char *right);

#endif
