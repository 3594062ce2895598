/* pick.c: owns the filter of events, stats and replay, and the line of the table. Never shows
 * names, e-mail addresses or telephone numbers: facts.h knows ids only, and an id may be an
 * address. */
#include "pick.h"

#include "terminal.h"
#include "when.h"

#include <errno.h>
#include <string.h>

int fh_pick_types(struct fh_pick *pick, const char *list, struct fh_error *err)
{
    pick->type_count = 0;
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        if (len == 0 || pick->type_count == FH_PICK_TYPES_MAX) {
            return fh_error_set(err, -EINVAL,
                                "--type wants 1 to %d event types with commas between them, not "
                                "\"%.64s\"",
                                FH_PICK_TYPES_MAX, list);
        }
        pick->type[pick->type_count++] = (struct fh_slice){at, len};
        at += len;
        if (*at == '\0') {
            return 0;
        }
    }
}

static bool same(struct fh_slice a, struct fh_slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool wants_type(const struct fh_pick *pick, struct fh_slice type)
{
    bool wanted = pick->type_count == 0;
    for (size_t i = 0; i < pick->type_count && !wanted; i++) {
        wanted = same(pick->type[i], type);
    }
    return wanted;
}

bool fh_pick_wants(const struct fh_pick *pick, const struct fh_record_facts *facts)
{
    if (!wants_type(pick, facts->type) ||
        (pick->device.len > 0 && !same(pick->device, facts->device))) {
        return false;
    }
    bool here = pick->location.len == 0;
    for (uint32_t i = 0; i < facts->location_count && !here; i++) {
        here = same(pick->location, facts->location[i]);
    }
    return here;
}

bool fh_pick_look(const struct fh_pick *pick, struct fh_slice record, bool whole,
                  struct fh_look *ret)
{
    struct fh_envelope *envelope = &ret->envelope;
    if (fh_envelope_scan(record.data, record.len, envelope) != FH_ENVELOPE_OK) {
        *envelope = (struct fh_envelope){.type = {"", 0}, .tenant = {"", 0}, .uid = {"", 0}};
    }
    if (!wants_type(pick, envelope->type)) {
        return false;
    }
    if (whole || pick->device.len > 0 || pick->location.len > 0) {
        fh_record_facts(record.data, record.len, &ret->facts);
        return fh_pick_wants(pick, &ret->facts);
    }
    ret->facts.uid = envelope->uid;
    ret->facts.type = envelope->type;
    ret->facts.tenant = envelope->tenant;
    ret->facts.timestamp_ms = envelope->timestamp_ms;
    ret->facts.device = (struct fh_slice){"", 0};
    ret->facts.location_count = 0;
    return true;
}

/* ---- the table ------------------------------------------------------------------------------ */

#define GAP ((size_t)2)

void fh_row_plan(size_t columns, struct fh_row_plan *ret)
{
    static const size_t natural[FH_ROW_COLUMNS] = {23, 26, 24, 30, 0};
    *ret = (struct fh_row_plan){.cut = columns > 0, .year = columns == 0 || columns >= 110};
    memcpy(ret->width, natural, sizeof(natural));
    if (columns == 0) {
        return;
    }
    columns = columns < 60 ? 60 : columns;
    ret->width[0] = ret->year ? 23 : 18;
    size_t rest = columns - ret->width[0] - (FH_ROW_COLUMNS - 1) * GAP;
    ret->width[1] = rest >= 70 ? 26 : rest * 5 / 12;
    rest -= ret->width[1];
    ret->width[2] = rest / 4;
    ret->width[3] = (rest - ret->width[2]) / 2;
    ret->width[4] = rest - ret->width[2] - ret->width[3];
}

static bool first_byte(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

int fh_row_cell(struct fh_slice value, size_t width, enum fh_row_cut cut, bool last,
                struct fh_buf *into)
{
    size_t characters = 0;
    for (size_t i = 0; i < value.len; i++) {
        characters += first_byte(value.data[i]);
    }
    bool shorten = cut != FH_CUT_NOTHING && characters > width;
    size_t room = shorten ? width - 1 : characters;
    size_t from = shorten && cut == FH_CUT_FRONT ? characters - room : 0;
    int r = from > 0 ? fh_buf_append(into, "…", strlen("…")) : 0;
    size_t at = 0; /* characters begun so far */
    for (size_t i = 0; i < value.len && r == 0; i++) {
        at += first_byte(value.data[i]);
        if (at > from && at <= from + room) {
            size_t obeyed = fh_terminal_obeys(value.data + i, value.len - i);
            r = fh_buf_append(into, obeyed > 0 ? "?" : value.data + i, 1);
            i += obeyed > 1 ? 1 : 0;
        }
    }
    if (r == 0 && shorten && cut == FH_CUT_END) {
        r = fh_buf_append(into, "…", strlen("…"));
    }
    if (r == 0 && !last) {
        size_t shown = room + (shorten ? 1 : 0);
        size_t pad = (shown < width ? width - shown : 0) + GAP;
        r = fh_buf_printf(into, "%*s", (int)pad, "");
    }
    return r;
}

static int print_line(const struct fh_row_plan *plan, const struct fh_slice *cell,
                      struct fh_buf *into)
{
    int r = 0;
    for (size_t i = 0; i < FH_ROW_COLUMNS && r == 0; i++) {
        bool last = i == FH_ROW_COLUMNS - 1;
        enum fh_row_cut cut = !plan->cut ? FH_CUT_NOTHING : i < 2 ? FH_CUT_END : FH_CUT_FRONT;
        r = fh_row_cell(cell[i], plan->width[i], cut, last, into);
    }
    return r < 0 ? r : fh_buf_append(into, "\n", 1);
}

static struct fh_slice text(const char *string)
{
    return (struct fh_slice){string, strlen(string)};
}

int fh_row_heading(const struct fh_row_plan *plan, struct fh_buf *into)
{
    const struct fh_slice cell[FH_ROW_COLUMNS] = {text("TIME"), text("TYPE"), text("TENANT"),
                                                  text("DEVICE"), text("LOCATION")};
    return print_line(plan, cell, into);
}

static struct fh_slice id(struct fh_slice value)
{
    if (value.len == 0) {
        return text("-");
    }
    return memchr(value.data, '@', value.len) ? text("(hidden)") : value;
}

int fh_row_print(const struct fh_row_plan *plan, const struct fh_record_facts *facts,
                 struct fh_buf *into)
{
    char time[FH_WHEN_SIZE];
    fh_when_print(facts->timestamp_ms, time);
    struct fh_slice location =
        facts->location_count > 0 ? facts->location[0] : (struct fh_slice){"", 0};
    const struct fh_slice cell[FH_ROW_COLUMNS] = {text(plan->year         ? time
                                                       : strlen(time) > 5 ? time + 5
                                                                          : time),
                                                  id(facts->type), id(facts->tenant),
                                                  id(facts->device), id(location)};
    return print_line(plan, cell, into);
}
