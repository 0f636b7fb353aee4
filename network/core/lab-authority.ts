/**
 * A certificate authority that lives as long as a network: one key, one server certificate, and the file that clients are given to trust.
 * Node signs no certificates, so the `openssl` command does it (docs/decisions/0016).
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ServerKey } from '../sip/transport-listener';

/** LAB: no lab runs longer; a certificate that is left behind is worthless afterwards. */
const VALID_DAYS = 30;

export interface LabAuthority {
  /** The certificate of the authority, PEM. */
  readonly ca: string;
  /** The file that holds it. */
  readonly caFile: string;
  /** The server's certificate and key. */
  readonly key: ServerKey;
  /** Removes the file and its folder. */
  dispose: () => Promise<void>;
}

/** RFC 5922 section 4: the domain as a `sip` URI and as a DNS name. The address serves clients that know nothing else. */
function configuration(domain: string, address: string): string {
  const addresses = isIP(address) === 0 ? '' : `,IP:${address}`;
  return `[req]
distinguished_name = nobody
prompt = no
[nobody]
CN = Chorus lab
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = URI:sip:${domain},DNS:${domain}${addresses}
`;
}

/** Makes an authority and a certificate for `domain` at `address`. Rejects with a sentence that says what is missing. */
export async function createLabAuthority(subject: { domain: string; address: string }): Promise<LabAuthority> {
  const { domain, address } = subject;
  // Both are written into a configuration file.
  if (!/^[A-Za-z0-9.-]+$/.test(domain) || !/^[A-Za-z0-9.:-]+$/.test(address)) throw new Error(`No certificate for ${domain} at ${address}`);
  const folder = await mkdtemp(join(tmpdir(), 'chorus-lab-'));
  const dispose = () => rm(folder, { recursive: true, force: true });
  const file = (name: string) => join(folder, name);
  const newKey = (name: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file(name)];
  const days = ['-days', String(VALID_DAYS)];
  try {
    await writeFile(file('lab.cnf'), configuration(domain, address));
    const config = ['-config', file('lab.cnf')];
    const named = (name: string) => ['-subj', `/CN=${name}`];
    await openssl([
      'req',
      '-x509',
      ...newKey('ca.key'),
      ...days,
      ...named('Chorus lab authority'),
      '-extensions',
      'authority',
      ...config,
      '-out',
      file('ca.pem'),
    ]);
    await openssl(['req', '-new', ...newKey('server.key'), ...named('Chorus lab server'), ...config, '-out', file('server.csr')]);
    const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial'];
    const extensions = ['-extfile', file('lab.cnf'), '-extensions', 'server'];
    await openssl(['x509', '-req', '-in', file('server.csr'), ...signer, ...days, ...extensions, '-out', file('server.pem')]);
    const [ca, key, certificate] = await Promise.all(['ca.pem', 'server.key', 'server.pem'].map((name) => readFile(file(name), 'utf8')));
    // No second certificate will be signed, and the server's key is in memory now.
    await Promise.all(['ca.key', 'server.key'].map((name) => rm(file(name))));
    return { ca: ca ?? '', caFile: file('ca.pem'), key: { key: key ?? '', certificate: certificate ?? '' }, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function openssl(words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('openssl', [...words]);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT') throw new Error('TLS needs the openssl command: apt-get install openssl', { cause: error });
    throw new Error(`openssl failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
