// What is large in this page is packed, so that the file is small: gzip, written in base64. The browser unpacks it.

const UNPACKS = typeof DecompressionStream !== 'undefined';
const UNPACKING = 'Chrome and Edge unpack it from version 80 on, Firefox from 113 and Safari from 16.4';

async function unpacked(node) {
  const bytes = Uint8Array.from(atob(node.textContent), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
}
