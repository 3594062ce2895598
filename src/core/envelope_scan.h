/* envelope_scan.h: the scan with a given implementation of the JSON check, for tests, fuzzers and
 * benchmarks that hold the implementations against each other. Everybody else calls
 * fh_envelope_scan, which takes the best one. */
#ifndef FH_CORE_ENVELOPE_SCAN_H
#define FH_CORE_ENVELOPE_SCAN_H

#include "fh/envelope.h"
#include "json.h"

enum fh_envelope_result fh_envelope_scan_with(const struct fh_json_ops *ops, const char *line,
                                              size_t len, struct fh_envelope *ret);

#endif
