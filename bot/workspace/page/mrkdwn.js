// Slack's mrkdwn as nodes: *bold*, _italic_, ~struck~, `code`, quotes, links, mentions, dates, emoji.
import { h, link } from "./dom.js";
import { emoji } from "./emoji.js";
import { nameOf, state } from "./state.js";

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const INLINE = new RegExp(
  [
    "(?<code>`[^`\\n]+`)",
    "(?<angle><[^<>\\n]+>)",
    "(?<emoji>:[a-z0-9_+\\-']+:)",
    "(?<bold>(?<![\\w*])\\*(?=\\S)[^*\\n]*?\\S\\*(?![\\w*]))",
    "(?<italic>(?<![\\w_])_(?=\\S)[^_\\n]*?\\S_(?![\\w_]))",
    "(?<strike>(?<![\\w~])~(?=\\S)[^~\\n]*?\\S~(?![\\w~]))",
  ].join("|"),
  "g",
);

function date(inside) {
  const [what, fallback] = inside.split("|");
  const [, stamp, format, href] = what.split("^");
  const when = new Date(Number(stamp) * 1000);
  if (Number.isNaN(when.getTime())) return document.createTextNode(unescape(fallback || ""));
  const day = when.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
  const time = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  const text = format.replace(/\{date[a-z_]*\}/g, day).replace(/\{time[a-z_]*\}/g, time).replace(/\{ago\}/g, day);
  return href ? link(href, text) : h("time", { dateTime: when.toISOString() }, text);
}

function angle(inside) {
  if (inside.startsWith("@")) {
    const id = inside.slice(1).split("|")[0];
    return h("span", { class: id === state.me ? "mention me" : "mention" }, `@${nameOf(id)}`);
  }
  if (inside.startsWith("#")) {
    const [id, label] = inside.slice(1).split("|");
    const name = state.channels.get(id)?.name || label || "private channel";
    return h("button", { class: "mention", type: "button", data: { channel: id } }, `#${name}`);
  }
  if (inside.startsWith("!date^")) return date(inside.slice(1));
  if (inside.startsWith("!")) return h("span", { class: "mention me" }, `@${inside.slice(1).split("|")[0]}`);
  const cut = inside.indexOf("|");
  const url = unescape(cut < 0 ? inside : inside.slice(0, cut));
  const label = cut < 0 ? url.replace(/^mailto:/, "") : unescape(inside.slice(cut + 1));
  return link(url, label);
}

export function inline(text) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole] = match;
    const groups = match.groups;
    if (match.index > last) nodes.push(unescape(text.slice(last, match.index)));
    last = match.index + whole.length;
    if (groups.code) nodes.push(h("code", {}, unescape(whole.slice(1, -1))));
    else if (groups.angle) nodes.push(angle(whole.slice(1, -1)));
    else if (groups.emoji) nodes.push(emoji(whole.slice(1, -1)) || whole);
    else if (groups.bold) nodes.push(h("strong", {}, inline(whole.slice(1, -1))));
    else if (groups.italic) nodes.push(h("em", {}, inline(whole.slice(1, -1))));
    else nodes.push(h("s", {}, inline(whole.slice(1, -1))));
  }
  if (last < text.length) nodes.push(unescape(text.slice(last)));
  return nodes;
}

export function mrkdwn(text) {
  const root = h("div", { class: "text" });
  text.split("```").forEach((part, n) => {
    if (n % 2) {
      root.append(h("pre", {}, h("code", {}, unescape(part.replace(/^\n|\n$/g, "")))));
      return;
    }
    let quote = null;
    const lines = part.replace(/^\n/, n ? "" : "\n").split("\n");
    lines.forEach((line, at) => {
      const quoted = /^(&gt;|>)\s?(.*)$/.exec(line);
      if (quoted) {
        if (!quote) root.append((quote = h("blockquote", {})));
        else quote.append(h("br"));
        quote.append(...inline(quoted[2]));
        return;
      }
      const followed = at < lines.length - 1 && !/^(&gt;|>)/.test(lines[at + 1]);
      quote = null;
      root.append(...inline(line));
      if (followed) root.append(h("br"));
    });
  });
  return root;
}

export const plain = (text) => h("span", {}, text.split(/(:[a-z0-9_+\-']+:)/).map((part) => emoji(part.slice(1, -1)) || part));

export function textObject(object) {
  if (!object) return "";
  return object.type === "mrkdwn" ? mrkdwn(object.text) : plain(object.text);
}
