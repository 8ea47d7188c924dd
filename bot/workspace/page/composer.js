// Where one writes: mentions, slash commands, files by paste and drop, edits.
import { call, sentence, upload } from "./api.js";
import { h, notice } from "./dom.js";
import { icon } from "./icons.js";
import { unescape } from "./mrkdwn.js";
import { avatar } from "./messages.js";
import { nameOf, sizeOf, state } from "./state.js";

const COMMANDS = [
  ["/phi3 ask", "ask a question"], ["/phi3 ingest", "add text, a web page, a file or a channel"], ["/phi3 sources", "what the bot knows"],
  ["/phi3 forget", "take a source away"], ["/phi3 status", "how it is doing"], ["/phi3 help", "what it can do"],
  ["/phi3 experts", "who is asked here"], ["/phi3 follow-ups", "whether it reads on in threads here"], ["/phi3 pairs", "answers that wait for approval"],
  ["/phi3 learning", "turn learning on or off"], ["/phi3 refresh", "begin a night now"], ["/phi3 adapters", "what was trained, and back"],
  ["/phi3 forget me", "remove your own words"],
  ["/invite", "bring someone into this channel"],
];
const LIMIT = 250 * 1024 * 1024;

// What was typed, as Slack stores it: escaped, names as mentions.
export function encode(text) {
  let out = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  out = out.replace(/(^|\n)&gt;/g, "$1>");
  const people = [...state.users.values()].flatMap((one) => [[nameOf(one.id), one.id], [one.name, one.id]]);
  people.sort((a, b) => b[0].length - a[0].length);
  for (const [name, id] of people) out = out.replace(new RegExp(`(^|[\\s(])@${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w])`, "gi"), `$1<@${id}>`);
  for (const channel of state.channels.values()) {
    if (channel.name && !channel.is_mpim) out = out.replace(new RegExp(`(^|[\\s(])#${channel.name}(?![\\w-])`, "g"), `$1<#${channel.id}|${channel.name}>`);
  }
  return out;
}

