#!/usr/bin/env node
/**
 * Starts Kamailio as a foreign SIP/IP core on loopback, for tests that ask whether Chorus works with a network that is not its own.
 *
 *   node network/kamailio/start-kamailio.mjs [--port N] [--domain lab.test] [--user alice:secret]... [--algorithm MD5|SHA-256] [--verbose]
 *
 * Stays in the foreground and prints one line of JSON when it answers: {"event":"ready","uri":"sip:127.0.0.1:5070;transport=tcp",...}.
 * Needs the Debian packages `kamailio` and `kamailio-outbound-modules`, for other transports than TCP `kamailio-tls-modules` and
 * `kamailio-websocket-modules` too. Importable: `startKamailio(options)`, which alone opens those.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How long Kamailio may take until it answers, milliseconds. */
const READY_TIMEOUT_MS = 20_000;
/** How long it may take to end, milliseconds. */
const STOP_TIMEOUT_MS = 5_000;
/** Until it gives up a silent device and a ringing one, milliseconds. */
const PATIENCE_MS = { silence: 5_000, ringing: 60_000 };
/** Lines of its log that are kept, to say why it did not start. */
const KEPT_LINES = 40;
/** Empty tables of Debian's package: its presence modules do not start without a database, though they keep nothing in it here. */
const TABLES_DIRECTORY = '/usr/share/kamailio/dbtext/kamailio';
const TABLES = ['version', 'presentity', 'active_watchers', 'watchers'];
const DEFAULT_USERS = ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name, password: 'secret' }));

/** Null when Kamailio can be started here, else one sentence with what is missing and the command that installs it. */
function kamailioMissing() {
  const found = spawnSync('kamailio', ['-v'], { env: searchPath(), stdio: 'ignore' });
  if (found.error !== undefined)
    return 'Kamailio is not installed: apt-get install --no-install-recommends kamailio kamailio-outbound-modules';
  return null;
}

