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
import type { AppEvent, CallArgument, CallName, CallValue, MediaTls, Result } from '../../../preload/contract';
import { signedBy, type WireRecord } from '../../../protocol/wire-record';
import { type NotYet, patienceMs, stir, until } from '../waiting';

/** One real client behind its contract, for use in a test. */
export interface TestClient {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  readonly events: AppEvent[];
  readonly wire: WireRecord[];
  call<N extends CallName>(name: N, argument: CallArgument<N>): Promise<CallValue<N>>;
  /** The call's Result, for stories about refusals. */
  tryCall<N extends CallName>(name: N, argument: CallArgument<N>): Promise<Result<CallValue<N>>>;
  /** `until` of test/support/waiting, with the name of this client in the failure. The condition may involve other clients, too. */
  until<T>(what: string | (() => string), look: () => NotYet<T> | Promise<NotYet<T>>, limitMs?: number): Promise<T>;
  /** Ends the client without telling the network, like SIGKILL. */
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
  /** The only certificates to trust, in PEM. */
  ca?: readonly string[];
  preferences?: GivenAccount['preferences'];
  expiresSeconds?: number;
  /** Whether media is asked for over TLS; `auto` unless told. */
  mediaTls?: MediaTls;
  /** The MSRP relay for its sessions. */
  msrpRelay?: string;
  /** The instance ID at the first start; a new UUID when absent. */
  instanceUrn?: string;
  /** The account key of the own devices, hex: this client is paired with every other one that has it. */
  ownKey?: string;
  /** A keychain; when absent, a key file in the data folder. */
  secrets?: () => SecretBox;
  /** False: the test itself calls `register`. */
  register?: boolean;
  /** True: the account is the stored one, if any; the test itself calls `signIn`. */
  stored?: boolean;
  /** Receives everything on the client's wire before the client does. */
  onWire?: (record: WireRecord) => void;
}

const open: TestClient[] = [];
/** All clients of the running test, including closed ones: a failure prints their wire. */
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
    until: (what, look, limitMs = patienceMs) =>
      until(() => `${typeof what === 'string' ? what : what()} (${options.name} waits)`, look, limitMs),
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
      ...(options.mediaTls === undefined ? {} : { mediaTls: options.mediaTls }),
      ...(options.msrpRelay === undefined ? {} : { msrpRelay: options.msrpRelay }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    },
    ...(options.ownKey === undefined ? {} : { ownKey: options.ownKey }),
    preferences: options.preferences ?? {},
    instanceUrn: options.instanceUrn ?? null,
    registerAtStart: options.register ?? true,
  };
}

/** Ends every client started by a test and removes its files. */
export async function closeClients(): Promise<void> {
  await Promise.all(open.splice(0).map((client) => client.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Prints the ladder of all clients when the running test fails, with the network's lanes if the story keeps its records. */
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

/** The values of a header in one message, in wire order. */
export function headerValues(message: string, name: string): string[] {
  const head = message.split('\r\n\r\n')[0] ?? '';
  return head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim());
}
