// The trials, what failed, and everything about one of them.

function trials(sweep) {
  return section('trials', 'Trials', '', new TrialTable(sweep, openTrial).node);
}

function failures(sweep) {
  const { kinds, more } = sweep.failures;
  const failed = kinds.filter((one) => one.status === 'failed' || one.status === 'metric_missing');
  const ends = kinds
    .filter((one) => !failed.includes(one))
    .flatMap((one) => one.rows.map((row) => endLine(sweep, one, row)));
  const rest = more ? el('p', { class: 'soft small' }, `... and ${more} more kinds in results.csv.`) : null;
  return section(
    'failures',
    'Failures and early ends',
    '',
    failed.length
      ? el('div', { class: 'card long' }, ...failed.map((one) => failureBlock(sweep, one, failed.length <= 6)), rest)
      : null,
    ends.length
      ? el(
          'div',
          { class: 'card long', id: 'ends' },
          el('h3', {}, 'Pruned, stopped, and what else there is to say'),
          el('ul', { class: 'plain ends' }, ...ends.slice(0, 100)),
          moreOf(ends.length - 100),
        )
      : null,
  );
}

function failureBlock(sweep, { status, failure, message, rows, tail }, open) {
  const names = rows.slice(0, 8).flatMap((row, n) => [n ? ', ' : '', trialLink(sweep, row)]);
  return el(
    'div',
    { class: 'failure' },
    el(
      'h3',
      {},
      el('span', { class: `c-${status}` }, `${MARKS[status].glyph} ${failure || status}`.replaceAll('_', ' ')),
      el('span', { class: 'soft small' }, `  ${counted(rows.length, 'trial')}`),
    ),
    el('p', { class: 'small' }, ...names, rows.length > 8 ? ` and ${rows.length - 8} more` : ''),
    message ? el('p', {}, text(message)) : null,
    tail.length
      ? el(
          'details',
          { open },
          el('summary', {}, `Last lines of ${sweep.nameOf(rows[0])}`),
          el('pre', { tabindex: 0 }, tail.join('\n')),
        )
      : null,
  );
}

function endLine(sweep, { status, message }, row) {
  const mark = el('i', { 'aria-hidden': 'true' }, MARKS[status].glyph);
  return el(
    'li',
    {},
    el('span', { class: `status c-${status}` }, mark, status),
    ' ',
    trialLink(sweep, row),
    ': ',
    text(message),
  );
}

const SAID_APART = new Set(['name', 'status', 'message', 'cold_because', 'declared']);

// Everything about one trial, beside the page.
function openTrial(row) {
  const { sweep } = page,
    dialog = document.getElementById('trial');
  const value = (key) => sweep.get(row, key);
  const whole = (key) => (typeof value(key) === 'number' ? String(value(key)) : shown(value(key)));
  const close = el('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
  dialog.replaceChildren(
    ...[
      el(
        'header',
        {},
        el(
          'div',
          {},
          el('h2', { id: 'trial-name' }, text(sweep.nameOf(row))),
          statusOf(sweep, row),
          ' ',
          el('span', { class: 'small' }, fileLinks(sweep, row)),
        ),
        close,
      ),
      value('message') ? el('p', {}, text(value('message'))) : null,
      value('cold_because') ? el('p', {}, 'Started cold: ', text(value('cold_because'))) : null,
      pairs(sweep.columns.filter(({ key }) => !SAID_APART.has(key)).map(({ key, label }) => [label, whole(key)])),
      ...commandsFor(sweep, row),
      ...attemptsOf(sweep, row),
    ].filter(Boolean),
  );
  dialog.showModal();
  dialog.scrollTop = 0;
}

function commandsFor(sweep, row) {
  if (sweep.status(row) === 'planned') return [];
  const which = `${sweep.name} ${sweep.get(row, 'index') ?? sweep.get(row, 'trial')}`;
  return [
    command('Run it again, exactly', `sweeper rerun ${which}`),
    sweep.get(row, 'model') ? command('Get its model', `sweeper pull ${which}`) : null,
    command('Read its log', `sweeper logs ${which}`),
  ];
}

function attemptsOf(sweep, row) {
  const jobs = sweep.jobs.filter((job) => job.row === row);
  if (!jobs.length) return [];
  const seconds = (job) => job.spans.filter(([name]) => name !== 'idle').reduce((sum, [, , lasts]) => sum + lasts, 0);
  const head = [['attempt', true], ['status'], ['pool'], ['began'], ['seconds', true], ['its pool']];
  return [
    el('h3', { style: { marginTop: '1rem' } }, 'Attempts'),
    plainTable(
      head,
      jobs.map((job) => [job.attempt, job.status, job.pool, clock(job.begun), seconds(job), job.closed]),
      'Attempts',
    ),
  ];
}
