#!/usr/bin/env bash
# Writes firehosed-messages(7) to standard output, from the table of include/fh/log_ids.h and what the catalogs
# below packaging/systemd say of each row. A lint check compares the result with the page in the tree.
# Usage: packaging/man/make-messages-page.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
cat <<'HEAD'
.Dd November 23, 2026
.Dt FIREHOSED-MESSAGES 7
.Os
.Sh NAME
.Nm firehosed-messages
.Nd what firehosed and firehose-witness write into the journal
.Sh DESCRIPTION
Every change of state is one entry with a MESSAGE_ID.
.Bd -literal -offset indent
journalctl -u firehosed -x              # with the explanations below
journalctl -u firehosed -o verbose      # with all fields
journalctl FIREHOSED_SINK=archive       # of one sink
journalctl MESSAGE_ID=6d1b0f4f3a0e4c5c9d0a5f8f2f3b7e01
.Ed
.Pp
Without a journal the same lines go to standard error, with the short name in brackets and
the fields behind the text.
.Ss Fields
.Bl -tag -width FIREHOSED_RECEIVER
.It Va FIREHOSED_NODE
.Va node.name .
.It Va FIREHOSED_ROLE , FIREHOSED_EPOCH
The role and epoch of the node at that moment; of a change of role, the new ones.
.It Va FIREHOSED_REASON , FIREHOSED_EVIDENCE
Of a change of role: why, and what it was seen by.
.It Va FIREHOSED_RECEIVER , FIREHOSED_STATUS
The range of partitions, and the HTTP status of the last answer.
.It Va FIREHOSED_SINK
.Va sinks.name .
.It Va FIREHOSED_PATH , FIREHOSED_ADDRESS
An address of the other node.
.It Va FIREHOSED_HOOK
A program of
.Pa /etc/firehosed/hooks.d .
.It Va FIREHOSED_PAIR
Of the witness: the pair.
.El
.Ss Repetition
An entry is written when something changes, not while it lasts.
Messages marked
.Dq may repeat
tell of what can come and go, a connection or a sink; when the same of them comes more than
ten times in a minute, the rest is summed up in one entry a minute, which ends in
.Dq "(the last of N such changes)" .
The last entry always tells the present state.
No entry holds an event, a key or a password.
HEAD
awk '
function esc(s) { gsub(/\\/, "\\e", s); gsub(/"/, "\\(dq", s); sub(/^[.\x27]/, "\\\\\\&&", s); return s }
FNR == 1 { file++ }
file == 1 && match($0, /X\([A-Z_]+, "[0-9a-f]+", "[a-z-]+", [A-Z]+\)/) {
    split(substr($0, RSTART + 2, RLENGTH - 3), part, /, /)
    gsub(/"/, "", part[2]); gsub(/"/, "", part[3])
    order[++count] = part[2]; name[part[2]] = part[3]; often[part[2]] = part[4]
}
file > 1 && /^-- / { id = $2; body = 0; next }
file > 1 && /^#/ { next }
file > 1 && /^Subject: / { subject[id] = substr($0, 10); next }
file > 1 && /^[A-Z][A-Za-z-]+: / && !body { next }
file > 1 && id != "" {
    if ($0 == "") { if (body) gap = 1; else body = 1; next }
    if (gap && text[id] != "") text[id] = text[id] ".Pp\n"
    gap = 0
    line = esc($0)
    gsub(/[.] /, ".\n", line)
    text[id] = text[id] line "\n"
    next
}
FNR == 1 { gap = 0 }
END {
    title["a"] = "THE DAEMON"; title["b"] = "RECEIVERS"; title["c"] = "THE STORE"; title["d"] = "SINKS"
    title["e"] = "THE PAIR"; title["f"] = "THE WITNESS"
    letters = "abcdef"
    for (l = 1; l <= 6; l++) {
        group = substr(letters, l, 1)
        print ".Sh " title[group]
        print ".Bl -tag -width Ds"
        for (i = 1; i <= count; i++) {
            id = order[i]
            if (substr(id, 30, 1) != group) continue
            print ".It Sy " esc(name[id]) No
            print ".Em \"" esc(subject[id]) ".\""
            print ".br"
            print ".Li " id (often[id] == "FLAPS" ? " , may repeat" : "")
            print ".Pp"
            printf "%s", text[id]
        }
        print ".El"
    }
}' include/fh/log_ids.h packaging/systemd/firehosed.catalog packaging/systemd/firehose-witness.catalog |
    sed -E 's/@FIREHOSED_([A-Z]+)@/<\L\1\E>/g' # values of fields, which journalctl -x fills in
cat <<'TAIL'
.Sh SEE ALSO
.Xr journalctl 1 ,
.Xr firehosed-ha 7 ,
.Xr firehosed-operation 7 ,
.Xr firehose-witness 8 ,
.Xr firehosed 8
TAIL
