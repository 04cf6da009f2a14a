// The cards of a ranking in, their order out: dragged, moved by buttons or keys, or named best first by their letters.

import { announce, icon, make } from './dom.js';

const REST = 180; // milliseconds
const ORDINALS = ['1st', '2nd', '3rd', '4th', '5th', '6th', '7th', '8th'];

export class Order {
  constructor(list, cards, letters) {
    this.list = list;
    this.letters = letters;
    this.cards = [...cards]; // best first
    this.tied = new Set(); // cards as good as the one before them
    this.named = 0; // how many were placed by their letters, in this go
    this.held = null;
    cards.forEach((card, number) => this.dress(card, letters[number]));
    this.show();
  }

  dress(card, letter) {
    card.dataset.letter = letter;
    card.tabIndex = 0;
    card.querySelector('.picture').append(make('span', { class: 'place' }));
    const move = (by) => () => { this.move(card, by); };
    const earlier = make('button', { type: 'button', class: 'earlier', 'aria-label': `Move ${letter} up`, on: { click: move(-1) } }, icon('left'));
    const later = make('button', { type: 'button', class: 'later', 'aria-label': `Move ${letter} down`, on: { click: move(1) } }, icon('right'));
    const next = make('button', { type: 'button', class: 'next', on: { click: () => this.place(card) } });
    card.append(make('div', { class: 'moves' }, earlier, next, later));
    card.append(make('button', { type: 'button', class: 'equal', 'aria-pressed': 'false', on: { click: () => this.tie(card) } }, 'As good as the one before'));
    card.querySelector('.picture').addEventListener('pointerdown', (event) => this.grab(event, card));
  }

  show() {
    let rank = 0;
    this.cards.forEach((card, place) => {
      if (place && !this.tied.has(card)) rank = place;
      const held = card === this.held;
      card.querySelector('.place').textContent = ORDINALS[rank];
      card.querySelector('.equal').hidden = place === 0;
      card.querySelector('.equal').setAttribute('aria-pressed', String(place > 0 && this.tied.has(card)));
      card.querySelector('.earlier').disabled = place === 0;
      card.querySelector('.later').disabled = place === this.cards.length - 1;
      card.querySelector('.next').textContent = place < this.named ? 'Placed' : `Make ${ORDINALS[this.named]}`;
      card.querySelector('.next').classList.toggle('done', place < this.named);
      card.querySelector('.next').setAttribute('aria-label', `Place ${card.dataset.letter} ${ORDINALS[Math.min(this.named, this.cards.length - 1)]}`);
      card.classList.toggle('held', held);
      card.setAttribute('aria-label', `Clip ${card.dataset.letter}, position ${place + 1} of ${this.cards.length}${held ? ', picked up' : ''}`);
    });
  }

  put(card, place) { // moving a playing video must not stop it
    const rest = this.cards.filter((one) => one !== card);
    rest.splice(place, 0, card);
    if (rest.every((one, i) => one === this.cards[i])) return;
    const before = rest[place + 1] ?? null;
    const active = document.activeElement;
    if (this.list.moveBefore) this.list.moveBefore(card, before);
    else this.list.insertBefore(card, before);
    if (active && card.contains(active)) active.focus({ preventScroll: true });
    this.cards = rest;
    this.tied.delete(this.cards[0]);
  }

  move(card, by) {
    const place = this.cards.indexOf(card) + by;
    if (place < 0 || place >= this.cards.length) return;
    this.tied.delete(card);
    this.put(card, place);
    this.named = 0;
    this.show();
    announce(`Clip ${card.dataset.letter}, position ${place + 1} of ${this.cards.length}`);
  }

  place(card) { // the next best
    if (this.named >= this.cards.length || this.cards.indexOf(card) < this.named) this.named = 0;
    this.tied.delete(card);
    this.put(card, this.named);
    this.named += 1;
    announce(`Clip ${card.dataset.letter} ${ORDINALS[this.named - 1]}`);
    if (this.named >= this.cards.length - 1) this.named = this.cards.length;
    this.show();
  }

