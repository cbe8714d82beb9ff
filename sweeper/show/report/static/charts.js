// The plots, each as {data, layout} of plotly, from the sweep's columns as they are.

const PHASES = ['start', 'download', 'train', 'upload', 'interrupted', 'stop', 'other', 'running', 'idle'];
const PHASE_WORDS = { start: 'waits for its machine', download: 'downloads', train: 'trains', upload: 'uploads', interrupted: 'interrupted', stop: 'stops', other: 'other', running: 'runs', idle: 'the pool idles' };

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
      { type: kind(rows.length), mode: 'lines', name: 'best so far', meta: 'line', x: rows.map((_, n) => n + 1), y: line, line: { shape: 'hv', color: variable('best'), width: 2 }, hoverinfo: 'skip' },
      ...marksOf(sweep, points)],
    layout: { xaxis: { title: 'trials in the order in which they ended', rangemode: 'tozero' }, yaxis: { title: plain(sweep.objective.metric) } },
  };
}

function learningCurves(sweep, { metric, axis, log, colour }) {
  const curves = sweep.curves.of.filter((curve) => curve.metric === metric && curve[`x.${axis}`]);
  const points = curves.reduce((sum, curve) => sum + curve.y.length, 0);
  const scale = colour && valuesOf(sweep, colour);
  const drawn = [...curves].sort((a, b) => sweep.isBest(a.row) - sweep.isBest(b.row));
  const data = drawn.map((curve) => {
    const best = sweep.isBest(curve.row), status = sweep.status(curve.row), bad = status !== 'completed' && status !== 'running';
    const tone = best ? variable('best') : scale ? scale(curve.row) : variable(MARKS[status]?.colour || 'soft');
    const end = bad && curve.y.length ? { mode: 'lines+markers', marker: { symbol: MARKS[status].symbol, color: tone, size: curve.y.map((_, n) => (n === curve.y.length - 1 ? 9 : 0)) } } : { mode: curve.y.length > 1 ? 'lines' : 'markers' };
    return { type: points > 4000 ? 'scattergl' : 'scatter', name: plain(sweep.nameOf(curve.row)), meta: curve.row, x: curve[`x.${axis}`].map(decoded), y: curve.y, customdata: curve.y.map(() => curve.row),
      hovertemplate: `${says(sweep, curve.row)}<br>${plain(axis)} %{x}: %{y:.6~g}<extra></extra>`, opacity: best ? 1 : curves.length > 30 ? 0.45 : 0.7, line: { color: tone, width: best ? 3 : 1.4, dash: bad ? 'dot' : 'solid' }, ...end };
  });
  const words = { number: 'number of the value', seconds: 'seconds since its first value' }[axis] || plain(axis);
  return { data, layout: { height: 420, xaxis: { title: words }, yaxis: { title: plain(metric), type: log ? 'log' : 'linear' } } };
}

// One hue from faint to strong: everybody can tell more from less, on white and on black.
const ramp = () => (document.documentElement.dataset.theme === 'dark' ? ['#26343f', '#2f5876', '#3a82b3', '#6fb8e6', '#c3e5fb'] : ['#dbe7ee', '#a9cbe0', '#5ea3cc', '#1a74ad', '#08426b']);

function along(share) {
  const colours = ramp(), at = Math.min(1, Math.max(0, share)) * (colours.length - 1), n = Math.min(colours.length - 2, Math.floor(at));
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].map((i) => Math.round(part(colours[n], i) + (at - n) * (part(colours[n + 1], i) - part(colours[n], i))));
}

