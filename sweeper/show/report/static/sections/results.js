// What the trials came to.

function results(sweep) {
  if (!sweep.objective) return null;
  return section('results', 'Results', '', progressCard(sweep), seedsCard(sweep), curvesCard(sweep));
}

function progressCard(sweep) {
  if (sweep.order.filter((row) => sweep.value(row) !== null).length < 2) return null;
  const none = sweep.order.some((row) => sweep.value(row) === null);
  return figure({
    id: 'best-so-far',
    title: 'Best so far',
    size: sweep.seeds ? 'half' : '',
    caption: `Every trial as it ended, and the best result up to then.${none ? ' Trials without a value lie at the bottom.' : ''}`,
    legend: legendOf(sweep, [[{ glyph: '━', colour: 'best' }, 'best so far']]),
    plot: () => bestSoFar(sweep),
    numbers: () => ({
      head: [['trial'], ['status'], [sweep.objective.metric, true]],
      rows: sweep.order.map((row) => [
        trialLink(sweep, row),
        statusOf(sweep, row),
        sweep.get(row, sweep.objective.column),
      ]),
    }),
  });
}

function curvesCard(sweep) {
  const { curves } = sweep;
  if (!curves.of.some((curve) => curve.y.length > 1)) return null;
  const state = keeping('curves', { log: false, colour: '' });
  if (!curves.metrics.includes(state.metric)) state.metric = curves.metrics[0];
  if (!curves.axes.includes(state.axis)) state.axis = curves.axes[0];
  const set = (name) => (value) => {
    state[name] = value;
    card.draw();
  };
  const axes = { number: 'number', seconds: 'seconds' };
  const drawn = new Set(curves.of.map((curve) => curve.row)).size;
  const dotted = curves.of.some(({ row }) => !['completed', 'running'].includes(sweep.status(row)));
  const card = figure({
    id: 'curves',
    title: 'Learning curves',
    caption: () =>
      [
        `${counted(drawn, 'trial')}${sweep.best ? ', the best one thick' : ''}${dotted ? '; those that did not complete are dotted' : ''}.`,
        curves.left_out ? `${curves.left_out[0].toUpperCase()}${curves.left_out.slice(1)}.` : '',
      ]
        .join(' ')
        .trim(),
    controls: [
      choice(
        'metric',
        curves.metrics.map((name) => [name, name]),
        state.metric,
        set('metric'),
      ),
      choice(
        'over',
        curves.axes.map((name) => [name, axes[name] || name]),
        state.axis,
        set('axis'),
      ),
      choice(
        'colour',
        [['', 'status'], ...sweep.parameters.map((one) => [one.key, one.label])],
        state.colour,
        set('colour'),
      ),
      toggle('log', state.log, set('log')),
    ],
    legend: legendOf(sweep),
    plot: () => learningCurves(sweep, state),
    numbers: () => curveNumbers(sweep, state.metric),
  });
  return card;
}

function curveNumbers(sweep, metric) {
  const rows = sweep.curves.of
    .filter((curve) => curve.metric === metric && curve.y.length)
    .map((curve) => {
      const finite = curve.y.filter(Number.isFinite);
      return [
        trialLink(sweep, curve.row),
        statusOf(sweep, curve.row),
        curve.y.length,
        curve.y[0],
        finite.length ? lowest(finite) : null,
        finite.length ? highest(finite) : null,
        curve.y.at(-1),
      ];
    });
  return {
    head: [
      ['trial'],
      ['status'],
      ['points', true],
      ['first', true],
      ['lowest', true],
      ['highest', true],
      ['last', true],
    ],
    rows,
  };
}

function seedsCard(sweep) {
  if (!sweep.seeds || !seedGroups(sweep).length) return null;
  const more = seedGroups(sweep).length - MOST_GROUPS;
  return figure({
    id: 'seeds',
    title: `Over ${sweep.seeds.label}`,
    size: 'half',
    caption: `Trials that differ in ${sweep.seeds.label} alone, best ${sweep.seeds.over === 'best' ? 'trial' : sweep.seeds.over} first: mean and standard deviation of the sample, each trial as a tick.${more > 0 ? ` The best ${MOST_GROUPS} of ${more + MOST_GROUPS}.` : ''}`,
    plot: (width) => seeds(sweep, width),
    numbers: () => ({
      head: [['trials'], ['n'], ...['mean', 'deviation', 'median', 'lowest', 'highest'].map((head) => [head, true])],
      rows: sweep.seeds.groups.map((g) => [
        `${g.label}${g.best ? ' ★' : ''}`,
        seedsOf(g),
        ...[g.mean, g.deviation, g.median, g.low, g.high],
      ]),
    }),
  });
}
