// Channels, direct messages, and who one is.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./messages.js";
import { nameOf, state, titleOf } from "./state.js";

function entry(channel, hooks) {
  const on = channel.id === state.channel;
  const sign = channel.is_im ? avatar(channel.user, true) : h("span", { class: "sign", "aria-hidden": "true" }, icon(channel.is_private ? "lock" : channel.is_ext_shared ? "shared" : "hash"));
  const unread = on ? 0 : channel.unread_count || 0;
  const kind = channel.is_im ? "direct message" : channel.is_private ? "private channel" : channel.is_ext_shared ? "shared channel" : "channel";
  return h("li", {}, h("button", {
    type: "button", class: `place${on ? " on" : ""}${unread ? " unread" : ""}${channel.is_member ? "" : " outside"}`,
    "aria-current": on ? "page" : undefined, "aria-label": `${titleOf(channel)}, ${kind}${unread ? `, ${unread} unread` : ""}`,
    data: { channel: channel.id }, onclick: () => hooks.go(channel.id),
  }, sign, h("span", { class: "place-name" }, titleOf(channel)),
  channel.user === state.bot ? h("span", { class: "app-badge" }, "APP") : null,
  unread ? h("span", { class: "badge", "aria-hidden": "true" }, unread > 99 ? "99+" : String(unread)) : null));
}

export function renderSidebar(parent, hooks) {
  const all = [...state.channels.values()];
  const channels = all.filter((one) => !one.is_im && !one.is_mpim);
  const direct = all.filter((one) => one.is_im || one.is_mpim);
  const known = new Set(direct.filter((one) => one.is_im).map((one) => one.user));
  const others = [...state.users.values()].filter((one) => !known.has(one.id) && one.id !== state.me);
  const me = state.users.get(state.me);
  const role = me?.is_owner ? "Admin" : me?.is_ultra_restricted ? "Guest" : me?.is_stranger ? "Lakeside Labs" : "Member";
  parent.replaceChildren(
    h("header", {}, h("img", { src: "/static/icon.svg", alt: "", width: 28, height: 28 }), h("h1", {}, state.team.name),
      h("button", { class: "icon-button close-drawer", type: "button", "aria-label": "Close the list", onclick: hooks.closeDrawer }, icon("close"))),
    h("div", { class: "places" },
      h("h2", {}, "Channels"), h("ul", {}, channels.map((one) => entry(one, hooks))),
      h("h2", {}, "Direct messages"),
      h("ul", {}, direct.map((one) => entry(one, hooks)), others.map((one) => h("li", {}, h("button", {
        type: "button", class: "place outside", onclick: () => hooks.message(one.id),
      }, avatar(one.id, true), h("span", { class: "place-name" }, nameOf(one.id))))))),
    h("button", { class: "who", type: "button", "aria-label": `You are ${nameOf(state.me)}. Be someone else`, onclick: hooks.switchPerson },
      avatar(state.me), h("span", {}, h("strong", {}, nameOf(state.me)), h("small", {}, `${role} · switch`))));
}