const colourscale = (down) => ramp().map((colour, n, all) => [n / (all.length - 1), down ? all[all.length - 1 - n] : colour]);
const inkOn = ([red, green, blue]) => (0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#14171a' : '#ffffff');

// A colour for each row by a parameter: along a scale for numbers, the colours of Okabe and Ito for words.
function valuesOf(sweep, key) {
  const parameter = sweep.parameters.find((one) => one.key === key);
  const values = sweep.declared.map((row) => sweep.get(row, key)).filter((value) => value !== null);
  if (parameter.number) {
    const at = (value) => (parameter.log ? Math.log(value) : value);
    const low = Math.min(...values.map(at)), high = Math.max(...values.map(at));
    return (row) => { const value = sweep.get(row, key); return value === null ? variable('soft') : `rgb(${along(0.15 + 0.85 * (at(value) - low) / (high - low || 1)).join()})`; };
  }
  const words = [...new Set(values.map(shown))], colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8b8f94'];
  return (row) => colours[words.indexOf(shown(sweep.get(row, key))) % colours.length];
}

const MOST_SLICES = 12;

function byImportance(sweep) {
  const share = Object.fromEntries(sweep.importance.shares);
  return [...sweep.parameters].sort((a, b) => (share[b.key] ?? -1) - (share[a.key] ?? -1));
}

// The objective against each parameter, one beside the other on a shared axis.
function slices(sweep, width) {
  const parameters = byImportance(sweep).slice(0, MOST_SLICES);
  const down = Math.ceil(parameters.length / Math.max(1, Math.floor(width / 270))), across = Math.ceil(parameters.length / down);
  const values = sweep.declared.map((row) => sweep.value(row)).filter((value) => value !== null);
  const floor = values.length ? floorOf(values) : 0;
  const rows = sweep.declared.filter((row) => !['planned', 'interrupted'].includes(sweep.status(row)));
  const layout = { height: 60 + 260 * down, grid: { rows: down, columns: across, pattern: 'independent', xgap: 0.08, ygap: 0.28 } };
  const data = parameters.flatMap((parameter, n) => {
    const suffix = n ? String(n + 1) : '', numbers = parameter.number;
    layout[`xaxis${suffix}`] = { title: short(parameter.label), ...axisOf(sweep, parameter) };
    layout[`yaxis${suffix}`] = { matches: n ? 'y' : undefined, title: n % across ? '' : plain(sweep.objective.metric), showticklabels: n % across === 0 };
    const words = wordsOf(sweep, parameter);
    const points = rows.filter((row) => sweep.get(row, parameter.key) !== null)
      .map((row) => ({ row, x: numbers ? sweep.get(row, parameter.key) : words.indexOf(shown(sweep.get(row, parameter.key))), y: sweep.value(row) ?? floor, says: says(sweep, row, `${plain(parameter.label)} ${plain(shown(sweep.get(row, parameter.key)))}`) }));
    return marksOf(sweep, points, { xaxis: `x${suffix}`, yaxis: `y${suffix}` }).map((trace) => ({ ...trace, meta: [parameter.key, trace.meta] }));
  });
  return { data, layout };
}

// The values of a parameter that are no numbers: each has its place, however alike they begin.
function wordsOf(sweep, parameter) {
  return [...new Set(sweep.declared.map((row) => sweep.get(row, parameter.key)).filter((value) => value !== null).map(shown))].sort();
}

// An axis of a parameter: logarithmic where it is one, with its very values where they are few.
function axisOf(sweep, parameter) {
  if (!parameter.number) {
    const words = wordsOf(sweep, parameter);
    return { tickmode: 'array', tickvals: words.map((_, n) => n), ticktext: words.map((word) => short(word, 20)), range: [-0.5, words.length - 0.5], zeroline: false };
  }
  const values = [...new Set(sweep.declared.map((row) => sweep.get(row, parameter.key)).filter((value) => value !== null))].sort((a, b) => a - b);
  const few = values.length <= 6 ? { tickmode: 'array', tickvals: values, ticktext: values.map(number) } : {};
  return { type: parameter.log ? 'log' : 'linear', ...few };
}

const MOST_LINES = 1000; // more would take seconds to draw without a graphics card

// The best half of them, and an even sample of the others.
function sampled(sweep) {
  const rows = sweep.done();
  if (rows.length <= MOST_LINES) return rows;
  const order = [...rows].sort((a, b) => (sweep.better(sweep.result(a), sweep.result(b)) ? -1 : 1));
  const half = MOST_LINES / 2, rest = order.slice(half);
  return [...order.slice(0, half), ...Array.from({ length: half }, (_, n) => rest[Math.floor(n * rest.length / half)])];
}

function parallel(sweep) {
  const rows = sampled(sweep), results = rows.map((row) => sweep.result(row));
  const dimensions = byImportance(sweep).slice(0, MOST_SLICES).reverse().map((parameter) => {
    const values = rows.map((row) => sweep.get(row, parameter.key));
    const label = short(parameter.label, 22), distinct = [...new Map(values.map((value) => [shown(value), value])).entries()];
    if (!parameter.number || values.some((value) => value === null)) {
      const words = distinct.map(([word]) => word).sort();
      return { label, values: values.map((value) => words.indexOf(shown(value))), tickvals: words.map((_, n) => n), ticktext: words.map((word) => (word.length > 14 ? `${word.slice(0, 13)}…` : word)) }; // text, and no markup here
    }
    const at = parameter.log ? Math.log10 : (value) => value;
    const few = distinct.map(([, value]) => value).sort((a, b) => a - b);
    const low = Math.ceil(at(few[0])), decades = parameter.log ? few.filter((_, n) => few.length <= 8) : [];
    const powers = parameter.log && !decades.length ? Array.from({ length: Math.max(0, Math.floor(at(few.at(-1))) - low) + 1 }, (_, n) => low + n) : [];
    const ticks = few.length <= 8 ? { tickvals: few.map(at), ticktext: few.map(number) } : powers.length ? { tickvals: powers, ticktext: powers.map((power) => number(10 ** power)) } : {};
    return { label, values: values.map(at), ...ticks };
  });
  dimensions.push({ label: short(sweep.objective.metric, 22), values: results });
  return {
    data: [{ type: 'parcoords', dimensions, labelfont: { color: variable('ink'), size: 12 }, tickfont: { color: variable('soft'), size: 11 }, rangefont: { color: 'rgba(0,0,0,0)', size: 1 }, meta: 'parallel', customdata: rows,
      line: { color: results, colorscale: colourscale(sweep.objective.goal === 'minimize'), showscale: false }, unselected: { line: { color: variable('line'), opacity: 0.5 } } }],
    layout: { height: 380, margin: { l: 60, r: 60, t: 48, b: 20 } },
  };
}

function importances(sweep) {
  const shares = sweep.importance.shares.slice(0, 15).reverse();
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  return {
    data: [{ type: 'bar', orientation: 'h', x: shares.map(([, share]) => share), y: shares.map((_, n) => n), customdata: shares.map(([key]) => key), text: shares.map(([, share]) => share.toFixed(2)), textposition: 'auto', cliponaxis: false, marker: { color: variable('accent'), cornerradius: 3 }, hovertext: shares.map(([key, share]) => `${plain(key)}: ${share}`), hovertemplate: '%{hovertext}<extra></extra>' }],
    layout: { height: 70 + 34 * shares.length, bargap: 0.35, margin: { l: 16, r: 30, t: 8, b: 40 }, xaxis: { range: [0, 1], title: sweep.importance.method }, yaxis: { tickmode: 'array', tickvals: shares.map((_, n) => n), ticktext: shares.map(([key]) => short(label[key] || key, 26)), ticklabelstandoff: 6, showgrid: false, zeroline: false } },
  };
}

const MOST_CELLS = 60;

const WORST = ['failed', 'metric_missing', 'pruned', 'stopped', 'running', 'interrupted'];

// The mean of the objective for every pair of values, and which statuses its trials have.
function heatCells(sweep, left, right) {
  const axis = (key) => {
    const values = [...new Map(sweep.declared.map((row) => sweep.get(row, key)).filter((value) => value !== null).map((value) => [shown(value), value])).values()];
    return values.sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : shown(a).localeCompare(shown(b), undefined, { numeric: true })));
  };
  const xs = axis(left), ys = axis(right);
  const cells = ys.map(() => xs.map(() => ({ values: [], statuses: new Set() })));
  const place = (values) => new Map(values.map((value, n) => [shown(value), n]));
  const xAt = place(xs), yAt = place(ys);
  for (const row of sweep.declared) {
    const x = xAt.get(shown(sweep.get(row, left))), y = yAt.get(shown(sweep.get(row, right)));
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
  const mark = (cell) => (cell.values.length ? null : MARKS[WORST.find((status) => cell.statuses.has(status))] || MARKS.planned);
  const small = xs.length * ys.length <= 80;
  const known = means.flat().filter((mean) => mean !== null), low = Math.min(...known), high = Math.max(...known), down = sweep.objective.goal === 'minimize';
  const strength = (mean) => { const share = (mean - low) / (high - low || 1); return down ? 1 - share : share; };
  const annotations = ys.flatMap((y, j) => xs.map((x, i) => {
    const mean = means[j][i], word = mark(cells[j][i]);
    const font = mean === null ? { color: variable(word.colour), size: 15 } : { color: inkOn(along(strength(mean))), size: 12 };
    return { x: i, y: j, text: mean === null ? word.glyph : String(Number(mean.toPrecision(4))), showarrow: false, font };
  })).filter(({ text: word }, n) => small || means.flat()[n] === null);
  return {
    data: [{ type: 'heatmap', z: means, x: xs.map((_, n) => n), y: ys.map((_, n) => n), meta: [left, right], colorscale: colourscale(down), hoverongaps: false, xgap: 2, ygap: 2,
      text: means.map((line, j) => line.map((mean, i) => (mean === null ? '' : `${label[left]} ${words(xs[i])}, ${label[right]} ${words(ys[j])}<br>${plain(sweep.objective.metric)} ${number(mean)}, mean of ${cells[j][i].values.length}`))),
      hovertemplate: '%{text}<extra></extra>', colorbar: { thickness: 12, outlinewidth: 0, tickfont: { color: variable('soft'), size: 11 } } }],
    layout: { height: Math.max(300, Math.min(640, 110 + 38 * ys.length)), annotations, dragmode: false,
      xaxis: { title: label[left], tickmode: 'array', tickvals: xs.map((_, n) => n), ticktext: xs.map(words), showgrid: false, zeroline: false }, yaxis: { title: label[right], tickmode: 'array', tickvals: ys.map((_, n) => n), ticktext: ys.map(words), showgrid: false, zeroline: false } },
  };
}

