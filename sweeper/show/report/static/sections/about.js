// What it cost, what that stands on, and where it comes from.

function receipt(sweep) {
  const found = sweep.receipt;
  if (!found.jobs) return null;
  return section(
    'receipt',
    'Receipt',
    'What it cost, what the pool saved, and when everything was seen to be let go.',
    el(
      'div',
      { class: 'card', id: 'bill' },
      el('header', {}, el('h3', {}, 'What it cost'), simulated(sweep)),
      openPools(found.open, sweep.running),
      pairs(sums(found)),
      found.saved ? el('p', {}, text(`${found.lines[1][0].toUpperCase()}${found.lines[1].slice(1)}.`)) : null,
      found.ways.length ? waysTable(found.ways) : null,
    ),
    el(
      'div',
      { class: 'card', id: 'pools' },
      el('header', {}, el('h3', {}, 'Machines'), simulated(sweep)),
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

function openPools(jobs, running) {
  if (!jobs.length) return null;
  if (running) return el('p', { class: 'soft' }, `${counted(jobs.length, 'pool')} in use until the run is over.`);
  return el(
    'p',
    { class: 'c-failed' },
    el('strong', {}, `${counted(jobs.length, 'pool')} may still bill: `),
    text(jobs.slice(0, 5).join(', ')),
    '. ',
    el('code', { class: 'mono' }, 'sweeper pools'),
  );
}

function sums(found) {
  const { billable_s: billable, idle_s: idle, usd, idle_usd, usd_per_hour: price, as_of: since, provisional } = found;
  const kept = idle_usd === null ? '' : ` (${money(idle_usd)})`;
  return [
    [
      'Billable seconds',
      billable === null ? 'unknown' : `${number(billable)} s of jobs, ${number(idle ?? 0)} s of idle pools${kept}`,
    ],
    ['Price', price === null ? 'unknown' : `$${number(price)} an hour${since ? `, of ${since}` : ''}`],
    [
      'Together',
      el('strong', {}, `${usd === null ? 'unknown' : money(usd)}${provisional.length ? ', provisional' : ''}`),
    ],
  ];
}

// As it ran, and the same jobs on other machines: times of all of them together, and on the wall.
function waysTable(ways) {
  const head = [
    ['way'],
    ['at once', true],
    ['start', true],
    ['run', true],
    ['idle', true],
    ['wait', true],
    ['ends in', true],
    ['USD', true],
    ['what to know'],
  ];
  return plainTable(
    head,
    ways.map((way, i) => [
      i ? way.backend : `${way.backend}, as it ran`,
      way.at_once,
      span(way.start_s),
      span(way.run_s),
      span(way.idle_s),
      span(way.wait_s),
      span(way.wall_s),
      way.usd === null ? 'unknown' : money(way.usd),
      text(way.reasons.join('; ')),
    ]),
    'What other ways would have cost',
  );
}

function poolsTable(pools) {
  const head = [
    ['#', true],
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
    'Machines',
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
