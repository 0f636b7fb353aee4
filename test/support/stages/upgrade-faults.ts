/**
 * The outcome of the upgrade when one part dies at one of its steps and comes back a while later. `docs/UPGRADE-FAULTS.md` lists the
 * allowed outcomes; the tests compare with its table.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { ConversationValue, MessageValue } from '../../../preload/contract';
import { headerValues } from './clients';
import { isPlayed } from './death-sample';
import { addressOf, type CoreKind, type Heard, type PartName, type PersonName, people, Stage } from './upgrade-stage';

/** The members of the group: everybody, everybody but one, A alone, nobody because it was never created, or nobody at this moment. */
type UpgradeState = 'all' | 'without A' | 'without B' | 'without C' | 'A alone' | 'none' | 'rests';

/** How long a part is dead: longer than every timer of RFC 3261 (32 s), of the upgrade (30 s) and of an invitation (20 s). */
const deadMs = 45_000;
/** Longer than the pause after which people who did not come are invited again. */
const returnMs = 90_000;
const returnLimitMs = 180_000;
const lateMs = 10_000;
/** How long, and how often, the living parts may still take to agree. */
const agreementMs = 1_000;
const agreementTries = 15;

const columns: Readonly<Record<PartName, number>> = { alice: 3, bob: 4, carol: 5, pf: 6, cf: 7, core: 8 };

/**
 * The document's table: the description of each step, and its allowed outcomes for each part that dies there. Outcomes in brackets apply to
 * Kamailio if they differ.
 */
export function allowedEnds(core: CoreKind = 'embedded'): { step: number; what: string; ends: (dead: PartName) => string[] }[] {
  const text = readFileSync(new URL('../../../docs/UPGRADE-FAULTS.md', import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      const ends = (dead: PartName) => {
        const [ours = '', kamailios = ours] = (cells[columns[dead]] ?? '').split(/ \(Kamailio: |\)/);
        return (core === 'kamailio' && kamailios !== '' ? kamailios : ours).split(' or ');
      };
      return { step: Number(cells[1]), what: cells[2] ?? '', ends };
    });
}

/** The deaths of these parts that this run plays, and how each may end. */
export const deathsOf = (dying: readonly PartName[], core: CoreKind) =>
  allowedEnds(core).flatMap(({ step, what, ends }) =>
    dying.filter((dead) => isPlayed(core, dead, step)).map((dead) => ({ dead, step, what, ends: ends(dead) })),
  );

const named = ({ text }: Heard, header: string) => /sip:([^@;>]+)@/.exec(headerValues(text, header)[0] ?? '')?.[1] ?? '';
const ofGroup = (heard: Heard) => /^grp-/.test(named(heard, 'From'));
const request = (by: PartName, method: string) => (heard: Heard) => heard.by === by && heard.text.startsWith(`${method} `);
const success = (by: PartName, method: string) => (heard: Heard) =>
  heard.by === by && heard.text.startsWith('SIP/2.0 200 ') && headerValues(heard.text, 'CSeq')[0]?.endsWith(` ${method}`) === true;
const forPerson = (name: PersonName, fits: (heard: Heard) => boolean) => (heard: Heard) =>
  fits(heard) && ofGroup(heard) && named(heard, 'To') === name;
const forFactory = (fits: (heard: Heard) => boolean) => (heard: Heard) => fits(heard) && named(heard, 'To') === 'conference-factory';

/** The steps 1 to 18 of the flow, each at the first time its message is read there. */
const steps: readonly ((heard: Heard) => boolean)[] = [
  forFactory(request('core', 'INVITE')),
  forFactory(request('cf', 'INVITE')),
  forPerson('bob', request('core', 'INVITE')),
  forPerson('bob', request('bob', 'INVITE')),
  forPerson('bob', success('core', 'INVITE')),
  forPerson('bob', success('cf', 'INVITE')),
  forFactory(success('core', 'INVITE')),
  forFactory(success('alice', 'INVITE')),
  request('core', 'BYE'),
  request('pf', 'BYE'),
  request('alice', 'BYE'),
  success('core', 'BYE'),
  success('pf', 'BYE'),
  success('bob', 'BYE'),
  forPerson('carol', request('core', 'INVITE')),
  forPerson('carol', request('carol', 'INVITE')),
  forPerson('carol', success('core', 'INVITE')),
  forPerson('carol', success('cf', 'INVITE')),
];

interface Chat {
  conversation: ConversationValue;
  messages: MessageValue[];
}

