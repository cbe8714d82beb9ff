// What a person has set stays as it is when newer data are drawn into the same page.

const BAR = 64; // pixels of the bar that stays on top
const remembered = new Map();

// The choices of a part of the page: the same object each time that it is drawn.
function keeping(id, first) {
  if (!remembered.has(id)) remembered.set(id, first);
  return remembered.get(id);
}

// Where an element stands: how to find the one that takes its place.
function placeOf(node) {
  const owner = node.parentNode.closest('[id]');
  const alike = (root) => [...root.querySelectorAll(node.tagName)];
  const at = alike(owner).indexOf(node);
  return () => {
    const root = node.id ? null : document.getElementById(owner.id);
    return node.id ? document.getElementById(node.id) : root && alike(root)[at];
  };
}

// What is open, how far each box is scrolled, which card is in sight and where the keyboard is; gives what sets all of it again.
function kept(root) {
  const opened = [...root.querySelectorAll('details')].map((one) => [placeOf(one), one.open]);
  const scrolled = [...root.querySelectorAll('.tablebox, .scroll, pre')]
    .filter((one) => one.scrollTop || one.scrollLeft)
    .map((one) => [placeOf(one), one.scrollLeft, one.scrollTop]);
  const focus = root.contains(document.activeElement) ? document.activeElement : null;
  const focused = focus && placeOf(focus),
    chosen = focus?.type === 'search' && [focus.selectionStart, focus.selectionEnd];
  const inSight = [...root.querySelectorAll('.card[id]')].find((one) => one.getBoundingClientRect().bottom > BAR);
  const seen = scrollY > 0 && inSight && [placeOf(inSight), inSight.getBoundingClientRect().top];
  return () => {
    for (const [place, open] of opened) if (place()) place().open = open;
    for (const [place, left, down] of scrolled) place()?.scrollTo(left, down);
    const again = focused && focused();
    again?.focus({ preventScroll: true });
    if (again && chosen) again.setSelectionRange(...chosen);
    const card = seen && seen[0]();
    if (card) scrollBy({ top: card.getBoundingClientRect().top - seen[1], behavior: 'instant' });
  };
}
