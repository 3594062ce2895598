# hosts_upkeep.sh: what an administrator does with a pair: reload, stop, new keys, an arbiter, upgrade, reboot, removal.
# Sourced after hosts_pair.sh; scenarios begin and end like those of hosts_faults.sh.

# hand_over: the order of operation(7), on the primary.
hand_over() {
    on "$primary" firehosectl switchover --wait >"$WORK/said.log" 2>&1 || fail "switchover on host $primary: $(cat "$WORK/said.log")"
    swap
    wait_pair_protected "$primary" "$standby" 60
}

# restart_both: what a restart is needed for, the standby first.
restart_both() {
    local round
    for round in 1 2; do
        on "$standby" systemctl restart firehosed || fail "systemctl restart on host $standby"
        wait_pair_protected "$primary" "$standby" 60
        # a run that told them it had stopped was still going on
        wait_hook_last "$standby" "standby [0-9]"
        [ $round = 2 ] || hand_over
    done
}

scenario_reload() {
    local config change cursor answer
    step "systemctl reload"
    config=$(config_of "$primary")
    cp "$config" "$WORK/good.conf"
    for change in 's/roll_seconds = 1/roll_seconds = 2/|reloaded' 's/receivers = 4/receivers = 4; silence_ms = 36000/|need a restart: firehose.silence_ms' \
        's/receivers = 4/recievers = 4/|reload refused: the configuration has errors'; do
        cursor=$(host_cursor "$primary")
        sed "${change%%|*}" "$WORK/good.conf" >"$config"
        answer=0
        on "$primary" systemctl reload firehosed 2>"$WORK/said.log" || answer=1
        [ $answer = "$(grep -c refused <<<"$change")" ] || fail "systemctl reload answers $answer: $(cat "$WORK/said.log")"
        wait_journal "$primary" "$cursor" ".MESSAGE_ID == \"$RELOAD_ID\" and (.MESSAGE | test(\"${change#*|}\"))" 60 |
            jq -r .MESSAGE || exit 1
    done
    cat "$WORK/good.conf" >"$config"
    on "$primary" systemctl reload firehosed || fail "systemctl reload"
    balance "reload"
}

# As power_off: what takes too long once is the machine's.
scenario_stop() {
    local took gap
    for _ in 1 2 3; do
        stop_and_start
        [ $took -gt 5000 ] || [ $gap -gt 500 ] || return 0
    done
    fail "systemctl stop took $took ms, and the standby took over $gap ms later: at most 5000 and 500"
}

stop_and_start() {
    local cursor cursor_stopped start entry stopped
    step "systemctl stop of the primary ($primary)"
    cursor=$(host_cursor "$standby")
    cursor_stopped=$(host_cursor "$primary")
    start=$(date +%s%N)
    on "$primary" systemctl stop firehosed || fail "systemctl stop"
    took=$(milliseconds $(($(date +%s%N) - start)))
    [ "$(property "$primary" Result)/$(property "$primary" ExecMainStatus)" = success/0 ] || fail "the stopped daemon left with an error"
    entry=$(role_taken "$standby" "$cursor" 60) || exit 1
    stopped=$(wait_journal "$primary" "$cursor_stopped" ".MESSAGE_ID == \"$STOPPED_ID\"" 60) || exit 1
    gap=$(milliseconds $(($(stamp_ns <<<"$entry") - $(stamp_ns <<<"$stopped"))))
    echo "stopped in $took ms; the other was primary $gap ms after the last word of the stopped one"
    wait_followed "$primary" stopped
    wait_followed "$standby" primary
    wait_hook "$primary" 'stopped 0 primary'
    on "$primary" systemctl start firehosed || fail "systemctl start"
    wait_pair_protected "$standby" "$primary" 60
    swap
    balance "stop and start"
}

# ---- API keys: the simulator accepts three, by number, until it is told to revoke one ------------------

KEYS=("$API_KEY" FEDCBA9876543210FEDCBA9876543210 00112233445566778899AABBCCDDEEFF)
streams_with() { sim_get /sim/status | jq "[.connections[] | select(.key == $1)] | length"; }
revoke() { sim_post "/sim/fault?type=revoke&key=$1" >/dev/null || fail "the simulator does not revoke key $1"; }

# key_into NAME FILE NUMBER: as operation(7) puts it there.
key_into() {
    echo "${KEYS[$3]}" | nsenter -t "${HOST_INIT[$1]}" -a -- install -D -m 0600 -o "${4:-root}" -g "${4:-root}" /dev/stdin "$2" ||
        fail "host $1: the key cannot be put into $2"
}

