// The page from top to bottom begins here. A section that has nothing to tell is not there.

function section(id, title, lede, ...cards) {
  const there = cards
    .flat()
    .filter(Boolean)
    .map((one) => one.card || one);
  return there.length
    ? el(
        'section',
        { id, 'aria-label': title },
        el('h2', {}, title),
        lede ? el('p', { class: 'lede' }, lede) : null,
        el('div', { class: 'cards' }, ...there),
      )
    : null;
}

const trialLink = (sweep, row, words) =>
  el('button', { type: 'button', class: 'open', onclick: () => openTrial(row) }, text(words ?? sweep.nameOf(row)));
const simulated = (sweep) =>
  sweep.simulated
    ? el('span', { class: 'pill sim', title: 'Made up by the local engine: nobody was billed' }, 'simulated')
    : null;

const moreOf = (left) => (left > 0 ? el('p', { class: 'soft small' }, `... and ${left} more in results.csv.`) : null);

function overview(sweep) {
  const lead = sweep.best || !sweep.completes() ? 2 : 1; // sentences that are told first: what it came to, or why to nothing
  return el(
    'section',
    { id: 'overview', 'aria-label': 'Overview', style: { marginTop: '0' } },
    el(
      'div',
      { class: 'hero' },
      el('h1', {}, text(sweep.name)),
      simulated(sweep),
      sweep.running ? el('span', { class: 'pill live' }, 'running') : null,
      ...sweep.tags.map((tag) => el('span', { class: 'pill' }, text(tag))),
    ),
    el(
      'p',
      { class: 'summary' },
      el('strong', {}, text(sweep.summary.slice(0, lead).join(' '))),
      text(sweep.summary.slice(lead).join(' ')),
    ),
    plots ? null : el('p', { class: 'caption' }, ...withoutPlots(sweep)),
    el(
      'dl',
      { class: 'tiles' },
      ...sweep.tiles.map((tile) =>
        el(
          'div',
          { class: 'tile' },
          el('dt', {}, text(tile.what)),
          el('dd', { class: 'much' }, text(tile.much)),
          el('dd', { class: 'note' }, text(tile.note)),
        ),
      ),
    ),
    bestCard(sweep),
    notesCard(sweep),
  );
}

function notesCard(sweep) {
  if (!sweep.notes.length) return null;
  const notes = sweep.notes.map(({ at, text: words }) => [clock(at), el('span', { class: 'words' }, text(words))]);
  return el(
    'div',
    { class: 'card', id: 'notes', style: { marginTop: '0.75rem' } },
    el('header', {}, el('h3', {}, 'Notes')),
    pairs(notes),
  );
}

// Why there are tables alone, and what to do about it.
function withoutPlots(sweep) {
  if (document.getElementById('plotly'))
    return [`This browser does not unpack the plots of this page: its numbers are here as tables. ${UNPACKING}.`];
  return [
    'This page has its numbers as tables. With plotly it has plots too: pip install "sweeper[report]", then ',
    el('code', { class: 'mono' }, `sweeper report ${sweep.name}`),
    '.',
  ];
}

function bestCard(sweep) {
  if (!sweep.best) return null;
  const { row, ties, model, commands } = sweep.best;
  const values = sweep.parameters.map((one) => [one.label, shown(sweep.get(row, one.key))]);
  const seed = sweep.seeds ? [[sweep.seeds.label, shown(sweep.get(row, sweep.seeds.key))]] : [];
  const group = sweep.seeds && sweep.seeds.groups.find((one) => one.best);
  const together = group ? `${groupValue(group)} (${sweep.seeds.over} of ${seedsOf(group)})` : null;
  return el(
    'div',
    { class: 'card bestcard' },
    el(
      'header',
      {},
      group
        ? el('h3', {}, 'The best: ', text(group.label), '; its best trial: ', trialLink(sweep, row))
        : el('h3', {}, 'The best trial: ', trialLink(sweep, row)),
      el('span', { class: 'soft small' }, fileLinks(sweep, row)),
    ),
    pairs([
      [
        `${sweep.objective.metric} over ${sweep.seeds ? sweep.seeds.label : ''}`,
        together && el('strong', {}, together),
      ],
      [
        group ? `${sweep.objective.metric} of that trial` : sweep.objective.metric,
        el(
          'strong',
          {},
          text(String(sweep.get(row, sweep.objective.column))),
          ties && !group ? ` and ${counted(ties, 'other')} as good` : '',
        ),
      ],
      ...values,
      ...seed,
      ['model', model ? el('span', { class: 'mono' }, text(model)) : 'it saved none'],
    ]),
    ...commands.map(([words, line]) => command(words, line)),
  );
}
