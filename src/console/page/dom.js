/* dom.js: makes and changes elements. Text goes in as text only, so nothing from the stream can ever
 * become markup; no inline script or style, as the page's policy forbids both. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else node.setAttribute(name, value === true ? "" : String(value));
    }
    for (const child of children.flat()) {
        if (child !== null && child !== undefined) node.append(child);
    }
    return node;
}

/* An HTML element. "onclick" and the like are listeners; null and false leave an attribute out. */
export function h(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

/* The same for SVG. */
export function svg(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

/* Changes only what is different: a screen reader is not told of what stayed. */
export function setText(node, text) {
    const value = String(text);
    if (node.textContent !== value) node.textContent = value;
}

export function setAttribute(node, name, value) {
    if (value === null || value === undefined || value === false) {
        if (node.hasAttribute(name)) node.removeAttribute(name);
        return;
    }
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

/* Makes parent's children match items: those with a known key are kept (and with them focus and
 * selection), others made, the rest removed. make(item) returns an element, update(element, item)
 * fills it. */
export function keyed(parent, items, key, make, update) {
    const known = new Map();
    for (const child of parent.children) known.set(child.dataset.key, child);
    let at = parent.firstElementChild;
    for (const item of items) {
        const name = String(key(item));
        let element = known.get(name);
        if (element === undefined) {
            element = make(item);
            element.dataset.key = name;
        } else {
            known.delete(name);
        }
        if (element === at) at = at.nextElementSibling;
        else parent.insertBefore(element, at);
        update(element, item);
    }
    for (const element of known.values()) element.remove();
}

/* A table whose rows come and go. columns: [{label, number}]; cells(item) returns as many texts or
 * elements. Returns {element, update(items)}. */
export function table(caption, columns, key, cells, empty) {
    const body = h("tbody");
    const none = h("p", { class: "muted empty" }, empty ?? "");
    const element = h(
        "div",
        { class: "table-box", tabindex: "0", role: "region", "aria-label": caption },
        h(
            "table",
            null,
            h("caption", { class: "hidden" }, caption),
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    columns.map((column) =>
                        h("th", { scope: "col", class: column.number ? "number" : null }, column.label),
                    ),
                ),
            ),
            body,
        ),
        none,
    );
    const make = () =>
        h(
            "tr",
            null,
            columns.map((column, i) =>
                h(i === 0 ? "th" : "td", {
                    scope: i === 0 ? "row" : null,
                    class: column.number ? "number" : null,
                    "data-label": column.label,
                }),
            ),
        );
    const update = (row, item) => {
        cells(item).forEach((content, i) => {
            const cell = row.children[i];
            if (content instanceof Node) {
                if (!cell.firstChild?.isEqualNode?.(content)) cell.replaceChildren(content);
            } else {
                setText(cell, content);
            }
        });
    };
    return {
        element,
        update(items) {
            keyed(body, items, key, make, update);
            none.hidden = items.length > 0 || !empty;
        },
    };
}

/* A word with a sign: state is never told by colour alone. */
export function badge(level, text) {
    const sign = { good: "✓", warn: "!", bad: "✕", info: "i", none: "·" }[level] ?? "·";
    return h("span", { class: `badge ${level}` }, h("span", { "aria-hidden": "true" }, sign), ` ${text}`);
}
