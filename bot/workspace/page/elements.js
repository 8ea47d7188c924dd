// Interactive elements. `act(element, block, value)` sends a press; inputs of modals only keep their value.
import { confirmDialog, h, link, safeUrl } from "./dom.js";
import { icon } from "./icons.js";
import { plain, textObject } from "./mrkdwn.js";
import { nameOf, state } from "./state.js";

async function agreed(element) {
  const ask = element.confirm;
  if (!ask) return true;
  return confirmDialog({
    title: ask.title.text, text: textObject(ask.text), confirm: ask.confirm?.text, deny: ask.deny?.text,
    danger: ask.style === "danger",
  });
}

function optionsOf(element) {
  const option = (one) => h("option", { value: one.value }, one.text.text);
  if (element.option_groups) {
    return element.option_groups.map((group) => h("optgroup", { label: group.label.text }, group.options.map(option)));
  }
  if (element.type.includes("users")) return [...state.users.values()].map((one) => h("option", { value: one.id }, nameOf(one.id)));
  if (element.type.includes("channels") || element.type.includes("conversations")) {
    return [...state.channels.values()].filter((one) => one.name && !one.is_mpim).map((one) => h("option", { value: one.id }, `#${one.name}`));
  }
  return (element.options || []).map(option);
}

function initialOf(element) {
  if (element.initial_options) return element.initial_options.map((one) => one.value);
  if (element.initial_option) return [element.initial_option.value];
  const named = ["user", "users", "channel", "channels", "conversation", "conversations"].map((one) => element[`initial_${one}`]);
  return named.filter(Boolean).flat();
}

function select(element, changed, label) {
  const many = element.type.startsWith("multi_");
  const node = h("select", { class: "field", multiple: many, "aria-label": label || element.placeholder?.text || "Choose" },
    many ? [] : h("option", { value: "", disabled: true, hidden: true, selected: true }, element.placeholder?.text || "Choose…"),
    optionsOf(element));
  const start = initialOf(element);
  for (const option of node.options) if (start.includes(option.value)) option.selected = true;
  node.addEventListener("change", () => changed(many ? [...node.selectedOptions].map((one) => one.value) : node.value));
  return node;
}

function boxes(element, changed) {
  const single = element.type === "radio_buttons";
  const name = `choice-${Math.random().toString(36).slice(2)}`;
  const start = initialOf(element);
  const root = h("div", { class: "choices", role: single ? "radiogroup" : "group" });
  const tell = () => {
    const on = [...root.querySelectorAll("input:checked")].map((one) => one.value);
    changed(single ? on[0] : on);
  };
  for (const one of element.options) {
    root.append(h("label", { class: "choice" },
      h("input", { type: single ? "radio" : "checkbox", name, value: one.value, checked: start.includes(one.value), onchange: tell }),
      h("span", {}, textObject(one.text), one.description ? h("small", {}, textObject(one.description)) : null)));
  }
  return root;
}

const TYPES = { email_text_input: "email", url_text_input: "url", number_input: "number", datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };

function field(element, changed, label) {
  const start = element.initial_value ?? element.initial_date ?? element.initial_time ?? "";
  const shared = {
    class: "field", value: start, placeholder: element.placeholder?.text || "", "aria-label": label,
    maxLength: element.max_length || (element.type === "plain_text_input" ? 3000 : undefined),
  };
  const node = element.multiline ? h("textarea", { ...shared, rows: 5 }) : h("input", { ...shared, type: TYPES[element.type] || "text" });
  node.addEventListener("input", () => changed(node.value));
  return node;
}

// An element in a modal's input block.
export function input(element, changed, label) {
  if (element.type.endsWith("_select")) return select(element, changed, label);
  if (element.type === "checkboxes" || element.type === "radio_buttons") return boxes(element, changed);
  return field(element, changed, label);
}

function button(element, block, act) {
  const label = [element.icon === "trash" ? icon("trash") : null, element.text ? plain(element.text.text) : null].filter(Boolean);
  const style = element.style ? `button ${element.style}` : "button";
  const node = h("button", { class: style, type: "button", "aria-label": element.accessibility_label });
  node.append(...label);
  node.addEventListener("click", async () => {
    if (!(await agreed(element))) return;
    if (element.url && safeUrl(element.url)) window.open(safeUrl(element.url), "_blank", "noopener,noreferrer");
    node.classList.add("busy");
    await act(element, block, element.value);
    node.classList.remove("busy");
  });
  return node;
}

function feedback(element, block, act, key) {
  const root = h("div", { class: "feedback", role: "group", "aria-label": "Feedback" });
  const name = `${key}/${element.action_id}`;
  for (const [side, sign] of [["positive_button", "up"], ["negative_button", "down"]]) {
    const one = element[side];
    const pressed = () => state.pressed.get(name) === one.value;
    const node = h("button", {
      class: "button quiet", type: "button", title: one.accessibility_label || one.text.text,
      "aria-label": one.accessibility_label || one.text.text, "aria-pressed": String(pressed()),
    }, icon(sign), h("span", {}, one.text.text));
    node.addEventListener("click", async () => {
      state.pressed.set(name, one.value);
      for (const other of root.children) other.setAttribute("aria-pressed", String(other === node));
      await act(element, block, one.value);
    });
    root.append(node);
  }
  return root;
}

function overflow(element, block, act) {
  const menu = h("details", { class: "menu" }, h("summary", { class: "button quiet", "aria-label": "More actions" }, "⋯"));
  menu.append(h("div", { class: "menu-items", role: "menu" }, element.options.map((one) =>
    h("button", {
      type: "button", role: "menuitem",
      onclick: async () => {
        menu.open = false;
        if (one.url && safeUrl(one.url)) window.open(safeUrl(one.url), "_blank", "noopener,noreferrer");
        if (await agreed(element)) await act(element, block, one.value);
      },
    }, one.text.text))));
  return menu;
}

export function image(element) {
  const url = element.slack_file ? element.slack_file.url || `/files-pri/-${element.slack_file.id}/image` : element.image_url;
  const own = safeUrl(url) && new URL(safeUrl(url)).origin === location.origin;
  // The page's policy loads nothing from elsewhere.
  if (!own) return link(url, element.alt_text || "image");
  return h("img", { src: safeUrl(url), alt: element.alt_text || "", loading: "lazy" });
}

// An element in a message or in an actions or section block of a view.
export function element(one, block, act, key) {
  switch (one.type) {
    case "button": case "workflow_button": return button(one, block, act);
    case "icon_button": return button(one, block, act);
    case "feedback_buttons": return feedback(one, block, act, key);
    case "overflow": return overflow(one, block, act);
    case "image": return image(one);
    default: return input(one, async (value) => { if (await agreed(one)) await act(one, block, value); }, one.placeholder?.text);
  }
}
