// A session: what is next is fetched and made ready ahead, an answer is kept at once and sent behind, keys and buttons meet here.

import { $, announce, icon, make } from './dom.js';
import { showLive } from './live.js';
import { Outbox } from './outbox.js';
import { Stage } from './stage.js';

const SPEEDS = [1, 0.5, 0.25];
const KEPT = 20; // answers that can be undone, also after a reload
const SKIPS = ['I cannot tell', 'A clip is broken', 'It has nothing to do with the task', 'I would rather not say'];

const state = { session: null, outbox: null, stages: [], done: new Set(), history: [], speed: 0, playing: !matchMedia('(prefers-reduced-motion: reduce)').matches, camera: 0, offline: false, refilling: null, left: null, ended: false };
const current = () => state.stages[0] ?? null;

// --- the server ------------------------------------------------------------------------------------------------------

async function get(path) {
  const reply = await fetch(path, { headers: { 'x-prefrl': '1' }, cache: 'no-store' });
  const body = await reply.json().catch(() => ({}));
  if (!reply.ok) throw Object.assign(new Error(body.error ?? `The server answered ${reply.status}.`), { status: reply.status });
  return body;
}

async function send(record) {
  const { number, answeredAt, ...rest } = record;
  const body = JSON.stringify({ ...rest, age: Math.max(0, (Date.now() - answeredAt) / 1000) });
  try {
    const reply = await fetch('/api/answers', { method: 'POST', headers: { 'content-type': 'application/json', 'x-prefrl': '1' }, body });
    if (reply.ok) return { ok: await reply.json() };
    if (reply.status === 401 || reply.status === 429 || reply.status >= 500) return { later: 1 };
    return { refused: (await reply.json().catch(() => ({}))).error ?? 'An answer was refused.' };
  } catch {
    return { later: 0.25 };
  }
}

function outboxChanged({ waiting, offline, saved, refused }) {
  const pill = $('saved');
  if (offline !== undefined) state.offline = offline;
  if (saved || refused) state.offline = false;
  pill.className = state.offline ? 'pill off' : waiting ? 'pill busy' : 'pill';
  pill.textContent = state.offline ? `Offline: ${waiting} answer${waiting === 1 ? ' is' : 's are'} kept here` : waiting ? 'Saving…' : saved ? `Saved · ${saved.answered}` : refused ?? pill.textContent;
  if (saved) { pill.dataset.answered = saved.answered; count(saved.answered); }
  if (refused) announce(refused);
  if (!waiting) refill();
}

function count(answered) {
  const total = Math.max(state.total ?? 0, answered);
  $('bar').max = Math.max(1, total);
  $('bar').value = answered;
  $('count').textContent = `${answered} of ${total}`;
  const minutes = state.pace ? Math.ceil(((total - answered) * state.pace) / 60) : null;
  $('eta').textContent = minutes && total > answered ? `about ${minutes} min left` : '';
}

// --- what is next ----------------------------------------------------------------------------------------------------

function refill() {
  state.refilling ??= fetchNext().finally(() => { state.refilling = null; });
  return state.refilling;
}

async function fetchNext() {
  let found;
  try {
    found = await get('/api/next');
    if (state.offline && !state.outbox.waiting) outboxChanged({ waiting: 0, offline: false });
    state.ended = false;
  } catch (error) {
    state.problem = error.status === 401 ? error.message : null;
    if (error.status === undefined) state.ended = true;
    if (!current()) waiting();
    return;
  }
  state.problem = null;
  Object.assign(state, { total: found.total, pace: found.pace, left: found.left });
  count(found.answered);
  const idle = !current();
  const known = new Set(state.stages.map((stage) => stage.key));
  for (const query of found.queries) {
    const key = `${query.query}:${query.revision}`;
    if (known.has(key) || state.done.has(key) || !query.clips.every((clip) => clip.ready || clip.problem)) continue;
    state.stages.push(prepared(query));
  }
  if (!current()) waiting();
  else if (idle) show();
}

function prepared(query) {
  const stage = new Stage(query, (answer, card) => decide(stage, answer, card));
  $('stage').append(stage.element); // hidden, so that its clips load behind the ones shown
  return stage;
}

function show() {
  const stage = current();
  $('waiting').hidden = stage !== null;
  $('tools').hidden = stage === null;
  if (stage === null) { waiting(); return; }
  state.stages.slice(1).forEach((other) => { other.element.hidden = true; });
  $('question').textContent = stage.title;
  $('task').textContent = state.session.task;
  $('tie').hidden = stage.query.kind !== 'pair'; // a ranking's cards have their own
  $('submit').hidden = stage.query.kind !== 'ranking';
  $('reason').value = '';
  marked(stage);
  stage.player.ontime = (time, duration) => shownTime(stage, time, duration);
  stage.show(() => state.playing, SPEEDS[state.speed]);
  if (state.camera) stage.view(state.camera);
  allow();
  performance.mark('prefrl-shown');
}

