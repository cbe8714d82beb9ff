// Trials as marks, with what they say; text of others is neither markup nor a place to fill.

// Text in a plot is a small markup of plotly's own, with places to fill: what others wrote must be neither.
const plain = (value) =>
  String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('%{', '%&#123;');
const short = (value, most = 34) => plain(String(value).length > most ? `${String(value).slice(0, most - 1)}…` : value);
const kind = (marks) => (marks > MANY ? 'scattergl' : 'scatter');

function legendOf(sweep, extra = []) {
  const seen = sweep.statuses().filter((status) => !['planned', 'interrupted'].includes(status));
  const parts = [
    ...seen.map((status) => [MARKS[status], status.replace('_', ' ')]),
    ...(sweep.best ? [[MARKS.best, 'best']] : []),
    ...extra,
  ];
  return el(
    'div',
    { class: 'legend', 'aria-label': 'Marks' },
    ...parts.map(([mark, words]) =>
      el('span', {}, el('i', { 'aria-hidden': 'true', style: { color: `var(--${mark.colour})` } }, mark.glyph), words),
    ),
  );
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
  return [...groups]
    .sort(([a], [b]) => last(a) - last(b))
    .map(([status, group]) => ({
      type: kind(points.length),
      mode: 'markers',
      name: status,
      meta: status,
      x: group.map((p) => p.x),
      y: group.map((p) => p.y),
      customdata: group.map((p) => p.row),
      text: group.map((p) => p.says),
      hovertemplate: '%{text}<extra></extra>',
      marker: {
        symbol: MARKS[status].symbol,
        color: variable(MARKS[status].colour),
        size: status === 'best' ? 15 : points.length > MANY ? 5 : 9,
        opacity: status === 'best' ? 1 : points.length > MANY ? 0.4 : status === 'completed' ? 0.8 : 1,
        line: {
          width: status === 'completed' ? 0 : status === 'failed' ? 2.2 : 1.5,
          color: status === 'best' ? variable('card') : variable(MARKS[status].colour),
        },
      },
      ...more,
    }));
}

function says(sweep, row, ...more) {
  const metric = sweep.objective
    ? [`${plain(sweep.objective.metric)} ${number(sweep.get(row, sweep.objective.column)) || 'none'}`]
    : [];
  return [
    `<b>${short(sweep.nameOf(row), 60)}</b>`,
    sweep.isBest(row) ? 'best' : plain(sweep.status(row)).replace('_', ' '),
    ...metric,
    ...more,
  ].join('<br>');
}

// Where trials without a value are marked: below everything that has one.
function floorOf(values) {
  const low = lowest(values),
    high = highest(values);
  return low - (high - low || Math.abs(high) || 1) * 0.1;
}
