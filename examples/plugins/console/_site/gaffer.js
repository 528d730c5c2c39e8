// A client of gafferd's channel, for web pages and for Node: docs/channel.md has the protocol.
//
//     const gaffer = new Gaffer();
//     await gaffer.command("scale", "shop.web", "+1");
//     for await (const event of gaffer.subscribe("JOB:shop.web", {history: 10})) console.log(event);
//
// A lost connection is made again, and subscriptions go on where they were. What was lost all the same is told.

/**
 * What a subscription tells: an event, statistics or output, as docs/channel.md lists them; or that something was lost.
 * @typedef {{event: string, topic: string, [key: string]: any}} Message
 *
 * The message that tells of a loss. It says how much: messages, or of a `STREAM` bytes; `null` if nobody knows.
 * @typedef {{event: "gaffer:lost", topic: string, lost: number | null}} Lost
 *
 * @typedef {"connecting" | "open" | "waiting" | "closed"} State
 *
 * @typedef {object} Options
 * @property {string | URL} [url] where the node is, such as `http://127.0.0.1:5000`; by default where the page is from
 * @property {string} [key] a key, for nodes that ask for one
 * @property {any} [WebSocket] the class to use, where there is no global one, or not that
 * @property {any} [SockJS] to use SockJS instead of websockets: its class
 * @property {object} [sockjs] options for `SockJS`
 * @property {number} [minDelay] milliseconds before the first attempt to connect again; it doubles with each further one
 * @property {number} [maxDelay] the longest such delay
 * @property {number} [timeout] milliseconds that a command waits for its answer; 0 if it waits as long as the connection lasts
 * @property {number} [connectTimeout] milliseconds that an attempt to connect may take
 * @property {number} [keepAlive] milliseconds between messages that keep a connection open; it is given up if meanwhile nothing came
 *
 * @typedef {object} SubscribeOptions
 * @property {number} [history] so many of the last events, or lines of output, come first
 * @property {string} [after] the `id` of an event; what came after it comes first
 * @property {(message: Message | Lost, id?: string) => void} [onmessage] called with each message, which then is not iterated
 * @property {(error?: GafferError) => void} [onend] called once when nothing more will come; with an error if that is why
 */

/** An error that the node answered, or that its connection has. */
export class GafferError extends Error {
  /** @param {{errno?: number, error?: string, reason?: string}} body */
  constructor({errno = 500, error = "error", reason = error}) {
    super(reason);
    this.name = "GafferError";
    /** A status as in HTTP; 0 if there was no answer. */
    this.errno = errno;
    /** A code, for programs. */
    this.error = error;
    /** A sentence, for people. */
    this.reason = reason;
  }
}

const noAnswer = (error, reason) => new GafferError({errno: 0, error, reason});

/** How much waits for an iteration that is slow, before the oldest is lost: characters of output, and for each message some more. */
const MOST_WAITING = 1024 * 1024;
const MESSAGE_SIZE = 128;
/** A connection that has lasted so long was a good one: the next attempts begin with the shortest delay again. */
const GOOD_AFTER = 5_000;
/** Proxies close what is silent, mostly after a minute. */
const KEEP_ALIVE = 25_000;
/** What the node answers at once, and changes nothing: nobody has this topic. A `NOP` has no answer. */
const ALIVE = JSON.stringify({event: "UNSUB", data: {topic: "Events:is-anybody-there"}});

/**
 * A connection to a node. It tells its state by events of type `state`, whose `detail` is a {@link State}; by one of type
 * `restarted` that the node has been started anew since: pids are those of other processes now; and by `error`, whose `detail` is
 * a {@link GafferError}, that the node did not understand a message, and so will not answer it; or, with an `errno` of 401 or 403, that
 * it asks for a key, or for another one: then this is closed.
 */
export class Gaffer extends EventTarget {
  /** @type {State} */
  #state = "connecting";
  #options;
  #socket = null;
  #attempts = 0;
  #timer = null;
  #keeper = null;
  /** Whether anything came since the connection was tried last. */
  #heard = false;
  #commands = new Map();
  #lastCommand = 0;
  /** Which run of the node this was connected to last. */
  #run;
  /** @type {Map<string, Topic>} */
  #topics = new Map();

