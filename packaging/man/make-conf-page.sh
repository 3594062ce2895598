#!/usr/bin/env bash
# Writes firehosed.conf(5) to standard output: the options come from "firehosed --options", that is from
# the one table that also parses and checks them. A lint check compares the result with the page in
# the tree.
# Usage: packaging/man/make-conf-page.sh PATH_TO_FIREHOSED
set -euo pipefail
cd "$(dirname "$0")"
cat <<'HEAD'
.Dd November 23, 2026
.Dt FIREHOSED.CONF 5
.Os
.Sh NAME
.Nm firehosed.conf
.Nd configuration of firehosed
.Sh DESCRIPTION
The file is in the format of libconfig: groups in braces, lists in parentheses, strings
in double quotes, comments after
.Ql # .
Unknown keys, wrong types and values out of range are errors with file, line, the
nearest known key and the allowed range;
.Ql firehosed --config FILE --check
prints them all.
Only what differs from the defaults needs to be written.
.Pp
Sizes may be written as a number of bytes or as a string such as
.Dq 64 MiB .
Options marked reloadable are taken over on SIGHUP
.Pq Ql systemctl reload firehosed ;
the others need a restart, and a reload says which.
.Pp
Leave the group
.Va pair
out for a single node, which is always primary.
.Sh OPTIONS
HEAD
"$1" --options | awk '
function esc(s) { gsub(/\\/, "\\e", s); gsub(/"/, "\\(dq", s); sub(/^[.\x27]/, "\\\\\\&&", s); return s }
/^[a-z]/ { if (open) print ".El"; print ".Ss " esc($0); print ".Bl -tag -width Ds"; open = 1; next }
/^  [a-z]/ { sub(/^  /, ""); print ".It Va " esc($0); next }
/^      / { sub(/^      /, ""); s = esc($0); gsub(/[.] /, ".\n", s); print s; print ".br"; next }
END { if (open) print ".El" }' | awk '
{ line[NR] = $0 }
END { for (i = 1; i <= NR; i++) if (!(line[i] == ".br" && (line[i + 1] ~ /^\.(It|El|Ss)/ || i == NR))) print line[i] }'
cat <<'TAIL'
.Sh NETWORK
A firewall between the nodes has to let TCP pass to the port of
.Va pair.listen
of either node, and should let UDP pass to the same port, in both directions:
.Bd -literal
firewall-cmd --permanent --add-port=5570/tcp --add-port=5570/udp
.Ed
.Pp
Without UDP the pair works, but packet loss on the way may be taken for a failure; see
.Xr firehosed-ha 7 .
.Sh EXAMPLES
Node a of a pair; on node b name, replica_id, peers, peer_public_key and preferred differ:
.Bd -literal
node:     { name = "a"; };
firehose: { url = "https://partners.ciscospaces.io/";
            api_key_file = "/etc/firehosed/api_key";
            replica_id = 1; receivers = 4; };
pair:     { listen = "tcp://0.0.0.0:5570";
            peers = ( "tcp://10.0.0.2:5570" );
            secret_key_file = "/etc/firehosed/pair.key";
            peer_public_key = "...";
            preferred = true; };
sinks:    ( { name = "archive"; type = "file";
              directory = "/var/lib/firehosed/events";
              roll_seconds = 10; } );
.Ed
.Sh SEE ALSO
.Xr firehosectl 8 ,
.Xr firehosed 8
TAIL
