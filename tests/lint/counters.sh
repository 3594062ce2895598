#!/usr/bin/env bash
# firehosectl(8) explains every counter of the status, and no other.
set -euo pipefail
cd "$(dirname "$0")/../.."
diff <(sed -n '/^static void add_counters/,/^}/s/.*number(object, "\([a-z_]*\)".*/\1/p' src/daemon/app_status.c
    echo types) \
    <(sed -n '/^\.Sh COUNTERS/,/^\.El/s/^\.It Va //p' packaging/man/firehosectl.8)
