import { CONTENDERS } from '../contenders/index.mjs';
import { isUnderstated } from './report-tables.mjs';
import { number } from './table.mjs';
import { requestsPerSecond } from './yardstick.mjs';

const WIDTH = 920;
const LABELS = 330;
const BARS = 420;
const ROW = 30;
const TOP = 92;
const COLOURS = { limit: '#9aa5b1', peer: '#d9822b', latchkey: '#1f7a5c' };
const NAMES = { limit: 'no sign-in at all', peer: 'what people use today', latchkey: 'Latchkey' };

/** GET /me a second as bars, the fastest first, on white for light and dark pages. Null when it was not measured. */
export function chart({ results: { me }, surroundings }) {
  const bars = CONTENDERS.filter(({ id }) => me?.[id]?.one.length > 0)
    .map(({ id, label, group }) => ({
      label,
      group,
      value: requestsPerSecond(me, id),
      mark: isUnderstated(me[id].one) ? '*' : '',
    }))
    .sort((a, b) => b.value - a.value);
  if (bars.length === 0) return null;
  const height = TOP + bars.length * ROW + 44;
  const scale = BARS / bars[0].value;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" font-size="14" fill="#1f2933">`,
    '<title id="title">GET /me: requests a second on one core</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    '<text x="24" y="36" font-size="19" font-weight="600">GET /me: requests a second on one core</text>',
    ...legend(),
    ...bars.map((bar, index) => row(bar, TOP + index * ROW, scale)),
    `<text x="24" y="${height - 16}" font-size="12" fill="#52606d">${escape(caption(surroundings))}</text>`,
    '</svg>',
  ].join('\n')}\n`;
}

function legend() {
  let x = 24;
  return Object.entries(NAMES).map(([group, name]) => {
    const at = x;
    x += 34 + name.length * 7.4;
    return `<rect x="${at}" y="54" width="12" height="12" rx="2" fill="${COLOURS[group]}"/><text x="${at + 18}" y="65" font-size="13" fill="#52606d">${name}</text>`;
  });
}

function row({ label, group, value, mark }, y, scale) {
  const width = Math.max(2, value * scale);
  const weight = group === 'latchkey' ? ' font-weight="600"' : '';
  return [
    `<text x="${LABELS + 12}" y="${y + 16}" text-anchor="end"${weight}>${escape(label)}</text>`,
    `<rect x="${LABELS + 24}" y="${y}" width="${width.toFixed(1)}" height="22" rx="3" fill="${COLOURS[group]}"/>`,
    `<text x="${(LABELS + 32 + width).toFixed(1)}" y="${y + 16}"${weight}>${number(value)}${mark}</text>`,
  ].join('');
}

function caption({ date, node, machine, contenders }) {
  return `${date}, Node ${node}, Nest ${contenders['@nestjs/core']}, better-auth ${contenders['better-auth']}; ${machine}`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