// The other way, for editing.
export function decode(text) {
  const named = text.replace(/<@([A-Z0-9]+)(?:\|[^>]*)?>/g, (_, id) => `@${nameOf(id)}`)
    .replace(/<#([A-Z0-9]+)(?:\|([^>]*))?>/g, (_, id, name) => `#${name || state.channels.get(id)?.name || id}`)
    .replace(/<(https?:[^|>]+)(?:\|[^>]*)?>/g, "$1");
  return unescape(named);
}

function suggestions(before) {
  const at = /(?:^|[\s(])@([\p{L}\p{N}_.\- ]{0,30})$/u.exec(before);
  if (at) {
    const typed = at[1].toLowerCase();
    const found = [...state.users.values()].filter((one) => nameOf(one.id).toLowerCase().startsWith(typed) || one.name.startsWith(typed));
    return found.slice(0, 6).map((one) => ({ from: before.length - at[1].length - 1, text: `@${nameOf(one.id)} `, label: nameOf(one.id), hint: one.profile.title, icon: one.id }));
  }
  if (/^\/[\w ]*$/.test(before)) {
    return COMMANDS.filter(([command]) => command.startsWith(before) && command !== before.trim())
      .map(([command, hint]) => ({ from: 0, text: `${command} `, label: command, hint }));
  }
  return [];
}

export function composer({ channel, thread, placeholder, sent }) {
  const waiting = []; // files chosen and not sent yet
  const label = thread ? "Reply in thread" : `Message ${placeholder}`;
  const text = h("textarea", { rows: 1, class: "write", "aria-label": label, placeholder: thread ? "Reply…" : `Message ${placeholder}`, maxLength: 40000 });
  const list = h("div", { class: "suggest", role: "listbox", hidden: true, "aria-label": "Suggestions" });
  const tray = h("div", { class: "tray" });
  const picker = h("input", { type: "file", multiple: true, hidden: true });
  const send = h("button", { class: "button primary send", type: "button", "aria-label": "Send" }, icon("send"));
  let chosen = 0;
  let found = [];
  let busy = false;

  const fit = () => { text.style.height = "auto"; text.style.height = `${Math.min(text.scrollHeight, 260)}px`; };
  const suggest = () => {
    found = suggestions(text.value.slice(0, text.selectionStart));
    chosen = Math.min(chosen, Math.max(0, found.length - 1));
    list.hidden = !found.length;
    list.replaceChildren(...found.map((one, n) => h("div", {
      class: n === chosen ? "suggestion on" : "suggestion", role: "option", "aria-selected": String(n === chosen),
      onmousedown: (event) => { event.preventDefault(); take(one); },
    }, one.icon ? avatar(one.icon, true) : null, h("span", {}, one.label), h("small", {}, one.hint || ""))));
  };
  const take = (one) => {
    text.setRangeText(one.text, one.from, text.selectionStart, "end");
    found = [];
    list.hidden = true;
    fit();
    text.focus();
  };
  const drawTray = () => tray.replaceChildren(...waiting.map((item) => {
    item.bar = h("progress", { max: 1, value: item.done, "aria-label": `Upload of ${item.file.name}`, hidden: !busy });
    return h("div", { class: "waiting" }, h("span", {}, item.file.name), h("small", {}, sizeOf(item.file.size)), item.bar,
      busy ? null : h("button", { class: "icon-button", type: "button", "aria-label": `Leave out ${item.file.name}`, onclick: () => { waiting.splice(waiting.indexOf(item), 1); drawTray(); } }, icon("close")));
  }));
  const add = (files) => {
    for (const file of files) {
      if (file.size > LIMIT) notice(`${file.name} is larger than 250 MB.`);
      else if (!file.size) notice(`${file.name} is empty.`);
      else waiting.push({ file, done: 0 });
    }
    drawTray();
    text.focus();
  };
  const submit = async () => {
    const typed = text.value.trim();
    if (busy || (!typed && !waiting.length)) return;
    busy = true;
    text.value = "";
    fit();
    suggest();
    drawTray();
    try {
      if (waiting.length) {
        const files = [];
        for (const item of waiting) {
          const id = await upload(item.file, (part) => { item.done = part; item.bar.value = part; });
          files.push({ id, title: item.file.name });
        }
        await call("files.completeUploadExternal", { files, channel_id: channel, thread_ts: thread || undefined, initial_comment: encode(typed) });
        waiting.length = 0;
        sent();
      } else if (typed.startsWith("/")) {
        const [command, ...rest] = typed.split(/\s+/);
        if (command === "/invite") await invite(channel, rest.join(" "));
        else await call("_workspace.command", { channel, command, text: encode(typed.slice(command.length).trim() || rest.join(" ")) });
      } else {
        const answer = await call("chat.postMessage", { channel, text: encode(typed), thread_ts: thread || undefined });
        sent(answer.message);
        remind(channel, answer.message.text);
      }
    } catch (error) {
      notice(sentence(error));
      if (!text.value) text.value = typed;
    }
    busy = false;
    drawTray();
    fit();
  };
  text.addEventListener("input", () => { fit(); suggest(); });
  text.addEventListener("blur", () => { list.hidden = true; });
  text.addEventListener("keydown", (event) => {
    if (found.length && !list.hidden) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
        suggest();
        return;
      }
      // A command that is whole already is sent, not taken for the beginning of another.
      const whole = COMMANDS.some(([command]) => command === text.value.trim());
      if (event.key === "Tab" || (event.key === "Enter" && !event.isComposing && !whole)) { event.preventDefault(); take(found[chosen]); return; }
      if (event.key === "Escape") { found = []; list.hidden = true; return; }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  text.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) { event.preventDefault(); add(event.clipboardData.files); }
  });
  picker.addEventListener("change", () => { add(picker.files); picker.value = ""; });
  send.addEventListener("click", submit);
  const root = h("div", { class: "composer" }, list, tray,
    h("div", { class: "write-row" },
      h("button", { class: "icon-button", type: "button", "aria-label": "Attach files", title: "Attach files", onclick: () => picker.click() }, icon("plus")),
      text, send, picker));
  return { root, add, text, focus: () => text.focus() };
}

// "/invite @someone" is the client's own, as in Slack.
async function invite(channel, text) {
  const users = [...encode(` ${text}`).matchAll(/<@([A-Z0-9]+)>/g)].map((match) => match[1]);
  if (!users.length) notice("Write /invite followed by @ and a name.");
  else await call("conversations.invite", { channel, users: users.join(",") });
}

function remind(channel, text) {
  const place = state.channels.get(channel);
  if (place?.is_im || !text.includes(`<@${state.bot}>`) || (place?.members || []).includes(state.bot)) return;
  notice(`${nameOf(state.bot)} is not in #${place.name}. Invite it with /invite @${nameOf(state.bot)}`);
}

// Edit a message in place of its text.
export function editor(message, done) {
  const text = h("textarea", { class: "write", rows: 2, "aria-label": "Edit message" });
  text.value = decode(message.text);
  const save = () => done(text.value.trim() ? encode(text.value.trim()) : null);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") done(null);
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); save(); }
  });
  return h("div", { class: "editor" }, text, h("div", { class: "editor-row" },
    h("button", { class: "button", type: "button", onclick: () => done(null) }, "Cancel"),
    h("button", { class: "button primary", type: "button", onclick: save }, "Save")));
}
