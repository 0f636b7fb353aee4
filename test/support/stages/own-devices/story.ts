/** Stories for the world: made from a seed, told in words, played to the end, and made as short as they can be when something is wrong. */
import { seededRandom } from '../../doubles/seeded-random';
import { diskProblems, personProblems } from './check';
import { type Device, fairWeather, type Weather, World } from './world';

/** `who` and `which` are chosen among what is there at that moment: numbers in [0, 1). */
type Step =
  | { do: 'say'; who: number; to: 'person' | 'group' }
  | { do: 'read' | 'delete'; who: number; which: number }
  | { do: 'set'; who: number; name: string; value: unknown }
  | { do: 'off' | 'on' | 'backup' | 'restore' | 'lose' | 'clone' | 'add' | 'prune'; who: number }
  | { do: 'remove'; who: number; which: number }
  | { do: 'die'; who: number; steps: number }
  | { do: 'clock'; who: number; ms: number }
  | { do: 'wait'; ms: number }
  | { do: 'sleep'; days: number }
  | { do: 'weather'; weather: Partial<Weather> };

export interface Story {
  seed: number;
  devices: readonly [number, number];
  steps: readonly Step[];
}

const names = ['Laptop', 'Tablet', 'Phone', 'Desktop', 'Work PC', 'Old laptop', 'New phone', 'Borrowed PC', 'Kiosk'];

export function storyOf(seed: number): Story {
  const random = seededRandom(seed * 31 + 7);
  const whole = (below: number) => Math.floor(random() * below);
  const step = (): Step => {
    const who = random();
    const roll = random();
    if (roll < 0.26) return { do: 'say', who, to: random() < 0.7 ? 'person' : 'group' };
    if (roll < 0.36) return { do: 'read', who, which: random() };
    if (roll < 0.42) return { do: 'delete', who, which: random() };
    if (roll < 0.48)
      return {
        do: 'set',
        who,
        name: ['block|sip:eve@lab.test', 'mark|g|the-group', 'draft|g|the-group', 'group|g|the-group', 'new-in-2|x'][whole(5)] ?? '',
        value: whole(5),
      };
    if (roll < 0.55) return { do: 'off', who };
    if (roll < 0.64) return { do: 'on', who };
    if (roll < 0.7) return { do: 'die', who, steps: whole(30) };
    if (roll < 0.73) return { do: 'clock', who, ms: (random() - 0.5) * 10 ** (3 + whole(8)) };
    if (roll < 0.89) return { do: 'wait', ms: Math.floor(10 ** (1 + random() * 4.3)) };
    if (roll < 0.91) return { do: 'backup', who };
    if (roll < 0.93) return { do: 'restore', who };
    if (roll < 0.94) return { do: 'clone', who };
    if (roll < 0.955) return { do: 'add', who };
    if (roll < 0.96) return { do: 'remove', who, which: random() };
    if (roll < 0.965) return { do: 'lose', who };
    if (roll < 0.97) return { do: 'sleep', days: 1 + whole(60) };
    if (roll < 0.99) return { do: 'prune', who };
    return {
      do: 'weather',
      weather: { forks: random() < 0.6, copies: random() < 0.5, defers: random() < 0.5, lost: random() * 0.4, cut: random() * 0.3 },
    };
  };
  return { seed, devices: [2 + whole(3), 2 + whole(2)], steps: Array.from({ length: 30 + whole(70) }, step) };
}

export interface Run {
  problems: string[];
  told: string[];
  counts: World['counts'];
}

/** LAB of the model: what everybody is given in the end to become equal, and then to be quiet. */
const SETTLE_MS = 40 * 60_000;
const QUIET_MS = 2 * 3_600_000;

