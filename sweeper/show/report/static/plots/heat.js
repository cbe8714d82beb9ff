// The heat map of two parameters.

const MOST_CELLS = 60;

const WORST = ['failed', 'metric_missing', 'pruned', 'stopped', 'running', 'interrupted'];

// The mean of the objective for every pair of values, and which statuses its trials have.
function heatCells(sweep, left, right) {
  const axis = (key) => {
    const values = [
      ...new Map(
        sweep.declared
          .map((row) => sweep.get(row, key))
          .filter((value) => value !== null)
          .map((value) => [shown(value), value]),
      ).values(),
    ];
    return values.sort((a, b) =>
      typeof a === 'number' && typeof b === 'number'
        ? a - b
        : shown(a).localeCompare(shown(b), undefined, { numeric: true }),
    );
  };
  const xs = axis(left),
    ys = axis(right);
  const cells = ys.map(() => xs.map(() => ({ values: [], statuses: new Set() })));
  const place = (values) => new Map(values.map((value, n) => [shown(value), n]));
  const xAt = place(xs),
    yAt = place(ys);
  for (const row of sweep.declared) {
    const x = xAt.get(shown(sweep.get(row, left))),
      y = yAt.get(shown(sweep.get(row, right)));
    if (x === undefined || y === undefined) continue;
    cells[y][x].statuses.add(sweep.status(row));
    if (sweep.result(row) !== null) cells[y][x].values.push(sweep.result(row));
  }
  const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
  return { xs, ys, cells, means: cells.map((line) => line.map((cell) => mean(cell.values))) };
}

function heatMap(sweep, left, right) {
  const { xs, ys, cells, means } = heatCells(sweep, left, right);
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, plain(one.label)]));
  const words = (value) => short(shown(value), 16);
  const says = (mean, i, j) =>
    `${label[left]} ${words(xs[i])}, ${label[right]} ${words(ys[j])}<br>${plain(sweep.objective.metric)} ${number(mean)}, mean of ${cells[j][i].values.length}`;
  const axis = (title, values) => ({
    title,
    tickmode: 'array',
    tickvals: values.map((_, n) => n),
    ticktext: values.map(words),
    showgrid: false,
    zeroline: false,
  });
  return {
    data: [
      {
        type: 'heatmap',
        z: means,
        x: xs.map((_, n) => n),
        y: ys.map((_, n) => n),
        meta: [left, right],
        colorscale: colourscale(sweep.objective.goal === 'minimize'),
        hoverongaps: false,
        xgap: 2,
        ygap: 2,
        text: means.map((line, j) => line.map((mean, i) => (mean === null ? '' : says(mean, i, j)))),
        hovertemplate: '%{text}<extra></extra>',
        colorbar: { thickness: 12, outlinewidth: 0, tickfont: { color: variable('soft'), size: 11 } },
      },
    ],
    layout: {
      height: Math.max(300, Math.min(640, 110 + 38 * ys.length)),
      annotations: heatWords(sweep, cells, means),
      dragmode: false,
      uirevision: `${left} ${right}`,
      xaxis: axis(label[left], xs),
      yaxis: axis(label[right], ys),
    },
  };
}

const MOST_WORDS = 80; // cells from which their means are not written into them

// What stands in a cell: its mean, in ink that can be read on its colour, or the mark of what became of its trials.
function heatWords(sweep, cells, means) {
  const known = means.flat().filter((mean) => mean !== null),
    low = lowest(known),
    high = highest(known);
  const share = (mean) => (mean - low) / (high - low || 1);
  const strength = (mean) => (sweep.objective.goal === 'minimize' ? 1 - share(mean) : share(mean));
  const mark = (cell) => MARKS[WORST.find((status) => cell.statuses.has(status))] || MARKS.planned;
  return means
    .flatMap((line, y) =>
      line.map((mean, x) => {
        if (mean !== null)
          return {
            x,
            y,
            text: String(Number(mean.toPrecision(4))),
            showarrow: false,
            font: { color: inkOn(along(strength(mean))), size: 12 },
          };
        const { glyph, colour } = mark(cells[y][x]);
        return { x, y, text: glyph, showarrow: false, font: { color: variable(colour), size: 15 } };
      }),
    )
    .filter((_, n, all) => all.length <= MOST_WORDS || means.flat()[n] === null);
}
