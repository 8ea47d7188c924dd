// The page: loads, listens, draws.
import { call, listen } from "./api.js";
import { h } from "./dom.js";
import { attempt } from "./messages.js";
import { draw as drawModals } from "./modal.js";
import { be, choose } from "./people.js";
import { renderSidebar } from "./sidebar.js";
import { botDm, sorted, state, threadKey } from "./state.js";
import { MainView, ThreadView } from "./views.js";

const parts = Object.fromEntries(["app", "sidebar", "main", "thread"].map((id) => [id, document.getElementById(id)]));
const asked = new Set(); // first messages that this page sent: the bot's answer opens their thread

const hooks = {
  go: (channel) => go(channel),
  message: (user) => attempt(async () => { const found = await call("conversations.open", { users: user }); await boot(); await go(found.channel.id); }),
  closeDrawer: () => parts.app.classList.remove("drawer"),
  openDrawer: () => parts.app.classList.add("drawer"),
  switchPerson: () => showChooser(),
  openThread: (ts, focus) => openThread(ts, focus),
  closeThread: () => { state.thread = ""; drawThread(); },
  dismissed: (channel, ts) => { state.ephemerals.get(channel)?.delete(ts); draw(); },
  edit: (message, place) => (place.thread ? threadView : mainView).edit(message),
  sent: (message) => { if (message && !message.thread_ts) asked.add(message.ts); mainView.toEnd(); threadView.toEnd(); },
  tab: (tab) => attempt(async () => {
    state.tab = tab;
    const answer = await call("_workspace.home", { tab });
    if (answer.view) state.home = answer.view;
    drawMain();
  }),
  older: () => load(state.channel, true),
  joined: () => attempt(async () => { await call("conversations.join", { channel: state.channel }); await boot(); drawMain(); }),
  redraw: () => draw(),
};

const mainView = new MainView(parts.main, hooks);
const threadView = new ThreadView(parts.thread, hooks);
const drawSidebar = () => {
  renderSidebar(parts.sidebar, hooks);
  const unread = [...state.channels.values()].reduce((sum, one) => sum + (one.unread_count || 0), 0);
  document.title = unread ? `(${unread}) ${state.team.name}` : state.team.name;
};
const drawMain = () => mainView.draw();
const drawThread = () => {
  const end = mainView.atEnd(); // the main view becomes narrower or wider, and its text is wrapped anew
  parts.app.classList.toggle("with-thread", Boolean(state.thread));
  threadView.draw();
  if (end) mainView.toEnd();
};
const draw = () => { drawSidebar(); drawMain(); drawThread(); };

async function boot() {
  const found = await call("_workspace.boot");
  Object.assign(state, { me: found.me, bot: found.bot_user, team: found.team, modals: found.modals, home: found.home });
  state.users = new Map(found.users.map((one) => [one.id, one]));
  state.channels = new Map(found.channels.map((one) => [one.id, one]));
  state.statuses = new Map(found.statuses.map((one) => [threadKey(one.channel, one.thread_ts), one]));
  drawSidebar();
  drawModals();
}

// What is said while a list is on its way is newer than the list: the news since this was called.
function meanwhile(lists, key) {
  if (!lists.has(key)) lists.set(key, new Map());
  const before = new Map(lists.get(key));
  return () => [...lists.get(key)].filter(([ts, message]) => before.get(ts) !== message);
}

async function load(channel, older = false) {
  const news = meanwhile(state.messages, channel);
  const known = state.messages.get(channel);
  const cursor = older ? state.more.get(channel) : undefined;
  const [history, whispers] = await Promise.all([
    call("conversations.history", { channel, limit: 60, cursor }), call("_workspace.ephemerals", { channel }),
  ]);
  const found = older ? known : new Map();
  const since = news();
  for (const message of history.messages) found.set(message.ts, message);
  for (const [ts, message] of since) found.set(ts, message);
  state.messages.set(channel, found);
  state.more.set(channel, history.has_more ? history.response_metadata.next_cursor : "");
  state.ephemerals.set(channel, new Map(whispers.messages.map((one) => [one.ts, one])));
  if (channel === state.channel) drawMain();
}

async function loadThread(ts) {
  const key = threadKey(state.channel, ts);
  const news = meanwhile(state.threads, key);
  const found = await call("conversations.replies", { channel: state.channel, ts });
  state.threads.set(key, new Map([...found.messages.map((one) => [one.ts, one]), ...news()]));
}

async function go(channel, ts = "", thread = "") {
  if (state.channel !== channel) state.thread = "";
  state.channel = channel;
  state.tab = "messages";
  state.highlight = ts;
  hooks.closeDrawer();
  history.replaceState(null, "", ts ? `/archives/${channel}/p${ts.replace(".", "")}` : `/#${channel}`);
  draw(); // at once: what is typed from here on is for this channel
  if (!ts) mainView.focus();
  await attempt(() => load(channel));
  if (state.channel !== channel) return; // somebody has gone on meanwhile
  draw();
  mainView.toEnd();
  read(channel);
  if (thread) await openThread(thread, false);
  mainView.show(ts);
  threadView.show(ts);
}

async function openThread(ts, focus) {
  state.thread = ts;
  if (!(await attempt(() => loadThread(ts).then(() => true)))) state.thread = "";
  drawThread();
  threadView.toEnd();
  if (focus) threadView.focus();
}

function read(channel) {
  const place = state.channels.get(channel);
  const last = sorted(state.messages.get(channel)).at(-1);
  if (!place?.is_member || !last || document.hidden || channel !== state.channel) return;
  place.unread_count = 0;
  drawSidebar();
  call("conversations.mark", { channel, ts: place.latest > last.ts ? place.latest : last.ts }).catch(() => {});
}

