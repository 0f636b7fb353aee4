/**
 * Figures of groups, one JSON object a line: from "Add people" to the first message of the group that is shown, by how many are in it, and the
 * messages that the switch carries a second. Two of the people are real clients, the others are light ones, which register, accept, watch the
 * roster and answer media over sockets of their own. All of it runs in this one process; the floor is what bare sockets in it do with as many bytes.
 *
 * CHORUS_BENCH_SIZES=3,20 chooses other sizes.
 */
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { encodeCpim } from '../../main/protocol/cpim';
import { ICSI } from '../../main/protocol/feature-tags';
import { encodeMsrp, newTransactionId } from '../../main/protocol/msrp';
import { parseSdp } from '../../main/protocol/sdp';
import { uriOf } from '../../network/header-value';
import { startNetwork } from '../../network/network';
import type { ServerTransaction } from '../../network/transaction';
import { closeClients, startClient } from '../support/clients';
import { eventually, RawAgent } from '../support/raw-agent';

const SIZES = (process.env.CHORUS_BENCH_SIZES ?? '3,20,100,500').split(',').map(Number);
/** Texts that the switch is given at once. */
const TEXTS = 50;
const PATIENCE_MS = 180_000;

const rounded = (value: number) => Math.round(value * 10) / 10;

/** Somebody who accepts every group, connects the media, and watches who is in. */
class LightPerson extends RawAgent {
  override answer(transaction: ServerTransaction, status: number): void {
    super.answer(transaction, status);
    const call = this.calls.at(-1);
    if (status !== 200 || call === undefined) return;
    void call.media.connect(call.sdp).catch(() => undefined);
    const focus = uriOf(transaction.request.get('contact') ?? '');
    const watching = this.request('SUBSCRIBE', focus, ICSI.group).append('Event', 'conference').append('Expires', '600');
    void this.send(watching.append('Accept', 'application/conference-info+xml'));
  }

  get texts(): number {
    return this.calls.reduce((sum, { media }) => sum + media.texts.length, 0);
  }

  /** Writes so many texts to the group without waiting for an answer. */
  flood(focus: string, count: number): void {
    const call = this.calls.at(-1);
    const remote = parseSdp(call?.sdp ?? '');
    if (call === undefined || !remote.ok) throw new Error('nobody to write to');
    for (let index = 0; index < count; index += 1) {
      const body = encodeCpim({
        messageId: `${this.instanceId}-${index}`,
        from: this.address,
        to: [focus],
        contentType: 'text/plain',
        body: new TextEncoder().encode(`Text ${index}`),
      });
      const transactionId = newTransactionId(Math.random, body);
      call.media.write(
        encodeMsrp({
          kind: 'request',
          transactionId,
          method: 'SEND',
          toPath: remote.value.path,
          fromPath: [call.media.path],
          headers: [],
          messageId: transactionId,
          byteRange: { start: 1, end: body.length, total: body.length },
          contentType: 'message/cpim',
          successReport: false,
          failureReport: 'yes',
          status: null,
          body,
          continuation: '$',
        }),
      );
    }
  }
}

