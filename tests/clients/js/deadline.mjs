// Programs that end in time, whatever happens.

/** How long a whole run may take: less than the tests wait for it. */
const WHOLE = 55_000;

/** Runs the program. If it fails, that is said, and the exit code is 1. */
export async function run(program) {
  const late = setTimeout(() => fail(new Error(`this took more than ${WHOLE / 1000} s`)), WHOLE);
  try {
    await program();
  } catch (error) {
    fail(error);
  }
  clearTimeout(late);
}

function fail(error) {
  console.error(error.stack ?? error);
  // A browser that still runs is ended by playwright, which waits for this.
  process.exit(1);
}

/** Fails if the promise is not settled in time. */
export async function within(milliseconds, what, promise) {
  let late;
  const failure = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`${what} took more than ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, failure]);
  } finally {
    clearTimeout(late);
  }
}
