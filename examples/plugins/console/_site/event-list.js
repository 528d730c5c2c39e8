// What happens on the node, newest first.

import {$, element} from "./dom.js";
import {clock} from "./format.js";
import {short} from "./node.js";

const MOST = 200;

const WORDS = {
  load: "loaded",
  unload: "unloaded",
  update: "updated",
  start: "started",
  stop: "stopped",
  restart: "restarted",
  spawn: "launched",
  reap: "to stop",
  stop_process: "to stop",
  exit: "exited",
  flap: "flaps",
  spawn_error: "not launched",
};

/** What is worth a look. */
function kind({event, exit_code: code, term_signal: signal}) {
  if (event === "spawn_error" || event === "gaffer:lost") return "bad";
  if (event === "flap") return "warn";
  if (event === "exit") return code || signal === 9 || signal === 11 || signal === 6 ? "bad" : "quiet";
  return event === "spawn" || event === "start" ? "good" : "quiet";
}

/** How a process ended. */
export function ending({exit_code: code, term_signal: signal}) {
  return signal ? `signal ${signal}` : `code ${code}`;
}

export class EventList {
  /** @param {import("./node.js").Node} node */
  constructor(node) {
    node.addEventListener("happened", ({detail}) => this.#add(detail));
  }

  #add(event) {
    const list = $("events");
    list.prepend(event.event === "gaffer:lost" ? this.#loss(event) : this.#line(event));
    if (list.childElementCount > MOST) list.lastElementChild.remove();
  }

  #line(event) {
    const details = [];
    if (event.pid !== undefined && event.pid !== null) details.push(`process ${event.pid}`);
    if (event.event === "exit") details.push(ending(event));
    if (event.reason) details.push(event.reason);
    return element(
      "li",
      {className: kind(event), dataset: {event: event.event, job: short(event.name)}},
      element("time", {dateTime: new Date(event.time * 1000).toISOString()}, clock(event.time)),
      element("span", {className: "what"}, element("b", {}, short(event.name)), ` ${WORDS[event.event] ?? event.event}`),
      element("span", {className: "details"}, details.join(", ")),
    );
  }

  #loss({lost}) {
    const what = lost === null ? "Some events were missed" : `${lost} events were missed`;
    return element("li", {className: "bad", dataset: {event: "lost"}}, element("span", {className: "what"}, what));
  }
}
