// What a process writes, line by line, in a page that stays small however much it is.

import {Ansi} from "./ansi.js";
import {element} from "./dom.js";

const MOST_LINES = 2000;
/** A line that is longer goes on in the next one. */
const LONGEST_LINE = 8192;
/** What each piece, however short, counts as: something is to be drawn for it, too. */
const LEAST = 64;
/** What has come since the page was drawn last and is more than this many characters is not drawn at all. */
const MOST_WAITING = 512 * 1024;

export class Output {
  #pane;
  #toLatest;
  #follows = true;
  /** What is to be drawn next: functions, with the characters that each counts as. */
  #waiting = [];
  #characters = 0;
  #skipped = false;
  #frame = 0;
  #writers = new Map();

  /**
   * @param {HTMLElement} pane
   * @param {HTMLElement} toLatest a button that is shown while the newest lines are out of sight
   */
  constructor(pane, toLatest) {
    this.#pane = pane;
    this.#toLatest = toLatest;
    pane.addEventListener("scroll", () => this.#follow(pane.scrollHeight - pane.scrollTop - pane.clientHeight < 24));
    toLatest.addEventListener("click", () => {
      this.#follow(true);
      this.#toEnd();
    });
    // When the pane gets another size, its end would be out of sight.
    new ResizeObserver(() => this.#toEnd()).observe(pane);
  }

  clear() {
    this.#waiting = [];
    this.#characters = 0;
    this.#skipped = false;
    this.#writers.clear();
    this.#pane.replaceChildren();
    this.#follow(true);
  }

  /**
   * Adds what was written to an output.
   * @param {string} label
   * @param {number} tone tells outputs apart, from 0 on
   * @param {string} text
   */
  write(label, tone, text) {
    this.#add(text.length, () => {
      if (!this.#writers.has(label)) this.#writers.set(label, new Writer(this.#pane, label, tone));
      this.#writers.get(label).write(text);
    });
  }

  /** Adds a line that a person has typed. */
  typed(text) {
    this.#add(text.length, () => this.#pane.append(element("div", {className: "line typed"}, text)));
  }

  /** Adds a remark of ours. @param {"note" | "lost"} kind */
  remark(kind, text) {
    this.#add(0, () => this.#mark(kind, text));
  }

  #add(length, draw) {
    const characters = Math.max(length, LEAST);
    this.#waiting.push({characters, draw});
    this.#characters += characters;
    while (this.#characters > MOST_WAITING && this.#waiting.length > 1) {
      this.#characters -= this.#waiting.shift().characters;
      this.#skipped = true;
    }
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    if (this.#skipped) {
      this.#skipped = false;
      this.#mark("lost", "some output is not shown: it came faster than this page can draw");
    }
    for (const {draw} of waiting) draw();
    for (let over = this.#pane.childElementCount - MOST_LINES; over > 0; over -= 1) this.#pane.firstElementChild.remove();
    this.#toEnd();
  }

  #mark(kind, text) {
    // Lines that are not whole yet do not go on beyond it.
    this.#writers.clear();
    this.#pane.append(element("div", {className: `mark ${kind}`, dataset: {testid: kind}}, element("span", {}, text)));
  }

  #follow(follows) {
    this.#follows = follows;
    this.#toLatest.hidden = follows;
  }

  #toEnd() {
    if (this.#follows) this.#pane.scrollTop = this.#pane.scrollHeight;
  }
}

/** One output: its lines, of which the last may go on, and its colours. */
class Writer {
  #pane;
  #label;
  #tone;
  #ansi = new Ansi();
  #line = null;
  #length = 0;
  #overwrites = false;

  constructor(pane, label, tone) {
    this.#pane = pane;
    this.#label = label;
    this.#tone = tone;
  }

  write(text) {
    this.#ansi.read(text, {
      text: (piece, classes) => this.#text(piece, classes),
      newline: () => this.#newline(),
      carriageReturn: () => (this.#overwrites = true),
    });
  }

  #newline() {
    this.#current();
    this.#line = null;
    this.#overwrites = false;
  }

  #text(piece, classes) {
    if (this.#overwrites) {
      this.#overwrites = false;
      this.#line?.replaceChildren();
      this.#length = 0;
    }
    while (piece) {
      const room = LONGEST_LINE - this.#length;
      const part = piece.slice(0, room);
      piece = piece.slice(room);
      this.#current().append(classes ? element("span", {className: classes}, part) : part);
      this.#length += part.length;
      if (this.#length >= LONGEST_LINE) this.#newline();
    }
  }

  /** The line that is written to; a new one if there is none, or if it has scrolled out of the page. */
  #current() {
    if (!this.#line?.isConnected) {
      this.#length = 0;
      this.#line = element("div", {className: `line tone-${Math.min(this.#tone, 3)}`, dataset: {label: this.#label}});
      this.#pane.append(this.#line);
    }
    return this.#line;
  }
}
