# hosts_faults.sh: what happens to hosts, and how the pair takes it. Sourced after hosts_pair.sh; each scenario begins
# and ends with a protected pair, $primary and $standby.

scenario_killed() {
    local cursor gone entry first
    step "SIGKILL of the primary's daemon ($primary)"
    cursor=$(host_cursor $standby)
    gone=$(date +%s%N)
    on $primary systemctl kill -s KILL firehosed
    entry=$(role_taken $standby "$cursor" 60) || exit 1
    first=$(first_event $standby "$(jq -r .FIREHOSED_EPOCH <<<"$entry")") || exit 1
    echo "daemon killed: primary after $(milliseconds $(($(stamp_ns <<<"$entry") - gone))) ms," \
        "first event delivered after $(milliseconds $((first - gone))) ms"
    wait_pair_protected $standby $primary 60
    [ "$(property $primary NRestarts)" -ge 1 ] || fail "systemd did not restart the daemon of host $primary"
    wait_followed $standby primary
    wait_followed $primary standby
    wait_hook $standby "primary $(jq -r .FIREHOSED_EPOCH <<<"$entry") standby"
    story $standby "$cursor" 'standby -> promoting: ' 'Subject: The role of this node has changed to promoting' \
        'promoting -> primary, epoch [0-9]+: ' 'Subject: The role of this node has changed to primary' 'Why: ' \
        'NOT protected' 'Subject: The pair is NOT protected' 'Subject: The pair is protected'
    swap
    balance "SIGKILL"
}

# Three seconds are promised. A machine that stands still may take longer once; what takes longer thrice is ours.
scenario_power_off() {
    local took delivered
    for _ in 1 2 3; do
        power_off
        [ $took -gt 3000 ] || [ $delivered -gt 3000 ] || return 0
    done
    fail "the standby was primary after $took ms and delivered after $delivered ms: at most 3000"
}

power_off() {
    local cursor gone entry first
    step "host $primary vanishes: link down, power off"
    cursor=$(host_cursor $standby)
    gone=$(date +%s%N)
    in_network $primary ip link set eth0 down
    host_kill $primary
    entry=$(role_taken $standby "$cursor" 60) || exit 1
    took=$(milliseconds $(($(stamp_ns <<<"$entry") - gone)))
    first=$(first_event $standby "$(jq -r .FIREHOSED_EPOCH <<<"$entry")") || exit 1
    delivered=$(milliseconds $((first - gone)))
    echo "host vanished: primary after $took ms, first event delivered after $delivered ms"
    in_network $primary ip link set eth0 up
    host_boot $primary
    wait_pair_protected $standby $primary 60
    story $standby "$cursor" 'Subject: The other node is not heard' 'Subject: The role of this node has changed to primary' \
        'Subject: The other node is heard' 'Subject: The pair is protected'
    swap
    balance "power off"
}

scenario_hangs() {
    local cursor cursor_hung restarts
    step "the daemon of host $primary hangs (SIGSTOP)"
    cursor=$(host_cursor $standby)
    cursor_hung=$(host_cursor $primary)
    restarts=$(property $primary NRestarts)
    on $primary systemctl kill -s STOP --kill-whom=main firehosed
    role_taken $standby "$cursor" 60 >/dev/null || exit 1
    wait_journal $primary "$cursor_hung" '.MESSAGE | tostring | test("firehosed.service: Watchdog timeout")' "${1:-60}" >/dev/null || exit 1
    wait_pair_protected $standby $primary 60
    [ "$(property $primary NRestarts)" -gt "$restarts" ] || fail "systemd did not restart the hanging daemon"
    story $primary "$cursor_hung" 'Watchdog timeout' 'Subject: firehosed has started' 'Subject: The role of this node has changed to standby'
    swap
    balance "hanging daemon"
}