  /** When the next attempt to connect is made, in milliseconds since 1970, while the state is `waiting`. */
  nextAttempt = 0;

  /** Connects. @param {Options} [options] */
  constructor(options = {}) {
    super();
    this.#options = {
      minDelay: 250,
      maxDelay: 15_000,
      timeout: 60_000,
      connectTimeout: 30_000,
      keepAlive: KEEP_ALIVE,
      url: globalThis.location?.origin,
      ...options,
    };
    if (!this.#options.url) throw new TypeError("`url` says where the node is");
    if (!this.#options.SockJS && !(this.#options.WebSocket ?? globalThis.WebSocket)) {
      throw new TypeError("there is no global WebSocket here: `WebSocket` or `SockJS` must be given");
    }
    this.#connect();
  }

  /** @returns {State} */
  get state() {
    return this.#state;
  }

  /**
   * Carries out a command. It waits for a connection that is being made, and is refused if there is none; if the connection is
   * lost before the answer came, or none comes in time, nobody knows whether it was carried out, and it fails.
   * @param {string} name
   * @param {...any} args
   * @returns {Promise<any>} the command's result
   */
  command(name, ...args) {
    if (typeof name !== "string") return Promise.reject(new TypeError("a command has a name, which is a string"));
    if (this.#state === "waiting" || this.#state === "closed") {
      return Promise.reject(noAnswer("not_connected", "there is no connection to the node"));
    }
    const identity = `${++this.#lastCommand}`;
    return new Promise((resolve, reject) => {
      const message = JSON.stringify({event: "CMD", data: {identity, name, args}});
      const {timeout} = this.#options;
      const late = () => this.#settle(identity)?.reject(noAnswer("timeout", "the node has not answered in time"));
      this.#commands.set(identity, {message, resolve, reject, timer: timeout ? setTimeout(late, timeout) : undefined});
      this.#send(message);
    });
  }

