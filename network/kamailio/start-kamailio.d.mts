export interface KamailioOptions {
  /** 0 or absent: any free one. */
  port?: number;
  /** lab.test when absent. */
  domain?: string;
  /** alice, bob, carol and dave, each with the password "secret", when absent. */
  users?: { name: string; password: string }[];
  /** What Digest is asked with; MD5 when absent. */
  algorithm?: 'MD5' | 'SHA-256';
  /** Listeners besides TCP, each on any free port. */
  transports?: ('tls' | 'ws' | 'wss')[];
  /** PEM, for `tls` and `wss`. */
  certificate?: { key: string; certificate: string };
  /** The CPM functions to route to, `sip:127.0.0.1:port;transport=tcp`; none when absent: CPM requests then go to the devices directly. */
  functions?: { pf: string; cf: string };
  /** Where the functions reach it; any free port when 0 or absent. */
  servicePort?: number;
  /** False: it gives no GRUUs. */
  gruu?: boolean;
  /** The shortest registration, seconds; 30 when absent. */
  minExpires?: number;
  /** Milliseconds until it gives up a device that says nothing (5,000), and one that rings (60,000); these when absent. */
  patience?: { silence: number; ringing: number };
  /** It counts its dialogs too, and can be asked for its counts. */
  counts?: boolean;
  /** Relays MSRP on its ports for TCP and TLS, too (RFC 4976). `pathSeconds`: how long a path lives that a client is given, an hour when absent. */
  relay?: { pathSeconds?: number };
  /** Passes Kamailio's log on to stderr. */
  verbose?: boolean;
}

export interface Kamailio {
  /** `sip:127.0.0.1:port;transport=tcp`, for clients. */
  readonly uri: string;
  /** Where clients come over the other transports; null where there is no such listener. */
  readonly uris: { readonly tls: string | null; readonly ws: string | null; readonly wss: string | null };
  /** `sip:127.0.0.1:port;transport=tcp`, for the functions alone: what arrives there is believed. Null when none are served. */
  readonly serviceUri: string | null;
  /** `msrp://127.0.0.1:port;tcp`; null when it relays no MSRP. */
  readonly relayUri: string | null;
  /** `msrps://127.0.0.1:port;tcp`, where it relays and has a listener for TLS. */
  readonly secureRelayUri: string | null;
  readonly port: number;
  readonly domain: string;
  readonly users: { name: string; password: string }[];
  readonly pid: number;
  /** The end of its log, for a test that failed. */
  lastLines(): string[];
  /** What it counts, by `group:name` (`dialog:active_dialogs`); empty unless it was started with `counts`. */
  counts(): Record<string, number>;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;
  /** Kills it and all its processes, as `kill -9` does; `exited` tells when it is gone. */
  kill(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Null when Kamailio can be started here, else one sentence telling what is missing and the command that installs it. */
export function kamailioMissing(): string | null;

/** Starts Kamailio as a foreign SIP/IP core and resolves when it answers. Rejects, with its last words, when it does not. */
export function startKamailio(options?: KamailioOptions): Promise<Kamailio>;

/** A port of this computer that nobody listens on at this moment. */
export function freePort(): Promise<number>;
