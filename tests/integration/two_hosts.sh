#!/usr/bin/env bash
# The pair on two hosts that boot a real systemd, installed the way a package installs it: the service
# protocol, the journal, the credential, the sandbox; a killed daemon, a vanished host, a daemon that
# hangs, a reload, a stop. In the end the ledger must balance over the files of both hosts.
#
# Needs root, debootstrap, systemd-nspawn, iproute2 on Debian; else says SKIPPED and exits with 77.
# Environment: BIN, RATE (2000 events/s), SEED (printed), FH_ROOT_CACHE, FH_MIRROR, KEEP_WORK.
set -uo pipefail
cd "$(dirname "$0")/../.."
RATE=${RATE:-2000}
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
. tests/lib/hosts.sh

ROLE_ID=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/; /^Subject: The role of this node/{x;p}; h' packaging/systemd/firehosed.catalog)
RELOAD_ID=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/; /^Subject: The configuration was read again/{x;p}; h' packaging/systemd/firehosed.catalog)
HOOK_ID=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/; /^Subject: A hook/{x;p}; h' packaging/systemd/firehosed.catalog)
STOPPED_ID=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/; /^Subject: firehosed has stopped/{x;p}; h' packaging/systemd/firehosed.catalog)

tries=0
step() { echo "-- $*"; }
other() { [ "$1" = a ] && echo b || echo a; }
property() { on "$1" systemctl show --value -p "$2" firehosed; }
milliseconds() { echo $((($1 + 500000) / 1000000)); } # of nanoseconds

# host_config NAME REPLICA PREFERRED: defaults wherever there are some. The secrets of host a are credentials,
# those of host b files.
host_config() {
    local name=$1 replica=$2 preferred=$3 peer api_key= pair_key=
    peer=$(other "$name")
    [ "$name" = b ] && api_key=/etc/firehosed/api_key pair_key=/etc/firehosed/pair.key
    cat <<CONF
node:     { name = "$name"; };
firehose: { url = "$SIM_URL"; api_key_file = "$api_key"; ca_file = "/etc/firehosed/ca.pem"; replica_id = $replica; receivers = 4; };
pair:     { listen = "tcp://${HOST_ADDRESS[$name]}:5570"; peers = ( "tcp://${HOST_ADDRESS[$peer]}:5570" );
            secret_key_file = "$pair_key"; peer_public_key = "$(cat "$(host_root "$peer")/etc/firehosed/pair.pub")";
            preferred = $preferred; };
sinks:    ( { name = "archive"; type = "file"; directory = "/var/lib/firehosed/events"; roll_seconds = 1; } );
CONF
}

# What a package's script and an operator do after the files are there.
host_prepare() {
    local name=$1 root
    root=$(host_root "$name")
    on "$name" systemd-sysusers || fail "sysusers on host $name"
    on "$name" journalctl --update-catalog || fail "catalog on host $name"
    mkdir -p "$root/etc/firehosed" "$root/etc/credstore" "$root/etc/systemd/system/firehosed.service.d"
    cp "$CA" "$root/etc/firehosed/ca.pem"
    printf '[Service]\nWatchdogSec=4s\n' >"$root/etc/systemd/system/firehosed.service.d/local.conf"
    on "$name" firehosectl keygen --secret /etc/firehosed/pair.key --public /etc/firehosed/pair.pub >"$WORK/keygen.log" 2>&1 ||
        fail "keygen on host $name"
    if [ "$name" = a ]; then
        (umask 077; echo "$API_KEY" >"$root/etc/credstore/firehosed.api_key")
        mv "$root/etc/firehosed/pair.key" "$root/etc/credstore/firehosed.pair_key"
    else
        (umask 077; echo "$API_KEY" >"$root/etc/firehosed/api_key")
        on "$name" chown firehosed: /etc/firehosed/api_key /etc/firehosed/pair.key
    fi
    host_followers "$root"
    on "$name" systemctl daemon-reload
    on "$name" systemctl enable -q follower || fail "systemctl enable follower on host $name"
}

