// rich_text blocks and tables of cells.
import { h, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { nameOf, state } from "./state.js";

function styled(node, style = {}) {
  let found = node;
  if (style.code) found = h("code", {}, found);
  if (style.bold) found = h("strong", {}, found);
  if (style.italic) found = h("em", {}, found);
  if (style.strike) found = h("s", {}, found);
  return found;
}

function piece(element) {
  switch (element.type) {
    case "text": return styled(element.text, element.style);
    case "link": return styled(link(element.url, element.text || element.url), element.style);
    case "emoji": return emoji(element.name) || `:${element.name}:`;
    case "user": return h("span", { class: element.user_id === state.me ? "mention me" : "mention" }, `@${nameOf(element.user_id)}`);
    case "channel": return h("span", { class: "mention" }, `#${state.channels.get(element.channel_id)?.name || "channel"}`);
    case "broadcast": return h("span", { class: "mention me" }, `@${element.range}`);
    case "date": return h("time", {}, new Date(element.timestamp * 1000).toLocaleString());
    default: return element.text || "";
  }
}

function part(element) {
  const inner = (element.elements || []).map((one) => (one.type === "rich_text_section" ? h("li", {}, (one.elements || []).map(piece)) : piece(one)));
  switch (element.type) {
    case "rich_text_list": {
      const node = h(element.style === "ordered" ? "ol" : "ul", { class: `indent-${element.indent || 0}` }, inner);
      if (element.style === "ordered" && element.offset) node.start = element.offset + 1;
      return node;
    }
    case "rich_text_quote": return h("blockquote", {}, inner);
    case "rich_text_preformatted": return h("pre", {}, h("code", {}, inner));
    default: return h("div", { class: "rich-section" }, inner);
  }
}

export const richText = (block) => h("div", { class: "text rich" }, (block.elements || []).map(part));

export function cellTable(block) {
  const settings = block.column_settings || [];
  const cell = (one, n, tag) => h(tag, { class: `side-${settings[n]?.align || "left"}` },
    one.type === "rich_text" ? richText(one) : String(one.text ?? one.value ?? ""));
  const [head, ...rest] = block.rows;
  return h("div", { class: "table", tabIndex: 0 }, h("table", {},
    h("thead", {}, h("tr", {}, head.map((one, n) => cell(one, n, "th")))),
    h("tbody", {}, rest.map((row) => h("tr", {}, row.map((one, n) => cell(one, n, "td")))))));
}
