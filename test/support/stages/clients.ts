import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Conf from 'conf';
import { onTestFailed } from 'vitest';
import { createStderrLogger, silentLogger } from '../../../base/log';
import { type App, createApp, type GivenAccount } from '../../../main/app';
import { dispatch } from '../../../main/calls';
import { createFileSecretBox, type SecretBox, secretKeyFile } from '../../../main/profile/settings';
import { ladderOf } from '../../../main/trace/ladder';
import { ladderText } from '../../../main/trace/ladder-text';
import type { AppEvent, CallArgument, CallName, CallValue, Result } from '../../../preload/contract';
import { signedBy, type WireRecord } from '../../../protocol/wire-record';
import { type NotYet, patienceMs, stir, until } from '../waiting';

/** One real client behind its contract, as a test uses it. */
export interface TestClient {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  readonly events: AppEvent[];
  readonly wire: WireRecord[];
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<CallValue<N>>;
  /** The call's Result, for stories about refusals. */
  tryCall<N extends CallName>(name: N, argument: CallArgument<N>): Promise<Result<CallValue<N>>>;
  /** `until` of test/support/waiting, naming this client when it waits in vain. The condition may ask about others, too. */
  until<T>(what: string, look: () => NotYet<T> | Promise<NotYet<T>>, limitMs?: number): Promise<T>;
  /** Ends the process’s part without a word to the network, as SIGKILL would. */
  close(): Promise<void>;
}

export interface ClientOptions {
  name: string;
  address: string;
  password?: string;
  deviceName?: string;
  proxy: string;
  factory: string;
  dataDir?: string;
  /** Certificates to trust and no others, PEM. */
  ca?: readonly string[];
  preferences?: GivenAccount['preferences'];
  expiresSeconds?: number;
  /** Offers the media of 1-1 sessions over TLS. */
  securesMedia?: boolean;
  /** The MSRP relay that its sessions go through. */
  msrpRelay?: string;
  /** The instance ID at the first start; a UUID of its own when absent. */
  instanceUrn?: string;
  /** A keychain; the file in the data folder when absent. */
  secrets?: () => SecretBox;
  /** False: `register` is left to the test. */
  register?: boolean;
  /** True: the account is the one that the profile keeps, or none yet; `signIn` is left to the test. */
  stored?: boolean;
  /** Hears of everything on the client's wire, before the client does. */
  onWire?: (record: WireRecord) => void;
}

const open: TestClient[] = [];
/** The clients of the running test, also those closed already: their wire is what a failure prints. */
const cast: TestClient[] = [];
const folders: string[] = [];

/** Starts one client and waits until it is registered, unless told otherwise. `closeClients` ends it. */
export async function startClient(options: ClientOptions): Promise<TestClient> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), `chorus-${options.name}-`));
  folders.push(dataDir);
  const wire: WireRecord[] = [];
  const events: AppEvent[] = [];
  const app: App = await createApp({
    dataDir,
    profile: options.name,
    readScript: null,
    version: '0.0.0-test',
    open: (name) =>
      new Conf({ cwd: dataDir, configName: name, configFileMode: 0o600, accessPropertiesByDotNotation: false, clearInvalidConfig: false }),
    secrets: options.secrets ?? (() => createFileSecretBox(secretKeyFile(dataDir))),
    log: process.env.CHORUS_LOG === 'debug' ? createStderrLogger(options.name, 'debug') : silentLogger,
    tap: signedBy({ role: 'client', lane: options.name }, (record) => {
      wire.push(record);
      options.onWire?.(record);
    }),
    tryDirectory: null,
    openDevice: null,
    chooseFile: null,
    ...(options.stored === true ? {} : { given: givenAccount(options) }),
  });
  app.onEvent.on((event) => {
    events.push(event);
    stir();
  });
  const client: TestClient = {
    name: options.name,
    address: options.address,
    dataDir,
    events,
    wire,
    async call(name, argument) {
      const result = await client.tryCall(name, argument);
      if (!result.ok) throw new Error(`${options.name}: ${name} failed: ${JSON.stringify(result.error)}`);
      return result.value;
    },
    tryCall: (name, argument) => dispatch(app.handlers, name, argument) as Promise<Result<never>>,
    until: (what, look, limitMs = patienceMs) => until(`${what} (${options.name} waits)`, look, limitMs),
    close: () => app.quit(),
  };
  open.push(client);
  cast.push(client);
  if (options.stored !== true && (options.register ?? true))
    await client.until('it is registered', () =>
      events.some((one) => one.event === 'registration' && one.state === 'registered') ? true : null,
    );
  return client;
}

function givenAccount(options: ClientOptions): GivenAccount {
  return {
    aor: options.address,
    displayName: options.name.replace(/-.*/, ''),
    password: options.password ?? 'secret',
    proxy: options.proxy,
    deviceName: options.deviceName ?? options.name,
    options: {
      factory: options.factory,
      expiresSeconds: options.expiresSeconds ?? 600,
      ...(options.securesMedia === true ? { securesMedia: true } : {}),
      ...(options.msrpRelay === undefined ? {} : { msrpRelay: options.msrpRelay }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    },
    preferences: options.preferences ?? {},
    instanceUrn: options.instanceUrn ?? null,
    registerAtStart: options.register ?? true,
  };
}

/** Ends every client that a test has started and removes what they kept. */
export async function closeClients(): Promise<void> {
  await Promise.all(open.splice(0).map((client) => client.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Prints the ladder of all clients when the running test fails, with the network's lanes where the story keeps its records. */
export function printLadderOnFailure(network: readonly WireRecord[] = []): void {
  cast.length = 0;
  onTestFailed(() => console.error(ladderText(ladderOf([...cast.flatMap((client) => client.wire), ...network]))));
}

/** The SIP requests of one method that a client sent or received, as text. */
export function sipRequests(client: TestClient, direction: 'in' | 'out', method: string): string[] {
  return client.wire
    .filter((record) => record.protocol === 'sip' && record.direction === direction)
    .map((record) => new TextDecoder().decode(record.bytes))
    .filter((text) => text.startsWith(`${method} `));
}

/** The values of a header, in order, of one message as it stood on the wire. */
export function headerValues(message: string, name: string): string[] {
  const head = message.split('\r\n\r\n')[0] ?? '';
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim());
}