wait_streams() {
    local until=$((SECONDS + 60))
    until [ "$(streams_with "$1")" = 8 ]; do
        [ $SECONDS -lt $until ] || fail "$(streams_with "$1") of 8 streams use key $1: $(sim_get /sim/status | jq -c '[.connections[].key]')"
        sleep 0.1
    done
}

scenario_keys() {
    local cursor name
    step "a new API key in a file: reload; one host forgets it"
    key_into "$standby" /etc/firehosed/api_key 1 firehosed
    on "$standby" systemctl reload firehosed || fail "systemctl reload"
    cursor=$(host_cursor "$primary")
    revoke 0
    wait_journal "$primary" "$cursor" '.MESSAGE | tostring | test("401: the API key is missing, invalid or blocked")' 60 | jq -r .MESSAGE || exit 1
    wait_status "$standby" 'all(.receivers[]; .state == "streaming")' 60
    wait_status_line "$primary" 'primary, .* 0 of 4 receivers' 60
    key_into "$primary" /etc/firehosed/api_key 1 firehosed
    on "$primary" systemctl reload firehosed || fail "systemctl reload"
    wait_streams 1
    wait_pair_protected "$primary" "$standby" 60
    story "$primary" "$cursor" 'Subject: The service refuses a receiver' 'systemctl reload firehosed' 'Subject: The configuration was read again' \
        'Subject: A receiver is connected'
    balance "new key in a file"

    step "secrets become credentials; a new API key: restart of the standby, switchover, restart of the other"
    for name in a b; do
        on $name sh -ec 'install -d -m 0700 /etc/credstore; mv /etc/firehosed/api_key /etc/credstore/firehosed.api_key
            mv /etc/firehosed/pair.key /etc/credstore/firehosed.pair_key; chown root: /etc/credstore/firehosed.*' || fail "credentials of host $name"
        sed -i 's|api_key_file = "[^"]*"|api_key_file = ""|; s|secret_key_file = "[^"]*"|secret_key_file = ""|' "$(config_of $name)"
    done
    restart_both
    for name in a b; do key_into $name /etc/credstore/firehosed.api_key 2; done
    cursor=$(host_cursor "$primary")
    on "$primary" systemctl reload firehosed || fail "systemctl reload"
    wait_journal "$primary" "$cursor" '.MESSAGE | tostring | test("the API key is a credential: for a new one restart, the standby first")' 60 |
        jq -r .MESSAGE || exit 1
    restart_both
    wait_streams 2
    # "Revoke the old key when firehosectl doctor accepts the new one on both hosts."
    for name in a b; do
        doctor $name
        for part in 'api_key_file.*/etc/credstore/firehosed.api_key' 'secret_key_file.*/etc/credstore/firehosed.pair_key'; do
            grep -qE "^ok +secrets +.*$part" "$WORK/said.log" || fail "doctor on host $name says nothing of $part: $(cat "$WORK/said.log")"
        done
    done
    cursor=$(host_cursor "$primary")
    revoke 1
    balance "new key as a credential"
    for name in a b; do
        # Counted, not searched: what ends at the first find breaks the pipe, and that would look like none.
        [ "$(on $name journalctl -q -u firehosed --after-cursor="$cursor" 2>/dev/null | grep -c '401: ')" = 0 ] ||
            fail "host $name was refused after the rotation"
        [ "$(on $name journalctl -q -a -o export | grep -cF -e "${KEYS[0]}" -e "${KEYS[1]}" -e "${KEYS[2]}")" = 0 ] ||
            fail "an API key is in the journal of host $name"
    done
    return 0
}

# ---- an arbiter, and a cut ----------------------------------------------------------------------------