/** Bare sockets: every text goes to so many readers, each of whom answers it. Resolves with deliveries a second. */
async function floorOf(readers: number): Promise<number> {
  const text = Buffer.alloc(600, 'x');
  const answer = Buffer.alloc(200, 'y');
  const ends: Socket[] = [];
  const near: Socket[] = [];
  let answered = 0;
  const server = createServer((socket) => {
    near.push(socket.setNoDelay(true));
    socket.on('data', (bytes) => {
      answered += bytes.length;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  for (let index = 0; index < readers; index += 1) {
    const socket = connect({ port: typeof address === 'object' && address !== null ? address.port : 0, host: '127.0.0.1', noDelay: true });
    let read = 0;
    socket.on('data', (bytes) => {
      for (read += bytes.length; read >= text.length; read -= text.length) socket.write(answer);
    });
    ends.push(socket);
  }
  await eventually('the readers are there', () => (near.length === readers ? true : null), PATIENCE_MS);
  const from = performance.now();
  for (let index = 0; index < TEXTS; index += 1) for (const socket of near) socket.write(text);
  await eventually('all is answered', () => (answered === TEXTS * readers * answer.length ? true : null), PATIENCE_MS);
  const seconds = (performance.now() - from) / 1000;
  for (const socket of [...ends, ...near]) socket.destroy();
  server.close();
  return (TEXTS * readers) / seconds;
}

async function measure(size: number): Promise<void> {
  const names = Array.from({ length: size }, (_, index) => (['alice', 'bob'] as const)[index] ?? `p${index}`);
  const network = await startNetwork({ users: names.map((name) => ({ name, password: 'secret' })), maxParticipants: Math.max(size, 50) });
  const others: LightPerson[] = [];
  try {
    const options = (name: string) => ({ name, address: `sip:${name}@lab.test`, proxy: network.uris.tcp, factory: network.factory });
    const [alice, bob] = await Promise.all([startClient(options('alice')), startClient(options('bob'))]);
    for (const name of names.slice(2)) {
      const person = new LightPerson({ name, device: 'light', proxy: network.uris.tcp });
      await person.register();
      others.push(person);
    }
    const { conversation } = await alice.call('sendText', { to: bob.address, text: 'Hello' });
    await alice.until('the 1-1 stands', async () => ((await alice.call('conversations', {}))[0]?.session === 'established' ? true : null));

    const cpuFrom = process.cpuUsage();
    const from = performance.now();
    const since = () => rounded(performance.now() - from);
    const people = others.map(({ address }) => address);
    const { conversation: group } = await alice.call('addPeople', { conversation, people });
    const groupStands = since();
    await alice.call('sendText', { conversation: group, text: 'First' });
    let firstShown: number | null = null;
    const shownTo = () => others.filter((person) => person.texts > 0).length;
    const everybody = eventually(
      'everybody reads the first text',
      () => {
        if (shownTo() > 0) firstShown ??= since();
        return shownTo() === others.length ? true : null;
      },
      PATIENCE_MS,
    );
    await bob.until(
      'it reads it',
      () => (bob.events.some((event) => event.event === 'message' && event.text === 'First') ? true : null),
      PATIENCE_MS,
    );
    firstShown ??= since();
    await everybody;
    const allShown = since();
    const cpu = process.cpuUsage(cpuFrom);
    const cpuMs = (cpu.user + cpu.system) / 1000;
    const figure = (value: number) => ({ ms: value, msEach: rounded(value / size) });
    tell('Add people to the first message', {
      participants: size,
      groupStands: figure(groupStands),
      firstShown: figure(firstShown),
      allShown: figure(allShown),
      cpu: figure(rounded(cpuMs)),
    });

    const [writer] = others;
    const focus = network.groups()[0]?.focus;
    if (writer === undefined || focus === undefined) throw new Error('no group');
    const before = others.reduce((sum, person) => sum + person.texts, 0);
    const wanted = before + TEXTS * (others.length - 1);
    const flooded = performance.now();
    writer.flood(focus, TEXTS);
    const hasAll = () => others.reduce((sum, person) => sum + person.texts, 0) >= wanted;
    const atBob = () =>
      bob.events.filter((event) => event.event === 'message' && event.text.startsWith('Text ') && event.direction === 'in').length >= TEXTS;
    await eventually('everybody has all texts', () => (hasAll() && atBob() ? true : null), PATIENCE_MS);
    const seconds = (performance.now() - flooded) / 1000;
    const deliveries = (TEXTS * (size - 1)) / seconds;
    const floor = await floorOf(size - 1);
    tell('texts through the switch', {
      participants: size,
      textsPerSecond: rounded(TEXTS / seconds),
      deliveriesPerSecond: Math.round(deliveries),
      floor: Math.round(floor),
      ratio: Math.round((deliveries / floor) * 1000) / 1000,
    });
  } finally {
    await Promise.all(others.map((person) => person.close()));
    await closeClients();
    await network.close();
  }
}

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'group', what, ...figures })}\n`);
}

async function main(): Promise<void> {
  tell('machine', { cpus: cpus().length, node: process.version, load: rounded(loadavg()[0] ?? 0) });
  for (const size of SIZES) await measure(size);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
