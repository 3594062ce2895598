#!/usr/bin/env bash
# The changes of role in firehosed-ha(7), in the list and in the diagram, are those of the table in the
# machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
page=packaging/man/firehosed-ha.7
table=$(sed -n 's/^ *{FH_ROLE_\([A-Z]*\), FH_ROLE_\([A-Z]*\)},.*/\1 -> \2/p' ha/fsm_role.c | tr 'A-Z' 'a-z' | sort)
[ "$(wc -l <<<"$table")" -ge 8 ] || { echo "no table of transitions in ha/fsm_role.c"; exit 1; }
diff <(echo "$table") <(sed -n 's/^\.It \([a-z]* -> [a-z]*\)$/\1/p' "$page" | sort)
for role in $(tr -d '>-' <<<"$table" | tr ' ' '\n' | sort -u); do
    grep -q "| ${role^^} |" "$page" || { echo "$role is missing in the diagram"; exit 1; }
done
