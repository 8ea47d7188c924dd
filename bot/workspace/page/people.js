// Choose who you are.
import { h, notice } from "./dom.js";

function describe(user) {
  if (user.is_stranger) return "From Lakeside Labs, a partner. Sees only the shared channel.";
  if (user.is_ultra_restricted) return "A guest. Sees only #onboarding.";
  if (user.is_admin) return "Admin. Sees and settles everything.";
  return user.name === "ben" ? "Member. Not in #people-team." : "Member. Also in #people-team.";
}

export async function be(user) {
  const response = await fetch("/page/session", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user }),
  });
  if (!response.ok) notice("That did not work. Is the workspace still running?");
  else location.reload();
}

export function choose(users, team, me) {
  const card = (user) => {
    const face = h("span", { class: "avatar", "aria-hidden": "true" }, user.real_name.split(" ").map((word) => word[0]).join(""));
    face.style.background = `#${user.color}`;
    return h("button", { class: "person", type: "button", data: { user: user.id }, "aria-current": user.id === me ? "true" : undefined, onclick: () => be(user.id) },
      face, h("span", {}, h("strong", {}, user.real_name), h("small", {}, user.profile.title), h("small", {}, describe(user))));
  };
  return h("div", { class: "chooser" },
    h("img", { src: "/static/icon.svg", alt: "", width: 56, height: 56 }),
    h("h1", {}, team.name),
    h("p", {}, "A small workspace on this machine. Who are you today?"),
    h("div", { class: "people" }, users.map(card)));
}
