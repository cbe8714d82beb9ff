// The page of several sweeps beside each other. The first one is what the others are measured against.

const TONES = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8b8f94'];
const tone = (number) => TONES[number % TONES.length];
const FORMS = ['circle', 'diamond', 'square', 'triangle-up', 'x', 'star', 'cross'];
const page = { sweep: null, draw, figures };
const openTrial = () => {}; // no mark of these plots is a trial of one sweep

function draw(data) {
  page.sweep = data;
  figures.splice(0);
  document
    .getElementById('top')
    .replaceChildren(el('div', { class: 'bar' }, el('strong', {}, text(data.name)), el('nav', {}), themeButton()));
  const parts = [together(data), differing(data), sharing(data), coursing(data)].filter(Boolean);
  document.getElementById('main').replaceChildren(...parts);
  return page;
}

const area = (id, title, ...inside) =>
  el('section', { id, 'aria-label': title }, el('h2', {}, title), el('div', { class: 'cards' }, ...inside));
const heads = (data, first) => [...first.map((words) => [words]), ...data.sides.map(({ name }) => [name])];

function together(data) {
  const named = data.sides.map(({ name, link }, number) =>
    el(
      'span',
      {},
      el('i', { 'aria-hidden': 'true', style: { color: tone(number), fontStyle: 'normal' } }, '● '),
      link ? el('a', { href: link }, text(name)) : text(name),
    ),
  );
  const rows = Object.keys(data.sides[0].totals)
    .map((what) => [what, ...data.sides.map((side) => side.totals[what])])
    .filter(([, ...told]) => told.some(Boolean));
  return el(
    'section',
    { id: 'overview', 'aria-label': 'Overview', style: { marginTop: '0' } },
    el('div', { class: 'hero' }, el('h1', {}, text(`${data.sides.length} sweeps`))),
    ...data.summary.map((line) => el('p', { class: 'summary' }, el('strong', {}, text(`${line}.`)))),
    el('div', { class: 'card' }, plainTable([[''], ...named.map((name) => [name])], rows, 'Overview')),
  );
}

function differing(data) {
  const table = data.differs.length
    ? plainTable(
        heads(data, ['']),
        data.differs.map(([key, values]) => [key, ...values]),
        'What differs',
      )
    : el('p', {}, 'Nothing that is declared.');
  return area('differs', 'What differs in their declarations', el('div', { class: 'card' }, table));
}

function sharing(data) {
  if (!data.matched.length) {
    const none = 'No two of these sweeps have a trial with the same free values.';
    return area('matched', 'Matched trials', el('div', { class: 'card' }, el('p', {}, none)));
  }
  const numbers = () => ({
    head: [...data.labels.map((label) => [label]), ...data.sides.map(({ name }) => [name, true])],
    rows: data.matched.map(({ values, cells }) => [...values, ...cells]),
  });
  const shared = figure({
    id: 'matched-trials',
    title: data.objective ? `${data.objective.metric} of trials with the same free values` : 'Same free values',
    caption: `A column for each trial, ordered by ${data.sides[0].name}; a mark for each sweep.`,
    legend: legendOfSides(data),
    plot: () => sharedPlot(data),
    numbers,
  });
  return area('matched', 'Matched trials', shared.card);
}

function legendOfSides(data) {
  const words = data.sides.map(({ name }, number) =>
    el('span', {}, el('i', { 'aria-hidden': 'true', style: { color: tone(number) } }, '●'), text(name)),
  );
  return el('div', { class: 'legend', 'aria-label': 'Marks' }, ...words);
}

function sharedPlot(data) {
  const key = ({ metric }) => metric[0] ?? -Infinity;
  const trials = data.matched.filter(({ metric }) => metric.some((value) => value !== null));
  trials.sort((a, b) => key(b) - key(a));
  const named = trials.map(({ values }) => values.map((value, n) => `${data.labels[n]}=${value}`).join(', '));
  return {
    data: data.sides.map((side, number) => ({
      type: kind(trials.length),
      mode: 'markers',
      name: plain(side.name),
      meta: `side ${number}`,
      x: trials.map((_, n) => n + 1 + 0.14 * (number - (data.sides.length - 1) / 2)), // equal values lie side by side
      y: trials.map(({ metric }) => decoded(metric[number])),
      text: named.map((name) => `<b>${short(name, 60)}</b><br>${plain(side.name)}`),
      hovertemplate: '%{text}: %{y:.6~g}<extra></extra>',
      marker: { color: tone(number), symbol: FORMS[number % FORMS.length], size: 9, opacity: 0.85 },
    })),
    layout: {
      xaxis: { title: 'matched trials', rangemode: 'tozero' },
      yaxis: { title: plain(data.objective?.metric ?? '') },
    },
  };
}

function coursing(data) {
  if (!data.courses.some((course) => course.length > 1)) return null;
  const course = figure({
    id: 'courses',
    title: 'Best so far',
    caption: 'The best result as one trial after another has ended.',
    legend: legendOfSides(data),
    plot: () => ({
      data: data.courses.map((values, number) => ({
        type: 'scatter',
        mode: 'lines',
        name: plain(data.sides[number].name),
        x: values.map((_, n) => n + 1),
        y: values.map(decoded),
        line: { shape: 'hv', color: tone(number), width: 2 },
      })),
      layout: {
        xaxis: { title: 'trials that have ended', rangemode: 'tozero' },
        yaxis: { title: plain(data.objective.metric) },
      },
    }),
    numbers: () => ({
      head: [['sweep'], ['trials', true], ['best', true]],
      rows: data.courses.map((values, number) => [data.sides[number].name, values.length, decoded(values.at(-1))]),
    }),
  });
  return area('course', 'Course', course.card);
}
