// Block Kit as nodes.
import { h, link } from "./dom.js";
import { element, image, input } from "./elements.js";
import { markdown } from "./markdown.js";
import { plain, textObject } from "./mrkdwn.js";
import { cellTable, richText } from "./richtext.js";

const TASKS = { pending: "○", in_progress: "◐", complete: "✓", error: "!" };

function section(block, act, key) {
  return h("div", { class: "section" },
    h("div", { class: "section-body" },
      block.text ? textObject(block.text) : null,
      block.fields ? h("div", { class: "fields" }, block.fields.map((one) => h("div", {}, textObject(one)))) : null),
    block.accessory ? h("div", { class: "accessory" }, element(block.accessory, block, act, key)) : null);
}

function inputBlock(block, view) {
  const wrong = view.errors?.[block.block_id];
  const id = `error-${block.block_id}`;
  const changed = (value) => {
    view.values[block.block_id] = { [block.element.action_id || ""]: value };
  };
  const node = input(block.element, changed, block.label.text);
  const typed = view.values[block.block_id]?.[block.element.action_id || ""];
  if (typed !== undefined && "value" in node && typeof typed === "string") node.value = typed;
  if (wrong) { node.setAttribute("aria-invalid", "true"); node.setAttribute("aria-describedby", id); }
  return h("div", { class: "input" },
    h("div", { class: "label", "aria-hidden": "true" }, block.label.text, block.optional ? h("small", {}, " (optional)") : null),
    node,
    wrong ? h("p", { class: "wrong", id }, wrong) : null,
    block.hint ? h("p", { class: "hint" }, block.hint.text) : null);
}

function task(block) {
  return h("div", { class: `task ${block.status}` },
    h("span", { class: "task-mark", "aria-label": block.status.replace("_", " ") }, TASKS[block.status] || "○"),
    h("div", {}, h("div", {}, block.title),
      block.details?.elements ? richText(block.details) : block.details || null,
      block.output?.elements ? richText(block.output) : block.output || null,
      block.sources ? h("div", { class: "sources" }, block.sources.map((one) => link(one.url, one.text || one.url))) : null));
}

function one(block, act, key, view) {
  switch (block.type) {
    case "section": return section(block, act, key);
    case "context":
      return h("div", { class: "context" }, block.elements.map((part) => (part.type === "image" ? image(part) : h("span", {}, textObject(part)))));
    case "actions": case "context_actions":
      return h("div", { class: block.type }, block.elements.map((part) => element(part, block, act, key)));
    case "divider": return h("hr");
    case "header": return h("h3", { class: "header" }, plain(block.text.text));
    case "image":
      return h("figure", {}, block.title ? h("figcaption", {}, block.title.text) : null, image(block));
    case "markdown": return markdown(block.text);
    case "rich_text": return richText(block);
    case "table": return cellTable(block);
    case "input": return view ? inputBlock(block, view) : null;
    case "task_card": return task(block);
    case "plan": return h("div", { class: "plan" }, h("strong", {}, block.title), (block.tasks || []).map(task));
    case "alert": return h("div", { class: `alert ${block.level || "default"}`, role: "note" }, textObject(block.text));
    default: return h("div", { class: "context" }, `(${block.type})`);
  }
}

// `key` names the message or view, so that pressed buttons stay pressed when it is drawn anew.
export function blocks(list, act, key, view = null) {
  return h("div", { class: "blocks" }, list.map((block) => one(block, act, key, view)));
}
