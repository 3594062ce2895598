/* words.h: values as people read them. Each writes into the caller's buffer. Pure. */
#ifndef FH_CTL_WORDS_H
#define FH_CTL_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* "120 ms", "2.1 s", "17 min", "2 h 1 min", "3 d 4 h"; "-" for less than 0. */
void fh_words_duration(int64_t ms, char *text, size_t size);
/* "1.5 GiB". */
void fh_words_bytes(int64_t bytes, char *text, size_t size);
/* 2026-01-01T00:00:00.000Z; "-" for 0 = nothing known. */
void fh_words_time(int64_t ms, char *text, size_t size);
/* "1,234,567". */
void fh_words_grouped(uint64_t number, char *text, size_t size);

#endif