# What follows the role: a service bound to the primary's target; hooks, one of which writes down what it is
# told, one hangs, one fails and one anybody could have written.
host_followers() {
    local root=$1
    cat >"$root/etc/systemd/system/follower.service" <<'UNIT'
[Unit]
After=firehosed-primary.target
PartOf=firehosed-primary.target
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=firehosed-primary.target
UNIT
    mkdir -p "$root/etc/firehosed/hooks.d" "$root/etc/systemd/system/firehosed-hooks.service.d"
    printf '[Service]\nEnvironment=FIREHOSED_HOOK_LIMIT=1\n' >"$root/etc/systemd/system/firehosed-hooks.service.d/local.conf"
    cat >"$root/etc/firehosed/hooks.d/10-write" <<'HOOK'
#!/bin/sh
echo "$FIREHOSED_ROLE $FIREHOSED_EPOCH $FIREHOSED_PREVIOUS_ROLE $FIREHOSED_NODE $FIREHOSED_REASON" >>/var/tmp/roles
echo "the hook was told $FIREHOSED_ROLE"
HOOK
    printf '#!/bin/sh\nexec sleep 1000\n' >"$root/etc/firehosed/hooks.d/20-hang"
    printf '#!/bin/sh\nexit 3\n' >"$root/etc/firehosed/hooks.d/30-fail"
    printf '#!/bin/sh\n: >/var/tmp/foreign\n' >"$root/etc/firehosed/hooks.d/40-foreign"
    chmod 755 "$root"/etc/firehosed/hooks.d/*
    chmod 775 "$root/etc/firehosed/hooks.d/40-foreign"
}

# wait_followed NAME ROLE: the targets and the bound service of the host say so.
wait_followed() {
    local until=$((SECONDS + 10)) is want
    case $2 in
    primary) want="active inactive active" ;;
    standby) want="inactive active inactive" ;;
    *) want="inactive inactive inactive" ;;
    esac
    until is=$(on "$1" systemctl is-active firehosed-primary.target firehosed-standby.target follower.service | paste -sd' '); [ "$is" = "$want" ]; do
        [ $SECONDS -lt $until ] || fail "host $1 is $2, but primary.target, standby.target and follower.service are: $is"
        sleep 0.1
    done
}

# wait_hook NAME LINE: the hook was told that.
wait_hook() {
    local until=$((SECONDS + 10)) file
    file=$(host_root "$1")/var/tmp/roles
    until grep -qE "^$2" "$file" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "no hook of host $1 was told \"$2\": $(cat "$file" 2>&1)"
        sleep 0.1
    done
}

# role_taken NAME CURSOR SECONDS: the entry of its journal that says it is primary now.
role_taken() { wait_journal "$1" "$2" ".MESSAGE_ID == \"$ROLE_ID\" and .FIREHOSED_ROLE == \"primary\"" "$3"; }
stamp_ns() { jq -r '(._SOURCE_REALTIME_TIMESTAMP // .__REALTIME_TIMESTAMP) + "000"'; }

# first_event NAME EPOCH: when its sink got the first event of that epoch, in nanoseconds (the birth of the
# first file named after the epoch).
first_event() {
    local until=$((SECONDS + 20)) birth
    until birth=$(stat -c %.9W "$(host_root "$1")"/var/lib/firehosed/events/archive-*-"$(printf %06d "$2")"-* 2>/dev/null |
        sort -n | head -n1) && [ -n "$birth" ]; do
        [ $SECONDS -lt $until ] || fail "no file of epoch $2 on host $1"
        sleep 0.1
    done
    echo "${birth/./}"
}

# wait_status_line NAME PATTERN: what systemctl status shows of the daemon's own words.
wait_status_line() {
    local until=$((SECONDS + 10)) line
    until line=$(on "$1" systemctl status --no-pager firehosed | sed -n 's/^ *Status: //p') && grep -qE "^\"$2" <<<"$line"; do
        [ $SECONDS -lt $until ] || fail "systemctl status on host $1 says: $line"
        sleep 0.1
    done
    echo "$line"
}

# swap: who was standby is primary now.
swap() { standby=$primary; primary=$(other "$primary"); }

hosts_possible
echo "seed $SEED, $RATE events/s"
hosts_root
hosts_network
SIM_RUN=(setpriv --pdeathsig KILL ip netns exec "$NETWORK-sim")
SIM_LISTEN=${HOST_ADDRESS[sim]}:0
sim_start --host "${HOST_ADDRESS[sim]}" --rate "$RATE" --seed "$SEED" --lateness-ms 3000 --jitter-ms 500 --paused
step "booting two hosts"
for name in a b; do host_make $name; host_boot $name; host_prepare $name; done
for name in a b; do
    host_config $name "$([ $name = a ] && echo 1 || echo 2)" "$([ $name = a ] && echo true || echo false)" \
        >"$(host_root $name)/etc/firehosed/firehosed.conf"
    on $name firehosed --config /etc/firehosed/firehosed.conf --check >"$WORK/check.log" 2>&1 || fail "--check on host $name"
    mkdir -p "$WORK/$name"
    ln -s "$(host_root $name)/var/lib/firehosed/events" "$WORK/$name/events" # for ledger()
done

step "systemctl start"
for name in a b; do
    on $name systemctl enable -q firehosed || fail "systemctl enable on host $name"
    on $name systemctl start firehosed || fail "systemctl start on host $name"
    [ "$(property $name ActiveState)/$(property $name SubState)" = active/running ] || fail "host $name is not active"
done
wait_pair_protected a b 30
primary=a standby=b
sim_post /sim/start >/dev/null
# The first events of all: each partition's first one on the primary may lie before the standby's, which
# then asks for it; until all have been seen the pair is protected in turns.
wait_status a '.protected and all(.checkpoint.delivered[]; . > 0)' 30
wait_pair_protected a b
for name in a b; do
    line=$(wait_status_line $name "$([ $name = a ] && echo primary || echo standby), epoch [0-9]+, protected") || exit 1
    echo "host $name, systemctl status: $line"
done

step "targets and hooks"
for name in a b; do wait_followed $name "$([ $name = a ] && echo primary || echo standby)"; done
wait_hook a 'primary [1-9][0-9]* (stopped|standby) a [^ ]'
wait_hook b 'standby [0-9]+ stopped b [^ ]'
for told in '20-hang for role primary was stopped' '30-fail for role primary failed .exit status 3' '40-foreign for role primary was not run'; do
    until on a journalctl -q -u firehosed "MESSAGE_ID=$HOOK_ID" | grep -q "$told"; do
        [ $((tries += 1)) -le 100 ] || fail "nobody says: $told"
        sleep 0.1
    done
done
on a journalctl -q -u firehosed-hooks | grep -q 'the hook was told primary' || fail "what a hook prints is lost"
[ ! -e "$(host_root a)/var/tmp/foreign" ] || fail "a hook that others may write was run as root"

step "the journal"
for name in a b; do
    on $name journalctl -q -u firehosed -o json "MESSAGE_ID=$ROLE_ID" |
        jq -es 'length > 0 and all(.[]; .FIREHOSED_ROLE and (.FIREHOSED_EPOCH | test("^[0-9]+$")) and .FIREHOSED_NODE)' >/dev/null ||
        fail "role entries of host $name lack fields"
    story=$(on $name journalctl -q -x -u firehosed "MESSAGE_ID=$ROLE_ID")
    for part in 'primary delivers; standby receives and stores' 'changed to (primary|standby)' 'Why: [a-z]+ ' 'Seen by: [a-z]+ '; do
        grep -qE "$part" <<<"$story" || fail "journalctl -x on host $name does not say \"$part\": $story"
    done
done

step "sandbox and memory"
complaints=$(on a systemd-analyze verify --man=no firehosed.service firehosed@x.service firehosed-role.path firehosed-role@x.path \
    firehosed-hooks.service firehosed-primary.target firehosed-standby@x.target 2>&1 | grep firehosed) &&
    fail "systemd-analyze verify: $complaints"
on a systemd-analyze security --no-pager firehosed >"$WORK/security.txt" 2>&1
exposure=$(sed -n 's/.*exposure level for firehosed.service: \([0-9.]*\).*/\1/p' "$WORK/security.txt")
echo "systemd-analyze security: exposure ${exposure:-unknown}"
awk -v e="${exposure:-10}" 'BEGIN { exit !(e <= 1.5) }' || fail "exposure is above 1.5: $(cat "$WORK/security.txt")"
memory=$(property a MemoryCurrent)
case $memory in # not counted where the hierarchy of the machine gives the host no memory controller
*[!0-9]*) memory="not counted here; resident $(on a sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$(property a MainPID)/status")" ;;
esac
echo "systemctl show: MemoryCurrent $memory"