export async function play(story: Story): Promise<Run> {
  const world = new World(story.seed);
  const told: string[] = [];
  const problems: string[] = [];
  const tell = (text: string) => told.push(`${new Date(world.clock.now()).toISOString().slice(8, 19)}  ${text}`);
  await begin(world, story);
  for (const [at, step] of story.steps.entries()) {
    tell(inWords(world, step));
    await perform(world, step);
    if (at % 8 !== 7) continue;
    for (const device of all(world)) problems.push(...(device.store.isDead ? [] : diskProblems(device)));
    if (problems.length > 0) return { problems, told, counts: world.counts };
  }
  tell('Everything is switched on, and the network is well again');
  world.weather = { ...world.weather, ...fairWeather };
  for (const device of all(world)) device.store.wake();
  for (const device of all(world)) if (device.isCounted) world.on(device);
  await world.clock.advance(SETTLE_MS);
  for (const person of world.people) problems.push(...personProblems(world, person));
  problems.push(...world.problems, ...(await quietProblems(world)), ...(await probe(world)));
  for (const device of all(world)) world.off(device);
  return { problems, told, counts: world.counts };
}

async function begin(world: World, { devices }: Story): Promise<void> {
  for (const [at, person] of world.people.entries()) {
    for (let made = 0; made < (devices[at] ?? 2); made += 1) world.add(person, names[made] ?? '', person.devices[0] ?? null);
  }
  await world.clock.advance(10_000);
}

const all = (world: World) => world.people.flatMap(({ devices }) => devices);
const choose = <T>(from: readonly T[], at: number): T | undefined => from[Math.floor(at * from.length)];

/** Nobody acts: the devices say little, and write nothing. */
async function quietProblems(world: World): Promise<string[]> {
  const vectors = () => JSON.stringify(all(world).map(({ store }) => store.head()?.vector));
  const before = { vectors: vectors(), late: world.lateOnes, ...world.counts };
  await world.clock.advance(QUIET_MS);
  const { ticks, sums, questions } = world.counts;
  const allowed = all(world).length * (QUIET_MS / (15 * 60_000) + 1) * 2;
  const problems: string[] = [];
  if (vectors() !== before.vectors) problems.push('events are written although nobody acts (invariant 6)');
  // A removed device that hears of something hours late may ask about it once, and is refused.
  if (ticks + questions > before.ticks + before.questions + world.lateOnes - before.late)
    problems.push(`${ticks - before.ticks} ticks and ${questions - before.questions} questions although nobody acts (invariant 6)`);
  if (sums - before.sums > allowed) problems.push(`${sums - before.sums} sums within two hours, more than ${allowed} (invariant 6)`);
  return problems;
}

/** All are connected and level: what one does is everywhere within seconds, whatever its clock says. */
async function probe(world: World): Promise<string[]> {
  const problems: string[] = [];
  for (const name of world.counts.displayed.keys()) world.displayedBefore.add(name);
  for (const person of world.people) {
    const devices = person.devices.filter(({ isCounted, isOn }) => isCounted && isOn);
    const slowest = [...devices].sort((one, other) => one.skew - other.skew)[0];
    if (slowest === undefined) continue;
    world.act(slowest, null, (engine) => engine.set('mute|probe', person.name));
    await world.clock.advance(1_500);
    for (const { store, name } of devices) {
      const here = store.element('reg', 'mute|probe') as { val?: unknown } | undefined;
      if (here?.val !== person.name)
        problems.push(`${person.name} muted on ${slowest.name}, and ${name} does not know it after a second and a half`);
    }
    const id = world.shown(slowest).at(-1);
    if (id === undefined) continue;
    for (const device of devices) {
      world.read(device, id);
      await world.clock.advance(4_000);
    }
    const times = world.counts.displayed.get(`${person.name} ${id}`) ?? 0;
    if (times > 1 && !world.displayedBefore.has(`${person.name} ${id}`))
      problems.push(`${person.name} told ${times} times that ${id} was displayed (10)`);
  }
  return problems;
}

