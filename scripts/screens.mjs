/**
 * `npm run screens`: the pictures of Chorus, made again from what is checked out.
 *
 *   npm run screens                 both of the following
 *   npm run screens -- gallery      every scene of the gallery, light and dark, into artifacts/screens
 *   npm run screens -- demo         docs/images/demo.png: the four windows of the README, real ones, as test/e2e/first-light.test.ts leaves them
 */
import { spawn } from 'node:child_process';
import { copyFile, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildGallery, takePictures } from './parts/gallery-pictures.mjs';
import { createTeller, runScript, Trouble } from './parts/terminal.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const story = 'test/e2e/first-light.test.ts';

async function gallery(teller) {
  const folder = join(root, 'artifacts/screens');
  const built = await teller.step('Building the gallery', () => buildGallery(root));
  await rm(folder, { recursive: true, force: true });
  const taken = await teller.step('Taking pictures of its scenes', () => takePictures({ built, folder }));
  teller.say(`${taken.length} pictures of the scenes in renderer/gallery are in ${relative(process.cwd(), folder)}`);
}

/** The story ends with its four windows side by side; it fails when one of them does not show what it should. */
async function demo(teller) {
  const picture = join(root, 'artifacts/e2e/four-windows.png');
  const before = await stat(picture).catch(() => null);
  await teller.step(`Playing ${story} in real windows`, () => play());
  const after = await stat(picture).catch(() => null);
  if (after === null || after.mtimeMs === before?.mtimeMs) throw new Trouble(`${story} has left no new picture of its four windows.`);
  const target = join(root, 'docs/images/demo.png');
  await copyFile(picture, target);
  teller.say(`${relative(process.cwd(), target)} shows the windows of Alice (laptop, tablet), Bob and Carol at the end of ${story}`);
}

/** @returns {Promise<void>} */
function play() {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'scripts/test.mjs'), 'e2e', story], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Trouble(`${story} failed, so there is no picture of it.`))));
  });
}

const parts = { gallery, demo };

await runScript(async () => {
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((name) => !(name in parts));
  if (unknown !== undefined) throw new Trouble(`There is no "${unknown}"; there are ${Object.keys(parts).join(' and ')}.`);
  const teller = createTeller();
  for (const name of wanted.length > 0 ? wanted : Object.keys(parts)) await parts[name](teller);
});
