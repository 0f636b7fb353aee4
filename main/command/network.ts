/** `chorus network`: the embedded network, or some of its roles, on loopback until SIGINT or SIGTERM. */

import { OperatorFileError } from '../../base/json-reader';
import { createStderrLogger } from '../../base/log';
import { authPolicies } from '../../network/core/authenticator';
import { defaultUsers, type Network, type NetworkUser, startNetwork } from '../../network/network';
import { version } from '../../package.json';
import type { TraceHeader } from '../trace/record';
import { createRecorder } from '../trace/recorder';
import { choice, type Options, parse, port, stopSignal, text, texts, UsageError } from './command-line';
import { readAuthorities, readFaults, readSims } from './operator-files';

const help = `chorus network [options]

  --domain NAME          lab.test
  --users A:PW,B:PW      alice, bob, carol and dave, password "secret"
  --address USER=URI     a further address of a user, sip:sales@lab.test or tel:+15550100; may be given again
  --listen ADDRESS       127.0.0.1 (loopback only)
  --tcp PORT             0 = any free port
  --tls PORT             TLS too, with a certificate of an authority made for this run
  --media-ca FILE        whom the media over TLS believes where a side names no certificate, as behind an MSRP relay (PEM); those that Node
                         trusts unless told
  --ws PORT              WebSocket too
  --wss PORT             WebSocket over TLS too
  --gruu on|off          on
  --auth WAY             how people prove who they are: md5, sha256, sha512-256, both (SHA-256 and MD5), aka, early; both
  --sims FILE            with --auth aka: {"alice":{"k":"…","opc":"…"}}, 32 hexadecimal digits each; "op" and "sqn" too
  --early USER=IP        with --auth early: whose network address this is; may be given again
  --policy FILE          who may reach whom and where media runs; read again when it changes; docs/POLICY.md
  --groups FILE          groups that stand from the start: {"sip:team@cf.lab.test":{"members":["sip:alice@lab.test",…]}}; read again at
                         SIGHUP; docs/GROUPS.md
  --faults FILE          how the core misbehaves: [{"name":"slow","fault":{"kind":"delay","ms":2000},"user":"alice","times":3}]
                         kinds answer, drop, disconnect, delay and repeat; REGISTER unless "method" is told
  --seed N               what chance is drawn from in faults; 1
  --state FILE           keeps groups and waiting messages over restarts of the network
  --deferred on|off      on: messages for people whose devices are all off are kept and brought later; off: they are refused; on unless told
  --group-size N         the most people of one group; 50
  --cf-instances N       instances of the Controlling Function, each standing by for those before it; 1
  --roles core,pf,cf,isf which of the network's parts run here; all unless told
  --pf-port, --cf-port PORT
                         where those two listen, for a core that is told once; 0 = any free port
  --core URI             without the role core: the SIP/IP core to serve, sip:127.0.0.1:5060;transport=tcp
                         The environment variable CHORUS_FUNCTION_SECRET holds the secret by which core and functions know one
                         another; functions without it believe every program on this computer
  --trace FILE           every SIP and MSRP message of every role, as NDJSON
  --json                 the ready line is JSON whether or not this is given
When ready it prints one line: {"ready":true,"domain":…,"tcp":…,"factory":…}; with "tls", "ws" and "wss" where they were asked for, with
"ca", the file that clients are to trust, and with "pf" and "cf", where another core reaches the functions. With --groups it prints one
more line at each SIGHUP: {"groups":2}, or {"error":"…"} when the file cannot be used and the groups stay as they were
`;

/** From the environment: others could read the command line. */
function functionSecret(): { functionSecret?: string } {
  const written = process.env.CHORUS_FUNCTION_SECRET;
  if (written === undefined) return {};
  if (!/^[A-Za-z0-9]{16,64}$/.test(written)) throw new UsageError('CHORUS_FUNCTION_SECRET takes 16 to 64 letters and digits');
  return { functionSecret: written };
}

