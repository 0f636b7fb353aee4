/**
 * Figures of groups, one JSON object a line: from "Add people" to the first message of the group that is shown, by how many are in it, and the
 * messages that the switch carries a second, each as cost for one recipient; at the end how that grows with the group. Its maker and the first to
 * join are real clients, the others are light ones, which register, accept, watch the roster and answer media over sockets of their own. All of it runs
 * in this one process, so the processor time is everybody's; the floor of the same run is what bare sockets in it do with as many bytes.
 *
 * CHORUS_BENCH_SIZES=3,20 chooses other sizes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNetwork } from '../../network/network';
import { uriOf } from '../../network/sip/header-value';
import type { ServerTransaction } from '../../network/sip/transaction';
import { encodeCpim } from '../../protocol/cpim';
import { ICSI } from '../../protocol/feature-tags';
import { encodeMsrp, newTransactionId } from '../../protocol/msrp';
import { parseSdp } from '../../protocol/sdp';
import { RawAgent } from '../support/peers/raw-agent';
import { closeClients, startClient, type TestClient } from '../support/stages/clients';
import { until } from '../support/waiting';

const SIZES = (process.env.CHORUS_BENCH_SIZES ?? '3,20,100,500').split(',').map(Number);
/** Texts that the switch is given at once. */
const TEXTS = 50;
const PATIENCE_MS = 180_000;
/** Bytes of an INVITE on the wire, and of what one member gets of one text and answers to it. */
const INVITE_BYTES = 4096;
const TEXT_BYTES = 600;
const ANSWER_BYTES = 200;

const rounded = (value: number, digits = 1) => Math.round(value * 10 ** digits) / 10 ** digits;

