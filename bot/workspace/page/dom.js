// Small hands on the DOM: elements are built, never parsed from text.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name in node && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Keep the nodes whose item did not change, so that focus, menus and typed text survive.
export function reconcile(parent, items, key, signature, render) {
  const known = new Map();
  for (const node of [...parent.children]) known.set(node.dataset.key, node);
  let before = parent.firstChild;
  for (const item of items) {
    const name = String(key(item));
    const mark = signature(item);
    let node = known.get(name);
    known.delete(name);
    if (!node || node.mark !== mark) {
      const fresh = render(item);
      fresh.dataset.key = name;
      fresh.mark = mark;
      if (node) {
        if (before === node) before = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    if (node !== before) parent.insertBefore(node, before);
    else before = node.nextSibling;
    if (before === node) before = node.nextSibling;
  }
  for (const node of known.values()) node.remove();
}

export function safeUrl(url) {
  try {
    const parsed = new URL(url, location.origin);
    return ["http:", "https:", "mailto:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

export function link(url, ...children) {
  const href = safeUrl(url);
  if (!href) return h("span", {}, ...children);
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

const notices = document.getElementById("notices");

export function notice(text) {
  const node = h("div", { class: "notice" }, text);
  notices.append(node);
  setTimeout(() => node.remove(), 7000);
}

export function confirmDialog({ title, text, confirm = "Yes", deny = "Cancel", danger = false }) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "modal small", "aria-label": title },
      h("form", { method: "dialog" },
        h("header", {}, h("h2", {}, title)),
        h("div", { class: "modal-body" }, text),
        h("footer", {},
          h("button", { class: "button", value: "no" }, deny),
          h("button", { class: danger ? "button danger" : "button primary", value: "yes" }, confirm))));
    dialog.addEventListener("close", () => { resolve(dialog.returnValue === "yes"); dialog.remove(); });
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
  });
}
