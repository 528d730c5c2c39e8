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

/** Passes bytes on to the node, until it is told to cut all connections. */
class Cable {
  #sockets = new Set();

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
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
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
    check("it is told once", seen.filter((event) => event === "job.shop.demo.spawn").length === 1);
    await gaffer.command("scale", "shop.demo", "=1");
    await until(() => seen.includes("job.shop.demo.exit"));

    // What ends is told.
    const {pids: demos} = await gaffer.command("pids", "shop.demo");
    const ending = (async () => {
      const events = [];
      for await (const {event} of gaffer.subscribe(`PROCESS:${demos[0]}`, {history: 0})) events.push(event);
      return events;
    })();
    await gaffer.command("kill", demos[0], "KILL");
    check("the exit comes, and then the end", (await ending).at(-1) === `proc.${demos[0]}.exit`);

    gaffer.close();
    check("it is closed", gaffer.state === "closed");
    await refused("a command when it is closed", gaffer.command("jobs"), ({error}) => error === "not_connected");
    console.log(`ok ${kind}`);
  } finally {
    gaffer.close();
    cable.close();
  }
}

await run(async () => {
  await within(25_000, "ws", use("ws", {WebSocket: require("ws")}));
  await within(25_000, "sockjs", use("sockjs", {SockJS: require("sockjs-client")}));
});
