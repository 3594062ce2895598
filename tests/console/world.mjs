/* world.mjs: a made-up pair and a made-up space with devices that walk, for the fake backend and the
 * page's unit tests. The same seed and the same steps give the same world. */

const NAMES = ["Harbour House", "North Hall", "Foundry", "Library"];

export class World {
    /* options: seed, buildings, floors (each), devices (on every floor; about, unless exact), maps, node ("a" or "b"). */
    constructor(options = {}) {
        this.options = { seed: 1, buildings: 2, floors: 4, devices: 60, node: "b", ...options };
        this.state = this.options.seed >>> 0 || 1;
        this.now = options.now ?? Date.now();
        this.started = this.now;
        this.received = 48211;
        this.primary = "a";
        this.epoch = 1;
        this.peerReachable = true;
        this.transitions = [
            {
                wall_ms: this.now - 7000000,
                from: "starting",
                to: this.options.node === "a" ? "primary" : "standby",
                epoch: 1,
                reason: "the preferred node leads when both start",
                evidence: "the peer is standby, epoch 1",
            },
        ];
        this.makePlaces();
    }

    random() {
        /* xorshift: good enough for walks */
        this.state ^= this.state << 13;
        this.state ^= this.state >>> 17;
        this.state ^= this.state << 5;
        this.state >>>= 0;
        return this.state / 4294967296;
    }

    makePlaces() {
        const { buildings, floors, devices } = this.options;
        this.places = [
            { id: "location-1", parent: null, name: "Example Industries", level: "ROOT" },
            { id: "location-2", parent: "location-1", name: "Riverside Campus", level: "CAMPUS" },
        ];
        this.devices = new Map();
        for (let b = 0; b < buildings; b++) {
            const building = `location-b${b}`;
            this.places.push({
                id: building,
                parent: "location-2",
                name: NAMES[b] ?? `Building ${b + 1}`,
                level: "BUILDING",
            });
            for (let f = 0; f < floors; f++) {
                const floor = `${building}f${f}`;
                this.places.push({ id: floor, parent: building, name: `Floor ${f + 1}`, level: "FLOOR" });
                const list = [];
                const many = Math.round(devices * (0.5 + this.random()));
                for (let d = 0; d < (this.options.exact ? devices : many); d++) {
                    list.push({
                        id: (b * 7919 + f * 131071 + d * 2654435761).toString(16).slice(-8).padStart(8, "0"),
                        x: this.random() * 266,
                        y: this.random() * 150,
                        tx: this.random() * 266,
                        ty: this.random() * 150,
                        confidence: 6 + this.random() * 22,
                        seen: this.now - this.random() * 60000,
                    });
                }
                this.devices.set(floor, list);
            }
        }
    }

    /* Moves some of the devices of a floor; returns them in the order of the contract. */
    walk(floor, share, now) {
        const moved = [];
        for (const device of this.devices.get(floor) ?? []) {
            if (this.random() > share) continue;
            const dx = device.tx - device.x;
            const dy = device.ty - device.y;
            const distance = Math.hypot(dx, dy);
            if (distance < 4) {
                device.tx = this.random() * 266;
                device.ty = this.random() * 150;
            } else {
                device.x += (dx / distance) * Math.min(4, distance);
                device.y += (dy / distance) * Math.min(4, distance);
            }
            device.seen = now;
            moved.push(this.wire(device, now));
        }
        return moved;
    }

    wire(device, now) {
        return [
            device.id,
            Math.round(device.x * 10) / 10,
            Math.round(device.y * 10) / 10,
            Math.round(device.confidence),
            Math.max(0, Math.round(now - device.seen)),
        ];
    }

    devicesEvent(floor, full, now, share = 0.12) {
        const devices = full
            ? (this.devices.get(floor) ?? []).map((device) => this.wire(device, now))
            : this.walk(floor, share, now);
        return {
            floor,
            full,
            map: { id: `map-${floor}`, width: 266.5, length: 150, image: this.options.maps === true },
            devices,
            gone: [],
        };
    }

    /* What is counted in a place at an instant: they come and go within the hour. */
    counts(place, at) {
        const list = this.devices.get(place);
        if (list === undefined) {
            const inside = this.places.filter((item) => item.parent === place);
            const devices = inside.reduce((sum, item) => sum + this.counts(item.id, at).devices, 0);
            return { devices, present: null, camera: null };
        }
        const tide = 1 + 0.3 * Math.sin(at / 420000 + list.length);
        return {
            devices: Math.round(list.length * tide),
            present: Math.round(list.length * 0.7 * tide),
            camera: place.endsWith("0") || place.endsWith("1") ? Math.round(list.length * 0.45 * tide) : null,
        };
    }

    space(now = this.now) {
        const locations = this.places.map((place) => ({ ...place, ...this.counts(place.id, now) }));
        return { locations, dropped: 0 };
    }

    /* The last hour of a place, or its newest point alone. */
    occupancy(place, full, now) {
        const known = this.places.some((item) => item.id === place);
        const columns = { devices: [], present: [], camera: [] };
        for (let i = full ? 359 : 0; i >= 0 && known; i--) {
            const counts = this.counts(place, now - i * 10000);
            for (const name of Object.keys(columns)) columns[name].push(counts[name]);
        }
        return { place, full, step_s: 10, to: now, ...columns };
    }

