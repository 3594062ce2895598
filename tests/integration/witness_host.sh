#!/usr/bin/env bash
# A third host on which nothing of firehosed is installed but the witness: the component "witness" has to bring
# all that its operator needs, a key, a unit, a user, the meaning of its journal, a manual page, an example.
#
#   BIN=build/bin tests/integration/witness_host.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=${BIN:?BIN must name the folder of the built programs}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/firehosed-witness-XXXXXX")
witness=
leave() {
    [ -z "$witness" ] || kill "$witness" 2>/dev/null || true
    rm -rf "$WORK"
}
trap leave EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

cmake --install "$BIN/.." --component witness --prefix "$WORK/usr" >/dev/null
(cd "$WORK" && find usr -type f | sort) >"$WORK/installed"
for file in sbin/firehose-witness lib/systemd/system/firehose-witness.service lib/sysusers.d/firehose-witness.conf \
    lib/systemd/catalog/firehose-witness.catalog share/man/man8/firehose-witness.8 \
    share/doc/firehosed/examples/firehose-witness.conf; do
    grep -qx "usr/$file" "$WORK/installed" || fail "not installed: $file"
done
! grep -v witness "$WORK/installed" || fail "belongs to another host"
program=$WORK/usr/sbin/firehose-witness
grep -qx "ExecStart=$program --config .*" "$WORK/usr/lib/systemd/system/firehose-witness.service" || fail "the unit starts another program"

# the sandbox
if command -v systemd-analyze >/dev/null && systemd-analyze security --help | grep -e --offline >/dev/null; then
    exposure=$(systemd-analyze security --offline=true --no-pager "$WORK/usr/lib/systemd/system/firehose-witness.service" 2>/dev/null |
        sed -n 's/.*exposure level for firehose-witness.service: \([0-9.]*\).*/\1/p')
    awk -v e="${exposure:-10}" 'BEGIN { exit !(e <= 1.5) }' || fail "systemd-analyze security: exposure ${exposure:-unknown}, above 1.5"
fi

# a key, which is made once
public=$("$program" --keygen "$WORK/witness.key" 2>"$WORK/said")
[ ${#public} = 40 ] || fail "\"$public\" is no public key"
[ "$(stat -c %a "$WORK/witness.key")" = 600 ] || fail "others may read the secret key"
grep -q 'chown firehose-witness: ' "$WORK/said" || fail "nobody says who has to own the key"
before=$(cat "$WORK/witness.key")
! "$program" --keygen "$WORK/witness.key" 2>"$WORK/said" || fail "a second key was made"
grep -q 'exists and is left as it is' "$WORK/said" || fail "said: $(cat "$WORK/said")"
[ "$(cat "$WORK/witness.key")" = "$before" ] || fail "the key has changed"

# the example, with that key
mkdir "$WORK/state"
sed -e "s|/etc/firehose-witness/witness.key|$WORK/witness.key|; s|/var/lib/firehose-witness|$WORK/state|; s|0.0.0.0:5571|127.0.0.1:*|" \
    "$WORK/usr/share/doc/firehosed/examples/firehose-witness.conf" >"$WORK/witness.conf"
sed -i "s|127.0.0.1:\*|127.0.0.1:$((20000 + $$ % 10000))|" "$WORK/witness.conf"
# the key is looked at as well: missing, open to others, no key; and not there for the service, as root sees it
refused() { # WHAT: --check says so, and nothing else
    ! "$program" --config "$WORK/witness.conf" --check >"$WORK/said" 2>&1 || fail "--check finds nothing wrong: $1"
    grep -q "^$WORK/witness.conf: witness.secret_key_file: .*$1" "$WORK/said" && [ "$(wc -l <"$WORK/said")" = 1 ] || fail "--check said: $(cat "$WORK/said")"
}
ends_with() { # STATUS: the service's attempt to start; its unit tries again, but not after 78
    local status=0
    timeout 60 "$program" --config "$WORK/witness.conf" >"$WORK/said" 2>&1 || status=$?
    [ $status = "$1" ] || fail "started, it ended with $status, not $1: $(cat "$WORK/said")"
}
grep -qx 'RestartPreventExitStatus=78' "$WORK/usr/lib/systemd/system/firehose-witness.service" || fail "the unit tries for ever"
mv "$WORK/witness.key" "$WORK/kept"
refused 'No such file'
ends_with 1
echo "no key" >"$WORK/witness.key"
chmod 600 "$WORK/witness.key"
refused 'holds no secret key; make one with'
ends_with 78
cat "$WORK/kept" >"$WORK/witness.key"
chmod 644 "$WORK/witness.key"
refused 'chmod 600'
ends_with 78
rm "$WORK/witness.key"
mv "$WORK/kept" "$WORK/witness.key"
if [ "$(id -u)" = 0 ] && id firehose-witness >/dev/null 2>&1; then
    refused 'chown firehose-witness: '
    chown firehose-witness: "$WORK/witness.key"
fi
"$program" --config "$WORK/witness.conf" --check >/dev/null || fail "the example has an error"
"$program" --config "$WORK/witness.conf" 2>"$WORK/log" &
witness=$!
for _ in $(seq 100); do
    grep -q '\[witness-started\]' "$WORK/log" && break
    kill -0 "$witness" 2>/dev/null || fail "it does not start: $(cat "$WORK/log")"
    sleep 0.1
done
grep -qF "public key $public" "$WORK/log" || fail "another key than was printed: $(cat "$WORK/log")"
kill -TERM "$witness"
wait "$witness" || fail "it left with $?"
witness=
grep -q '\[witness-stopped\]' "$WORK/log" || fail "it does not say that it stopped"

# what it says is explained there
if command -v journalctl >/dev/null; then
    mkdir -p "$WORK/var/lib/systemd/catalog"
    journalctl --update-catalog --root="$WORK" >/dev/null 2>&1 || fail "the catalog cannot be read"
    ids=$(sed -nE 's/.*"([0-9a-f]{29}f[0-9a-f]{2})".*/\1/p' include/fh/log_ids.h)
    [ "$(wc -w <<<"$ids")" -ge 9 ] || fail "which are the witness's ids?"
    for id in $ids; do
        journalctl --root="$WORK" --dump-catalog "$id" 2>/dev/null | grep '^Subject: ' >/dev/null || fail "no entry for $id"
    done
fi
echo "a host with the witness alone has what it needs"
