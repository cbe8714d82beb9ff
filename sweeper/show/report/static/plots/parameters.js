// What the result depends on: importance, and the objective against each parameter.

const MOST_SLICES = 12;

function byImportance(sweep) {
  const share = Object.fromEntries(sweep.importance.shares);
  return [...sweep.parameters].sort((a, b) => (share[b.key] ?? -1) - (share[a.key] ?? -1));
}

function importances(sweep) {
  const shares = sweep.importance.shares.slice(0, 15).reverse();
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  return {
    data: [
      {
        type: 'bar',
        orientation: 'h',
        x: shares.map(([, share]) => share),
        y: shares.map((_, n) => n),
        customdata: shares.map(([key]) => key),
        text: shares.map(([, share]) => share.toFixed(2)),
        textposition: 'auto',
        cliponaxis: false,
        marker: { color: variable('accent'), cornerradius: 3 },
        hovertext: shares.map(([key, share]) => `${plain(key)}: ${share}`),
        hovertemplate: '%{hovertext}<extra></extra>',
      },
    ],
    layout: {
      height: 70 + 34 * shares.length,
      bargap: 0.35,
      margin: { l: 16, r: 30, t: 8, b: 40 },
      xaxis: { range: [0, 1], title: sweep.importance.method },
      yaxis: {
        tickmode: 'array',
        tickvals: shares.map((_, n) => n),
        ticktext: shares.map(([key]) => short(label[key] || key, 26)),
        ticklabelstandoff: 6,
        showgrid: false,
        zeroline: false,
      },
    },
  };
}

// The objective against each parameter, one beside the other on a shared axis.
function slices(sweep, width) {
  const parameters = byImportance(sweep).slice(0, MOST_SLICES);
  const down = Math.ceil(parameters.length / Math.max(1, Math.floor(width / 270))),
    across = Math.ceil(parameters.length / down);
  const values = sweep.declared.map((row) => sweep.value(row)).filter((value) => value !== null);
  const floor = values.length ? floorOf(values) : 0;
  const rows = sweep.declared.filter((row) => !['planned', 'interrupted'].includes(sweep.status(row)));
  const layout = {
    height: 60 + 260 * down,
    grid: { rows: down, columns: across, pattern: 'independent', xgap: 0.08, ygap: 0.28 },
  };
  const data = parameters.flatMap((parameter, n) => {
    const suffix = n ? String(n + 1) : '',
      numbers = parameter.number;
    layout[`xaxis${suffix}`] = { title: short(parameter.label), ...axisOf(sweep, parameter) };
    layout[`yaxis${suffix}`] = {
      matches: n ? 'y' : undefined,
      title: n % across ? '' : plain(sweep.objective.metric),
      showticklabels: n % across === 0,
    };
    const words = wordsOf(sweep, parameter);
    const points = rows
      .filter((row) => sweep.get(row, parameter.key) !== null)
      .map((row) => ({
        row,
        x: numbers ? sweep.get(row, parameter.key) : words.indexOf(shown(sweep.get(row, parameter.key))),
        y: sweep.value(row) ?? floor,
        says: says(sweep, row, `${plain(parameter.label)} ${plain(shown(sweep.get(row, parameter.key)))}`),
      }));
    return marksOf(sweep, points, { xaxis: `x${suffix}`, yaxis: `y${suffix}` }).map((trace) => ({
      ...trace,
      meta: [parameter.key, trace.meta],
    }));
  });
  return { data, layout };
}

// The values of a parameter that are no numbers: each has its place, however alike they begin.
function wordsOf(sweep, parameter) {
  return [
    ...new Set(
      sweep.declared
        .map((row) => sweep.get(row, parameter.key))
        .filter((value) => value !== null)
        .map(shown),
    ),
  ].sort();
}

// An axis of a parameter: logarithmic where it is one, with its very values where they are few.
function axisOf(sweep, parameter) {
  if (!parameter.number) {
    const words = wordsOf(sweep, parameter);
    return {
      tickmode: 'array',
      tickvals: words.map((_, n) => n),
      ticktext: words.map((word) => short(word, 20)),
      range: [-0.5, words.length - 0.5],
      zeroline: false,
    };
  }
  const values = [
    ...new Set(sweep.declared.map((row) => sweep.get(row, parameter.key)).filter((value) => value !== null)),
  ].sort((a, b) => a - b);
  const few = values.length <= 6 ? { tickmode: 'array', tickvals: values, ticktext: values.map(number) } : {};
  return { type: parameter.log ? 'log' : 'linear', ...few };
}
