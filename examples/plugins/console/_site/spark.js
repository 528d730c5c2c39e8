// Small curves.

const [WIDTH, HEIGHT, POINTS] = [60, 20, 40];

/**
 * Draws values, the newest at the right.
 * @param {SVGElement} svg with paths `.area` and `.curve`
 * @param {number[]} values
 * @param {number} least the highest value that the curve makes room for, also if all are lower
 */
export function draw(svg, values, least) {
  // Some room above, so that a curve that does not change is no line along the edge.
  const top = Math.max(least, ...values) * 1.15;
  const at = (value, index) => {
    const x = WIDTH - ((values.length - 1 - index) * WIDTH) / (POINTS - 1);
    return `${x.toFixed(1)} ${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)}`;
  };
  const points = values.map(at);
  const curve = points.length > 1 ? `M${points.join("L")}` : "";
  svg.querySelector(".curve").setAttribute("d", curve);
  const left = points.length > 1 ? points[0].split(" ")[0] : "0";
  svg.querySelector(".area").setAttribute("d", curve && `${curve}L${WIDTH} ${HEIGHT}L${left} ${HEIGHT}Z`);
}
