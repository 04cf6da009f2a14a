// One question in, what is shown of it out: its clips, their buttons, and what the person says with them.

import { icon, make } from './dom.js';
import { Order } from './order.js';
import { Player } from './player.js';

const LETTERS = 'ABCDEFGH';

export class Stage {
  constructor(query, answered) {
    this.query = query;
    this.key = `${query.query}:${query.revision}`;
    this.answered = answered; // called with {tiers} | {best} | {value}, and the card that was chosen
    this.camera = 0;
    this.cards = query.clips.map((clip, place) => this.card(clip, place));
    const kind = { pair: 'pair', ranking: 'list ranking', choice: query.clips.length > 2 ? 'list' : 'pair', binary: 'one' }[query.kind] ?? 'list';
    const few = query.clips.length <= 4 ? ' few' : '';
    this.element = make(query.kind === 'ranking' ? 'ol' : 'ul', { class: `clips ${kind}${few}`, hidden: true }, ...this.cards);
    this.player = new Player([...this.element.querySelectorAll('video')]);
    this.order = query.kind === 'ranking' ? new Order(this.element, this.cards, LETTERS) : null;
    this.seconds = 0; // visible so far
    this.since = null;
    this.marked = null;
  }

  get title() {
    return { pair: 'Which clip is better?', ranking: 'Put the clips in order, the best first', choice: 'Which clip is the best?', binary: 'Is this good?' }[this.query.kind] ?? 'Which is better?';
  }

  name(place) {
    return this.query.clips.length === 2 ? ['Left', 'Right'][place] : this.query.clips.length === 1 ? 'Clip' : LETTERS[place];
  }

  card(clip, place) {
    const picture = make('div', { class: 'picture', on: { click: () => this.query.kind !== 'ranking' && this.query.kind !== 'binary' && this.choose(place) } });
    if (clip.sources) picture.append(make('video', { src: clip.sources[0], muted: true, playsinline: true, preload: 'auto', tabindex: '-1', 'aria-label': `Clip ${this.name(place)}` }));
    else if (clip.completion !== undefined) picture.append(make('div', { class: 'text', tabindex: '0' }, make('span', { class: 'quiet' }, clip.prompt), clip.completion));
    picture.querySelectorAll('video').forEach((video) => { video.muted = true; });
    if (clip.problem) picture.append(make('p', { class: 'problem' }, clip.problem));
    if (this.query.clips.length > 1) picture.append(make('span', { class: 'name' }, this.name(place)));
    if (clip.overlay?.length) picture.append(make('div', { class: 'overlay' }));
    const card = make('li', { class: 'card', 'data-place': place }, picture);
    card.append(...this.buttons(place));
    return card;
  }

  buttons(place) {
    const name = this.name(place);
    if (this.query.kind === 'binary') {
      const thumb = (value, shape, word, key) => make('button', { type: 'button', on: { click: () => this.say({ value }, 0) } }, icon(shape), word, make('kbd', {}, key));
      return [make('div', { class: 'thumbs' }, thumb(1, 'up', 'Good', '↑'), thumb(0, 'down', 'Not good', '↓'))];
    }
    if (this.query.kind === 'ranking') return []; // the order makes its own
    const key = this.query.clips.length === 2 ? ['←', '→'][place] : LETTERS[place];
    const words = this.query.clips.length === 2 ? `${name} is better` : `${name} is the best`;
    return [make('button', { type: 'button', class: 'choose', on: { click: () => this.choose(place) } }, words, make('kbd', {}, key))];
  }

  choose(place) {
    if (this.query.kind === 'pair') this.say({ tiers: [[place], [1 - place]] }, place);
    else this.say({ best: place }, place);
  }

  tie() {
    if (this.query.kind === 'pair') this.say({ tiers: [[0, 1]] }, null);
    else if (this.order) this.order.tie();
  }

  submit() {
    if (this.order) this.say({ tiers: this.order.tiers() }, null);
  }

  say(answer, place) {
    this.answered(answer, place === null ? null : this.cards[place]);
  }

  // --- keys of the question itself; true if one was used ---

  key_(event) {
    if (this.order?.key(event)) return true;
    const key = event.key;
    const place = LETTERS.indexOf(key.toUpperCase());
    if (this.query.kind === 'pair' && (key === 'ArrowLeft' || key === 'ArrowRight')) this.choose(key === 'ArrowLeft' ? 0 : 1);
    else if (this.query.kind === 'pair' && key === 'ArrowUp') this.tie();
    else if (this.query.kind === 'choice' && this.cards.length > 2 && key.length === 1 && place >= 0 && place < this.cards.length) this.choose(place);
    else if (this.query.kind === 'choice' && this.cards.length === 2 && (key === 'ArrowLeft' || key === 'ArrowRight')) this.choose(key === 'ArrowLeft' ? 0 : 1);
    else if (this.query.kind === 'binary' && (key === 'ArrowUp' || key === 'ArrowDown')) this.say({ value: key === 'ArrowUp' ? 1 : 0 }, 0);
    else if (key === 'Enter' && this.order) this.submit();
    else return false;
    return true;
  }

  // --- time ---

  async show(playing, rate) {
    this.element.hidden = false;
    this.visible(document.visibilityState === 'visible');
    this.player.setRate(rate);
    await this.player.ready;
    if (this.closed) return;
    await this.player.start(playing);
  }

  visible(is) {
    const now = performance.now();
    if (this.since !== null) this.seconds += (now - this.since) / 1000;
    this.since = is ? now : null;
  }

  get watched() {
    return this.seconds + (this.since === null ? 0 : (performance.now() - this.since) / 1000);
  }

  get enough() { return this.watched >= this.query.least; }

  step(time, duration) { // of the longest clip
    const steps = Math.max(1, ...this.query.clips.map((clip) => clip.steps ?? 1));
    return Math.min(steps - 1, Math.floor((time / Math.max(duration, 1e-6)) * steps));
  }

  label(time, duration) {
    this.query.clips.forEach((clip, place) => {
      if (!clip.overlay?.length) return;
      const step = Math.min(this.step(time, duration), clip.steps - 1);
      const lines = clip.overlay.map(({ name, unit, values }) => `${name.replaceAll('_', ' ')} ${values[step].toFixed(2)} ${unit}`);
      this.cards[place].querySelector('.overlay').textContent = lines.join('\n');
    });
  }

  async view(camera) {
    this.camera = camera;
    await this.player.setSources(this.query.clips.filter((clip) => clip.sources).map((clip) => clip.sources[camera]));
  }

  mark() { // about half a second around now
    const steps = Math.max(1, ...this.query.clips.map((clip) => clip.steps ?? 1));
    const step = this.step(this.player.time, this.player.duration);
    const around = Math.max(1, Math.round((steps * 0.25) / Math.max(this.player.duration, 0.25)));
    this.marked = { window: [Math.max(0, step - around), Math.min(steps, step + around + 1)], share: this.player.time / Math.max(this.player.duration, 1e-6) };
  }

  close() {
    this.closed = true;
    this.visible(false);
    this.player.close();
    this.element.remove();
  }
}
