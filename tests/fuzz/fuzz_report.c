/* fuzz_report.c: decoding arbitrary bytes; what decodes must encode to the same bytes. */
#include "fh/report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_report head;
    int peeked = fh_report_peek(data, size, &head);
    size_t room_count = size / 16 + 1;
    struct fh_record_key *room = malloc(room_count * sizeof(*room));
    if (!room) {
        return 0;
    }
    struct fh_report report;
    if (fh_report_decode(data, size, room, room_count, &report) == 0) {
        if (peeked != 0 || head.count != report.count || fh_report_size(&report) != size) {
            abort();
        }
        uint8_t *again = malloc(size);
        if (again) {
            fh_report_encode(&report, again);
            if (memcmp(again, data, size) != 0) {
                abort();
            }
        }
        free(again);
    }
    free(room);
    return 0;
}
