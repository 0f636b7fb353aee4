/** What the words after `npm test --` ask for. */

/** Every phase, in the order in which they run. */
export const phaseNames = /** @type {const} */ (['types', 'lint', 'generated', 'exports', 'unit', 'fuzz', 'interop', 'deaths', 'e2e']);
/** Those that are vitest's. The others are checks of the whole tree. */
const testPhases = ['unit', 'fuzz', 'interop', 'deaths', 'e2e'];
/** What runs again at each change when nothing is named. */
const watchedPhases = ['unit'];
/** `--changed` follows imports; a test of real windows imports none of the program that it starts. */
const changedPhases = ['types', 'lint', 'generated', 'exports', 'unit', 'fuzz', 'interop'];

/**
 * @param {readonly string[]} words
 * @returns what to run: `phases` in their order, and of these the ones that were `named`; `files` are beginnings of paths, `name` a part of
 *   titles. `trouble` is a sentence for the person, or null.
 */
export function parseTestArguments(words) {
  /** @type {string[]} */
  const named = [];
  /** @type {string[]} */
  const files = [];
  /** @type {string | null} */
  let name = null;
  /** @type {string | null} */
  let trouble = null;
  const has = { help: false, changed: false, watch: false };
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '-t' || word === '--testNamePattern') {
      name = rest.shift() ?? null;
      if (name === null) trouble ??= `Say after ${word} which words the title has.`;
    } else if (word === '--changed') has.changed = true;
    else if (word === '--watch') has.watch = true;
    else if (word === '--help' || word === '-h') has.help = true;
    else if (word.includes('/')) files.push(word);
    else if (/** @type {readonly string[]} */ (phaseNames).includes(word)) named.push(word);
    else trouble ??= `There is no phase and no option "${word}"; npm test -- --help lists them.`;
  }
  const isNarrow = name !== null || files.length > 0 || has.changed;
  const stray = files.find((file) => !testPhases.some((phase) => isIn(file, phase)));
  if (stray !== undefined) trouble ??= `"${stray}" lies in no folder of tests; the folders are test/${testPhases.join(', test/')}.`;
  const check = named.find((phase) => has.watch && !testPhases.includes(phase));
  if (check !== undefined) trouble ??= `--watch runs tests; "${check}" is a check of the whole tree.`;
  const fitting = () => {
    if (named.length > 0) return named;
    if (files.length > 0) return testPhases.filter((phase) => files.some((file) => isIn(file, phase)));
    if (has.watch) return watchedPhases;
    if (name !== null) return testPhases;
    return has.changed ? changedPhases : phaseNames;
  };
  const chosen = fitting();
  const phases = phaseNames.filter((phase) => /** @type {readonly string[]} */ (chosen).includes(phase));
  return { ...has, phases, named, files, name, isNarrow, trouble };
}

/** @param {string} file @param {string} phase */
const isIn = (file, phase) => `${file}/`.includes(`test/${phase}/`);
