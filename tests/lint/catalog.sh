#!/usr/bin/env bash
# Every MESSAGE_ID of include/fh/log_ids.h has a catalog entry, and no entry is without an id.
set -euo pipefail
cd "$(dirname "$0")/../.."
diff <(grep -oE '"[0-9a-f]{32}"' include/fh/log_ids.h | tr -d '"' | sort) \
    <(sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' packaging/systemd/firehosed.catalog | sort)
