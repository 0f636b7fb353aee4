import { describe, expect, it } from 'vitest';
import type { MessageValue } from '../../../../preload/contract';
import { buildTimeline, groupPauseMs, lateAfterMs, type Row } from '../../../../renderer/chat/timeline';
import { at, bob, carol, message } from '../../../../renderer/gallery/scenes';

const build = (messages: MessageValue[], options: { complete?: boolean; continuedAt?: number | null } = {}) =>
  buildTimeline({ messages, complete: options.complete ?? false, continuedAt: options.continuedAt ?? null });
const kinds = (rows: Row[]) => rows.map((row) => row.row);
const said = (rows: Row[]) => rows.filter((row) => row.row === 'message');

describe('the timeline', () => {
  it('opens with the beginning only when the beginning is here, and always has an end', () => {
    expect(kinds(build([], { complete: true }))).toEqual(['start', 'end']);
    expect(kinds(build([]))).toEqual(['end']);
  });

  it('divides days', () => {
    const rows = build([message({ in: bob, text: 'a', at: at('22:00', 1) }), message({ in: bob, text: 'b', at: at('08:00') })]);
    expect(kinds(rows)).toEqual(['day', 'message', 'day', 'message', 'end']);
  });

  it('groups one sender without a long pause', () => {
    const start = at('10:00');
    const rows = said(
      build([
        message({ in: bob, text: 'a', at: start }),
        message({ in: bob, text: 'b', at: start + groupPauseMs }),
        message({ in: bob, text: 'c', at: start + 2 * groupPauseMs + 1 }),
        message({ in: carol, text: 'd', at: start + 2 * groupPauseMs + 2 }),
      ]),
    );
    expect(rows.map((row) => [row.first, row.last])).toEqual([
      [true, false],
      [false, true],
      [true, true],
      [true, true],
    ]);
  });

  it('keeps messages of two own devices apart', () => {
    const rows = said(build([message({ text: 'a', at: at('10:00') }), message({ text: 'b', at: at('10:00:05'), fromDevice: 'Tablet' })]));
    expect(rows.map((row) => row.first)).toEqual([true, true]);
  });

  it('says time and state once for a minute while they are the same', () => {
    const meta = said(
      build([
        message({ text: 'a', at: at('10:00:01'), state: 'delivered' }),
        message({ text: 'b', at: at('10:00:20'), state: 'delivered' }),
        message({ text: 'c', at: at('10:00:40'), state: 'sent' }),
        message({ text: 'd', at: at('10:01:02'), state: 'sent' }),
      ]),
    ).map((row) => row.meta);
    expect(meta).toEqual([false, true, true, true]);
  });

  it('always shows the state of a failed message', () => {
    const meta = said(
      build([message({ text: 'a', at: at('10:00:01'), state: 'failed' }), message({ text: 'b', at: at('10:00:02'), state: 'failed' })]),
    ).map((row) => row.meta);
    expect(meta).toEqual([true, true]);
  });

  it('marks what came late, once for a run of them', () => {
    const sentAt = at('08:00');
    const late = (text: string, offset: number) => message({ in: bob, text, at: sentAt + offset, late: sentAt + offset + lateAfterMs + 1 });
    const rows = build([late('a', 0), late('b', 1000), message({ in: bob, text: 'c', at: sentAt + 2000 })]);
    expect(kinds(rows)).toEqual(['day', 'late', 'message', 'message', 'message', 'end']);
    expect(said(rows).map((row) => row.first)).toEqual([true, false, true]);
  });

  it('places the card of the group where the chat went on, also between messages', () => {
    const messages = [message({ text: 'a', at: at('10:00') }), message({ text: 'b', at: at('10:02') })];
    expect(kinds(build(messages, { continuedAt: at('10:01') }))).toEqual(['day', 'message', 'continued', 'message', 'end']);
    expect(kinds(build(messages, { continuedAt: at('10:03') }))).toEqual(['day', 'message', 'message', 'continued', 'end']);
    expect(said(build(messages, { continuedAt: at('10:01') })).map((row) => row.first)).toEqual([true, true]);
  });

  it('gives every row a key of its own', () => {
    const rows = build([message({ text: 'a', at: at('10:00', 1) }), message({ in: bob, text: 'b', at: at('10:00'), late: at('11:00') })], {
      complete: true,
      continuedAt: at('12:00'),
    });
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
  });
});
