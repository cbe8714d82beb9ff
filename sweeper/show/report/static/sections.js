// The page from top to bottom. A section that has nothing to tell is not there.

function section(id, title, lede, ...cards) {
  const there = cards.flat().filter(Boolean);
  return there.length ? el('section', { id, 'aria-label': title }, el('h2', {}, title), lede ? el('p', { class: 'lede' }, lede) : null, el('div', { class: 'cards' }, ...there)) : null;
}

const trialLink = (sweep, row, words) => el('button', { type: 'button', class: 'open', onclick: () => openTrial(row) }, text(words ?? sweep.nameOf(row)));
const simulated = (sweep) => (sweep.simulated ? el('span', { class: 'pill sim', title: 'Made up by the local engine: nobody was billed' }, 'simulated') : null);

function overview(sweep) {
  return el('section', { id: 'overview', 'aria-label': 'Overview', style: { marginTop: '0' } },
    el('div', { class: 'hero' }, el('h1', {}, text(sweep.name)), simulated(sweep), sweep.running ? el('span', { class: 'pill live' }, 'running') : null),
    el('p', { class: 'summary' }, el('strong', {}, text(sweep.summary.slice(0, sweep.best ? 2 : 1).join(' '))), text(sweep.summary.slice(sweep.best ? 2 : 1).join(' '))),
    PLOTS ? null : el('p', { class: 'caption' }, 'This page has its numbers as tables. With plotly it has plots too: pip install "sweeper[report]", then ', el('code', { class: 'mono' }, `sweeper report ${sweep.name}`), '.'),
    el('dl', { class: 'tiles' }, ...sweep.tiles.map((tile) => el('div', { class: 'tile' }, el('dt', {}, text(tile.what)), el('dd', { class: 'much' }, text(tile.much)), el('dd', { class: 'note' }, text(tile.note))))),
    bestCard(sweep));
}

function bestCard(sweep) {
  if (!sweep.best) return null;
  const { row, ties, model, commands } = sweep.best;
  const values = sweep.parameters.map((one) => [one.label, shown(sweep.get(row, one.key))]);
  const seed = sweep.seeds ? [[sweep.seeds.label, shown(sweep.get(row, sweep.seeds.key))]] : [];
  const group = sweep.seeds && sweep.seeds.groups.find((one) => one.best);
  const luck = group && !group.rows.includes(row) ? `By the mean over ${sweep.seeds.label} ${group.label} is better: ${number(group.mean)} over ${group.n}; this one was lucky.` : '';
  return el('div', { class: 'card bestcard' }, el('header', {}, el('h3', {}, 'The best trial: ', trialLink(sweep, row)), el('span', { class: 'soft small' }, fileLinks(sweep, row))),
    pairs([[sweep.objective.metric, el('strong', {}, text(String(sweep.get(row, sweep.objective.column))), ties ? ` and ${counted(ties, 'other')} as good` : '')], ...values, ...seed, ['model', model ? el('span', { class: 'mono' }, text(model)) : 'it saved none']]),
    luck ? el('p', { class: 'small' }, text(luck)) : null, ...commands.map(([words, line]) => command(words, line)));
}

function results(sweep) {
  if (!sweep.objective) return null;
  return section('results', 'Results', '', progressCard(sweep), seedsCard(sweep), curvesCard(sweep));
}

function progressCard(sweep) {
  if (sweep.order.filter((row) => sweep.value(row) !== null).length < 2) return null;
  return figure({ id: 'best-so-far', title: 'Best so far', size: sweep.seeds ? 'half' : '', caption: 'Every trial as it ended, and the best result up to then. Trials without a value lie at the bottom.',
    legend: legendOf(sweep, [[{ glyph: '━', colour: 'best' }, 'best so far']]), plot: () => bestSoFar(sweep),
    numbers: () => ({ head: [['trial'], ['status'], [sweep.objective.metric, true]], rows: sweep.order.map((row) => [trialLink(sweep, row), statusOf(sweep, row), sweep.get(row, sweep.objective.column)]) }) });
}

