// The chain: every job with its phases.

const PHASES = ['start', 'download', 'train', 'upload', 'interrupted', 'stop', 'other', 'running', 'idle'];
const PHASE_WORDS = {
  start: 'waits for its machine',
  download: 'downloads',
  train: 'trains',
  upload: 'uploads',
  interrupted: 'interrupted',
  stop: 'stops',
  other: 'other',
  running: 'runs',
  idle: 'the pool idles',
};

const MOST_BARS = 150; // jobs that get a row and bars of their own
const LABELLED = 60;

function unitOf(seconds) {
  return seconds > 7200 ? [3600, 'hours'] : seconds > 180 ? [60, 'minutes'] : [1, 'seconds'];
}

const PAUSE = 60; // seconds

const endOf = (job) => job.begun + Math.max(0, ...job.spans.map(([, at, lasts]) => at + lasts));

// Where each job begins on the axis, in seconds. A sweep that was gone on with days later would be all pause: long
// ones are cut out, and marked.
function placed(jobs) {
  const busy = jobs.reduce((sum, job) => sum + endOf(job) - job.begun, 0),
    seam = busy / 60;
  const cuts = [];
  let shift = jobs[0].begun,
    until = jobs[0].begun;
  const begins = jobs.map((job) => {
    const pause = job.begun - until;
    if (pause > Math.max(PAUSE, busy / 4)) {
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
  const rows = jobs.map((job, y) => ({
    job,
    y,
    from: begins[y] / unit,
    to: (begins[y] + endOf(job) - job.begun) / unit,
  }));
  const phases = PHASES.map((phase) => (many ? phaseLines : phaseBars)(phase, piecesOf(rows, phase, unit))).filter(
    (trace) => trace.x.length,
  );
  return { data: [...phases, ...marksOfChain(rows, many)], layout: layoutOfChain(jobs, cuts, unit, word, width) };
}

function piecesOf(rows, phase, unit) {
  return rows.flatMap(({ job, y, from }) =>
    job.spans
      .filter(([name]) => name === phase)
      .map(([, at, seconds]) => ({ job, y, from: from + at / unit, lasts: seconds / unit, seconds })),
  );
}

function phaseBars(phase, pieces) {
  const idle = { shape: '/', size: 5, solidity: 0.35, fgcolor: variable('soft'), bgcolor: variable('phase-idle') };
  return {
    type: 'bar',
    orientation: 'h',
    name: phase,
    meta: phase,
    width: 0.72,
    y: pieces.map((p) => p.y),
    x: pieces.map((p) => p.lasts),
    base: pieces.map((p) => p.from),
    customdata: pieces.map((p) => p.job.row),
    text: pieces.map(({ job, seconds }) => `${jobWords(job)}<br>${PHASE_WORDS[phase]} for ${span(seconds)}`),
    textposition: 'none',
    hovertemplate: '%{text}<extra></extra>',
    marker: { color: variable(`phase-${phase}`), line: { width: 0 }, ...(phase === 'idle' ? { pattern: idle } : {}) },
  };
}

// The same for thousands of jobs, which WebGL moves with ease.
function phaseLines(phase, pieces) {
  return {
    type: 'scattergl',
    mode: 'lines',
    name: phase,
    meta: phase,
    hoverinfo: 'skip',
    line: { color: variable(`phase-${phase}`), width: 3 },
    x: pieces.flatMap((p) => [p.from, p.from + p.lasts, null]),
    y: pieces.flatMap((p) => [p.y, p.y, null]),
  };
}

function jobWords(job) {
  const pool = { none: 'never ran', cold: 'started cold', reused: 'found a warm pool' }[job.pool];
  return `<b>${short(job.label, 60)}</b>${job.attempt > 1 ? `, attempt ${job.attempt}` : ''}<br>${pool}`;
}

// What started cold, and where a pool was seen closed.
function marksOfChain(rows, many) {
  const marks = (name, found, x, words, marker) => ({
    type: many ? 'scattergl' : 'scatter',
    mode: 'markers',
    name,
    meta: name,
    x: found.map(x),
    y: found.map(({ y }) => y),
    customdata: found.map(({ job }) => job.row),
    text: found.map(({ job }) => `${jobWords(job)}${words(job)}`),
    hovertemplate: '%{text}<extra></extra>',
    marker,
  });
  const ends = rows.filter(({ job }) => job.closed !== 'taken over by the next job of this sweep' && job.seen !== null);
  const cold = rows.filter(({ job }) => job.pool === 'cold');
  return [
    marks(
      'closed',
      ends,
      ({ to }) => to,
      (job) => `<br>its pool: ${plain(job.closed)}<br>seen ${clock(job.seen)}`,
      { symbol: 'diamond-tall', size: 9, color: variable('ink') },
    ),
    marks(
      'cold',
      cold,
      ({ from }) => from,
      () => '',
      { symbol: 'asterisk-open', size: 10, color: variable('accent'), line: { width: 1.5 } },
    ),
  ];
}

function layoutOfChain(jobs, cuts, unit, word, width) {
  const soft = variable('soft');
  const called = (job) => short(job.attempt > 1 ? `${job.label} (${job.attempt})` : job.label, width < 600 ? 14 : 30);
  const labels =
    jobs.length <= LABELLED
      ? { tickmode: 'array', tickvals: jobs.map((_, n) => n), ticktext: jobs.map(called) }
      : { title: 'jobs in order' };
  return {
    barmode: 'overlay',
    margin: { l: 56, r: 16, t: cuts.length ? 26 : 8, b: 44 },
    height: Math.max(220, Math.min(900, 80 + 19 * Math.min(jobs.length, 45))),
    shapes: cuts.map(({ at }) => ({
      type: 'line',
      x0: at / unit,
      x1: at / unit,
      y0: 0,
      y1: 1,
      yref: 'paper',
      line: { color: soft, width: 1, dash: 'dot' },
    })),
    annotations: cuts.map(({ at, pause }) => ({
      x: at / unit,
      y: 1,
      yref: 'paper',
      yanchor: 'bottom',
      text: `${span(pause)} later`,
      showarrow: false,
      font: { color: soft, size: 11 },
    })),
    xaxis: {
      title: `${word} since ${clock(jobs[0].begun)}${cuts.length ? ', long pauses cut out' : ''}`,
      side: 'bottom',
      rangemode: 'tozero',
    },
    yaxis: { range: [jobs.length - 0.4, -0.6], zeroline: false, showgrid: false, ...labels },
  };
}
