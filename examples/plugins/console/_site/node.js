// What the page knows of the node: its jobs, how they stand and what they use. Events keep it up to date.

import {Gaffer} from "./gaffer.js";

/** How long events of a job gather before it is looked at again, in milliseconds: several often come at once. */
const GATHER = 120;
/** How often figures are told. They are measured ten times a second, faster than anybody reads. */
const TELL_FIGURES = 1000;
/** How many figures of a job are kept, for its curves. */
const CURVE = 40;

/** A name without the session that need not be named. */
export const short = (name) => name.replace(/^default\./, "");

/** A name with it. */
export const full = (name) => (name.includes(".") ? name : `default.${name}`);

/**
 * A job: what `GET /status` says of it, and what its processes use now.
 * @typedef {object} Job
 * @property {string} name
 * @property {any} status
 * @property {Map<number, Figures>} figures by pid
 * @property {{cpu: number, rss: number}[]} curve
 */

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
 * `connection`, and `restarted` (no process is any of those that were known).
 */
export class Node extends EventTarget {
  /** @type {Map<string, Job>} */
  jobs = new Map();
  /** Whether the jobs are known yet. */
  known = false;
  gaffer;
  /** Whether something happened while the jobs were not known yet. */
  #early = false;
  #base;
  #watched = new Map();
  #looks = new Map();

  /** @param {URL} base where the node's calls are */
  constructor(base) {
    super();
    this.#base = base;
    this.gaffer = new Gaffer({url: base});
    this.gaffer.addEventListener("state", () => {
      this.#tell("connection");
      // Much may have happened meanwhile, and of a node that was started anew all is different.
      if (this.gaffer.state === "open" && this.known) this.#lookAtAll();
    });
    this.gaffer.addEventListener("restarted", () => {
      for (const job of this.jobs.values()) job.figures.clear();
      this.#tell("restarted");
    });
    const events = this.gaffer.subscribe("EVENTS", {history: 40, onmessage: (event) => this.#happened(event)});
    // Only now, so that nothing can happen in between unnoticed.
    events.ready.then(() => this.#lookAtAll());
    setInterval(() => this.#settle(), TELL_FIGURES);
  }

  /** Carries out a command on a job or process. */
  command(name, ...args) {
    return this.gaffer.command(name, ...args);
  }

  /** Asks the node over HTTP. */
  async get(path) {
    const answer = await fetch(new URL(path, this.#base));
    const body = await answer.json();
    if (!answer.ok) throw body;
    return body;
  }

  /** Has these jobs measured, and no others. @param {Set<string>} names */
  watch(names) {
    for (const [name, subscription] of this.#watched) {
      if (names.has(name)) continue;
      this.#watched.delete(name);
      subscription.close();
      this.jobs.get(name)?.figures.clear();
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
    for (const name of this.#watched.keys()) {
      const job = this.jobs.get(name);
      if (!job) continue;
      const now = {cpu: 0, rss: 0};
      for (const figures of job.figures.values()) {
        figures.settle();
        now.cpu += figures.cpu || 0;
        now.rss += figures.rss || 0;
      }
      job.curve.push(now);
      if (job.curve.length > CURVE) job.curve.shift();
    }
    this.#tell("figures");
  }

  #happened(event) {
    // Each event comes under its own name, and once more under that of its job.
    if (event.event.includes(".")) return;
    this.#tell("happened", event);
    if (event.event === "gaffer:lost") {
      this.#lookAtAll();
      return;
    }
    if (!this.known) {
      this.#early = true;
      return;
    }
    const name = short(event.name);
    if (event.event === "exit") this.jobs.get(name)?.figures.delete(event.pid);
    if (event.event === "unload") this.#gone(name);
    // After its end some of its processes may still be told of.
    else if (event.event === "load" || this.jobs.has(name)) this.#look(name);
  }

  async #lookAtAll() {
    let jobs;
    try {
      ({jobs} = await this.get("status"));
    } catch {
      // If the connection is lost, we come here again with the next one; else with the next event of each job.
      return;
    }
    const before = this.jobs;
    this.jobs = new Map();
    for (const status of jobs) {
      const name = short(status.name);
      this.jobs.set(name, {name, figures: new Map(), curve: [], ...before.get(name), status});
    }
    this.known = true;
    this.#tell("jobs");
    for (const name of this.jobs.keys()) this.#tell("job", name);
    if (this.#early) {
      this.#early = false;
      this.#lookAtAll();
    }
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
    if (known) {
      known.status = status;
    } else {
      this.jobs.set(name, {name, figures: new Map(), curve: [], status});
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
