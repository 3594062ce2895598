/* words.js: what the pair is, in sentences. Pure: a "pair" event in, words out. level is "good",
 * "warn", "bad" or "info". */
import { capital, duration, roundTrip } from "./format.js";

export const ROLE_WORDS = {
    primary: "delivers",
    standby: "stands by",
    starting: "is starting",
    promoting: "is taking over",
    demoting: "is handing over",
};

const sentence = (text) => (text === "" || /[.!?]$/.test(text) ? text : `${text}.`);

/* The two nodes in an order that is the same on the pages of both: by name. */
export function inOrder(nodes) {
    return [...(nodes ?? [])].sort((a, b) => (a.node < b.node ? -1 : a.node > b.node ? 1 : 0));
}

/* The role a node has as far as this one can know. */
export function roleOf(node) {
    if (!node.self && !node.reachable) return "unknown";
    return node.role;
}

export function nameOf(node) {
    return node.node === "" ? "the other node" : `node ${node.node}`;
}

/* Nodes that are primary for certain. */
export function primaries(pair) {
    return (pair.nodes ?? []).filter((node) => roleOf(node) === "primary");
}

/* Why the pair is not protected, or "". */
export function exposure(pair) {
    const self = pair.nodes.find((node) => node.self);
    const other = pair.nodes.find((node) => !node.self);
    if (pair.protected || !pair.paired) return "";
    if (other === undefined || !other.reachable) {
        const name = capital(other === undefined ? "the other node" : nameOf(other));
        return self?.role === "primary"
            ? `${name} cannot be reached; nobody would take over.`
            : `${name} cannot be reached.`;
    }
    if (pair.maintenance) return `${capital(nameOf(self))} is in maintenance and does not take over.`;
    if (self.role !== "primary" && !self.ready) {
        return pair.sync
            ? `${capital(nameOf(self))} is catching up: ${sentence(pair.sync)}`
            : "This node is catching up.";
    }
    if (self.role === "primary" && !other.ready)
        return `${capital(nameOf(other))} is catching up and is not ready yet.`;
    return "";
}

/* Nobody is known to deliver: is somebody about to? */
function nobodyLeads(pair, because) {
    const moving = pair.nodes.find((node) => ["promoting", "demoting"].includes(roleOf(node)));
    if (moving !== undefined) {
        const title = `${capital(nameOf(moving))} ${ROLE_WORDS[moving.role]}.`;
        return { level: "warn", title, why: capital(sentence(moving.reason ?? "")) };
    }
    return {
        level: "bad",
        title: "No node is known to deliver.",
        why: `${exposure(pair)} ${because}`.trim(),
    };
}

/* {level, title, why}: title is one sentence of who delivers and whether the pair is protected. */
export function summary(pair) {
    const self = pair.nodes.find((node) => node.self) ?? { node: pair.node, role: "starting" };
    const leading = primaries(pair);
    const because = capital(sentence(self.reason ?? ""));
    if (!pair.paired) {
        const title = `${capital(nameOf(self))} ${ROLE_WORDS[self.role] ?? self.role}, on its own.`;
        const level = self.role === "primary" ? "info" : "warn";
        return { level, title, why: "There is no second node that could take over." };
    }
    if (pair.fenced) {
        const title = `${capital(nameOf(self))} is fenced: it publishes nothing until it has heard who leads.`;
        return { level: "bad", title, why: because };
    }
    if (leading.length > 1) return { level: "bad", title: "Both nodes say they are primary.", why: because };
    if (pair.switching) {
        return { level: "warn", title: "A planned switchover is under way.", why: because };
    }
    if (leading.length === 0) return nobodyLeads(pair, because);
    const [primary] = leading;
    const delivers = `${capital(nameOf(primary))} delivers,`;
    if (!pair.protected) {
        return { level: "warn", title: `${delivers} but the pair is not protected.`, why: exposure(pair) };
    }
    const other = pair.nodes.find((node) => node !== primary);
    const next = other === undefined ? "the other" : nameOf(other);
    return {
        level: "good",
        title: `${delivers} and the pair is protected.`,
        why: `Should it fail, ${next} goes on from where it stopped.`,
    };
}

/* When and why this node got the role it has; when: how a time is written. */
export function since(pair, when) {
    const last = (pair.transitions ?? []).at(-1);
    if (last === undefined) return "";
    const evidence = last.evidence ? ` (${last.evidence})` : "";
    return `Node ${pair.node} became ${last.to} at ${when(last.wall_ms)}: ${last.reason}${evidence}.`;
}

/* The arbiter as this node knows it: only the node that leads, or is about to, asks it. */
export function arbiterWords(pair) {
    const { arbiter } = pair;
    if (!arbiter?.configured) return { level: "none", text: "No arbiter" };
    const type = capital(arbiter.type);
    if (!arbiter.reachable) {
        const asks = ["primary", "promoting"].includes(pair.nodes?.find((node) => node.self)?.role);
        return asks
            ? { level: "warn", text: `${type} cannot be reached` }
            : { level: "idle", text: `${type}: asked by the node that leads` };
    }
    if (!arbiter.holder) return { level: "good", text: `${type}: nobody holds the lease` };
    const left = arbiter.lease_ms > 0 ? `, for ${duration(arbiter.lease_ms)}` : "";
    return { level: "good", text: `${type}: node ${arbiter.holder} holds the lease${left}` };
}

/* "up, 0.4 ms"; without a round trip that was measured, "up". */
export function pathWords(path) {
    if (!path.up) return "down";
    return typeof path.rtt_ms === "number" && path.rtt_ms >= 0 ? `up, ${roundTrip(path.rtt_ms)}` : "up";
}

export function receiverLevel(state) {
    if (state === "streaming") return "good";
    return state === "refused" ? "bad" : "warn";
}

/* What stands above everything when the node is silent. */
export function unreachableWords(node) {
    return `${node ? `Node ${node}` : "The node"} cannot be reached.`;
}