scenario_cut() {
    local name public cursor witness=$WORK/witness
    step "a witness on a third host; then the network of host $primary is cut"
    dpkg-deb -x "$packages"/firehose-witness_*.deb "$witness" || fail "the package of the witness cannot be unpacked"
    public=$("$witness/usr/sbin/firehose-witness" --keygen "$witness/key" 2>/dev/null) || fail "keygen of the witness"
    mkdir "$witness/state"
    cat >"$witness/conf" <<CONF
witness: { listen = "tcp://${HOST_ADDRESS[sim]}:5571"; secret_key_file = "$witness/key"; state_dir = "$witness/state"; };
pairs: ( { name = "p"; public_keys = ( "$(node_key a)", "$(node_key b)" ); } );
CONF
    "${SIM_RUN[@]}" "$witness/usr/sbin/firehose-witness" --config "$witness/conf" 2>"$WORK/witness.log" &
    PID[witness]=$!
    wait_log "$WORK/witness.log" '\[witness-started\]' 60
    for name in a b; do
        printf 'arbiter:  { type = "witness"; addresses = ( "tcp://%s:5571" ); witness_public_key = "%s"; };\n' \
            "${HOST_ADDRESS[sim]}" "$public" >>"$(config_of $name)"
    done
    restart_both
    doctor "$primary"
    grep -qE '^ok +arbiter ' "$WORK/said.log" || fail "doctor says nothing of the witness: $(cat "$WORK/said.log")"
    cursor=$(host_cursor "$standby")
    in_network "$primary" ip link set eth0 down
    role_taken "$standby" "$cursor" 60 >/dev/null || exit 1
    in_network "$primary" ip link set eth0 up
    wait_pair_protected "$standby" "$primary" 60
    story "$standby" "$cursor" 'Subject: The other node is not heard' 'Subject: The role of this node has changed to primary' \
        'Subject: The other node is heard' 'Subject: The pair is protected'
    swap
    balance "network cut"
}

# The nodes do not hear each other, but the witness: who leads goes on, alone.
scenario_half_cut() {
    local cursor
    step "the network between the hosts is cut, the witness is heard by both"
    cursor=$(host_cursor "$standby")
    for name in a b; do in_network $name ip route add blackhole "${HOST_ADDRESS[$(other $name)]}/32" || fail "no route on host $name"; done
    wait_status "$primary" '.role == "primary" and (.protected | not)' 60
    sleep 4 # longer than the lease and the failure time
    [ "$(node_value "$primary" .role)" = primary ] || fail "host $primary does not lead any more"
    role_now=$(node_value "$standby" .role)
    [ "$role_now" != primary ] || fail "host $standby leads beside host $primary"
    for name in a b; do in_network $name ip route del blackhole "${HOST_ADDRESS[$(other $name)]}/32"; done
    wait_pair_protected "$primary" "$standby" 60
    balance "cut between the nodes"
}

# node_key NAME: its public key, as the other one has it in its configuration.
node_key() { sed -n 's/.*peer_public_key = "\([^"]*\)".*/\1/p' "$(config_of "$(other "$1")")"; }

# ---- upgrade, reboot ----------------------------------------------------------------------------------

version_of() { on "$1" firehosectl status | sed -n 's/.*, firehosed \([0-9.]*\).*/\1/p'; }

# upgrade NAME DIRECTORY VERSION
upgrade() {
    cp "$2/firehosed_$3"_*.deb "$(host_root "$1")/root/"
    as_root "$1" "apt-get install ./firehosed_$3_*.deb" || fail "upgrade of host $1: $(cat "$WORK/said.log")"
    wait_pair_protected "$primary" "$standby" 60
    [ "$(version_of "$1")" = "$3" ] || fail "host $1 runs $(version_of "$1") after the upgrade to $3"
}

scenario_upgrade() {
    local cursor old
    step "rolling upgrade to 9.9.9, the standby first"
    old=$(version_of "$primary")
    cp "$(config_of a)" "$WORK/config-before"
    cursor=$(host_cursor "$standby")
    upgrade "$standby" "$newer" 9.9.9
    [ "$(version_of "$primary")" = "$old" ] || fail "host $primary runs $(version_of "$primary") already"
    echo "host $primary: $(on "$primary" firehosectl status | head -n1)"
    echo "host $standby: $(on "$standby" firehosectl status | head -n1)"
    hand_over
    story "$primary" "$cursor" 'Subject: firehosed is stopping' "firehosed 9.9.9 started" 'changed to standby' 'changed to primary'
    upgrade "$standby" "$newer" 9.9.9
    cmp -s "$(config_of a)" "$WORK/config-before" || fail "the upgrade changed the configuration of host a"
    balance "upgrade"
}

scenario_go_back() {
    local old
    step "the way back to the older version"
    old=$(. packaging/version.sh && echo "$version")
    for _ in 1 2; do
        cp "$packages/firehosed_$old"_*.deb "$(host_root "$standby")/root/"
        as_root "$standby" "apt-get install --allow-downgrades ./firehosed_${old}_*.deb" || fail "downgrade of host $standby: $(cat "$WORK/said.log")"
        wait_pair_protected "$primary" "$standby" 60
        [ "$(version_of "$standby")" = "$old" ] || fail "host $standby runs $(version_of "$standby")"
        hand_over
    done
    balance "back to $old"
}

