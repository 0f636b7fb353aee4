import { describe, expect, it } from 'vitest';
import { StreamBuffer } from '../../../../network/sip/stream-buffer';
import { seededRandom } from '../../../support/doubles/seeded-random';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('the buffer of a stream', () => {
  it('gives back what came, in any pieces, and what was taken stays as it was', () => {
    const random = seededRandom(1);
    const buffer = new StreamBuffer();
    const taken: { bytes: Uint8Array; as: string }[] = [];
    let said = '';
    for (let round = 0; round < 2_000; round += 1) {
      const piece = String.fromCharCode(97 + (round % 26)).repeat(Math.floor(random() * 40));
      said += piece;
      buffer.add(Buffer.from(piece));
      const bytes = buffer.take(Math.floor(random() * (buffer.length + 1)));
      taken.push({ bytes, as: text(bytes) });
    }
    taken.push({ bytes: buffer.held, as: text(buffer.held) });
    expect(taken.map(({ as }) => as).join('')).toBe(said);
    expect(taken.every(({ bytes, as }) => text(bytes) === as)).toBe(true);
  });

  it('keeps no long memory for a short message', () => {
    const buffer = new StreamBuffer();
    buffer.add(new Uint8Array(10));
    buffer.add(new Uint8Array(100_000));
    expect(buffer.take(10).buffer.byteLength).toBe(10);
    expect(buffer.length).toBe(100_000);
  });

  it('does not copy a piece that comes alone', () => {
    const buffer = new StreamBuffer();
    const piece = new Uint8Array(1_000);
    buffer.add(piece);
    expect(buffer.take(1_000).buffer).toBe(piece.buffer);
  });
});
