# hosts_pair.sh: the pair on two booted hosts: installed from packages, set up by the commands of README.md, and
# asked what it says of itself. Sourced after hosts.sh, at the top of the tree.

SERVICE=partners.ciscospaces.io # what setup writes; on the hosts the name leads to the simulator

# catalog_id WORDS: the MESSAGE_ID of the catalog's entry whose subject begins so.
catalog_id() {
    local id
    id=$(sed -n "s/^-- \([0-9a-f]*\)\$/\1/; /^Subject: $1/{x;p;q}; h" packaging/systemd/firehosed.catalog)
    [ -n "$id" ] || fail "no entry of the catalog begins with: $1"
    echo "$id"
}
ROLE_ID=$(catalog_id 'The role of this node')
RELOAD_ID=$(catalog_id 'The configuration was read again')
HOOK_ID=$(catalog_id 'A hook')
STARTED_ID=$(catalog_id 'firehosed has started')
STOPPED_ID=$(catalog_id 'firehosed has stopped')

step() { printf -- '-- [%3d s] %s\n' $SECONDS "$*"; }
property() { on "$1" systemctl show --value -p "$2" firehosed; }
milliseconds() { echo $((($1 + 500000) / 1000000)); } # of nanoseconds
config_of() { echo "$(host_root "$1")/etc/firehosed/firehosed.conf"; }
swap() { standby=$primary; primary=$(other "$primary"); } # who was standby is primary now

# ---- installing -------------------------------------------------------------------------------

# What a host knows before anything of ours is installed: names, the authority of the simulator, a watchdog that
# does not wait for half a minute, and what follows the role.
host_prepare() {
    local name=$1 root
    root=$(host_root "$name")
    printf '127.0.0.1 localhost host-%s\n%s %s\n' "$name" "${HOST_ADDRESS[sim]}" "$SERVICE" >"$root/etc/hosts"
    mkdir -p "$root/usr/local/share/ca-certificates" "$root/etc/systemd/system/firehosed.service.d"
    cp "$CA" "$root/usr/local/share/ca-certificates/simulator.crt"
    printf '[Service]\nWatchdogSec=4s\n' >"$root/etc/systemd/system/firehosed.service.d/local.conf"
    on "$name" update-ca-certificates >"$WORK/ca.log" 2>&1 || fail "update-ca-certificates on host $name"
    host_followers "$root"
    on "$name" systemctl daemon-reload
    on "$name" systemctl enable -q follower || fail "systemctl enable follower on host $name"
    # for ledger()
    mkdir -p "$WORK/$name"
    ln -sfn "$root/var/lib/firehosed/events" "$WORK/$name/events"
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

# ---- the commands of README.md ----------------------------------------------------------------

# readme_commands N: the lines of the Nth block of commands (```sh) of the section on two hosts.
readme_commands() {
    awk -v want="$1" '/^## /{inside = /^## Two hosts/} inside && /^```/{open = !open && /^```sh/; n += open; next} open && n == want' README.md
}

# as_root NAME COMMAND: a line of README.md on a host, as typed into a shell there. Standard input is the API key,
# for the line that reads it.
as_root() {
    echo "$1# $2"
    echo "$API_KEY" | nsenter -t "${HOST_INIT[$1]}" -a -- sh -c "cd /root && $2" >"$WORK/said.log" 2>&1
}

# As_root, but what goes from host to host by scp and ssh is carried by this machine: no host runs an ssh server.
carry() {
    local source target
    case $2 in
    "scp -rp "*)
        read -r source target <<<"${2#scp -rp }"
        [ "${target%%:*}" = "root@${HOST_ADDRESS[b]}" ] || fail "README.md copies to ${target%%:*}, not to host b"
        echo "a# $2   (carried by the machine around the hosts)"
        cp -rp "$(host_root a)$source" "$(host_root b)${target#*:}"
        ;;
    "ssh root@${HOST_ADDRESS[b]} '"*"'") target=${2#*\'} && as_root b "${target%\'}" ;;
    *) as_root "$1" "$2" ;;
    esac
}

