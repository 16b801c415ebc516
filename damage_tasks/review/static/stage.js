// The photo with its outlines: zoom, pan, and points in pixels of the photo.

export const SVG = "http://www.w3.org/2000/svg";
const MAX_SCALE = 16;

// Shares of the photo, so that the view stays the same from photo to photo.
let view = { x: 0.5, y: 0.5, scale: 1 };
let kept = null; // the view before an area was shown large
let outlines = true;
const pointers = new Map();

export const stage = () => document.querySelector("#stage");
const svg = () => document.querySelector("#stage svg");
const size = () => ({ width: Number(stage().dataset.width), height: Number(stage().dataset.height) });
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export function draw() {
  const { width, height } = size(), half = 0.5 / view.scale;
  view.x = clamp(view.x, half, 1 - half);
  view.y = clamp(view.y, half, 1 - half);
  svg().setAttribute("viewBox",
    [(view.x - half) * width, (view.y - half) * height, width / view.scale, height / view.scale].join(" "));
  stage().classList.toggle("zoomed", view.scale > 1);
  document.body.classList.toggle("no-outlines", !outlines);
}

export function enlarge(factor, at = null) {
  const { width, height } = size(), scale = clamp(view.scale * factor, 1, MAX_SCALE);
  if (at) { // this point stays where it is
    view.x += (at.x / width - view.x) * (1 - view.scale / scale);
    view.y += (at.y / height - view.y) * (1 - view.scale / scale);
  }
  view.scale = scale;
  draw();
}

export function move(right, down) {
  view.x += right / view.scale;
  view.y += down / view.scale;
  draw();
}

export function showAll() { kept = null; view = { x: 0.5, y: 0.5, scale: 1 }; draw(); }

export function showCrop(crop) {
  const [left, top, side] = crop.split(" ").map(Number), { width, height } = size();
  kept ??= view;
  view = { x: (left + side / 2) / width, y: (top + side / 2) / height,
           scale: clamp(Math.min(width, height) / side, 1, MAX_SCALE) };
  draw();
}

export function leaveCrop() { if (kept) { view = kept; kept = null; } }

export function toggleOutlines() { outlines = !outlines; draw(); }

export function centre() { const { width, height } = size(); return { x: view.x * width, y: view.y * height }; }

export function step() { return Math.max(1, Math.round(size().width / view.scale / 100)); }

function placeOf(event) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg().getScreenCTM().inverse());
}

export function isOnPhoto(event) {
  const { width, height } = size(), place = placeOf(event);
  return place.x >= 0 && place.y >= 0 && place.x < width && place.y < height;
}

// Rounded, and never outside the photo.
export function limited(place) {
  const { width, height } = size();
  return { x: clamp(Math.round(place.x), 0, width), y: clamp(Math.round(place.y), 0, height) };
}

export function pointOf(event) { return limited(placeOf(event)); }

export function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  document.querySelector("#drawing").append(made);
  return made;
}

export function clearDrawing() { document.querySelector("#drawing")?.replaceChildren(); }

// Dragging moves the photo, two fingers enlarge it.
function pan(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  const matrix = svg().getScreenCTM();
  if (others.length) {
    const apart = place => Math.hypot(place.clientX - others[0].clientX, place.clientY - others[0].clientY);
    enlarge(apart(event) / Math.max(1, apart(before)), pointOf(event));
  } else if (view.scale > 1) {
    view.x -= (event.clientX - before.clientX) / matrix.a / size().width;
    view.y -= (event.clientY - before.clientY) / matrix.d / size().height;
    draw();
  }
  pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
}

export function listen(isMarking) {
  const picture = svg();
  picture.addEventListener("wheel", event => {
    event.preventDefault();
    enlarge(event.deltaY < 0 ? 1.2 : 1 / 1.2, pointOf(event));
  }, { passive: false });
  picture.addEventListener("pointerdown", event => {
    if (isMarking()) return;
    picture.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY });
  });
  picture.addEventListener("pointermove", pan);
  for (const end of ["pointerup", "pointercancel"])
    picture.addEventListener(end, event => pointers.delete(event.pointerId));
  const photo = picture.querySelector("#photo");
  const showOverlay = () => {
    document.querySelector("#gone").hidden = false;
    if (!photo.dataset.overlay || photo.getAttribute("href") === photo.dataset.overlay) return;
    photo.setAttribute("href", photo.dataset.overlay);
    document.querySelector("#outlines").replaceChildren(); // the overlay has its own
    for (const crop of document.querySelectorAll(".crop image")) crop.setAttribute("href", photo.dataset.overlay);
  };
  photo.addEventListener("error", showOverlay);
  // The photo may have failed before this module was loaded, and an SVG image does not say so later.
  const probe = new Image();
  probe.addEventListener("error", showOverlay);
  probe.src = photo.getAttribute("href");
  draw();
}
