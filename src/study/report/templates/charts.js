// Unpacks Plotly, draws every chart of the page, and draws them again when light or dark, width or paper change.
(async () => {
  "use strict";
  const PAPER = 660; // pixels between the margins of a printed page
  const packed = document.getElementById("plotly");
  const plots = [...document.querySelectorAll(".plot")];
  if (!("DecompressionStream" in window)) {
    for (const plot of plots) plot.textContent = "This browser is too old to draw the chart.";
    return;
  }
  const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const program = document.createElement("script");
  program.textContent = await new Response(stream).text();
  packed.remove();
  document.head.append(program);

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touch = window.matchMedia("(pointer: coarse)");
  const template = (isDark) => {
    const [ink, grid, paper] = isDark ? ["#d9d6cf", "#34332f", "#151514"] : ["#3a3a36", "#e6e4de", "#fdfdfb"];
    const axis = { exponentformat: "power", gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickcolor: grid, title: { standoff: 10, font: { size: 13 } } };
    const font = { family: getComputedStyle(document.body).fontFamily, size: 13, color: ink };
    const annotationdefaults = { bgcolor: paper, borderpad: 1 };
    return { layout: { font, xaxis: axis, yaxis: axis, annotationdefaults, hoverlabel: { font: { family: font.family } } } };
  };
  const config = { displayModeBar: false, responsive: true };
  const draw = (plot, isDark, width) => {
    const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
    figure.layout.template = template(isDark);
    if (touch.matches) figure.layout.dragmode = false; // a finger scrolls the page
    if (width) figure.layout.width = plot.closest(".half") ? width / 2 - 6 : width;
    if (width) figure.layout.height *= 0.8;
    return window.Plotly.react(plot, figure.data, figure.layout, config);
  };
  const all = async (isDark, width) => {
    await Promise.all(plots.map((plot) => draw(plot, isDark, width)));
    document.dispatchEvent(new Event("drawn"));
  };
  await all(dark.matches);
  document.documentElement.dataset.drawn = plots.length;
  dark.addEventListener("change", () => all(dark.matches));
  window.addEventListener("beforeprint", () => all(false, PAPER));
  window.addEventListener("afterprint", () => all(dark.matches));
})();
