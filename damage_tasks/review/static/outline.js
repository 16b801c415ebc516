// The shape of an outline, which is a list of corners [x, y].

const MAX_CORNERS = 40;

// Whether all corners are on one line, so that nothing is inside the outline.
export function isFlat([[x, y], ...others]) {
  const [across, down] = others.map(([a, b]) => [a - x, b - y]).find(way => way.some(Boolean)) ?? [0, 0];
  return others.every(([a, b]) => across * (b - y) === down * (a - x));
}

// Two sides that cross, by the numbers of their first corners; undefined if none do.
export function crossing(corners) {
  const end = number => corners[(number + 1) % corners.length];
  for (let one = 0; one < corners.length; one++)
    for (let other = one + 1; other < corners.length; other++)
      if (areApart(corners[one], end(one), corners[other], end(other)) &&
          areApart(corners[other], end(other), corners[one], end(one))) return [one, other];
}

// Whether the last two places are on different sides of the line through the first two.
function areApart([x, y], [a, b], ...places) {
  const [first, second] = places.map(([c, d]) => Math.sign((a - x) * (d - y) - (b - y) * (c - x)));
  return first * second < 0;
}

// Reversing the corners between two sides that cross makes the outline shorter, so this ends.
export function untangled(corners) {
  const result = [...corners];
  for (let found; (found = crossing(result));) {
    const [one, other] = found;
    result.splice(one + 1, other - one, ...result.slice(one + 1, other + 1).reverse());
  }
  return result;
}

// The corner that changes the outline least is left out until there are few enough to move.
export function fewer(corners) {
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
