/** baresip (Debian's baresip-core), which chats in bare text/plain, with one contact. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ForeignProgram, freshFolder } from './foreign-program';

/**
 * Starts baresip and resolves when it is registered. It only knows Digest MD5 and does not register when another algorithm is offered
 * first.
 */
export async function startBaresip(options: {
  identity: string;
  password?: string;
  proxy: string;
  contact: string;
  /** The authorities it trusts over TLS, a PEM file. */
  ca?: string | undefined;
}): Promise<ForeignProgram> {
  if (spawnSync('baresip', ['-h'], { stdio: 'ignore' }).error !== undefined)
    throw new Error('baresip is not installed: apt-get install --no-install-recommends baresip-core');
  const { identity, password = 'secret', proxy, contact, ca } = options;
  const folder = freshFolder('baresip');
  const modules = ['stdio', 'account', 'menu', 'contact'].map((name) => `module ${name}.so`);
  const files = {
    config: [
      'sip_listen 127.0.0.1:0',
      ...(ca === undefined ? [] : [`sip_cafile ${ca}`]),
      'module_path /usr/lib/baresip/modules',
      ...modules,
    ],
    accounts: [`<${identity};transport=${ca === undefined ? 'tcp' : 'tls'}>;auth_pass=${password};outbound="${proxy}";regint=600`],
    contacts: [`"Contact" <${contact}>`],
    current_contact: [contact],
  };
  for (const [name, lines] of Object.entries(files)) writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
  const program = new ForeignProgram('baresip', ['-4', '-f', folder], folder);
  try {
    await program.hears('registered successfully');
  } catch (error) {
    await program.dispose();
    throw error;
  }
  return program;
}
