# hosts.sh: two hosts with a booted systemd each, and a third place for the simulator, on one machine.
# Sourced in place of pair.sh, which it brings along. Needs root, debootstrap, systemd-nspawn, iproute2 and
# a Debian machine (the packages built on it are installed on hosts of the same release).
#
# A host is an overlay over one cached root file system, a network namespace joined to the others by a
# bridge, and a container that boots systemd in it. What the host writes lives in the overlay's upper
# directory and survives its end, as a disk would. The outer machine's own network is not touched.
#
# FH_ROOT_CACHE: the cached root (made when absent or when other packages are needed).
# FH_MIRROR: a Debian mirror; without it the one of the machine's own apt.

ROOT_CACHE=${FH_ROOT_CACHE:-/var/tmp/firehosed-test-hosts}
WORK=$(mktemp -d "/var/tmp/firehosed-hosts-$$-XXXXXX") # an overlay needs a disk below it
NETWORK=fh$$
. "$(dirname "${BASH_SOURCE[0]}")/pair.sh"

declare -A HOST_INIT=()
declare -A HOST_ADDRESS=([sim]=10.0.0.3 [a]=10.0.0.1 [b]=10.0.0.2) # those of README.md

skip() { echo "SKIPPED: $*"; exit 77; }

# As in pair.sh, with the hosts' journals; read from outside, for a host that is dead has one too.
fail() {
    echo "FAILED: $*" >&2
    local log name
    for name in a b; do
        echo "--- last lines of the journal of host $name" >&2
        journalctl -q --no-pager -o short-precise -n 30 -u firehosed -D "$(host_root $name)/var/log/journal" >&2 2>/dev/null
    done
    for log in "$WORK"/*.log; do
        [ -s "$log" ] && { echo "--- last lines of $(basename "$log")" >&2; tail -n 10 "$log" >&2; }
    done
    exit 1
}

# What firehosectl says inside; with it wait_status and its like of pair.sh work for hosts.
node_ctl() { on "$1" firehosectl "${@:2}"; }

hosts_possible() {
    local tool
    [ "$(id -u)" = 0 ] || skip "two booted hosts need root (namespaces, mounts)"
    for tool in debootstrap systemd-nspawn nsenter setpriv ip jq curl dpkg apt-get; do
        command -v $tool >/dev/null || skip "$tool is not installed (packaging/install-deps.sh test, on Debian)"
    done
    ip netns add "$NETWORK-probe" 2>/dev/null || skip "no network namespaces here"
    ip netns del "$NETWORK-probe"
    hosts_undo_stale
}

host_release() { (. /etc/os-release && echo "$VERSION_CODENAME"); }

host_mirror() {
    [ -n "${FH_MIRROR:-}" ] && { echo "$FH_MIRROR"; return; }
    # debootstrap wants the main archive, not the updates or security ones of the same machine
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v release="$(host_release)" '$2 == release && $3 == "main" { print $1; exit }'
}

# What the hosts are made of. The mirror's lists and everything the packages of this tree depend on lie in the
# root's own apt cache, so that a host without a network can still say "apt-get install ./firehosed_*.deb".
HOST_PACKAGES=systemd,systemd-sysv,dbus,iproute2,ca-certificates

# again COMMAND...: a mirror that fails is asked once more, a few times.
again() {
    local pause
    for pause in 5 15 30 ''; do
        "$@" && return
        [ -z "$pause" ] || sleep "$pause"
    done
    return 1
}

# root_apt ARGUMENTS...: this machine's apt, with its way to the mirror, working on the root file system.
root_apt() {
    apt-get -q -y -o Acquire::Retries=3 -o APT::Update::Error-Mode=any -o Dir::State="$1/var/lib/apt" -o Dir::State::status="$1/var/lib/dpkg/status" -o Dir::Cache="$1/var/cache/apt" \
        -o Dir::Etc="$1/etc/apt" -o Dir::Log="$1/var/log/apt" -o Dir::Etc::Parts="$1/etc/apt/apt.conf.d" -o APT::Sandbox::User=root "${@:2}"
}

# root_bootstrap RELEASE MIRROR: from nothing, whatever one that was killed has left there.
root_bootstrap() {
    awk -v below="$ROOT_CACHE.new/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n1 umount -l
    rm -rf --one-file-system "$ROOT_CACHE.new"
    debootstrap --variant=minbase --include="$HOST_PACKAGES" "$1" "$ROOT_CACHE.new" "$2"
}

root_make() {
    local mirror=$1 release=$2
    echo "making the root file system of the hosts in $ROOT_CACHE ($release from $mirror)"
    rm -rf --one-file-system "$ROOT_CACHE"
    again root_bootstrap "$release" "$mirror" >"$WORK/debootstrap.log" 2>&1 || fail "debootstrap of $release from $mirror"
    rm -f "$ROOT_CACHE.new"/var/cache/apt/archives/*.deb
    mkdir -p "$ROOT_CACHE.new/var/log/journal" # the journal outlives the host
    # Nobody answers apt's question; an overlay of a test needs no fsync for each file.
    echo 'APT::Get::Assume-Yes "true"; APT::Sandbox::User "root"; Binary::apt::APT::Keep-Downloaded-Packages "true";' \
        >"$ROOT_CACHE.new/etc/apt/apt.conf.d/90test"
    rm -f "$ROOT_CACHE.new/etc/apt/apt.conf.d/docker-clean"
    echo force-unsafe-io >"$ROOT_CACHE.new/etc/dpkg/dpkg.cfg.d/unsafe-io"
    echo "$release $HOST_PACKAGES" >"$ROOT_CACHE.new/.firehosed-packages"
    mv "$ROOT_CACHE.new" "$ROOT_CACHE"
}

# root_fetch PACKAGE.deb...: what they depend on, and rpm for the other kind of package, into the root's cache.
root_fetch() {
    echo "fetching what the packages depend on"
    again root_apt "$ROOT_CACHE" update >"$WORK/apt-update.log" 2>&1 || fail "apt-get update for the hosts"
    again root_apt "$ROOT_CACHE" install --download-only "$@" rpm >"$WORK/apt-fetch.log" 2>&1 ||
        fail "apt-get install --download-only for the hosts"
}

# hosts_root DIRECTORY: the root file system that the hosts are laid over, ready to install the packages there.
hosts_root() {
    local release needs mirror package packages=()
    release=$(host_release)
    exec 8>"$ROOT_CACHE.lock"
    flock 8
    if [ "$(cat "$ROOT_CACHE/.firehosed-packages" 2>/dev/null)" != "$release $HOST_PACKAGES" ]; then
        mirror=$(host_mirror)
        [ -n "$mirror" ] || skip "no mirror of $release in the configuration of apt (FH_MIRROR names one)"
        root_make "$mirror" "$release"
    fi
    for package in firehosed firehose-witness firehose-sim; do packages+=("$1/${package}"_*.deb); done
    needs=$(for package in "${packages[@]}"; do dpkg-deb -f "$package" Depends; done)
    if [ "$(cat "$ROOT_CACHE/.firehosed-depends" 2>/dev/null)" != "$needs" ]; then
        root_fetch "${packages[@]}"
        echo "$needs" >"$ROOT_CACHE/.firehosed-depends"
    fi
    exec 8>&-
}

in_network() { ip netns exec "$NETWORK-$1" "${@:2}"; }

# hosts_network: a, b and sim, each with eth0, on a bridge in a namespace of its own.
hosts_network() {
    local name
    for name in sim a b wire; do ip netns del "$NETWORK-$name" 2>/dev/null; done # of an old run of the same number
    ip netns add "$NETWORK-wire" || fail "cannot make a network namespace"
    in_network wire ip link add bridge type bridge || skip "the kernel has no bridge"
    in_network wire ip link set bridge up
    for name in sim a b; do
        ip netns add "$NETWORK-$name"
        in_network wire ip link add "to-$name" type veth peer name eth0 netns "$NETWORK-$name" ||
            fail "cannot join $name to the network"
        in_network wire ip link set "to-$name" master bridge up
        in_network "$name" ip link set lo up
        in_network "$name" ip address add "${HOST_ADDRESS[$name]}/24" dev eth0
        in_network "$name" ip link set eth0 up
    done
}

host_root() { echo "$WORK/host-$1/root"; }

# host_make NAME: its disk, nothing of ours on it.
host_make() {
    local root
    root=$(host_root "$1")
    mkdir -p "$WORK/host-$1/upper" "$WORK/host-$1/work" "$root"
    mount -t overlay overlay \
        -o "lowerdir=$ROOT_CACHE,upperdir=$WORK/host-$1/upper,workdir=$WORK/host-$1/work" "$root" ||
        skip "no overlay mounts in $WORK"
    echo "host-$1" >"$root/etc/hostname"
    rm -f "$root/etc/machine-id"
    systemd-machine-id-setup --root="$root" >/dev/null 2>&1 || fail "no machine id for host $1"
}

# A control group of its own in each hierarchy that systemd uses: else both hosts would share one, and
# a "systemctl kill" in one of them would reach into the other.
host_groups() {
    local name=$1 mount
    awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /(^|,)(name=systemd|memory|pids)(,|$)/) { print $2 }' /proc/mounts |
        while read -r mount; do echo "$mount/$NETWORK-$name"; done
}

host_boot() {
    local name=$1 pid state until=$((SECONDS + 180))
    local groups
    mapfile -t groups < <(host_groups "$name")
    mkdir -p "${groups[@]}" 2>/dev/null || skip "no control groups of our own here"
    # setsid: a signal to the test's group must not reach the host past the test's own cleaning up
    setsid sh -c 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"' \
        sh "${groups[@]}" -- systemd-nspawn -q -D "$(host_root "$name")" --register=no --keep-unit -b \
        --network-namespace-path="/run/netns/$NETWORK-$name" --console=read-only \
        </dev/null >>"$WORK/console-$name.txt" 2>&1 &
    pid=$!
    PID[host-$name]=$pid
    until HOST_INIT[$name]=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null | awk '{ print $1 }') &&
        [ -n "${HOST_INIT[$name]}" ] && [ "$(cat "/proc/${HOST_INIT[$name]}/comm" 2>/dev/null)" = systemd ]; do
        [ $SECONDS -lt $until ] && kill -0 $pid 2>/dev/null || fail "host $name does not boot: $(tail -n3 "$WORK/console-$name.txt")"
        sleep 0.1
    done
    until state=$(on "$name" systemctl is-system-running 2>/dev/null); [ "$state" = running ]; do
        [ $SECONDS -lt $until ] ||
            fail "host $name is '$state', not running: $(on "$name" systemctl --failed --no-legend --plain)"
        sleep 0.1
    done
}

# on NAME COMMAND...: inside the host.
on() { nsenter -t "${HOST_INIT[$1]}" -a -- "${@:2}" </dev/null; }

# host_kill NAME: the power goes. What it wrote stays.
host_kill() {
    { kill -KILL "${HOST_INIT[$1]}" && wait "${PID[host-$1]}"; } 2>/dev/null
    unset "PID[host-$1]" "HOST_INIT[$1]"
}

# host_off NAME: an orderly shutdown.
host_off() {
    on "$1" systemctl poweroff >/dev/null 2>&1
    timeout 180 tail --pid="${PID[host-$1]}" -f /dev/null || fail "host $1 does not shut down"
    wait "${PID[host-$1]}" 2>/dev/null
    unset "PID[host-$1]" "HOST_INIT[$1]"
}

# host_cursor NAME: a place in its journal, for the two below. Of an entry of the unit: journalctl of systemd 252
# passes over the first one that matches when the entry of the cursor does not match itself.
host_cursor() { on "$1" journalctl -q -n1 -u firehosed --show-cursor | sed -n 's/^-- cursor: //p'; }

# host_journal NAME CURSOR [MATCHES]: the entries since then, as JSON lines.
host_journal() {
    on "$1" journalctl -q -o json --after-cursor="$2" "${@:3}" \
        --output-fields=MESSAGE,MESSAGE_ID,FIREHOSED_ROLE,FIREHOSED_EPOCH,FIREHOSED_REASON,FIREHOSED_EVIDENCE,_SOURCE_REALTIME_TIMESTAMP
}

# wait_journal NAME CURSOR JQ_CONDITION SECONDS: prints the first entry that fits.
wait_journal() {
    local until=$((SECONDS + $4)) entry
    until entry=$(host_journal "$1" "$2" | jq -cs "[.[] | select($3)][0] // empty") && [ -n "$entry" ]; do
        [ $SECONDS -lt $until ] || fail "no journal entry of host $1 with: $3 within $4 s"
        sleep 0.1
    done
    echo "$entry"
}

# hosts_undo WORK NETWORK: ends and removes what a run made, found by its name alone.
hosts_undo() {
    local name tries
    for name in $(NETWORK=$2 host_groups a) $(NETWORK=$2 host_groups b); do
        [ -d "$name" ] && find "$name" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -KILL 2>/dev/null
    done
    for name in a b; do
        mountpoint -q "$1/host-$name/root" && { umount "$1/host-$name/root" || umount -l "$1/host-$name/root"; }
    done
    for name in $(NETWORK=$2 host_groups a) $(NETWORK=$2 host_groups b); do
        # deepest first; a group empties a moment after its last process is gone
        tries=0
        while [ -d "$name" ] && [ $((tries += 1)) -le 50 ]; do
            find "$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
        done
    done
    for name in a b sim wire; do
        [ -e "/run/netns/$2-$name" ] && ip netns del "$2-$name"
    done
    if [ -n "${KEEP_WORK:-}" ]; then : >"$1/kept"; else rm -rf --one-file-system "$1"; fi
}

# What a run left that was itself killed (by a time-out of ctest, say).
hosts_undo_stale() {
    local work pid
    for work in /var/tmp/firehosed-hosts-*-*; do
        pid=${work#/var/tmp/firehosed-hosts-}
        pid=${pid%%-*}
        [ -d "$work" ] && [ ! -e "$work/kept" ] && ! kill -0 "$pid" 2>/dev/null && KEEP_WORK='' hosts_undo "$work" "fh$pid"
    done
    return 0
}

hosts_cleanup() {
    local name
    for name in "${!HOST_INIT[@]}"; do kill -KILL "${HOST_INIT[$name]}" 2>/dev/null; done
    for name in "${!PID[@]}"; do kill -KILL "${PID[$name]}" 2>/dev/null; done
    wait 2>/dev/null
    hosts_undo "$WORK" "$NETWORK"
}
trap hosts_cleanup EXIT
trap 'exit 130' INT TERM HUP
