// Drawn here, so that they look the same on every machine, with or without an emoji font.
const PATHS = {
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5.5 11h13v9h-13z",
  shared: "M4 8h14m0 0-4-4m4 4-4 4M20 16H6m0 0 4-4m-4 4 4 4",
  hash: "M9 4 7 20M17 4l-2 16M4.5 9h16M3.5 15h16",
  up: "M8 11v9H4v-9zm0 0 4-8c2 0 2.600 1.400 2.300 3L13.800 9H19a1.800 1.800 0 0 1 1.800 2.200l-1.500 7A2.200 2.200 0 0 1 17.200 20H8",
  down: "M16 13V4h4v9zm0 0-4 8c-2 0-2.600-1.400-2.300-3l.500-3H5a1.800 1.800 0 0 1-1.800-2.200l1.500-7A2.200 2.200 0 0 1 6.800 4H16",
  reply: "M4 5h16v11H10l-4 4v-4H4z",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  close: "M6 6l12 12M18 6 6 18",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600z",
  download: "M12 4v11m0 0-4-4m4 4 4-4M5 20h14",
  replace: "M5 9a7.500 7.500 0 0 1 13-2l2 2m0-5v5h-5M19 15a7.500 7.500 0 0 1-13 2l-2-2m0 5v-5h5",
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5m0 0-6 6m6-6 6 6",
  check: "M5 12.500l5 5L19.500 7",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
