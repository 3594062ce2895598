#!/usr/bin/env bash
# The walk of README.md from the empty onboarding sheet to a running pair: its commands are taken out of
# README.md and run as they stand there, in network and processes of their own where that is allowed. Then what
# they should have done.
#
# Needs BIN, bash, jq, python3.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

section() { sed -n "/^## From the vendor's sheet to a running pair/,/^## Tests/p" README.md; }
section | sed -n '/^```sh$/,/^```$/{/^```/!p}' >"$WORK/walk.sh"
[ "$(wc -l <"$WORK/walk.sh")" -ge 25 ] || fail "README.md has no walk any more: $(cat "$WORK/walk.sh")"

# What the walk takes for the folder of the sources.
mkdir -p "$WORK/sources/build" "$WORK/tmp"
ln -s "$(cd "$BIN" && pwd)" "$WORK/sources/build/bin"
ln -s "$PWD/etc" "$WORK/sources/etc"

alone=(unshare --net --pid --mount-proc --fork --kill-child)
"${alone[@]}" true 2>/dev/null || alone=()
up=:
[ ${#alone[@]} = 0 ] || up='ip link set lo up'
said() { grep -qE -- "$1" "$WORK/walk.out" || { cat "$WORK/walk.out" >&2; fail "the walk does not say: $1"; }; }
# Six lines, one a second, show before and after the kill: not where the machine stands still for some of them; and where
# it does at the start, the other node leads, and what the walk waits for never comes. Then it is walked once more.
for try in 1 2 3; do
    rm -rf "$WORK/tmp" && mkdir "$WORK/tmp"
    (cd "$WORK/sources" && TMPDIR=$WORK/tmp timeout -k 5 90 "${alone[@]}" bash -c "$up; set -eu -o pipefail; . $WORK/walk.sh" \
        >"$WORK/walk.out" 2>"$WORK/walk.err")
    status=$?
    [ -z "${SHOW:-}" ] || cat "$WORK/walk.out"
    case $status in 124 | 137) [ $try = 3 ] || continue ;; esac
    [ "$status" = 0 ] || { cat "$WORK/walk.out" "$WORK/walk.err" >&2; fail "the walk ends with $status"; }
    grep -q ' b standby epoch .* protected; a primary, ' "$WORK/walk.out" && grep -q ' b primary epoch .* a NOT REACHABLE' "$WORK/walk.out" && break
done
said '^onboarding.conf:[0-9]+: app_center.name is empty'
said '^not yet$'
said '^onboarding.conf: complete$'
said '^# Cisco Spaces onboarding: Building Insight$'
said 'warning: endpoint.domain: a/firehosed.conf reads from this host itself'
said '^onboarding.conf: complete, and fits a/firehosed.conf$'
said '"recordUid"'
said ' b standby epoch [0-9]+ protected; a primary, 1 of 1 paths up; '
said '^change: promoting -> primary, epoch [0-9]+: '
said ' b primary epoch [0-9]+; a NOT REACHABLE'

folder=$(ls -d "$WORK"/tmp/*/)
python3 - "$folder/onboarding.html" <<'PYTHON' || fail "onboarding.html"
import sys, xml.dom.minidom
from base64 import b64decode
document = xml.dom.minidom.parse(sys.argv[1])
images = [node.getAttribute("src") for node in document.getElementsByTagName("img")]
assert len(images) == 3, images
for source in images:
    assert source.startswith("data:image/svg+xml;base64,"), source[:60]
    assert b64decode(source.split(",", 1)[1], validate=True).startswith(b"<svg"), source[:60]
assert not document.getElementsByTagName("script") and not document.getElementsByTagName("link")
PYTHON
for log in a b; do grep -qE 'ERROR: AddressSanitizer|runtime error' "$folder/$log.log" && fail "node $log: $(cat "$folder/$log.log")"; done
echo "walk: ok"