/**
 * Alice's 1-1 with Bob is upgraded with Carol while texts are on their way, and `dead` dies at that step. Returns `state while it is dead
 * -> state at the end`.
 */
export async function upgradeWithout(dead: PartName, step: number, core: CoreKind = 'embedded'): Promise<string> {
  const stage = await Stage.open(core);
  try {
    const { conversation: hers } = await stage.call('alice', 'sendText', { to: addressOf('bob'), text: 'Hello' });
    const his = await firstChat(stage, 'bob');
    let hasDied = false;
    let byes = 0;
    stage.onHeard = (heard) => {
      if (heard.text.startsWith('BYE ') && [named(heard, 'From'), named(heard, 'To')].sort().join() === 'alice,bob') byes += 1;
      if (hasDied || steps[step - 1]?.(heard) !== true) return;
      hasDied = true;
      // A message to Kamailio is reported by its sender before it leaves; when Kamailio itself dies, it dies before the message arrives.
      if (core === 'embedded' || dead === 'core' || heard.by !== 'core') stage.kill(dead);
      else setImmediate(() => stage.kill(dead));
    };
    const typed: Typed[] = [];
    const type = (by: PersonName, conversation: string, kind: Chat['conversation']['kind'], text: string) => {
      typed.push({ by, kind, text });
      return stage.as(by, () => stage.client(by).call('sendText', { conversation, text }));
    };
    const adding = stage.as('alice', () =>
      stage.client('alice').tryCall('addPeople', { conversation: hers, people: [addressOf('carol')], subject: 'Lunch' }),
    );
    const writing = [type('alice', hers, 'oneToOne', 'To Bob'), type('bob', his, 'oneToOne', 'To Alice')];
    void adding.then((result) => {
      if (result.ok && stage.isAlive('alice')) void type('alice', result.value.conversation, 'group', 'To all').catch(() => undefined);
    });
    await Promise.all(writing);
    await stage.pass(deadMs);
    expect(hasDied, 'the step was reached').toBe(true);
    const meanwhile = await agreedState(stage);
    if (meanwhile.state === 'none' && dead !== 'alice' && dead !== 'bob')
      expect([meanwhile.oneToOne, byes]).toEqual([['established', 'established'], 0]);

    await stage.revive(dead);
    await stage.passUntil(returnLimitMs, () => people.every((name) => stage.isRegistered(name)));
    await stage.pass(returnMs);
    const end = await agreedState(stage);
    expect(end.links, `who sees the 1-1 continued by the group, at the end (${end.state})`).toEqual(linked[end.state]);

    // Whatever has happened, the 1-1 works, every member can write in the group, and all other members receive it.
    const late = [type('alice', hers, 'oneToOne', 'Late to Bob')];
    await Promise.all(late);
    await stage.pass(lateMs);
    // In a group without open sessions, one text calls everybody back.
    const readers = end.state === 'rests' ? people : end.members;
    for (const name of end.state === 'rests' ? (['alice'] as const) : end.members) {
      const group = chatOf(await chats(stage, name), 'group');
      await type(name, group?.conversation.conversation ?? '', 'group', `Late to all from ${name}`);
    }
    await stage.pass(lateMs);
    await checkTexts(stage, typed, readers);
    for (const held of await stage.farewell())
      expect(held, 'what is held when everybody has gone').toEqual(Object.fromEntries(Object.keys(held).map((name) => [name, 0])));
    return `${meanwhile.state} → ${end.state}`;
  } finally {
    await stage.close();
  }
}

/** Whose 1-1, Alice's or Bob's, ends with a link to the group: exactly those who have moved. */
const linked: Readonly<Record<UpgradeState, readonly [boolean, boolean]>> = {
  all: [true, true],
  'without A': [false, true],
  'without B': [false, false],
  'without C': [true, true],
  'A alone': [false, false],
  none: [false, false],
  rests: [true, true],
};

interface Typed {
  by: PersonName;
  kind: Chat['conversation']['kind'];
  text: string;
}

async function chats(stage: Stage, name: PersonName): Promise<Chat[]> {
  const all = await stage.call(name, 'conversations', {});
  const filled: Chat[] = [];
  for (const conversation of all)
    filled.push({ conversation, messages: await stage.call(name, 'messages', { conversation: conversation.conversation }) });
  return filled;
}

