/* pair_tables.js: what the tab of the pair shows as tables: the picture in words, receivers, sinks, the last
 * changes of role. */
import { badge, h, table } from "./dom.js";
import { capital, count, duration, moment, NOTHING } from "./format.js";
import { arbiterWords, inOrder, nameOf, pathWords, receiverLevel, roleOf } from "./words.js";

const column = (label) => ({ label });
const figure = (label) => ({ label, number: true });

/* What stands below in smaller letters; nothing for "". */
const below = (text) => (text ? h("span", { class: "muted block" }, text) : null);
const lines = (first, second) => h("span", null, first, below(second));

/* The picture in words: rows of {what, state}. */
export function pictureRows(pair) {
    const rows = inOrder(pair.nodes).map((node) => {
        const role = roleOf(node);
        const ready = role === "standby" ? (node.ready ? ", ready to take over" : ", not ready") : "";
        return {
            what: `${capital(nameOf(node))}${node.self ? " (this node)" : ""}`,
            state: role === "unknown" ? "cannot be reached" : `${role}, epoch ${node.epoch}${ready}`,
        };
    });
    for (const path of pair.paths ?? []) {
        const datagrams = path.datagrams === false ? ", no datagrams" : "";
        rows.push({
            what: `Path ${path.address}`,
            state: path.up ? `${pathWords(path).replace(",", ", round trip")}${datagrams}` : "down",
        });
    }
    if (pair.paired) {
        rows.push({ what: "Arbiter", state: arbiterWords(pair).text });
        rows.push({ what: "Protection", state: pair.protected ? "protected" : "not protected" });
    }
    return rows;
}

export function pictureTable() {
    return table(
        "The pair",
        [column("What"), column("State")],
        (row) => row.what,
        (row) => [row.what, row.state],
    );
}

export function receiverTable() {
    return table(
        "Receivers",
        [column("Partitions"), column("State"), figure("Lag"), figure("Events"), column("Protocol")],
        (r) => r.range,
        (r) => [
            r.range,
            lines(badge(receiverLevel(r.state), r.state), r.state === "streaming" ? "" : r.last_error),
            duration(r.lag_ms),
            count(r.events),
            r.protocol || NOTHING,
        ],
        "No receiver is known.",
    );
}

function health(sink) {
    if (sink.healthy) return badge("good", "healthy");
    return badge(sink.required === false ? "warn" : "bad", "in trouble");
}

export function sinkTable() {
    return table(
        "Sinks",
        [
            column("Sink"),
            column("State"),
            figure("Delivered here"),
            figure("Waiting"),
            column("Promise across a failover"),
        ],
        (s) => s.name,
        (s) => [
            lines(h("strong", null, s.name), s.required === false ? `${s.type}, optional` : s.type),
            lines(health(s), s.healthy ? "" : s.last_error),
            lines(count(s.delivered), s.refused > 0 ? `${count(s.refused)} refused` : ""),
            count(s.pending),
            h("span", { class: "promise" }, s.promise),
        ],
        "No sink is known.",
    );
}

/* now(): the node's clock, for whether a change was today. */
export function transitionTable(now) {
    return table(
        "Last changes of role",
        [column("When"), column("Change"), column("Reason and evidence")],
        (t) => `${t.wall_ms}-${t.from}-${t.to}-${t.epoch}`,
        (t) => [
            moment(t.wall_ms, now() ?? t.wall_ms),
            h("span", null, `${t.from} → `, h("strong", null, t.to), below(`epoch ${t.epoch}`)),
            lines(capital(t.reason), t.evidence),
        ],
        "The role has not changed.",
    );
}
