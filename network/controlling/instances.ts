/**
 * The instances of the Controlling Function in one network. Each has its own SIP server and MSRP switch; all share one state file, so that
 * a later instance serves the groups of an earlier one that has died (decision 18).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MediaOptions, MsrpSwitch } from '../msrp/switch';
import { addressTarget } from '../sip/proxy';
import type { SipServer } from '../sip/sip-server';
import { ControllingFunction, type ControllingOptions } from './controlling';
import type { GroupState } from './group';
import type { PredefinedGroup } from './predefined';

export interface InstancesOptions extends Omit<ControllingOptions, 'server' | 'media' | 'resolve'> {
  /** How many instances run, each standing by for those before it. */
  count: number;
  /** Makes the SIP server of an instance; whoever made it closes it. */
  newServer: (index: number) => Promise<SipServer>;
  media: (index: number) => MediaOptions;
  /** An instance is reachable at this URI. */
  onStarted: (uri: string) => void;
}

interface Instance {
  functions: ControllingFunction;
  media: MsrpSwitch;
  server: SipServer;
}

/** @throws Error when the state file cannot be used, or a port not opened; nothing of it is then left */
export async function startControlling(options: InstancesOptions): Promise<ControllingInstances> {
  // Several instances need a file to share; where the operator names none they get one for this run.
  const ownFolder = options.count > 1 && options.stateFile === undefined ? await mkdtemp(join(tmpdir(), 'groups-')) : null;
  const instances = new ControllingInstances(ownFolder);
  try {
    for (let index = 0; index < options.count; index += 1) options.onStarted(await instances.add(options, index));
    return instances;
  } catch (error) {
    await instances.close();
    throw error;
  }
}

export class ControllingInstances {
  readonly #instances: Instance[] = [];

  constructor(private readonly ownFolder: string | null) {}

  /** Where the first instance is reached; null before it has started. */
  get uri(): string | null {
    return this.#instances[0]?.server.uri ?? null;
  }

  /** Starts one more instance. Returns its URI. */
  async add(options: InstancesOptions, index: number): Promise<string> {
    const { newServer, media: mediaOptions, ...shared } = options;
    const server = await newServer(index);
    const media = new MsrpSwitch(mediaOptions(index));
    try {
      await media.listen();
      const functions = new ControllingFunction({
        ...shared,
        server,
        media,
        resolve: (uri) => addressTarget(uri) ?? options.core,
        ...(this.ownFolder === null ? {} : { stateFile: join(this.ownFolder, 'groups.db') }),
      });
      this.#instances.push({ functions, media, server });
      return server.uri;
    } catch (error) {
      await media.close();
      throw error;
    }
  }

  /** The state of every group, ended ones among them, as the first living instance knows it. */
  groups(): GroupState[] {
    return this.#instances.find(({ functions }) => !functions.isClosed)?.functions.groups() ?? [];
  }

  /** What all instances hold at this moment. */
  load(): { groups: number; mediaSessions: number; mediaConnections: number } {
    const sum = (count: (one: Instance) => number) => this.#instances.reduce((total, one) => total + count(one), 0);
    return {
      groups: sum(({ functions }) => functions.liveCount),
      mediaSessions: sum(({ media }) => media.sessionCount),
      mediaConnections: sum(({ media }) => media.connectionCount),
    };
  }

  /** The operator's list of pre-defined groups from now on. */
  provide(groups: readonly PredefinedGroup[]): void {
    for (const { functions } of this.#instances) if (!functions.isClosed) functions.provide(groups);
  }

  /** Ends one instance without a word, as if its process had died. */
  async kill(index: number): Promise<void> {
    const instance = this.#instances[index];
    if (instance === undefined) return;
    instance.functions.close();
    await Promise.all([instance.server.close(), instance.media.close()]);
  }

  /** Lets go of all groups. The SIP servers stay: they belong to whoever made them. */
  readonly close = async (): Promise<void> => {
    for (const { functions } of this.#instances) functions.close();
    await Promise.all(this.#instances.map(({ media }) => media.close()));
    if (this.ownFolder !== null) await rm(this.ownFolder, { recursive: true, force: true });
  };
}