# recipe: the whole section, literally. The addresses are README's own, and so is the name of the service.
recipe() {
    local name line packages=$1 tries=0
    [ "$(readme_commands 3 | wc -l)" -ge 3 ] && [ -z "$(readme_commands 4)" ] || fail "README.md has other blocks of commands than three"
    for name in a b; do
        cp "$packages"/firehosed_*.deb "$(host_root $name)/root/"
        while read -r line; do
            { as_root $name "$line" || { cat "$WORK/said.log"; fail "host $name: $line"; }; } >"$WORK/install-$name.txt" 2>&1 &
        done < <(readme_commands 1)
    done
    for name in a b; do wait -n || { cat "$WORK"/install-?.txt; fail "README.md: installing"; }; done
    cat "$WORK"/install-?.txt
    while read -r line <&7; do
        carry a "$line" || fail "host a: $line: $(cat "$WORK/said.log")"
        case $line in *"setup --address"*) cp "$WORK/said.log" "$WORK/setup.txt" ;; esac
    done 7< <(readme_commands 2)
    while read -r line <&7; do
        for name in a b; do
            until as_root $name "$line"; do
                # it asks others, who may take longer than it waits on a busy machine
                [[ $line == *doctor ]] && [ $((tries += 1)) -le 3 ] || fail "host $name: $line: $(cat "$WORK/said.log")"
            done
        done
        case $line in
        *"enable --now"*)
            wait_a_leads # an operator types more slowly
            sim_post /sim/start >/dev/null
            ;;
        *doctor) grep -E '^(warn|FAIL)' "$WORK/said.log" ;;
        esac
    done 7< <(readme_commands 3)
    # "The last three lines are printed by the first"
    while read -r line; do
        grep -qF -- "$line" "$WORK/setup.txt" || fail "setup did not print \"$line\": $(cat "$WORK/setup.txt")"
    done < <(readme_commands 2 | tail -n +2)
}

# ---- what it says -----------------------------------------------------------------------------

# doctor NAME: all is well, by the third look: it asks others, who may take longer than it waits on a busy machine.
doctor() {
    local tries=0
    until on "$1" firehosectl doctor >"$WORK/said.log" 2>&1; do
        [ $((tries += 1)) -lt 3 ] || fail "doctor on host $1: $(cat "$WORK/said.log")"
    done
}

# wait_followed NAME ROLE: the targets and the bound service of the host say so.
wait_followed() {
    local until=$((SECONDS + 60)) is want
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
    local until=$((SECONDS + 60)) file
    file=$(host_root "$1")/var/tmp/roles
    until grep -qE "^$2" "$file" 2>/dev/null; do
        [ $SECONDS -lt $until ] || fail "no hook of host $1 was told \"$2\": $(cat "$file" 2>&1)"
        sleep 0.1
    done
}

# wait_hook_last NAME LINE: what it was told last, whatever it was told before.
wait_hook_last() {
    local until=$((SECONDS + 60)) file
    file=$(host_root "$1")/var/tmp/roles
    until tail -n1 "$file" 2>/dev/null | grep -qE "^$2"; do
        [ $SECONDS -lt $until ] || fail "the hooks of host $1 were not told \"$2\" last: $(tail -n3 "$file" 2>&1)"
        sleep 0.1
    done
}

# role_taken NAME CURSOR SECONDS: the entry of its journal that says it is primary now.
role_taken() { wait_journal "$1" "$2" ".MESSAGE_ID == \"$ROLE_ID\" and .FIREHOSED_ROLE == \"primary\"" "$3"; }
stamp_ns() { jq -r '(._SOURCE_REALTIME_TIMESTAMP // .__REALTIME_TIMESTAMP) + "000"'; }

# first_event NAME EPOCH: when its sink got the first event of that epoch, in nanoseconds (the birth of the
# first file named after the epoch).
first_event() {
    local until=$((SECONDS + 60)) birth
    until birth=$(stat -c %.9W "$(host_root "$1")"/var/lib/firehosed/events/archive-*-"$(printf %06d "$2")"-* 2>/dev/null |
        sort -n | sed -n 1p) && [ -n "$birth" ]; do
        [ $SECONDS -lt $until ] || fail "no file of epoch $2 on host $1"
        sleep 0.1
    done
    echo "${birth/./}"
}

# wait_status_line NAME PATTERN [SECONDS]: what systemctl status shows of the daemon's own words.
wait_status_line() {
    local until=$((SECONDS + ${3:-60})) line
    until line=$(on "$1" systemctl status --no-pager firehosed | sed -n 's/^ *Status: //p') && grep -qE "^\"$2" <<<"$line"; do
        [ $SECONDS -lt $until ] || fail "systemctl status on host $1 says: $line"
        sleep 0.1
    done
    echo "$line"
}