function curvesCard(sweep) {
  const { curves } = sweep;
  if (!curves.of.length) return null;
  const state = { metric: curves.metrics[0], axis: curves.axes[0], log: false, colour: '' };
  const set = (name) => (value) => { state[name] = value; card.redraw(); };
  const axes = { number: 'number', seconds: 'seconds' };
  const drawn = new Set(curves.of.map((curve) => curve.row)).size;
  const card = figure({ id: 'curves', title: 'Learning curves',
    caption: () => [`${counted(drawn, 'trial')}${sweep.best ? ', the best one thick' : ''}; those that did not complete are dotted.`, curves.left_out ? `${curves.left_out[0].toUpperCase()}${curves.left_out.slice(1)}.` : ''].join(' ').trim(),
    controls: [choice('metric', curves.metrics.map((name) => [name, name]), state.metric, set('metric')), choice('over', curves.axes.map((name) => [name, axes[name] || name]), state.axis, set('axis')),
      choice('colour', [['', 'status'], ...sweep.parameters.map((one) => [one.key, one.label])], '', set('colour')), toggle('log', false, set('log'))],
    legend: legendOf(sweep), plot: () => learningCurves(sweep, state), numbers: () => curveNumbers(sweep, state.metric) });
  return card;
}

function curveNumbers(sweep, metric) {
  const rows = sweep.curves.of.filter((curve) => curve.metric === metric && curve.y.length).map((curve) => {
    const finite = curve.y.filter(Number.isFinite);
    return [trialLink(sweep, curve.row), statusOf(sweep, curve.row), curve.y.length, curve.y[0], finite.length ? Math.min(...finite) : null, finite.length ? Math.max(...finite) : null, curve.y.at(-1)];
  });
  return { head: [['trial'], ['status'], ['points', true], ['first', true], ['lowest', true], ['highest', true], ['last', true]], rows };
}

function seedsCard(sweep) {
  if (!sweep.seeds || !seedGroups(sweep).length) return null;
  const more = seedGroups(sweep).length - MOST_GROUPS;
  return figure({ id: 'seeds', title: `Mean over ${sweep.seeds.label}`, size: 'half',
    caption: `Trials that differ in ${sweep.seeds.label} alone, best mean first: mean and standard deviation, each run as a tick.${more > 0 ? ` The best ${MOST_GROUPS} of ${more + MOST_GROUPS}.` : ''}`,
    plot: (width) => seeds(sweep, width),
    numbers: () => ({ head: [['trials'], ['n', true], ['mean', true], ['deviation', true], ['lowest', true], ['highest', true]], rows: seedGroups(sweep).map((g) => [`${g.label}${g.best ? ' ★' : ''}`, g.n, g.mean, g.deviation, g.low, g.high]) }) });
}

function parameters(sweep) {
  if (!sweep.objective || !sweep.parameters.length || sweep.done().length < 2) return null;
  const seed = sweep.seeds ? ` ${sweep.seeds.label} counts repeats, and is none of them.` : '';
  return section('parameters', 'Parameters', `What the result depends on.${seed}`, importanceCard(sweep), heatCard(sweep), slicesCard(sweep), parallelCard(sweep));
}

function importanceCard(sweep) {
  const { words, shares } = sweep.importance;
  if (!shares.length) return null;
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  const two = heatPair(sweep);
  return figure({ id: 'importance', title: 'Importance', size: two ? 'half' : '', caption: words, plot: () => importances(sweep),
    numbers: () => ({ head: [['parameter'], [sweep.importance.method, true]], rows: shares.map(([key, share]) => [label[key] || key, share]) }) });
}

function slicesCard(sweep) {
  const left = sweep.parameters.length - MOST_SLICES;
  return figure({ id: 'slices', again: true, title: `${sweep.objective.metric} by parameter`, caption: left > 0 ? `The ${MOST_SLICES} most important of ${sweep.parameters.length} parameters.` : '', legend: legendOf(sweep), plot: (width) => slices(sweep, width),
    numbers: () => ({ head: [['trial'], ['status'], ...sweep.parameters.map((one) => [one.label, one.number]), [sweep.objective.metric, true]],
      rows: sweep.declared.map((row) => [trialLink(sweep, row), statusOf(sweep, row), ...sweep.parameters.map((one) => sweep.get(row, one.key)), sweep.get(row, sweep.objective.column)]) }) });
}

