#!/usr/bin/env bash
# Writes firehosed-onboarding(5) to standard output: the fields come from "firehosectl onboarding fields",
# that is from the one table that also makes, reads and checks the sheet. A lint check compares the result
# with the page in the tree.
# Usage: packaging/man/make-onboarding-page.sh PATH_TO_FIREHOSECTL
set -euo pipefail
cd "$(dirname "$0")"
cat <<'HEAD'
.Dd November 23, 2026
.Dt FIREHOSED-ONBOARDING 5
.Os
.Sh NAME
.Nm firehosed-onboarding
.Nd the sheet with which an application is ordered at the vendor
.Sh DESCRIPTION
Before the first event flows, the vendor asks for a description of the application, the
event types and channels it is to get, and the places it is activated for
.Pq Do Cisco Spaces Partner Ecosystem Federal Support Dc , 2026-04-30, called the guide here .
The sheet holds all of it in one file, in the format of libconfig, as
.Xr firehosed.conf 5
is: groups in braces, lists in parentheses, strings in double quotes, comments after
.Ql # .
It is UTF-8.
.Ql firehosectl onboarding init
writes an empty one,
.Cm check
says what is missing or wrong,
.Cm render
writes the document to send.
.Pp
The guide gives no lengths, sizes or formats of files; the limits below are those of this
sheet.
It names lists to choose from (industry, category, sub-category) without their entries;
what is written there is sent as it is.
.Sh FIELDS
HEAD
"$1" onboarding fields | awk '
function esc(s) { gsub(/\\/, "\\e", s); gsub(/"/, "\\(dq", s); sub(/^[.\x27]/, "\\\\\\&&", s); return s }
/^[a-z]/ { if (open) print ".El"; s = esc($0); sub(/: .*/, "", s); print (s == "event types") ? ".Sh EVENT TYPES" : ".Ss " s
           s = esc($0); sub(/^[^:]*: /, "", s); gsub(/[.] /, ".\n", s); print s; print ".Bl -tag -width Ds"; open = 1; next }
/^  [A-Za-z]/ { sub(/^  /, ""); print ".It Va " esc($0); next }
/^      / { sub(/^      /, ""); s = esc($0); gsub(/[.] /, ".\n", s); print s; print ".br"; next }
END { if (open) print ".El" }' | awk '
{ line[NR] = $0 }
END { for (i = 1; i <= NR; i++) if (!(line[i] == ".br" && (line[i + 1] ~ /^\.(It|El|Ss|Sh)/ || i == NR))) print line[i] }'
cat <<'TAIL'
.Sh RULES
What
.Ql firehosectl onboarding check
examines beside the fields themselves.
From the guide:
.Bl -bullet
.It
Without Device Location Update, Device Presence or User Presence has to be chosen.
.It
Device Presence and User Presence need presence at zone, floor or site level.
So does Tele Presence, which includes a presence event and the people count; it does not
take the place of Device Presence or User Presence.
.It
Device Location Update needs X,Y or latitude and longitude, or both, and a map of each
location.
.It
Keep Alive comes by itself.
.It
The endpoint is reached by HTTPS.
.It
There are up to three replicas of the stream, for on-premise applications only.
.El
.Pp
Of the files: images are PNG, JPEG, GIF, WebP or SVG by their contents, and have at most
2 MiB.
.Pp
With
.Fl -config
the sheet is compared with a configuration of
.Xr firehosed 8 .
An error is what would show as a refused connection or as silence: a sink that waits for
an event type that is not ordered, a channel or a replica that is not ordered, another
endpoint.
A warning is what may be meant: an event type that no sink takes or that the guide does
not name, an endpoint on this host itself, as a simulator is.
.Sh EXAMPLES
A complete sheet with its images is in
.Pa /usr/share/doc/firehosed/examples/onboarding.example.conf .
.Bd -literal
events: {
    types = ( "Device Location Update", "Device Presence" );
    coordinates = ( "xy" );
    presence_levels = ( "floor" );
};
integration: { channels = ( "http" ); replicas = 2; };
locations: ( { campus = "Main Campus"; building = "Building 7";
               floor = "1"; map = "spaces"; } );
.Ed
.Sh SEE ALSO
.Xr firehosed.conf 5 ,
.Xr firehosectl 8
TAIL