const MOST_GROUPS = 40;

function seedGroups(sweep) {
  const sign = sweep.objective.goal === 'maximize' ? 1 : -1;
  return sweep.seeds.groups.filter((group) => group.n).sort((a, b) => sign * (b.mean - a.mean));
}

// Mean and deviation over the repeats, the best above; each repeat is a small mark.
function seeds(sweep, width) {
  const groups = seedGroups(sweep).slice(0, MOST_GROUPS).reverse();
  const at = (n) => n;
  const singles = groups.flatMap((group, n) => group.rows.filter((row) => sweep.result(row) !== null).map((row) => ({ row, x: sweep.result(row), y: at(n) })));
  const tone = groups.map((group) => variable(group.best ? 'best' : 'accent'));
  return {
    data: [
      { type: 'scatter', mode: 'markers', name: 'repeats', meta: 'repeats', x: singles.map((p) => p.x), y: singles.map((p) => p.y), customdata: singles.map((p) => p.row), text: singles.map((p) => says(sweep, p.row)), hovertemplate: '%{text}<extra></extra>', marker: { symbol: 'line-ns-open', color: variable('soft'), size: 11, line: { width: 1.5 } } },
      { type: 'scatter', mode: 'markers', name: 'means', meta: 'means', x: groups.map((group) => group.mean), y: groups.map((_, n) => at(n)),
        error_x: { type: 'data', array: groups.map((group) => group.deviation ?? 0), color: variable('soft'), thickness: 1.5, width: 4 }, marker: { color: tone, size: groups.map((group) => (group.best ? 14 : 9)), symbol: groups.map((group) => (group.best ? 'star' : 'circle')) },
        text: groups.map((group) => `<b>${short(group.label, 60)}</b><br>${number(group.mean)} ± ${group.deviation === null ? 'unknown' : number(group.deviation)}, ${group.n} of ${group.rows.length}`), hovertemplate: '%{text}<extra></extra>' }],
    layout: { height: 80 + 26 * groups.length, xaxis: { title: plain(sweep.objective.metric) }, yaxis: { tickmode: 'array', tickvals: groups.map((_, n) => at(n)), ticktext: groups.map((group) => short(group.label, width < 500 ? 18 : 34)), zeroline: false, range: [-0.7, groups.length - 0.3] } },
  };
}

