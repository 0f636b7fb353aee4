/** `chorus client`: one client on stdin and stdout, a JSON object a line. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { createStderrLogger } from '../../base/log';
import { version } from '../../package.json';
import type { PreferencesValue } from '../../preload/contract';
import { meidUrn } from '../../protocol/instance-urn';
import { parseServer } from '../../protocol/server-address';
import { addressKey } from '../../protocol/uri';
import { signedBy } from '../../protocol/wire-record';
import { cleanDeviceName } from '../account/device-name';
import { instanceOfImei, signInTable } from '../account/sign-in-options';
import { type App, createApp, type GivenAccount } from '../app';
import { openTwice } from '../profile/durable-json';
import { createFileSecretBox, secretKeyFile, settingsFile } from '../profile/settings';
import type { TraceHeader } from '../trace/record';
import { createRecorder } from '../trace/recorder';
import { choice, type Options, parse, stopSignal, text, UsageError } from './command-line';
import { errorLine, serveHeadless } from './headless';
import { helpLine, optionFlags, optionHelp, readOptions } from './sign-in-flags';

const ownHelp: readonly (readonly [flag: string, help: string])[] = [
  ['profile NAME', 'default'],
  ['data DIR', 'the folder of everything that this client keeps; one for each profile unless told'],
  ['aor ADDRESS', 'sip:alice@lab.test'],
  ['password-file FILE', 'its first line is the password'],
  ['password PW', 'seen by everybody who can list processes; rather --password-file or CHORUS_PASSWORD'],
  [
    'proxy URI',
    'outbound proxy: sip:127.0.0.1:5070;transport=tcp (tls, ws), sips:sip.example.org, wss://sip.example.org/ws; found by NAPTR and SRV of the domain unless told',
  ],
  ['device-name NAME', 'shown to people you write with'],
  ['display-name NAME', 'the user part of the address unless told'],
  ['meid DIGITS', 'use a MEID, hexadecimal, as instance ID, of a device without an IMEI'],
  ['accept WHEN', 'auto, open, reply or ask: when 1-1 sessions are answered; groups wait for ask alone; auto'],
  ['receipts LIST', 'delivered,displayed or none; unasked besides: also for messages that ask for none'],
  ['trace FILE', 'every SIP and MSRP message, as NDJSON'],
  ['no-register', 'do not register at start'],
];

const clientHelp = `chorus client --aor ADDRESS [options]

${ownHelp.map(([flag, help]) => helpLine(flag, help)).join('')}
Options of the sign-in:

${optionHelp(signInTable.rows)}`;

/** Runs until its input ends or it is stopped; resolves with the exit status. */
export async function runClient(argv: readonly string[]): Promise<number> {
  const options = parse(argv, {
    profile: { type: 'string', default: 'default' },
    data: { type: 'string' },
    aor: { type: 'string' },
    password: { type: 'string' },
    'password-file': { type: 'string' },
    proxy: { type: 'string' },
    'device-name': { type: 'string', default: '' },
    'display-name': { type: 'string' },
    meid: { type: 'string' },
    accept: { type: 'string' },
    receipts: { type: 'string' },
    trace: { type: 'string' },
    'no-register': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
    ...optionFlags(signInTable.rows),
  });
  if (options.help === true) {
    process.stdout.write(clientHelp);
    return 0;
  }
  const profile = text(options, 'profile') ?? 'default';
  if (!/^[\w.-]{1,64}$/.test(profile)) throw new UsageError('--profile takes letters, digits, dot, dash and underscore, 64 at most');
  const dataDir =
    text(options, 'data') ?? join(process.env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'chorus', 'headless', profile);
  const given = parseAccount(options);
  const log = createStderrLogger(profile, process.env.CHORUS_LOG === 'debug' ? 'debug' : 'warn');
  const trace = text(options, 'trace');
  const lane = `${given.aor.slice('sip:'.length).split('@')[0]}.${given.deviceName || profile}`;
  let device: App | null = null;
  const header = (): TraceHeader => {
    const instance = device?.deviceInstance ?? null;
    const software = `Chorus/${version}`;
    return { started: Date.now(), clockOffset: 0, role: 'client', lane, aor: given.aor, ...(instance !== null && { instance }), software };
  };
  const recorder = trace === null ? null : createRecorder(trace, header);
  const app = await createApp({
    dataDir,
    profile,
    readScript: join(__dirname, 'read-thread.cjs'),
    version,
    open: openTwice(
      dataDir,
      [settingsFile],
      (name) =>
        new Conf<Record<string, unknown>>({
          cwd: dataDir,
          configName: name,
          configFileMode: 0o600,
          accessPropertiesByDotNotation: false,
          clearInvalidConfig: false,
        }),
    ),
    secrets: () => createFileSecretBox(secretKeyFile(dataDir)),
    log,
    ...(recorder === null ? {} : { tap: signedBy({ role: 'client', lane }, recorder) }),
    tryDirectory: null,
    openDevice: null,
    chooseFile: null,
    given,
  });
  device = app;
  const { fatal, rescue, warnings } = await app.handlers.snapshot({});
  if (fatal !== null) {
    process.stderr.write(`chorus: ${errorLine(fatal).text} (${fatal.code}${fatal.cause === undefined ? '' : `, ${fatal.cause}`})\n`);
    await app.quit();
    return 1;
  }
  if (rescue !== null)
    process.stderr.write(
      `chorus: ${errorLine(rescue.error).text} Nothing is registered before. (${rescue.error.code}, ${rescue.error.cause ?? ''}; ${rescue.conversations.length} conversations can be read)\n`,
    );
  for (const { code, text: words } of warnings) process.stderr.write(`chorus: ${words} (${code})\n`);
  await serveHeadless(app, { input: process.stdin, output: process.stdout, log, stop: stopSignal() });
  await recorder?.close();
  return 0;
}

