// Marks missed damage and corrects outlines, by pointer or keyboard.

import { centre, clearDrawing, pointOf, shape, stage, step } from "./stage.js";

const MAX_CORNERS = 40;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let marking = null; // the current kind of marking, with its own keys

export const isMarking = () => marking !== null;

export function stop() {
  marking = null;
  clearDrawing();
  stage()?.classList.remove("marking");
  const mode = document.querySelector("#mode");
  if (mode) mode.textContent = "";
}

function begin(kind, label) {
  stop();
  marking = kind;
  stage().classList.add("marking");
  // On a phone, the button that begins this may stand far below the photo.
  stage().scrollIntoView({ block: "nearest" });
  document.querySelector("#mode").textContent = label;
}

export function send(values) {
  const form = document.querySelector("#place");
  for (const [name, value] of Object.entries(values))
    form.elements[name].value = typeof value === "string" ? value : JSON.stringify(value);
  stop();
  form.requestSubmit();
}

export function pressWhileMarking(key, shift) {
  if (key === "Escape") { stop(); return true; }
  return marking.press(key, shift);
}

export function markMissed(label) {
  const place = centre();
  place.x = Math.round(place.x); place.y = Math.round(place.y);
  const cross = shape("path", { class: "cross" }), limits = stage().dataset;
  const show = () => {
    const arm = 4 * step();
    cross.setAttribute("d", `M${place.x - arm} ${place.y}h${2 * arm}M${place.x} ${place.y - arm}v${2 * arm}`);
  };
  begin({
    press(key) {
      if (key === "Enter") { send({ action: "missed", point: [place.x, place.y] }); return true; }
      if (!ARROWS[key]) return false;
      place.x = Math.min(limits.width, Math.max(0, place.x + ARROWS[key][0] * step()));
      place.y = Math.min(limits.height, Math.max(0, place.y + ARROWS[key][1] * step()));
      show();
      return true;
    },
    drag(from, to, ended) {
      const box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
      const isBox = Math.max(box[2], box[3]) > 2 * step();
      clearDrawing();
      if (!ended) shape("rect", { class: "cross", x: box[0], y: box[1], width: box[2], height: box[3] });
      else send({ action: "missed", ...(isBox ? { box } : { point: [to.x, to.y] }) });
    },
  }, label);
  document.querySelector("#drawing").append(cross);
  show();
}

export function reshape(number, label) {
  const outline = document.querySelector(`#outline-${number}`);
  if (!outline) return;
  const corners = fewer(outline.getAttribute("points").trim().split(" ").map(pair => pair.split(",").map(Number)));
  let chosen = 0;
  const show = () => {
    clearDrawing();
    shape("polygon", { class: "cross", points: corners.map(corner => corner.join(",")).join(" ") });
    corners.forEach(([x, y], index) =>
      shape("circle", { class: index === chosen ? "corner chosen" : "corner", cx: x, cy: y, r: step() }));
  };
  const moveTo = (x, y) => {
    corners[chosen] = [Math.min(stage().dataset.width, Math.max(0, x)), Math.min(stage().dataset.height, Math.max(0, y))];
    show();
  };
  begin({
    press(key, shift) {
      if (key === "Enter") { send({ action: "reshape", damage: String(number), polygon: corners }); return true; }
      if (key === "Tab") chosen = (chosen + (shift ? corners.length - 1 : 1)) % corners.length;
      else if (key === "Delete" && corners.length > 3) { corners.splice(chosen, 1); chosen %= corners.length; }
      else if (key === "Insert" || key === "i") {
        const [a, b] = [corners[chosen], corners[(chosen + 1) % corners.length]];
        corners.splice(++chosen, 0, [Math.round((a[0] + b[0]) / 2), Math.round((a[1] + b[1]) / 2)]);
      } else if (ARROWS[key]) { moveTo(corners[chosen][0] + ARROWS[key][0] * step(), corners[chosen][1] + ARROWS[key][1] * step()); return true; }
      else return false;
      show();
      return true;
    },
    grab(from) {
      const distance = ([x, y]) => Math.hypot(x - from.x, y - from.y);
      chosen = corners.reduce((best, corner, index) => distance(corner) < distance(corners[best]) ? index : best, 0);
      show();
    },
    drag(from, to) { moveTo(to.x, to.y); },
  }, label);
  show();
}

// The corner that changes the outline least is left out until there are few enough to move.
function fewer(corners) {
  const area = index => {
    const [a, b, c] = [-1, 0, 1].map(by => corners[(index + by + corners.length) % corners.length]);
    return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]));
  };
  while (corners.length > MAX_CORNERS) {
    let least = 0;
    for (let index = 1; index < corners.length; index++) if (area(index) < area(least)) least = index;
    corners.splice(least, 1);
  }
  return corners;
}

export function listen() {
  const picture = document.querySelector("#stage svg");
  let from = null;
  picture.addEventListener("pointerdown", event => {
    if (!marking) return;
    picture.setPointerCapture(event.pointerId);
    from = pointOf(event);
    marking.grab?.(from);
  });
  picture.addEventListener("pointermove", event => { if (marking && from) marking.drag(from, pointOf(event), false); });
  picture.addEventListener("pointerup", event => {
    if (marking && from) marking.drag(from, pointOf(event), true);
    from = null;
  });
}
