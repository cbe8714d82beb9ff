// The table of trials: sorted by a heading, filtered by words, comparisons (lr>0.01) and status, a page at a time.

const PAGE = 50;
const COMPARISON = /^([^<>=!\s]+?)(<=|>=|!=|=|<|>)(\S+)$/;
const COMPARE = {
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

class TrialTable {
  constructor(sweep, open) {
    const first = { query: '', statuses: new Set(), gone: false, limit: PAGE, sort: { key: 'index', down: false } };
    const last = keeping('table', { table: null });
    const { query, statuses, gone, limit, sort } = last.table || first;
    Object.assign(this, { sweep, open, query, statuses, gone, limit, sort });
    const named = sweep.all.some((row) => !String(sweep.nameOf(row)).includes('='));
    const before = (key) => last.table?.sweep.columns.some((c) => c.key === key); // then a person may have chosen
    const shows = (c) => (before(c.key) ? last.table.visible.has(c.key) : c.shown && (c.key !== 'name' || named));
    this.visible = new Set(sweep.columns.filter(shows).map((c) => c.key));
    last.table = this;
    this.body = el('tbody');
    this.head = el('tr');
    this.told = el('div', { class: 'more', 'aria-live': 'polite' });
    this.node = el(
      'div',
      { class: 'card', id: 'table' },
      this.tools(),
      el(
        'div',
        { class: 'tablebox', tabindex: 0, role: 'region', 'aria-label': 'Trials' },
        el('table', {}, el('thead', {}, this.head), this.body),
      ),
      this.told,
    );
    this.draw();
  }

  tools() {
    const search = el('input', {
      type: 'search',
      id: 'filter',
      placeholder: 'Filter: words, or lr>0.01 status=failed',
      'aria-label': 'Filter the trials',
      value: this.query,
      oninput: () => {
        this.query = search.value;
        this.limit = PAGE;
        this.draw();
      },
    });
    const chips = this.sweep.statuses().map((status) =>
      toggle(`${MARKS[status].glyph} ${status.replace('_', ' ')}`, this.statuses.has(status), (on) => {
        this.statuses[on ? 'add' : 'delete'](status);
        this.draw();
      }),
    );
    if (this.sweep.declared.length < this.sweep.size)
      chips.push(
        toggle('not declared any more', this.gone, (on) => {
          this.gone = on;
          this.draw();
        }),
      );
    const menu = el(
      'details',
      { class: 'menu' },
      el('summary', {}, 'Columns'),
      el(
        'div',
        {},
        ...this.sweep.columns.map((column) => {
          const box = el('input', {
            type: 'checkbox',
            checked: this.visible.has(column.key),
            onchange: () => {
              this.visible[box.checked ? 'add' : 'delete'](column.key);
              this.draw();
            },
          });
          return el('label', {}, box, ' ', text(column.label));
        }),
      ),
    );
    menu.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        menu.open = false;
        menu.querySelector('summary').focus();
      }
    });
    return el('div', { class: 'tools' }, search, el('div', { class: 'chips' }, ...chips), menu);
  }

  columns() {
    return this.sweep.columns.filter((column) => this.visible.has(column.key));
  }

  found() {
    const tests = this.query
      .trim()
      .split(/\s+/)
      .filter(Boolean)
      .map((word) => this.test(word));
    const rows = (this.gone ? this.sweep.all : this.sweep.declared).filter(
      (row) => (!this.statuses.size || this.statuses.has(this.sweep.status(row))) && tests.every((holds) => holds(row)),
    );
    const { key, down } = this.sort;
    const order = (a, b) => {
      const x = this.sweep.get(a, key),
        y = this.sweep.get(b, key);
      const empty = (v) => v === null || v === undefined || Number.isNaN(v);
      if (empty(x) || empty(y)) return empty(x) - empty(y) || a - b; // what is not known is last either way
      const less =
        typeof x === 'number' && typeof y === 'number'
          ? x - y
          : shown(x).localeCompare(shown(y), undefined, { numeric: true });
      return (down ? -less : less) || a - b;
    };
    return rows.sort(order);
  }

  test(word) {
    const parts = COMPARISON.exec(word);
    const column =
      parts && this.sweep.columns.find((c) => [c.label, c.key, c.label.replaceAll(' ', '_')].includes(parts[1]));
    if (column) {
      const [, , how, wanted] = parts;
      return (row) => {
        const value = this.sweep.get(row, column.key);
        if (value === null || value === undefined) return how === '!=';
        const numeric = typeof value === 'number' && wanted !== '' && !Number.isNaN(Number(wanted));
        return COMPARE[how](
          numeric ? value : shown(value).toLowerCase(),
          numeric ? Number(wanted) : wanted.toLowerCase(),
        );
      };
    }
    const wanted = word.toLowerCase();
    return (row) => this.sweep.columns.some((c) => shown(this.sweep.get(row, c.key)).toLowerCase().includes(wanted));
  }

  draw() {
    const rows = this.found();
    this.head.replaceChildren(...this.columns().map((column) => this.heading(column)), el('th', {}, 'files'));
    this.body.replaceChildren(...rows.slice(0, this.limit).map((row) => this.row(row)));
    const left = rows.length - this.limit;
    const more =
      left > 0
        ? [
            el(
              'button',
              {
                type: 'button',
                onclick: () => {
                  this.limit += PAGE;
                  this.draw();
                },
              },
              `${Math.min(PAGE, left)} more`,
            ),
            el(
              'button',
              {
                type: 'button',
                onclick: () => {
                  this.limit = rows.length;
                  this.draw();
                },
              },
              `all ${rows.length}`,
            ),
          ]
        : [];
    this.told.replaceChildren(
      `${Math.min(this.limit, rows.length)} of ${counted(rows.length, 'trial')} shown`,
      ...more,
    );
  }

  heading(column) {
    const sorted = this.sort.key === column.key;
    return el(
      'th',
      {
        scope: 'col',
        class: column.kind === 'text' || column.kind === 'word' ? null : 'number',
        'data-key': column.key,
        'aria-sort': sorted ? (this.sort.down ? 'descending' : 'ascending') : null,
      },
      el(
        'button',
        {
          type: 'button',
          onclick: () => {
            this.sort = { key: column.key, down: sorted && !this.sort.down };
            this.draw();
            this.head.querySelector(`[data-key="${CSS.escape(column.key)}"] button`).focus();
          },
        },
        text(column.label),
      ),
    );
  }

  row(row) {
    const { sweep } = this;
    const classes = [sweep.isBest(row) ? 'best' : '', sweep.get(row, 'declared') === false ? 'gone' : '']
      .join(' ')
      .trim();
    return el(
      'tr',
      { class: classes || null, 'data-row': row },
      ...this.columns().map((column, n) => this.cell(row, column, n === 0)),
      el('td', {}, fileLinks(sweep, row)),
    );
  }

  cell(row, column, first) {
    const value = this.sweep.get(row, column.key);
    const numeric = column.kind !== 'text' && column.kind !== 'word';
    const options = {
      class: numeric ? 'number' : column.kind === 'word' ? 'word' : null,
      title: typeof value === 'number' && number(value) !== String(value) ? String(value) : null,
    };
    if (column.key === 'status') return el('td', options, statusOf(this.sweep, row));
    if (first)
      return el(
        'td',
        options,
        el(
          'button',
          {
            type: 'button',
            class: 'open',
            'aria-label': `Open ${this.sweep.nameOf(row)}`,
            onclick: () => this.open(row),
          },
          text(shown(value) || '·'),
        ),
      );
    return el('td', options, text(shown(value)));
  }
}

function fileLinks(sweep, row) {
  if (!sweep.logs[row]) return '';
  const at = `trials/${encodeURIComponent(sweep.get(row, 'trial'))}`;
  return el(
    'span',
    { class: 'status' },
    el('a', { href: `${at}/log.txt` }, 'log'),
    ' · ',
    el('a', { href: `${at}/config.yaml` }, 'config'),
  );
}
