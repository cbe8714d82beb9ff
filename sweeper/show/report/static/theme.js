// Light and dark: what the system says until somebody chooses.

const THEMES = { auto: 'Theme: auto', light: 'Theme: light', dark: 'Theme: dark' };
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
const themeChanged = [];
let printing = false;

function chosenTheme() {
  try {
    return localStorage.getItem('sweeper-theme') || 'auto';
  } catch {
    return 'auto';
  }
}

let theme = chosenTheme();

function applyTheme() {
  const dark = !printing && (theme === 'dark' || (theme === 'auto' && systemIsDark.matches));
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  for (const changed of themeChanged) changed();
}

function themeButton() {
  const button = el(
    'button',
    {
      type: 'button',
      id: 'theme',
      onclick: () => {
        const names = Object.keys(THEMES);
        theme = names[(names.indexOf(theme) + 1) % names.length];
        try {
          localStorage.setItem('sweeper-theme', theme);
        } catch {
          /* a page from disk may not keep anything */
        }
        button.textContent = THEMES[theme];
        applyTheme();
      },
    },
    THEMES[theme],
  );
  return button;
}

systemIsDark.addEventListener('change', applyTheme);
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
applyTheme();
