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

ctl setup --url "$SIM_URL" --ca-file "$CA" --address 10.0.0.1 --peer-address 10.0.0.2 --output "$WORK/elsewhere" --sink-dir "$WORK/archive" \
    --api-key-file "$WORK/key" >"$WORK/elsewhere.out" 2>&1 || fail "setup --sink-dir: $(cat "$WORK/elsewhere.out")"
grep -qF "ReadWritePaths=$WORK/archive" "$WORK/elsewhere.out" ||
    fail "setup does not tell which permission a sink elsewhere needs: $(cat "$WORK/elsewhere.out")"

# what is printed can be pasted, whatever the directories are called
odd="$WORK/it's odd"
ctl setup --url "$SIM_URL" --ca-file "$CA" --address 10.0.0.1 --peer-address 10.0.0.2 --output "$odd/etc" --sink-dir "$odd/archive" \
    --api-key-file "$WORK/key" >"$WORK/odd.out" 2>&1 || fail "setup below a directory with blanks: $(cat "$WORK/odd.out")"
expect "the drop-in for a directory with blanks" "$(eval "$(sed -n 's/^ *\(printf .*\) >.*/\1/p' "$WORK/odd.out")" | tail -n1)" "ReadWritePaths=\"$odd/archive\""
[ -d "$odd/etc/bundle-b" ] && eval "$(grep '^ *rm -r ' "$WORK/odd.out")"
[ ! -e "$odd/etc/bundle-b" ] || fail "the bundle cannot be removed as printed: $(cat "$WORK/odd.out")"
setup --force --api-key-file "$WORK" >"$WORK/directory.out" 2>&1 && fail "setup takes a directory for the API key"
grep -q 'Is a directory' "$WORK/directory.out" || fail "setup does not say that the key is a directory: $(cat "$WORK/directory.out")"

echo "-- again: nothing changes; other answers: refused, then forced"
sum() { (cd "$WORK/a/etc" && find . -type f ! -name '*.old' -exec md5sum {} + | sort); }
before=$(sum)
setup >"$WORK/again.out" 2>&1 || fail "setup run twice: $(cat "$WORK/again.out")"
expect "files after the second run" "$(sum)" "$before"
grep -q 'written' "$WORK/again.out" && fail "the second run writes: $(cat "$WORK/again.out")"
setup --receivers 6 >"$WORK/other.out" 2>&1 && fail "setup replaces a configuration without --force"
grep -q -- --force "$WORK/other.out" || fail "setup does not tell about --force: $(cat "$WORK/other.out")"
expect "files after a refusal" "$(sum)" "$before"
setup --receivers 6 --force >"$WORK/force.out" 2>&1 || fail "setup --force"
grep -q 'setup --import .* --force' "$WORK/force.out" && grep -q '^  systemctl restart firehosed$' "$WORK/force.out" ||
    fail "what setup --force prints does not reach daemons that run: $(cat "$WORK/force.out")"
grep -q 'gets another key' "$WORK/force.out" && fail "setup --force speaks of a new key, and there is none"
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
cp -rp "$WORK/a/etc" "$WORK/a/etc.kept"
setup --force >"$WORK/force.out" 2>&1 || fail "setup --force after the other host has its files"
grep -q '^Node b gets another key' "$WORK/force.out" || fail "nobody says that node b gets another key: $(cat "$WORK/force.out")"
rm -r "$WORK/a/etc" && mv "$WORK/a/etc.kept" "$WORK/a/etc"
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
# a key that is typed is asked for, and not shown, although it was said to come from standard input
printf 'API key\t%s\n' "$API_KEY" >"$WORK/dialogue"
python3 tests/integration/answer.py "$WORK/dialogue" "$BIN/firehosectl" setup --single --url "$SIM_URL" --ca-file "$CA" --output "$WORK/typed" \
    --api-key-file - >"$WORK/typed.out" 2>&1
expect "exit status with a typed key" $? 0
grep -qF "$API_KEY" "$WORK/typed.out" && fail "the terminal shows a typed key"
expect "the key that was typed for --api-key-file -" "$(cat "$WORK/typed/api_key")" "$API_KEY"
ctl setup --output "$WORK/nobody" </dev/null >"$WORK/nobody.out" 2>&1
expect "exit status without terminal and answers" $? 2
grep -q -- --address "$WORK/nobody.out" || fail "it does not name the missing option: $(cat "$WORK/nobody.out")"