    /* The load over an hour: up and down, with a little noise that is always the same. */
    load(at) {
        return 1150 + 260 * Math.sin(at / 610000) + 90 * Math.sin(at / 47000) + 40 * Math.sin(at / 9100);
    }

    history(now) {
        const columns = { received: [], delivered: [], lag_ms: [], pending: [] };
        for (let i = 719; i >= 0; i--) {
            const one = this.sample(now - i * 5000);
            for (const name of Object.keys(columns)) columns[name].push(one[name]);
        }
        return { step_s: 5, to: now, ...columns };
    }

    sample(at) {
        const received = this.load(at);
        const hiccup = Math.max(0, 1 - Math.abs((at % 1500000) - 700000) / 60000);
        return {
            at,
            received,
            delivered: this.primary === this.options.node ? received * 0.985 : 0,
            lag_ms: 180 + 60 * Math.sin(at / 33000) + 1900 * hiccup,
            pending: 420 + 120 * Math.sin(at / 21000) + 5200 * hiccup,
        };
    }

    /* The other node, the primary, is gone: this one takes over. */
    takeover(now) {
        if (this.primary === this.options.node) return;
        this.primary = this.options.node;
        this.peerReachable = false;
        this.epoch++;
        const reason = "the peer is lost and this node is ready";
        const evidence = "connection refused by the peer's host, last heard 221 ms ago";
        this.transitions.push({
            wall_ms: now - 3,
            from: "standby",
            to: "promoting",
            epoch: this.epoch,
            reason,
            evidence,
        });
        this.transitions.push({
            wall_ms: now,
            from: "promoting",
            to: "primary",
            epoch: this.epoch,
            reason,
            evidence,
        });
    }

    nodes() {
        const other = this.options.node === "a" ? "b" : "a";
        const one = (name, self) => ({
            node: name,
            self,
            reachable: self || this.peerReachable,
            role: this.primary === name ? "primary" : this.peerReachable || self ? "standby" : "primary",
            epoch: self || this.peerReachable ? this.epoch : this.epoch - 1,
            ready: this.primary !== name,
            reason: this.primary === name ? this.transitions.at(-1).reason : "the peer is primary",
        });
        return [one(this.options.node, true), one(other, false)];
    }

    pair(now) {
        const { node } = this.options;
        const received = this.received + Math.round(((now - this.started) / 1000) * 1150);
        const delivers = this.primary === node;
        const sink = (name, type, promise, pending) => ({
            name,
            type,
            promise,
            required: true,
            healthy: true,
            delivered: delivers ? Math.round(received * 0.98) : 0,
            pending,
            refused: 0,
            last_error: "",
        });
        return {
            now,
            node,
            version: "0.1.0",
            channel: "http",
            paired: true,
            protected: this.peerReachable,
            sync: "",
            fenced: false,
            maintenance: false,
            switching: false,
            uptime_ms: 7000000 + now - this.started,
            lag_ms: this.sample(now).lag_ms,
            dedup_key: "uid",
            nodes: this.nodes(),
            paths: [
                {
                    address: "tcp://10.0.0.2:5570",
                    up: this.peerReachable,
                    datagrams: true,
                    rtt_ms: 0.4 + 0.1 * Math.sin(now / 5000),
                },
                {
                    address: "tcp://192.168.7.2:5570",
                    up: this.peerReachable,
                    datagrams: true,
                    rtt_ms: 1.3 + 0.2 * Math.sin(now / 7000),
                },
            ],
            arbiter: {
                type: "witness",
                configured: true,
                reachable: true,
                holder: this.primary,
                lease_ms: delivers ? 1700 : 0,
            },
            receivers: ["1-3", "4-6", "7-9", "10-12"].map((range, i) => ({
                range,
                state: "streaming",
                lag_ms: 160 + i * 14,
                events: Math.round(received / 4) + i * 31,
                protocol: "HTTP/2",
                last_error: "",
            })),
            sinks: [
                sink("archive", "file", "exactly once over published files", 380),
                sink(
                    "analytics",
                    "kafka",
                    "exactly once, for readers with isolation.level=read_committed",
                    40,
                ),
            ],
            counters: {
                received,
                duplicates: 1204,
                quarantined: 0,
                delivered: delivers ? Math.round(received * 1.96) : 0,
                gaps: 0,
                types: {
                    DEVICE_LOCATION_UPDATE: Math.round(received * 0.61),
                    IOT_TELEMETRY: Math.round(received * 0.17),
                    DEVICE_PRESENCE: Math.round(received * 0.12),
                    USER_PRESENCE: Math.round(received * 0.05),
                    DEVICE_COUNT: Math.round(received * 0.03),
                    CAMERA_COUNT: Math.round(received * 0.02),
                },
            },
            store: {
                bytes_used: 412 * 1048576,
                size_limit: 4 * 1073741824,
                events: received,
                oldest_pending_age_ms: 900,
            },
            transitions: this.transitions.slice(-10),
        };
    }
}
