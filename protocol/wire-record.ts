/** One SIP or MSRP message as it stood on the wire. The trace from the first day: every stack hands each message to one `WireTap`. */
export interface WireRecord {
  /** Epoch milliseconds. */
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

export type WireTap = (record: WireRecord) => void;
