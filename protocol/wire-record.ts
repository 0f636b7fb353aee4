/** One SIP or MSRP message as it was on the wire. Every stack passes each message it sends or receives to one `WireTap`. */
export interface WireMessage {
  /** Epoch milliseconds by the writer's clock. */
  at: number;
  direction: 'in' | 'out';
  protocol: 'sip' | 'msrp';
  transport: 'tcp' | 'tls' | 'ws' | 'wss' | 'udp';
  /** `address:port` on this side. */
  local: string;
  /** `address:port` on the other side. */
  remote: string;
  /** The message, byte for byte. */
  bytes: Uint8Array;
}

export type WireTap = (message: WireMessage) => void;

/**
 * The possible writers of a trace: a client, or one function of the network (SIP/IP core, Participating, Controlling, Interworking
 * Selection).
 */
export const wireRoles = ['client', 'core', 'pf', 'cf', 'isf'] as const;
export type WireRole = (typeof wireRoles)[number];

/** Who wrote a record. */
export interface WireWriter {
  role: WireRole;
  /** The name of the device or function in the trace, unique there: `alice.laptop`, `core`, `cf-2`. */
  lane: string;
  /** The Instance ID of a device. */
  instance?: string;
}

/** A message together with the device or function that saw it. A message between two of them is recorded by both. */
export interface WireRecord extends WireMessage, WireWriter {}

/** Adds the writer to every message of one stack. */
export function signedBy(writer: WireWriter, write: (record: WireRecord) => void): WireTap {
  return (message) => write({ ...message, ...writer });
}
