/* twins.c: records that are equal in all but their uid, such as two sightings of one device in the
 * same millisecond. By content alone they would be one, and the second would be lost.
 *
 * So under dedup.key = "content", and under "uid_payload" and "payload", to which the
 * de-duplication of one node adds the stamp (fh_rekey_known), the n-th occurrence of a content
 * within one connection has a key of its own: the content and n. Equal contents have equal
 * timestamps, so a connection that resumes shows all of them again or none, and counts the same
 * numbers; so does the other node, whose replica shows as many. Which of the twins is the first
 * does not matter: they are equal. A record that comes twice in one connection under one uid is no
 * twin but a repetition.
 *
 * Per receiver one set of what its connection has shown, TWINS_MINUTES of source time deep: 50
 * bytes per record. A record older than that is known by its content alone. Writer thread. */
#include "internal.h"

#include <errno.h>

#define TWINS_MINUTES 10
#define TWINS_MAX     1024 /* equal ones of a millisecond; more are taken for one */

static struct fh_record_key numbered_key(struct fh_record_key content, unsigned number)
{
    content.fingerprint += number * UINT64_C(0x9E3779B97F4A7C15);
    content.fingerprint += content.fingerprint == 0;
    return content;
}

int fh_twins_number(struct fh_dedup *shown, struct fh_record_key *inout_key)
{
    unsigned number = 0;
    while (number + 1 < TWINS_MAX && fh_dedup_contains(shown, numbered_key(*inout_key, number))) {
        number++;
    }
    *inout_key = numbered_key(*inout_key, number);
    int r = fh_dedup_add(shown, *inout_key);
    return r == -ENOMEM ? r : 0;
}

void fh_twins_connected(struct intake *intake)
{
    const struct fh_pipeline *pipeline = intake->pipeline;
    fh_dedup_free(intake->shown);
    intake->shown = NULL;
    if (atomic_load(&pipeline->key) < FH_KEY_CONTENT) {
        return;
    }
    /* Without memory for it the receiver goes by content alone. */
    if (fh_dedup_new(TWINS_MINUTES, 2 * (uint64_t)pipeline->config.dedup.max_records,
                     &fh_allocator_default, &intake->shown) == 0) {
        fh_twins_advance(intake);
    }
}

void fh_twins_advance(struct intake *intake)
{
    if (intake->shown && intake->mark.high_ms > 0) {
        fh_dedup_advance(intake->shown, intake->mark.high_ms);
    }
}

int fh_twins_look(struct intake *intake, struct fh_record_key identity,
                  struct fh_record_key *inout_key)
{
    if (!intake->shown) {
        return 1;
    }
    int r = fh_dedup_add(intake->shown, identity);
    if (r == 0 || r == -ENOMEM) {
        return r;
    }
    if (r == -ERANGE) {
        return 1;
    }
    r = fh_twins_number(intake->shown, inout_key);
    if (r < 0) {
        fh_dedup_remove(intake->shown, identity);
    }
    return r < 0 ? r : 1;
}

void fh_twins_take_back(struct intake *intake, struct fh_record_key identity,
                        struct fh_record_key key)
{
    if (intake->shown) {
        fh_dedup_remove(intake->shown, identity);
        fh_dedup_remove(intake->shown, key);
    }
}