echo "-- a single node"
ctl setup --single --url "$SIM_URL" --ca-file "$CA" --output "$WORK/single" --api-key-file "$WORK/key" >/dev/null || fail "setup --single"
grep -q 'pair' "$WORK/single/firehosed.conf" && fail "a single node has a pair"
mkdir "$WORK/fresh" && cp etc/firehosed.conf "$WORK/fresh/" # as the package installs it
ctl setup --single --url "$SIM_URL" --ca-file "$CA" --output "$WORK/fresh" --api-key-file "$WORK/key" >/dev/null ||
    fail "setup asks for --force to replace the untouched example of the package"
grep -q "$SIM_URL" "$WORK/fresh/firehosed.conf" || fail "the example is still there"

# doctor NAME [ARGUMENTS]: its findings into $WORK/doctor.out, its exit status into DOCTOR.
doctor() {
    local name=$1
    shift
    DOCTOR=0
    ctl doctor --config "$WORK/$name/firehosed.conf" --user "$(id -un)" "$@" >"$WORK/doctor.out" 2>&1 || DOCTOR=$?
    grep -qF -e "$API_KEY" -e "$(cat "$WORK/a/etc/pair.key")" -e "$(cat "$WORK/b/etc/pair.key")" "$WORK/doctor.out" &&
        fail "doctor prints a secret"
    return 0
}
# says RESULT CHECK WORDS: a finding of the last doctor.
says() { grep -qE "^$1 +$2 +.*$3" "$WORK/doctor.out" || fail "doctor does not say $1 $2 $3: $(cat "$WORK/doctor.out")"; }
# broken RESULT CHECK WORDS SED [ARGUMENTS]: a's configuration changed by SED is found out.
broken() {
    local result=$1 check=$2 words=$3 change=$4
    shift 4
    sed "$change" "$WORK/a/firehosed.conf" >"$WORK/broken.conf"
    cmp -s "$WORK/a/firehosed.conf" "$WORK/broken.conf" && fail "nothing was changed by: $change"
    mkdir -p "$WORK/c" && mv "$WORK/broken.conf" "$WORK/c/firehosed.conf"
    doctor c "$@"
    says "$result" "$check" "$words"
    expect "exit status of doctor ($check: $words)" "$DOCTOR" "$([ "$result" = FAIL ] && echo 1 || echo 0)"
}
# other_sim NAME ARGUMENTS: another simulator; its address in OTHER.
other_sim() {
    local name=$1
    shift
    "$BIN/firehose-sim" --listen 127.0.0.1:0 "$@" >"$WORK/$name.out" 2>"$WORK/$name.log" &
    PID[$name]=$!
    wait_log "$WORK/$name.out" 'listening on' 60
    OTHER=$(sed -n 's/.*listening on \(https\?:[^ ]*\).*/\1/p' "$WORK/$name.out" | head -n1)
}

echo "-- the pair that setup made; doctor takes none of its events"
doctor a
says warn daemon 'is it running'
says FAIL peer 'refused'
node_start a
node_start b
wait_pair_protected a b 60
sim_post /sim/start >/dev/null
wait_status a '.counters.delivered > 500' 60
for name in a b a b; do
    doctor $name
    expect "exit status of doctor, node $name: $(cat "$WORK/doctor.out")" "$DOCTOR" 0
done
for check in config daemon secrets disk sinks dns tcp tls key channel keys peer stream datagrams; do
    says ok $check ''
done
doctor a --json
jq -e '.ok and (.checks | length > 10) and all(.checks[]; .check and .result and .text)' "$WORK/doctor.out" >/dev/null ||
    fail "doctor --json: $(cat "$WORK/doctor.out")"
cp "$WORK/b/firehosed.conf" "$WORK/other.conf"
doctor a --peer-config "$WORK/other.conf"
says ok peer-config 'fits'
sed -i 's/replica_id = 2/replica_id = 1/' "$WORK/other.conf"
doctor a --peer-config "$WORK/other.conf"
says FAIL peer-config 'replica_id'

echo "-- doctor: key, channel, clock, TLS, network"
(umask 077; echo WRONGKEYWRONGKEY >"$WORK/wrong_key")
broken FAIL key '401' "s|a/etc/api_key|wrong_key|"
grep -q WRONGKEY "$WORK/doctor.out" && fail "doctor prints the wrong key"
for channel in websocket grpc; do
    broken ok channel 'granted' "s|channel = \"http\"|channel = \"$channel\"|"
    broken FAIL key 'API key' "s|channel = \"http\"|channel = \"$channel\"|; s|a/etc/api_key|wrong_key|"
