// How a job stands, in a word.

/**
 * @param {any} status what `GET /status` says of a job
 * @returns {{kind: "running" | "troubled" | "failed" | "stopped", text: string}}
 */
export function describe({state, running, max_processes: wanted, cause}) {
  switch (state) {
    case "flapping":
      return {kind: "troubled", text: "flapping"};
    case "given_up":
      return {kind: "failed", text: "given up"};
    case "stopped":
      return {kind: "stopped", text: running ? "stopping" : "stopped"};
    default:
      if (cause && !running) return {kind: "failed", text: "not running"};
      return cause ? {kind: "troubled", text: "troubled"} : {kind: "running", text: running < wanted ? "starting" : "running"};
  }
}
