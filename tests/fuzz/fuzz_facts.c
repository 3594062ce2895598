/* fuzz_facts.c: the facts of a record against cJSON. Of what the envelope scan refuses all is
 * empty; of what it accepts uid, type, tenant, device and locations are what cJSON's tree says.
 * (Not compared when a \u0000 is in it: to cJSON it ends a name or a value, to us there is none.)
 */
#include "fh/facts.h"

#include "../unit/facts_oracle.h"
#include "fuzzer.h"

static bool same_slice(struct fh_slice left, struct fh_slice right)
{
    return left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
}

static bool within(struct fh_slice slice, const char *record, size_t size,
                   const struct fh_record_facts *facts)
{
    return slice.len == 0 || (slice.data >= record && slice.data + slice.len <= record + size) ||
           (slice.data >= facts->scratch &&
            slice.data + slice.len <= facts->scratch + sizeof(facts->scratch));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its exact size: the address sanitizer sees the first byte read too many. */
    char *record = malloc(size ? size : 1);
    CHECK(record);
    memcpy(record, data, size);
    struct fh_record_facts facts;
    struct fh_envelope envelope;
    fh_record_facts(record, size, &facts);
    bool good = fh_envelope_scan(record, size, &envelope) == FH_ENVELOPE_OK;
    CHECK(facts.location_count <= FH_LOCATIONS_MAX);
    CHECK(within(facts.uid, record, size, &facts) && within(facts.type, record, size, &facts));
    CHECK(within(facts.tenant, record, size, &facts) && within(facts.device, record, size, &facts));
    for (unsigned i = 0; i < FH_LOCATIONS_MAX; i++) {
        CHECK(within(facts.location[i], record, size, &facts));
        CHECK((facts.location[i].len > 0) == (i < facts.location_count));
    }
    if (!good) {
        CHECK(facts.uid.len == 0 && facts.type.len == 0 && facts.tenant.len == 0);
        CHECK(facts.device.len == 0 && facts.location_count == 0 && facts.timestamp_ms == 0);
    } else {
        CHECK(same_slice(facts.uid, envelope.uid) && same_slice(facts.type, envelope.type));
        CHECK(same_slice(facts.tenant, envelope.tenant));
        CHECK(facts.timestamp_ms == envelope.timestamp_ms);
    }
    cJSON *root =
        good && !memmem(record, size, "\\u0000", 6) ? cJSON_ParseWithLength(record, size) : NULL;
    if (root) {
        CHECK(oracle_agrees(&facts, root));
    }
    cJSON_Delete(root);
    free(record);
    return 0;
}