scenario_reboot() {
    local name cursor_a cursor_b
    step "both hosts reboot"
    cursor_a=$(host_cursor a) cursor_b=$(host_cursor b)
    for name in a b; do host_off $name; done
    for name in a b; do host_boot $name; done
    wait_status "$primary" '.protected or .peer.protected or .role == "standby"' 60
    wait_one_primary
    story a "$cursor_a" 'Subject: firehosed is stopping' 'Subject: firehosed has stopped' 'Subject: firehosed has started'
    story b "$cursor_b" 'Subject: firehosed is stopping' 'Subject: firehosed has stopped' 'Subject: firehosed has started'
    balance "both rebooted"
}

# ---- removal, and the other kind of package -----------------------------------------------------------

# nothing_left NAME: neither processes nor units nor files of ours; PATTERN names what may be there.
nothing_left() {
    local found until=$((SECONDS + 60))
    # the hooks are told that the node has stopped, which takes what hooks take
    while found=$(on "$1" systemctl list-units --all --no-legend --plain 'firehosed*' | awk '$2 != "not-found" || $3 != "inactive"') && [ -n "$found" ]; do
        [ $SECONDS -lt $until ] || fail "host $1 still has the units: $found"
        sleep 0.2
    done
    found=$(on "$1" sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; done 2>/dev/null' | grep firehose)
    [ -z "$found" ] || fail "host $1 still runs: $found"
    found=$(on "$1" find / -xdev -path /proc -prune -o -path /sys -prune -o -name '*firehose*' -print 2>/dev/null | grep -vE "$2")
    [ -z "$found" ] || fail "host $1 still has: $found"
}

# What the test or the administrator put there, apt's and the journal's own notes, and the package files.
NOT_OURS='^/etc/systemd/system/firehosed(-hooks)?\.service\.d$|^/root/|^/etc/credstore/|^/var/(cache|log)/|^/run/systemd/|^/var/lib/apt/|^/\.firehosed|^/etc/systemd/system/firehosed-primary.target.wants$|^/etc/firehosed$'

scenario_removal() {
    local root
    step "host $standby: remove, then purge"
    root=$(host_root "$standby")
    # its published files count for ever; /etc/firehosed and the credentials are in the administrator's backup
    mkdir -p "$WORK/archived"
    find "$root/var/lib/firehosed/events" -name '*.ndjson' -exec cp -t "$WORK/archived" {} +
    cp -a "$root/etc/firehosed" "$WORK/backup"
    on "$standby" systemctl enable -q firehosed@campus # an instance's link goes as well
    as_root "$standby" "apt-get remove firehosed" || fail "apt-get remove: $(cat "$WORK/said.log")"
    grep -q 'its state in /var/lib/firehosed.* kept' "$WORK/said.log" || fail "nobody says that the state is kept: $(cat "$WORK/said.log")"
    [ -d "$root/var/lib/firehosed/store" ] && [ -e "$root/etc/firehosed/firehosed.conf" ] || fail "removing took state or configuration"
    wait_status "$primary" '.role == "primary" and (.protected | not)' 60
    as_root "$standby" "apt-get purge firehosed" || fail "apt-get purge: $(cat "$WORK/said.log")"
    for part in 'removing its state in /var/lib/firehosed' 'removing its configuration and keys in /etc/firehosed'; do
        grep -q "$part" "$WORK/said.log" || fail "purging does not say \"$part\": $(cat "$WORK/said.log")"
    done
    nothing_left "$standby" "$NOT_OURS"
}

scenario_rpm() {
    local root version
    step "host $standby gets the RPM package and its configuration from the backup: a mixed pair"
    version=$(. packaging/version.sh && echo "$version")
    root=$(host_root "$standby")
    cp "$rpms/firehosed-$version-"*.rpm "$root/root/"
    on "$standby" apt-get -q install rpm >"$WORK/said.log" 2>&1 || fail "apt-get install rpm: $(cat "$WORK/said.log")"
    # Debian's root has no rpm database: dependencies cannot be looked up in it.
    as_root "$standby" "rpm -i --nodeps ./firehosed-$version-*.rpm" || fail "rpm -i: $(cat "$WORK/said.log")"
    [ -s "$WORK/said.log" ] && cat "$WORK/said.log"
    on "$standby" systemctl is-enabled -q firehosed && fail "the RPM package enables the service"
    cp -a "$WORK/backup/." "$root/etc/firehosed/"
    as_root "$standby" "systemctl enable --now firehosed" || fail "enable --now: $(cat "$WORK/said.log")"
    wait_pair_protected "$primary" "$standby" 60
    wait_status_line "$standby" 'standby, epoch [0-9]+, protected'
    balance "disk lost, back from the RPM package"
    scenario_killed
    scenario_killed
    upgrade_rpm
    as_root "$standby" "rpm -e firehosed" || fail "rpm -e: $(cat "$WORK/said.log")"
    grep -q 'its state in /var/lib/firehosed.* kept' "$WORK/said.log" || fail "rpm -e does not say that the state is kept: $(cat "$WORK/said.log")"
    nothing_left "$standby" "$NOT_OURS|^/var/lib/firehosed\$|^/run/firehosed|^/var/lib/firehosed/|^/etc/firehosed/"
    [ -d "$root/var/lib/firehosed/store" ] || fail "erasing took the state"
}

# To itself, or with FULL=1 to a newer version: what runs is restarted, instances too.
upgrade_rpm() {
    local version how=--replacepkgs before_one before_other
    version=$(. packaging/version.sh && echo "$version")
    if [ -n "$newer_rpms" ]; then
        version=9.9.9 how=
        cp "$newer_rpms/firehosed-$version-"*.rpm "$(host_root "$standby")/root/"
    fi
    before_one=$(property "$standby" MainPID)
    instance_start "$standby"
    before_other=$(on "$standby" systemctl show --value -p MainPID firehosed@campus)
    as_root "$standby" "rpm -U --nodeps $how ./firehosed-$version-*.rpm" || fail "rpm -U: $(cat "$WORK/said.log")"
    [ "$(property "$standby" MainPID)" != "$before_one" ] || fail "rpm -U does not restart the service"
    [ "$(on "$standby" systemctl show --value -p MainPID firehosed@campus)" != "$before_other" ] || fail "rpm -U does not restart instances"
    wait_pair_protected "$primary" "$standby" 60
    [ "$(version_of "$standby")" = "$version" ] || fail "host $standby runs $(version_of "$standby")"
    balance "rpm -U"
}

# instance_config NAME: one of several pairs on a host, a single node on a replica that the pair does not use.
instance_config() {
    cat >"$(host_root "$1")/etc/firehosed/campus.conf" <<CONF
node:     { name = "campus"; };
firehose: { url = "https://$SERVICE/"; replica_id = 3; };
sinks:    ( { name = "archive"; type = "file"; directory = "/var/lib/firehosed/campus/events"; } );
CONF
}

instance_start() {
    instance_config "$1"
    cp "$(host_root "$1")/etc/credstore/firehosed.api_key" "$(host_root "$1")/etc/credstore/firehosed.campus.api_key"
    on "$1" systemctl enable -q --now firehosed@campus || fail "systemctl enable --now firehosed@campus on host $1"
}

# nobody_follows NAME: while nobody follows the role (on a busy host that may last), a restart of the daemon leaves alone
# what is bound to the primary's target, for nobody knows the new role yet, and a crash stops it.
nobody_follows() {
    local bound restarts until=$((SECONDS + 60)) units="firehosed-role@campus.path firehosed-role@campus.service"
    on "$1" systemd-run -q --unit=bound -p PartOf=firehosed-primary@campus.target -p After=firehosed-primary@campus.target \
        sleep infinity || fail "systemd-run on host $1"
    bound=$(on "$1" systemctl show --value -p MainPID bound)
    # shellcheck disable=SC2086 # two units
    on "$1" systemctl mask -q --runtime --now $units || fail "systemctl mask on host $1"
    on "$1" systemctl restart firehosed@campus || fail "systemctl restart firehosed@campus"
    [ "$(on "$1" systemctl show --value -p MainPID bound)" = "$bound" ] || fail "a restart of the daemon starts what follows its role"
    restarts=$(on "$1" systemctl show --value -p NRestarts firehosed@campus)
    on "$1" systemctl kill -s KILL firehosed@campus
    until [ "$(on "$1" systemctl show --value -p NRestarts firehosed@campus)" -gt "$restarts" ] &&
        on "$1" systemctl is-active -q firehosed@campus; do
        [ $SECONDS -lt $until ] || fail "firehosed@campus is not started again"
        sleep 0.1
    done
    while on "$1" systemctl is-active -q bound firehosed-primary@campus.target; do
        [ $SECONDS -lt $until ] || fail "what follows the role outlives a crash of the daemon"
        sleep 0.1
    done
    # shellcheck disable=SC2086
    on "$1" systemctl unmask -q --runtime $units
    on "$1" systemctl start firehosed-role@campus.path
    until on "$1" systemctl is-active -q firehosed-primary@campus.target; do
        [ $SECONDS -lt $until ] || fail "nobody follows the role any more"
        sleep 0.1
    done
}

scenario_instance() {
    local name=$standby tries=0 root
    step "one of several pairs on a host: firehosed@campus"
    root=$(host_root "$name")
    instance_config "$name"
    on "$name" systemctl start firehosed@campus 2>/dev/null && on "$name" systemctl is-active -q firehosed@campus &&
        fail "firehosed@campus runs without an API key"
    until on "$name" journalctl -q -u firehosed@campus | grep '/etc/credstore/firehosed' >/dev/null; do
        [ $((tries += 1)) -le 600 ] || fail "nobody says where the credential belongs"
        sleep 0.1
    done
    (umask 077; mkdir -p "$root/etc/credstore"; echo "$API_KEY" >"$root/etc/credstore/firehosed.campus.api_key")
    on "$name" systemctl restart firehosed@campus || fail "systemctl start firehosed@campus"
    # encrypted, as firehosed-operation(7) shows it
    rm "$root/etc/credstore/firehosed.campus.api_key"
    mkdir -p "$root/etc/credstore.encrypted" "$root/etc/systemd/system/firehosed@campus.service.d"
    on "$name" sh -c 'echo "$1" | systemd-creds encrypt --name=api_key - /etc/credstore.encrypted/firehosed.campus.api_key' sh "$API_KEY" >"$WORK/creds.log" 2>&1 ||
        fail "systemd-creds encrypt"
    printf '[Service]\nLoadCredential=\nLoadCredentialEncrypted=api_key:/etc/credstore.encrypted/firehosed.campus.api_key\n' \
        >"$root/etc/systemd/system/firehosed@campus.service.d/encrypted.conf"
    on "$name" systemctl daemon-reload
    on "$name" systemctl restart firehosed@campus || fail "systemctl restart firehosed@campus with an encrypted credential"
    until [ "$(on "$name" systemctl is-active firehosed-primary@campus.target)" = active ]; do
        [ $((tries += 1)) -le 600 ] || fail "firehosed-primary@campus.target is not active"
        sleep 0.1
    done
    on "$name" firehosectl --socket /run/firehosed/campus/control.sock status --json | jq -e '.node == "campus" and .role == "primary"' >/dev/null ||
        fail "firehosed@campus does not answer"
    # what is not said in its configuration is where its unit has it, not where the other pair has it
    on "$name" firehosectl doctor --config /etc/firehosed/campus.conf >"$WORK/said.log" 2>&1
    grep -qE '^ok +daemon .*node "campus"' "$WORK/said.log" && grep -qE 'node.state_dir /var/lib/firehosed/campus' "$WORK/said.log" ||
        fail "doctor looks at another pair: $(cat "$WORK/said.log")"
    [ -d "$root/var/lib/firehosed/campus/store" ] || fail "firehosed@campus has its state elsewhere"
    [ "$(on "$name" systemctl is-active firehosed-primary.target)" = inactive ] || fail "the target of another pair follows as well"
    nobody_follows "$name"
    on "$name" systemctl stop firehosed@campus || fail "systemctl stop firehosed@campus"
    [ "$(on "$name" systemctl is-active firehosed-primary@campus.target)" = inactive ] || fail "the target outlives its daemon"
    echo "nonsense" >"$root/etc/firehosed/campus.conf"
    on "$name" systemctl start firehosed@campus 2>/dev/null && fail "firehosed@campus starts with nonsense for a configuration"
    [ "$(on "$name" systemctl show --value -p ActiveState,ExecMainStatus,NRestarts firehosed@campus | paste -sd' ' | tr -s ' ' | xargs -n1 | sort | paste -sd' ')" = "0 78 failed" ] ||
        fail "an error in the configuration is tried again and again: $(on "$name" systemctl show -p ActiveState,ExecMainStatus,NRestarts firehosed@campus)"
    rm "$root"/etc/credstore.encrypted/firehosed.campus.api_key "$root/etc/firehosed/campus.conf"
    rm -r "$root/etc/systemd/system/firehosed@campus.service.d" "$root/var/lib/firehosed/campus"
    on "$name" systemctl daemon-reload
    on "$name" systemctl reset-failed firehosed@campus
}
