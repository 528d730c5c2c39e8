// The client library of the console, in Node, over a connection that is cut again and again.
//
// Usage: library.mjs <base url> <the library's path>
//
// The node has a job `counter`, which writes numbers from 1 on, one a line, and a job `shop.demo`.

import net from "node:net";
import {pathToFileURL} from "node:url";

import {run, within} from "./deadline.mjs";
import {require} from "./modules.mjs";

const [base, library] = process.argv.slice(2);
const {Gaffer, GafferError} = await import(pathToFileURL(library).href);

function check(what, is) {
  if (!is) throw new Error(what);
}

/** Passes bytes on to the node, until it is told to cut all connections, or to hold back what the node says. */
class Cable {
  #sockets = new Set();
  #backward = new Set();

  async open() {
    const {hostname, port} = new URL(base);
    this.server = net.createServer((near) => {
      const far = net.connect(port, hostname);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {}).on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
      this.#backward.add(far);
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Of the connections of now: those to come are good. */
  hold() {
    for (const far of this.#backward) far.unpipe();
  }

  close() {
    this.server.close();
    this.cut();
  }
}

async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function refused(what, promise, is) {
  const error = await promise.then(
    () => new Error(`${what}: it is not refused`),
    (error) => error,
  );
  check(`${what}: ${error.stack}`, error instanceof GafferError && is(error));
}

async function use(kind, options) {
  const cable = new Cable();
  await cable.open();
  const gaffer = new Gaffer({url: cable.url, minDelay: 50, ...options});
  try {
    const {pids} = await gaffer.command("pids", "counter");
    const [pid] = pids;
    check("commands have results", Number.isInteger(pid));
    await refused("an unknown command", gaffer.command("nope"), ({errno, error}) => errno === 404 && error === "command_not_found");
    await refused("an unknown process", gaffer.subscribe("STREAM:999999").ready, ({errno, reason}) => errno === 404 && reason);

    // Each number once, in order, whatever becomes of the connection.
    let next = null;
    let rest = "";
    let cuts = 0;
    let lines = 0;
    for await (const message of gaffer.subscribe(`STREAM:${pid}.out`, {history: 1})) {
      check(`something was lost: ${JSON.stringify(message)}`, message.event !== "gaffer:lost");
      const parts = (rest + message.data).split("\n");
      rest = parts.pop();
      for (const line of parts) {
        check(`${line} instead of ${next}`, next === null || Number(line) === next);
        next = Number(line) + 1;
        lines += 1;
      }
      if (lines >= 20 * (cuts + 1)) {
        if (cuts === 3) break;
        cuts += 1;
        const pending = gaffer.command("pids", "counter");
        cable.cut();
        // It may have been answered just before.
        await pending.catch((error) => check(error.stack, error.error === "connection_lost"));
      }
    }

    // A topic can be left and taken up again, and is told once.
    await until(async () => (await gaffer.command("pids", "shop.demo")).pids.length === 1);
    const seen = [];
    const first = gaffer.subscribe("JOB:shop.demo", {onmessage: () => check("it was closed", false)});
    first.close();
    const second = gaffer.subscribe("JOB:shop.demo", {onmessage: ({event}) => seen.push(event)});
    await second.ready;
    const {numprocesses} = await gaffer.command("scale", "shop.demo", "+1");
    check("one more", numprocesses === 2);
    await until(() => seen.includes("job.shop.demo.spawn"));
    await gaffer.command("scale", "shop.demo", "=1");
    await until(() => seen.includes("job.shop.demo.exit"));
    check("it is told once", seen.filter((event) => event === "job.shop.demo.spawn").length === 1);

    // What ends is told.
    const {pids: demos} = await gaffer.command("pids", "shop.demo");
    const ending = (async () => {
      const events = [];
      for await (const {event} of gaffer.subscribe(`PROCESS:${demos[0]}`, {history: 0})) events.push(event);
      return events;
    })();
    await gaffer.command("kill", demos[0], "KILL");
    check("the exit comes, and then the end", (await ending).at(-1) === `proc.${demos[0]}.exit`);

    await listeners(cable.url, options);
    await silence(cable, options);
    await misunderstanding(cable.url, options);

    gaffer.close();
    check("it is closed", gaffer.state === "closed");
    await refused("a command when it is closed", gaffer.command("jobs"), ({error}) => error === "not_connected");
    console.log(`ok ${kind}`);
  } finally {
    gaffer.close();
    cable.close();
  }
}

/** Who listens to the state may do anything, also at once. */
async function listeners(url, options) {
  const gaffer = new Gaffer({url, ...options});
  const subscribed = new Promise((resolve) => {
    gaffer.addEventListener("state", ({detail}) => {
      if (detail !== "open") return;
      const events = gaffer.subscribe("JOB:shop.demo");
      resolve(Promise.all([events.ready, gaffer.command("scale", "shop.demo", "+1")]));
    });
  });
  const [, {numprocesses}] = await subscribed;
  check("a listener's command is carried out", numprocesses === 2);
  const after = await gaffer.command("scale", "shop.demo", "=1");
  check("once", after.numprocesses === 1);
  gaffer.close();

  const brief = new Gaffer({url, ...options});
  const pending = brief.command("jobs");
  brief.subscribe("EVENTS");
  brief.addEventListener("state", ({detail}) => detail === "open" && brief.close());
  await refused("a command of what a listener closes", pending, ({error}) => error === "closed");
}

/** A connection that is silent, but not closed, is given up. */
async function silence(cable, options) {
  const gaffer = new Gaffer({url: cable.url, minDelay: 50, keepAlive: 1000, ...options});
  const states = [];
  gaffer.addEventListener("state", ({detail}) => states.push(detail));
  await gaffer.command("sessions");
  await new Promise((resolve) => setTimeout(resolve, 2500));
  check(`it stays open while nothing happens: ${states}`, states.join() === "open");
  cable.hold();
  await refused("a command that nobody answers", gaffer.command("sessions"), ({error}) => error === "connection_lost");
  await until(() => gaffer.state === "open");
  await gaffer.command("sessions");
  gaffer.close();

  const impatient = new Gaffer({url: cable.url, timeout: 300, ...options});
  await impatient.subscribe("EVENTS").ready;
  cable.hold();
  await refused("a command that takes too long", impatient.command("sessions"), ({errno, error}) => errno === 0 && error === "timeout");
  impatient.close();
  cable.cut();

  const deaf = net.createServer(() => {});
  await new Promise((resolve) => deaf.listen(0, "127.0.0.1", resolve));
  const nobody = new Gaffer({url: `http://127.0.0.1:${deaf.address().port}`, connectTimeout: 300, ...options});
  await refused("a command where nobody is", nobody.command("sessions"), ({error}) => error === "not_connected");
  nobody.close();
  deaf.close();
  deaf.closeAllConnections?.();
}

/** What cannot be a message is not sent; what the node does not understand is told. */
async function misunderstanding(url, options) {
  const gaffer = new Gaffer({url, timeout: 300, ...options});
  const told = new Promise((resolve) => gaffer.addEventListener("error", ({detail}) => resolve(detail)));
  // Half of a character, which is no JSON for the node.
  const half = gaffer.command("info", "\ud800");
  await refused("half a character", half, ({error}) => error === "timeout");
  const {errno, error, reason} = await told;
  check(`it is said why: ${errno} ${error} ${reason}`, errno === 400 && error === "invalid_json" && reason);
  const nameless = await gaffer.command(undefined).catch((error) => error);
  check("a command has a name", nameless instanceof TypeError);
  try {
    gaffer.subscribe(undefined);
    check("a topic is a string", false);
  } catch (error) {
    check(error.stack, error instanceof TypeError);
  }
  gaffer.close();
}

/** Output that is not taken is bounded, and what is lost is counted. */
async function backlog() {
  const line = "é".repeat(1023) + "\n";
  const [count, bytes] = [3000, Buffer.byteLength(line)];
  class Flood {
    constructor() {
      queueMicrotask(() => this.onopen());
    }
    send(text) {
      const {event, data} = JSON.parse(text);
      if (event !== "SUB") return;
      const {topic} = data;
      this.#say({event: "gaffer:subscription_success", topic});
      for (let at = 0; at < count; at += 1) this.#say({event: "gaffer:event", data: {event: "out", topic, data: line}});
      this.#say({event: "gaffer:subscription_end", topic});
    }
    close() {}
    #say(message) {
      this.onmessage({data: JSON.stringify(message)});
    }
  }
  const gaffer = new Gaffer({url: base, WebSocket: Flood});
  const messages = [];
  const stream = gaffer.subscribe("STREAM:1");
  await stream.ready;
  for await (const message of stream) messages.push(message);
  const [first, ...rest] = messages;
  check("the oldest is lost", first.event === "gaffer:lost");
  check("all are counted", first.lost + rest.length * bytes === count * bytes);
  check(`so much is kept: ${rest.length}`, rest.length > 500 && rest.length <= 1024);
  gaffer.close();
}

await run(async () => {
  await within(5_000, "backlog", backlog());
  await within(25_000, "ws", use("ws", {WebSocket: require("ws")}));
  await within(25_000, "sockjs", use("sockjs", {SockJS: require("sockjs-client")}));
});
