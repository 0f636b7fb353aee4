/** The `chorus` command: the client and the network without a window. Exit status: 0 done, 1 the work failed, 2 unusable arguments. */
import { mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Conf from 'conf';
import { startNetwork } from '../network/network';
import { PolicyFileError } from '../network/policy-file';
import { version } from '../package.json';
import type { PreferencesValue } from '../preload/contract';
import { createApp, type GivenAccount } from './app';
import { createStderrLogger } from './base';
import { defaultExpiresSeconds } from './credentials';
import { toAppError } from './errors';
import { errorLine, serveHeadless } from './headless';
import { cleanDeviceName } from './identity/device-name';
import { imeiUrn, meidUrn } from './protocol/instance-urn';
import { parseServer } from './protocol/server-address';
import { addressKey } from './protocol/uri';
import { createFileSecretBox, secretKeyFile } from './settings';
import { createRecorder } from './trace/recorder';

/** Arguments that cannot be used: one line on stderr, exit status 2. */
class UsageError extends Error {}

const help = `chorus SUBCOMMAND [options]

  chorus network   the embedded network on loopback, until SIGINT or SIGTERM
  chorus client    one client on stdin and stdout, a JSON object a line

chorus SUBCOMMAND --help tells its options.
`;

const networkHelp = `chorus network [options]

  --domain NAME          lab.test
  --users A:PW,B:PW      alice, bob, carol and dave, password "secret"
  --listen ADDRESS       127.0.0.1 (loopback only)
  --tcp PORT             0 = any free port
  --tls PORT             TLS too, with a certificate of an authority made for this run
  --ws PORT              WebSocket too
  --wss PORT             WebSocket over TLS too
  --gruu on|off          on
  --policy FILE          who may reach whom and where media runs; read again when it changes; docs/POLICY.md
  --roles core,pf,cf     which of the network's parts run here; all unless told
  --json                 the ready line is JSON whether or not this is given
When ready it prints one line: {"ready":true,"domain":…,"tcp":…,"factory":…}; with "tls", "ws" and "wss" where they were asked for, and
with "ca", the file that clients are to trust
`;

const clientHelp = `chorus client --aor ADDRESS [options]

  --profile NAME         default
  --data DIR             all that this client keeps; a folder a profile unless told
  --aor ADDRESS          sip:alice@lab.test
  --password PW          or CHORUS_PASSWORD
  --auth-user NAME       when it differs from the address's user part
  --proxy URI            outbound proxy: sip:127.0.0.1:5070;transport=tcp (tls, ws), sips:sip.example.org, wss://sip.example.org/ws;
                         found by NAPTR and SRV of the domain unless told
  --ca FILE              trust the authorities of this PEM file and no others; those that Node trusts unless told
  --registrar URI        sip:DOMAIN unless told
  --factory URI          sip:conference-factory@DOMAIN unless told
  --device-name NAME     shown to people you write with
  --display-name NAME    the user part of the address unless told
  --imei DIGITS          use an IMEI as instance ID, at the first start of this data folder
  --meid DIGITS          likewise a MEID, hexadecimal, of a device without an IMEI
  --accept auto|ask      sessions and groups; auto
  --receipts LIST        delivered,displayed or none
  --expires SECONDS      ${defaultExpiresSeconds}
  --auth WAY             auto, digest, aka or early-ims; auto answers what the network offers
  --min-algorithm NAME   MD5, SHA-256 or SHA-512-256: no weaker Digest is answered; MD5
  --sim-op HEX           a SIM in software: OP, or --sim-opc HEX; K is read from CHORUS_SIM_K
  --trace FILE           every SIP and MSRP message, as NDJSON
  --no-register          do not register at start
`;

async function main(argv: readonly string[]): Promise<number> {
  const [subcommand, ...rest] = argv;
  switch (subcommand) {
    case 'network':
      return runNetwork(rest);
    case 'client':
      return runClient(rest);
    case undefined:
    case '--help':
    case '-h':
      process.stdout.write(help);
      return subcommand === undefined ? 2 : 0;
    default:
      throw new UsageError(`unknown subcommand ${subcommand}; chorus --help tells what there is`);
  }
}

async function runNetwork(argv: readonly string[]): Promise<number> {
  const options = parse(argv, {
    domain: { type: 'string', default: 'lab.test' },
    users: { type: 'string' },
    listen: { type: 'string', default: '127.0.0.1' },
    tcp: { type: 'string', default: '0' },
    tls: { type: 'string' },
    ws: { type: 'string' },
    wss: { type: 'string' },
    gruu: { type: 'string', default: 'on' },
    policy: { type: 'string' },
    roles: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (options.help === true) {
    process.stdout.write(networkHelp);
    return 0;
  }
  const log = createStderrLogger('network', 'warn');
  const users = text(options, 'users');
  const roles = text(options, 'roles');
  const policy = text(options, 'policy');
  const [tls, ws, wss] = [text(options, 'tls'), text(options, 'ws'), text(options, 'wss')];
  const network = await startNetwork({
    domain: text(options, 'domain') ?? 'lab.test',
    ...(users === null ? {} : { users: users.split(',').map(parseUser) }),
    listen: loopbackOnly(text(options, 'listen') ?? '127.0.0.1'),
    tcpPort: port(text(options, 'tcp') ?? '0', 'tcp'),
    ...(tls === null ? {} : { tlsPort: port(tls, 'tls') }),
    ...(ws === null ? {} : { wsPort: port(ws, 'ws') }),
    ...(wss === null ? {} : { wssPort: port(wss, 'wss') }),
    gruu: choice(options, 'gruu', ['on', 'off'] as const, 'on') === 'on',
    ...(policy === null ? {} : { policyFile: policy }),
    ...(roles === null ? {} : { roles: roles.split(',').map(parseRole) }),
    log: (level, message, fields) => log[level](message, fields),
  }).catch((error: unknown) => {
    throw error instanceof PolicyFileError ? new UsageError(`--policy: ${error.message}`) : error;
  });
  const { domain, factory, ca, uris } = network;
  const { tcp, ...secure } = { tcp: uris.tcp, tls: uris.tls, ws: uris.ws, wss: uris.wss, ca };
  const further = Object.fromEntries(Object.entries(secure).filter(([, value]) => value !== null));
  process.stdout.write(`${JSON.stringify({ ready: true, domain, tcp, ...further, factory })}\n`);
  await stopSignal();
  await network.close();
  return 0;
}

async function runClient(argv: readonly string[]): Promise<number> {
  const options = parse(argv, {
    profile: { type: 'string', default: 'default' },
    data: { type: 'string' },
    aor: { type: 'string' },
    password: { type: 'string' },
    'auth-user': { type: 'string' },
    proxy: { type: 'string' },
    ca: { type: 'string' },
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
  const recorder = trace === null ? null : createRecorder(trace);
  const app = await createApp({
    dataDir,
    profile,
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
    ...(recorder === null ? {} : { tap: recorder }),
    tryDirectory: null,
    openDevice: null,
    given,
  });
  const { fatal } = await app.handlers.snapshot({});
  if (fatal !== null) {
    process.stderr.write(`chorus: ${errorLine(fatal).text} (${fatal.code}${fatal.cause === undefined ? '' : `, ${fatal.cause}`})\n`);
    await app.quit();
    return 1;
  }
  await serveHeadless(app, { input: process.stdin, output: process.stdout, log, stop: stopSignal() });
  await recorder?.close();
  return 0;
}

// ---------------------------------------------------------------- arguments

type Options = Record<string, string | boolean | undefined>;

function parse(argv: readonly string[], options: NonNullable<Parameters<typeof parseArgs>[0]>['options']): Options {
  try {
    return parseArgs({ args: [...argv], options: options ?? {}, strict: true, allowPositionals: false }).values as Options;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function text(options: Options, name: string): string | null {
  const value = options[name];
  return typeof value === 'string' ? value : null;
}

function choice<T extends string>(options: Options, name: string, allowed: readonly T[], fallback: T): T {
  const value = text(options, name);
  if (value === null) return fallback;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new UsageError(`--${name} takes ${allowed.join(' or ')}`);
  return found;
}

function port(value: string, name: string): number {
  const number = Number(value);
  if (!/^\d{1,5}$/.test(value) || number > 65_535) throw new UsageError(`--${name} takes a port, 0 to 65535`);
  return number;
}

/** The embedded network has a password everybody knows: it never listens where others could reach it. */
function loopbackOnly(address: string): string {
  if (!/^127(\.\d{1,3}){3}$/.test(address)) throw new UsageError('--listen takes a loopback address, 127.x.x.x');
  return address;
}

function parseUser(pair: string): { name: string; password: string } {
  const [name, password] = pair.split(':');
  if (!name || !password) throw new UsageError('--users takes NAME:PASSWORD,NAME:PASSWORD,…');
  return { name, password };
}

function parseRole(role: string): 'core' | 'pf' | 'cf' | 'isf' {
  if (role === 'core' || role === 'pf' || role === 'cf' || role === 'isf') return role;
  throw new UsageError('--roles takes core, pf, cf and isf, comma-separated');
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
    preferences: { accept: choice(options, 'accept', ['auto', 'ask'] as const, 'auto'), ...parseReceipts(text(options, 'receipts')) },
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

function readAuthorities(file: string | null): { ca: string[] } | Record<string, never> {
  if (file === null) return {};
  const pem = readCertificates(file);
  if (pem.length === 0) throw new UsageError(`--ca takes a PEM file with certificates; ${file} holds none`);
  return { ca: pem };
}

/** The certificates of a PEM file, each a text of its own. */
function readCertificates(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  } catch (error) {
    throw new UsageError(`--ca: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseReceipts(list: string | null): Pick<PreferencesValue, 'receipts'> | Record<string, never> {
  if (list === null) return {};
  const words = list === 'none' ? [] : list.split(',');
  if (words.some((word) => word !== 'delivered' && word !== 'displayed'))
    throw new UsageError('--receipts takes delivered,displayed or none');
  return { receipts: { delivered: words.includes('delivered'), displayed: words.includes('displayed') } };
}

/** Resolves at the first SIGINT or SIGTERM; SIGTERM is a `quit`. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error: unknown) => {
    if (error instanceof UsageError) {
      process.stderr.write(`chorus: ${error.message}\n`);
      process.exit(2);
    }
    const { code, detail } = toAppError(error);
    process.stderr.write(
      `chorus: ${errorLine({ code, retry: 'user', ...detail }).text}${detail.cause === undefined ? '' : ` ${detail.cause.split('\n')[0]}`}\n`,
    );
    process.exit(1);
  },
);
