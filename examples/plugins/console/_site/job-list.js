// The list of jobs.

import {$, arrange, element, moveWithArrows, setText} from "./dom.js";
import {bytes, NOTHING, percent} from "./format.js";
import {describe} from "./state.js";

export class JobList {
  #node;
  #choose;
  #rows = new Map();
  #chosen = null;
  #inSight = new Set();
  #sight;

  /**
   * @param {import("./node.js").Node} node
   * @param {(name: string) => void} choose called with the job that a person chooses
   */
  constructor(node, choose) {
    this.#node = node;
    this.#choose = choose;
    // Only what is in sight is measured.
    this.#sight = new IntersectionObserver((changes) => {
      for (const {target, isIntersecting} of changes) {
        if (isIntersecting) this.#inSight.add(target.dataset.job);
        else this.#inSight.delete(target.dataset.job);
      }
      this.#watch();
    });
    moveWithArrows($("jobs"));
    $("filter").addEventListener("input", () => this.#arrange());
    document.addEventListener("visibilitychange", () => this.#watch());
    node.addEventListener("jobs", () => this.#arrange());
    node.addEventListener("job", ({detail}) => this.#show(detail));
    node.addEventListener("figures", () => this.#inSight.forEach((name) => this.#showFigures(name)));
  }

  /** Marks the job that is looked at. @param {string | null} name */
  mark(name) {
    this.#chosen = name;
    for (const [other, row] of this.#rows) {
      row.line.classList.toggle("chosen", other === name);
      row.pick.ariaCurrent = other === name ? "true" : null;
    }
    this.#watch();
  }

  #watch() {
    const names = document.hidden ? [] : [...this.#inSight, this.#chosen];
    this.#node.watch(new Set(names.filter((name) => this.#node.jobs.has(name))));
  }

  #arrange() {
    const {jobs, known, failure} = this.#node;
    for (const [name, row] of this.#rows) {
      if (jobs.has(name)) continue;
      this.#sight.unobserve(row.line);
      this.#inSight.delete(name);
      this.#rows.delete(name);
    }
    const filter = $("filter").value.trim().toLowerCase();
    const shown = [...jobs.keys()].filter((name) => name.toLowerCase().includes(filter));
    arrange($("jobs"), shown.map((name) => this.#row(name).line));
    setText($("jobs-count"), jobs.size ? `${jobs.size}` : "");
    $("jobs-empty").hidden = shown.length > 0 || !(known || failure);
    let empty = "No jobs are loaded.";
    if (jobs.size) empty = "No job has this in its name.";
    else if (!known) empty = `The jobs cannot be shown yet: ${failure}. The node is asked again.`;
    setText($("jobs-empty"), empty);
    this.mark(this.#chosen);
  }

  #row(name) {
    const known = this.#rows.get(name);
    if (known) return known;
    const dot = element("i", {className: "dot"});
    const split = name.lastIndexOf(".") + 1;
    const session = element("span", {className: "session"}, name.slice(0, split));
    // The state is not told by a colour alone.
    const state = element("span", {className: "unseen"});
    const label = element("span", {className: "name"}, session, name.slice(split));
    const pick = element("button", {type: "button", className: "pick"}, dot, label, state);
    const [running, cpu, memory] = ["running", "cpu", "memory"].map((field) =>
      element("td", {className: "number", dataset: {field}}, NOTHING),
    );
    const line = element("tr", {dataset: {job: name}}, element("td", {}, pick), running, cpu, memory);
    line.addEventListener("click", () => this.#choose(name));
    const row = {line, pick, state, running, cpu, memory};
    this.#rows.set(name, row);
    this.#sight.observe(line);
    this.#show(name);
    return row;
  }

  #show(name) {
    const [job, row] = [this.#node.jobs.get(name), this.#rows.get(name)];
    if (!job || !row) return;
    const {running, max_processes: wanted} = job.status;
    const state = describe(job.status);
    row.line.dataset.state = state.kind;
    row.pick.title = `${name}: ${state.text}`;
    setText(row.state, `, ${state.text}`);
    setText(row.running, `${running}/${wanted}`);
    this.#showFigures(name);
  }

  #showFigures(name) {
    const [job, row] = [this.#node.jobs.get(name), this.#rows.get(name)];
    if (!job || !row) return;
    // Where nothing runs there are no figures, and so there is room to say why.
    const runs = job.status.running > 0;
    row.cpu.colSpan = runs ? 1 : 2;
    row.memory.hidden = !runs;
    row.cpu.classList.toggle("row-state", !runs);
    setText(row.cpu, runs ? percent(job.now?.cpu) : describe(job.status).text);
    setText(row.memory, bytes(job.now?.rss));
  }
}
