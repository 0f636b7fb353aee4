/**
 * The one table of sign-in options besides address and password. It defines the type in the contract, the check of a call, the stored form,
 * the flags and the help of the command, and the account without its secrets. An option of a known kind is added only here. A new kind is
 * added to `OptionTypes` and to `main/account/option-kinds.ts`, which does not compile without it.
 *
 * An omitted option keeps its value or takes the network's default.
 */

/** The value type of each kind of option. */
export interface OptionTypes {
  text: string;
  /** A SIP URI; `sip:` may be omitted. */
  sipUri: string;
  /** One or several certificates in PEM. */
  certificates: string;
  switch: boolean;
  seconds: number;
  /** MSRP URIs separated by spaces; empty removes them. */
  relays: string;
  imei: string;
  /** A software SIM: 32 hexadecimal digits each, with either OP or OPc. */
  sim: { k: string; op: string | null; opc: string | null };
}

interface OptionFlag {
  /** The flag without its dashes. */
  name: string;
  /** The placeholder for its value in the help; a switch has none. */
  takes?: string;
  help: string;
}

interface OptionBase {
  flags: readonly OptionFlag[];
  /** The environment variable for its secret part, because everybody on the machine can see a command line. */
  environment?: string;
  /** Protected on disk like a password, and dropped if this system cannot read it. */
  secret?: true;
  /** False for an option that is only used at the sign-in. */
  kept?: false;
}
export type OptionRow = OptionBase & ({ kind: keyof OptionTypes } | { kind: 'choice'; choices: readonly string[] });
export type OptionRows = Readonly<Record<string, OptionRow>>;

export const signInOptions = {
  /** The name for authentication, if it differs from the user part of the address. */
  authUser: {
    kind: 'text',
    flags: [{ name: 'auth-user', takes: 'NAME', help: 'when it differs from the address’s user part' }],
  },
  /** The only certificates to trust, in PEM. */
  ca: {
    kind: 'certificates',
    flags: [
      { name: 'ca', takes: 'FILE', help: 'trust the authorities of this PEM file and no others; those that Node trusts unless told' },
    ],
  },
  /**
   * Whether this device asks for chats over TLS. `auto`: where its connection to the server is over TLS, and without it if the other side has
   * none. `always`: anywhere, and never without.
   */
  mediaTls: {
    kind: 'choice',
    choices: ['auto', 'always', 'never'],
    flags: [
      {
        name: 'msrps',
        takes: 'WAY',
        help:
          'auto, always or never: whether sessions are asked for over TLS; auto: where the connection to the server is over TLS, ' +
          'and without it where the other side refuses; always: never without; auto unless told',
      },
    ],
  },
  /**
   * The MSRP relay for every chat, `msrp:` or `msrps:`; empty for none. Several are separated by spaces: first the one that this device
   * connects to, then those reached through it.
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
  /** The registrar's URI, if it is not the address's domain. */
  registrar: { kind: 'sipUri', flags: [{ name: 'registrar', takes: 'URI', help: 'sip:DOMAIN unless told' }] },
  /** The URI of the conference factory, which creates groups. */
  factory: { kind: 'sipUri', flags: [{ name: 'factory', takes: 'URI', help: 'sip:conference-factory@DOMAIN unless told' }] },
  /** This device's IMEI, used as its ID; only possible before its first registration. */
  imei: {
    kind: 'imei',
    kept: false,
    flags: [{ name: 'imei', takes: 'DIGITS', help: 'use an IMEI as instance ID, at the first start of this data folder' }],
  },
  /** The requested duration of a registration, in seconds. */
  expiresSeconds: {
    kind: 'seconds',
    flags: [{ name: 'expires', takes: 'SECONDS', help: 'how long a registration is asked for; 3600 unless told' }],
  },
  scheme: {
    kind: 'choice',
    choices: ['auto', 'digest', 'aka', 'early-ims'],
    flags: [{ name: 'auth', takes: 'WAY', help: 'auto, digest, aka or early-ims; auto answers what the network offers' }],
  },
  /** The weakest Digest algorithm that is answered. */
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

/** The options of a table in the form of a call. */
export type OptionsOf<Rows> = { -readonly [Name in keyof Rows]?: Told<Rows[Name]> | undefined };

/** The options of a sign-in in the form of a call. */
export type SignInOptions = OptionsOf<typeof signInOptions>;
export type MediaTls = NonNullable<SignInOptions['mediaTls']>;
