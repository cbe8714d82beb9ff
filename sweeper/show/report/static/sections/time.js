// Where the time went.

function time(sweep) {
  if (!sweep.jobs.length) return null;
  return section('time', 'Time and machines', '', phasesCard(sweep), timelineCard(sweep), coldsCard(sweep));
}

function phasesCard(sweep) {
  const total = Object.values(sweep.phases).reduce((sum, seconds) => sum + seconds, 0);
  if (!total) return null;
  const there = PHASES.filter((phase) => sweep.phases[phase]);
  const share = (phase) => `${((100 * sweep.phases[phase]) / total).toFixed(1)} %`;
  return el(
    'div',
    { class: 'card', id: 'phases' },
    el('header', {}, el('h3', {}, 'Where the time went'), simulated(sweep)),
    el(
      'p',
      { class: 'caption' },
      'Seconds of all jobs and of the pool that idled behind them, as SageMaker tells them.',
    ),
    el(
      'div',
      { class: 'stack', role: 'img', 'aria-label': there.map((phase) => `${phase} ${share(phase)}`).join(', ') },
      ...there.map((phase) =>
        el('div', {
          style: { flex: `${(1000 * sweep.phases[phase]) / total} 0 0`, background: `var(--phase-${phase})` },
          title: `${PHASE_WORDS[phase]}: ${span(sweep.phases[phase])}, ${share(phase)}`,
        }),
      ),
    ),
    el(
      'div',
      { class: 'legend' },
      ...there.map((phase) =>
        el(
          'span',
          {},
          el('i', { class: 'box', style: { background: `var(--phase-${phase})` } }),
          `${PHASE_WORDS[phase]}: ${span(sweep.phases[phase])}, ${share(phase)}`,
        ),
      ),
    ),
  );
}

function timelineCard(sweep) {
  const jobs = sweep.jobs.filter((job) => job.begun !== null);
  if (!jobs.length) return null;
  const over = (job) =>
    job.begun +
    job.spans.filter(([name]) => name !== 'idle').reduce((last, [, at, lasts]) => Math.max(last, at + lasts), 0);
  const together = jobs.some((job, n) => n && job.begun < over(jobs[n - 1]) - 1);
  const order = jobs.length < 2 ? '' : together ? ', several at a time' : ', one after another';
  const warm = jobs.some((job) => job.pool === 'reused');
  const seconds = (job, phase) =>
    job.spans.filter(([name]) => name === phase).reduce((sum, [, , lasts]) => sum + lasts, 0) || null;
  const there = PHASES.filter((phase) => sweep.phases[phase]);
  const legend = el(
    'div',
    { class: 'legend' },
    ...there.map((phase) =>
      el('span', {}, el('i', { class: 'box', style: { background: `var(--phase-${phase})` } }), PHASE_WORDS[phase]),
    ),
    el('span', {}, el('i', { class: 'c-completed' }, '✳'), 'started cold'),
    el('span', {}, el('i', {}, '◆'), 'its pool was seen closed'),
  );
  return figure({
    id: 'timeline',
    title: 'The chain',
    caption: `${counted(jobs.length, 'job')}${order}.${warm ? ' Those that found the pool warm hardly wait for their machine.' : ''}`,
    legend,
    plot: (width) => timeline(sweep, width),
    controls: [simulated(sweep)].filter(Boolean),
    numbers: () => ({
      head: [
        ['job'],
        ['attempt', true],
        ['pool'],
        ['began'],
        ...there.map((phase) => [`${phase} s`, true]),
        ['its pool'],
      ],
      rows: jobs.map((job) => [
        job.row === null ? job.label : trialLink(sweep, job.row, job.label),
        job.attempt,
        job.pool,
        clock(job.begun),
        ...there.map((phase) => seconds(job, phase)),
        job.closed,
      ]),
    }),
  });
}

function coldsCard(sweep) {
  if (!sweep.colds.length) return null;
  const list = sweep.colds
    .slice(0, 100)
    .map((one) =>
      el('li', {}, one.row === null ? text(one.label) : trialLink(sweep, one.row, one.label), ': ', text(one.why)),
    );
  return el(
    'div',
    { class: 'card', id: 'colds' },
    el('h3', {}, 'Why jobs started cold'),
    el('p', { class: 'caption' }, 'Jobs that should have found a warm pool and did not.'),
    el('ul', { class: 'plain' }, ...list),
    moreOf(sweep.colds.length - 100),
  );
}
