// Elements and words. Text of others only ever becomes a text node.

function el(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'class') made.className = value;
    else if (name === 'style') Object.assign(made.style, value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Of any number of values: a call has room for some ten thousand arguments.
const lowest = (values) => values.reduce((least, value) => Math.min(least, value), Infinity);
const highest = (values) => values.reduce((most, value) => Math.max(most, value), -Infinity);

const text = (value) => el('bdi', {}, String(value));

// Six significant digits are enough for a person; the whole number is in the title of its cell.
function number(value) {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number') return shown(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

function shown(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return number(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return 'unknown';
  if (seconds < 10) return `${Number(seconds.toPrecision(2))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  const two = (n) => String(n).padStart(2, '0');
  if (minutes >= 2880) return `${Math.round(minutes / 1440)} days`;
  return minutes < 60 ? `${minutes}:${two(whole % 60)} min` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

function money(usd) {
  if (usd === null || usd === undefined) return 'unknown';
  return usd >= 1 || usd === 0 ? `$${usd.toFixed(2)}` : `$${Number(usd.toPrecision(2))}`;
}

const clock = (epoch) =>
  epoch === null || epoch === undefined
    ? ''
    : new Date(epoch * 1000).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
const counted = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;

function choice(label, options, chosen, changed) {
  const select = el('select', { onchange: () => changed(select.value) });
  for (const [value, words] of options) select.append(el('option', { value, selected: value === chosen }, words));
  return el('label', { class: 'field' }, label, select);
}

function toggle(words, on, changed) {
  const button = el(
    'button',
    {
      type: 'button',
      'aria-pressed': String(on),
      onclick: () => {
        const now = button.getAttribute('aria-pressed') !== 'true';
        button.setAttribute('aria-pressed', String(now));
        changed(now);
      },
    },
    words,
  );
  return button;
}

function pairs(list) {
  return el(
    'dl',
    { class: 'pairs' },
    ...list
      .filter(([, value]) => value !== null && value !== undefined && value !== '')
      .flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value instanceof Node ? value : text(value))]),
  );
}

function command(words, line) {
  const button = el(
    'button',
    {
      type: 'button',
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(line);
        } catch {
          getSelection().selectAllChildren(code);
        }
        button.textContent = 'Copied';
        setTimeout(() => {
          button.textContent = 'Copy';
        }, 1500);
      },
    },
    'Copy',
  );
  const code = el('code', { tabindex: 0 }, line);
  return el('div', { class: 'command' }, el('span', { class: 'soft' }, words), code, button);
}

const MOST_NUMBERS = 500;

// A plain table: heads are [words, is a number?]; cells are text or nodes.
function plainTable(heads, rows, caption) {
  const cell = (tag, value, numeric) =>
    el(
      tag,
      { class: numeric ? 'number' : null, scope: tag === 'th' ? 'col' : null },
      value instanceof Node ? value : text(shown(value)),
    );
  const table = el(
    'table',
    { 'aria-label': caption },
    el('thead', {}, el('tr', {}, ...heads.map(([words, numeric]) => cell('th', words, numeric)))),
    el(
      'tbody',
      {},
      ...rows
        .slice(0, MOST_NUMBERS)
        .map((row) => el('tr', {}, ...row.map((value, n) => cell('td', value, heads[n][1])))),
    ),
  );
  const more =
    rows.length > MOST_NUMBERS
      ? el('p', { class: 'small soft' }, `... and ${rows.length - MOST_NUMBERS} more rows.`)
      : null;
  return el(
    'div',
    {},
    el('div', { class: 'tablebox', tabindex: 0, role: 'region', 'aria-label': caption }, table),
    more,
  );
}
