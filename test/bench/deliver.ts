/**
 * Figures of delivering, one JSON object a line: from a text written on one device to the same text shown on the other, between two real
 * processes over loopback and the embedded network, one text after the other. The floor of the same run is the least that can be done with a
 * line: two processes, a socket between them, and the line synced to disk on both sides before it goes on. With `--windows` between two real
 * windows: from the key pressed in one to the frame painted in the other.
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
import { openMeasuredWindows } from '../support/windows/measured-windows';

const scale = Number(process.env.CHORUS_BENCH_SCALE ?? 1);
const TEXTS = Math.round(400 * scale);
const SESSIONS = Math.round(60 * scale);
/** The floor is measured in so many parts, between the other series: a machine has its moods. */
const FLOOR_PARTS = 4;

function tell(what: string, figures: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ bench: 'deliver', what, ...figures })}\n`);
}

/** From the text in one process's input to the same text, received, in the other's output. */
async function deliver(from: Talker, to: Talker, mode: 'session' | 'pager', text: string): Promise<number> {
  const quoted = JSON.stringify(text);
  const shown = to.line((line) => line.includes(quoted) && line.includes('"event":"message"') && line.includes('"direction":"in"'));
  const line = JSON.stringify({ id: text, do: 'sendText', to: 'sip:bob@lab.test', text, mode });
  const since = performance.now();
  from.write(line);
  return (await shown).at - since;
}

async function main(): Promise<void> {
  const floor = await startFloor();
  const floors: number[] = [];
  const measureFloor = async () => {
    floors.push(...(await floor(Math.ceil(TEXTS / FLOOR_PARTS))));
  };
  const series = process.argv.includes('--windows') ? await betweenWindows(measureFloor) : await betweenProcesses(measureFloor);
  const least = spread(floors);
  tell('machine', machine());
  tell('floor: two processes, a socket, synced to disk on both sides, ms', least);
  const ratio = (one: number, other: number) => Math.round((one / other) * 100) / 100;
  for (const [what, times] of Object.entries(series)) {
    const figures = spread(times);
    tell(`${what}, ms`, { ...figures, p50ToFloor: ratio(figures.p50, least.p50), p99ToFloor: ratio(figures.p99, least.p99) });
  }
}

async function betweenWindows(measureFloor: () => Promise<void>): Promise<Record<string, number[]>> {
  const windows = await openMeasuredWindows();
  const times: number[] = [];
  try {
    await measureFloor();
    for (let index = 0; index < TEXTS / 2 + WARM_UP; index += 1) {
      const took = await windows.deliver(`text ${index} of these`);
      if (index >= WARM_UP) times.push(took);
    }
    await measureFloor();
  } finally {
    await windows.close();
  }
  return { 'from the key pressed in one window to the frame painted in the other': times };
}

async function betweenProcesses(measureFloor: () => Promise<void>): Promise<Record<string, number[]>> {
  const proxy = await startNetworkProcess();
  const [alice, bob] = await Promise.all([startClientProcess('alice', proxy), startClientProcess('bob', proxy)]);

  await measureFloor();
  const taken: Record<'session' | 'pager' | 'invitation', number[]> = { session: [], pager: [], invitation: [] };
  for (const mode of ['session', 'pager'] as const) {
    for (let index = 0; index < TEXTS + WARM_UP; index += 1) {
      const took = await deliver(alice, bob, mode, `${mode} ${index}`);
      if (index >= WARM_UP) taken[mode].push(took);
    }
    await measureFloor();
  }
  const [{ conversation }] = (await alice.ask('conversations', {})) as [{ conversation: string }];
  for (let index = 0; index < SESSIONS; index += 1) {
    const ended = bob.line((line) => line.includes('"event":"conversation"') && line.includes('"session":"ended"'));
    await alice.ask('closeSession', { conversation });
    await ended;
    taken.invitation.push(await deliver(alice, bob, 'session', `first ${index}`));
    await alice.ask('openSession', { to: 'sip:bob@lab.test' });
  }
  await measureFloor();
  return {
    'written on one device to shown on the other, over a session that stands': taken.session,
    'written on one device to shown on the other, by pager message': taken.pager,
    'written on one device to shown on the other, with an invitation': taken.invitation,
  };
}

runBench(main);