// The two parameters to begin with: the most important ones whose values are few, when their pairs are mostly there.
function heatPair(sweep) {
  const few = byImportance(sweep).filter((one) => { const n = new Set(sweep.declared.map((row) => shown(sweep.get(row, one.key)))).size; return n > 1 && n <= MOST_CELLS; });
  for (let a = 0; a < few.length; a += 1) for (let b = a + 1; b < few.length; b += 1) {
    const { cells } = heatCells(sweep, few[a].key, few[b].key);
    const all = cells.flat();
    if (all.filter((cell) => cell.statuses.size).length >= all.length / 2) return { few, left: few[a].key, right: few[b].key };
  }
  return null;
}

function heatCard(sweep) {
  const pair = heatPair(sweep);
  if (!pair) return null;
  const options = pair.few.map((one) => [one.key, one.label]);
  const set = (name) => (value) => { pair[name] = value; card.redraw(); };
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  const controls = options.length > 2 ? [choice('across', options, pair.left, set('left')), choice('up', options, pair.right, set('right'))] : [];
  const card = figure({ id: 'heat', title: 'Heat map', size: 'half', controls, caption: () => `Mean ${sweep.objective.metric} for each pair of ${label[pair.left]} and ${label[pair.right]}; where no trial completed, the mark of what became of it.`, plot: () => heatMap(sweep, pair.left, pair.right),
    numbers: () => {
      const { xs, ys, means } = heatCells(sweep, pair.left, pair.right);
      return { head: [[label[pair.right]], ...xs.map((x) => [`${label[pair.left]} ${shown(x)}`, true])], rows: ys.map((y, j) => [shown(y), ...means[j]]) };
    } });
  return card;
}

function parallelCard(sweep) {
  if (sweep.parameters.length < 2) return null;
  return figure({ id: 'parallel', again: true, title: 'Parallel coordinates', wide: true, caption: `Completed trials${sweep.done().length > MOST_LINES ? `, ${MOST_LINES} of ${sweep.done().length}: the best ones and an even sample of the others` : ''}. Draw along an axis to keep those in between; drag its name to move it.`, plot: () => parallel(sweep),
    numbers: () => ({ head: [['trial'], ...sweep.parameters.map((one) => [one.label, one.number]), [sweep.objective.metric, true]], rows: sweep.done().map((row) => [trialLink(sweep, row), ...sweep.parameters.map((one) => sweep.get(row, one.key)), sweep.result(row)]) }) });
}

function trials(sweep) {
  return section('trials', 'Trials', '', new TrialTable(sweep, openTrial).node);
}

function failures(sweep) {
  const { kinds, more } = sweep.failures;
  if (!kinds.length) return null;
  const failed = kinds.filter((one) => one.status === 'failed' || one.status === 'metric_missing');
  const ends = kinds.filter((one) => !failed.includes(one)).flatMap((one) => one.rows.map((row) => el('li', {}, el('span', { class: `status c-${one.status}` }, el('i', { 'aria-hidden': 'true' }, MARKS[one.status].glyph), one.status), ' ', trialLink(sweep, row), ': ', text(one.message))));
  const blocks = failed.map((one) => {
    const names = one.rows.slice(0, 8).flatMap((row, n) => [n ? ', ' : '', trialLink(sweep, row)]);
    return el('div', { class: 'failure' },
      el('h3', {}, el('span', { class: `c-${one.status}` }, `${MARKS[one.status].glyph} ${one.failure || one.status}`.replaceAll('_', ' ')), el('span', { class: 'soft small' }, `  ${counted(one.rows.length, 'trial')}`)),
      el('p', { class: 'small' }, ...names, one.rows.length > 8 ? ` and ${one.rows.length - 8} more` : ''),
      one.message ? el('p', {}, text(one.message)) : null,
      one.tail.length ? el('details', { open: failed.length <= 6 }, el('summary', {}, `Last lines of ${sweep.nameOf(one.rows[0])}`), el('pre', { tabindex: 0 }, one.tail.join('\n'))) : null);
  });
  const rest = more ? el('p', { class: 'soft small' }, `... and ${more} more kinds in results.csv.`) : null;
  return section('failures', 'Failures and early ends', '',
    blocks.length ? el('div', { class: 'card long' }, ...blocks, rest) : null,
    ends.length ? el('div', { class: 'card long', id: 'ends' }, el('h3', {}, 'Pruned, stopped, and what else there is to say'), el('ul', { class: 'plain ends' }, ...ends.slice(0, 100)), ends.length > 100 ? el('p', { class: 'soft small' }, `... and ${ends.length - 100} more in results.csv.`) : null) : null);
}

