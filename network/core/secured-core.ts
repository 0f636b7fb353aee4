/** A core whose listeners over TLS have a certificate: the operator's, or one of an authority made for this run. */
import type { TransportName } from '../sip/flow';
import type { ServerKey } from '../sip/transport-listener';
import { type Core, type CoreOptions, startCore } from './core';
import { createLabAuthority, type LabAuthority } from './lab-authority';

export interface SecuredCoreOptions extends Omit<CoreOptions, 'listeners'> {
  host: string;
  listeners: readonly { transport: TransportName; port: number; isSecure: boolean }[];
  /** What TLS shows; made here when absent and needed. */
  key?: ServerKey;
}

export interface SecuredCore {
  core: Core;
  /** The file with the certificate of the authority made here; null when none was needed. */
  caFile: string | null;
  close(): Promise<void>;
}

/** Rejects when the core cannot listen or no certificate can be made, and then leaves nothing behind. */
export async function startSecuredCore({ listeners, key, ...options }: SecuredCoreOptions): Promise<SecuredCore> {
  const needsAuthority = key === undefined && listeners.some(({ isSecure }) => isSecure);
  const authority: LabAuthority | null = needsAuthority
    ? await createLabAuthority({ domain: options.domain, address: options.host })
    : null;
  const shown = key ?? authority?.key;
  try {
    const core = await startCore({
      ...options,
      listeners: listeners.map(({ transport, port }) => ({ transport, port, ...(shown === undefined ? {} : { key: shown }) })),
    });
    const close = async () => {
      await core.close();
      await authority?.dispose();
    };
    return { core, caFile: authority?.caFile ?? null, close };
  } catch (error) {
    await authority?.dispose();
    throw error;
  }
}
