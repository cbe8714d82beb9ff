// A figure: a plot that is drawn when it comes into sight, and the same numbers as a table.

const PLOTS = typeof Plotly !== 'undefined';
const MANY = 400; // marks from which WebGL draws them
const figures = [];

// `again`: its table holds what the table of trials does, and stays closed.
function figure({ id, title, caption = '', size = '', wide = false, again = false, controls = [], legend = null, plot, numbers }) {
  const box = el('div', { class: `plot${wide ? ' wide' : ''}`, id: `plot-${id}` });
  const table = el('div');
  const details = el('details', { open: !PLOTS && !again, ontoggle: () => { if (details.open) fill(); } }, el('summary', {}, 'Numbers'), table);
  const words = el('p', { class: 'caption' });
  const card = el('div', { class: `card ${size}`, id: `figure-${id}`, role: 'group', 'aria-label': title },
    el('header', {}, el('h3', {}, title), PLOTS ? el('div', { class: 'controls' }, ...controls) : null), words, PLOTS ? legend : null,
    PLOTS ? el('div', { class: wide ? 'scroll' : '', tabindex: wide ? 0 : null, role: wide ? 'region' : null, 'aria-label': wide ? title : null }, box) : null, details);
  const say = () => { words.textContent = typeof caption === 'function' ? caption() : caption; words.hidden = !words.textContent; };
  const fill = () => { const { head, rows } = numbers(); table.replaceChildren(plainTable(head, rows, title)); };
  const one = { id, box, drawn: false, draw() {
    say();
    if (details.open) fill();
    if (!PLOTS) return;
    const { data, layout } = plot(box.clientWidth || 900);
    if (!one.drawn) box.style.minHeight = '0';
    Plotly.react(box, data, dress(layout), { responsive: true, displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'], toImageButtonOptions: { filename: id, scale: 2 } });
    if (!one.drawn) box.on('plotly_click', (event) => {
      const row = event.points[0].customdata;
      if (Number.isInteger(row)) openTrial(row);
    });
    one.drawn = true;
  } };
  say();
  if (!PLOTS) fill();
  figures.push(one);
  card.redraw = () => one.draw();
  if (PLOTS) sight.observe(box), (box.figure = one);
  return card;
}

const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting && !target.figure.drawn) target.figure.draw();
}, { rootMargin: '400px' });

function redrawFigures({ all = false } = {}) {
  for (const one of figures) if (one.drawn || all) one.draw();
}

themeChanged.push(() => redrawFigures());

const coarse = matchMedia('(pointer: coarse)'); // a finger scrolls the page

// What every plot has in common: the page's colours, no frame, thin lines.
function dress(layout) {
  const ink = variable('ink'), soft = variable('soft'), line = variable('line');
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickcolor: line, automargin: true, title: { font: { color: soft, size: 12 }, standoff: 8 }, tickfont: { color: soft, size: 11 } };
  const dressed = {
    margin: { l: 56, r: 16, t: 12, b: 44 }, height: 340, hovermode: 'closest', dragmode: coarse.matches ? false : 'pan', showlegend: false,
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { family: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif', color: ink, size: 12 },
    hoverlabel: { bgcolor: variable('card'), bordercolor: soft, font: { color: ink, size: 12 }, align: 'left', namelength: 0 },
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: soft, activecolor: ink }, ...layout,
  };
  for (const [name, own] of Object.entries(dressed)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    const title = typeof own.title === 'string' ? { text: own.title } : own.title || {};
    dressed[name] = { ...axis, ...own, title: { ...axis.title, ...title } };
  }
  return dressed;
}

// Text in a plot is a small markup of plotly's own, with places to fill: what others wrote must be neither.
const plain = (value) => String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('%{', '%&#123;');
const short = (value, most = 34) => plain(String(value).length > most ? `${String(value).slice(0, most - 1)}…` : value);
const kind = (marks) => (marks > MANY ? 'scattergl' : 'scatter');

function legendOf(sweep, extra = []) {
  const seen = sweep.statuses().filter((status) => !['planned', 'interrupted'].includes(status));
  const parts = [...seen.map((status) => [MARKS[status], status.replace('_', ' ')]), ...(sweep.best ? [[MARKS.best, 'best']] : []), ...extra];
  return el('div', { class: 'legend', 'aria-label': 'Marks' }, ...parts.map(([mark, words]) => el('span', {}, el('i', { 'aria-hidden': 'true', style: { color: `var(--${mark.colour})` } }, mark.glyph), words)));
}

// Marks of trials, a trace for each status so that each has its form and colour.
function marksOf(sweep, points, more = {}) {
  const groups = new Map();
  for (const point of points) {
    const status = sweep.isBest(point.row) ? 'best' : sweep.status(point.row);
    if (!groups.has(status)) groups.set(status, []);
    groups.get(status).push(point);
  }
  const last = (status) => (status === 'best' ? 1 : 0); // it lies above the others
  return [...groups].sort(([a], [b]) => last(a) - last(b)).map(([status, group]) => ({
    type: kind(points.length), mode: 'markers', name: status, meta: status,
    x: group.map((p) => p.x), y: group.map((p) => p.y), customdata: group.map((p) => p.row), text: group.map((p) => p.says), hovertemplate: '%{text}<extra></extra>',
    marker: { symbol: MARKS[status].symbol, color: variable(MARKS[status].colour), size: status === 'best' ? 15 : points.length > MANY ? 5 : 9, opacity: status === 'best' ? 1 : points.length > MANY ? 0.4 : status === 'completed' ? 0.8 : 1, line: { width: status === 'completed' ? 0 : status === 'failed' ? 2.2 : 1.5, color: status === 'best' ? variable('card') : variable(MARKS[status].colour) } },
    ...more,
  }));
}

function says(sweep, row, ...more) {
  const metric = sweep.objective ? [`${plain(sweep.objective.metric)} ${number(sweep.get(row, sweep.objective.column)) || 'none'}`] : [];
  return [`<b>${short(sweep.nameOf(row), 60)}</b>`, sweep.isBest(row) ? 'best' : plain(sweep.status(row)).replace('_', ' '), ...metric, ...more].join('<br>');
}

// Where trials without a value are marked: below everything that has one.
function floorOf(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return low - (high - low || Math.abs(high) || 1) * 0.1;
}
