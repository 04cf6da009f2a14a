// Answers in, kept in the browser until the server has them on disk; sent in their order, as often as it takes.

const STORE = 'outbox';

export class Outbox {
  constructor(name, send, changed) {
    this.name = name;
    this.send = send; // (record) -> {ok} | {refused: sentence} | {later: seconds}
    this.changed = changed; // ({waiting, offline, refused})
    this.waiting = 0;
    this.running = false;
    this.pause = 0.25;
    this.journal = `prefrl/journal/${name}/`;
  }

  async open() {
    this.db = await new Promise((done, failed) => {
      const opening = indexedDB.open(`prefrl/${this.name}`, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'number', autoIncrement: true });
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => failed(opening.error);
    });
    for (const [key, text] of Object.entries(localStorage).sort()) {
      if (!key.startsWith(this.journal)) continue; // the page was left before the data base had it
      await this.change((store) => store.add(JSON.parse(text)));
      localStorage.removeItem(key);
    }
    const kept = await this.all();
    this.waiting = kept.length;
    window.addEventListener('online', () => { this.pause = 0.25; this.drain(); });
    this.drain();
    return kept;
  }

  async put(record) {
    this.waiting += 1;
    this.changed({ waiting: this.waiting });
    const line = `${this.journal}${String(Date.now()).padStart(15, '0')}/${record.id}`;
    localStorage.setItem(line, JSON.stringify(record)); // at once; the same answer twice is one answer to the server
    await this.change((store) => store.add(record));
    localStorage.removeItem(line);
    this.drain();
  }

  async drained(milliseconds) { // as far as it gets in this time
    const late = performance.now() + milliseconds;
    while (this.waiting && performance.now() < late) await new Promise((again) => { setTimeout(again, 20); });
  }

  all() {
    return this.read((store) => store.getAll());
  }

  async drain() {
    if (this.running) return;
    this.running = true;
    try {
      for (;;) {
        const [first] = await this.read((store) => store.getAll(null, 1));
        if (!first) break;
        const result = await this.send(first);
        if (result.later !== undefined) {
          this.changed({ waiting: this.waiting, offline: true });
          const pause = Math.max(result.later, this.pause);
          this.pause = Math.min(this.pause * 2, 4);
          setTimeout(() => { this.running = false; this.drain(); }, pause * 1000);
          return;
        }
        this.pause = 0.25;
        await this.change((store) => store.delete(first.number));
        this.waiting -= 1;
        this.changed({ waiting: this.waiting, saved: result.ok, refused: result.refused });
      }
      this.running = false;
    } catch (error) {
      this.running = false;
      throw error;
    }
  }

  read(ask) {
    return new Promise((done, failed) => {
      const asking = ask(this.db.transaction(STORE).objectStore(STORE));
      asking.onsuccess = () => done(asking.result);
      asking.onerror = () => failed(asking.error);
    });
  }

  change(make) {
    return new Promise((done, failed) => {
      const transaction = this.db.transaction(STORE, 'readwrite', { durability: 'strict' });
      make(transaction.objectStore(STORE));
      transaction.oncomplete = () => done();
      transaction.onerror = () => failed(transaction.error);
    });
  }
}