done
other_sim keys --make-cert "$WORK/cert2" --key "$API_KEY:channels=grpc" --start-ms 1700000000000
broken FAIL channel '403' "s|$SIM_URL|$OTHER|; s|a/etc/ca.pem|cert2/ca.pem|"
says ok key 'known'
says warn clock 'ahead of the service'
broken FAIL channel 'not enabled' "s|$SIM_URL|$OTHER|; s|a/etc/ca.pem|cert2/ca.pem|; s|channel = \"http\"|channel = \"websocket\"|"
broken FAIL tls 'signed by an authority' "s|$SIM_URL|$OTHER|"
broken FAIL tls 'name in firehose.url' "s|$SIM_URL|https://0.0.0.0:${OTHER##*:}|; s|a/etc/ca.pem|cert2/ca.pem|"
other_sim cloud --make-cert "$WORK/cert3" --cloud-key "$API_KEY"
broken FAIL key 'on-premise' "s|$SIM_URL|$OTHER|; s|a/etc/ca.pem|cert3/ca.pem|"
says ok clock '' # the first simulator's stood still for a while
broken FAIL tcp 'onnect' "s|$SIM_URL|https://127.0.0.1:$(free_port)|"
broken FAIL dns 'resolve' "s|$SIM_URL|https://no-such-host.invalid|"
# A certificate that has expired, of an authority that is known.
(cd "$WORK" && mkdir -p expired && cd expired && touch index.txt && echo 01 >serial &&
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=IP:127.0.0.1\n' >ca.cnf &&
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=ca &&
    openssl req -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=127.0.0.1 &&
    openssl ca -batch -config ca.cnf -in req.pem -out cert.pem -cert ca.pem -keyfile ca.key \
        -startdate 20200101000000Z -enddate 20210101000000Z) >"$WORK/openssl.log" 2>&1 || fail "openssl: $(cat "$WORK/openssl.log")"
other_sim old --tls-cert "$WORK/expired/cert.pem" --tls-key "$WORK/expired/key.pem" --api-key "$API_KEY"
broken FAIL tls 'has expired' "s|$SIM_URL|$OTHER|; s|a/etc/ca.pem|expired/ca.pem|"

echo "-- doctor: secrets and disk"
cp "$WORK/a/etc/api_key" "$WORK/open_key" && chmod 644 "$WORK/open_key"
broken FAIL secrets 'chmod 0600' "s|a/etc/api_key|open_key|"
broken FAIL secrets 'put it there' "s|a/etc/api_key|no_key|"
if [ "$(id -u)" = 0 ]; then # else the others cannot be looked at
    chmod 755 "$WORK" && mkdir -m 700 "$WORK/closed"
    broken FAIL disk 'nobody cannot write' "s|state_dir = \"$WORK/a/state\"|state_dir = \"$WORK/closed\"|" --user nobody
    says FAIL secrets 'nobody cannot read'
    broken FAIL sinks 'nobody cannot write' "s|directory = \"$WORK/a/state/events\"|directory = \"$WORK/closed/events\"|" --user nobody
fi
if [ "$(id -u)" = 0 ]; then
    broken ok config 'is good' 's|receivers = 4|receivers = 3|'
    chmod 644 "$WORK/c/firehosed.conf"
    # with the eyes of a third user nothing of the service's is judged
    cp "$BIN/firehosectl" "$WORK/firehosectl"
    setpriv --reuid=nobody --regid=nogroup --clear-groups "$WORK/firehosectl" doctor --config "$WORK/c/firehosed.conf" --user root >"$WORK/doctor.out" 2>&1
    expect "exit status of doctor as a third user: $(cat "$WORK/doctor.out")" $? 0
    says warn user 'ask as root'
    grep -qE '^[a-zA-Z]+ +(secrets|disk|key|keys) ' "$WORK/doctor.out" && fail "a third user judges the service's files: $(cat "$WORK/doctor.out")"
    chmod 600 "$WORK/c/firehosed.conf"
    doctor c --user nobody
    says FAIL config 'nobody cannot read'
fi
broken FAIL listen 'Cannot assign' 's|tcp://0.0.0.0:|tcp://192.0.2.7:|' --socket "$WORK/none.sock"
doctor a --socket "$WORK/none.sock"
says FAIL listen 'ss -ltnp'
broken FAIL disk 'nowhere to go|cannot write' "s|state_dir = \"$WORK/a/state\"|state_dir = \"/proc/firehosed\"|"
broken warn disk 'lower store.size_limit' 's|^sinks: (|store: { size_limit = "15 TiB"; };\n&|'

