// One message, and lists of them.
import { call, sentence, upload } from "./api.js";
import { blocks } from "./blocks.js";
import { confirmDialog, h, notice, reconcile } from "./dom.js";
import { emoji } from "./emoji.js";
import { icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";
import { clock, dayOf, fullTime, nameOf, sizeOf, state, threadKey, user } from "./state.js";

export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notice(sentence(error));
    return null;
  }
}

export function avatar(id, small = false) {
  const found = user(id);
  const letters = nameOf(id).split(/[\s-]+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();
  const node = h("span", { class: small ? "avatar small" : "avatar", "aria-hidden": "true" }, id === state.bot ? "φ3" : letters);
  node.style.background = `#${found?.color || "777777"}`;
  return node;
}

function fileCard(file, channel) {
  if (file.mode === "tombstone") return h("div", { class: "file gone" }, "This file was deleted.");
  if (file.mode === "file_access") return h("div", { class: "file" }, "A file from another organisation.");
  const open = new URL(file.permalink).pathname;
  const mine = file.user === state.me;
  const picker = h("input", { type: "file", hidden: true });
  picker.addEventListener("change", () => attempt(async () => {
    const [chosen] = picker.files;
    if (!chosen) return;
    const id = await upload(chosen, () => {});
    await call("_workspace.file.replace", { file: file.id, upload: id });
    notice(`${file.name} has a new content.`);
  }));
  const remove = async () => {
    const sure = await confirmDialog({ title: "Delete this file?", text: `${file.name} goes away for everyone.`, confirm: "Delete", danger: true });
    if (sure) await attempt(() => call("files.delete", { file: file.id }));
  };
  const shown = file.mimetype.startsWith("image/") && file.mimetype !== "image/svg+xml"
    ? h("a", { href: open, target: "_blank", rel: "noopener noreferrer" }, h("img", { class: "preview", src: new URL(file.url_private).pathname, alt: file.title, loading: "lazy", onerror: (event) => event.target.closest("a").remove() }))
    : null;
  return h("div", { class: "file", data: { file: file.id } },
    shown,
    h("div", { class: "file-row" },
      h("span", { class: "file-kind", "aria-hidden": "true" }, (file.name.includes(".") ? file.name.split(".").pop() : "file").slice(0, 4)),
      h("div", { class: "file-name" },
        h("a", { href: open, target: "_blank", rel: "noopener noreferrer" }, file.title || file.name),
        h("small", {}, `${file.pretty_type} · ${sizeOf(file.size)}`)),
      h("a", { class: "icon-button", href: new URL(file.url_private_download).pathname, download: file.name, title: "Download", "aria-label": `Download ${file.name}` }, icon("download")),
      mine ? h("button", { class: "icon-button", type: "button", title: "Replace the content", "aria-label": `Replace ${file.name}`, onclick: () => picker.click() }, icon("replace")) : null,
      mine || user(state.me)?.is_admin ? h("button", { class: "icon-button", type: "button", title: "Delete the file", "aria-label": `Delete ${file.name}`, onclick: remove }, icon("trash")) : null,
      picker));
}

function reactions(message, channel) {
  if (!message.reactions?.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((one) => {
    const mine = one.users.includes(state.me);
    return h("button", {
      class: "reaction", type: "button", "aria-pressed": String(mine), title: `${one.users.map(nameOf).join(", ")} :${one.name}:`,
      onclick: () => attempt(() => call(mine ? "reactions.remove" : "reactions.add", { channel, timestamp: message.ts, name: one.name })),
    }, `${emoji(one.name) || `:${one.name}:`} ${one.count}`);
  }));
}

function toolbar(message, place, hooks) {
  const mine = message.user === state.me;
  const admin = user(state.me)?.is_admin;
  const tool = (label, sign, onclick) => h("button", { class: "icon-button", type: "button", title: label, "aria-label": label, onclick }, sign);
  const remove = async () => {
    const sure = await confirmDialog({ title: "Delete this message?", text: "It goes away for everyone.", confirm: "Delete", danger: true });
    if (sure) await attempt(() => call("chat.delete", { channel: place.channel, ts: message.ts }));
  };
  const copy = async () => {
    const found = await attempt(() => call("chat.getPermalink", { channel: place.channel, message_ts: message.ts }));
    if (found) await navigator.clipboard.writeText(found.permalink).then(() => notice("The link is copied."), () => notice(found.permalink));
  };
  return h("div", { class: "toolbar", role: "group", "aria-label": "Message actions" },
    [["+1", "up"], ["white_check_mark", "check"]].map(([name, sign]) => tool(`React with ${name}`, icon(sign), () =>
      attempt(() => call("reactions.add", { channel: place.channel, timestamp: message.ts, name })))),
    place.thread ? null : tool("Reply in thread", icon("reply"), () => hooks.openThread(message.thread_ts || message.ts, true)),
    tool("Copy link", icon("link"), copy),
    mine && !message.upload ? tool("Edit message", icon("edit"), () => hooks.edit(message, place)) : null,
    mine || admin ? tool("Delete message", icon("trash"), remove) : null);
}

function pressHandler(message, channel) {
  return (element, block, value) => attempt(() => call("_workspace.action", {
    channel, ts: message.ts, action_id: element.action_id, block_id: block.block_id, value,
  }));
}

function bodyOf(message, place) {
  if (message.subtype === "tombstone") return h("div", { class: "text gone" }, message.text);
  const key = `${place.channel}/${message.ts}`;
  const parts = message.blocks?.length
    ? [blocks(message.blocks, pressHandler(message, place.channel), key)]
    : message.text ? [mrkdwn(message.text)] : [];
  if (message.subtype === "me_message") parts[0]?.classList.add("me-message");
  if (message.streaming_state === "in_progress") parts.push(h("span", { class: "caret", "aria-label": "still writing" }));
  if (message.edited) parts.push(h("span", { class: "edited", title: fullTime(message.edited.ts) }, "(edited)"));
  return parts;
}

function threadLine(message, hooks) {
  if (!message.reply_count) return null;
  const count = message.reply_count === 1 ? "1 reply" : `${message.reply_count} replies`;
  return h("button", { class: "replies", type: "button", onclick: () => hooks.openThread(message.ts, true) },
    h("span", { class: "stack" }, (message.reply_users || []).slice(0, 3).map((one) => avatar(one, true))),
    h("strong", {}, count), h("small", {}, `last at ${clock(message.latest_reply)}`));
}

function statusLine(message, place) {
  const status = state.statuses.get(threadKey(place.channel, message.ts));
  if (!status || place.thread) return null;
  return h("div", { class: "status" }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), `${nameOf(state.bot)} ${status.status}`);
}

