/* wire.c: the one part of reading the wire format that is not worth inlining. */
#include "wire.h"

bool fh_wire_skip_group(const uint8_t **p, const uint8_t *end, uint32_t number)
{
    uint32_t open[FH_WIRE_GROUPS_MAX] = {number};
    size_t depth = 1;
    while (depth > 0) {
        struct fh_wire_field field;
        if (!fh_wire_tag(p, end, &field)) {
            return false;
        }
        if (field.wire == FH_WIRE_GROUP_START) {
            if (depth == FH_WIRE_GROUPS_MAX) {
                return false;
            }
            open[depth++] = field.number;
        } else if (field.wire == FH_WIRE_GROUP_END) {
            if (open[--depth] != field.number) {
                return false;
            }
        } else if (!fh_wire_value(p, end, &field)) {
            return false;
        }
    }
    return true;
}
