/* fuzzer.h: the way in for libFuzzer and replay_main.c, and how a finding is reported. */
#ifndef TEST_FUZZER_H
#define TEST_FUZZER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* data: read only, and not a byte beyond size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to be so whatever the input; else the input is a finding. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
