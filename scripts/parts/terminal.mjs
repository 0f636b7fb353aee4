/** What the scripts say to the person at the terminal. */

/** Something the person has to mend: shown as its one sentence, without a stack. */
export class Trouble extends Error {}

const megabyte = 1_000_000;

/** `12 of 196 MB` */
export function megabytes(bytes, total) {
  const count = Math.floor(bytes / megabyte);
  return total === undefined ? `${count} MB` : `${Math.min(count, Math.round(total / megabyte))} of ${Math.round(total / megabyte)} MB`;
}

/**
 * Tells what is being done, a line a step. On a terminal the line is rewritten while it runs; elsewhere progress is a new line every
 * few seconds, so that a log stays readable.
 * @param {{ isTTY?: boolean, write(text: string): unknown }} stream
 */
export function createTeller(stream = process.stdout, everyMs = 3_000) {
  const started = Date.now();
  let last = 0;
  const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
  const clear = () => (stream.isTTY ? '\r\x1b[2K' : '');
  return {
    say: (text) => stream.write(`${text}\n`),
    /** Runs `work(progress)` as one step; `progress(text)` may be called as often as one likes. */
    async step(title, work) {
      const since = Date.now();
      last = since;
      if (stream.isTTY) stream.write(`  ${title} …`);
      else stream.write(`  ${title} …\n`);
      const progress = (text) => {
        if (stream.isTTY) stream.write(`${clear()}  ${title} … ${text}`);
        else if (Date.now() - last >= everyMs) {
          last = Date.now();
          stream.write(`    ${text}\n`);
        }
      };
      try {
        const value = await work(progress);
        stream.write(`${clear()}  ${title}: done in ${seconds(since)}\n`);
        return value;
      } catch (error) {
        stream.write(`${clear()}  ${title}: failed after ${seconds(since)}\n`);
        throw error;
      }
    },
    elapsed: () => seconds(started),
  };
}

/** Runs a script's `main`, turning Trouble into its sentence and exit status 1. */
export async function runScript(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    process.stderr.write(error instanceof Trouble ? `\n${error.message}\n` : `\n${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  }
}
