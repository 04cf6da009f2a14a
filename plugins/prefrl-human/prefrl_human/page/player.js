// Videos in, the same moment of all of them out: they loop in step under one clock, at one speed.

const NEAR = 0.012; // seconds apart that nobody sees
const FAR = 0.25; // seconds apart at which a jump is less bad than catching up

export class Player {
  constructor(videos) {
    this.videos = videos;
    this.rate = 1;
    this.playing = false;
    this.turning = false; // between the end of one round and the beginning of the next
    this.rounds = 0;
    this.ontime = () => {};
    this.frame = null;
    this.ready = Promise.all(videos.map(loaded));
  }

  get clock() { // the longest clip keeps time; shorter ones rest on their last picture
    return this.videos.reduce((longest, video) => (length(video) > length(longest) ? video : longest), this.videos[0]);
  }

  get duration() { return this.videos.length ? length(this.clock) : 0; }
  get time() { return this.videos.length ? this.clock.currentTime : 0; }

  async start(playing) { // playing() is asked once the clips are there
    if (!this.videos.length) return;
    await this.ready;
    this.playing = playing();
    await this.restart();
    if (this.frame === null) this.tick();
  }

  async restart() { // all go to the beginning, and none leaves before all are there
    if (this.turning || !this.videos.length) return;
    this.turning = true;
    this.videos.forEach((video) => video.pause());
    await this.seek(0);
    this.turning = false;
    if (this.playing) await this.go();
  }

  async seek(time) {
    await Promise.all(this.videos.map((video) => sought(video, Math.min(time, Math.max(0, length(video) - 0.001)))));
    this.ontime(this.time, this.duration);
  }

  async go() {
    this.videos.forEach((video) => { video.playbackRate = this.rate; });
    await Promise.all(this.videos.filter((video) => !video.ended).map((video) => video.play().catch(() => {})));
  }

  async toggle() {
    this.playing = !this.playing;
    if (this.playing) await this.go();
    else this.videos.forEach((video) => video.pause());
    return this.playing;
  }

  setRate(rate) {
    this.rate = rate;
    this.videos.forEach((video) => { video.playbackRate = rate; });
  }

  async setSources(sources) { // another camera, at the same moment
    const time = this.time;
    const was = this.playing;
    this.videos.forEach((video, i) => { video.pause(); video.src = sources[i]; });
    await Promise.all(this.videos.map(loaded));
    await this.seek(time);
    if (was) await this.go();
  }

  tick() {
    this.frame = requestAnimationFrame(() => this.tick());
    if (!this.playing || this.turning) return;
    const clock = this.clock;
    if (clock.ended || clock.currentTime >= this.duration - 0.02) {
      this.rounds += 1;
      this.restart();
      return;
    }
    for (const video of this.videos) {
      if (video === clock || video.ended) continue;
      const ahead = video.currentTime - clock.currentTime;
      if (clock.currentTime >= length(video)) continue;
      if (Math.abs(ahead) > FAR) video.currentTime = clock.currentTime;
      const nudge = Math.abs(ahead) > NEAR ? Math.max(-0.07, Math.min(0.07, ahead * 2)) : 0;
      video.playbackRate = this.rate * (1 - nudge);
      if (video.paused) video.play().catch(() => {});
    }
    if (clock.paused) clock.play().catch(() => {});
    this.ontime(clock.currentTime, this.duration);
  }

  close() {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.playing = false;
    for (const video of this.videos) { video.pause(); video.removeAttribute('src'); video.load(); }
  }
}

const length = (video) => (Number.isFinite(video.duration) ? video.duration : 0);

function loaded(video) {
  if (video.readyState >= 3) return Promise.resolve();
  return new Promise((done) => {
    video.addEventListener('canplay', done, { once: true });
    video.addEventListener('error', done, { once: true });
  });
}

function sought(video, time) {
  if (video.readyState < 1 || Math.abs(video.currentTime - time) < 0.0005) return Promise.resolve();
  return new Promise((done) => {
    const late = setTimeout(done, 500); // a hidden tab may never say that it is there
    video.addEventListener('seeked', () => { clearTimeout(late); done(); }, { once: true });
    video.currentTime = time;
  });
}
