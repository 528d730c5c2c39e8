// The process that is looked at: what it writes, and a line to write to it.

import {$, element, isEnabled, setEnabled, setText} from "./dom.js";
import {ending} from "./event-list.js";
import {bytes} from "./format.js";
import {complain} from "./notices.js";
import {Output} from "./output.js";

/** How many lines of each output come first. */
const HISTORY = 200;
/** How many lines that were typed can be had again. */
const TYPED = 50;

export class ProcessView {
  /** The process that is looked at. @type {number | null} */
  pid = null;
  #node;
  #changed;
  #output = new Output($("output"), $("latest"));
  #streams = [];
  /** Whether it is known what the process is, and `#streams` are its outputs, be they none. */
  #subscribed = false;
  /** Whether it was said that some of its output is not there to be shown. */
  #misses = false;
  /** Whether it has ended. The next process of the job is looked at then. */
  #ended = false;
  /** Processes that may be looked at, oldest first. */
  #offered = [];
  /** @type {Map<number, any>} How processes ended, of those that are looked at or were. */
  #endings = new Map();
  #takesInput = false;
  #open = false;
  #typed = [];
  #recalled = 0;

  /**
   * @param {import("./node.js").Node} node
   * @param {() => void} changed called when another process is looked at
   */
  constructor(node, changed) {
    this.#node = node;
    this.#changed = changed;
    $("clear").addEventListener("click", () => this.#output.clear());
    $("input-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    $("input").addEventListener("keydown", (event) => this.#recall(event));
  }

  /** What is known of a process, from the node. */
  async info(pid) {
    return (await this.#node.command("process_info", pid)).info;
  }

  /** Looks at a process, as a person wishes: what was shown of others goes. */
  choose(pid) {
    if (pid === this.pid) return;
    this.leave();
    this.#show(pid);
  }

  /** Looks at none. */
  leave() {
    this.#unsubscribe();
    this.pid = null;
    this.#endings.clear();
    this.#output.clear();
    this.#describe();
  }

  /**
   * Says which processes there are, oldest first. One of them is looked at if none is; and the newest, which most probably has
   * come in its place, if the one that was has ended. Where there are none, what the last one wrote may tell why.
   * @param {number[]} pids
   * @param {{pid: number, exit_code: number, term_signal: number} | null} [last] the process that has ended last
   * @param {string[]} [labels] its outputs
   */
  offer(pids, last = null, labels = []) {
    this.#offered = pids;
    if (this.pid !== null && !pids.includes(this.pid)) this.#settle();
    const others = pids.filter((pid) => pid !== this.pid && !this.#endings.has(pid));
    const next = this.pid === null ? others.at(0) : others.at(-1);
    if ((this.pid === null || this.#ended) && next !== undefined) {
      this.#show(next);
    } else if (this.pid === null && last && labels.length) {
      this.#endings.set(last.pid, last);
      this.#show(last.pid, {redirect_output: labels, custom_streams: [], redirect_input: false});
    }
    this.#describe();
  }

  /** An event of the node. */
  happened(event) {
    if (event.event !== "exit" || event.pid === undefined) return;
    if (event.pid === this.pid || this.#offered.includes(event.pid)) this.#endings.set(event.pid, event);
    if (event.pid === this.pid) this.#settle();
  }

  connected(open) {
    this.#open = open;
    if (open && this.pid !== null && !this.#subscribed && !this.#ended) this.#subscribe();
    this.#describe();
  }

  /** @param {number} pid @param {any} [info] what is known of it, if the node does not know it any more */
  async #show(pid, info) {
    const before = this.pid;
    this.#unsubscribe();
    this.pid = pid;
    this.#ended = false;
    if (before !== null) this.#output.remark("note", `process ${pid}`);
    this.#changed();
    await this.#subscribe(info);
  }

  async #subscribe(info) {
    const pid = this.pid;
    try {
      info ??= await this.info(pid);
    } catch (error) {
      // It has ended meanwhile, or the connection is lost: both are told, and we come here again.
      if (error.errno === 404 && pid === this.pid) {
        this.#miss();
        this.#settle();
      }
      return;
    }
    if (pid !== this.pid || this.#subscribed) return;
    this.#subscribed = true;
    this.#takesInput = info.redirect_input;
    const labels = [...info.redirect_output, ...info.custom_streams];
    this.#streams = labels.map((label, tone) => this.#stream(pid, label, tone));
    $("labels").replaceChildren(
      ...labels.map((label, tone) => element("span", {className: `label tone-${Math.min(tone, 3)}`}, label)),
    );
    if (!labels.length) this.#output.remark("note", "its output goes nowhere: the job has no redirect_output");
    this.#describe();
  }

  #stream(pid, label, tone) {
    const onmessage = (message) => {
      if (message.event !== "gaffer:lost") this.#output.write(label, tone, message.data);
      else if (message.lost === null) this.#output.remark("lost", `some output of ${label} is missing`);
      else this.#output.remark("lost", `${bytes(message.lost)} of ${label} were lost: they came faster than they could be sent`);
    };
    const onend = (error) => {
      // What comes of a closed subscription is nobody's business.
      if (pid !== this.pid) return;
      if (error?.errno === 404) this.#miss();
      else if (error?.errno) complain(`${label} of process ${pid} cannot be shown`, error);
      stream.over = true;
      this.#settle();
    };
    const stream = {over: false, subscription: null};
    stream.subscription = this.#node.gaffer.subscribe(`STREAM:${pid}.${label}`, {history: HISTORY, onmessage, onend});
    return stream;
  }

  /** Says that the node does not know any more what the process wrote. */
  #miss() {
    if (this.#misses) return;
    this.#misses = true;
    this.#output.remark("note", "what it wrote is not kept any more");
  }

  #unsubscribe() {
    const streams = this.#streams;
    this.#streams = [];
    this.#subscribed = false;
    this.#misses = false;
    this.#takesInput = false;
    this.pid = null;
    for (const {subscription} of streams) subscription.close();
    $("labels").replaceChildren();
  }

  /** Tells the end of the process, once it has ended and all that it wrote is shown. */
  #settle() {
    if (this.#ended || !this.#streams.every(({over}) => over)) return;
    const exit = this.#endings.get(this.pid);
    if (!exit && this.#offered.includes(this.pid)) return;
    this.#ended = true;
    this.#takesInput = false;
    this.#output.remark("note", exit ? `process ${this.pid} has ended: ${ending(exit)}` : `process ${this.pid} has ended`);
    // Unless this was called by that.
    queueMicrotask(() => this.offer(this.#offered));
  }

  #describe() {
    const usable = this.#open && this.pid !== null && this.#takesInput && !this.#ended;
    setText($("output-title"), this.pid === null ? "Output" : `Output of process ${this.pid}`);
    // Not disabled, which would take the focus from who types while a process is replaced.
    $("input").readOnly = !usable;
    setEnabled($("send"), usable);
    let hint = "No process runs";
    if (usable) hint = `Write a line to process ${this.pid}`;
    else if (!this.#open) hint = "No connection";
    else if (this.pid !== null && !this.#ended) hint = "This process takes no input";
    $("input").placeholder = hint;
  }

  async #send() {
    if (!isEnabled($("send"))) return;
    const [line, pid] = [$("input").value, this.pid];
    $("input").value = "";
    if (line && line !== this.#typed.at(-1)) this.#typed.push(line);
    if (this.#typed.length > TYPED) this.#typed.shift();
    this.#recalled = this.#typed.length;
    this.#output.typed(line);
    try {
      await this.#node.command("send", pid, `${line}\n`);
    } catch (error) {
      complain(`Process ${pid} did not take the line`, error);
    }
  }

  #recall(event) {
    const step = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!step || !this.#typed.length) return;
    event.preventDefault();
    if (event.target.readOnly) return;
    this.#recalled = Math.min(Math.max(this.#recalled + step, 0), this.#typed.length);
    event.target.value = this.#typed[this.#recalled] ?? "";
  }
}