/** Debian keeps daemons in sbin, which is not on everybody's path. */
function searchPath() {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin` };
}

/** A port that is free at this moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.once('error', reject);
    probe.listen({ host: '127.0.0.1', port: 0 }, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** How long a connection may be silent whose other side has not proven who it is. Kamailio looks at its connections every few seconds. */
const STRANGER_SECONDS = 5;
/** The same at a relay, where idle chats stay open. */
const PATH_CONNECTION_SECONDS = 3605;

/** Those who use the relay prove who they are in MSRP, which the core does not see. */
function strangerSeconds(relay) {
  return relay === null ? STRANGER_SECONDS : PATH_CONNECTION_SECONDS;
}

/** Checks a word for a double-quoted string of the configuration; anything else is refused. */
function word(text, what) {
  if (!/^[A-Za-z0-9._~-]{1,64}$/.test(text)) throw new Error(`${what} may hold letters, digits and . _ ~ - only: ${text}`);
  return text;
}

/** The lines of the configuration for transports besides TCP. */
function transportLines({ ports, certificate, directory, relay }) {
  const usesTls = ports.tls !== undefined || ports.wss !== undefined;
  const usesWebSocket = ports.ws !== undefined || ports.wss !== undefined;
  if (usesTls && certificate === undefined) throw new Error('TLS needs a key and a certificate');
  if (usesTls) {
    const paths = { private_key: join(directory, 'server.key'), certificate: join(directory, 'server.pem') };
    writeFileSync(paths.private_key, certificate.key, { mode: 0o600 });
    writeFileSync(paths.certificate, certificate.certificate, { mode: 0o600 });
    const lines = Object.entries(paths).map(([name, path]) => `${name} = ${path}`);
    // The relay also opens connections, and shows its certificate there too.
    const sections = ['server', 'client'].map((side) => `[${side}:default]\nmethod = TLSv1.2+\n${lines.join('\n')}\n`);
    writeFileSync(join(directory, 'tls.cfg'), sections.join('\n'));
  }
  const under = { tls: 'tls', ws: 'tcp', wss: 'tls' };
  return {
    LISTENERS: Object.entries(ports)
      .map(([transport, port]) => `listen=${under[transport]}:127.0.0.1:${port}`)
      .join('\n'),
    TLS: usesTls ? 'yes' : 'no',
    NOLENGTH: usesWebSocket || relay !== null ? 'yes' : 'no',
    MODULES: [
      // Over TLS, silence is measured apart.
      usesTls
        ? `loadmodule "tls.so"\nmodparam("tls", "config", "${join(directory, 'tls.cfg')}")\nmodparam("tls", "connection_timeout", ${strangerSeconds(relay)})`
        : '',
      usesWebSocket ? 'loadmodule "xhttp.so"\nloadmodule "websocket.so"' : '',
    ].join('\n'),
    HANDSHAKE: usesWebSocket
      ? `event_route[xhttp:request] {
    # A browser names the page that asks (RFC 6455 section 10.2): no page is a client here, and any page can ask.
    if ($hdr(Origin) != $null) {
        xhttp_reply("403", "Forbidden", "", "");
        exit;
    }
    if ($hdr(Upgrade) =~ "websocket" && ws_handle_handshake()) exit;
    xhttp_reply("426", "Upgrade Required", "", "");
}
`
      : '',
  };
}

/**
 * A relay for MSRP (RFC 4976) on the same ports. A client that authenticates by Digest gets a path through it. Requests from its connection
 * go out along their To-Path; requests from any other connection go to the client whose path they name.
 */
const RELAY = `
loadmodule "msrp.so"
modparam("msrp", "cmap_size", 8)
# Above the maximum the minimum would refuse everybody; a client that asks for no time gets the maximum.
modparam("msrp", "auth_min_expires", 1)
modparam("msrp", "auth_max_expires", @PATHLIFE@)
modparam("htable", "htable", "clients=>size=6;autoexpire=@PATHLIFE@;")

event_route[msrp:frame-in] {
    msrp_reply_flags("1");
    # Each hop answers for itself, so the answer to a SEND ends here; one to anything else goes on along its path.
    if (msrp_is_reply()) {
        if (msrp_cmap_lookup()) {
            msrp_relay_flags("1");
            msrp_relay();
        }
        exit;
    }
    if ($msrp(method) == "AUTH") {
        # A password that is named in the call itself ends the process of this version.
        $var(password) = "@NOBODY@";
        if ($sht(people=>$au) != $null) $var(password) = $sht(people=>$au);
        if (!pv_www_authenticate("MY_DOMAIN", "$var(password)", "0", "AUTH")) {
            if (auth_get_www_authenticate("MY_DOMAIN", "0", "$var(challenge)")) msrp_reply("401", "Unauthorized", "$var(challenge)");
            else msrp_reply("500", "Server Error");
            exit;
        }
        $sht(clients=>$msrp(srcaddr)) = 1;
        msrp_cmap_save();
        exit;
    }
    if ($sht(clients=>$msrp(srcaddr)) == $null) {
        if (!msrp_cmap_lookup()) {
            if ($msrp(method) == "SEND") msrp_reply("481", "No Such Session");
            exit;
        }
        msrp_relay_flags("1");
    }
    if ($msrp(method) == "SEND") msrp_reply("200", "OK");
    msrp_relay();
}
`;

/** The lines of the configuration for the CPM functions that it serves. */
function functionLines(functions, servicePort, domain) {
  if (functions === undefined) return '';
  const substitutes = {
    SERVICE_PORT: String(servicePort),
    SERVICE_URI: `sip:127.0.0.1:${servicePort};transport=tcp`,
    PF_URI: place(functions.pf),
    CF_URI: place(functions.cf),
    CF_HOST: `cf.${domain}`,
    FUNCTION_SECRET: word(functions.secret, 'The secret of the functions'),
    // Another run of Kamailio does not know the subscriptions of this one; the functions notice it by the Call-ID.
    BOOT: randomBytes(8).toString('hex'),
  };
  const lines = Object.entries(substitutes).map(([name, value]) => `#!substdef "!${name}!${value}!g"`);
  return ['#!define WITH_FUNCTIONS', ...lines, `listen=tcp:127.0.0.1:${servicePort}`].join('\n');
}

