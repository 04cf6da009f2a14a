// What the run says of itself in, the panel out: curves as drawings with words, the newest policy as a clip.

import { $, drawn, make } from './dom.js';

const WIDE = 260;
const HIGH = 120;
const EDGE = { left: 40, right: 12, top: 12, bottom: 22 };

export function showLive(run) {
  $('live').hidden = run === null;
  if (run === null) return;
  curve($('accuracy'), run.fits.map((fit) => [fit.answers, fit.accuracy]).filter(([, y]) => y !== null), { low: 0.4, high: 1, x: 'answers', write: (y) => `${Math.round(y * 100)}%` });
  curve($('learned'), run.learned.map((one) => [one.step, one.learned]), { x: 'steps', write: brief });
  const share = run.steps ? ` (${Math.round((100 * run.step) / run.steps)}%)` : '';
  $('training').textContent = run.status === 'running' ? `Training: ${brief(run.step)} of ${brief(run.steps ?? run.step)} steps${share}` : `Training ended: ${run.status}`;
  const figure = $('newest').closest('figure');
  figure.hidden = !run.clip;
  if (run.clip && $('newest').getAttribute('src') !== run.clip) {
    $('newest').src = run.clip;
    $('newest').muted = true;
    $('newest-caption').textContent = `What it does after ${brief(run.clip_step)} steps`;
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches) $('newest').play().catch(() => {});
    else $('newest').controls = true;
  }
}

function curve(place, points, { low = null, high = null, x, write }) {
  if (points.length < 1) {
    place.replaceChildren(make('p', {}, 'Nothing yet.'));
    return;
  }
  const xs = points.map(([a]) => a);
  const ys = points.map(([, b]) => b);
  const bottom = Math.min(low ?? Infinity, ...ys);
  const top = Math.max(high ?? -Infinity, ...ys);
  const last = Math.max(...xs, 1);
  const first = Math.min(0, ...xs);
  const across = (a) => EDGE.left + ((a - first) / (last - first || 1)) * (WIDE - EDGE.left - EDGE.right);
  const up = (b) => HIGH - EDGE.bottom - ((b - bottom) / (top - bottom || 1)) * (HIGH - EDGE.top - EDGE.bottom);
  const text = (words, at, more = {}) => { const one = drawn('text', { ...at, ...more }); one.textContent = words; return one; };
  const words = `${points.length} points; the last is ${write(ys.at(-1))} at ${brief(xs.at(-1))} ${x}.`;
  place.replaceChildren(drawn('svg', { viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': words },
    ...[bottom, top].map((y) => drawn('line', { class: 'axis', x1: EDGE.left, x2: WIDE - EDGE.right, y1: up(y), y2: up(y) })),
    text(write(top), { x: EDGE.left - 5, y: up(top) + 4, 'text-anchor': 'end' }),
    text(write(bottom), { x: EDGE.left - 5, y: up(bottom) + 4, 'text-anchor': 'end' }),
    text(`${brief(last)} ${x}`, { x: WIDE - EDGE.right, y: HIGH - 5, 'text-anchor': 'end' }),
    drawn('polyline', { class: 'curve', points: points.map(([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`).join(' ') }),
    drawn('circle', { class: 'dot', r: 4, cx: across(xs.at(-1)), cy: up(ys.at(-1)) }),
    text(write(ys.at(-1)), { class: 'now', x: Math.min(across(xs.at(-1)), WIDE - 30), y: Math.max(up(ys.at(-1)) - 8, 10), 'text-anchor': 'middle' })));
}

function brief(number) {
  if (Math.abs(number) >= 10000) return `${Math.round(number / 1000)}k`;
  return Math.abs(number) >= 100 || Number.isInteger(number) ? String(Math.round(number)) : number.toPrecision(2);
}