async function perform(world: World, step: Step): Promise<void> {
  const { people } = world;
  if (step.do === 'wait') return world.clock.advance(step.ms);
  if (step.do === 'weather') {
    Object.assign(world.weather, step.weather);
    return;
  }
  if (step.do === 'sleep') {
    const on = all(world).filter(({ isOn }) => isOn);
    for (const device of on) world.off(device);
    world.clock.skip(step.days * 86_400_000);
    for (const device of on) world.on(device);
    return world.clock.advance(1_000);
  }
  const device = subject(world, step);
  if (device === undefined) return;
  const { person } = device;
  switch (step.do) {
    case 'say':
      world.say(device, step.to === 'group' ? 'group' : people[0] === person ? people[1] : people[0]);
      break;
    case 'read':
    case 'delete': {
      const id = choose(device.isOn ? world.shown(device) : [], step.which);
      if (id !== undefined) world[step.do](device, id);
      break;
    }
    case 'set':
      world.act(device, null, (engine) => engine.set(step.name, step.value));
      break;
    case 'off':
    case 'on':
    case 'lose':
    case 'restore':
      if (step.do !== 'lose' || person.devices.filter(({ isCounted }) => isCounted).length > 2) world[step.do](device);
      break;
    case 'die':
      device.store.dieAfter(step.steps);
      break;
    case 'clock':
      device.skew += Math.round(step.ms);
      break;
    case 'backup':
      if (!device.store.isDead) device.backup = device.store.copy();
      break;
    case 'clone':
      if (person.devices.length < 7 && device.isOn && !device.store.isDead) {
        const name = names[person.devices.length] ?? '';
        world.add(person, name, device, device.store.copy());
      }
      break;
    case 'add':
      if (person.devices.length < 7) world.add(person, names[person.devices.length] ?? '', device);
      break;
    case 'prune':
      await perform(world, { do: 'sleep', days: 31 });
      world.act(device, null, (engine) => engine.prune());
      break;
    case 'remove': {
      const other = choose(person.devices, step.which);
      if (other !== undefined && person.devices.filter(({ isCounted }) => isCounted).length > 2) world.remove(device, other);
      break;
    }
  }
  await world.clock.advance(5);
}

function subject(world: World, step: Extract<Step, { who: number }>): Device | undefined {
  const able = all(world).filter((device) => device.isCounted || step.do === 'on' || step.do === 'off');
  return choose(able, step.who);
}

function inWords(world: World, step: Step): string {
  if (step.do === 'wait') return `${step.ms} ms pass`;
  if (step.do === 'sleep') return `everything is off for ${step.days} days`;
  if (step.do === 'weather') return `the network is now ${JSON.stringify(step.weather)}`;
  const device = subject(world, step);
  if (device === undefined) return 'nothing happens';
  const name = `${device.person.name}'s ${device.name}${device.isOn ? '' : ' (off)'}`;
  const which =
    'which' in step && step.do !== 'remove' && device.isOn && !device.store.isDead ? choose(world.shown(device), step.which) : '';
  const words: Record<typeof step.do, string> = {
    say: `${name} writes ${step.do === 'say' && step.to === 'group' ? 'to the group' : 'to the other person'}`,
    read: `${name} shows ${which}`,
    delete: `${name} deletes ${which}`,
    set: step.do === 'set' ? `${name} sets ${step.name} to ${step.value}` : '',
    off: `${name} goes off`,
    on: `${name} comes back`,
    die: step.do === 'die' ? `${name} will lose power ${step.steps} steps on disk later` : '',
    clock: step.do === 'clock' ? `the clock of ${name} jumps by ${Math.round(step.ms / 1_000)} s` : '',
    backup: `${name} is backed up`,
    restore: `${name} is restored from its backup`,
    clone: `${name} is cloned`,
    add: `${name} admits a new device`,
    lose: `${name} is lost for good`,
    prune: `everything is off for 31 days, and ${name} prunes its log`,
    remove: `${name} removes ${step.do === 'remove' ? (choose(device.person.devices, step.which)?.name ?? '') : ''}`,
  };
  return words[step.do];
}

/** The shortest story that still goes wrong: pieces are left out, large ones first, as long as it does. */
export async function minimise(story: Story, mostRuns = 400): Promise<{ story: Story; run: Run }> {
  let [best, run, runs] = [story, await play(story), 0];
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.steps.length && runs < mostRuns; ) {
      const shorter = { ...best, steps: [...best.steps.slice(0, at), ...best.steps.slice(at + size)] };
      runs += 1;
      const tried = await play(shorter);
      if (tried.problems.length === 0) at += size;
      else [best, run] = [shorter, tried];
    }
  }
  return { story: best, run };
}
