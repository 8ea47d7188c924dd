// The conversation in the middle and the thread beside it.
import { call } from "./api.js";
import { composer, editor } from "./composer.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { attempt, avatar, renderMessages } from "./messages.js";
import { drawHome } from "./modal.js";
import { current, nameOf, sorted, state, threadKey, titleOf } from "./state.js";

const QUESTIONS = [
  "How do I add my own documents?",
  "How does the bot decide that it does not know?",
  "Who can see what I ingest?",
];

// Scrolling list, composer, dropped files: what both views share.
class Pane {
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    this.shown = "";
    this.list = null;
    this.box = null;
    this.boxes = new Map(); // what is typed, or on its way, stays with its conversation
    root.addEventListener("dragover", (event) => {
      if (this.box && event.dataTransfer.types.includes("Files")) { event.preventDefault(); root.classList.add("dropping"); }
    });
    root.addEventListener("dragleave", (event) => { if (!root.contains(event.relatedTarget)) root.classList.remove("dropping"); });
    root.addEventListener("drop", (event) => {
      root.classList.remove("dropping");
      if (!this.box || !event.dataTransfer.files.length) return;
      event.preventDefault();
      this.box.add(event.dataTransfer.files);
    });
  }

  get scroller() { return this.list?.parentElement; }

  atEnd() {
    const box = this.scroller;
    return !box || box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  }

  toEnd() {
    const box = this.scroller;
    if (box) box.scrollTop = box.scrollHeight;
  }

  boxOf(channel, thread, placeholder) {
    const key = threadKey(channel, thread);
    if (!this.boxes.has(key)) this.boxes.set(key, composer({ channel, thread, placeholder, sent: this.hooks.sent }));
    return this.boxes.get(key);
  }

  // The pane's new parts; whoever is writing in one that stays writes on.
  place(...parts) {
    const writing = document.activeElement;
    this.root.replaceChildren(...parts.flat().filter(Boolean));
    if (writing === this.box?.text) this.box.focus();
  }

  fill(messages, place) {
    const end = this.atEnd();
    if (this.list.querySelector(".editor")) return; // what is being edited stays
    renderMessages(this.list, messages, place, this.hooks);
    if (end) this.toEnd();
  }

  show(ts) {
    const node = ts && this.list?.querySelector(`[data-ts="${CSS.escape(ts)}"]`);
    if (node) node.scrollIntoView({ block: "center" });
  }

  focus() {
    if (window.matchMedia("(min-width: 801px)").matches) this.box?.focus();
  }

  edit(message) {
    const body = this.list.querySelector(`[data-ts="${CSS.escape(message.ts)}"] .body`);
    if (!body) return;
    const before = [...body.childNodes];
    const node = editor(message, async (text) => {
      body.replaceChildren(...before);
      if (text) await attempt(() => call("chat.update", { channel: state.channel, ts: message.ts, text }));
      this.hooks.redraw();
    });
    body.replaceChildren(node);
    node.querySelector("textarea").focus();
  }
}

function chips(questions, ask) {
  return h("div", { class: "chips" }, questions.map((one) =>
    h("button", { class: "chip", type: "button", onclick: () => ask(one.message) }, one.title)));
}

export class MainView extends Pane {
  draw() {
    const channel = current();
    if (!channel) return;
    const bot = channel.is_im && channel.user === state.bot;
    const look = JSON.stringify([channel.id, state.tab, channel.is_member, titleOf(channel), (channel.members || []).length, channel.prompts]);
    if (this.shown !== look) this.build(channel, bot, look);
    if (state.tab === "home") {
      const mark = JSON.stringify(state.home);
      if (this.homeMark !== mark) { this.homeMark = mark; this.home.replaceChildren(drawHome(state.home)); }
      return;
    }
    const whispers = sorted(state.ephemerals.get(channel.id)).filter((one) => !one.thread_ts);
    const messages = [...sorted(state.messages.get(channel.id)), ...whispers].sort((a, b) => (a.ts < b.ts ? -1 : 1));
    this.older.hidden = !state.more.get(channel.id);
    this.welcome.hidden = messages.length > 0 || !state.messages.has(channel.id);
    if (this.row) this.row.hidden = messages.length === 0;
    this.fill(messages, { channel: channel.id, thread: "" });
  }

  questions(channel) {
    const own = QUESTIONS.map((one) => ({ title: one, message: one }));
    const more = (channel.prompts?.prompts || []).filter((one) => !QUESTIONS.includes(one.message));
    return [...own, ...more];
  }

  ask(channel, message) {
    return attempt(async () => this.hooks.sent((await call("chat.postMessage", { channel: channel.id, text: message })).message));
  }

