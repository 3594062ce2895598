#!/usr/bin/env bash
# Every MESSAGE_ID of include/fh/log_ids.h has one catalog entry, and no entry is without an id. The witness has
# a catalog and ids of its own: it is installed on a host without firehosed.
set -euo pipefail
cd "$(dirname "$0")/../.."
diff <(grep -oE '"[0-9a-f]{32}"' include/fh/log_ids.h | tr -d '"' | sort) \
    <(sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' packaging/systemd/*.catalog | sort)
diff <(grep -rhoE 'FH_LOG_[A-Z_]+' src/witness | grep -vE 'FH_LOG_(AUTO|NONE)$' | sed 's/FH_LOG_//' | sort -u) \
    <(sed -nE 's/^ *X\(([A-Z_]+), "[0-9a-f]{29}f[0-9a-f]{2}".*/\1/p' include/fh/log_ids.h | sort)
# One spelling of the fields.
! grep -rnE '\{"FH_[A-Z]+"' src ha
