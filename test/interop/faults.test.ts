/** Real processes at the embedded network: both sides are killed, and their connections break at any byte, while they write to one another. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Network, startNetwork } from '../../network/network';
import type { ConversationValue, MessageValue } from '../../preload/contract';
import { VirtualClock } from '../support/doubles/virtual-clock';
import { ensureBuilt } from '../support/stages/built';
import { type Command, chorus, endCommands, lineLimitMs, newFolder, printCommandsOnFailure } from '../support/stages/command';
import { Relay } from '../support/stages/relay';

const closers: (() => Promise<void>)[] = [];
beforeAll(() => ensureBuilt('command'));
beforeEach(() => printCommandsOnFailure());
afterEach(async () => {
  await endCommands();
  for (const close of closers.splice(0).reverse()) await close();
});

/** CHORUS_SEED replays one run; without it the same one runs every time. */
const seeds = process.env.CHORUS_SEED === undefined ? [1] : [Number(process.env.CHORUS_SEED)];
const rounds = 8;
/** A peer that died after it was asked answers nothing; that is noticed after 64*T1 (RFC 3261, timers B and F). */
const missedAfterMs = 32_000;
/** About twice what a text and its receipt take on the wire: the break comes somewhere in them. */
const longestRunBytes = 4_000;

class Side {
  readonly name: string;
  readonly other: string;
  readonly relay: Relay;
  readonly #data: string;
  command: Command;
  /** What `sendText` has said yes to. */
  readonly accepted: string[] = [];
  readonly #asked = new Set<string>();

  private constructor(name: string, other: string, relay: Relay) {
    this.name = name;
    this.other = other;
    this.relay = relay;
    this.#data = newFolder(name);
    this.command = this.#start();
  }

  static async at(network: Network, name: string, other: string): Promise<Side> {
    const relay = await Relay.to(network.uris.tcp);
    closers.push(() => relay.close());
    return new Side(name, other, relay);
  }

  #start(): Command {
    const args = ['client', '--data', this.#data, '--aor', `sip:${this.name}@lab.test`, '--proxy', this.relay.uri];
    return chorus(this.name, args, { CHORUS_PASSWORD: 'secret' });
  }

  /** SIGKILL, and the next start. What had been answered by then is remembered; what had not may be there or not. */
  async die(): Promise<void> {
    this.command.kill('SIGKILL');
    await this.command.ended();
    this.note();
    this.#asked.clear();
    this.command = this.#start();
  }

  write(text: string, mode: 'session' | 'pager'): void {
    this.#asked.add(this.command.tell('sendText', { to: `sip:${this.other}@lab.test`, text, mode }));
  }

  note(): void {
    for (const { re, ok, value } of this.command.lines) {
      if (ok !== true || !this.#asked.delete(String(re))) continue;
      this.accepted.push((value as { message: string }).message);
    }
  }

  /** In the order that the person sees. */
  async messages(direction: 'in' | 'out'): Promise<MessageValue[]> {
    const all = await this.command.ask<ConversationValue[]>('conversations');
    const lists = all.map(({ conversation }) => this.command.ask<MessageValue[]>('messages', { conversation, limit: 500 }));
    return (await Promise.all(lists)).flat().filter((one) => one.direction === direction);
  }
}

describe('processes that die and connections that break while two people write to one another', () => {
  it.each(seeds)(
    'lose nothing that was taken, double nothing, and keep each sender’s order (seed %i)',
    async (seed) => {
      const clock = new VirtualClock({ seed });
      const chance = () => clock.random();
      const network = await startNetwork({});
      closers.push(() => network.close());
      const sides = [await Side.at(network, 'alice', 'bob'), await Side.at(network, 'bob', 'alice')];
      await Promise.all(sides.map(({ command }) => command.event('registration', { state: 'registered' })));
      const pick = <T>(from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T;
      let count = 0;
      for (let round = 0; round < rounds; round += 1) {
        const victim = pick(sides);
        const kills = chance() < 0.5;
        if (!kills) victim.relay.breakAfter(1 + Math.floor(chance() * longestRunBytes), pick(['toServer', 'toClient']));
        for (let texts = 3 + Math.floor(chance() * 4); texts > 0; texts -= 1) {
          count += 1;
          pick(sides).write(`${count}`, chance() < 0.3 ? 'pager' : 'session');
        }
        const heard = victim.command.lines.length + Math.floor(chance() * 12);
        if (kills)
          await victim.command.until('some more is said', () => (victim.command.lines.length >= heard ? true : null)).catch(() => null);
        if (kills) await victim.die();
      }

      for (const side of sides) {
        const isOver = async () => {
          const own = await side.messages('out');
          // The other side was away for a moment; the person decides whether to send such a message again.
          for (const one of own.filter(({ state }) => state === 'failed')) await side.command.ask('retry', { message: one.message });
          return own.every(({ state }) => state === 'delivered') ? true : null;
        };
        await side.command.until('everything is delivered', isOver, missedAfterMs + lineLimitMs);
      }
      for (const [sender, receiver] of [sides, [...sides].reverse()] as [Side, Side][]) {
        sender.note();
        const sent = await sender.messages('out');
        const received = await receiver.messages('in');
        expect(sender.accepted.filter((id) => sent.every(({ message }) => message !== id))).toEqual([]);
        expect(received.map(({ text }) => text)).toEqual(sent.map(({ text }) => text));
        expect(sent.length).toBeGreaterThan(0);
      }
    },
    150_000,
  );
});