function time(sweep) {
  if (!sweep.jobs.length) return null;
  return section('time', 'Time and machines', '', phasesCard(sweep), timelineCard(sweep), coldsCard(sweep));
}

function phasesCard(sweep) {
  const total = Object.values(sweep.phases).reduce((sum, seconds) => sum + seconds, 0);
  if (!total) return null;
  const there = PHASES.filter((phase) => sweep.phases[phase]);
  const share = (phase) => `${(100 * sweep.phases[phase] / total).toFixed(1)} %`;
  return el('div', { class: 'card', id: 'phases' }, el('header', {}, el('h3', {}, 'Where the time went'), simulated(sweep)),
    el('p', { class: 'caption' }, 'Seconds of all jobs and of the pool that idled behind them, as SageMaker tells them.'),
    el('div', { class: 'stack', role: 'img', 'aria-label': there.map((phase) => `${phase} ${share(phase)}`).join(', ') }, ...there.map((phase) => el('div', { style: { flex: `${sweep.phases[phase]} 0 0`, background: `var(--phase-${phase})` }, title: `${PHASE_WORDS[phase]}: ${span(sweep.phases[phase])}, ${share(phase)}` }))),
    el('div', { class: 'legend' }, ...there.map((phase) => el('span', {}, el('i', { class: 'box', style: { background: `var(--phase-${phase})` } }), `${PHASE_WORDS[phase]}: ${span(sweep.phases[phase])}, ${share(phase)}`))));
}

function timelineCard(sweep) {
  const jobs = sweep.jobs.filter((job) => job.begun !== null);
  if (!jobs.length) return null;
  const over = (job) => job.begun + job.spans.filter(([name]) => name !== 'idle').reduce((last, [, at, lasts]) => Math.max(last, at + lasts), 0);
  const several = jobs.some((job, n) => n && job.begun < over(jobs[n - 1]) - 1);
  const seconds = (job, phase) => job.spans.filter(([name]) => name === phase).reduce((sum, [, , lasts]) => sum + lasts, 0) || null;
  const there = PHASES.filter((phase) => sweep.phases[phase]);
  const legend = el('div', { class: 'legend' }, ...there.map((phase) => el('span', {}, el('i', { class: 'box', style: { background: `var(--phase-${phase})` } }), PHASE_WORDS[phase])), el('span', {}, el('i', { class: 'c-completed' }, '✳'), 'started cold'), el('span', {}, el('i', {}, '◆'), 'its pool was seen closed'));
  return figure({ id: 'timeline', title: 'The chain', caption: `${counted(jobs.length, 'job')}, ${several ? 'several at a time' : 'one after another'}. Those that found the pool warm hardly wait for their machine.`, legend, plot: (width) => timeline(sweep, width), controls: [simulated(sweep)].filter(Boolean),
    numbers: () => ({ head: [['job'], ['attempt', true], ['pool'], ['began'], ...there.map((phase) => [`${phase} s`, true]), ['its pool']], rows: jobs.map((job) => [job.row === null ? job.label : trialLink(sweep, job.row, job.label), job.attempt, job.pool, clock(job.begun), ...there.map((phase) => seconds(job, phase)), job.closed]) }) });
}

function coldsCard(sweep) {
  if (!sweep.colds.length) return null;
  const list = sweep.colds.slice(0, 100).map((one) => el('li', {}, one.row === null ? text(one.label) : trialLink(sweep, one.row, one.label), ': ', text(one.why)));
  return el('div', { class: 'card', id: 'colds' }, el('h3', {}, 'Why jobs started cold'), el('p', { class: 'caption' }, 'Jobs that should have found a warm pool and did not.'), el('ul', { class: 'plain' }, ...list), sweep.colds.length > 100 ? el('p', { class: 'soft small' }, `... and ${sweep.colds.length - 100} more in results.csv.`) : null);
}

