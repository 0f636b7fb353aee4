/**
 * Writes docs/CONFORMANCE.md from docs/requirements.tsv (what is asked, and what we say of it), docs/requirement-peers.tsv (who is on the
 * other side of a test) and the titles of the tests, which name the requirements that they prove: `it('R38 R41: …')`.
 *
 *   node scripts/generate/conformance.mjs           writes the document
 *   import { conformance } from './conformance.mjs'  the same as a value, for the check in the unit tests
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const statuses = ['proven', 'partly', 'not yet'];
/** Programs that are not ours. */
const foreign = ['Kamailio', 'SIPp'];
const peers = ['embedded', 'windows', 'unit', ...foreign];
const requirementColumns = ['id', 'level', 'who', 'what', 'status', 'judged by', 'missing', 'remark'];

/**
 * @typedef {{ id: string, level: string, who: string, what: string, status: string, judges: string[], missing: string, remark: string }} Requirement
 * @typedef {{ file: string, words: string, ids: string[], runs: boolean }} Title
 * @typedef {{ tests: string, peers: string[] }} Peers
 */

/** @param {string} text @returns {string[][]} the cells of each line after the first */
function cellsOf(text) {
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

/** @param {string} text of docs/requirements.tsv @returns {Requirement[]} */
function readRequirements(text) {
  if (text.split('\n')[0] !== requirementColumns.join('\t')) throw new Error(`the columns must be ${requirementColumns.join(', ')}`);
  return cellsOf(text).map((cells) => {
    const [id = '', level = '', who = '', what = '', status = '', judges = '', missing = '', remark = ''] = cells;
    if (cells.length !== requirementColumns.length) throw new Error(`${id} has ${cells.length} cells, not ${requirementColumns.length}`);
    return { id, level, who, what, status, judges: judges === '' ? [] : judges.split(', '), missing, remark };
  });
}

/** @param {string} text of docs/requirement-peers.tsv @returns {Peers[]} */
function readPeers(text) {
  return cellsOf(text).map(([tests = '', names = '']) => ({ tests, peers: names.split(', ') }));
}

/** A call of `it` or `test`, with what hangs on it, up to its title. */
const call = /\b(?:it|test)((?:\.[a-zA-Z]+)*)(?:<[^>]*>)?\(\s*(['"`])((?:\\.|(?!\2)[^\\])*)\2/g;
/** The title behind the table of an `it.each`, or behind the condition of an `it.skipIf`. */
const behindTable = /\)\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g;
/** A call with a table or a condition, `it.each([` or `it.skip.each<…>([`. */
const hanging = /\b(?:it|test)((?:\.[a-zA-Z]+)+)(?:<[^(]*>)?\(/g;
const leadingIds = /^(?:R\d{1,2}[\s,/]*)+:\s*/;

/**
 * @param {string} file
 * @param {string} source
 * @returns {Title[]} every title that names a requirement; `runs` is false for one that is skipped, on some computers too, or a mere intention
 */
export function titlesOf(file, source) {
  const plain = [...source.matchAll(call)].map((match) => ({ hangers: match[1] ?? '', text: match[3] ?? '' }));
  // What hangs on the call stands before its table or condition.
  const hangersBefore = (/** @type {number} */ index) => [...source.slice(0, index).matchAll(hanging)].at(-1)?.[1] ?? '';
  const tabled = [...source.matchAll(behindTable)].map((match) => ({ hangers: hangersBefore(match.index), text: match[2] ?? '' }));
  const isPassedOver = /\bdescribe(?:\.[a-zA-Z]+)*\.(?:skip|todo)\b/.test(source);
  return [...plain, ...tabled].flatMap(({ hangers, text: written }) => {
    const text = written.replace(/\\(.)/g, '$1');
    const ids = [...text.matchAll(/\bR([1-9]\d?)\b/g)].map((match) => match[0]);
    return ids.length === 0
      ? []
      : [{ file, words: text.replace(leadingIds, ''), ids, runs: !isPassedOver && !/\.(?:skip|todo|skipIf|runIf|fails)\b/.test(hangers) }];
  });
}

/** @param {Title} title @param {readonly Peers[]} all @returns {string[]} by the longest entry that fits */
export function peersOf({ file, words }, all) {
  const fitting = all.filter(({ tests }) => `${file}: ${words}`.startsWith(tests));
  return fitting.sort((one, other) => other.tests.length - one.tests.length)[0]?.peers ?? [];
}

/**
 * What is wrong with the data; nothing is written from data that is.
 * @param {readonly Requirement[]} requirements @param {readonly Title[]} titles @param {readonly Peers[]} allPeers @returns {string[]}
 */
export function faultsOf(requirements, titles, allPeers) {
  const faults = requirements.flatMap(({ id, status, judges, missing }, index) => {
    const proofs = titles.filter(({ ids, runs }) => runs && ids.includes(id));
    const used = new Set(proofs.flatMap((title) => peersOf(title, allPeers)));
    return [
      ...(id === `R${index + 1}` ? [] : [`${id} stands where R${index + 1} belongs`]),
      ...(statuses.includes(status) ? [] : [`${id} has the status "${status}"`]),
      ...(status === 'proven' && missing !== '' ? [`${id} is proven and says what is missing`] : []),
      ...(status !== 'proven' && missing === '' ? [`${id} is ${status} and does not say what is missing`] : []),
      ...(status !== 'not yet' && proofs.length === 0 ? [`${id} is ${status}, and no test that runs names it`] : []),
      ...(status === 'not yet' && proofs.length > 0 ? [`${id} is not yet there, and ${proofs.length} tests name it`] : []),
      ...judges.filter((judge) => !used.has(judge)).map((judge) => `${id} is judged by ${judge}, and no test meets it`),
    ];
  });
  const known = new Set(requirements.map(({ id }) => id));
  for (const { file, words, ids } of titles)
    for (const id of ids) if (!known.has(id)) faults.push(`${file} “${words}” names ${id}, which is no requirement`);
  for (const { tests, peers: names } of allPeers) {
    for (const name of names) if (!peers.includes(name)) faults.push(`${tests}: "${name}" is none of ${peers.join(', ')}`);
    if (!titles.some(({ file, words }) => `${file}: ${words}`.startsWith(tests)))
      faults.push(`${tests} fits no test that names a requirement`);
  }
  return faults;
}

/** @param {readonly Requirement[]} requirements @param {readonly Title[]} titles @param {readonly Peers[]} allPeers @returns {string} the document */
export function documentOf(requirements, titles, allPeers) {
  const count = (/** @type {string} */ status) => requirements.filter((one) => one.status === status).length;
  const rows = requirements.map(
    ({ id, level, who, what, status }) => `| ${id} | ${level} | ${who} | ${what.replaceAll('|', '\\|')} | ${status} |`,
  );
  return `${head(requirements.length, count('proven'), count('partly'), count('not yet'))}
| Id | Level | Who | What | Status |
|---|---|---|---|---|
${rows.join('\n')}

## Evidence

${requirements.map((one) => evidence(one, titles, allPeers)).join('\n\n')}
`;
}

/** @param {number} all @param {number} proven @param {number} partly @param {number} notYet */
function head(all, proven, partly, notYet) {
  return `# Conformance

Written by \`node scripts/generate/conformance.mjs\` from docs/requirements.tsv and the titles of the tests; do not edit it by hand.

What Chorus is measured by: ${all} requirements, drawn from the OMA CPM enabler (its change for several devices of one user, with
the upgrade of a 1-1 session to a group) and from the 3GPP and IETF documents that it builds on. The wording is ours.
${proven} proven, ${partly} partly, ${notYet} not yet.

- **proven**: the tests listed below show the whole of it. **partly**: they show some of it, and the entry says what is missing.
  **not yet**: no test shows it. A test that is skipped proves nothing.
- Level: what the source asks. *must*, *should*, *may*; *states*: a declaration without a keyword; *defines*: a definition; *flow*: a step
  of the flow of the upgrade; *note*.
- Who: *client* is Chorus, *core* the SIP/IP core (registrar and proxy), *PF* and *CF* the CPM Participating and Controlling Function.
- Behind each test stands who is on the other side. *embedded*: the network of \`network/\`, over real sockets. *windows*: real Electron
  windows. *unit*: virtual time, the other side is played by the test or there is none. *Kamailio*: Debian's Kamailio is the core and
  decides what the requirement is about. *through Kamailio*: it only passes the messages on, and our own functions decide. *SIPp*:
  Debian's SIPp plays the other side.
- The client and the embedded network share the codecs of \`protocol\`. Where they agree, they could be wrong together.
`;
}

/** @param {Requirement} requirement @param {readonly Title[]} titles @param {readonly Peers[]} allPeers */
function evidence({ id, what, status, judges, missing, remark }, titles, allPeers) {
  const proofs = titles.filter(({ ids, runs }) => runs && ids.includes(id));
  const named = (/** @type {string} */ peer) => (peer === 'Kamailio' && !judges.includes(peer) ? 'through Kamailio' : peer);
  return [
    `**${id}** ${what}: ${status}.`,
    ...proofs.map((title) => `- \`${title.file}\` “${title.words}” (${peersOf(title, allPeers).map(named).join(', ')})`),
    ...(missing === '' ? [] : [`- Missing: ${missing}.`]),
    ...(remark === '' ? [] : [`- Remark: ${remark}`]),
  ].join('\n');
}

/** This test's own examples are no claims. */
const own = 'test/unit/conformance.test.ts';

/** Reads the project. @param {string} root of the project, with a slash at its end */
export function conformance(root) {
  const read = (/** @type {string} */ path) => readFileSync(`${root}${path}`, 'utf8');
  const files = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
    .map((name) => `test/${name.replaceAll('\\', '/')}`)
    .filter((name) => /\.test\.tsx?$/.test(name) && name !== own)
    .sort();
  const requirements = readRequirements(read('docs/requirements.tsv'));
  const allPeers = readPeers(read('docs/requirement-peers.tsv'));
  const titles = files.flatMap((file) => titlesOf(file, read(file)));
  return { requirements, titles, faults: faultsOf(requirements, titles, allPeers), document: documentOf(requirements, titles, allPeers) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const { faults, document } = conformance(root);
  if (faults.length > 0) {
    process.stderr.write(`docs/CONFORMANCE.md is not written:\n${faults.join('\n')}\n`);
    process.exit(1);
  }
  writeFileSync(`${root}docs/CONFORMANCE.md`, document);
}
