/**
 * `npm start`: from a fresh clone to an open Chorus. Runs on Node alone until the packages are installed; every part is done once and kept.
 *
 *   npm start                      opens Chorus
 *   npm start -- --profile NAME    as another device on this computer
 *   npm start -- --demo            four windows: two of Alice's devices, Bob and Carol (also: npm run demo)
 */
import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { endWindow, findStage, launch, screenFor } from './parts/app-stage.mjs';
import { keepPicture } from './parts/display.mjs';
import { placeApp } from './parts/ordinary-user.mjs';
import { endSignals, onNpmGone } from './parts/processes.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const demonstration = [
  { profile: 'demo-alice-laptop', person: 'Alice', deviceName: "Alice's laptop" },
  { profile: 'demo-alice-tablet', person: 'Alice', deviceName: "Alice's tablet" },
  { profile: 'demo-bob-desktop', person: 'Bob', deviceName: "Bob's desktop" },
  { profile: 'demo-carol-laptop', person: 'Carol', deviceName: "Carol's laptop" },
];

/** Windows of a demonstration open one after the other: the first hosts the network that the others find. */
const demoGapMs = 700;

const help = `npm start                      opens Chorus
npm start -- --profile NAME    opens it as another device on this computer
npm start -- --demo            opens four windows: two of Alice's devices, Bob and Carol`;

function parse(argv) {
  const demo = argv.includes('--demo');
  const rest = argv.filter((argument) => argument !== '--demo');
  const asksHelp = rest.includes('--help') || rest.includes('-h');
  if (rest.some((argument) => argument === '--no-sandbox' || argument === '--disable-sandbox')) {
    throw new Trouble('Chorus does not run without its sandbox. Started by root it runs as an ordinary user, which needs no such option.');
  }
  if (demo && rest.some((argument) => argument.startsWith('--profile')))
    throw new Trouble('--demo has profiles of its own; leave out --profile.');
  return { help: asksHelp, demo, rest };
}

const windowsOf = ({ demo, rest }) =>
  demo
    ? demonstration.map(({ profile, person, deviceName }, index) => ({
        profile,
        args: [
          '--profile',
          profile,
          '--try',
          person,
          '--device-name',
          deviceName,
          '--tile',
          `${index + 1}/${demonstration.length}`,
          ...rest,
        ],
      }))
    : [{ profile: /--profile[= ](\S+)/.exec(rest.join(' '))?.[1] ?? 'default', args: rest }];

await runScript(async () => {
  const wanted = parse(process.argv.slice(2));
  if (wanted.help) {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  const teller = createTeller();
  const stage = await findStage(root, teller);
  const build = await ensureBuilt('app', (work) => teller.step('Building Chorus', work));
  const app = await placeApp(stage.user, root, build);
  const windows = windowsOf(wanted);
  const size = wanted.demo ? { width: 1920, height: 1200 } : { width: 1180, height: 760 };
  const { screen, env } = await screenFor(stage, size, teller);

  /** @type {import('node:child_process').ChildProcess[]} */
  const children = [];
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    void endAll(children);
  };
  for (const signal of endSignals) process.on(signal, stop);
  onNpmGone(stop);

  const closed = [];
  for (const { args } of windows) {
    if (stopping) break;
    const child = launch(stage, app, args, env);
    children.push(child);
    closed.push(new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1))));
    if (windows.length > 1) await new Promise((resolve) => setTimeout(resolve, demoGapMs));
  }
  teller.say(
    `Chorus opens; everything was ready after ${teller.elapsed()}. Close ${windows.length > 1 ? 'the windows' : 'the window'} or press Ctrl+C to end it.`,
  );
  if (screen !== null)
    void tellPicture(screen, windows.length, wanted.demo ? 'demo' : (windows[0]?.profile ?? 'default'), teller, () => stopping);
  try {
    const codes = await Promise.all(closed);
    return codes.find((code) => code !== 0) ?? 0;
  } finally {
    await endAll(children);
    await screen?.close();
  }
});

/** The first window hosts the network at which the others de-register, so it goes last. */
async function endAll(children) {
  const [first, ...others] = children;
  await Promise.all(others.map(endWindow));
  if (first !== undefined) await endWindow(first);
}

async function tellPicture(screen, tiles, name, teller, isOver) {
  try {
    const folder = join(root, 'artifacts');
    await mkdir(folder, { recursive: true });
    const file = join(folder, `chorus-${name}.png`);
    const kept = await keepPicture(screen, file, { tiles, isOver });
    if (kept) teller.say(`A picture of the screen is in ${relative(process.cwd(), file)}`);
    else if (!isOver()) teller.say('Nothing was drawn on the virtual screen yet, so there is no picture of it.');
  } catch (error) {
    if (!isOver()) teller.say(`The picture of the screen could not be kept: ${error.message}`);
  }
}
