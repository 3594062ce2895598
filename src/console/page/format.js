/* format.js: numbers and times as people read them. Pure; null is "–" everywhere. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const NOTHING = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);

export function count(value) {
    return known(value) ? whole.format(value) : NOTHING;
}

/* 1234567 -> "1.2 M": for places that are narrow. */
export function brief(value) {
    if (!known(value)) return NOTHING;
    if (Math.abs(value) < 10000) return whole.format(value);
    if (Math.abs(value) < 1e6) return `${tenth.format(value / 1e3)} k`;
    if (Math.abs(value) < 1e9) return `${tenth.format(value / 1e6)} M`;
    return `${tenth.format(value / 1e9)} G`;
}

export function rate(value) {
    if (!known(value)) return NOTHING;
    return `${value < 10 ? tenth.format(value) : brief(value)}/s`;
}

export function bytes(value) {
    if (!known(value)) return NOTHING;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (Math.abs(value) >= 1024 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${tenth.format(value)} ${units[unit]}`;
}

/* A stretch of time in milliseconds, in at most two units. */
export function duration(ms) {
    if (!known(ms)) return NOTHING;
    if (ms < 0) ms = 0;
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 10000) return `${tenth.format(ms / 1000)} s`;
    const s = Math.round(ms / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return s % 60 === 0 ? `${s / 60} min` : `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/* Round-trip times: a tenth matters below ten milliseconds. */
export function roundTrip(ms) {
    if (!known(ms) || ms < 0) return NOTHING;
    return ms < 10 ? `${tenth.format(ms)} ms` : `${whole.format(ms)} ms`;
}

const two = (value) => String(value).padStart(2, "0");

/* Local time of day of a wall clock in milliseconds. */
export function clock(ms) {
    if (!known(ms)) return NOTHING;
    const date = new Date(ms);
    return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/* Time of day, with the date when it was not today. */
export function moment(ms, now) {
    if (!known(ms)) return NOTHING;
    const date = new Date(ms);
    if (date.toDateString() === new Date(now).toDateString()) return clock(ms);
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms)}`;
}

export function capital(text) {
    return text === "" ? "" : text[0].toUpperCase() + text.slice(1);
}

const ABBREVIATIONS = { iot: "IoT", tp: "TelePresence", ble: "BLE", rssi: "RSSI", api: "API" };

/* DEVICE_LOCATION_UPDATE -> "Device location update" */
export function typeName(name) {
    const words = String(name).toLowerCase().split("_");
    return capital(words.map((word) => ABBREVIATIONS[word] ?? word).join(" "));
}