  tie(card = null) {
    const chosen = card ?? this.cards.find((one) => one.contains(document.activeElement)) ?? this.cards[Math.max(1, Math.min(this.named, this.cards.length) - 1)];
    if (this.cards.indexOf(chosen) === 0) return;
    if (!this.tied.delete(chosen)) this.tied.add(chosen);
    announce(this.tied.has(chosen) ? `Clip ${chosen.dataset.letter} is as good as the one before` : `Clip ${chosen.dataset.letter} is worse than the one before`);
    this.show();
  }

  tiers() { // by the places the clips were served in
    const tiers = [];
    for (const card of this.cards) {
      const place = Number(card.dataset.place);
      if (this.tied.has(card) && tiers.length) tiers.at(-1).push(place);
      else tiers.push([place]);
    }
    return tiers;
  }

  key(event) {
    const card = this.cards.find((one) => one === document.activeElement) ?? null;
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (card && event.key === ' ') {
      this.held = this.held === card ? null : card;
      this.show();
      announce(this.held ? `Clip ${card.dataset.letter} picked up; arrows move it, Space drops it` : `Clip ${card.dataset.letter} dropped at position ${this.cards.indexOf(card) + 1}`);
      return true;
    }
    if (by && this.held) { this.move(this.held, by); return true; }
    if (by) {
      const from = card ? this.cards.indexOf(card) : by > 0 ? -1 : this.cards.length;
      this.cards[from + by]?.focus();
      return true;
    }
    if (event.key === 'Escape' && this.held) { this.held = null; this.show(); return true; }
    if (event.key === 'Backspace') { this.named = 0; this.show(); announce('Begin again with the best'); return true; }
    const named = event.key.length === 1 ? this.cards.find((one) => one.dataset.letter === event.key.toUpperCase()) : null;
    if (named) { this.place(named); return true; }
    return false;
  }

  grab(event, card) { // by mouse, pen or finger
    if (event.button !== 0) return;
    const surface = event.currentTarget;
    let holds = event.pointerType !== 'touch'; // a finger scrolls the page, unless it rests on the clip first
    const hold = () => { holds = true; surface.setPointerCapture(event.pointerId); card.classList.add('held', 'dragged'); };
    const resting = setTimeout(hold, holds ? 0 : REST);
    const stay = (touch) => { if (holds) touch.preventDefault(); };
    const moved = (at) => {
      if (!holds && Math.hypot(at.clientX - event.clientX, at.clientY - event.clientY) > 10) clearTimeout(resting);
      if (!holds) return;
      const over = document.elementsFromPoint(at.clientX, at.clientY).map((one) => one.closest?.('.card')).find((one) => one && one !== card && this.list.contains(one));
      if (!over) return;
      const box = over.getBoundingClientRect();
      const place = this.cards.indexOf(over);
      const here = this.cards.indexOf(card);
      const past = (at.clientX - box.left) / box.width;
      if ((place > here && past < 0.3 && at.clientY < box.bottom - 0.3 * box.height && sameRow(card, over)) || (place < here && past > 0.7 && sameRow(card, over))) return;
      this.tied.delete(card);
      this.put(card, place);
      this.named = 0;
      this.show();
      card.classList.add('held', 'dragged');
      if (!surface.hasPointerCapture(event.pointerId)) surface.setPointerCapture(event.pointerId);
    };
    const dropped = () => {
      clearTimeout(resting);
      surface.removeEventListener('pointermove', moved);
      surface.removeEventListener('touchmove', stay);
      if (!holds) return;
      card.classList.remove('held', 'dragged');
      this.show();
      announce(`Clip ${card.dataset.letter}, position ${this.cards.indexOf(card) + 1} of ${this.cards.length}`);
    };
    surface.addEventListener('pointermove', moved);
    surface.addEventListener('touchmove', stay, { passive: false });
    surface.addEventListener('pointerup', dropped, { once: true });
    surface.addEventListener('pointercancel', dropped, { once: true });
  }
}

const sameRow = (one, other) => Math.abs(one.getBoundingClientRect().top - other.getBoundingClientRect().top) < 20;
