// Marks missed damage and corrects outlines, by pointer or keyboard.

import { crossing, fewer, isFlat, untangled } from "./outline.js";
import { centre, clearDrawing, isOnPhoto, limited, pointOf, shape, stage, step } from "./stage.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let marking = null; // the current kind of marking, with its own keys
let type = ""; // of the missed damage

export const isMarking = () => marking !== null;

const bar = () => document.querySelector("#marking");
const typeButtons = () => [...bar().querySelectorAll("[data-type]")];

// Shows the text `data-NAME` of the label.
function say(name) {
  const label = document.querySelector("#marking-label");
  label.textContent = label.dataset[name];
}

function chooseType(wanted) {
  type = wanted;
  for (const button of typeButtons()) button.setAttribute("aria-pressed", button.dataset.type === type);
}

export function stop() {
  marking = null;
  clearDrawing();
  stage()?.classList.remove("marking");
  if (bar()) bar().hidden = true;
}

// `kind` is one of the `data-kinds` of the bar's buttons.
function begin(kind, handlers) {
  stop();
  marking = handlers;
  stage().classList.add("marking");
  for (const each of bar().querySelectorAll("[data-kinds]")) each.hidden = !each.dataset.kinds.split(" ").includes(kind);
  bar().hidden = false;
  say(kind);
  // On a phone, the button that begins this may stand far below the photo.
  for (const each of [bar(), stage()]) each.scrollIntoView({ block: "nearest" });
}

function send(values) {
  const form = document.querySelector("#place");
  for (const [name, value] of Object.entries(values))
    form.elements[name].value = typeof value === "string" ? value : JSON.stringify(value);
  form.requestSubmit(); // the next page ends the marking; if none arrives, it can be sent again
}

export function pressWhileMarking(key, shift) {
  if (key === "Escape") { stop(); return true; }
  return marking.press(key, shift);
}

function pressType(key) {
  const button = typeButtons()[key - 1];
  if (button) chooseType(button.dataset.type === type ? "" : button.dataset.type);
  return button !== undefined;
}

// The pixel that contains the place.
function pixelOf({ x, y }) {
  return [Math.min(x, stage().dataset.width - 1), Math.min(y, stage().dataset.height - 1)];
}

function moved(place, key) {
  return limited({ x: place.x + ARROWS[key][0] * step(), y: place.y + ARROWS[key][1] * step() });
}

function drawCross({ x, y }) {
  const arm = 4 * step();
  shape("path", { class: "cross", d: `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}` });
}

function drawOutline(corners, chosen) {
  shape("polygon", { class: "cross", points: corners.map(corner => corner.join(",")).join(" ") });
  corners.forEach(([x, y], index) =>
    shape("circle", { class: index === chosen ? "corner chosen" : "corner", cx: x, cy: y, r: step() }));
}

function nearest(corners, { x, y }) {
  const distances = corners.map(corner => Math.hypot(corner[0] - x, corner[1] - y));
  const distance = Math.min(...distances);
  return { index: distances.indexOf(distance), distance };
}

export function markMissed() {
  let place = limited(centre());
  const show = () => { clearDrawing(); drawCross(place); };
  chooseType("");
  begin("missed", {
    press(key) {
      if (key === "Enter") send({ action: "missed", type, point: pixelOf(place) });
      else if (key === "d") drawMissed(type);
      else if (ARROWS[key]) { place = moved(place, key); show(); }
      else return pressType(key);
      return true;
    },
    drag(from, to, ended) {
      const box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
      const isBox = Math.min(box[2], box[3]) > 0 && Math.max(box[2], box[3]) > 2 * step();
      clearDrawing();
      if (!ended) shape("rect", { class: "cross", x: box[0], y: box[1], width: box[2], height: box[3] });
      else send({ action: "missed", type, ...(isBox ? { box } : { point: pixelOf(from) }) });
    },
  });
  show();
}

export function drawMissed(wanted = "") {
  const corners = [];
  let pen = limited(centre()), held = 0;
  const show = () => { clearDrawing(); drawOutline(corners, corners.length - 1); drawCross(pen); };
  const add = () => { if (String(corners.at(-1)) !== String([pen.x, pen.y])) corners.push([pen.x, pen.y]); };
  chooseType(wanted);
  begin("draw", {
    press(key) {
      if (key === "Enter") { save({ action: "missed", type, polygon: corners }); return true; }
      if (key === " ") add();
      else if (["Delete", "Backspace"].includes(key)) corners.pop();
      else if (ARROWS[key]) pen = moved(pen, key);
      else return pressType(key);
      show();
      return true;
    },
    grab(from) {
      const { index, distance } = nearest(corners, from);
      pen = from;
      if (distance > 3 * step()) add();
      held = distance > 3 * step() ? corners.length - 1 : index;
      show();
    },
    drag(from, to) { pen = to; corners[held] = [to.x, to.y]; show(); },
  });
  show();
}

export function reshape(number) {
  const outline = document.querySelector(`#outline-${number}`);
  if (!outline) return;
  const found = outline.getAttribute("points").trim().split(" ").map(pair => pair.split(",").map(Number));
  const corners = untangled(fewer(found));
  let chosen = 0;
  const show = () => { clearDrawing(); drawOutline(corners, chosen); };
  const moveTo = ({ x, y }) => { corners[chosen] = [x, y]; show(); };
  begin("reshape", {
    press(key, shift) {
      const [x, y] = corners[chosen];
      if (key === "Enter") { save({ action: "reshape", damage: String(number), polygon: corners }); return true; }
      if (ARROWS[key]) { moveTo(moved({ x, y }, key)); return true; }
      if (key === "Tab") chosen = (chosen + (shift ? corners.length - 1 : 1)) % corners.length;
      else if (key === "Delete" && corners.length > 3) { corners.splice(chosen, 1); chosen %= corners.length; }
      else if (key === "Insert" || key === "i") {
        const next = corners[(chosen + 1) % corners.length];
        corners.splice(++chosen, 0, [Math.round((x + next[0]) / 2), Math.round((y + next[1]) / 2)]);
      } else return false;
      show();
      return true;
    },
    grab(from) { chosen = nearest(corners, from).index; show(); },
    drag(from, to) { moveTo(to); },
  });
  show();
}

function save(values) {
  if (new Set(values.polygon.map(String)).size < 3) say("few");
  else if (isFlat(values.polygon)) say("flat");
  else if (crossing(values.polygon)) say("crossed");
  else send(values);
}

export function listen() {
  const picture = document.querySelector("#stage svg");
  let from = null;
  picture.addEventListener("pointerdown", event => {
    if (!marking || !event.isPrimary || event.button) return;
    if (!isOnPhoto(event)) { say("outside"); return; }
    picture.setPointerCapture(event.pointerId);
    from = pointOf(event);
    marking.grab?.(from);
  });
  picture.addEventListener("pointermove", event => {
    if (marking && from && event.isPrimary) marking.drag(from, pointOf(event), false);
  });
  picture.addEventListener("pointerup", event => {
    if (!event.isPrimary) return;
    if (marking && from) marking.drag(from, pointOf(event), true);
    from = null;
  });
  picture.addEventListener("pointercancel", () => { from = null; });
}