function parseAccount(options: Options): GivenAccount {
  const address = text(options, 'aor');
  const aor = address === null ? null : addressKey(address);
  if (aor === null || !aor.startsWith('sip:')) throw new UsageError('--aor takes this client’s own address, such as sip:alice@lab.test');
  const proxy = text(options, 'proxy');
  const server = proxy === null ? null : parseServer(proxy);
  if (server?.ok === false)
    throw new UsageError(`--proxy takes a SIP URI, such as sip:127.0.0.1:5070;transport=tcp, or a WebSocket URL: ${server.reason}`);
  const user = aor.slice('sip:'.length).split('@')[0] ?? '';
  return {
    aor,
    displayName: text(options, 'display-name') ?? user,
    password: readPassword(options, process.env, (warning) => process.stderr.write(`chorus: ${warning}\n`)),
    proxy,
    deviceName: cleanDeviceName(text(options, 'device-name') ?? ''),
    options: readOptions(signInTable, options, process.env),
    instanceUrn: readInstance(options),
    registerAtStart: options['no-register'] !== true,
    preferences: {
      accept: choice(options, 'accept', ['auto', 'open', 'reply', 'ask'] as const, 'auto'),
      ...parseReceipts(text(options, 'receipts')),
    },
  };
}

/**
 * The password, from the place that fewest can look into: a file, the environment, the command line. The latter is said to be seen by others.
 * @throws UsageError
 */
export function readPassword(options: Options, environment: NodeJS.ProcessEnv, warn: (text: string) => void): string {
  const file = text(options, 'password-file');
  const told = text(options, 'password');
  if (file !== null && told !== null) throw new UsageError('--password and --password-file cannot be used together');
  if (told !== null) {
    warn('everybody on this computer who lists processes (ps) can read the password; use --password-file or CHORUS_PASSWORD');
    return told;
  }
  if (file === null) return environment.CHORUS_PASSWORD ?? '';
  let line: string;
  try {
    line = readFileSync(file, 'utf8').split(/\r?\n/, 1)[0] ?? '';
  } catch (error) {
    throw new UsageError(`--password-file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
  if (line === '') throw new UsageError(`--password-file: the first line of ${file} is empty`);
  return line;
}

/** TS 24.229: the IMEI where the device has one, else the MEID, else a UUID of our own. */
function readInstance(options: Options): string | null {
  const imei = text(options, 'imei');
  if (imei !== null) return instanceOfImei(imei);
  const meid = text(options, 'meid');
  const urn = meid === null ? null : meidUrn(meid);
  if (urn?.ok === false) throw new UsageError(`--meid: ${urn.reason}`);
  return urn?.value ?? null;
}

/** Reads the value of `--receipts`. @throws UsageError */
export function parseReceipts(list: string | null): Pick<PreferencesValue, 'receipts'> | Record<string, never> {
  if (list === null) return {};
  const words = list === 'none' ? [] : list.split(',');
  if (words.some((word) => !['delivered', 'displayed', 'unasked'].includes(word)))
    throw new UsageError('--receipts takes delivered,displayed or none, and unasked besides');
  const told = { delivered: words.includes('delivered'), displayed: words.includes('displayed') };
  return { receipts: words.includes('unasked') ? { ...told, unasked: true } : told };
}