function waiting() {
  for (const stage of state.stages) stage.element.hidden = true;
  $('tools').hidden = true;
  $('waiting').hidden = false;
  $('question').textContent = state.session ? `Data set ${state.session.data_set}` : 'prefrl';
  $('task').textContent = state.session?.task ?? '';
  const [title, text] = state.problem ? ['Not yours to see', state.problem]
    : state.ended ? ['The session has ended', 'The server does not answer. Answers that were not sent are kept here and go out when it is back: prefrl rank.']
      : state.left ? ['Clips are being drawn', 'This takes a moment.']
        : state.session?.run && state.running !== false ? ['The robot is practising', 'New clips come as soon as it has questions. You can leave this page open.']
          : ['All done', 'Every question has been answered. Thank you!'];
  document.querySelector('.spinner').hidden = !(state.left || (state.session?.run && state.running !== false)) || state.ended;
  $('waiting-title').textContent = title;
  $('waiting-text').textContent = text;
}

function allow() { // an answer counts once enough was shown
  const stage = current();
  if (!stage) return;
  const enough = stage.enough;
  for (const button of document.querySelectorAll('.choose, .thumbs button, #tie, #submit')) {
    if (button.closest('.clips') && !stage.element.contains(button)) continue;
    button.setAttribute('aria-disabled', String(!enough));
  }
  $('undo').disabled = state.history.length === 0;
  if (!enough) setTimeout(() => { if (current() === stage) allow(); }, Math.max(30, Math.min(200, (stage.query.least - stage.watched) * 1000)));
}

// --- answers ---------------------------------------------------------------------------------------------------------

function decide(stage, answer, card) {
  if (stage !== current()) return;
  if (!stage.enough) { announce('Watch a moment longer.'); return; }
  card?.classList.add('chosen');
  record(stage, { outcome: 'answered', ...answer, reason: $('reason').value.trim() || null, window: stage.marked?.window ?? null });
}

function record(stage, answer) {
  stage.visible(false);
  put({ query: stage.query.query, revision: stage.query.revision, seconds: Math.round(stage.seconds * 1000) / 1000, ...answer });
  state.history.push(stage.query);
  state.history.splice(0, state.history.length - KEPT);
  keepHistory();
  state.stages.shift();
  setTimeout(() => stage.close(), 120);
  stage.element.hidden = true;
  show();
  refill();
}

function put(answer) {
  state.done.add(`${answer.query}:${answer.revision}`);
  state.outbox.put({ id: crypto.randomUUID?.() ?? uuid(), answeredAt: Date.now(), ...answer });
}

function uuid() { // where the page is served without TLS to another machine
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function undo() {
  const query = state.history.pop();
  if (!query) return;
  keepHistory();
  put({ query: query.query, revision: query.revision + 1, seconds: 0, outcome: 'withdrawn' });
  const again = { ...query, revision: query.revision + 2 };
  const shown = current();
  if (shown) { shown.visible(false); shown.player.videos.forEach((video) => video.pause()); shown.element.hidden = true; }
  state.stages.unshift(prepared(again));
  show();
  announce('Taken back. Answer again.');
}

const historyName = () => `prefrl/${state.session.data_set}/${state.session.who}`;
function keepHistory() { sessionStorage.setItem(historyName(), JSON.stringify(state.history)); }

function skip() {
  const dialog = $('skip-dialog');
  if (dialog.open || !current()) return;
  const stage = current();
  const choice = (reason, number) => make('button', { type: 'button', on: { click: () => { dialog.close(); if (stage === current()) record(stage, { outcome: 'skip', reason }); } } }, make('kbd', {}, String(number + 1)), reason);
  const typed = $('reason').value.trim();
  $('skip-reasons').replaceChildren(...(typed ? [typed, ...SKIPS] : SKIPS).map(choice));
  dialog.showModal();
}

// --- playback --------------------------------------------------------------------------------------------------------

function shownTime(stage, time, duration) {
  if (!$('time').matches(':active')) $('time').value = String(Math.round((1000 * time) / Math.max(duration, 1e-6)));
  $('time').setAttribute('aria-valuetext', `${time.toFixed(1)} of ${duration.toFixed(1)} seconds`);
  stage.label(time, duration);
}

async function toggle() {
  state.playing = !state.playing;
  playButton();
  const stage = current();
  if (stage && stage.player.playing !== state.playing) await stage.player.toggle();
}

function playButton() {
  $('play').replaceChildren(icon(state.playing ? 'pause' : 'play'));
  $('play').setAttribute('aria-label', state.playing ? 'Pause' : 'Play');
}

function speed(by, around = false) {
  const next = state.speed + by;
  state.speed = around ? next % SPEEDS.length : Math.max(0, Math.min(SPEEDS.length - 1, next));
  $('speed').textContent = ['1×', '½×', '¼×'][state.speed];
  $('speed').setAttribute('aria-label', `Speed ${SPEEDS[state.speed]}`);
  current()?.player.setRate(SPEEDS[state.speed]);
}

function mark() {
  const stage = current();
  if (!stage) return;
  if (stage.marked) stage.marked = null;
  else stage.mark();
  marked(stage);
  announce(stage.marked ? 'Moment marked.' : 'Mark removed.');
}

function marked(stage) {
  $('mark').setAttribute('aria-pressed', String(stage.marked !== null));
  $('marked').hidden = stage.marked === null;
  if (stage.marked) $('marked').style.left = `${100 * stage.marked.share}%`;
}

async function view() {
  if (state.session.cameras.length < 2) return;
  state.camera = (state.camera + 1) % state.session.cameras.length;
  await current()?.view(state.camera);
}

// --- keys ------------------------------------------------------------------------------------------------------------

const KEYS = [
  ['← →', 'left or right is better'], ['↑ or T', 'equally good; ↑ ↓ are thumbs where one clip is shown'], ['A B C …', 'best first, where clips are put in order; Backspace begins again, Enter submits'],
  ['arrows, Space', 'walk along the clips, pick one up, move it, drop it; or drag (rest a finger on a clip first)'], ['S', 'skip'], ['U', 'undo'], ['Space', 'pause or play'], ['R', 'from the beginning'], [', .', 'slower, faster'],
  ['M', 'mark this moment'], ['N', 'write why'], ['V', 'other camera'],
];
const ACTIONS = { t: () => current()?.tie(), s: skip, u: undo, r: () => current()?.player.restart(), ',': () => speed(1), '.': () => speed(-1), m: mark, v: view, n: () => $('reason').focus(), '?': () => help() };

function pressed(event) {
  if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== 'z')) return;
  if ($('skip-dialog').open) { pickSkip(event); return; }
  if (document.querySelector('dialog[open]')) return;
  const typing = event.target.matches('input[type="text"], textarea');
  if (typing) { if (event.key === 'Escape' || event.key === 'Enter') { event.preventDefault(); event.target.blur(); } return; }
  if (event.target.matches('input[type="range"]') && event.key.startsWith('Arrow')) return;
  if (!$('shortcuts').checked && event.key.length === 1 && event.key !== ' ') return;
  const onButton = event.target.closest('button');
  if (onButton && (event.key === 'Enter' || event.key === ' ')) return;
  if (event.repeat && !event.key.startsWith('Arrow')) return;
  if (event.ctrlKey) undo();
  else if (!(event.repeat && current()?.query.kind === 'pair') && current()?.key_(event)) { /* the question took it */ }
  else if (event.key === ' ') toggle();
  else if (ACTIONS[event.key.toLowerCase()]) ACTIONS[event.key.toLowerCase()]();
  else return;
  event.preventDefault();
}

