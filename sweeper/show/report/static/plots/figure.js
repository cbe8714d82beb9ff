// A figure: a plot that is drawn when it comes into sight, and the same numbers as a table.

let plots = UNPACKS && Boolean(document.getElementById('plotly')); // then plotly comes, or is there
const MANY = 400; // marks from which WebGL draws them
const figures = [];
const earlier = new Map(); // those of the data before, by their ids: their plots are drawn into again, as they were zoomed

const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ['lasso2d', 'select2d', 'autoScale2d'] };

// `plot(width)` is {data, layout} of plotly, `numbers()` {head, rows}; `again`: its table holds what the table of trials
// does, and stays closed; `wide`: on a phone it scrolls in its own box.
class Figure {
  constructor({
    id,
    title,
    caption = '',
    size = '',
    wide = false,
    again = false,
    controls = [],
    legend = null,
    plot,
    numbers,
  }) {
    const before = earlier.get(id);
    earlier.delete(id);
    Object.assign(this, { id, title, caption, plot, numbers, drawn: before?.drawn || false });
    this.box = before?.box || el('div', { class: `plot${wide ? ' wide' : ''}`, id: `plot-${id}` });
    this.table = el('div');
    this.details = el(
      'details',
      { open: before ? before.details.open : !plots && !again, ontoggle: () => this.details.open && this.fill() },
      el('summary', {}, 'Numbers'),
      this.table,
    );
    this.words = el('p', { class: 'caption' });
    const scrolls = wide ? { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': title } : {};
    this.card = el(
      'div',
      { class: `card ${size}`, id: `figure-${id}`, role: 'group', 'aria-label': title },
      el('header', {}, el('h3', {}, title), plots ? el('div', { class: 'controls' }, ...controls) : null),
      this.words,
      ...(plots ? [legend, el('div', scrolls, this.box)] : []),
      this.details,
    );
    this.say();
    if (!plots || this.details.open) this.fill();
  }

  say() {
    this.words.textContent = typeof this.caption === 'function' ? this.caption() : this.caption;
    this.words.hidden = !this.words.textContent;
  }

  fill() {
    const { head, rows } = this.numbers();
    this.table.replaceChildren(plainTable(head, rows, this.title));
  }

  draw() {
    this.say();
    if (this.details.open) this.fill();
    if (!plots || typeof Plotly === 'undefined') return;
    const { data, layout } = this.plot(this.box.clientWidth || 900);
    this.box.style.minHeight = '0';
    Plotly.react(this.box, data, dress(layout), { ...CONFIG, toImageButtonOptions: { filename: this.id, scale: 2 } });
    if (!this.drawn)
      this.box.on('plotly_click', ({ points: [{ customdata: row }] }) => Number.isInteger(row) && openTrial(row));
    this.drawn = true;
  }
}

// A figure that is drawn when it comes into sight.
function figure(options) {
  const made = new Figure(options);
  figures.push(made);
  if (plots) {
    made.box.figure = made;
    sight.observe(made.box);
  }
  return made;
}

const sight = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting && !target.figure.drawn) target.figure.draw();
  },
  { rootMargin: '400px' },
);

// Once plotly is there what is in sight is drawn, the rest when it comes into sight.
async function loadPlotly() {
  const packed = document.getElementById('plotly');
  document.head.append(el('script', {}, await unpacked(packed))); // the page's policy lets this very script run
  if (typeof Plotly === 'undefined') throw new Error('plotly did not run');
  packed.remove();
  for (const { box } of figures) {
    sight.unobserve(box);
    sight.observe(box);
  }
}

function redrawFigures({ all = false } = {}) {
  for (const one of figures) if (one.drawn || all) one.draw();
}

themeChanged.push(() => redrawFigures());

const coarse = matchMedia('(pointer: coarse)'); // a finger scrolls the page

// What every plot has in common: the page's colours, no frame, thin lines.
function dress(layout) {
  const ink = variable('ink'),
    soft = variable('soft'),
    line = variable('line');
  const axis = {
    gridcolor: line,
    linecolor: line,
    zerolinecolor: line,
    tickcolor: line,
    automargin: true,
    title: { font: { color: soft, size: 12 }, standoff: 8 },
    tickfont: { color: soft, size: 11 },
  };
  const dressed = {
    margin: { l: 56, r: 16, t: 12, b: 44 },
    height: 340,
    hovermode: 'closest',
    dragmode: coarse.matches ? false : 'pan',
    showlegend: false,
    uirevision: 'kept',
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { family: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif', color: ink, size: 12 },
    hoverlabel: {
      bgcolor: variable('card'),
      bordercolor: soft,
      font: { color: ink, size: 12 },
      align: 'left',
      namelength: 0,
    },
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: soft, activecolor: ink },
    ...layout,
  };
  for (const [name, own] of Object.entries(dressed)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    const title = typeof own.title === 'string' ? { text: own.title } : own.title || {};
    dressed[name] = { ...axis, ...own, title: { ...axis.title, ...title } };
  }
  return dressed;
}
