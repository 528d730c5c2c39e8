// What the page knows of the node: its jobs, how they stand and what they use. Events keep it up to date.

import {Gaffer} from "./gaffer.js";

/** How long events of a job gather before it is looked at again, in milliseconds: several often come at once. */
const GATHER = 120;
/** How often figures are told. They are measured ten times a second, faster than anybody reads. */
const TELL_FIGURES = 1000;
/** How many figures of a job are kept, for its curves. */
const CURVE = 40;
/** How soon the node is asked again that did not tell its jobs, in milliseconds. */
const RETRY = 2000;
/** How long an answer is waited for: where a connection is dead, there will be none. */
const PATIENCE = 15_000;
/** So many looks at all jobs may come too late in a row, before such a one is taken for what it is. */
const MOST_LATE = 5;

/** A name without the session that need not be named. */
export const short = (name) => name.replace(/^default\./, "");

/** A name with it. */
export const full = (name) => (name.includes(".") ? name : `default.${name}`);

/**
 * A job: what `GET /status` says of it, and what its processes use now.
 * @typedef {object} Job
 * @property {string} name
 * @property {any} status
 * @property {number} at when that was said, in milliseconds since 1970
 * @property {Map<number, Figures>} figures by pid
 * @property {{cpu: number, rss: number} | null} now what they use together, as far as it is measured
 * @property {{cpu: number, rss: number}[]} curve
 */

const newJob = (name) => ({name, status: null, at: 0, figures: new Map(), now: null, curve: []});

/** The figures of processes that are not watched any more, or are others now. */
function forget(job) {
  job.figures.clear();
  job.now = null;
}

/** The sum of those that are known, if any is. */
function sum(values) {
  const known = values.filter(Number.isFinite);
  return known.length ? known.reduce((before, value) => before + value) : NaN;
}

/** What a process uses: means since figures were told last. */
class Figures {
  cpu = NaN;
  rss = NaN;
  #sum = 0;
  #count = 0;

  take({cpu, rss}) {
    if (Number.isFinite(cpu)) {
      this.#sum += cpu;
      this.#count += 1;
    }
    if (Number.isFinite(rss)) this.rss = rss;
  }

  settle() {
    if (this.#count) this.cpu = this.#sum / this.#count;
    this.#sum = this.#count = 0;
  }
}

/**
 * A node. It tells of changes by events, whose `detail` is the name of a job where they are about one: `jobs` (others came or
 * went), `job` (its status is another), `figures` (of all that are watched), `happened` (an event of the node, or a loss),
 * `connection`, `restarted` (no process is any of those that were known), `trouble` (`detail` says with what, and the error), and
 * `locked` (the node asks for a key, or for another one; `detail` says why).
 */
export class Node extends EventTarget {
  /** @type {Map<string, Job>} */
  jobs = new Map();
  /** Whether the jobs are known yet. */
  known = false;
  /** Why the jobs could not be told, if they could not. @type {string | null} */
  failure = null;
  gaffer;
  #looking = false;
  /** Whether something happened while all jobs were looked at: the answer may be older. */
  #late = false;
  #retry = 0;
  #base;
  #watched = new Map();
  #looks = new Map();

  #key;