function receipt(sweep) {
  const found = sweep.receipt;
  if (!found.jobs) return null;
  const open = found.open.length ? el('p', { class: 'c-failed' }, el('strong', {}, `${counted(found.open.length, 'pool')} may still bill: `), text(found.open.slice(0, 5).join(', ')), '. ', el('code', { class: 'mono' }, 'sweeper pools')) : null;
  const rows = found.pools.map((pool) => [pool.number, text(pool.first), pool.jobs, pool.from, pool.closed, pool.seen || 'not yet', pool.billable, pool.retained, pool.usd === null ? 'unknown' : money(pool.usd)]);
  const head = [['pool', true], ['first job'], ['jobs', true], ['from'], ['how it ended'], ['seen'], ['billable s', true], ['kept idle s', true], ['USD', true]];
  const sum = [['Billable seconds', found.billable === null ? 'unknown' : `${number(found.billable)} s of jobs, ${number(found.retained ?? 0)} s of idle pools`], ['Price', found.usd_per_hour === null ? 'unknown' : `$${number(found.usd_per_hour)} an hour${found.as_of ? `, of ${found.as_of}` : ''}`], ['Together', el('strong', {}, money(found.usd))]];
  return section('receipt', 'Receipt', 'What was kept, when it was seen to be let go, and what is known of its price today.',
    el('div', { class: 'card', id: 'bill' }, el('header', {}, el('h3', {}, 'Pools'), simulated(sweep)), open, pairs(sum), plainTable(head, rows, 'Pools'), found.more ? el('p', { class: 'soft small' }, `... and ${found.more} more pools.`) : null),
    el('div', { class: 'card', id: 'assumptions' }, el('h3', {}, 'Assumptions'), el('ul', { class: 'plain' }, ...sweep.assumptions.map((line) => el('li', {}, text(line))))));
}

function declaration(sweep) {
  return section('about', 'Where it comes from', '', el('div', { class: 'card long' }, pairs(sweep.facts),
    sweep.config ? el('details', { id: 'config' }, el('summary', {}, 'The whole configuration'), el('pre', { tabindex: 0, style: { maxHeight: '32rem' } }, sweep.config)) : null));
}

// Everything about one trial, beside the page.
function openTrial(row) {
  const sweep = page.sweep, dialog = document.getElementById('trial');
  const id = sweep.get(row, 'trial'), word = sweep.get(row, 'index') ?? id;
  const skip = new Set(['name', 'status', 'message', 'cold_because', 'declared']);
  const jobs = sweep.jobs.filter((job) => job.row === row);
  const commands = sweep.status(row) === 'planned' ? [] : [['Run it again, exactly', `sweeper rerun ${sweep.name} ${word}`], ...(sweep.get(row, 'model') ? [['Get its model', `sweeper pull ${sweep.name} ${word}`]] : []), ['Read its log', `sweeper logs ${sweep.name} ${word}`]];
  dialog.replaceChildren(...[
    el('header', {}, el('div', {}, el('h2', { id: 'trial-name' }, text(sweep.nameOf(row))), statusOf(sweep, row), ' ', el('span', { class: 'small' }, fileLinks(sweep, row))), el('button', { type: 'button', onclick: () => dialog.close() }, 'Close')),
    sweep.get(row, 'message') ? el('p', {}, text(sweep.get(row, 'message'))) : null,
    sweep.get(row, 'cold_because') ? el('p', {}, 'Started cold: ', text(sweep.get(row, 'cold_because'))) : null,
    pairs(sweep.columns.filter((column) => !skip.has(column.key)).map((column) => { const value = sweep.get(row, column.key); return [column.label, typeof value === 'number' ? String(value) : shown(value)]; })),
    ...commands.map(([words, line]) => command(words, line)),
    jobs.length ? el('h3', { style: { marginTop: '1rem' } }, 'Attempts') : null,
    jobs.length ? plainTable([['attempt', true], ['status'], ['pool'], ['began'], ['seconds', true], ['its pool']], jobs.map((job) => [job.attempt, job.status, job.pool, clock(job.begun), job.spans.filter(([name]) => name !== 'idle').reduce((sum, [, , lasts]) => sum + lasts, 0), job.closed]), 'Attempts') : null].filter(Boolean));
  dialog.showModal();
  dialog.scrollTop = 0;
}
