// What it cost, what that stands on, and where it comes from.

function receipt(sweep) {
  const found = sweep.receipt;
  if (!found.jobs) return null;
  return section(
    'receipt',
    'Receipt',
    'What was kept, when it was seen to be let go, and what is known of its price today.',
    el(
      'div',
      { class: 'card', id: 'bill' },
      el('header', {}, el('h3', {}, 'Pools'), simulated(sweep)),
      openPools(found.open),
      pairs(sums(found)),
      poolsTable(found.pools),
      found.more ? el('p', { class: 'soft small' }, `... and ${found.more} more pools.`) : null,
    ),
    el(
      'div',
      { class: 'card', id: 'assumptions' },
      el('h3', {}, 'Assumptions'),
      el('ul', { class: 'plain' }, ...sweep.assumptions.map((line) => el('li', {}, text(line)))),
    ),
  );
}

function openPools(jobs) {
  if (!jobs.length) return null;
  return el(
    'p',
    { class: 'c-failed' },
    el('strong', {}, `${counted(jobs.length, 'pool')} may still bill: `),
    text(jobs.slice(0, 5).join(', ')),
    '. ',
    el('code', { class: 'mono' }, 'sweeper pools'),
  );
}

function sums({ billable, retained, usd, usd_per_hour: price, as_of: since }) {
  return [
    [
      'Billable seconds',
      billable === null ? 'unknown' : `${number(billable)} s of jobs, ${number(retained ?? 0)} s of idle pools`,
    ],
    ['Price', price === null ? 'unknown' : `$${number(price)} an hour${since ? `, of ${since}` : ''}`],
    ['Together', el('strong', {}, money(usd))],
  ];
}

function poolsTable(pools) {
  const head = [
    ['pool', true],
    ['first job'],
    ['jobs', true],
    ['from'],
    ['how it ended'],
    ['seen'],
    ['billable s', true],
    ['kept idle s', true],
    ['USD', true],
  ];
  return plainTable(
    head,
    pools.map((pool) => [
      pool.number,
      text(pool.first),
      pool.jobs,
      pool.from,
      pool.closed,
      pool.seen || 'not yet',
      pool.billable,
      pool.retained,
      pool.usd === null ? 'unknown' : money(pool.usd),
    ]),
    'Pools',
  );
}

function declaration(sweep) {
  return section(
    'about',
    'Where it comes from',
    '',
    el(
      'div',
      { class: 'card long' },
      pairs(sweep.facts),
      sweep.config
        ? el(
            'details',
            { id: 'config' },
            el('summary', {}, 'The whole configuration'),
            el('pre', { tabindex: 0, style: { maxHeight: '32rem' } }, sweep.config),
          )
        : null,
    ),
  );
}
