/** The options of a start of the app. Chromium's own switches are on the same command line and are ignored here. */
import { parseDevServer } from './dev-server';
import { parseBounds, type WindowPlace } from './window-bounds';

export interface LaunchOptions {
  /** Another name is another device on this computer, with its own folder, process and instance ID. */
  profile: string;
  /** The profile's folder instead of the usual one. */
  dataDir: string | null;
  /** The folder in which one person's profiles find their embedded network, instead of the usual one. */
  tryDir: string | null;
  /** The person to sign in as at the embedded network if nobody is signed in yet: a name or an address. */
  tryPerson: string | null;
  deviceName: string | null;
  place: WindowPlace | null;
  /** The server of a developer's page, used instead of the built one. */
  devServer: URL | null;
}

const names = ['profile', 'user-data-dir', 'try-dir', 'try', 'device-name', 'bounds', 'tile', 'dev-server'] as const;
type Name = (typeof names)[number];

/** The name of a profile is also the name of its folder. */
const profilePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Reads `--name value` and `--name=value`. A string result is a sentence about the fault. */
export function parseLaunchOptions(argv: readonly string[]): LaunchOptions | string {
  const given = new Map<Name, string>();
  for (const [index, argument] of argv.entries()) {
    const match = /^--([a-z-]+)(?:=(.*))?$/s.exec(argument);
    const name = names.find((candidate) => candidate === match?.[1]);
    if (match === null || name === undefined) continue;
    const value = match[2] ?? argv[index + 1];
    if (value === undefined || value === '' || (match[2] === undefined && value.startsWith('--'))) return `--${name} needs a value.`;
    given.set(name, value);
  }
  const profile = given.get('profile') ?? 'default';
  if (!profilePattern.test(profile))
    return `A profile's name has letters, digits, dots, dashes and underscores, at most 64: "${profile}" does not fit.`;
  const place = placeOf(given.get('bounds'), given.get('tile'));
  if (typeof place === 'string') return place;
  const server = given.get('dev-server');
  const devServer = server === undefined ? null : parseDevServer(server);
  if (server !== undefined && devServer === null) return '--dev-server needs a server on this computer, such as http://127.0.0.1:5173.';
  return {
    profile,
    dataDir: given.get('user-data-dir') ?? null,
    tryDir: given.get('try-dir') ?? null,
    tryPerson: given.get('try') ?? null,
    deviceName: given.get('device-name') ?? null,
    place,
    devServer,
  };
}

function placeOf(bounds: string | undefined, tile: string | undefined): WindowPlace | null | string {
  if (bounds !== undefined) {
    const parsed = parseBounds(bounds);
    return parsed === null ? '--bounds needs x,y,width,height in pixels.' : { kind: 'bounds', bounds: parsed };
  }
  if (tile === undefined) return null;
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(tile) ?? [];
  if (Number(count) > 0 && Number(index) > 0 && Number(index) <= Number(count))
    return { kind: 'tile', index: Number(index) - 1, count: Number(count) };
  return '--tile needs a place and how many there are, such as 1/4.';
}
