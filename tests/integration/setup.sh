#!/usr/bin/env bash
# firehosectl setup and doctor on one host that plays two: flags and questions, the files and their modes,
# what is refused; two daemons started from what setup wrote deliver every event.
#
# Needs BIN, bash, jq, curl, python3.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tests/lib/pair.sh

ctl() { "$BIN/firehosectl" "$@"; }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; }
mode() { stat -c %a "$1"; }

sim_start --rate 500 --seed 11 --paused
PAIR_PORT[a]=$(free_port)
PAIR_PORT[b]=$(free_port)
(umask 077; echo "$API_KEY" >"$WORK/key")

# Node NAME lives in $WORK/NAME: configuration in etc, state in state; node_config's layout for pair.sh.
setup() {
    ctl setup --url "$SIM_URL" --ca-file "$CA" --address "127.0.0.1:${PAIR_PORT[a]}" \
        --peer-address "127.0.0.1:${PAIR_PORT[b]}" --output "$WORK/a/etc" --state-dir "$WORK/a/state" \
        --peer-output "$WORK/b/etc" --peer-state-dir "$WORK/b/state" "$@"
}
mkdir -p "$WORK/a" "$WORK/b"

echo "-- flags: this host and the other one"
setup --api-key-file "$WORK/missing" >/dev/null 2>&1 && fail "setup goes on without the API key"
[ ! -e "$WORK/a/etc" ] || fail "a failed setup leaves something behind"
setup --api-key-file - <"$WORK/key" >"$WORK/setup.out" 2>&1 || fail "setup: $(cat "$WORK/setup.out")"
bundle=$WORK/a/etc/bundle-b
for file in "$WORK/a/etc/api_key" "$WORK/a/etc/pair.key" "$bundle"/{api_key,pair.key,firehosed.conf,ca.pem}; do
    expect "mode of $file" "$(mode "$file")" 600
done
expect "mode of the bundle" "$(mode "$bundle")" 700
expect "mode of the configuration" "$(mode "$WORK/a/etc/firehosed.conf")" 640
grep -q "setup --import" "$WORK/setup.out" || fail "setup does not print the next command: $(cat "$WORK/setup.out")"
expect "last line of setup" "$(tail -n1 "$WORK/setup.out")" "  firehosectl doctor"
for secret in "$API_KEY" "$(cat "$WORK/a/etc/pair.key")" "$(cat "$bundle/pair.key")"; do
    grep -qF "$secret" "$WORK/setup.out" && fail "setup prints a secret"
done
"$BIN/firehosed" --config "$WORK/a/etc/firehosed.conf" --check >/dev/null || fail "--check refuses what setup wrote"

echo "-- again: nothing changes; other answers: refused, then forced"
sum() { (cd "$WORK/a/etc" && find . -type f ! -name '*.old' -exec md5sum {} + | sort); }
before=$(sum)
setup >"$WORK/again.out" 2>&1 || fail "setup run twice: $(cat "$WORK/again.out")"
expect "files after the second run" "$(sum)" "$before"
grep -q 'written' "$WORK/again.out" && fail "the second run writes: $(cat "$WORK/again.out")"
setup --receivers 6 >"$WORK/other.out" 2>&1 && fail "setup replaces a configuration without --force"
grep -q -- --force "$WORK/other.out" || fail "setup does not tell about --force: $(cat "$WORK/other.out")"
expect "files after a refusal" "$(sum)" "$before"
setup --receivers 6 --force >/dev/null 2>&1 || fail "setup --force"
grep -q 'receivers = 6' "$WORK/a/etc/firehosed.conf" || fail "--force did not replace"
grep -q 'receivers = 4' "$WORK/a/etc/firehosed.conf.old" || fail "--force did not keep the old configuration"
setup --force >/dev/null 2>&1 || fail "setup --force, back"
expect "keys after --force" "$(sum)" "$before"

echo "-- import on the other host"
cp -rp "$bundle" "$WORK/carried"
sed -i 's/^}/}x/' "$WORK/carried/firehosed.conf"
ctl setup --import "$WORK/carried" >/dev/null 2>&1 && fail "--import takes a damaged configuration"
[ ! -e "$WORK/b/etc" ] || fail "a failed --import leaves something behind"
rm -r "$WORK/carried"
cp -rp "$bundle" "$WORK/carried"
ctl setup --import "$WORK/carried" >"$WORK/import.out" 2>&1 || fail "--import: $(cat "$WORK/import.out")"
ctl setup --import "$WORK/carried" >"$WORK/import.out" 2>&1 || fail "--import twice: $(cat "$WORK/import.out")"
expect "mode of the imported key" "$(mode "$WORK/b/etc/pair.key")" 600
rm -r "$WORK/carried" "$bundle"
setup >"$WORK/again.out" 2>&1 || fail "setup after the other host has its files: $(cat "$WORK/again.out")"
[ ! -e "$bundle" ] || fail "setup makes another key for a host that has one"
# Both know each other's key, and see their own files only.
for name in a b; do
    mv "$WORK/$name/etc/firehosed.conf" "$WORK/$name/etc/here.conf" # pair.sh looks for it one level up
    ln -s etc/here.conf "$WORK/$name/firehosed.conf"
    ln -s state/control.sock "$WORK/$name/control.sock"
    ln -s state/events "$WORK/$name/events"
done

echo "-- questions on a terminal"
cat >"$WORK/dialogue" <<ANSWERS
Address of the service	ftp://nonsense
firehose.url
Address of the service	$SIM_URL
Channel	smoke
Channel	grpc
Connections	
Name of this node	north
Name of the other	north
both nodes
Name of the other	south
Address of this host	10.0.0.1
Address of the other	10.0.0.2
Port	
Which node is primary	peer
go on	safety
witness	10.0.0.3
public key	short
40 characters
public key	Yne@\$w-vo<fVvi]a<NY6T1ed:M\$fCG*[IaLV{hID
Directory	
API key	$API_KEY
ANSWERS
python3 tests/integration/answer.py "$WORK/dialogue" "$BIN/firehosectl" setup --output "$WORK/asked" >"$WORK/terminal.out" 2>&1
expect "exit status on a terminal" $? 0
grep -qF "$API_KEY" "$WORK/terminal.out" && fail "the terminal shows the API key"
expect "the key that was typed" "$(cat "$WORK/asked/api_key")" "$API_KEY"
for words in 'name = "north"' 'channel = "grpc"' 'prefer = "safety"' 'preferred = false' 'tcp://10.0.0.2:5570' 'type = "witness"'; do
    grep -qF "$words" "$WORK/asked/firehosed.conf" || fail "no $words in: $(cat "$WORK/asked/firehosed.conf")"
done
ctl setup --output "$WORK/nobody" </dev/null >"$WORK/nobody.out" 2>&1
expect "exit status without terminal and answers" $? 2
grep -q -- --address "$WORK/nobody.out" || fail "it does not name the missing option: $(cat "$WORK/nobody.out")"

echo "-- a single node"
ctl setup --single --url "$SIM_URL" --ca-file "$CA" --output "$WORK/single" --api-key-file "$WORK/key" >/dev/null || fail "setup --single"
grep -q 'pair' "$WORK/single/firehosed.conf" && fail "a single node has a pair"

echo "-- the pair that setup made"
node_start a
node_start b
wait_pair_protected a b 30
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 1000' 30
sim_post /sim/stop >/dev/null
wait_delivered 60 a b
for name in a b; do node_signal $name TERM; done
ledger a b || fail "the ledger does not balance"
echo "setup: all as expected"
