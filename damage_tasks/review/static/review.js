// Keys, chosen areas and time spent. Without this script, lists and buttons still work.

import * as marking from "./marking.js";
import * as stage from "./stage.js";

const PREFIXES = { t: "t", s: "s" };
let chosen = 0; // number of the chosen area; 0 is the whole photo
let prefix = ""; // "t" or "s" until its digit follows
let shownAt = performance.now();
let shownPage = document.querySelector("#page");
let isBusy = false; // a decision is on its way

const area = number => document.querySelector(`#damage-${number}`);

function setUp() {
  isBusy = false;
  prefix = "";
  chosen = 0;
  shownAt = performance.now();
  marking.stop();
  if (!stage.stage()) return;
  stage.leaveCrop();
  stage.listen(marking.isMarking);
  marking.listen();
  const following = document.querySelector("#following");
  if (following) loadAhead(following.getAttribute("href"));
}

// The browser keeps the photo. Asked like this, the server answers that it is gone without an error.
function loadAhead(address) {
  fetch(address, { headers: { Purpose: "prefetch" }, priority: "low" }).then(sent => sent.blob()).catch(() => {});
}

function choose(number) {
  if (number && !area(number)) return;
  for (const marked of document.querySelectorAll(".chosen")) marked.classList.remove("chosen");
  chosen = number;
  if (!number) { stage.leaveCrop(); stage.draw(); return; }
  area(number).classList.add("chosen");
  document.querySelector(`#outline-${number}`)?.classList.add("chosen");
  area(number).scrollIntoView({ block: "nearest" });
  stage.showCrop(area(number).dataset.crop);
}

const commands = {
  o: stage.toggleOutlines,
  "+": () => stage.enlarge(1.5),
  "=": () => stage.enlarge(1.5),
  "-": () => stage.enlarge(1 / 1.5),
  f: () => { choose(0); stage.showAll(); },
  m: () => marking.markMissed(),
  d: () => marking.drawMissed(),
  e: () => { if (!chosen) choose(1); if (chosen) marking.reshape(chosen); },
  ArrowLeft: () => stage.move(-0.1, 0),
  ArrowRight: () => stage.move(0.1, 0),
  ArrowUp: () => stage.move(0, -0.1),
  ArrowDown: () => stage.move(0, 0.1),
  "?": () => document.querySelector("#help").showModal(),
  Escape: () => choose(0),
};

function click(key) {
  const scopes = [chosen && area(chosen), document.querySelector("#actions"), document.querySelector("#page")];
  for (const scope of scopes) {
    const found = scope && [...scope.querySelectorAll("[data-key]")].find(each => each.dataset.key === key);
    if (!found) continue;
    if (found.matches("input")) found.focus();
    else found.click();
    return true;
  }
  return false;
}

function press(key, shift) {
  if (marking.isMarking()) return marking.pressWhileMarking(key, shift);
  if (prefix) {
    const both = prefix + key;
    prefix = "";
    document.querySelector("#mode").textContent = "";
    return click(both);
  }
  if (stage.stage()) {
    if (PREFIXES[key] && area(1) && document.querySelector("#place")) {
      if (!chosen) choose(1);
      prefix = key;
      document.querySelector("#mode").textContent =
        [...area(chosen).querySelectorAll(`[data-key^="${key}"]`)].map((each, n) => `${n + 1} ${each.textContent.trim()}`).join(", ");
      return true;
    }
    if (/^[0-9]$/.test(key)) { choose(Number(key)); return true; }
    if (["m", "d", "e"].includes(key) && !document.querySelector("#place")) return false;
    if (commands[key]) { commands[key](); return true; }
  }
  return click(key);
}

const REPEATABLE = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "+", "=", "-"];

// Caps Lock and a Korean keyboard change the letter, but not the key.
function keyOf(event) {
  if (/^[\x20-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  return event.key.length === 1 && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = event.target;
  if (target.matches("input, select, textarea")) { if (event.key === "Escape") target.blur(); return; }
  // On a focused button or link, Enter and space belong to it, unless it only began the marking.
  const isOwn = !marking.isMarking() || target.closest("#marking");
  if (["Enter", " "].includes(event.key) && target.matches("a, button") && isOwn) return;
  const key = keyOf(event);
  // A key that is held down decides about one photo only.
  if (isBusy || (event.repeat && !REPEATABLE.includes(key))) return;
  if (press(key, event.shiftKey)) event.preventDefault();
});

document.addEventListener("click", event => {
  const button = event.target.closest("button[type=button]");
  if (!button) return;
  if (button.dataset.damage) choose(Number(button.dataset.damage));
  else if (button.dataset.reshape) { choose(Number(button.dataset.reshape)); commands.e(); }
  else if (button.dataset.marking) marking.pressWhileMarking(button.dataset.marking, false);
  else if (commands[button.dataset.key]) commands[button.dataset.key]();
});

// A click on these keeps the focus where it is, so that Enter and space still mark.
document.addEventListener("mousedown", event => { if (event.target.closest("#marking")) event.preventDefault(); });

document.addEventListener("submit", event => {
  const form = event.target;
  if (form.method !== "post") return;
  if (isBusy) { event.preventDefault(); event.stopImmediatePropagation(); return; }
  isBusy = true;
  const mode = document.querySelector("#mode");
  if (mode) mode.textContent = "";
  if (form.elements.seconds) form.elements.seconds.value = ((performance.now() - shownAt) / 1000).toFixed(1);
}, true);

document.addEventListener("htmx:after:swap", () => {
  // Parts that are loaded later change nothing that is going on.
  const page = document.querySelector("#page");
  if (page === shownPage) return;
  shownPage = page;
  setUp();
});
document.addEventListener("htmx:error", () => {
  isBusy = false;
  const mode = document.querySelector(marking.isMarking() ? "#marking-label" : "#mode");
  if (mode) mode.textContent = mode.dataset.failed;
});
setUp();
