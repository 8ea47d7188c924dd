// The markdown of markdown blocks and streams, as nodes: CommonMark's everyday part and tables.
import { h, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { inline as mrkdwnInline } from "./mrkdwn.js";

const INLINE = new RegExp(
  [
    "(?<escape>\\\\[\\\\`*_{}\\[\\]()#+\\-.!~|<>])",
    "(?<code>(?<tick>`+)(?!`)[\\s\\S]+?(?<!`)\\k<tick>(?!`))",
    "(?<link>!?\\[(?<label>(?:[^\\[\\]]|\\[[^\\[\\]]*\\])*)\\]\\((?<url>[^\\s()]*(?:\\([^\\s()]*\\)[^\\s()]*)*)(?:\\s+\"[^\"]*\")?\\))",
    "(?<angle><(?:https?://|mailto:|[@#!])[^<>\\s][^<>]*>)",
    "(?<auto>https?://[^\\s<>|`]+[^\\s<>|`.,;:!?)\\]}'\"*_])",
    "(?<bold>\\*\\*(?=\\S)[\\s\\S]*?\\S\\*\\*|(?<![\\w_])__(?=\\S)[\\s\\S]*?\\S__(?![\\w_]))",
    "(?<italic>(?<!\\*)\\*(?=[^\\s*])[^*]*?[^\\s*]\\*(?!\\*)|(?<!\\*)\\*[^\\s*]\\*(?!\\*)|(?<![\\w_])_(?=\\S)[^_]*?\\S_(?![\\w_]))",
    "(?<strike>~~(?=\\S)[\\s\\S]*?\\S~~)",
    "(?<emoji>:[a-z0-9_+\\-']+:)",
    "(?<newline>\\n)",
  ].join("|"),
  "g",
);

function inline(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole] = match;
    const groups = match.groups;
    if (match.index > last) nodes.push(text.slice(last, match.index));
    last = match.index + whole.length;
    if (groups.escape) nodes.push(whole[1]);
    else if (groups.code) nodes.push(h("code", {}, whole.slice(groups.tick.length, -groups.tick.length).trim()));
    else if (groups.link) nodes.push(link(groups.url, inline(groups.label)));
    else if (groups.angle) nodes.push(...mrkdwnInline(whole));
    else if (groups.auto) nodes.push(link(whole, whole));
    else if (groups.bold) nodes.push(h("strong", {}, inline(whole.slice(2, -2))));
    else if (groups.italic) nodes.push(h("em", {}, inline(whole.slice(1, -1))));
    else if (groups.strike) nodes.push(h("s", {}, inline(whole.slice(2, -2))));
    else if (groups.emoji) nodes.push(emoji(whole.slice(1, -1)) || whole);
    else nodes.push(h("br"));
  }
  if (last < text.length) nodes.push(text.slice(last));
  return nodes;
}

const FENCE = /^\s{0,3}(`{3,}|~{3,})\s*([\w+-]*)/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

function cells(line) {
  const parts = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/);
  return parts.map((part) => part.trim().replaceAll("\\|", "|"));
}

function table(lines, at) {
  const sides = cells(lines[at + 1]).map((cell) =>
    cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : "left");
  const row = (line, tag) => h("tr", {}, cells(line).slice(0, sides.length).map((cell, n) =>
    h(tag, { class: `side-${sides[n]}` }, inline(cell))));
  const body = h("tbody", {});
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|") && lines[next].trim()) body.append(row(lines[next++], "td"));
  return [h("div", { class: "table", tabIndex: 0 }, h("table", {}, h("thead", {}, row(lines[at], "th")), body)), next];
}

function list(lines, at) {
  const first = ITEM.exec(lines[at]);
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const node = h(ordered ? "ol" : "ul", {});
  if (ordered) node.start = Number.parseInt(first[2], 10);
  let next = at;
  let item = null;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]);
    if (match && match[1].length >= indent + 2 && item) {
      const [inner, after] = list(lines, next);
      item.append(inner);
      next = after;
    } else if (match && match[1].length < indent + 2 && match[1].length >= indent - 1) {
      if (/\d/.test(match[2]) !== ordered) break;
      const task = /^\[([ xX])\]\s+(.*)$/.exec(match[3]);
      item = h("li", {}, task ? [task[1] === " " ? "☐ " : "☑ ", ...inline(task[2])] : inline(match[3]));
      node.append(item);
      next += 1;
    } else if (!match && lines[next].trim() && /^\s{2,}/.test(lines[next]) && item) {
      item.append(" ", ...inline(lines[next].trim()));
      next += 1;
    } else if (!lines[next].trim() && ITEM.test(lines[next + 1] || "")) next += 1;
    else break;
  }
  return [node, next];
}

export function markdown(text) {
  const root = h("div", { class: "text markdown" });
  const lines = text.replaceAll("\r", "").split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      const end = lines.findIndex((other, n) => n > at && other.trim().startsWith(fence[1]));
      const stop = end < 0 ? lines.length : end;
      root.append(h("pre", { tabIndex: 0 }, h("code", {}, lines.slice(at + 1, stop).join("\n"))));
      at = stop + 1;
    } else if (heading) {
      root.append(h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])));
      at += 1;
    } else if (RULE.test(line)) {
      root.append(h("hr"));
      at += 1;
    } else if (line.includes("|") && DIVIDER.test(lines[at + 1] || "") && (lines[at + 1] || "").includes("-")) {
      const [node, next] = table(lines, at);
      root.append(node);
      at = next;
    } else if (ITEM.test(line)) {
      const [node, next] = list(lines, at);
      root.append(node);
      at = Math.max(next, at + 1);
    } else if (/^\s{0,3}>/.test(line)) {
      const quoted = [];
      while (at < lines.length && /^\s{0,3}>/.test(lines[at])) quoted.push(lines[at++].replace(/^\s{0,3}>\s?/, ""));
      root.append(h("blockquote", {}, markdown(quoted.join("\n"))));
    } else {
      const paragraph = [line];
      at += 1;
      while (at < lines.length && lines[at].trim() && ![FENCE, HEADING, RULE, ITEM].some((one) => one.test(lines[at]))
        && !/^\s{0,3}>/.test(lines[at]) && !(lines[at].includes("|") && DIVIDER.test(lines[at + 1] || ""))) paragraph.push(lines[at++]);
      root.append(h("p", {}, inline(paragraph.join("\n").trim())));
    }
  }
  return root;
}
