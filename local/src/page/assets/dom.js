// Builds and updates elements. Data only ever becomes text, never markup.

/** An element with attributes and children (elements or text). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Sets text only if it differs, so that selections and screen readers are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows `text` in `node`, or hides the node if there is none. */
export function setNote(node, text) {
  node.hidden = !text;
  setText(node, text ?? "");
}

/** Keeps one child of `parent` for each item, in their order: `make(item)` once, `update(child, item)` each time. */
export function keyed(parent, items, key, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    let child = known.get(key(item));
    if (!child) {
      child = make(item);
      child.dataset.key = key(item);
    }
    known.delete(key(item));
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item);
  });
  for (const gone of known.values()) gone.remove();
}