  /** @param {URL} base where the node's calls are @param {string} [key] for nodes that ask for one */
  constructor(base, key) {
    super();
    this.#base = base;
    this.#key = key;
    this.gaffer = new Gaffer({url: base, key});
    this.gaffer.addEventListener("state", () => {
      this.#tell("connection");
      // Much may have happened meanwhile, and of a node that was started anew all is different.
      if (this.gaffer.state === "open") this.#lookAtAll();
    });
    this.gaffer.addEventListener("error", ({detail}) => {
      if (detail.errno === 401 || detail.errno === 403) this.#tell("locked", detail);
      else this.#tell("trouble", {what: "A message was not understood", error: detail});
    });
    this.gaffer.addEventListener("restarted", () => {
      for (const job of this.jobs.values()) forget(job);
      this.#tell("restarted");
    });
    const events = this.gaffer.subscribe("EVENTS", {history: 40, onmessage: (event) => this.#happened(event)});
    events.ready.then(
      // Once more, as something may have happened in between unnoticed.
      () => this.#lookAtAll(),
      // Without a key nothing is shown, which is told once.
      (error) => this.gaffer.state !== "closed" && this.#tell("trouble", {what: "Events cannot be shown", error}),
    );
    setInterval(() => this.#settle(), TELL_FIGURES);
  }

  /** Carries out a command on a job or process. */
  command(name, ...args) {
    return this.gaffer.command(name, ...args);
  }

  /** Asks the node over HTTP. */
  async get(path) {
    const headers = this.#key === undefined ? {} : {"X-Api-Key": this.#key};
    const answer = await fetch(new URL(path, this.#base), {headers, signal: AbortSignal.timeout(PATIENCE)}).catch(() => {
      throw new Error("the node cannot be reached");
    });
    // What stands between the node and us may answer otherwise.
    const body = await answer.json().catch(() => null);
    if (!answer.ok || body === null) throw body ?? new Error(`the answer was ${answer.status} ${answer.statusText}`.trim());
    return body;
  }

  /** Has these jobs measured, and no others. @param {Set<string>} names */
  watch(names) {
    for (const [name, subscription] of this.#watched) {
      if (names.has(name)) continue;
      this.#watched.delete(name);
      subscription.close();
      const job = this.jobs.get(name);
      if (job) forget(job);
    }
    for (const name of names) {
      if (this.#watched.has(name)) continue;
      const onmessage = (stat) => this.#measured(name, stat);
      // Of a job that has gone, and is loaded again perhaps.
      const onend = () => this.#watched.delete(name);
      this.#watched.set(name, this.gaffer.subscribe(`STATS:${name}`, {onmessage, onend}));
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  #measured(name, stat) {
    const job = this.jobs.get(name);
    if (!job || stat.event !== "stat") return;
    if (!job.figures.has(stat.pid)) job.figures.set(stat.pid, new Figures());
    job.figures.get(stat.pid).take(stat);
  }

  #settle() {
    // What was measured last stands still, as all else does.
    if (this.gaffer.state !== "open") return;
    for (const name of this.#watched.keys()) {
      const job = this.jobs.get(name);
      if (!job) continue;
      const all = [...job.figures.values()];
      for (const figures of all) figures.settle();
      job.now = {cpu: sum(all.map(({cpu}) => cpu)), rss: sum(all.map(({rss}) => rss))};
      if (!Number.isFinite(job.now.cpu + job.now.rss)) continue;
      job.curve.push(job.now);
      if (job.curve.length > CURVE) job.curve.shift();
    }
    this.#tell("figures");
  }

  #happened(event) {
    // Each event comes under its own name, and once more under that of its job.
    if (event.event.includes(".")) return;
    this.#tell("happened", event);
    this.#late = true;
    if (event.event === "gaffer:lost") {
      this.#lookAtAll();
      return;
    }
    if (!this.known) return;
    const name = short(event.name);
    if (event.event === "exit") this.jobs.get(name)?.figures.delete(event.pid);
    if (event.event === "unload") this.#gone(name);
    // After its end some of its processes may still be told of.
    else if (event.event === "load" || this.jobs.has(name)) this.#look(name);
  }

  /** Looks at all jobs; once at a time, and again if something happens meanwhile. */
  async #lookAtAll() {
    if (this.#looking) {
      this.#late = true;
      return;
    }
    clearTimeout(this.#retry);
    this.#looking = true;
    try {
      for (let late = 0; ; late += 1) {
        this.#late = false;
        const {jobs} = await this.get("status");
        // An answer that is late would bring back what has gone, and take away what has come.
        if (!this.#late || !this.known || late >= MOST_LATE) this.#seenAll(jobs);
        if (!this.#late) break;
        await new Promise((resolve) => setTimeout(resolve, GATHER));
      }
    } catch (error) {
      this.failure = error.reason ?? error.message;
      this.#tell("jobs");
      // If the connection is lost, we come here again with the next one.
      if (this.gaffer.state === "open") this.#retry = setTimeout(() => this.#lookAtAll(), RETRY);
    }
    this.#looking = false;
  }

  #seenAll(jobs) {
    const before = this.jobs;
    this.jobs = new Map();
    for (const status of jobs) {
      const name = short(status.name);
      this.jobs.set(name, {...newJob(name), ...before.get(name), status, at: Date.now()});
    }
    this.known = true;
    this.failure = null;
    this.#tell("jobs");
    for (const name of this.jobs.keys()) this.#tell("job", name);
  }

  /** Looks at a job soon, and once more if something happens while it is looked at. */
  #look(name) {
    const look = this.#looks.get(name);
    if (look) {
      look.again = true;
      return;
    }
    const mine = {again: false, timer: 0};
    this.#looks.set(name, mine);
    mine.timer = setTimeout(async () => {
      mine.again = false;
      let status = null;
      try {
        status = await this.get(`status/${encodeURIComponent(name)}`);
      } catch {
        // It has gone, which an event will tell, or the connection has, after which all are looked at.
      }
      // Unless it was unloaded meanwhile, and loaded again perhaps.
      if (this.#looks.get(name) !== mine) return;
      this.#looks.delete(name);
      if (status) this.#seen(name, status);
      if (mine.again) this.#look(name);
    }, GATHER);
  }

  #seen(name, status) {
    const known = this.jobs.get(name);
    const job = Object.assign(known ?? newJob(name), {status, at: Date.now()});
    if (!known) {
      this.jobs.set(name, job);
      this.#tell("jobs");
    }
    this.#tell("job", name);
  }

  #gone(name) {
    clearTimeout(this.#looks.get(name)?.timer);
    this.#looks.delete(name);
    if (this.jobs.delete(name)) this.#tell("jobs");
  }
}