# story NAME CURSOR PATTERN...: journalctl -u firehosed -x tells all of it since then, in this order. What the daemon
# says reaches the journal a moment later.
story() {
    local name=$1 cursor=$2 text part rest missing until=$((SECONDS + 60))
    while :; do
        text=$(on "$name" journalctl -q -x -u firehosed --no-hostname -o short --after-cursor="$cursor")
        rest=$text missing=
        for part in "${@:3}"; do
            grep -qE -- "$part" <<<"$rest" || { missing=$part; break; }
            rest=$(awk -v part="$part" 'found {print} !found && $0 ~ part {found = 1}' <<<"$rest")
        done
        [ -n "$missing" ] || return 0
        [ $SECONDS -lt $until ] || fail "journalctl -x on host $name does not tell \"$missing\" in its place; it says: $text"
        sleep 0.3
    done
}

# ---- the ledger -------------------------------------------------------------------------------

# ledger_until STAMP [OPTIONS]: the ledger without what is younger, against the listed files.
ledger_until() {
    local newest
    newest=$(awk '$2 > newest {newest = $2} END {printf "%.0f", newest}' "$WORK/ledger.txt")
    "$BIN/firehose-ledger" --ledger "$WORK/ledger.txt" --exclude-tail-ms $((newest > $1 ? newest - $1 : 0)) "${@:2}" "$WORK"/seen-*
}

# balance WORDS: everything that was sent up to now is in the published files of both hosts, once, while the
# stream goes on. What is published later than the list of files was taken is not looked at.
balance() {
    local now until=$((SECONDS + 90)) name seen=$WORK/seen said
    now=$(sim_get /sim/status | jq .world_time_ms)
    while :; do
        for name in a b; do
            rm -rf "$seen-$name" && mkdir -p "$seen-$name"
            find "$WORK/$name/events/" -maxdepth 1 -type f -name '*.ndjson' -exec ln -s -t "$seen-$name" {} +
        done
        rm -rf "$seen-archived" && mkdir -p "$seen-archived" "$WORK/archived"
        find "$WORK/archived" -type f -exec ln -s -t "$seen-archived" {} +
        sim_get /sim/ledger >"$WORK/ledger.txt"
        said=$(ledger_until "$now") && break
        # What is lost may be on its way; what is there twice stays.
        grep -q 'lost [1-9].*duplicated 0, foreign 0' <<<"$said" && [ $SECONDS -lt $until ] ||
            { ledger_until "$now" --show 5; KEEP_WORK=1; fail "$*: $said (files kept in $WORK)"; }
        sleep 0.3
    done
    echo "$*: $said"
}

# ---- the first look ---------------------------------------------------------------------------

scenario_first_look() {
    local name told story part complaints exposure memory tries=0
    step "targets and hooks"
    for name in a b; do wait_followed $name "$([ $name = a ] && echo primary || echo standby)"; done
    wait_hook a 'primary [1-9][0-9]* (stopped|standby) a [^ ]'
    wait_hook b 'standby [0-9]+ stopped b [^ ]'
    for told in '20-hang for role primary was stopped' '30-fail for role primary failed .exit status 3' '40-foreign for role primary was not run'; do
        until on a journalctl -q -u firehosed "MESSAGE_ID=$HOOK_ID" | grep "$told" >/dev/null; do
            [ $((tries += 1)) -le 600 ] || fail "nobody says: $told"
            sleep 0.1
        done
    done
    until on a journalctl -q -u firehosed-hooks | grep 'the hook was told primary' >/dev/null; do
        [ $((tries += 1)) -le 600 ] || fail "what a hook prints is lost"
        sleep 0.1
    done
    complaints=$(on a journalctl -q -u firehosed-hooks -u firehosed-role | grep -E '(run-hooks|follow-role): ') &&
        fail "the scripts behind the hooks complain: $complaints"
    [ ! -e "$(host_root a)/var/tmp/foreign" ] || fail "a hook that others may write was run as root"

    step "the journal"
    for name in a b; do
        on $name journalctl --sync # a pair that is protected has said so, but it may not be there yet
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
    [ "$(property a TasksMax)" = 256 ] || fail "TasksMax is $(property a TasksMax)"
    [[ "$(property a MemoryMax)" =~ ^[0-9]+$ ]] || fail "MemoryMax is $(property a MemoryMax)"
    memory=$(property a MemoryCurrent)
    case $memory in # not counted where the hierarchy of the machine gives the host no memory controller
    *[!0-9]*) memory="not counted here; resident $(on a sed -n 's/^VmRSS:[[:space:]]*//p' "/proc/$(property a MainPID)/status")" ;;
    esac
    echo "systemctl show: MemoryCurrent $memory of at most $(property a MemoryMax)"
}
