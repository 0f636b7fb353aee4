/**
 * The options of a sign-in beyond address and password: the one table. The contract's type, the check of a call, the stored form, the flags and the
 * help of the command, and the account without its secrets are all made from it. An option of a known kind is added here and nowhere else; a new kind
 * is added to `OptionTypes` and to `main/account/option-kinds.ts`, which does not compile without it.
 *
 * An option that is left out stays as it was, or as the network says.
 */

/** The form in which a kind of option is told. */
export interface OptionTypes {
  text: string;
  /** A SIP URI; `sip:` may be left out. */
  sipUri: string;
  /** PEM, one certificate or several. */
  certificates: string;
  switch: boolean;
  seconds: number;
  /** MSRP URIs with spaces between; empty takes them away. */
  relays: string;
  imei: string;
  /** A SIM in software: 32 hexadecimal digits each, and either OP or OPc. */
  sim: { k: string; op: string | null; opc: string | null };
}

interface OptionFlag {
  /** Without the dashes. */
  name: string;
  /** The word for its value in the help; a switch takes none. */
  takes?: string;
  help: string;
}

interface OptionBase {
  flags: readonly OptionFlag[];
  /** The environment variable with its secret part: everybody on the machine sees a command line. */
  environment?: string;
  /** Protected on disk like a password, and dropped where this system cannot read it. */
  secret?: true;
  /** False for an option that is used at the sign-in alone. */
  kept?: false;
}
export type OptionRow = OptionBase & ({ kind: keyof OptionTypes } | { kind: 'choice'; choices: readonly string[] });
export type OptionRows = Readonly<Record<string, OptionRow>>;

export const signInOptions = {
  /** The name to authenticate with, where it differs from the address's user part. */
  authUser: {
    kind: 'text',
    flags: [{ name: 'auth-user', takes: 'NAME', help: 'when it differs from the address’s user part' }],
  },
  /** Certificates to trust and no others, PEM. */
  ca: {
    kind: 'certificates',
    flags: [
      { name: 'ca', takes: 'FILE', help: 'trust the authorities of this PEM file and no others; those that Node trusts unless told' },
    ],
  },
  /** Whether chats are asked for over TLS alone. */
  securesMedia: {
    kind: 'switch',
    flags: [{ name: 'msrps', help: 'offer the media of sessions over TLS alone; without it plain TCP is offered' }],
  },
  /**
   * The MSRP relay that every chat goes through: `msrp:` or `msrps:`; empty for none. Several, with spaces between: the one that this device
   * connects to, and those that are reached through it.
   */
  msrpRelay: {
    kind: 'relays',
    flags: [
      {
        name: 'msrp-relay',
        takes: 'URI',
        help:
          'every session goes through this MSRP relay (RFC 4976), with this account’s name and password, and none past it: ' +
          'msrps://relay.example.org:2855;tcp; several with spaces between: this client connects to the first alone',
      },
    ],
  },
  /** The registrar's URI, where it is not the address's domain. */
  registrar: { kind: 'sipUri', flags: [{ name: 'registrar', takes: 'URI', help: 'sip:DOMAIN unless told' }] },
  /** Where groups are made. */
  factory: { kind: 'sipUri', flags: [{ name: 'factory', takes: 'URI', help: 'sip:conference-factory@DOMAIN unless told' }] },
  /** This device's IMEI, as its ID: only before it was ever registered. */
  imei: {
    kind: 'imei',
    kept: false,
    flags: [{ name: 'imei', takes: 'DIGITS', help: 'use an IMEI as instance ID, at the first start of this data folder' }],
  },
  /** How long a registration is asked for, seconds. */
  expiresSeconds: {
    kind: 'seconds',
    flags: [{ name: 'expires', takes: 'SECONDS', help: 'how long a registration is asked for; 3600 unless told' }],
  },
  scheme: {
    kind: 'choice',
    choices: ['auto', 'digest', 'aka', 'early-ims'],
    flags: [{ name: 'auth', takes: 'WAY', help: 'auto, digest, aka or early-ims; auto answers what the network offers' }],
  },
  /** No weaker Digest is answered. */
  minAlgorithm: {
    kind: 'choice',
    choices: ['MD5', 'SHA-256', 'SHA-512-256'],
    flags: [{ name: 'min-algorithm', takes: 'NAME', help: 'MD5, SHA-256 or SHA-512-256: no weaker Digest is answered; MD5' }],
  },
  sim: {
    kind: 'sim',
    secret: true,
    environment: 'CHORUS_SIM_K',
    flags: [
      { name: 'sim-op', takes: 'HEX', help: 'a SIM in software by its OP; K is read from CHORUS_SIM_K' },
      { name: 'sim-opc', takes: 'HEX', help: 'the same by its OPc' },
    ],
  },
} as const satisfies OptionRows;

type Told<Row> = Row extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Row extends { kind: infer Kind extends keyof OptionTypes }
    ? OptionTypes[Kind]
    : never;

/** The options of a table as a call tells them. */
export type OptionsOf<Rows> = { -readonly [Name in keyof Rows]?: Told<Rows[Name]> | undefined };

/** The options of a sign-in, as a call tells them. */
export type SignInOptions = OptionsOf<typeof signInOptions>;
