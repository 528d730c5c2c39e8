// The job that is looked at: how it stands, its controls and its processes.

import {$, arrange, element, isEnabled, moveWithArrows, setEnabled, setText} from "./dom.js";
import {bytes, duration, NOTHING, percent} from "./format.js";
import {full} from "./node.js";
import {complain, confirmed} from "./notices.js";
import {ProcessView} from "./process-view.js";
import {draw} from "./spark.js";
import {describe} from "./state.js";

/** What the buttons do: the command, its further arguments, and how it is called if it does not work. */
const ACTIONS = {
  start: ["start_job", [], "was not started"],
  stop: ["stop_job", [], "was not stopped"],
  restart: ["restart_job", [], "was not restarted"],
  reload: ["reload", [], "was not reloaded"],
  fewer: ["scale", ["-1"], "was not scaled"],
  more: ["scale", ["+1"], "was not scaled"],
};

export class JobView {
  #node;
  #process;
  #name = null;
  /** How the job is configured, once that is known. */
  #config = null;
  /** The times at which processes were launched, as far as they are known, by pid. */
  #launched = new Map();
  #rows = new Map();
  /** Since when there is no connection, if there is none: time that passes then is nobody's. @type {number | null} */
  #lostAt = null;

  /** @param {import("./node.js").Node} node */
  constructor(node) {
    this.#node = node;
    this.#process = new ProcessView(node, () => this.#showProcesses());
    for (const button of $("job").querySelectorAll("button[data-action]")) {
      button.addEventListener("click", () => this.#act(button));
    }
    moveWithArrows($("processes"));
    node.addEventListener("jobs", () => this.#show());
    node.addEventListener("job", ({detail}) => detail === this.#name && this.#changed());
    node.addEventListener("figures", () => this.#showFigures());
    node.addEventListener("happened", ({detail}) => this.#process.happened(detail));
    node.addEventListener("connection", () => this.#connected());
    node.addEventListener("restarted", () => {
      this.#process.leave();
      this.#rows.clear();
      this.#launched.clear();
    });
  }

  /** Looks at another job, or at none. @param {string | null} name */
  choose(name) {
    if (name === this.#name) return;
    this.#name = name;
    this.#config = null;
    setText($("job-command"), "");
    this.#process.leave();
    this.#changed();
    this.#show();
  }

  get #job() {
    return this.#node.jobs.get(this.#name);
  }

  #connected() {
    const open = this.#node.gaffer.state === "open";
    if (open) this.#lostAt = null;
    else this.#lostAt ??= Date.now();
    this.#process.connected(open);
    this.#show();
  }

  async #changed() {
    this.#show();
    const name = this.#name;
    if (!this.#job) return;
    try {
      const config = await this.#node.get(`processes/${encodeURIComponent(name)}`);
      if (name !== this.#name) return;
      this.#config = config;
      setText($("job-command"), [config.cmd, ...(config.args ?? [])].join(" "));
      this.#show();
    } catch {
      // A job that has just gone, which an event tells, too.
    }
  }

  async #act(button) {
    if (!isEnabled(button)) return;
    const [command, more, failure] = ACTIONS[button.dataset.action];
    const name = this.#name;
    button.ariaBusy = "true";
    try {
      await this.#node.command(command, full(name), ...more);
    } catch (error) {
      complain(`${name} ${failure}`, error);
    }
    button.ariaBusy = null;
  }

  #show() {
    const job = this.#job;
    $("job-content").hidden = !job;
    $("job-empty").hidden = Boolean(job);
    if (!job) {
      const gone = this.#name !== null && this.#node.known;
      setText($("job-empty"), gone ? `There is no job ${this.#name}.` : "Choose a job to see its processes and what they write.");
      this.#process.offer([]);
      return;
    }
    const {status} = job;
    const state = describe(status);
    setText($("job-name"), job.name);
    setText($("job-state"), state.text);
    $("job-state").dataset.state = state.kind;
    $("job-cause").hidden = !status.cause;
    setText($("job-cause"), status.cause ?? "");
    $("job-cause").dataset.state = state.kind;
    setText($("job-number"), status.running === status.max_processes ? `${status.running}` : `${status.running} of ${status.max_processes}`);
    setText($("job-restarts"), `${status.restarts}`);
    const open = this.#node.gaffer.state === "open";
    const can = {start: state.kind !== "running", stop: status.state !== "stopped", fewer: status.max_processes > 0};
    for (const button of $("job").querySelectorAll("button[data-action]")) {
      setEnabled(button, open && can[button.dataset.action] !== false);
    }
    this.#process.offer(status.pids, status.last_exit, this.#config?.redirect_output);
    this.#showProcesses();
    this.#showFigures();
  }

  #showProcesses() {
    const pids = this.#job?.status.pids ?? [];
    for (const pid of this.#rows.keys()) if (!pids.includes(pid)) this.#rows.delete(pid);
    const focused = [...$("processes").children].findIndex((line) => line.contains(document.activeElement));
    arrange($("processes"), pids.map((pid) => this.#row(pid).line));
    $("processes-frame").hidden = !pids.length;
    // A row that goes passes the focus on to the one in its place.
    if (focused >= 0 && !$("processes").contains(document.activeElement)) {
      const picks = $("processes").querySelectorAll(".pick");
      (picks[Math.min(focused, picks.length - 1)] ?? $("output")).focus();
    }
    const open = this.#node.gaffer.state === "open";
    for (const [pid, {line, pick}] of this.#rows) {
      line.classList.toggle("chosen", pid === this.#process.pid);
      pick.ariaCurrent = pid === this.#process.pid ? "true" : null;
      for (const button of line.querySelectorAll(".process-actions button")) setEnabled(button, open);
    }
  }

  #row(pid) {
    const known = this.#rows.get(pid);
    if (known) return known;
    const pick = element("button", {type: "button", className: "pick"}, `${pid}`);
    const [osPid, up, cpu, memory] = ["os-pid", "up", "cpu", "memory"].map((field) =>
      element("td", {className: "number", dataset: {field}}, NOTHING),
    );
    const stop = element("button", {type: "button", className: "plain", title: "Stop this process; the job replaces it"}, "Stop");
    const kill = element("button", {type: "button", className: "plain danger", dataset: {testid: "kill"}}, "Kill");
    stop.ariaLabel = `Stop process ${pid}`;
    kill.ariaLabel = `Kill process ${pid}`;
    const actions = element("td", {className: "process-actions"}, stop, kill);
    const line = element("tr", {dataset: {pid}}, element("td", {}, pick), osPid, up, cpu, memory, actions);
    line.addEventListener("click", ({target}) => {
      if (!actions.contains(target)) this.#process.choose(pid);
    });
    stop.addEventListener("click", () => {
      if (isEnabled(stop)) this.#end(pid, "was not stopped", "stop_process", pid);
    });
    kill.addEventListener("click", async () => {
      if (!isEnabled(kill)) return;
      const question = `Kill process ${pid} of ${this.#name}? It ends at once, and cannot save or finish anything.`;
      if (await confirmed(question, "Kill")) this.#end(pid, "was not killed", "kill", pid, "KILL");
    });
    const row = {line, pick, osPid, up, cpu, memory};
    this.#rows.set(pid, row);
    this.#identify(pid, row);
    return row;
  }

  async #identify(pid, row) {
    try {
      const info = await this.#process.info(pid);
      setText(row.osPid, `${info.os_pid}`);
      this.#launched.set(pid, info.create_time);
      this.#showFigures();
    } catch {
      // It has ended, or the connection is lost: then its row goes, or is filled in when the process is looked at.
    }
  }

  async #end(pid, failure, ...command) {
    try {
      await this.#node.command(...command);
    } catch (error) {
      complain(`Process ${pid} ${failure}`, error);
    }
  }

  #showFigures() {
    const job = this.#job;
    if (!job) return;
    const used = job.status.running ? job.now : null;
    setText($("job-cpu"), percent(used?.cpu));
    setText($("job-memory"), bytes(used?.rss));
    const curve = Number.isFinite(used?.cpu) ? job.curve : [];
    draw($("spark-cpu"), curve.map(({cpu}) => cpu), 1);
    draw($("spark-memory"), curve.map(({rss}) => rss), 1);
    const now = this.#lostAt ?? Date.now();
    setText($("job-uptime"), job.status.running ? duration(job.status.uptime + (now - job.at) / 1000) : NOTHING);
    for (const [pid, row] of this.#rows) {
      const figures = job.figures.get(pid);
      setText(row.cpu, percent(figures?.cpu));
      setText(row.memory, bytes(figures?.rss));
      setText(row.up, duration(now / 1000 - this.#launched.get(pid)));
    }
  }
}
