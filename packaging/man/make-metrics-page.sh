#!/usr/bin/env bash
# Writes firehosed-metrics(7) to standard output: the metrics come from "firehosed --metrics", that is from the
# one table the answers are made from. A lint check compares the result with the page in the tree.
# Usage: packaging/man/make-metrics-page.sh PATH_TO_FIREHOSED
set -euo pipefail
cd "$(dirname "$0")"
cat <<'HEAD'
.Dd November 23, 2026
.Dt FIREHOSED-METRICS 7
.Os
.Sh NAME
.Nm firehosed-metrics
.Nd what firehosed tells Prometheus
.Sh DESCRIPTION
With a section
.Va metrics
in
.Xr firehosed.conf 5
the daemon answers
.Ql GET /metrics
over HTTP, on the loopback address unless told otherwise, and over a UNIX socket if one is
named:
.Bd -literal -offset indent
metrics: { listen = "10.0.0.1:9570"; hosts = ( "node-a.example.com" );
           socket = "/run/firehosed/metrics.sock"; };
.Ed
.Pp
It answers in OpenMetrics 1.0 or, to who does not ask for that, in the classic text format
of Prometheus.
The names below are those of the samples; in OpenMetrics the family of a counter has no
.Ql _total .
A snapshot is made once a second; the answer is made from it on a thread of its own, so
that no scraper can hold up heartbeats or delivery.
.Pp
There is nothing to order and no secret in it, and nobody is asked who he is: event types,
names of sinks and addresses of the other node are told to whoever may connect.
Only GET and HEAD are answered; a request for a host that is neither an address,
.Dq localhost ,
this host's own name nor one of
.Va metrics.hosts
is refused, so that no web page can read it through a browser.
At most 64 connections at a time; who is slower than 10 seconds with his request or 30
with the answer is cut off, and so is, when the last place is taken, whoever has been idle longest
since his answer.
.Pp
When it cannot listen, the journal says so once
.Pq Sy watch-failed ,
everything else goes on, and it is tried again every 30 seconds.
.Ss Labels
The number of label values is bounded, whatever the stream brings:
.Va receiver
and
.Va partition
by the 12 partitions,
.Va type
by the first 64 event types and
.Dq other ,
.Va sink
and
.Va path
by the configuration, all others by fixed lists.
An answer has at most 800 samples.
.Ss Rules and dashboard
.Pa /usr/share/firehosed/prometheus
has recording rules, alerts and an example of how to find a pair;
.Pa /usr/share/firehosed/grafana
a dashboard.
The rules want the job to be named
.Dq firehosed
and the two nodes of a pair to share a label
.Va pair .
HEAD
"$1" --metrics | awk -F'|' '
function esc(s) { gsub(/\\/, "\\e", s); gsub(/"/, "\\(dq", s); sub(/^[.\x27]/, "\\\\\\&&", s); return s }
function head(name) {
    if (name ~ /^process_|_scrape/) return "THE ENDPOINT AND THE PROCESS"
    if (name ~ /^firehosed_sink/) return "SINKS"
    if (name ~ /^firehosed_(store|dedup)/) return "THE STORE"
    if (name ~ /^firehosed_replay(s?_|_)/) return "REPLAYS"
    if (name ~ /^firehosed_(events|repaired|keep|gaps|backpressure|receiver|checkpoint)/) return "THE STREAM"
    if (name ~ /^firehosed_(build|node|uptime)/) return "THE NODE"
    return "THE PAIR"
}
{
    if (head($1) != group) {
        if (group != "") print ".El"
        group = head($1)
        print ".Sh " group
        print ".Bl -tag -width Ds"
    }
    print ".It Va " esc($1)
    print $2 ($3 == "ratio" ? ", a ratio" : $3 != "" ? ", in " $3 : "") ($4 != "" ? "; labels " $4 : "") "."
    print ".br"
    text = esc($5)
    gsub(/[.] /, ".\n", text)
    print text
}
END { print ".El" }'
cat <<'TAIL'
.Sh FILES
.Bl -tag -width Ds
.It Pa /usr/share/firehosed/prometheus/firehosed-alerts.yml
Alerts, each with a severity, what it means and what to do.
.It Pa /usr/share/firehosed/prometheus/firehosed-rules.yml
The recording rules that alerts and dashboard use.
.It Pa /usr/share/firehosed/prometheus/prometheus.example.yml
How Prometheus finds a pair.
.It Pa /usr/share/firehosed/grafana/firehosed-pair.json
A dashboard for one pair.
.El
.Sh EXAMPLES
.Bd -literal
curl http://localhost:9570/metrics
curl --unix-socket /run/firehosed/metrics.sock http://localhost/metrics
.Ed
.Pp
Delivered late, in the last five minutes, as a share:
.Bd -literal
1 - sum(rate(firehosed_sink_delivery_latency_seconds_bucket{le="10.0"}[5m]))
  / sum(rate(firehosed_sink_delivery_latency_seconds_count[5m]))
.Ed
.Sh SEE ALSO
.Xr firehosed.conf 5 ,
.Xr firehosed-messages 7 ,
.Xr firehosed-operation 7 ,
.Xr firehosectl 8 ,
.Xr firehosed 8
.Sh STANDARDS
OpenMetrics 1.0.0; the text exposition format 0.0.4 of Prometheus.
TAIL
