// Text with the control sequences of terminals, as pieces of text with a style each.
//
// Colours and the usual attributes are kept, as names of classes. Of what moves the cursor only the carriage return means
// something, as progress bars use it. All else is left out.

const SEQUENCE =
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-OQ-WYZ\\`-~])|[\x00-\x08\x0a-\x1f\x7f]/g;
/** The beginning of a sequence whose end may come with the next text. */
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$/;
/** What claims to be a sequence and does not end is none. */
const LONGEST_SEQUENCE = 4096;

const ATTRIBUTES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"};
const ENDS = {22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"]};

/** Reads the text of one output, which may come in any pieces. */
export class Ansi {
  #rest = "";
  #attributes = new Set();
  #colours = {fg: null, bg: null};

  /**
   * @param {string} text
   * @param {{text: (text: string, classes: string) => void, newline: () => void, carriageReturn: () => void}} to
   */
  read(text, to) {
    text = this.#rest + text;
    const unfinished = UNFINISHED.exec(text);
    const end = unfinished && text.length - unfinished.index < LONGEST_SEQUENCE ? unfinished.index : text.length;
    this.#rest = text.slice(end);
    text = text.slice(0, end);
    let at = 0;
    for (const {0: found, index} of text.matchAll(SEQUENCE)) {
      if (index > at) to.text(text.slice(at, index), this.#classes());
      at = index + found.length;
      if (found === "\n") to.newline();
      else if (found === "\r") to.carriageReturn();
      else if (found.startsWith("\x1b[") && found.endsWith("m")) this.#style(found.slice(2, -1));
    }
    if (at < text.length) to.text(text.slice(at), this.#classes());
  }

  #classes() {
    const {fg, bg} = this.#colours;
    return [...this.#attributes, fg !== null && `fg-${fg}`, bg !== null && `bg-${bg}`].filter(Boolean).join(" ");
  }

  #style(parameters) {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at];
      if (code === 0) {
        this.#attributes.clear();
        this.#colours = {fg: null, bg: null};
      } else if (ATTRIBUTES[code]) this.#attributes.add(ATTRIBUTES[code]);
      else if (ENDS[code]) ENDS[code].forEach((name) => this.#attributes.delete(name));
      else if (code >= 30 && code <= 37) this.#colours.fg = code - 30;
      else if (code >= 90 && code <= 97) this.#colours.fg = code - 82;
      else if (code >= 40 && code <= 47) this.#colours.bg = code - 40;
      else if (code >= 100 && code <= 107) this.#colours.bg = code - 92;
      else if (code === 39) this.#colours.fg = null;
      else if (code === 49) this.#colours.bg = null;
      else if (code === 38 || code === 48) {
        // One of 256 colours, of which the first 16 are known here, or red, green and blue.
        const colour = codes[at + 1] === 5 && codes[at + 2] < 16 ? codes[at + 2] : null;
        this.#colours[code === 38 ? "fg" : "bg"] = colour;
        at += codes[at + 1] === 5 ? 2 : 4;
      }
    }
  }
}
