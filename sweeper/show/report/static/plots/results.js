// The results: the best so far, learning curves, means over the repeats. Each plot is {data, layout} of plotly.

function bestSoFar(sweep) {
  const rows = sweep.order;
  const values = rows.map((row) => sweep.value(row)).filter((value) => value !== null);
  if (!values.length) return { data: [], layout: {} };
  const floor = floorOf(values);
  let best = null;
  const line = rows.map((row) => {
    const value = sweep.result(row);
    if (value !== null && (best === null || sweep.better(value, best))) best = value;
    return best;
  });
  const points = rows.map((row, n) => ({ row, x: n + 1, y: sweep.value(row) ?? floor, says: says(sweep, row) }));
  return {
    data: [
      {
        type: kind(rows.length),
        mode: 'lines',
        name: 'best so far',
        meta: 'line',
        x: rows.map((_, n) => n + 1),
        y: line,
        line: { shape: 'hv', color: variable('best'), width: 2 },
        hoverinfo: 'skip',
      },
      ...marksOf(sweep, points),
    ],
    layout: {
      xaxis: {
        title: 'trials in the order in which they ended',
        rangemode: 'tozero',
        ...(rows.length <= 12 ? { dtick: 1 } : {}),
      },
      yaxis: { title: plain(sweep.objective.metric) },
    },
  };
}

function learningCurves(sweep, { metric, axis, log, colour }) {
  const curves = sweep.curves.of.filter((curve) => curve.metric === metric && curve[`x.${axis}`]);
  const points = curves.reduce((sum, curve) => sum + curve.y.length, 0);
  const scale = colour && valuesOf(sweep, colour);
  const drawn = [...curves].sort((a, b) => sweep.isBest(a.row) - sweep.isBest(b.row));
  const data = drawn.map((curve) => {
    const best = sweep.isBest(curve.row),
      status = sweep.status(curve.row),
      bad = status !== 'completed' && status !== 'running';
    const tone = best ? variable('best') : scale ? scale(curve.row) : variable(MARKS[status]?.colour || 'soft');
    const end =
      bad && curve.y.length
        ? {
            mode: 'lines+markers',
            marker: {
              symbol: MARKS[status].symbol,
              color: tone,
              size: curve.y.map((_, n) => (n === curve.y.length - 1 ? 9 : 0)),
            },
          }
        : { mode: curve.y.length > 1 ? 'lines' : 'markers' };
    return {
      type: points > 4000 ? 'scattergl' : 'scatter',
      name: plain(sweep.nameOf(curve.row)),
      meta: curve.row,
      x: curve[`x.${axis}`].map(decoded),
      y: curve.y,
      customdata: curve.y.map(() => curve.row),
      hovertemplate: `${says(sweep, curve.row)}<br>${plain(axis)} %{x}: %{y:.6~g}<extra></extra>`,
      opacity: best ? 1 : curves.length > 30 ? 0.45 : 0.7,
      line: { color: tone, width: best ? 3 : 1.4, dash: bad ? 'dot' : 'solid' },
      ...end,
    };
  });
  const words = { number: 'number of the value', seconds: 'seconds since its first value' }[axis] || plain(axis);
  return {
    data,
    layout: {
      height: 420,
      uirevision: `${metric} ${axis} ${log}`, // of another metric there is another place to look at
      xaxis: { title: words },
      yaxis: { title: plain(metric), type: log ? 'log' : 'linear' },
    },
  };
}

const MOST_GROUPS = 40;

function seedGroups(sweep) {
  const sign = sweep.objective.goal === 'maximize' ? 1 : -1;
  return sweep.seeds.groups
    .filter((group) => Number.isFinite(group.mean) && Number.isFinite(group.value))
    .sort((a, b) => sign * (b.value - a.value));
}

// How many trials of a group have a value.
const seedsOf = ({ n, rows }) => (n === rows.length ? String(n) : `${n} of ${rows.length}`);

const groupValue = ({ value, mean, deviation }) =>
  `${number(value)}${value === mean && deviation !== null ? ` ± ${number(deviation)}` : ''}`;

// Mean and deviation over the repeats, the best above; each repeat is a small mark.
function seeds(sweep, width) {
  const groups = seedGroups(sweep).slice(0, MOST_GROUPS).reverse();
  return {
    data: [repeatMarks(sweep, groups), meanMarks(groups)],
    layout: {
      height: 80 + 26 * groups.length,
      xaxis: { title: plain(sweep.objective.metric) },
      yaxis: {
        tickmode: 'array',
        tickvals: groups.map((_, n) => n),
        ticktext: groups.map((group) => short(group.label, width < 500 ? 18 : 34)),
        zeroline: false,
        range: [-0.7, groups.length - 0.3],
      },
    },
  };
}

function repeatMarks(sweep, groups) {
  const singles = groups.flatMap((group, y) =>
    group.rows.filter((row) => sweep.result(row) !== null).map((row) => ({ row, x: sweep.result(row), y })),
  );
  return {
    type: 'scatter',
    mode: 'markers',
    name: 'repeats',
    meta: 'repeats',
    x: singles.map((p) => p.x),
    y: singles.map((p) => p.y),
    customdata: singles.map((p) => p.row),
    text: singles.map((p) => says(sweep, p.row)),
    hovertemplate: '%{text}<extra></extra>',
    marker: { symbol: 'line-ns-open', color: variable('soft'), size: 11, line: { width: 1.5 } },
  };
}

function meanMarks(groups) {
  const told = (group) =>
    `<b>${short(group.label, 60)}</b><br>${number(group.mean)} ± ${group.deviation === null ? 'unknown' : number(group.deviation)}, ${seedsOf(group)}`;
  return {
    type: 'scatter',
    mode: 'markers',
    name: 'means',
    meta: 'means',
    x: groups.map((group) => group.mean),
    y: groups.map((_, n) => n),
    text: groups.map(told),
    hovertemplate: '%{text}<extra></extra>',
    error_x: {
      type: 'data',
      array: groups.map((group) => group.deviation ?? 0),
      color: variable('soft'),
      thickness: 1.5,
      width: 4,
    },
    marker: {
      opacity: 1,
      color: groups.map((group) => variable(group.best ? 'best' : 'accent')),
      size: groups.map((group) => (group.best ? 14 : 9)),
      symbol: groups.map((group) => (group.best ? 'star' : 'circle')),
    },
  };
}
