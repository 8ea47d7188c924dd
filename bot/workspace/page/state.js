// What the page knows. Views read it; app.js changes it.

export const state = {
  me: "",
  bot: "",
  team: {},
  users: new Map(),
  channels: new Map(),
  messages: new Map(), // channel -> Map(ts -> message), the channel's own
  threads: new Map(), // channel/ts -> Map(ts -> message), first message included
  ephemerals: new Map(), // channel -> Map(ts -> message)
  statuses: new Map(), // channel/ts -> status
  modals: [],
  home: null,
  channel: "",
  tab: "messages",
  thread: "", // ts of the open thread's first message
  more: new Map(), // channel -> cursor of older messages
  pressed: new Map(), // message/action -> value
  highlight: "",
};

export const user = (id) => state.users.get(id);

export function nameOf(id) {
  const found = state.users.get(id);
  if (!found) return id === "USLACKBOT" ? "Workspace" : "Someone";
  return found.profile.display_name ? found.real_name : found.real_name || found.name;
}

export function titleOf(channel) {
  if (!channel) return "";
  if (channel.is_im) return channel.user === state.me ? `${nameOf(state.me)} (you)` : nameOf(channel.user);
  if (channel.is_mpim) return (channel.members || []).filter((one) => one !== state.me).map(nameOf).join(", ");
  return channel.name;
}

export const current = () => state.channels.get(state.channel);

export const botDm = () => [...state.channels.values()].find((one) => one.is_im && one.user === state.bot);

export const threadKey = (channel, ts) => `${channel}/${ts}`;

export const sorted = (messages) => [...(messages ? messages.values() : [])].sort((a, b) => (a.ts < b.ts ? -1 : 1));

export function timeOf(ts) {
  return new Date(Number(ts) * 1000);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export const clock = (ts) => CLOCK.format(timeOf(ts));
export const fullTime = (ts) => FULL.format(timeOf(ts));

export function dayOf(ts) {
  const date = timeOf(ts);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : DAY.format(date);
}

export function sizeOf(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} kB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
