/** One SIP or MSRP message as it stood on the wire. Every stack hands each message that it sends or receives to one `WireTap`. */
export interface WireMessage {
  /** Epoch milliseconds, by the clock of the writer. */
  at: number;
  direction: 'in' | 'out';
  protocol: 'sip' | 'msrp';
  transport: 'tcp' | 'tls' | 'ws' | 'wss' | 'udp';
  /** `address:port` of this side. */
  local: string;
  /** `address:port` of the other side. */
  remote: string;
  /** The message, byte for byte. */
  bytes: Uint8Array;
}

export type WireTap = (message: WireMessage) => void;

/** What can write a trace: a client, or one function of the network (SIP/IP core, Participating, Controlling, Interworking Selection). */
export const wireRoles = ['client', 'core', 'pf', 'cf', 'isf'] as const;
export type WireRole = (typeof wireRoles)[number];

/** Who wrote a record. */
export interface WireWriter {
  role: WireRole;
  /** The device or function as a reader of the trace names it, alone in its trace: `alice.laptop`, `core`, `cf-2`. */
  lane: string;
  /** The Instance ID of a device. */
  instance?: string;
}

/** A message with the device or function that saw it: what crosses between two of them is recorded by both. */
export interface WireRecord extends WireMessage, WireWriter {}

/** Signs every message of one stack with its writer. */
export function signedBy(writer: WireWriter, write: (record: WireRecord) => void): WireTap {
  return (message) => write({ ...message, ...writer });
}
