// What is done over each transport. It is one function without anything around it, as it is also sent into a page.

/**
 * @param {{url: string, transport: string, job: string, pid: number}} about a job to scale, and a process that writes back what
 *     it reads to its output `out`
 * @param {any} [Socket] SockJS, where it is no global
 */
export async function scenario({url, transport, job, pid}, Socket = globalThis.SockJS) {
  let step = "nothing";
  const seen = [];
  let wake = () => {};
  const wait = async (what, find) => {
    step = what;
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      await new Promise((resolve) => (wake = resolve));
    }
  };
  const check = (what, is) => {
    if (!is) throw new Error(`${transport}: ${what}; the last messages: ${JSON.stringify(seen.slice(-5))}`);
  };

  // In a page or in Node, an exception in a handler would be nobody's: so what happens is only noted here.
  const socket = new Socket(url, null, {transports: [transport], timeout: 5000});
  let opened = false;
  let closed = null;
  socket.onopen = () => ((opened = true), wake());
  socket.onmessage = ({data}) => (seen.push(JSON.parse(data)), wake());
  socket.onclose = (event) => ((closed = {code: event.code, reason: event.reason, clean: event.wasClean}), wake());

  const late = setTimeout(() => {
    closed = {late: true};
    wake();
  }, 20_000);
  const until = (what, find) =>
    wait(what, () => {
      const found = find();
      if (closed && (found === undefined || found === false)) {
        throw new Error(`${transport}: ${JSON.stringify(closed)} instead of: ${step}; the last messages: ${JSON.stringify(seen.slice(-5))}`);
      }
      return found;
    });
  const send = (message) => socket.send(JSON.stringify(message));
  const message = (what, is) => until(what, () => seen.find(is));
  let commands = 0;
  const command = (name, ...args) => {
    const identity = `${transport}-${(commands += 1)}`;
    send({event: "CMD", data: {identity, name, args}});
    return identity;
  };
  const answer = async (identity) =>
    message(`the answer to ${identity}`, ({event, data}) => /^gaffer:command_/.test(event) && data.id === identity);

  try {
    await until("it opens", () => opened);
    check(`it came over ${socket.transport}`, socket.transport === transport);

    // Events, and a command that makes some.
    const events = `EVENTS:job.${job}`;
    send({event: "SUB", data: {topic: events}});
    await message("the subscription", ({event, topic}) => event === "gaffer:subscription_success" && topic === events);
    let said = await answer(command("scale", job, "+1"));
    check("one process more", said.event === "gaffer:command_success" && said.data.result.numprocesses === 2);
    await message("a launch", ({data}) => data?.topic === events && data.event === `job.${job}.spawn` && data.name === job);
    said = await answer(command("scale", job, "=1"));
    check("one process", said.data.result?.numprocesses === 1);
    await message("an end", ({data}) => data?.topic === events && data.event === `job.${job}.exit`);
    send({event: "UNSUB", data: {topic: events}});
    await until("the end of the subscription", () =>
      seen.filter(({event, topic}) => event === "gaffer:subscription_success" && topic === events).length === 2,
    );

    // What is wrong is said, and does no harm.
    said = await answer(command("no_such_command"));
    const {errno, error, reason} = said.data.error;
    check("an error", said.event === "gaffer:command_error" && errno === 404 && error === "command_not_found" && reason);
    socket.send("this is no JSON");
    await message("an error", ({event, data}) => event === "gaffer:error" && data.reason === "invalid_json");
    send({event: "NOP"});

    // A hundred messages, there and back.
    const stream = `STREAM:${pid}.out`;
    const output = () =>
      seen
        .filter(({event, data}) => event === "gaffer:event" && data.topic === stream)
        .map(({data}) => data.data)
        .join("");
    send({event: "SUB", data: {topic: stream}});
    await message("the output", ({event, topic}) => event === "gaffer:subscription_success" && topic === stream);
    let expected = "";
    const identities = [];
    for (let number = 0; number < 100; number += 1) {
      const line = `${transport} ${number}\n`;
      expected += line;
      identities.push(command("send", pid, line));
    }
    await until("a hundred lines", () => output().length >= expected.length);
    check("the lines, in order", output() === expected);
    for (const identity of identities) check("it was taken", (await answer(identity)).event === "gaffer:command_success");

    // Commands other than `send`, which may have to wait for a process, are answered in order.
    const asked = Array.from({length: 20}, () => command("pids", job));
    for (const identity of asked) check("pids", (await answer(identity)).data.result.pids.length === 1);
    const answers = seen.filter(({data}) => asked.includes(data?.id)).map(({data}) => data.id);
    check("the answers, in order", answers.join() === asked.join());

    // Whatever can be written: what JSON, JavaScript, forms, event streams and SockJS treat in ways of their own.
    const odd =
      "\u{1F600}\u{1F468}\u200d\u{1F469}\u200d\u{1F467} \u2028 \u2029 \u200b \u202e \ufeff \ufff0 é ß 中 \u0001 \u007f \u00ad \u0600 \u17b4" +
      " \"quoted\" 'so' \\ \\u0041 / </script> <!-- %41 %u2028 + & = ; : data: \r\n\t a\n\n";
    expected += odd;
    await answer(command("send", pid, odd));
    await until("odd characters", () => output().length >= expected.length);
    check("odd characters as they were", output() === expected);

    // More than one streaming answer may hold.
    for (let number = 0; number < 10; number += 1) {
      const much = `${`${number}`.repeat(20_000)}\n`;
      expected += much;
      await answer(command("send", pid, much));
      await until("much output", () => output().length >= expected.length);
    }
    check("all of the output", output() === expected);
    check("nothing was lost", !seen.some(({event}) => event === "gaffer:lagged"));

    const end = new Promise((resolve) => {
      socket.onclose = resolve;
    });
    socket.close();
    const {code, wasClean} = await end;
    check(`it was closed: ${code}`, code === 1000 && wasClean);
  } finally {
    clearTimeout(late);
    socket.close();
  }
}