step "SIGKILL of the primary's daemon ($primary)"
cursor=$(host_cursor $standby)
gone=$(date +%s%N)
on $primary systemctl kill -s KILL firehosed
entry=$(role_taken $standby "$cursor" 10) || exit 1
first=$(first_event $standby "$(jq -r .FIREHOSED_EPOCH <<<"$entry")") || exit 1
echo "daemon killed: primary after $(milliseconds $(($(stamp_ns <<<"$entry") - gone))) ms," \
    "first event delivered after $(milliseconds $((first - gone))) ms"
wait_pair_protected $standby $primary 60
[ "$(property $primary NRestarts)" -ge 1 ] || fail "systemd did not restart the daemon of host $primary"
wait_followed $standby primary
wait_followed $primary standby
wait_hook $standby "primary $(jq -r .FIREHOSED_EPOCH <<<"$entry") standby"
swap

step "host $primary vanishes: link down, power off"
cursor=$(host_cursor $standby)
gone=$(date +%s%N)
in_network $primary ip link set eth0 down
host_kill $primary
entry=$(role_taken $standby "$cursor" 20) || exit 1
took=$(milliseconds $(($(stamp_ns <<<"$entry") - gone)))
first=$(first_event $standby "$(jq -r .FIREHOSED_EPOCH <<<"$entry")") || exit 1
delivered=$(milliseconds $((first - gone)))
echo "host vanished: primary after $took ms, first event delivered after $delivered ms"
[ $took -le 3000 ] && [ $delivered -le 3000 ] || fail "takeover took longer than 3000 ms"
in_network $primary ip link set eth0 up
host_boot $primary
wait_pair_protected $standby $primary 60
swap

