/** `chorus client`: one client on stdin and stdout, a JSON object a line. */
import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { createStderrLogger } from '../../base/log';
import { version } from '../../package.json';
import type { PreferencesValue } from '../../preload/contract';
import { AppError } from '../../preload/contract/errors';
import { imeiUrn, meidUrn } from '../../protocol/instance-urn';
import { parseServer } from '../../protocol/server-address';
import { addressKey } from '../../protocol/uri';
import { signedBy } from '../../protocol/wire-record';
import { defaultExpiresSeconds } from '../account/credentials';
import { cleanDeviceName } from '../account/device-name';
import { type App, createApp, type GivenAccount } from '../app';
import { createFileSecretBox, secretKeyFile } from '../profile/settings';
import { certificatesOf, signInParts } from '../profile/sign-in-options';
import type { TraceHeader } from '../trace/record';
import { createRecorder } from '../trace/recorder';
import { choice, type Options, parse, stopSignal, text, UsageError } from './command-line';
import { errorLine, serveHeadless } from './headless';

const clientHelp = `chorus client --aor ADDRESS [options]

  --profile NAME         default
  --data DIR             all that this client keeps; a folder a profile unless told
  --aor ADDRESS          sip:alice@lab.test
  --password PW          or CHORUS_PASSWORD
  --auth-user NAME       when it differs from the address's user part
  --proxy URI            outbound proxy: sip:127.0.0.1:5070;transport=tcp (tls, ws), sips:sip.example.org, wss://sip.example.org/ws;
                         found by NAPTR and SRV of the domain unless told
  --ca FILE              trust the authorities of this PEM file and no others; those that Node trusts unless told
  --msrps                offer the media of sessions over TLS alone; without it plain TCP is offered
  --msrp-relay URI       every session goes through this MSRP relay (RFC 4976), with this account's name and password, and none past it:
                         msrps://relay.example.org:2855;tcp; several with spaces between: this client connects to the first alone
  --registrar URI        sip:DOMAIN unless told
  --factory URI          sip:conference-factory@DOMAIN unless told
  --device-name NAME     shown to people you write with
  --display-name NAME    the user part of the address unless told
  --imei DIGITS          use an IMEI as instance ID, at the first start of this data folder
  --meid DIGITS          likewise a MEID, hexadecimal, of a device without an IMEI
  --accept auto|open|reply|ask
                         when 1-1 sessions are answered; groups wait for ask alone; auto
  --receipts LIST        delivered,displayed or none; unasked besides: also for what asks for none
  --expires SECONDS      ${defaultExpiresSeconds}
  --auth WAY             auto, digest, aka or early-ims; auto answers what the network offers
  --min-algorithm NAME   MD5, SHA-256 or SHA-512-256: no weaker Digest is answered; MD5
  --sim-op HEX           a SIM in software: OP, or --sim-opc HEX; K is read from CHORUS_SIM_K
  --trace FILE           every SIP and MSRP message, as NDJSON
  --no-register          do not register at start
`;