/** Checks a function's URI: only an address of this computer may stand in the configuration. */
function place(uri) {
  if (!/^sip:127\.0\.0\.1:\d{1,5};transport=tcp$/.test(uri)) throw new Error(`a function listens on loopback by TCP: ${uri}`);
  return uri;
}

/** The options of `startKamailio` with their defaults. */
function planOf(options) {
  const { algorithm = 'MD5' } = options;
  if (algorithm !== 'MD5' && algorithm !== 'SHA-256') throw new Error(`unknown algorithm ${algorithm}`);
  return {
    domain: 'lab.test',
    users: DEFAULT_USERS,
    verbose: false,
    minExpires: 30,
    gruu: true,
    patience: PATIENCE_MS,
    counts: false,
    relay: null,
    ...options,
    algorithm,
  };
}

function configuration(plan) {
  const { domain, port, users, relay, counts, patience, functions, servicePort, directory } = plan;
  const people = users.map(({ name, password }) => `    $sht(people=>${word(name, 'A user name')}) = "${word(password, 'A password')}";`);
  const values = {
    DOMAIN: word(domain, 'The domain'),
    PORT: String(port),
    DEBUG: plan.verbose ? '2' : '1',
    ALGORITHM: plan.algorithm,
    PEOPLE: people.join('\n'),
    SEAL: randomBytes(24).toString('hex'),
    NOBODY: randomBytes(24).toString('hex'),
    PATHLIFE: String(relay?.pathSeconds ?? 3600),
    STRANGER: String(strangerSeconds(relay)),
    FUNCTIONS: [counts ? '#!define WITH_COUNTS' : '', functionLines(functions, servicePort, domain)].join('\n'),
    DIRECTORY: directory,
    MINEXPIRES: String(plan.minExpires),
    GRUU: plan.gruu ? '1' : '0',
    SILENCE: String(patience.silence),
    RINGING: String(patience.ringing),
    ...transportLines(plan),
  };
  const template = readFileSync(join(fileURLToPath(new URL('.', import.meta.url)), 'kamailio.cfg.in'), 'utf8');
  const filled = (text) => text.replace(/@([A-Z]+)@/g, (whole, name) => values[name] ?? whole);
  return filled(template) + (relay === null ? '' : filled(RELAY));
}

/** True when a SIP OPTIONS over TCP is answered. */
function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('data', (bytes) => end(bytes.toString('latin1').startsWith('SIP/2.0 200')));
    socket.once('connect', () => {
      const branch = randomBytes(8).toString('hex');
      const lines = [
        `OPTIONS sip:127.0.0.1:${port};transport=tcp SIP/2.0`,
        `Via: SIP/2.0/TCP 127.0.0.1:${socket.localPort};branch=z9hG4bK${branch};rport`,
        'Max-Forwards: 1',
        `From: <sip:probe@127.0.0.1>;tag=${branch}`,
        `To: <sip:127.0.0.1:${port}>`,
        `Call-ID: ${branch}`,
        'CSeq: 1 OPTIONS',
        'Content-Length: 0',
      ];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    });
  });
}

/** A port that was free may be somebody else's a moment later; then others are chosen. */
const MOST_STARTS = 3;

/**
 * Starts Kamailio and resolves when it answers. Rejects, with its last words, when it does not.
 * @param {import('./start-kamailio.d.mts').KamailioOptions} [options]
 */
export async function startKamailio(options = {}) {
  for (let starts = 1; ; starts += 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (options.port || starts === MOST_STARTS || !/Address already in use/.test(String(error))) throw error;
    }
  }
}

