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
.Sh WHAT A SINK GETS
A sink gets the records that all of its filters let pass, or every record when it has
none.
.Va event_types
and
.Va tenants
are compared as they are with
.Va eventType
and
.Va spacesTenantId .
.Va locations
are compared with the
.Va locationId
of the record's location and of every location that one lies in, so that the id of a
building lets its floors and zones pass; a record without a location
(PROFILE_UPDATE, for one) does not pass then.
A FIREHOSED_GAP record always passes.
What is filtered out counts as delivered for this sink, on both nodes, and is told by
.Ql firehosectl status
as filtered out.
Filters and fields should be the same on both nodes.
.Pp
Of each record a sink gets every field, unless
.Va include
or
.Va drop
say otherwise.
A path names members from the outermost object inwards, with dots between them; a
.Ql *
stands for any one name, so that
.Ql *.device.email
is the address in whatever kind of event; a path goes through the elements of arrays.
With
.Va include
only what its paths name is kept, with all below it; the objects and arrays on the way
stay, too, even when they end up empty.
.Va drop
leaves out what its paths name, also below what is included.
.Va recordUid ,
.Va eventType ,
.Va recordTimestamp
and
.Va spacesTenantId
are always kept.
Names are compared after unescaping.
What is kept are the bytes of the service: numbers and escapes stay as they are.
A path that could never name anything is refused when the configuration is read.
.Pp
The vendor advises to ask for no more personal data than is needed: first in the
dashboard of the app, where event types and personal fields are chosen, and then for each
consumer here.
A sink that only counts people needs none of the device's fields but
.Va deviceId :
.Bd -literal
sinks: ( { name = "counts"; type = "file"; directory = "/srv/counts";
           event_types = ( "DEVICE_PRESENCE", "USER_PRESENCE" );
           locations = ( "location-1f00a003" );
           include = ( "*.presenceEventType", "*.device.deviceId",
                       "*.location.locationId", "*.entryTimestamp",
                       "*.exitTimestamp" );
           envelope = true; } );
.Ed
.Pp
The store of each node, and the file of dead letters, are on the hosts of the pair and
keep what they keep as described in
.Xr firehosed 8 ;
the store keeps whole records.
.Pp
With
.Va envelope
each record begins with a member that the service does not send:
.Bd -literal
{"_firehosed":{"node":"a","replica":1,"epoch":7},"recordUid":...
.Ed
.Pp
De-duplication, reports and the keys of messages are those of the whole record, whatever
a sink gets of it.
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