function pickSkip(event) {
  const chosen = $('skip-reasons').children[Number(event.key) - 1];
  if (chosen) { event.preventDefault(); chosen.click(); }
}

function help() { $('help-dialog').showModal(); }

// --- begin -----------------------------------------------------------------------------------------------------------

function wire() {
  document.addEventListener('keydown', pressed);
  document.addEventListener('visibilitychange', () => current()?.visible(document.visibilityState === 'visible'));
  const clicks = { play: toggle, restart: () => current()?.player.restart(), speed: () => speed(1, true), mark, camera: view, tie: () => current()?.tie(), skip, undo, submit: () => current()?.submit(), help };
  for (const [id, action] of Object.entries(clicks)) $(id).addEventListener('click', action);
  $('time').addEventListener('input', () => { const player = current()?.player; if (player) player.seek((Number($('time').value) / 1000) * player.duration); });
  $('restart').append(icon('restart'));
  playButton();
  $('keys').tBodies[0].replaceChildren(...KEYS.map(([key, does]) => make('tr', {}, make('td', {}, make('kbd', {}, key)), make('td', {}, does))));
  $('shortcuts').checked = localStorage.getItem('prefrl/shortcuts') !== 'off';
  $('shortcuts').addEventListener('change', () => localStorage.setItem('prefrl/shortcuts', $('shortcuts').checked ? 'on' : 'off'));
}

async function watchRun() {
  try {
    const { run } = await get('/api/live');
    state.running = run?.status === 'running';
    showLive(run);
  } catch { /* the next look may succeed */ }
  setTimeout(watchRun, 5000);
}

async function begin() {
  wire();
  for (;;) {
    try { state.session = await get('/api/session'); break; } catch (error) {
      state.problem = error.status === 401 ? error.message : null;
      state.ended = error.status === undefined;
      waiting();
      await new Promise((again) => { setTimeout(again, 1000); });
    }
  }
  $('data-set').textContent = state.session.data_set;
  $('instructions').textContent = state.session.instructions;
  $('camera').hidden = state.session.cameras.length < 2;
  state.history = JSON.parse(sessionStorage.getItem(historyName()) ?? '[]');
  state.outbox = new Outbox(`${state.session.data_set}/${state.session.who}`, send, outboxChanged);
  for (const kept of await state.outbox.open()) state.done.add(`${kept.query}:${kept.revision}`);
  if (state.session.instructions && !localStorage.getItem(`${historyName()}/read`)) { localStorage.setItem(`${historyName()}/read`, '1'); help(); }
  await state.outbox.drained(1500);
  await refill();
  setInterval(() => { if (state.stages.length < 2) refill(); }, 1000);
  watchRun();
}

begin();
