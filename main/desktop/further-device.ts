/** Opens a further device on this computer: another process of this app, with its own profile. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { app } from 'electron';

const kinds = ['laptop', 'tablet', 'desktop', 'phone'] as const;

/** The first profile name of this person that is not in use. `person` is an address of the embedded network. */
export function nextProfile(person: string, exists: (profile: string) => boolean): { profile: string; deviceName: string } {
  const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(person.replace(/^sips?:/, ''))?.[0] ?? 'guest';
  const called = name.charAt(0).toUpperCase() + name.slice(1);
  for (let round = 0; ; round += 1) {
    for (const kind of kinds) {
      const suffix = round === 0 ? '' : `-${round + 1}`;
      const profile = `${name}-${kind}${suffix}`.slice(0, 64);
      if (!exists(profile)) return { profile, deviceName: `${called}'s ${kind}${suffix.replace('-', ' ')}` };
    }
  }
}

const opened = new Set<ChildProcess>();

/** A signal that ends this process also ends the devices that it opened; closing its window does not. */
export function signalFurtherDevices(signal: NodeJS.Signals): void {
  for (const child of opened) child.kill(signal);
}

/** Starts another device with the same folder of profiles and the same embedded network. */
export async function openDeviceProcess(person: string, profiles: string, tryDirectory: string): Promise<{ profile: string }> {
  const { profile, deviceName } = nextProfile(person, (name) => existsSync(join(profiles, name)));
  // Created at once, so that a second click opens a second device.
  mkdirSync(join(profiles, profile), { recursive: true, mode: 0o700 });
  const folder = app.isPackaged ? [] : [app.getAppPath()];
  const own = [
    '--profile',
    profile,
    '--user-data-dir',
    join(profiles, profile),
    '--try-dir',
    tryDirectory,
    '--try',
    person,
    '--device-name',
    deviceName,
  ];
  const child = spawn(process.execPath, [...folder, ...own], { stdio: 'inherit' });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`${basename(process.execPath)} did not start: ${error.message}`)));
  });
  opened.add(child);
  child.once('close', () => opened.delete(child));
  child.unref();
  return { profile };
}
