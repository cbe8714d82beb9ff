// What every page does: it reads its data, is drawn, and drawn once more for paper. `page` and `draw` are its own.

// Paper is white and narrow, and everything on it is drawn; what is printed before plotly is there has tables.
let early = false;
addEventListener('beforeprint', () => {
  printing = true;
  applyTheme();
  early = plots && typeof Plotly === 'undefined';
  if (early) drawAnew({ withPlots: false });
  redrawFigures({ all: true });
  for (const { box } of figures) if (box.data) Plotly.relayout(box, { width: Math.min(box.clientWidth || 680, 680) });
});
addEventListener('afterprint', () => {
  printing = false;
  if (early) drawAnew({ withPlots: true });
  applyTheme();
  for (const { box } of figures) if (box.data) Plotly.relayout(box, { width: null, autosize: true });
});

// From nothing: what was open and where the page stood is forgotten.
function drawAnew({ withPlots }) {
  plots = withPlots;
  figures.splice(0);
  document.getElementById('main').replaceChildren();
  draw(page.sweep);
}

async function start() {
  const island = document.getElementById('data'),
    packed = island.type !== 'application/json';
  if (packed && !UNPACKS) {
    document.getElementById('main').replaceChildren(...unreadable());
    return;
  }
  draw(JSON.parse(packed ? await unpacked(island) : island.textContent));
  if (packed) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  if (!plots) return;
  try {
    await loadPlotly();
  } catch {
    drawAnew({ withPlots: false });
  }
}

// What is left to say where the data cannot be unpacked.
function unreadable() {
  const summary = document.querySelector('meta[name=description]').content;
  const where = 'The data of this page are packed, and this browser does not unpack them';
  return [
    el('h1', {}, text(document.title)),
    el('p', {}, text(summary)),
    el('p', {}, `${where}: ${UNPACKING}. The same rows are in results.csv beside this page.`),
  ];
}

window.sweeper = page;
page.ready = start();