/** Runs until it is told to stop; resolves with the exit status. */
export async function runNetwork(argv: readonly string[]): Promise<number> {
  const options = parse(argv, {
    domain: { type: 'string', default: 'lab.test' },
    users: { type: 'string' },
    address: { type: 'string', multiple: true },
    listen: { type: 'string', default: '127.0.0.1' },
    tcp: { type: 'string', default: '0' },
    tls: { type: 'string' },
    'media-ca': { type: 'string' },
    ws: { type: 'string' },
    wss: { type: 'string' },
    gruu: { type: 'string', default: 'on' },
    auth: { type: 'string' },
    sims: { type: 'string' },
    early: { type: 'string', multiple: true },
    policy: { type: 'string' },
    groups: { type: 'string' },
    faults: { type: 'string' },
    seed: { type: 'string' },
    state: { type: 'string' },
    deferred: { type: 'string', default: 'on' },
    'group-size': { type: 'string' },
    'cf-instances': { type: 'string' },
    'pf-port': { type: 'string' },
    'cf-port': { type: 'string' },
    roles: { type: 'string' },
    core: { type: 'string' },
    trace: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const log = createStderrLogger('network', 'warn');
  const roles = text(options, 'roles')?.split(',').map(parseRole);
  const [core, policy, faults, seed] = [text(options, 'core'), text(options, 'policy'), text(options, 'faults'), text(options, 'seed')];
  const [tls, ws, wss] = [text(options, 'tls'), text(options, 'ws'), text(options, 'wss')];
  const auth = text(options, 'auth');
  const groups = text(options, 'groups');
  const state = text(options, 'state');
  const mediaCa = text(options, 'media-ca');
  const [groupSize, instances] = [count(options, 'group-size'), count(options, 'cf-instances')];
  if (seed !== null && !/^\d{1,9}$/.test(seed)) throw new UsageError('--seed takes a whole number');
  const trace = text(options, 'trace');
  const recorder = trace === null ? null : createRecorder(trace, traceHeader);
  const network = await startNetwork({
    domain: text(options, 'domain') ?? 'lab.test',
    users: parseUsers(options),
    listen: loopbackOnly(text(options, 'listen') ?? '127.0.0.1'),
    tcpPort: port(text(options, 'tcp') ?? '0', 'tcp'),
    pfPort: port(text(options, 'pf-port') ?? '0', 'pf-port'),
    cfPort: port(text(options, 'cf-port') ?? '0', 'cf-port'),
    ...(tls === null ? {} : { tlsPort: port(tls, 'tls') }),
    ...(ws === null ? {} : { wsPort: port(ws, 'ws') }),
    ...(wss === null ? {} : { wssPort: port(wss, 'wss') }),
    gruu: choice(options, 'gruu', ['on', 'off'] as const, 'on') === 'on',
    ...(auth === null ? {} : { auth: choice(options, 'auth', authPolicies, 'both') }),
    ...(policy === null ? {} : { policyFile: policy }),
    ...(groups === null ? {} : { groupsFile: groups }),
    ...(faults === null ? {} : { faults: readFaults(faults) }),
    ...(seed === null ? {} : { seed: Number(seed) }),
    ...(state === null ? {} : { stateFile: state }),
    keepsMessages: choice(options, 'deferred', ['on', 'off'] as const, 'on') === 'on',
    ...(mediaCa === null ? {} : { mediaAuthorities: readAuthorities(mediaCa) }),
    ...(groupSize === null ? {} : { maxParticipants: groupSize }),
    ...(instances === null ? {} : { controllingInstances: instances }),
    ...(roles === undefined ? {} : { roles }),
    ...(core === null ? {} : { core }),
    ...functionSecret(),
    ...(recorder === null ? {} : { tap: recorder }),
    log: (level, message, fields) => log[level](message, fields),
  }).catch((error: unknown) => {
    throw error instanceof OperatorFileError ? new UsageError(error.message) : error;
  });
  const { domain, factory, ca, uris } = network;
  const further = Object.entries({ tls: uris.tls, ws: uris.ws, wss: uris.wss, ca, pf: uris.pf, cf: uris.cf });
  const told = Object.fromEntries(further.filter(([, value]) => value !== null));
  process.stdout.write(`${JSON.stringify({ ready: true, domain, tcp: uris.tcp, ...told, factory })}\n`);
  if (groups !== null) process.on('SIGHUP', () => rereadGroups(network));
  await stopSignal();
  await network.close();
  await recorder?.close();
  return 0;
}

/** All roles write to one file; each line names its role. */
function traceHeader(): TraceHeader {
  return { started: Date.now(), clockOffset: 0, role: 'network', lane: 'network', software: `Chorus/${version}` };
}

/** Reports the result in one line. */
function rereadGroups(network: Network): void {
  let told: { groups: number } | { error: string };
  try {
    told = { groups: network.rereadGroups() };
  } catch (error) {
    told = { error: `The groups stay as they were: ${error instanceof Error ? error.message : String(error)}` };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

/** The embedded network has a password that everybody knows, so it never listens where others could reach it. */
function loopbackOnly(address: string): string {
  if (!/^127(\.\d{1,3}){3}$/.test(address)) throw new UsageError('--listen takes a loopback address, 127.x.x.x');
  return address;
}

/** The people with their further options. An option for an unknown name is an error. */
function parseUsers(options: Options): NetworkUser[] {
  const pairs = text(options, 'users');
  const users: NetworkUser[] =
    pairs === null ? defaultUsers.map((name) => ({ name, password: 'secret' })) : pairs.split(',').map((pair) => parseUser(pair));
  const user = (name: string, option: string): NetworkUser => {
    const found = users.find((one) => one.name === name);
    if (found === undefined) throw new UsageError(`${option}: there is no user ${name}`);
    return found;
  };
  for (const given of texts(options, 'address')) {
    const [name, address] = split(given, '--address takes USER=URI, such as alice=tel:+15550100');
    const one = user(name, '--address');
    one.identities = [...(one.identities ?? []), address];
  }
  for (const given of texts(options, 'early')) {
    const [name, address] = split(given, '--early takes USER=IP, such as alice=127.0.0.2');
    const one = user(name, '--early');
    one.early = [...(one.early ?? []), address];
  }
  const sims = text(options, 'sims');
  for (const [name, sim] of sims === null ? [] : readSims(sims)) user(name, '--sims').sim = sim;
  return users;
}

function count(options: Options, name: string): number | null {
  const given = text(options, name);
  if (given === null) return null;
  if (!/^\d{1,6}$/.test(given)) throw new UsageError(`--${name} takes a whole number`);
  return Number(given);
}

function split(given: string, usage: string): [string, string] {
  const at = given.indexOf('=');
  if (at < 1 || at === given.length - 1) throw new UsageError(usage);
  return [given.slice(0, at), given.slice(at + 1)];
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