const MOST_BARS = 150; // jobs that get a row and bars of their own
const LABELLED = 60;

function unitOf(seconds) { return seconds > 7200 ? [3600, 'hours'] : seconds > 180 ? [60, 'minutes'] : [1, 'seconds']; }

const endOf = (job) => job.begun + Math.max(0, ...job.spans.map(([, at, lasts]) => at + lasts));

// Where each job begins on the axis, in seconds. A sweep that was gone on with days later would be all pause: long
// ones are cut out, and marked.
function placed(jobs) {
  const busy = jobs.reduce((sum, job) => sum + endOf(job) - job.begun, 0), seam = busy / 60;
  const cuts = [];
  let shift = jobs[0].begun, until = jobs[0].begun;
  const begins = jobs.map((job) => {
    const pause = job.begun - until;
    if (pause > busy / 4) {
      cuts.push({ at: until - shift + seam / 2, pause });
      shift += pause - seam;
    }
    until = Math.max(until, endOf(job));
    return job.begun - shift;
  });
  return { begins, cuts, end: until - shift };
}

// Every job in its row, its phases one after another; behind it the pool that idles until somebody has it.
function timeline(sweep, width) {
  const jobs = sweep.jobs.filter((job) => job.begun !== null).sort((a, b) => a.begun - b.begun);
  const { begins, cuts, end } = placed(jobs);
  const [unit, word] = unitOf(end);
  const many = jobs.length > MOST_BARS;
  const pieces = (phase) => jobs.flatMap((job, y) => job.spans.filter(([name]) => name === phase).map(([, at, lasts]) => ({ job, y, from: (begins[y] + at) / unit, lasts: lasts / unit, seconds: lasts })));
  const words = ({ job, seconds }, phase) => `<b>${short(job.label, 60)}</b>${job.attempt > 1 ? `, attempt ${job.attempt}` : ''}<br>${PHASE_WORDS[phase]} for ${span(seconds)}<br>${job.pool === 'none' ? 'never ran' : job.pool === 'cold' ? 'started cold' : 'found a warm pool'}`;
  const data = PHASES.map((phase) => [phase, pieces(phase)]).filter(([, found]) => found.length).map(([phase, found]) => (many ? {
    type: 'scattergl', mode: 'lines', name: phase, meta: phase, hoverinfo: 'skip', line: { color: variable(`phase-${phase}`), width: 3 },
    x: found.flatMap((p) => [p.from, p.from + p.lasts, null]), y: found.flatMap((p) => [p.y, p.y, null]),
  } : {
    type: 'bar', orientation: 'h', name: phase, meta: phase, y: found.map((p) => p.y), x: found.map((p) => p.lasts), base: found.map((p) => p.from), customdata: found.map((p) => p.job.row), text: found.map((p) => words(p, phase)), textposition: 'none', hovertemplate: '%{text}<extra></extra>',
    marker: { color: variable(`phase-${phase}`), line: { width: 0 }, ...(phase === 'idle' ? { pattern: { shape: '/', size: 5, solidity: 0.35, fgcolor: variable('soft'), bgcolor: variable('phase-idle') } } : {}) }, width: 0.72,
  }));
  const ends = jobs.map((job, y) => ({ job, y })).filter(({ job }) => job.closed !== 'taken over by the next job of this sweep' && job.seen !== null);
  data.push({ type: many ? 'scattergl' : 'scatter', mode: 'markers', name: 'closed', meta: 'closed', x: ends.map(({ job, y }) => (begins[y] + endOf(job) - job.begun) / unit), y: ends.map(({ y }) => y), customdata: ends.map(({ job }) => job.row), text: ends.map(({ job }) => `<b>${short(job.label, 60)}</b><br>its pool: ${plain(job.closed)}<br>seen ${clock(job.seen)}`), hovertemplate: '%{text}<extra></extra>', marker: { symbol: 'diamond-tall', size: 9, color: variable('ink') } });
  const cold = jobs.map((job, y) => ({ job, y })).filter(({ job }) => job.pool === 'cold');
  data.push({ type: many ? 'scattergl' : 'scatter', mode: 'markers', name: 'cold', meta: 'cold', x: cold.map(({ y }) => begins[y] / unit), y: cold.map(({ y }) => y), customdata: cold.map(({ job }) => job.row), text: cold.map(({ job }) => `<b>${short(job.label, 60)}</b><br>started cold`), hovertemplate: '%{text}<extra></extra>', marker: { symbol: 'asterisk-open', size: 10, color: variable('accent'), line: { width: 1.5 } } });
  const labels = jobs.length <= LABELLED ? { tickmode: 'array', tickvals: jobs.map((_, n) => n), ticktext: jobs.map((job) => short(job.attempt > 1 ? `${job.label} (${job.attempt})` : job.label, width < 600 ? 14 : 30)) } : { title: 'jobs in order' };
  const shapes = cuts.map(({ at }) => ({ type: 'line', x0: at / unit, x1: at / unit, y0: 0, y1: 1, yref: 'paper', line: { color: variable('soft'), width: 1, dash: 'dot' } }));
  const annotations = cuts.map(({ at, pause }) => ({ x: at / unit, y: 1, yref: 'paper', yanchor: 'bottom', text: `${span(pause)} later`, showarrow: false, font: { color: variable('soft'), size: 11 } }));
  return { data, layout: { barmode: 'overlay', shapes, annotations, margin: { l: 56, r: 16, t: cuts.length ? 26 : 8, b: 44 }, height: Math.max(220, Math.min(900, 80 + 19 * Math.min(jobs.length, 45))), xaxis: { title: `${word} since ${clock(jobs[0].begun)}${cuts.length ? ', long pauses cut out' : ''}`, side: 'bottom', rangemode: 'tozero' }, yaxis: { range: [jobs.length - 0.4, -0.6], zeroline: false, showgrid: false, ...labels } } };
}