interface Cost {
  participants: number;
  /** Processor time of the whole process for one recipient, ms. */
  addEach: number;
  textEach: number;
}

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

  get rosterBytes(): number {
    return this.received.filter(({ method }) => method === 'NOTIFY').reduce((sum, { body }) => sum + body.length, 0);
  }

  /** Writes so many texts to the group without waiting for an answer. */
  flood(focus: string, count: number): void {
    const call = this.calls.at(-1);
    const remote = parseSdp(call?.sdp ?? '');
    if (call === undefined || !remote.ok) throw new Error('nobody to write to');
    for (let index = 0; index < count; index += 1) {
      const text = new TextEncoder().encode(`Text ${index}`);
      const messageId = `${this.instanceId}-${index}`;
      const body = encodeCpim({ messageId, from: this.address, to: [focus], contentType: 'text/plain', body: text });
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

/** Bare sockets: so many writes go to each of so many readers, each of whom answers each. Resolves with the milliseconds of it. */
async function floorOf(readers: number, writes: number, bytes: number): Promise<number> {
  const piece = Buffer.alloc(bytes, 'x');
  const answer = Buffer.alloc(ANSWER_BYTES, 'y');
  const ends: Socket[] = [];
  const near: Socket[] = [];
  let answered = 0;
  const server = createServer((socket) => {
    near.push(socket.setNoDelay(true));
    socket.on('data', (chunk) => {
      answered += chunk.length;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  for (let index = 0; index < readers; index += 1) {
    const socket = connect({ port: typeof address === 'object' && address !== null ? address.port : 0, host: '127.0.0.1', noDelay: true });
    let read = 0;
    socket.on('data', (chunk) => {
      for (read += chunk.length; read >= piece.length; read -= piece.length) socket.write(answer);
    });
    ends.push(socket);
  }
  await until('the readers are there', () => (near.length === readers ? true : null), PATIENCE_MS);
  const from = performance.now();
  for (let index = 0; index < writes; index += 1) for (const socket of near) socket.write(piece);
  await until('all is answered', () => (answered === writes * readers * answer.length ? true : null), PATIENCE_MS);
  const took = performance.now() - from;
  for (const socket of [...ends, ...near]) socket.destroy();
  server.close();
  return took;
}

/** Starts counting; the result tells how long it has been, and how much processor time that took, ms. */
function stopwatch(): () => { ms: number; cpuMs: number } {
  const [from, cpuFrom] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(cpuFrom);
    return { ms: performance.now() - from, cpuMs: (user + system) / 1000 };
  };
}

const hasRead = (client: TestClient, text: string) => client.events.some((event) => event.event === 'message' && event.text === text);

async function measure(size: number): Promise<Cost> {
  const names = Array.from({ length: size }, (_, index) => (['alice', 'bob'] as const)[index] ?? `p${index}`);
  const folder = mkdtempSync(join(tmpdir(), 'chorus-bench-'));
  const network = await startNetwork({
    users: names.map((name) => ({ name, password: 'secret' })),
    maxParticipants: size,
    stateFile: join(folder, 'groups.db'),
  });
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

    const since = stopwatch();
    const { conversation: group } = await alice.call('addPeople', { conversation, people: others.map(({ address }) => address) });
    const stands = since();
    await alice.call('sendText', { conversation: group, text: 'First' });
    let first: number | null = null;
    await until(
      'everybody reads the first text',
      () => {
        const shown = others.filter((person) => person.texts > 0).length + (hasRead(bob, 'First') ? 1 : 0);
        if (shown > 0) first ??= since().ms;
        return shown === size - 1 ? true : null;
      },
      PATIENCE_MS,
    );
    const all = since();
    const addFloor = await floorOf(size - 1, 1, INVITE_BYTES);
    tell('from Add people to the first message, ms', {
      participants: size,
      realClients: 2,
      groupStands: rounded(stands.ms),
      firstShown: rounded(first ?? Number.NaN),
      shownToAll: rounded(all.ms),
      cpu: rounded(all.cpuMs),
      cpuEach: rounded(all.cpuMs / size, 2),
      floorEach: rounded(addFloor / (size - 1), 3),
      toFloor: rounded(all.ms / addFloor, 0),
    });

    const [writer] = others;
    const focus = network.groups()[0]?.focus;
    if (writer === undefined || focus === undefined) throw new Error('no group');
    const wanted = others.reduce((sum, person) => sum + person.texts, 0) + TEXTS * (others.length - 1);
    const took = stopwatch();
    writer.flood(focus, TEXTS);
    const bobHas = () => bob.events.filter((event) => event.event === 'message' && event.text.startsWith('Text ')).length >= TEXTS;
    const haveAll = () => others.reduce((sum, person) => sum + person.texts, 0) >= wanted && bobHas();
    await until('everybody has all texts', () => (haveAll() ? true : null), PATIENCE_MS);
    const flood = took();
    const deliveries = TEXTS * (size - 1);
    const floor = await floorOf(size - 1, TEXTS, TEXT_BYTES);
    tell('texts through the switch', {
      participants: size,
      textsPerSecond: rounded((TEXTS / flood.ms) * 1000),
      deliveriesPerSecond: rounded((deliveries / flood.ms) * 1000, 0),
      cpuEachMs: rounded(flood.cpuMs / deliveries, 3),
      floorDeliveriesPerSecond: rounded((deliveries / floor) * 1000, 0),
      toFloor: rounded(flood.ms / floor, 1),
    });
    const rosterBytes = others.reduce((sum, person) => sum + person.rosterBytes, 0);
    tell('rosters', { participants: size, bytesEach: rounded(rosterBytes / others.length, 0) });
    return { participants: size, addEach: all.cpuMs / size, textEach: flood.cpuMs / deliveries };
  } finally {
    await Promise.all(others.map((person) => person.close()));
    await closeClients();
    await network.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** How the cost of one recipient grows from each size to the next: 0 is linear in all, 1 quadratic. */
function growth(costs: readonly Cost[], each: 'addEach' | 'textEach'): string[] {
  return costs.slice(1).map((cost, index) => {
    const before = costs[index] as Cost;
    const power = Math.log(cost[each] / before[each]) / Math.log(cost.participants / before.participants);
    return `${before.participants} to ${cost.participants}: ${rounded(power, 2)} (${power < 0.25 ? 'linear' : power < 0.75 ? 'more than linear' : 'quadratic'})`;
  });
}

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'group', what, ...figures })}\n`);
}

async function main(): Promise<void> {
  tell('machine', { cpus: cpus().length, node: process.version, load: rounded(loadavg()[0] ?? 0) });
  const costs: Cost[] = [];
  for (const size of SIZES) costs.push(await measure(size));
  tell('growth of the cost of one recipient with the size of the group: 0 linear, 1 quadratic', {
    adding: growth(costs, 'addEach'),
    texts: growth(costs, 'textEach'),
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
