// A page that is served follows its sweep: newer data are asked for, and drawn into the same page when nobody uses it.

const EVERY = 1000, // milliseconds between two questions
  QUIET = 1500, // without a key or a click: then it is drawn
  LONGEST = 10000; // nobody waits longer, but for who holds a button down or has text selected
const hands = { down: false, last: -QUIET };

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const visible = () =>
  !document.hidden || new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));

function watchHands() {
  const used = () => {
    hands.last = performance.now();
  };
  for (const name of ['keydown', 'pointerdown', 'wheel'])
    addEventListener(name, used, { capture: true, passive: true });
  addEventListener(
    'pointerdown',
    () => {
      hands.down = true;
    },
    true,
  );
  for (const name of ['pointerup', 'pointercancel', 'blur'])
    addEventListener(
      name,
      () => {
        hands.down = false;
      },
      true,
    );
}

async function quiet() {
  const begun = performance.now();
  const selected = () => !getSelection().isCollapsed;
  const busy = () => performance.now() - hands.last < QUIET && performance.now() - begun < LONGEST;
  while (hands.down || selected() || busy()) await pause(100);
}

async function follow(url, first) {
  let tag = first;
  for (;;) {
    await visible();
    let took = 0;
    try {
      const answer = await fetch(url, { headers: { 'If-None-Match': tag }, cache: 'no-store' });
      if (answer.status === 200) {
        const data = await answer.json();
        await quiet();
        const begun = performance.now();
        page.draw(data);
        took = performance.now() - begun;
        tag = answer.headers.get('ETag');
      } else if (answer.status !== 304 && answer.status !== 503) throw new Error(`answered ${answer.status}`);
      tellState('live', 'follows the sweep');
    } catch {
      tellState('not followed', 'sweeper view does not answer any more: this is how it stood then');
    }
    await pause(Math.max(EVERY, 20 * took));
  }
}

function tellState(words, title) {
  if (state.textContent === words) return;
  Object.assign(state, { textContent: words, title, className: `pill ${words === 'live' ? 'live' : 'sim'}` });
}

const main = document.getElementById('main');
if (main.dataset.follow) {
  watchHands();
  page.ready.then(() => follow(main.dataset.follow, main.dataset.tag));
}
