// Modals and the home tab.
import { call } from "./api.js";
import { blocks } from "./blocks.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { attempt } from "./messages.js";
import { state } from "./state.js";

let open = null; // {dialog, view}
const typed = new Map(); // view id -> {values, errors}

const typedIn = (view) => {
  if (!typed.has(view.id)) typed.set(view.id, { values: {}, errors: {} });
  return typed.get(view.id);
};

const act = (view) => (element, block, value) => {
  const own = typedIn(view);
  own.values[block.block_id] = { ...(own.values[block.block_id] || {}), [element.action_id]: value };
  return attempt(() => call("_workspace.action", {
    view_id: view.id, action_id: element.action_id, block_id: block.block_id, value, values: own.values,
  }));
};

async function submit(view, button) {
  button.disabled = true;
  const own = typedIn(view);
  const answer = await attempt(() => call("_workspace.view.submit", { view_id: view.id, values: own.values }));
  button.disabled = false;
  if (!answer) return;
  own.errors = answer.errors || {};
  if (answer.errors) draw(true);
}

export function drawHome(view) {
  if (!view) return h("div", { class: "empty" }, h("h2", {}, "Home"), h("p", {}, "The app has nothing here yet."));
  return h("div", { class: "home" }, blocks(view.blocks, act(view), view.id, typedIn(view)));
}

export function draw(again = false) {
  const view = state.modals.at(-1);
  if (!view) {
    open?.dialog.remove();
    open = null;
    return;
  }
  if (open && !again && open.view.id === view.id && open.view.hash === view.hash) return;
  open?.dialog.remove();
  const own = typedIn(view);
  const send = view.submit ? h("button", { class: "button primary", type: "submit" }, view.submit.text) : null;
  const close = () => attempt(() => call("_workspace.view.close", { view_id: view.id }));
  const dialog = h("dialog", { class: "modal", "aria-label": view.title.text },
    h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); submit(view, send); } },
      h("header", {}, h("h2", {}, view.title.text), h("button", { class: "icon-button", type: "button", "aria-label": "Close", onclick: close }, icon("close"))),
      h("div", { class: "modal-body" }, blocks(view.blocks, act(view), view.id, own)),
      h("footer", {}, h("button", { class: "button", type: "button", onclick: close }, view.close?.text || "Cancel"), send)));
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
  document.getElementById("dialogs").append(dialog);
  dialog.showModal();
  open = { dialog, view };
}
