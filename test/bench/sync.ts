/**
 * Figures of own devices, one JSON object a line: how soon a text sent on one device of a person is shown on another, with two, five and ten
 * devices, beside the floor of the same run; and how fast the chats come over to a new device. Real processes over loopback, paired by code.
 */
import {
  machine,
  runBench,
  spread,
  startClientProcess,
  startFloor,
  startNetworkProcess,
  type Talker,
  WARM_UP,
} from '../support/stages/bench-processes';

const scale = Number(process.env.CHORUS_BENCH_SCALE ?? 1);
const TEXTS = Math.round(200 * scale);
const DEVICES = [2, 5, 10];
/** How many messages a new device finds. */
const OLDER = Math.round(2_000 * scale);
/** Texts of a flood that are on their way at once. */
const FLOOD = 50;

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'sync', what, ...figures })}\n`);
}

interface Pairing {
  code: string | null;
  state: string;
}
interface Own {
  pairing: Pairing | null;
  filling: { state: string; done: number }[];
}

const pairingOf = async (device: Talker) => ((await device.ask('ownDevices', {})) as Own).pairing;

/** Asks again and again: an answer costs less than a millisecond. */
async function until<T>(look: () => Promise<T | null>): Promise<T> {
  for (const end = performance.now() + 60_000; performance.now() < end; await new Promise((done) => setTimeout(done, 20))) {
    const value = await look();
    if (value !== null) return value;
  }
  throw new Error('what was waited for did not come');
}

async function pair(newer: Talker, older: Talker, history: 'all' | 'none'): Promise<void> {
  const { instanceId } = (await older.ask('identity', {})) as { instanceId: string };
  await until(
    async () => ((await newer.ask('devices', {})) as { instanceId: string }[]).find((one) => one.instanceId === instanceId) ?? null,
  );
  await newer.ask('startPairing', { instanceId });
  const code = await until(async () => (await pairingOf(newer))?.code ?? null);
  await until(async () => ((await pairingOf(older))?.state === 'code' ? true : null));
  await older.ask('typePairingCode', { code });
  await until(async () => ((await pairingOf(newer))?.state === 'confirm' ? true : null));
  await newer.ask('confirmPairing', { history });
}

const messageLine = (text: string) => (line: string) => line.includes(JSON.stringify(text)) && line.includes('"event":"message"');

/** From the text in one device's input to the same text on another. */
async function sync(from: Talker, to: Talker, text: string): Promise<number> {
  const shown = to.line(messageLine(text));
  const since = performance.now();
  from.write(JSON.stringify({ id: text, do: 'sendText', to: 'sip:bob@lab.test', text }));
  return (await shown).at - since;
}

async function main(): Promise<void> {
  const proxy = await startNetworkProcess();
  const floor = await startFloor();
  const bob = await startClientProcess('bob', proxy);
  const first = await startClientProcess('alice', proxy, 'alice-1');

  // What a new device finds.
  for (let sent = 0; sent < OLDER; sent += FLOOD) {
    const last = `older ${Math.min(sent + FLOOD, OLDER)}`;
    const shown = bob.line(messageLine(last));
    for (let index = sent + 1; index <= Math.min(sent + FLOOD, OLDER); index += 1)
      first.write(JSON.stringify({ id: index, do: 'sendText', to: 'sip:bob@lab.test', text: `older ${index}` }));
    await shown;
  }
  const devices = [first];
  tell('machine', machine());
  const least = spread(await floor(TEXTS));
  tell('floor: two processes, a socket, synced to disk on both sides, ms', least);
  const ratio = (one: number, other: number) => Math.round((one / other) * 100) / 100;
  for (const count of DEVICES) {
    while (devices.length < count) {
      const device = await startClientProcess('alice', proxy, `alice-${devices.length + 1}`);
      const isSecond = devices.length === 1;
      const since = performance.now();
      // Each lets three in within ten minutes.
      await pair(device, devices[Math.floor((devices.length - 1) / 3)] ?? first, isSecond ? 'all' : 'none');
      if (isSecond) {
        const usable = device.line((line) => line.includes('"event":"message"'));
        const usableMs = (await usable.catch(() => ({ at: performance.now() }))).at - since;
        await until(async () =>
          ((await device.ask('ownDevices', {})) as Own).filling.every(({ state }) => state === 'done') ? true : null,
        );
        const tookMs = performance.now() - since;
        tell('the chats of a new device', {
          messages: OLDER,
          firstShownMs: Math.round(usableMs),
          tookMs: Math.round(tookMs),
          perSecond: Math.round((OLDER * 1000) / tookMs),
        });
      }
      devices.push(device);
    }
    const to = devices.at(-1) ?? first;
    const times: number[] = [];
    for (let index = 0; index < TEXTS + WARM_UP; index += 1) {
      const took = await sync(first, to, `of ${count} devices, text ${index}`);
      if (index >= WARM_UP) times.push(took);
    }
    const figures = spread(times);
    tell(`sent on one of ${count} devices to shown on the last, ms`, {
      ...figures,
      p50ToFloor: ratio(figures.p50, least.p50),
      p99ToFloor: ratio(figures.p99, least.p99),
    });
  }
}

runBench(main);