step "the daemon of host $primary hangs (SIGSTOP)"
cursor=$(host_cursor $standby)
cursor_hung=$(host_cursor $primary)
restarts=$(property $primary NRestarts)
on $primary systemctl kill -s STOP --kill-whom=main firehosed
entry=$(role_taken $standby "$cursor" 10) || exit 1
wait_journal $primary "$cursor_hung" '.MESSAGE | tostring | test("firehosed.service: Watchdog timeout")' 20 >/dev/null || exit 1
wait_pair_protected $standby $primary 60
[ "$(property $primary NRestarts)" -gt "$restarts" ] || fail "systemd did not restart the hanging daemon"
swap

step "systemctl reload"
config=$(host_root $primary)/etc/firehosed/firehosed.conf
cp "$config" "$WORK/good.conf"
for change in 's/roll_seconds = 1/roll_seconds = 2/|reloaded' 's/receivers = 4/receivers = 4; silence_ms = 36000/|need a restart: firehose.silence_ms'; do
    cursor=$(host_cursor $primary)
    sed "${change%%|*}" "$WORK/good.conf" >"$config"
    on $primary systemctl reload firehosed || fail "systemctl reload"
    wait_journal $primary "$cursor" ".MESSAGE_ID == \"$RELOAD_ID\" and (.MESSAGE | test(\"${change#*|}\"))" 10 |
        jq -r .MESSAGE || exit 1
done
cat "$WORK/good.conf" >"$config"
on $primary systemctl reload firehosed || fail "systemctl reload"

step "systemctl stop of the primary ($primary)"
cursor=$(host_cursor $standby)
cursor_stopped=$(host_cursor $primary)
start=$(date +%s%N)
on $primary systemctl stop firehosed || fail "systemctl stop"
took=$(milliseconds $(($(date +%s%N) - start)))
[ "$(property $primary Result)/$(property $primary ExecMainStatus)" = success/0 ] || fail "the stopped daemon left with an error"
entry=$(role_taken $standby "$cursor" 10) || exit 1
stopped=$(wait_journal $primary "$cursor_stopped" ".MESSAGE_ID == \"$STOPPED_ID\"" 5) || exit 1
gap=$(milliseconds $(($(stamp_ns <<<"$entry") - $(stamp_ns <<<"$stopped"))))
echo "stopped in $took ms; the other was primary $gap ms after the last word of the stopped one"
[ $took -le 5000 ] || fail "systemctl stop took $took ms"
wait_followed $primary stopped
wait_followed $standby primary
wait_hook $primary 'stopped 0 primary'
[ $gap -le 500 ] || fail "the standby did not take over at once"
on $primary systemctl start firehosed || fail "systemctl start"
wait_pair_protected $standby $primary 60
swap