function put(channel, message) {
  const place = state.channels.get(channel);
  const root = message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : "";
  if (!root || message.subtype === "thread_broadcast") state.messages.get(channel)?.set(message.ts, message);
  if (root) state.threads.get(threadKey(channel, root))?.set(message.ts, message);
  else if (state.threads.has(threadKey(channel, message.ts))) state.threads.get(threadKey(channel, message.ts)).set(message.ts, message);
  return { place, root };
}

function countReply(channel, root, message, step) {
  const first = state.messages.get(channel)?.get(root);
  if (!first) return;
  const count = Math.max(0, (first.reply_count || 0) + step);
  const people = [...new Set([...(first.reply_users || []), message.user])];
  state.messages.get(channel).set(root, { ...first, thread_ts: root, reply_count: count, reply_users: people, latest_reply: step > 0 ? message.ts : first.latest_reply || root });
}

const NEWS = {
  message({ channel, message }) {
    const { place, root } = put(channel, message);
    if (root) countReply(channel, root, message, 1);
    else if (message.user === state.me) asked.add(message.ts);
    if (place) {
      place.latest = message.ts;
      if (message.user !== state.me && (channel !== state.channel || document.hidden)) place.unread_count = (place.unread_count || 0) + 1;
    } else boot().then(draw);
    if (channel === state.channel && !document.hidden && message.user !== state.me) read(channel);
    if (root && channel === state.channel && message.user === state.bot && asked.has(root) && state.thread !== root) openThread(root, false);
  },
  message_changed({ channel, message }) { put(channel, message); },
  message_deleted({ channel, ts, thread_ts: root }) {
    state.messages.get(channel)?.delete(ts);
    if (root) { state.threads.get(threadKey(channel, root))?.delete(ts); countReply(channel, root, { user: state.bot }, -1); }
    if (state.thread === ts && channel === state.channel) state.thread = "";
  },
  ephemeral({ channel, message }) {
    if (!state.ephemerals.has(channel)) state.ephemerals.set(channel, new Map());
    state.ephemerals.get(channel).set(message.ts, message);
  },
  ephemeral_deleted({ channel, ts }) { state.ephemerals.get(channel)?.delete(ts); },
  status(status) {
    const key = threadKey(status.channel, status.thread_ts);
    if (!status.status) state.statuses.delete(key);
    else {
      state.statuses.set(key, status);
      setTimeout(() => { if (state.statuses.get(key) === status) { state.statuses.delete(key); draw(); } }, Math.max(0, status.until * 1000 - Date.now()));
      if (status.channel === state.channel && asked.has(status.thread_ts) && state.thread !== status.thread_ts) openThread(status.thread_ts, false);
    }
  },
  prompts({ channel, prompts }) { if (state.channels.has(channel)) state.channels.get(channel).prompts = prompts; },
  channels() { boot().then(draw); },
  members() { boot().then(draw); },
  read({ channel }) { const place = state.channels.get(channel); if (place) place.unread_count = 0; },
  modals({ views }) { state.modals = views; drawModals(); },
  home({ view }) { state.home = view; },
};

let drawing = 0;
function onNews(item) {
  NEWS[item.type]?.(item);
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(draw);
}

async function onState(what) {
  parts.app.classList.toggle("offline", what === "lost");
  if (what !== "again") return;
  await attempt(async () => { await boot(); await load(state.channel); if (state.thread) await loadThread(state.thread); });
  draw();
}

async function showChooser() {
  const found = await (await fetch("/page/people")).json();
  const node = h("div", { class: "chooser-cover", role: "dialog", "aria-modal": "true", "aria-label": "Choose who you are" }, choose(found.users, found.team, found.me));
  document.body.append(node);
  node.querySelector("button").focus();
  if (found.me) node.addEventListener("keydown", (event) => { if (event.key === "Escape") node.remove(); });
}

async function start() {
  const found = await (await fetch("/page/people")).json();
  const wanted = new URLSearchParams(location.search).get("as");
  const person = found.users.find((one) => one.name === wanted || one.id === wanted);
  if (person && person.id !== found.me) { history.replaceState(null, "", "/"); await be(person.id); return; }
  if (!found.me) { await showChooser(); return; }
  await boot();
  listen(onNews, onState);
  const linked = /^\/archives\/([A-Z0-9]+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  const thread = new URLSearchParams(location.search).get("thread_ts") || "";
  const redirected = new URLSearchParams(location.search).get("redir") || "";
  if (redirected.startsWith("/files")) { location.replace(redirected); return; }
  const named = location.hash.slice(1);
  if (linked && state.channels.has(linked[1])) await go(linked[1], `${linked[2]}.${linked[3]}`, thread);
  else await go(state.channels.has(named) ? named : botDm()?.id || [...state.channels.keys()][0]);
}

document.addEventListener("visibilitychange", () => read(state.channel));
document.addEventListener("click", (event) => {
  const channel = event.target.closest?.(".mention[data-channel]")?.dataset.channel;
  if (channel && state.channels.has(channel)) go(channel);
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const own = event.target.closest?.("a[href]");
  const linked = own && new URL(own.href).origin === location.origin && /^\/archives\/([A-Z0-9]+)\/p(\d+)(\d{6})$/.exec(new URL(own.href).pathname);
  if (linked && state.channels.has(linked[1]) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    go(linked[1], `${linked[2]}.${linked[3]}`, new URL(own.href).searchParams.get("thread_ts") || "");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.thread && !document.querySelector("dialog[open]") && !["TEXTAREA", "SELECT", "INPUT"].includes(event.target.tagName)) hooks.closeThread();
});
start();