function row(message, place, grouped, hooks) {
  const ephemeral = message.is_ephemeral;
  const node = h("article", {
    class: `message${grouped ? " grouped" : ""}${ephemeral ? " ephemeral" : ""}${state.highlight === message.ts ? " highlight" : ""}`,
    "aria-label": `${nameOf(message.user)}, ${clock(message.ts)}`, data: { ts: message.ts, user: message.user },
  });
  const app = message.bot_id ? h("span", { class: "app-badge" }, "APP") : null;
  node.append(
    h("div", { class: "gutter" }, grouped ? h("time", { title: fullTime(message.ts) }, clock(message.ts)) : avatar(message.user)),
    h("div", { class: "content" },
      ephemeral ? h("div", { class: "only-you" }, icon("eye"), "Only visible to you") : null,
      grouped ? null : h("div", { class: "byline" }, h("strong", {}, nameOf(message.user)), app,
        message.user !== state.bot && user(message.user)?.is_stranger ? h("span", { class: "app-badge" }, "LAKESIDE") : null,
        h("time", { title: fullTime(message.ts) }, clock(message.ts))),
      h("div", { class: "body" }, bodyOf(message, place)),
      message.files?.length ? h("div", { class: "files" }, message.files.map((file) => fileCard(file, place.channel))) : null,
      reactions(message, place.channel),
      place.thread ? null : threadLine(message, hooks),
      statusLine(message, place)));
  if (ephemeral) {
    node.append(h("div", { class: "toolbar" }, h("button", {
      class: "icon-button", type: "button", title: "Dismiss", "aria-label": "Dismiss message",
      onclick: () => attempt(async () => { await call("chat.delete", { channel: place.channel, ts: message.ts }); hooks.dismissed(place.channel, message.ts); }),
    }, icon("close"))));
  } else if (message.subtype !== "tombstone") node.append(toolbar(message, place, hooks));
  return node;
}

// `place`: {channel, thread}. Days and groups of one author are worked out here. An app's messages
// stand alone: each is about something else, and may ask for a reply in its own thread.
export function renderMessages(parent, messages, place, hooks) {
  const items = [];
  let before = null;
  for (const message of messages) {
    const day = dayOf(message.ts);
    if (!before || dayOf(before.ts) !== day) {
      items.push({ day, key: `day-${message.ts.split(".")[0]}` });
      before = null;
    }
    const close = before && Number(message.ts) - Number(before.ts) < 300;
    const grouped = Boolean(close && before.user === message.user && !before.is_ephemeral && !message.is_ephemeral && !before.reply_count && !message.bot_id);
    items.push({ message, grouped, key: message.ts });
    before = message;
  }
  reconcile(parent, items, (item) => item.key,
    (item) => item.day ? item.day : JSON.stringify([item.message, item.grouped, state.highlight === item.key, state.users.size, state.statuses.get(threadKey(place.channel, item.key))]),
    (item) => item.day ? h("div", { class: "day" }, h("span", {}, item.day)) : row(item.message, place, item.grouped, hooks));
}
