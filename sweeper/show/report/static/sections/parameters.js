// What it depends on.

function parameters(sweep) {
  if (!sweep.objective || !sweep.parameters.length || sweep.done().length < 2) return null;
  const seed = sweep.seeds ? ` ${sweep.seeds.label} counts repeats, and is none of them.` : '';
  return section(
    'parameters',
    'Parameters',
    `What the result depends on.${seed}`,
    importanceCard(sweep),
    heatCard(sweep),
    slicesCard(sweep),
    parallelCard(sweep),
  );
}

function importanceCard(sweep) {
  const { words, shares } = sweep.importance;
  if (!shares.length) return null;
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  const two = heatPair(sweep);
  return figure({
    id: 'importance',
    title: 'Importance',
    size: two ? 'half' : '',
    caption: words,
    plot: () => importances(sweep),
    numbers: () => ({
      head: [['parameter'], [sweep.importance.method, true]],
      rows: shares.map(([key, share]) => [label[key] || key, share]),
    }),
  });
}

function slicesCard(sweep) {
  const left = sweep.parameters.length - MOST_SLICES;
  return figure({
    id: 'slices',
    again: true,
    title: `${sweep.objective.metric} by parameter`,
    caption: left > 0 ? `The ${MOST_SLICES} most important of ${sweep.parameters.length} parameters.` : '',
    legend: legendOf(sweep),
    plot: (width) => slices(sweep, width),
    numbers: () => ({
      head: [
        ['trial'],
        ['status'],
        ...sweep.parameters.map((one) => [one.label, one.number]),
        [sweep.objective.metric, true],
      ],
      rows: sweep.declared.map((row) => [
        trialLink(sweep, row),
        statusOf(sweep, row),
        ...sweep.parameters.map((one) => sweep.get(row, one.key)),
        sweep.get(row, sweep.objective.column),
      ]),
    }),
  });
}

// The two parameters to begin with: the most important ones whose values are few, when their pairs are mostly there.
function heatPair(sweep) {
  const few = byImportance(sweep).filter((one) => {
    const n = new Set(sweep.declared.map((row) => shown(sweep.get(row, one.key)))).size;
    return n > 1 && n <= MOST_CELLS;
  });
  for (let a = 0; a < few.length; a += 1)
    for (let b = a + 1; b < few.length; b += 1) {
      const { cells } = heatCells(sweep, few[a].key, few[b].key);
      const all = cells.flat();
      if (all.filter((cell) => cell.statuses.size).length >= all.length / 2)
        return { few, left: few[a].key, right: few[b].key };
    }
  return null;
}

function heatCard(sweep) {
  const pair = heatPair(sweep);
  if (!pair) return null;
  const options = pair.few.map((one) => [one.key, one.label]);
  const chosen = keeping('heat', {});
  for (const [name, key] of Object.entries(chosen)) if (pair.few.some((one) => one.key === key)) pair[name] = key;
  const set = (name) => (value) => {
    pair[name] = chosen[name] = value;
    card.draw();
  };
  const label = Object.fromEntries(sweep.parameters.map((one) => [one.key, one.label]));
  const controls =
    options.length > 2
      ? [choice('across', options, pair.left, set('left')), choice('up', options, pair.right, set('right'))]
      : [];
  const card = figure({
    id: 'heat',
    title: 'Heat map',
    size: 'half',
    controls,
    caption: () =>
      `Mean ${sweep.objective.metric} for each pair of ${label[pair.left]} and ${label[pair.right]}; where no trial completed, the mark of what became of it.`,
    plot: () => heatMap(sweep, pair.left, pair.right),
    numbers: () => {
      const { xs, ys, means } = heatCells(sweep, pair.left, pair.right);
      return {
        head: [[label[pair.right]], ...xs.map((x) => [`${label[pair.left]} ${shown(x)}`, true])],
        rows: ys.map((y, j) => [shown(y), ...means[j]]),
      };
    },
  });
  return card;
}

function parallelCard(sweep) {
  if (sweep.parameters.length < 2) return null;
  return figure({
    id: 'parallel',
    again: true,
    title: 'Parallel coordinates',
    wide: true,
    caption: `Completed trials${sweep.done().length > MOST_LINES ? `, ${MOST_LINES} of ${sweep.done().length}: the best ones and an even sample of the others` : ''}. Draw along an axis to keep those in between; drag its name to move it.`,
    plot: () => parallel(sweep),
    numbers: () => ({
      head: [['trial'], ...sweep.parameters.map((one) => [one.label, one.number]), [sweep.objective.metric, true]],
      rows: sweep
        .done()
        .map((row) => [
          trialLink(sweep, row),
          ...sweep.parameters.map((one) => sweep.get(row, one.key)),
          sweep.result(row),
        ]),
    }),
  });
}
