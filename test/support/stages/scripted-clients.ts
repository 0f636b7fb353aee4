/** Clients and networks as scripts run them: real processes that read and write lines. */

import { type Network, startNetwork } from '../../../network/network';
import type { ConversationValue, DeviceValue } from '../../../preload/contract';
import type { WireRecord } from '../../../protocol/wire-record';
import { type Command, chorus, endCommands, type Line, newFolder } from './command';

const networks: Network[] = [];

/** For `afterEach`: ends what the test has started. */
export async function endScripts(): Promise<void> {
  await endCommands();
  await Promise.all(networks.splice(0).map((network) => network.close()));
}

export interface Ready {
  domain: string;
  tcp: string;
  factory: string;
}

export async function startedNetwork(more: readonly string[] = []): Promise<Ready> {
  const network = chorus('network', ['network', '--tcp', '0', '--json', ...more]);
  return network.until('the network is ready', () => {
    const line = network.lines.find((candidate) => candidate.ready === true);
    return line === undefined ? null : (line as unknown as Ready);
  });
}

/** A network inside this process, for stories that must observe its traffic. */
export async function ownNetwork(tap: (record: WireRecord) => void): Promise<Network> {
  const network = await startNetwork({ tap });
  networks.push(network);
  return network;
}

export const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A client started as by a script: `alice-laptop` is a device of alice. */
export function client(proxy: string, name: string, more: readonly string[] = []): Command {
  const person = name.split('-')[0] ?? '';
  const data = more.includes('--data') ? [] : ['--data', newFolder(name)];
  const args = ['client', '--profile', name, '--aor', `sip:${person}@lab.test`, '--proxy', proxy, '--device-name', name, ...data, ...more];
  return chorus(name, args, { CHORUS_PASSWORD: 'secret' });
}

export async function signedIn(proxy: string, name: string, more: readonly string[] = []): Promise<Command> {
  const started = client(proxy, name, more);
  await started.event('registration', { state: 'registered' });
  return started;
}

export const sendText = (one: Command, argument: Line) => one.ask<{ message: string; conversation: string }>('sendText', argument);
export const conversations = (one: Command) => one.ask<ConversationValue[]>('conversations');
export const names = (devices: readonly DeviceValue[]) => devices.map((device) => device.name).sort();
export const exits = async (one: Command) => (await one.ended()).status;