  /**
   * Subscribes to a topic, also over connections to come. A topic can be subscribed to once at a time.
   * @param {string} topic
   * @param {SubscribeOptions} [options]
   * @returns {Subscription}
   */
  subscribe(topic, options = {}) {
    if (typeof topic !== "string" || !topic) throw new TypeError("a topic is a string");
    if (this.#state === "closed") throw noAnswer("not_connected", "this connection was closed");
    let known = this.#topics.get(topic);
    if (known?.wanted) throw new Error(`${topic} is subscribed to already`);
    if (!known) this.#topics.set(topic, (known = new Topic()));
    known.wanted = new Subscription(topic, options, () => this.#unsubscribe(topic));
    this.#askFor(topic, known);
    return known.wanted;
  }

  /** Connects at once, if the next attempt is being waited for. */
  reconnect() {
    if (this.#state === "waiting") this.#connect();
  }

  /** Closes the connection for good, and ends all subscriptions. */
  close() {
    this.#closeFor();
  }

  #closeFor(error) {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#disconnect(error ?? noAnswer("closed", "the connection was closed"));
    for (const {wanted} of this.#topics.values()) wanted?.end(error);
    this.#topics.clear();
    this.#tell("closed");
  }

  /** Tells the state, which has to be done last: who listens may do anything, and changes it perhaps. */
  #tell(state) {
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", {detail: state}));
  }

  #connect() {
    clearTimeout(this.#timer);
    const {SockJS, sockjs} = this.#options;
    const url = new URL(this.#options.url);
    url.pathname = url.pathname.replace(/\/*$/, SockJS ? "/channel" : "/channel/websocket");
    // WebSockets want their own schemes, and SockJS does not know them.
    url.protocol = url.protocol.replace(/^(http|ws)/, SockJS ? "http" : "ws");
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    const socket = SockJS ? new SockJS(url.href, null, sockjs) : new Socket(url.href);
    this.#socket = socket;
    // What an old socket still says is nobody's business.
    const ifCurrent = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ifCurrent(() => this.#opened());
    socket.onmessage = ifCurrent(({data}) => {
      this.#heard = true;
      this.#received(JSON.parse(data));
    });
    socket.onclose = ifCurrent(() => this.#lost());
    // Always followed by a close; with `ws` an error without a handler would end the program.
    socket.onerror = () => {};
    this.#timer = setTimeout(() => this.#lost(), this.#options.connectTimeout);
    this.#tell("connecting");
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#attempts = 0), GOOD_AFTER);
    this.#heard = true;
    this.#keeper = setInterval(() => this.#keepAlive(), this.#options.keepAlive);
    this.#state = "open";
    if (this.#options.key !== undefined) this.#send(`AUTH:${this.#options.key}`);
    for (const [topic, known] of this.#topics) this.#askFor(topic, known);
    for (const {message} of this.#commands.values()) this.#send(message);
    this.#tell("open");
  }

  /** A connection may be dead without being closed: a node that hangs, or a cable that was pulled out. */
  #keepAlive() {
    if (!this.#heard) return this.#lost();
    this.#heard = false;
    this.#send(ALIVE);
  }

  #lost() {
    const error =
      this.#state === "open"
        ? noAnswer("connection_lost", "the connection to the node was lost")
        : noAnswer("not_connected", "the node cannot be reached");
    this.#disconnect(error);
    const {minDelay, maxDelay} = this.#options;
    const delay = Math.min(maxDelay, minDelay * 2 ** this.#attempts++);
    // Not all clients of a node that comes back should come at once.
    const jittered = delay * (0.5 + Math.random() / 2);
    this.nextAttempt = Date.now() + jittered;
    this.#timer = setTimeout(() => this.#connect(), jittered);
    this.#tell("waiting");
  }

  #disconnect(error) {
    clearTimeout(this.#timer);
    clearInterval(this.#keeper);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const identity of [...this.#commands.keys()]) this.#settle(identity).reject(error);
    for (const [topic, known] of this.#topics) {
      known.unanswered = [];
      known.told = null;
      if (!known.wanted) this.#topics.delete(topic);
    }
  }

  /** Takes a command out of those that are to be answered. */
  #settle(identity) {
    const command = this.#commands.get(identity);
    this.#commands.delete(identity);
    clearTimeout(command?.timer);
    return command;
  }

  #send(text) {
    if (this.#state === "open") this.#socket.send(text);
  }

  #askFor(topic, known) {
    if (this.#state !== "open" || !known.wanted) return;
    known.unanswered.push(known.wanted);
    this.#send(JSON.stringify({event: "SUB", data: {topic, ...known.wanted.beginning()}}));
  }

  #unsubscribe(topic) {
    const known = this.#topics.get(topic);
    if (!known) return;
    known.wanted = null;
    if (this.#state === "open" && (known.told || known.unanswered.length)) {
      known.unanswered.push(null);
      this.#send(JSON.stringify({event: "UNSUB", data: {topic}}));
    } else {
      this.#topics.delete(topic);
    }
  }

  #received({event, topic, id, data, ...more}) {
    switch (event) {
      case "gaffer:command_success":
      case "gaffer:command_error": {
        const command = this.#settle(data.id);
        if (event === "gaffer:command_success") command?.resolve(data.result);
        else command?.reject(new GafferError(data.error));
        return;
      }
      case "gaffer:event":
        this.#topics.get(data.topic)?.receiver()?.take(data, id);
        return;
      case "gaffer:error": {
        const {errno, reason: error, detail: reason} = data;
        const detail = new GafferError({errno, error, reason});
        // Who may not be here may not be here over the next connection either.
        if (data.error === "AUTH_REQUIRED") this.#closeFor(detail);
        this.dispatchEvent(new CustomEvent("error", {detail}));
        return;
      }
    }
    const known = this.#topics.get(topic);
    if (!known) return;
    switch (event) {
      case "gaffer:lagged":
        known.receiver()?.take({event: "gaffer:lost", topic, lost: data.lost});
        break;
      case "gaffer:subscription_success":
        // The answers to SUB and to UNSUB look the same, but come in the order of the questions.
        known.told = known.unanswered.shift() ?? null;
        known.told?.begin(more);
        this.#ranAs(more.run);
        break;
      case "gaffer:subscription_error": {
        const asked = known.unanswered.shift();
        if (asked) this.#over(known, asked, new GafferError(data));
        else known.told = null;
        break;
      }
      case "gaffer:subscription_end":
        if (known.told) this.#over(known, known.told);
        break;
    }
    if (!known.wanted && !known.told && !known.unanswered.length) this.#topics.delete(topic);
  }

  #ranAs(run) {
    if (run === undefined || run === this.#run) return;
    const restarted = this.#run !== undefined;
    this.#run = run;
    if (restarted) this.dispatchEvent(new Event("restarted"));
  }

  #over(known, subscription, error) {
    if (known.told === subscription) known.told = null;
    if (known.wanted === subscription) known.wanted = null;
    subscription.end(error);
  }
}

/** What is known of a topic on this connection. */
class Topic {
  /** @type {Subscription | null} Who wants to be told. */
  wanted = null;
  /** @type {Subscription | null} Whom the node tells now, as far as it has answered. */
  told = null;
  /** @type {(Subscription | null)[]} Whom it tells after each answer that is still to come. */
  unanswered = [];

  /** Whose the next message is: the last one's, until the node has answered that it is over. */
  receiver() {
    return this.told ?? this.unanswered[0];
  }
}

/** What waits for an iteration. If that is slow the oldest is lost, and counted. */
class Backlog {
  #topic;
  #messages = [];
  #size = 0;
  /** What was lost before these; 0 if nothing was. @type {number | null} */
  #lost = 0;

  constructor(topic) {
    this.#topic = topic;
  }

  push(message) {
    this.#messages.push(message);
    this.#size += sizeOf(message);
    while (this.#size > MOST_WAITING && this.#messages.length > 1) this.#drop();
  }

  /** @returns {Message | Lost | undefined} the oldest, or what was lost before it */
  next() {
    if (this.#lost !== 0) {
      const lost = this.#lost;
      this.#lost = 0;
      return {event: "gaffer:lost", topic: this.#topic, lost};
    }
    return this.#shift();
  }

  #shift() {
    const message = this.#messages.shift();
    if (message) this.#size -= sizeOf(message);
    return message;
  }

  #drop() {
    const {event, lost, data} = this.#shift();
    let more = 1;
    if (event === "gaffer:lost") more = lost;
    else if (typeof data === "string") more = new TextEncoder().encode(data).length;
    this.#lost = this.#lost === null || more === null ? null : this.#lost + more;
  }
}

const sizeOf = ({data}) => MESSAGE_SIZE + (typeof data === "string" ? data.length : 0);

/** A subscription: to be iterated, once, or with callbacks. Leaving the loop closes it. */
export class Subscription {
  #options;
  #close;
  #over = false;
  #error;
  #after;
  #run;
  #waiting;
  #wake = null;
  #accepted;
  #refused;

  /** @internal */
  constructor(topic, options, close) {
    /** The topic, as it was given. */
    this.topic = topic;
    /** Resolved when the node has accepted it for the first time, rejected if it does not. */
    this.ready = new Promise((resolve, reject) => {
      this.#accepted = resolve;
      this.#refused = reject;
    });
    // Who does not look at it learns of the error by other means.
    this.ready.catch(() => {});
    this.#options = options;
    this.#waiting = new Backlog(topic);
    this.#after = options.after;
    this.#close = close;
  }

  /** Ends the subscription. */
  close() {
    if (this.#over) return;
    this.#close();
    this.end();
  }

  /** @internal What to ask the node for: all since the last time, if there was one. */
  beginning() {
    // After a restart of the node a pid is another process's, which is not to be taken for this one: hence its run.
    const {history} = this.#run === undefined && this.#after === undefined ? this.#options : {};
    return {history, after: this.#after, run: this.#run};
  }

  /**
   * @internal The node has accepted it, and says where it begins.
   * @param {{after?: string, gap?: boolean, run?: string}} start
   */
  begin({after, gap, run}) {
    if (gap) this.take({event: "gaffer:lost", topic: this.topic, lost: null});
    if (gap || this.#after === undefined) this.#after = after;
    this.#run = run;
    this.#accepted();
  }

  /** @internal */
  take(message, id) {
    if (this.#over) return;
    if (id !== undefined) this.#after = id;
    if (this.#options.onmessage) return this.#options.onmessage(message, id);
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** @internal */
  end(error) {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#refused(error ?? noAnswer("closed", "the subscription was closed"));
    this.#options.onend?.(error);
    this.#wake?.();
  }

  /** @returns {AsyncGenerator<Message | Lost, void, void>} */
  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        for (let message; (message = this.#waiting.next()); ) yield message;
        if (this.#error) throw this.#error;
        if (this.#over) return;
        await new Promise((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }
}