echo "-- doctor: the peer"
node_signal a TERM
wait_status b '.role == "primary"' 60
doctor a
says warn daemon 'is it running'
says ok peer 'keys of both nodes fit'
broken FAIL peer 'does not hold the key' 's|peer_public_key = "[^"]*"|peer_public_key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"|'
ctl keygen --secret "$WORK/stranger.key" >/dev/null 2>&1 || fail "keygen"
broken FAIL peer "does not accept this node's key" "s|a/etc/pair.key|stranger.key|"
broken FAIL peer 'refused' "s|127.0.0.1:${PAIR_PORT[b]}|127.0.0.1:$(free_port)|"
broken FAIL peer 'another program|says nothing' "s|127.0.0.1:${PAIR_PORT[b]}|127.0.0.1:${SIM_URL##*:}|"
own=$(ctl doctor --config "$WORK/a/firehosed.conf" | sed -n "s/.*this node's public key is \(.*\); it must.*/\1/p")
broken FAIL keys "own key" "s|peer_public_key = \"[^\"]*\"|peer_public_key = \"${own//&/\\&}\"|"
doctor b # the running daemon misses its peer
says FAIL peer 'refused'
expect "role of b, looked at by strangers" "$(node_status b | jq -r .role)" primary
node_start a
wait_pair_protected b a 60
broken FAIL peer 'leads back' "s|127.0.0.1:${PAIR_PORT[b]}|127.0.0.1:${PAIR_PORT[a]}|" --socket "$WORK/none.sock"

echo "-- doctor: the witness"
(umask 077; mkdir -p "$WORK/w")
witness_port=$(free_port)
public=$("$BIN/firehose-witness" --keygen "$WORK/w/key" 2>/dev/null | grep -oE '^[^ ]{40}$' | head -n1)
cat >"$WORK/w/conf" <<CONF
witness: { listen = "tcp://127.0.0.1:$witness_port"; secret_key_file = "$WORK/w/key"; state_dir = "$WORK/w/state"; ttl_max_ms = 10000; };
pairs: ( { name = "p"; public_keys = ( "$own", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" ); } );
CONF
arbiter="s|^sinks: (|arbiter: { type = \"witness\"; addresses = ( \"tcp://127.0.0.1:$witness_port\" ); witness_public_key = \"${public//&/\\&}\"; };\n&|"
broken FAIL arbiter 'cannot be reached' "$arbiter"
mkdir -p "$WORK/w/state"
"$BIN/firehose-witness" --config "$WORK/w/conf" 2>"$WORK/witness.log" &
PID[witness]=$!
wait_log "$WORK/witness.log" '\[witness-started\]' 60
broken ok arbiter 'knows this node' "$arbiter"
broken FAIL arbiter 'does not know this node' "$arbiter; s|a/etc/pair.key|stranger.key|"

if command -v etcd >/dev/null; then
    echo "-- doctor: etcd"
    etcd_port=$(free_port)
    etcd --data-dir "$WORK/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
        --listen-peer-urls "http://127.0.0.1:$(free_port)" >"$WORK/etcd.log" 2>&1 &
    PID[etcd]=$!
    for _ in $(seq 600); do curl -s -m 5 "http://127.0.0.1:$etcd_port/version" >/dev/null && break; sleep 0.1; done
    etcd_at() { echo "s|^sinks: (|arbiter: { type = \"etcd\"; endpoints = ( $1 ); };\n&|"; }
    broken ok arbiter "etcd at http://127.0.0.1:$etcd_port answers" "$(etcd_at "\"http://127.0.0.1:$etcd_port\"")"
    # one member that is away is no failure, all of them are
    broken warn arbiter 'etcd at .*onnect' "$(etcd_at "\"http://127.0.0.1:$(free_port)\", \"http://127.0.0.1:$etcd_port\"")"
    broken FAIL arbiter 'no member of etcd answers' "$(etcd_at "\"http://127.0.0.1:$(free_port)\"")"
    broken FAIL arbiter 'no member of etcd answers' "$(etcd_at "\"http://127.0.0.1:${SIM_URL##*:}\"")"
else
    echo "left out: doctor and etcd (etcd is not installed)"
fi

sim_post /sim/stop >/dev/null
wait_delivered 60 a b
for name in a b; do node_signal $name TERM; done
ledger a b || fail "the ledger does not balance: doctor took events"
echo "setup and doctor: all as expected"
