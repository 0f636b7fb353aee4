/** What `npm run mutate` runs for a folder, and what it writes down. */

/**
 * The folder of unit tests that mirrors a folder of the house, and no other: with every test that reaches a folder, one change would take minutes.
 * @param {string} folder
 * @returns {string} a pattern of files
 */
export function testsOf(folder) {
  return `test/unit/${folder.replace(/^main\/(?=.)/, '')}/**/*.test.ts`;
}

/**
 * @param {{ files: Record<string, { mutants: { status: string }[] }> }} report of StrykerJS
 * @returns {{ mutants: number, killed: number, survived: number }} a change that makes the tests run for ever counts as killed, one that no test runs as
 *   survived; what cannot run at all does not count
 */
export function scoreOf(report) {
  const states = Object.values(report.files).flatMap(({ mutants }) => mutants.map(({ status }) => status));
  const count = (/** @type {string[]} */ ...wanted) => states.filter((state) => wanted.includes(state)).length;
  const [killed, survived] = [count('Killed', 'Timeout'), count('Survived', 'NoCoverage')];
  return { mutants: killed + survived, killed, survived };
}

/**
 * The document with this score as the row of its folder.
 * @param {string} document
 * @param {string} folder
 * @param {number} every only changes within every so many lines were tried
 * @param {{ mutants: number, killed: number, survived: number }} score
 */
export function withRow(document, folder, every, { mutants, killed, survived }) {
  const percent = mutants === 0 ? 100 : Math.round((killed / mutants) * 100);
  const part = every === 1 ? 'all' : `1 of ${every}`;
  const row = `| \`${folder}\` | ${part} | ${mutants} | ${killed} | ${survived} | ${percent} % |`;
  const lines = document.split('\n');
  const isRow = (/** @type {string} */ line) => line.startsWith('| `');
  const kept = lines.filter((line) => !line.startsWith(`| \`${folder}\` |`));
  const rows = [...kept.filter(isRow), row].sort();
  const head = kept.findIndex((line) => line.startsWith('|---'));
  return kept
    .filter((line) => !isRow(line))
    .toSpliced(head + 1, 0, ...rows)
    .join('\n');
}
