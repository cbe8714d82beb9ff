// Colours for values.

// One hue from faint to strong: everybody can tell more from less, on white and on black.
const ramp = () =>
  document.documentElement.dataset.theme === 'dark'
    ? ['#26343f', '#2f5876', '#3a82b3', '#6fb8e6', '#c3e5fb']
    : ['#dbe7ee', '#a9cbe0', '#5ea3cc', '#1a74ad', '#08426b'];

function along(share) {
  const colours = ramp(),
    at = Math.min(1, Math.max(0, share)) * (colours.length - 1),
    n = Math.min(colours.length - 2, Math.floor(at));
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].map((i) =>
    Math.round(part(colours[n], i) + (at - n) * (part(colours[n + 1], i) - part(colours[n], i))),
  );
}

const colourscale = (down) =>
  ramp().map((colour, n, all) => [n / (all.length - 1), down ? all[all.length - 1 - n] : colour]);
const inkOn = ([red, green, blue]) => (0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#14171a' : '#ffffff');

// A colour for each row by a parameter: along a scale for numbers, the colours of Okabe and Ito for words.
function valuesOf(sweep, key) {
  const parameter = sweep.parameters.find((one) => one.key === key);
  const values = sweep.declared.map((row) => sweep.get(row, key)).filter((value) => value !== null);
  if (parameter.number) {
    const at = (value) => (parameter.log ? Math.log(value) : value);
    const low = lowest(values.map(at)),
      high = highest(values.map(at));
    return (row) => {
      const value = sweep.get(row, key);
      return value === null
        ? variable('soft')
        : `rgb(${along(0.15 + (0.85 * (at(value) - low)) / (high - low || 1)).join()})`;
    };
  }
  const words = [...new Set(values.map(shown))],
    colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8b8f94'];
  return (row) => colours[words.indexOf(shown(sweep.get(row, key))) % colours.length];
}
