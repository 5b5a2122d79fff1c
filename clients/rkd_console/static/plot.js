"use strict";
// Lines over the last minutes: one box has an svg with a path for each line.
const rkdPlots = {};
function rkdPlotBegin(id, points, limits) {
  rkdPlots[id] = { points, limits };
  rkdPlotDraw(id);
}
function rkdPlotAdd(id, point) {
  const plot = rkdPlots[id];
  if (!plot) return;
  plot.points.push(point);
  while (plot.points.length && plot.points[0][0] < point[0] - plot.limits.span) plot.points.shift();
  rkdPlotDraw(id);
}
function rkdPlotDraw(id) {
  const plot = rkdPlots[id];
  const box = document.getElementById(id);
  if (!box || !plot.points.length) return;
  const { points, limits } = plot;
  const end = points[points.length - 1][0];
  const top = limits.top || Math.max(limits.least, ...points.map((one) => Math.max(0, ...one[1])));
  box.querySelectorAll("path").forEach((path, line) => {
    let drawn = "";
    for (const [at, values] of points) {
      if (line >= values.length) continue;
      const x = 600 - ((end - at) / limits.span) * 600;
      const y = 98 - Math.min(1, values[line] / top) * 96;
      drawn += `${drawn ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    path.setAttribute("d", drawn);
  });
}
