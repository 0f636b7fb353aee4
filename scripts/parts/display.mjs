/** A screen to draw on: the person's own, or Xvfb, whose picture can be taken as a PNG. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { as, userEnvironment, writeFor } from './ordinary-user.mjs';
import { ended, findProgram, run } from './processes.mjs';
import { Trouble } from './terminal.mjs';

/** Whether a window can be shown on a screen that is already there. */
export async function hasDisplay() {
  if (process.platform !== 'linux') return true;
  if (process.env.WAYLAND_DISPLAY && process.getuid?.() !== 0) return true;
  const display = /^:(\d+)/.exec(process.env.DISPLAY ?? '');
  // A display of another machine cannot be asked without its protocol; it is taken at its word.
  if (display === null) return Boolean(process.env.DISPLAY);
  const answers = (path) =>
    new Promise((resolve) => {
      const socket = connect({ path });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
  return (await answers(`/tmp/.X11-unix/X${display[1]}`)) || (await answers(`\0/tmp/.X11-unix/X${display[1]}`));
}

/** The person's own display for another user: that user gets a copy of the key to it. */
export async function lendDisplay(user) {
  if (user === null || process.platform !== 'linux') return {};
  const file = join(user.home, '.Xauthority');
  const { status, output } = await run('xauth', [
    '-f',
    process.env.XAUTHORITY ?? join(process.env.HOME ?? '/root', '.Xauthority'),
    'nlist',
    process.env.DISPLAY ?? '',
  ]);
  const key = status === 0 ? readCookie(output) : null;
  if (key !== null) await writeFor(user, file, authority(key));
  else if (findProgram('xhost') !== null) await run('xhost', [`+si:localuser:${user.name}`]);
  return key === null ? {} : { XAUTHORITY: file };
}

/** The last word of an `xauth nlist` line is the cookie in hex. */
function readCookie(lines) {
  const cookie = /([0-9a-f]{32})\s*$/m.exec(lines)?.[1];
  return cookie === undefined ? null : Buffer.from(cookie, 'hex');
}

/** An X authority file with one cookie for any display of any host (family 0xffff). */
function authority(cookie) {
  const counted = (bytes) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
  return Buffer.concat([
    Buffer.from([0xff, 0xff]),
    counted(Buffer.alloc(0)),
    counted(Buffer.alloc(0)),
    counted(Buffer.from('MIT-MAGIC-COOKIE-1')),
    counted(cookie),
  ]);
}

/**
 * Starts an Xvfb of one screen, closed to every other user by a cookie. `env` is what programs need to draw on it; `picture()` is the
 * whole screen as a PNG.
 */
export async function startScreen({ user, width, height }) {
  const folder = await mkdtemp(join(tmpdir(), 'chorus-screen-'));
  const key = join(folder, 'authority');
  await writeFor(user, key, authority(randomBytes(16)));
  if (user !== null) await run('chown', [`${user.uid}:${user.gid}`, folder]);
  const options = [
    '-displayfd',
    '3',
    '-screen',
    '0',
    `${width}x${height}x24`,
    '-nolisten',
    'tcp',
    '-noreset',
    '-nocursor',
    '-auth',
    key,
    '-fbdir',
    folder,
  ];
  // Its own process group: Ctrl+C reaches the windows first, and the screen goes when they are gone.
  const child = spawn('Xvfb', options, {
    ...as(user),
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: userEnvironment(user),
    detached: true,
  });
  const said = [];
  child.stderr?.on('data', (piece) => said.push(piece));
  const number = await new Promise((resolve, reject) => {
    const refuse = () =>
      reject(new Trouble(`Xvfb did not start: ${Buffer.concat(said).toString('utf8').trim().split('\n').slice(-3).join(' ')}`));
    const timer = setTimeout(refuse, 20_000);
    child.once('error', refuse);
    child.once('close', refuse);
    child.stdio[3]?.once('data', (piece) => {
      clearTimeout(timer);
      resolve(piece.toString('utf8').trim());
    });
  });
  return {
    env: { DISPLAY: `:${number}`, XAUTHORITY: key, WAYLAND_DISPLAY: '' },
    picture: async (tiles = 1) => pictureOf(await readFile(join(folder, 'Xvfb_screen0')), tiles),
    async close() {
      child.kill('SIGTERM');
      await ended(child, 3_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** More colours than a screen, or a part of it, has on which nothing was drawn yet. */
const leastColours = 5;

/**
 * Xvfb keeps its screen as an X window dump (XWD, version 7, 32 bits a pixel, blue first). `isDrawn`: something is visible in each of the
 * `tiles`, which are in rows of two.
 */
function pictureOf(dump, tiles) {
  const word = (index) => dump.readUInt32BE(index * 4);
  const [headerBytes, width, height, bytesPerLine, colourMapEntries] = [word(0), word(4), word(5), word(12), word(19)];
  if (word(1) !== 7 || word(11) !== 32) throw new Error('The screen is not kept in the form that is read here.');
  const first = headerBytes + colourMapEntries * 12;
  const lines = Buffer.alloc(height * (1 + width * 3));
  const columns = Math.min(tiles, 2);
  const rows = Math.ceil(tiles / columns);
  const colours = Array.from({ length: tiles }, () => new Set());
  for (let y = 0, to = 0; y < height; y += 1) {
    to += 1;
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0, from = first + y * bytesPerLine; x < width; x += 1, from += 4, to += 3) {
      const blue = dump[from];
      const green = dump[from + 1];
      const red = dump[from + 2];
      lines[to] = red;
      lines[to + 1] = green;
      lines[to + 2] = blue;
      const seen = colours[row + Math.floor((x * columns) / width)];
      if (seen !== undefined && seen.size < leastColours) seen.add((red << 16) | (green << 8) | blue);
    }
  }
  return { png: encodePng(width, height, lines), isDrawn: colours.every((seen) => seen.size >= leastColours) };
}

function encodePng(width, height, lines) {
  const chunk = (type, body) => {
    const named = Buffer.concat([Buffer.from(type, 'latin1'), body]);
    const framed = Buffer.alloc(named.length + 8);
    framed.writeUInt32BE(body.length, 0);
    named.copy(framed, 4);
    framed.writeUInt32BE(crc32(named), named.length + 4);
    return framed;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines, { level: 6 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/**
 * Takes the picture once each of the `tiles` of the screen is drawn and nothing has changed for a moment, and writes it to `file`. False when
 * nothing was visible in time; if only some are missing at the end, the picture is still written.
 */
export async function keepPicture(
  screen,
  file,
  { tiles = 1, settleMs = 1_500, restlessMs = 6_000, limitMs = 60_000, isOver = () => false },
) {
  const until = Date.now() + limitMs;
  /** @type {Buffer | null} */
  let previous = null;
  let since = Date.now();
  /** @type {number | null} */
  let drawnAt = null;
  for (;;) {
    const { png, isDrawn } = await screen.picture(tiles);
    if (previous === null || !png.equals(previous)) {
      previous = png;
      since = Date.now();
    }
    if (isDrawn) drawnAt ??= Date.now();
    // A blinking caret never settles.
    if (drawnAt !== null && (Date.now() - since >= settleMs || Date.now() - drawnAt >= restlessMs)) {
      await writeFile(file, png);
      return true;
    }
    if (isOver()) return false;
    if (Date.now() >= until) {
      const some = (await screen.picture()).isDrawn;
      if (some) await writeFile(file, png);
      return some;
    }
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
}