/** @param {import('./start-kamailio.d.mts').KamailioOptions} options */
async function startOnce(options) {
  const missing = kamailioMissing();
  if (missing !== null) throw new Error(missing);
  const asked = planOf(options);
  const port = options.port ? options.port : await freePort();
  const servicePort = options.servicePort ? options.servicePort : await freePort();
  const ports = {};
  for (const transport of options.transports ?? []) ports[transport] = await freePort();
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'chorus-kamailio-'));
  const { domain, users, verbose, functions } = asked;
  const file = join(directory, 'kamailio.cfg');
  try {
    writeFileSync(file, configuration({ ...asked, port, servicePort, ports, directory }), { mode: 0o600 });
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
  mkdirSync(join(directory, 'run'));
  mkdirSync(join(directory, 'tables'));
  if (functions !== undefined) for (const table of TABLES) copyFileSync(join(TABLES_DIRECTORY, table), join(directory, 'tables', table));

  const child = spawn(
    'kamailio',
    ['-DD', '-E', '-m', '64', '-M', '8', '-f', file, '-P', join(directory, 'kamailio.pid'), '-Y', join(directory, 'run')],
    {
      env: searchPath(),
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const lines = [];
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text) => {
    if (verbose) process.stderr.write(text);
    lines.push(...text.split('\n').filter((line) => line !== ''));
    lines.splice(0, Math.max(0, lines.length - KEPT_LINES));
  });
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`exit ${code ?? signal}`));
  });
  let gone = false;
  exited.then(() => {
    gone = true;
    rmSync(directory, { recursive: true, force: true });
  });

  /** Its counters, read by its own tool. */
  const readCounts = () => {
    const asked = spawnSync('kamcmd', ['-s', `unix:${join(directory, 'counts')}`, 'stats.get_statistics', 'all'], {
      env: searchPath(),
      encoding: 'utf8',
    });
    const lines = `${asked.stdout ?? ''}`.matchAll(/^(\w+:[\w-]+) = (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
  };

  const stop = async () => {
    if (!gone) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };
  /** Its processes too: they would outlive the one that started them. */
  const kill = () => {
    if (gone) return;
    const workers = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(/\s+/).map(Number);
    for (const pid of [child.pid, ...workers.filter((number) => number > 0)]) process.kill(pid, 'SIGKILL');
  };
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await answers(port))) {
    if (gone || Date.now() > deadline) {
      await stop();
      throw new Error(`Kamailio did not start (${await exited}):\n${lines.join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    uri: `sip:127.0.0.1:${port};transport=tcp`,
    uris: {
      tls: ports.tls === undefined ? null : `sip:127.0.0.1:${ports.tls};transport=tls`,
      ws: ports.ws === undefined ? null : `sip:127.0.0.1:${ports.ws};transport=ws`,
      wss: ports.wss === undefined ? null : `sips:127.0.0.1:${ports.wss};transport=ws`,
    },
    serviceUri: functions === undefined ? null : `sip:127.0.0.1:${servicePort};transport=tcp`,
    relayUri: options.relay === undefined ? null : `msrp://127.0.0.1:${port};tcp`,
    secureRelayUri: options.relay === undefined || ports.tls === undefined ? null : `msrps://127.0.0.1:${ports.tls};tcp`,
    port,
    domain,
    users,
    pid: child.pid ?? 0,
    lastLines: () => [...lines],
    counts: readCounts,
    exited,
    kill,
    stop,
  };
}

function readArguments(words) {
  const options = { users: [] };
  for (let index = 0; index < words.length; index += 1) {
    const name = words[index];
    if (name === '--verbose') {
      options.verbose = true;
      continue;
    }
    index += 1;
    const value = words[index];
    if (value === undefined) throw new Error(`${name} needs a value`);
    if (name === '--port') options.port = Number(value);
    else if (name === '--domain') options.domain = value;
    else if (name === '--algorithm') options.algorithm = value;
    else if (name === '--user') options.users.push({ name: value.split(':')[0] ?? '', password: value.slice(value.indexOf(':') + 1) });
    else throw new Error(`unknown option ${name}`);
  }
  if (options.users.length === 0) delete options.users;
  return options;
}

async function run() {
  const kamailio = await startKamailio(readArguments(process.argv.slice(2)));
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', uri: kamailio.uri, port: kamailio.port, domain: kamailio.domain, pid: kamailio.pid })}\n`,
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => kamailio.stop());
  await kamailio.exited;
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  run().catch((error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