scenario_default_watchdog() {
    local file
    step "the watchdog of the unit as it is"
    for name in a b; do
        file=$(host_root $name)/etc/systemd/system/firehosed.service.d/local.conf
        mv "$file" "$WORK/local-$name.conf"
        on $name systemctl daemon-reload
    done
    restart_both
    scenario_hangs 90
    for name in a b; do
        cp "$WORK/local-$name.conf" "$(host_root $name)/etc/systemd/system/firehosed.service.d/local.conf"
        on $name systemctl daemon-reload
    done
    restart_both
}

# The file system of a host's state is a small one for a while. Its files are seen from outside through the host.
small_disk() {
    local name=$1
    on $name systemctl stop firehosed || fail "systemctl stop on host $name"
    on $name sh -ec 'mv /var/lib/firehosed /var/lib/firehosed.kept; mkdir /var/lib/firehosed
        mount -t tmpfs -o size="$1" tmpfs /var/lib/firehosed; cp -a /var/lib/firehosed.kept/. /var/lib/firehosed/' sh "$2" ||
        fail "no small file system on host $name"
    ln -sfn "/proc/${HOST_INIT[$name]}/root/var/lib/firehosed/events" "$WORK/$name/events"
    on $name systemctl start firehosed || fail "systemctl start on host $name"
}

own_disk_again() {
    local name=$1
    on $name systemctl stop firehosed || fail "systemctl stop on host $name"
    on $name sh -ec 'rm -rf /var/lib/firehosed.kept; cp -a /var/lib/firehosed /var/lib/firehosed.kept; umount /var/lib/firehosed
        rmdir /var/lib/firehosed; mv /var/lib/firehosed.kept /var/lib/firehosed' || fail "the disk of host $name cannot be put back"
    ln -sfn "$(host_root $name)/var/lib/firehosed/events" "$WORK/$name/events"
    on $name systemctl start firehosed || fail "systemctl start on host $name"
}

# full_disk NAME ROLE: no room on it for a while.
full_disk() {
    local name=$1 cursor started delivered
    cursor=$(host_cursor $name)
    started=$(property $name ActiveEnterTimestampMonotonic)
    on $name sh -c 'dd if=/dev/zero of=/var/lib/firehosed/ballast bs=64k >/dev/null 2>&1; : >>/var/lib/firehosed/ballast'
    wait_status_line $name '.*NOT reading, no room' 60
    wait_status $name '.store.backpressure' 60
    if [ "$2" = standby ]; then # what the primary reports is not confirmed any more: it goes on alone
        wait_status $primary '.role == "primary" and (.protected | not)' 60
        delivered=$(node_value $primary '.sinks[0].delivered')
        wait_status $primary ".sinks[0].delivered > $delivered" 60
    else
        sleep 2 # the time of the outage: events come, and find no room
    fi
    [ "$(property $name ActiveEnterTimestampMonotonic)" = "$started" ] || fail "the daemon of host $name did not outlive a full disk"
    on $name rm /var/lib/firehosed/ballast
    wait_status $name '.store.backpressure | not' 60
    wait_pair_protected $primary $standby 60
    story $name "$cursor" 'the file system of /var/lib/firehosed/store is full' 'Subject: There is no room for the store' \
        'the store has room again' 'Subject: The store has room again'
    balance "disk of the $2 full"
}

scenario_disk_full() {
    step "the disk of the standby ($standby) is full"
    small_disk $standby 200m
    wait_pair_protected $primary $standby 60
    full_disk $standby standby
    step "the disk of the primary is full"
    on $primary firehosectl switchover --wait >"$WORK/said.log" 2>&1 || fail "switchover: $(cat "$WORK/said.log")"
    swap
    wait_pair_protected $primary $standby 60
    full_disk $primary primary
    on $primary firehosectl switchover --wait >"$WORK/said.log" 2>&1 || fail "switchover: $(cat "$WORK/said.log")"
    swap
    own_disk_again $standby
    wait_pair_protected $primary $standby 60
}