/** Runs until its input ends or it is told to stop; resolves with the exit status. */
export async function runClient(argv: readonly string[]): Promise<number> {
  const options = parse(argv, {
    profile: { type: 'string', default: 'default' },
    data: { type: 'string' },
    aor: { type: 'string' },
    password: { type: 'string' },
    'auth-user': { type: 'string' },
    proxy: { type: 'string' },
    ca: { type: 'string' },
    msrps: { type: 'boolean' },
    'msrp-relay': { type: 'string' },
    registrar: { type: 'string' },
    factory: { type: 'string' },
    'device-name': { type: 'string', default: '' },
    'display-name': { type: 'string' },
    imei: { type: 'string' },
    meid: { type: 'string' },
    accept: { type: 'string' },
    receipts: { type: 'string' },
    expires: { type: 'string' },
    auth: { type: 'string' },
    'min-algorithm': { type: 'string' },
    'sim-op': { type: 'string' },
    'sim-opc': { type: 'string' },
    trace: { type: 'string' },
    'no-register': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
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
    open: (name) => {
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      return new Conf({
        cwd: dataDir,
        configName: name,
        configFileMode: 0o600,
        accessPropertiesByDotNotation: false,
        clearInvalidConfig: false,
      });
    },
    secrets: () => createFileSecretBox(secretKeyFile(dataDir)),
    log,
    ...(recorder === null ? {} : { tap: signedBy({ role: 'client', lane }, recorder) }),
    tryDirectory: null,
    openDevice: null,
    chooseFile: null,
    given,
  });
  device = app;
  const { fatal, rescue } = await app.handlers.snapshot({});
  if (fatal !== null) {
    process.stderr.write(`chorus: ${errorLine(fatal).text} (${fatal.code}${fatal.cause === undefined ? '' : `, ${fatal.cause}`})\n`);
    await app.quit();
    return 1;
  }
  if (rescue !== null)
    process.stderr.write(
      `chorus: ${errorLine(rescue.error).text} Nothing is registered before. (${rescue.error.code}, ${rescue.error.cause ?? ''}; ${rescue.conversations.length} conversations can be read)\n`,
    );
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
  const domain = aor.split('@')[1] ?? '';
  const user = aor.slice('sip:'.length).split('@')[0] ?? '';
  const imei = text(options, 'imei');
  const meid = text(options, 'meid');
  // TS 24.229: the IMEI where the device has one, else the MEID, else a UUID of our own.
  const instanceUrn = imei !== null ? imeiUrn(imei) : meid !== null ? meidUrn(meid) : null;
  if (instanceUrn !== null && !instanceUrn.ok) throw new UsageError(`--${imei === null ? 'meid' : 'imei'}: ${instanceUrn.reason}`);
  const expires = text(options, 'expires');
  if (expires !== null && !/^[1-9]\d{0,6}$/.test(expires)) throw new UsageError('--expires takes a number of seconds');
  return {
    aor,
    displayName: text(options, 'display-name') ?? user,
    authUser: text(options, 'auth-user'),
    password: text(options, 'password') ?? process.env.CHORUS_PASSWORD ?? '',
    proxy,
    ...readAuthorities(text(options, 'ca')),
    ...(options.msrps === true ? { securesMedia: true } : {}),
    ...readRelay(text(options, 'msrp-relay'), options.msrps === true),
    registrar: text(options, 'registrar'),
    factory: text(options, 'factory') ?? `sip:conference-factory@${domain}`,
    deviceName: cleanDeviceName(text(options, 'device-name') ?? ''),
    expiresSeconds: expires === null ? defaultExpiresSeconds : Number(expires),
    signIn: {
      scheme: choice(options, 'auth', ['auto', 'digest', 'aka', 'early-ims'] as const, 'auto'),
      minAlgorithm: choice(options, 'min-algorithm', ['MD5', 'SHA-256', 'SHA-512-256'] as const, 'MD5'),
      sim: parseSim(options),
    },
    instanceUrn: instanceUrn?.value ?? null,
    registerAtStart: options['no-register'] !== true,
    preferences: {
      accept: choice(options, 'accept', ['auto', 'open', 'reply', 'ask'] as const, 'auto'),
      ...parseReceipts(text(options, 'receipts')),
    },
  };
}

/** K is read from the environment alone: a command line is seen by everybody on the machine. */
function parseSim(options: Options): { k: string; op: string | null; opc: string | null } | null {
  const k = process.env.CHORUS_SIM_K ?? null;
  const op = text(options, 'sim-op');
  const opc = text(options, 'sim-opc');
  if (op === null && opc === null) return null;
  if (k === null) throw new UsageError('--sim-op and --sim-opc need the key of the SIM in CHORUS_SIM_K');
  if ([k, op, opc].some((each) => each !== null && !/^[0-9a-f]{32}$/i.test(each)))
    throw new UsageError('CHORUS_SIM_K, --sim-op and --sim-opc take 32 hexadecimal digits');
  return { k, op, opc };
}

function readRelay(uri: string | null, securesMedia: boolean): { msrpRelay: string } | Record<string, never> {
  if (uri === null) return {};
  try {
    const { msrpRelay = '' } = signInParts({ msrpRelay: uri, securesMedia }, {});
    return { msrpRelay };
  } catch (error) {
    throw new UsageError(`--msrp-relay: ${error instanceof AppError ? error.detail.reason : String(error)}`);
  }
}

function readAuthorities(file: string | null): { ca: string[] } | Record<string, never> {
  if (file === null) return {};
  const pem = readCertificates(file);
  if (pem.length === 0) throw new UsageError(`--ca takes a PEM file with certificates; ${file} holds none`);
  return { ca: pem };
}

/** The certificates of a PEM file, each a text of its own. */
function readCertificates(file: string): string[] {
  try {
    return certificatesOf(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--ca: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What `--receipts` takes. @throws UsageError */
export function parseReceipts(list: string | null): Pick<PreferencesValue, 'receipts'> | Record<string, never> {
  if (list === null) return {};
  const words = list === 'none' ? [] : list.split(',');
  if (words.some((word) => !['delivered', 'displayed', 'unasked'].includes(word)))
    throw new UsageError('--receipts takes delivered,displayed or none, and unasked besides');
  const told = { delivered: words.includes('delivered'), displayed: words.includes('displayed') };
  return { receipts: words.includes('unasked') ? { ...told, unasked: true } : told };
}
