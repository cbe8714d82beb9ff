// The data of the page, and questions to it.

const decoded = (value) => (value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : value);

const MARKS = {
  completed: { glyph: '●', symbol: 'circle', colour: 'accent' },
  best: { glyph: '★', symbol: 'star', colour: 'best' },
  pruned: { glyph: '▽', symbol: 'triangle-down-open', colour: 'odd' },
  stopped: { glyph: '◻', symbol: 'square-open', colour: 'odd' },
  failed: { glyph: '✕', symbol: 'x-thin-open', colour: 'bad' },
  metric_missing: { glyph: '◇', symbol: 'diamond-open', colour: 'bad' },
  running: { glyph: '◐', symbol: 'circle-open', colour: 'good' },
  interrupted: { glyph: '◌', symbol: 'circle-open-dot', colour: 'soft' },
  planned: { glyph: '·', symbol: 'circle-open', colour: 'soft' },
};

class Sweep {
  constructor(data) {
    Object.assign(this, data);
    this.size = (data.rows.trial || []).length;
    for (const column of data.columns) {
      if (column.kind !== 'text' && column.kind !== 'word') this.rows[column.key] = this.rows[column.key].map(decoded);
    }
    for (const curve of data.curves.of) curve.y = curve.y.map(decoded);
    for (const group of data.seeds ? data.seeds.groups : [])
      for (const key of ['mean', 'value', 'low', 'high']) group[key] = decoded(group[key]);
    this.all = Array.from({ length: this.size }, (_, row) => row);
    this.declared = this.all.filter((row) => this.get(row, 'declared') !== false);
  }

  get(row, key) {
    return this.rows[key] ? this.rows[key][row] : null;
  }
  nameOf(row) {
    return this.get(row, 'name');
  }
  status(row) {
    return this.get(row, 'status');
  }
  isBest(row) {
    return this.best !== null && this.best.row === row;
  }
  mark(row) {
    return MARKS[this.isBest(row) ? 'best' : this.status(row)] || MARKS.planned;
  }

  // The objective, where it counts: of completed trials.
  result(row) {
    if (!this.objective || !['completed', 'running'].includes(this.status(row))) return null;
    return this.value(row);
  }

  // The objective's last value, whatever became of the trial.
  value(row) {
    const found = this.objective ? this.get(row, this.objective.column) : null;
    return typeof found === 'number' && Number.isFinite(found) ? found : null;
  }

  better(a, b) {
    return this.objective.goal === 'maximize' ? a > b : a < b;
  }

  done() {
    return this.declared.filter((row) => this.result(row) !== null);
  }

  completes() {
    return this.declared.some((row) => this.status(row) === 'completed');
  }

  statuses() {
    return Object.keys(MARKS).filter((status) => this.declared.some((row) => this.status(row) === status));
  }
}

function statusOf(sweep, row) {
  const status = sweep.status(row);
  const best = sweep.isBest(row);
  return el(
    'span',
    { class: `status c-${best ? 'best' : status}` },
    el('i', { 'aria-hidden': 'true' }, sweep.mark(row).glyph),
    best ? 'best' : status.replace('_', ' '),
  );
}
