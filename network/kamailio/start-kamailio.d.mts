export interface KamailioOptions {
  /** 0 or absent: any free one. */
  port?: number;
  /** lab.test when absent. */
  domain?: string;
  /** alice, bob, carol and dave, each with the password "secret", when absent. */
  users?: { name: string; password: string }[];
  /** The Digest algorithm; MD5 when absent. */
  algorithm?: 'MD5' | 'SHA-256';
  /** Listeners besides TCP, each on any free port. */
  transports?: ('tls' | 'ws' | 'wss')[];
  /** PEM, for `tls` and `wss`. */
  certificate?: { key: string; certificate: string };
  /** The CPM functions to route to, `sip:127.0.0.1:port;transport=tcp`; none when absent: CPM requests then go to the devices directly. */
  functions?: { pf: string; cf: string /** By which it and the functions know one another. */; secret: string };
  /** Where the functions reach it; any free port when 0 or absent. */
  servicePort?: number;
  /** False: it gives no GRUUs. */
  gruu?: boolean;
  /** The shortest registration, seconds; 30 when absent. */
  minExpires?: number;
  /** Milliseconds until it gives up a silent device (5,000) and a ringing one (60,000); these when absent. */
  patience?: { silence: number; ringing: number };
  /** True: it counts its dialogs, and `counts` returns the figures. */
  counts?: boolean;
  /** Also relays MSRP on its ports for TCP and TLS (RFC 4976). `pathSeconds`: the lifetime of a client's path, an hour when absent. */
  relay?: { pathSeconds?: number };
  /** Passes Kamailio's log on to stderr. */
  verbose?: boolean;
}

export interface Kamailio {
  /** `sip:127.0.0.1:port;transport=tcp`, for clients. */
  readonly uri: string;
  /** Where clients come over the other transports; null where there is no such listener. */
  readonly uris: { readonly tls: string | null; readonly ws: string | null; readonly wss: string | null };
  /** `sip:127.0.0.1:port;transport=tcp`, for the functions, whose requests are trusted. Null when it serves none. */
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
  /** Its counters, by `group:name` (`dialog:active_dialogs`); empty unless it was started with `counts`. */
  counts(): Record<string, number>;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;
  /** Kills it and all its processes, as `kill -9` does; `exited` resolves when they are gone. */
  kill(): void;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Null when Kamailio can be started here, else one sentence with what is missing and the command that installs it. */
export function kamailioMissing(): string | null;

/** Starts Kamailio as a foreign SIP/IP core and resolves when it answers. Rejects, with its last words, when it does not. */
export function startKamailio(options?: KamailioOptions): Promise<Kamailio>;

/** A port of this computer that is free at this moment. */
export function freePort(): Promise<number>;
