// Draws the page of its data. `sweeper.draw(data)` draws newer data into the same page.

const SECTIONS = [overview, results, parameters, trials, time, failures, receipt, declaration];
const TROUBLE = [overview, failures, ...SECTIONS.filter((part) => part !== overview && part !== failures)]; // first of all
const page = { sweep: null, draw, figures };

const state = el('span', { id: 'state', role: 'status' });

function draw(data) {
  const root = document.getElementById('main');
  const restore = kept(root);
  page.sweep = new Sweep(data);
  for (const one of figures.splice(0)) earlier.set(one.id, one);
  const parts = (page.sweep.completes() ? SECTIONS : TROUBLE).map((part) => part(page.sweep)).filter(Boolean);
  document.getElementById('top').replaceChildren(bar(page.sweep, parts));
  root.replaceChildren(...parts);
  for (const { box } of earlier.values()) {
    sight.unobserve(box);
    if (box.data) Plotly.purge(box);
  }
  earlier.clear();
  redrawFigures();
  restore();
  return page;
}

function bar(sweep, parts) {
  const links = parts.map((part) => el('a', { href: `#${part.id}` }, part.getAttribute('aria-label')));
  return el(
    'div',
    { class: 'bar' },
    el('strong', {}, text(sweep.name)),
    state,
    el('nav', { 'aria-label': 'Sections' }, ...links),
    themeButton(),
  );
}

document.getElementById('trial').addEventListener('click', (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close();
});