/** The conversation that somebody received, once its messages have arrived. */
async function firstChat(stage: Stage, name: PersonName): Promise<string> {
  for (let tries = 0; tries < 100; tries += 1) {
    await stage.calm();
    const found = chatOf(await chats(stage, name), 'oneToOne');
    if (found?.conversation.session === 'established') return found.conversation.conversation;
  }
  throw new Error(`nobody has written to ${name}`);
}

function chatOf(all: readonly Chat[], kind: Chat['conversation']['kind']): Chat | undefined {
  const found = all.filter(({ conversation }) => conversation.kind === kind);
  expect(found.length, `${kind} chats of one person`).toBeLessThanOrEqual(1);
  return found[0];
}

/** Like `stateOf`, after the living parts agree: on a busy machine the last roster may still be on its way through another process. */
async function agreedState(stage: Stage): ReturnType<typeof stateOf> {
  for (let tries = 0; tries < agreementTries; tries += 1) {
    const state = await stateOf(stage).catch(() => null);
    if (state !== null) return state;
    await stage.pass(agreementMs);
  }
  return stateOf(stage);
}

/**
 * Who is in which session according to the living parts. They must agree with the Controlling Function, and the two sides of the 1-1 with
 * each other.
 */
async function stateOf(stage: Stage) {
  const members: PersonName[] = [];
  const links: boolean[] = [];
  const oneToOne: string[] = [];
  for (const name of people) {
    if (!stage.isAlive(name)) continue;
    const all = await chats(stage, name);
    if (chatOf(all, 'group')?.conversation.session === 'established') members.push(name);
    if (name === 'carol') continue;
    const direct = chatOf(all, 'oneToOne')?.conversation;
    links.push(direct?.continuedBy != null);
    oneToOne.push(direct?.session ?? 'none');
  }
  // The Controlling Function's view is in its rosters; while signalling is dead it can send none.
  for (const name of stage.isAlive('pf') && stage.isAlive('core') ? members : []) {
    const group = chatOf(await chats(stage, name), 'group')?.conversation.conversation ?? '';
    const connected = (await stage.call(name, 'participants', { conversation: group })).filter((one) => one.state === 'connected');
    expect(connected.map((one) => one.address).sort(), `who is in the group, in the roster of ${name}`).toEqual(members.map(addressOf));
  }
  if (oneToOne.length === 2)
    expect(new Set(oneToOne.map((session) => session === 'established')).size, `the 1-1 is ${oneToOne.join(' and ')}`).toBe(1);
  const [missing, further] = people.filter((name) => !members.includes(name));
  const without = { alice: 'without A', bob: 'without B', carol: 'without C' } as const;
  const state: UpgradeState =
    missing === undefined
      ? 'all'
      : members.length === 0
        ? links.includes(true)
          ? 'rests'
          : 'none'
        : further === undefined || !members.includes('alice')
          ? without[missing]
          : 'A alone';
  return { state, members, links, oneToOne };
}

/** No text is lost, repeated, or in another chat than the one it was typed in. */
async function checkTexts(stage: Stage, typed: readonly Typed[], members: readonly PersonName[]): Promise<void> {
  const all = new Map<PersonName, Chat[]>();
  for (const name of people) all.set(name, await chats(stage, name));
  const copies = (name: PersonName, { text }: Typed, direction: 'in' | 'out') =>
    (all.get(name) ?? []).flatMap(({ conversation, messages }) =>
      messages.filter((one) => one.text === text && one.direction === direction).map((message) => ({ kind: conversation.kind, message })),
    );
  for (const text of typed) {
    const own = copies(text.by, text, 'out');
    expect(
      own.map(({ kind }) => kind),
      `“${text.text}” where ${text.by} typed it`,
    ).toEqual([text.kind]);
    const state = own[0]?.message.state ?? 'lost';
    const isLate = text.text.startsWith('Late');
    expect(isLate ? ['delivered'] : ['delivered', 'sent', 'failed'], `“${text.text}” of ${text.by} is ${state}`).toContain(state);
    for (const name of people) {
      if (name === text.by) continue;
      const got = copies(name, text, 'in');
      expect(
        got.every(({ kind }) => kind === text.kind),
        `“${text.text}” in the right chat of ${name}`,
      ).toBe(true);
      expect(got.length, `copies of “${text.text}” at ${name}`).toBeLessThanOrEqual(1);
      const isFor = text.kind === 'oneToOne' ? name !== 'carol' : isLate && members.includes(name);
      if (text.kind === 'oneToOne' && name === 'carol') expect(got).toEqual([]);
      if (isFor && state !== 'failed') expect(got.length, `“${text.text}” has come to ${name}`).toBe(1);
    }
  }
}
