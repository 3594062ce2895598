# sink_command.sh: the far side of a command sink: a program (tests/tools/command-consumer.py) on each node, both
# keeping what they read in one file. Sourced after pair.sh; see sink_file.sh for what the functions are.
# FAR_VARIANT=none: without acknowledgement; then what the pipe has taken counts, however long nobody reads it.
FAR_PROMISE=least
FAR_REFUSES=yes
FAR_DOWN=yes
if [ "${FAR_VARIANT:-}" = none ]; then
    FAR_REFUSES=no
    FAR_DOWN=no
fi

far_install_check() { [ -x /usr/bin/python3 ] || { echo "python3"; return 1; }; }

far_start() {
    mkdir -p "$WORK/far"
    : >"$WORK/far/records.ndjson"
}

far_sink() {
    local mode=lines timeout=2000
    # What is in the pipe when its time to end is over is lost, as promised: it gets all the time it needs.
    [ "${FAR_VARIANT:-}" = none ] && mode=none timeout=120000
    cat <<CONF
{ name = "out"; type = "command"; acknowledge = "$mode"; timeout_ms = $timeout;
  command = ( "/usr/bin/python3", "-B", "$PWD/tests/tools/command-consumer.py", "$WORK/far", "$mode", "--refuse", "poison" ); }
CONF
}

far_collect() { cp "$WORK/far/records.ndjson" "$1"; }

# It reads and acknowledges nothing.
far_down() { : >"$WORK/far/down"; }
far_up() { rm -f "$WORK/far/down"; }