step "the ledger"
sim_post /sim/stop >/dev/null
wait_delivered 60 a b
for name in $standby $primary; do on $name systemctl stop firehosed || fail "systemctl stop on host $name"; done
for name in a b; do
    on $name journalctl -q -a -o export >"$WORK/journal-$name.txt"
    [ -s "$WORK/journal-$name.txt" ] || fail "no journal of host $name"
    grep -qF "$API_KEY" "$WORK/journal-$name.txt" && fail "the API key is in the journal of host $name"
done

step "one of several pairs on a host: firehosed@campus"
cat >"$(host_root b)/etc/firehosed/campus.conf" <<CONF
node:     { name = "campus"; };
firehose: { url = "$SIM_URL"; ca_file = "/etc/firehosed/ca.pem"; replica_id = 3; };
sinks:    ( { name = "archive"; type = "file"; directory = "/var/lib/firehosed/campus/events"; } );
CONF
on b systemctl start firehosed@campus 2>/dev/null && on b systemctl is-active -q firehosed@campus &&
    fail "firehosed@campus runs without an API key"
until on b journalctl -q -u firehosed@campus | grep -q '/etc/credstore/firehosed'; do
    [ $((tries += 1)) -le 200 ] || fail "nobody says where the credential belongs"
    sleep 0.1
done
(umask 077; mkdir -p "$(host_root b)/etc/credstore"; echo "$API_KEY" >"$(host_root b)/etc/credstore/firehosed.campus.api_key")
on b systemctl restart firehosed@campus || fail "systemctl start firehosed@campus"
# encrypted, as firehosed-operation(7) shows it
rm "$(host_root b)/etc/credstore/firehosed.campus.api_key"
mkdir -p "$(host_root b)/etc/credstore.encrypted" "$(host_root b)/etc/systemd/system/firehosed@campus.service.d"
on b sh -c 'echo "$1" | systemd-creds encrypt --name=api_key - /etc/credstore.encrypted/firehosed.campus.api_key' sh "$API_KEY" >"$WORK/creds.log" 2>&1 ||
    fail "systemd-creds encrypt"
printf '[Service]\nLoadCredential=\nLoadCredentialEncrypted=api_key:/etc/credstore.encrypted/firehosed.campus.api_key\n' \
    >"$(host_root b)/etc/systemd/system/firehosed@campus.service.d/encrypted.conf"
on b systemctl daemon-reload
on b systemctl restart firehosed@campus || fail "systemctl restart firehosed@campus with an encrypted credential"
until [ "$(on b systemctl is-active firehosed-primary@campus.target)" = active ]; do
    [ $((tries += 1)) -le 300 ] || fail "firehosed-primary@campus.target is not active"
    sleep 0.1
done
on b firehosectl --socket /run/firehosed/campus/control.sock status --json | jq -e '.node == "campus" and .role == "primary"' >/dev/null ||
    fail "firehosed@campus does not answer"
[ -d "$(host_root b)/var/lib/firehosed/campus/store" ] || fail "firehosed@campus has its state elsewhere"
[ "$(on b systemctl is-active firehosed-primary.target)" = inactive ] || fail "the target of another pair follows as well"
on b systemctl stop firehosed@campus || fail "systemctl stop firehosed@campus"
[ "$(on b systemctl is-active firehosed-primary@campus.target)" = inactive ] || fail "the target outlives its daemon"
echo "nonsense" >"$(host_root b)/etc/firehosed/campus.conf"
on b systemctl start firehosed@campus 2>/dev/null && fail "firehosed@campus starts with nonsense for a configuration"
[ "$(on b systemctl show --value -p ActiveState,ExecMainStatus,NRestarts firehosed@campus | paste -sd' ' | tr -s ' ' | xargs -n1 | sort | paste -sd' ')" = "0 78 failed" ] ||
    fail "an error in the configuration is tried again and again: $(on b systemctl show -p ActiveState,ExecMainStatus,NRestarts firehosed@campus)"

ledger a b || { KEEP_WORK=1; fail "the ledger does not balance (files kept in $WORK)"; }
echo "two hosts: all as expected"
