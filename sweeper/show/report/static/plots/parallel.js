// Parallel coordinates.

const MOST_LINES = 1000; // more would take seconds to draw without a graphics card

// The best half of them, and an even sample of the others.
function sampled(sweep) {
  const rows = sweep.done();
  if (rows.length <= MOST_LINES) return rows;
  const order = [...rows].sort((a, b) => (sweep.better(sweep.result(a), sweep.result(b)) ? -1 : 1));
  const half = MOST_LINES / 2,
    rest = order.slice(half);
  return [
    ...order.slice(0, half),
    ...Array.from({ length: half }, (_, n) => rest[Math.floor((n * rest.length) / half)]),
  ];
}

function parallel(sweep) {
  const rows = sampled(sweep),
    results = rows.map((row) => sweep.result(row)),
    soft = variable('soft');
  const dimensions = byImportance(sweep)
    .slice(0, MOST_SLICES)
    .reverse()
    .map((parameter) =>
      dimensionOf(
        parameter,
        rows.map((row) => sweep.get(row, parameter.key)),
      ),
    );
  dimensions.push({ label: short(sweep.objective.metric, 22), values: results });
  return {
    data: [
      {
        type: 'parcoords',
        dimensions,
        labelfont: { color: variable('ink'), size: 12 },
        tickfont: { color: soft, size: 11 },
        rangefont: { color: 'rgba(0,0,0,0)', size: 1 },
        meta: 'parallel',
        customdata: rows,
        line: { color: results, colorscale: colourscale(sweep.objective.goal === 'minimize'), showscale: false },
        unselected: { line: { color: variable('line'), opacity: 0.5 } },
      },
    ],
    layout: { height: 380, margin: { l: 60, r: 60, t: 48, b: 20 } },
  };
}

// An axis of the parallel coordinates; its ticks are text, and no markup.
function dimensionOf(parameter, values) {
  const label = short(parameter.label, 22);
  if (!parameter.number || values.some((value) => value === null)) {
    const words = [...new Set(values.map(shown))].sort();
    const cut = (word) => (word.length > 14 ? `${word.slice(0, 13)}…` : word);
    return {
      label,
      values: values.map((value) => words.indexOf(shown(value))),
      tickvals: words.map((_, n) => n),
      ticktext: words.map(cut),
    };
  }
  const at = parameter.log ? Math.log10 : (value) => value;
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  if (distinct.length <= 8)
    return { label, values: values.map(at), tickvals: distinct.map(at), ticktext: distinct.map(number) };
  const low = Math.ceil(at(distinct[0])),
    decades = Math.max(0, Math.floor(at(distinct.at(-1))) - low) + 1;
  const powers = Array.from({ length: decades }, (_, n) => low + n);
  return {
    label,
    values: values.map(at),
    ...(parameter.log ? { tickvals: powers, ticktext: powers.map((power) => number(10 ** power)) } : {}),
  };
}
