/**
 * Globally routable UA URIs (RFC 5627). The public GRUU is the address of record with `gr`; it names the same instance for ever. A
 * temporary GRUU does not show whom it reaches: it is a sealed note that only this registrar can open, and holds the generation of the
 * instance's registration. When the generation ends (last contact gone, or a new Call-ID), all its temporary GRUUs end with it, and none of
 * them has to be remembered.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { parseInstance } from '../../protocol/instance-urn';
import { parseUri, type SipUri } from '../../protocol/uri';

/** The beginning of the user part of a temporary GRUU (RFC 5627 appendix A.2). */
const TEMPORARY_PREFIX = 'tgruu.';
/** Bytes of nonce, generation and tag of AES-128-GCM. */
const NONCE_BYTES = 12;
const GENERATION_BYTES = 8;
const TAG_BYTES = 16;

/** A generation of one instance's temporary GRUUs. */
export function newGeneration(): string {
  return randomBytes(GENERATION_BYTES).toString('hex');
}

/**
 * RFC 4122 section 4.3: version 5 UUID of `name` in the name space `namespace` (a UUID).
 */
export function nameBasedUuid(namespace: string, name: string): string {
  const space = Buffer.from(namespace.replace(/-/g, ''), 'hex');
  const hash = createHash('sha1').update(space).update(name, 'utf8').digest().subarray(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * The `gr` value of an instance (TS 24.229 5.4.7A.2). A UUID is used as it is. An IMEI names hardware and must not be shown, so a
 * name-based UUID made of its fourteen digits replaces it; every other kind of URN is treated the same way.
 */
export function grOfInstance(instanceId: string, namespace: string): string {
  const urn = parseInstance(instanceId) ?? instanceId;
  if (/^urn:uuid:[0-9a-f-]{36}$/.test(urn)) return urn;
  const imei = /^urn:gsma:imei:(\d{8})-(\d{6})-/i.exec(urn);
  return `urn:uuid:${nameBasedUuid(namespace, imei === null ? urn : `${imei[1]}${imei[2]}`)}`;
}

/** Whether a Request-URI or Contact of this domain is a public GRUU, a temporary one (its user part), or neither. */
export function gruuOf(
  text: string,
  domain: string,
): { kind: 'public'; uri: SipUri; gr: string } | { kind: 'temporary'; user: string } | null {
  const read = parseUri(text);
  if (!read.ok || (read.value.scheme !== 'sip' && read.value.scheme !== 'sips')) return null;
  const uri = read.value;
  if (uri.host !== domain || !uri.params.has('gr')) return null;
  const gr = uri.params.get('gr') ?? null;
  if (gr !== null && gr !== '') return { kind: 'public', uri, gr };
  return { kind: 'temporary', user: uri.user ?? '' };
}

export class GruuMint {
  readonly #key = randomBytes(16);
  /** LAB: chosen by the operator and secret (TS 24.229); a new one at every start of the network, unless given. */
  readonly #namespace: string;

  constructor(
    private readonly domain: string,
    namespace?: string,
  ) {
    this.#namespace = namespace ?? nameBasedUuid('6ba7b811-9dad-11d1-80b4-00c04fd430c8', randomBytes(16).toString('hex'));
  }

  gr(instanceId: string): string {
    return grOfInstance(instanceId, this.#namespace);
  }

  /** `aor` is a SIP address without parameters. */
  publicGruu(aor: string, instanceId: string): string {
    return `${aor};gr=${this.gr(instanceId)}`;
  }

  /** A new temporary GRUU of this generation, different from all others. */
  temporaryGruu(generation: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-128-gcm', this.#key, nonce);
    const sealed = Buffer.concat([nonce, cipher.update(generation, 'hex'), cipher.final(), cipher.getAuthTag()]);
    return `sip:${TEMPORARY_PREFIX}${sealed.toString('base64url')}@${this.domain};gr`;
  }

  /** The generation sealed in the user part of a temporary GRUU; null when this registrar did not make it. */
  open(user: string): string | null {
    if (!user.startsWith(TEMPORARY_PREFIX)) return null;
    const sealed = Buffer.from(user.slice(TEMPORARY_PREFIX.length), 'base64url');
    if (sealed.length !== NONCE_BYTES + GENERATION_BYTES + TAG_BYTES) return null;
    try {
      const decipher = createDecipheriv('aes-128-gcm', this.#key, sealed.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(sealed.subarray(NONCE_BYTES + GENERATION_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, NONCE_BYTES + GENERATION_BYTES)), decipher.final()]).toString(
        'hex',
      );
    } catch {
      // The seal does not fit: forged, damaged, or of an earlier run.
      return null;
    }
  }
}