  build(channel, bot, look) {
    this.shown = look;
    this.homeMark = "";
    const title = [channel.is_im ? null : icon(channel.is_private ? "lock" : channel.is_ext_shared ? "shared" : "hash"), titleOf(channel)];
    const tab = (name, label) => h("button", { type: "button", class: "tab", role: "tab", "aria-selected": String(state.tab === name), onclick: () => this.hooks.tab(name) }, label);
    const people = (channel.members || []).map(nameOf).join(", ");
    this.list = h("div", { class: "messages", role: "log", "aria-label": `Messages in ${titleOf(channel)}`, "aria-live": "polite" });
    this.older = h("button", { class: "button quiet older", type: "button", hidden: true, onclick: this.hooks.older }, "Older messages");
    this.welcome = h("div", { class: "welcome" }, bot
      ? [avatar(state.bot), h("h2", {}, `Ask ${nameOf(state.bot)}`), h("p", {}, "It answers from your documents, with links to where it found things. If it does not know, it says so."),
        chips(this.questions(channel), (text) => this.ask(channel, text)),
        h("p", { class: "fine" }, "You can also drop a file here, or mention the bot in a channel.")]
      : [h("h2", {}, titleOf(channel)), h("p", {}, channel.topic?.value || "This is the very beginning of the conversation.")]);
    this.home = h("div", { class: "scroller home-scroller", role: "tabpanel" });
    const scroller = h("div", { class: "scroller" }, this.older, this.welcome, this.list);
    this.row = bot ? h("div", { class: "prompt-row", role: "group", "aria-label": "Suggested questions" }, chips(this.questions(channel), (text) => this.ask(channel, text))) : null;
    this.box = channel.is_member && state.tab === "messages"
      ? this.boxOf(channel.id, "", channel.is_im ? titleOf(channel) : `#${titleOf(channel)}`)
      : null;
    const foot = state.tab === "home" ? null : this.box ? [this.row, this.box.root]
      : h("div", { class: "join" }, h("span", {}, `You are looking at #${titleOf(channel)}.`), h("button", { class: "button primary", type: "button", onclick: this.hooks.joined }, "Join channel"));
    this.place(
      h("header", { class: "bar" },
        h("button", { class: "icon-button open-drawer", type: "button", "aria-label": "Channels and people", onclick: this.hooks.openDrawer }, icon("menu")),
        h("div", { class: "bar-title" }, h("h2", {}, title), channel.is_im ? null : h("small", { title: people }, `${(channel.members || []).length} members${channel.topic?.value ? ` · ${channel.topic.value}` : ""}`)),
        bot ? h("div", { class: "tabs", role: "tablist" }, tab("messages", "Messages"), tab("home", "Home")) : null),
      state.tab === "home" ? this.home : scroller, foot);
  }
}

export class ThreadView extends Pane {
  draw() {
    this.root.hidden = !state.thread;
    if (!state.thread) { this.shown = ""; this.box = null; this.root.replaceChildren(); return; }
    const key = threadKey(state.channel, state.thread);
    const channel = current();
    if (this.shown !== key) {
      this.shown = key;
      this.list = h("div", { class: "messages", role: "log", "aria-label": "Messages in this thread", "aria-live": "polite" });
      this.status = h("div", { class: "status-bar", role: "status" });
      this.box = channel?.is_member ? this.boxOf(state.channel, state.thread, "thread") : null;
      this.place(
        h("header", { class: "bar" }, h("div", { class: "bar-title" }, h("h2", {}, "Thread"), h("small", {}, titleOf(channel))),
          h("button", { class: "icon-button", type: "button", "aria-label": "Close thread", onclick: this.hooks.closeThread }, icon("close"))),
        h("div", { class: "scroller" }, this.list), this.status, this.box?.root);
    }
    const whispers = sorted(state.ephemerals.get(state.channel)).filter((one) => one.thread_ts === state.thread);
    const messages = [...sorted(state.threads.get(key)), ...whispers].sort((a, b) => (a.ts < b.ts ? -1 : 1));
    this.fill(messages, { channel: state.channel, thread: state.thread });
    this.drawStatus(state.statuses.get(key));
  }

  drawStatus(status) {
    if (this.statusNow === status && this.status.firstChild) return;
    this.statusNow = status;
    clearInterval(this.ticking);
    this.status.replaceChildren();
    if (!status) return;
    const lines = status.loading_messages?.length ? status.loading_messages : [`${nameOf(state.bot)} ${status.status}`];
    const line = h("span", {}, lines[0]);
    let n = 0;
    this.ticking = setInterval(() => { n += 1; line.textContent = lines[n % lines.length]; }, 2500);
    this.status.append(h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), line);
  }
}
