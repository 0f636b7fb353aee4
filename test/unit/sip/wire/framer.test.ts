import { describe, expect, it } from 'vitest';
import { type Frame, Framer } from '../../../../main/sip/wire/framer';
import { MAX_BODY_BYTES, MAX_HEAD_BYTES } from '../../../../main/sip/wire/wire-message';

const bytes = (text: string) => new TextEncoder().encode(text);
const message = (body: string) => `MESSAGE sip:a@lab.test SIP/2.0\r\nSubject: x\r\nContent-Length: ${bytes(body).length}\r\n\r\n${body}`;
const bodies = (frames: Frame[]) =>
  frames.flatMap((frame) => (frame.kind === 'message' ? [new TextDecoder().decode(frame.bytes.subarray(frame.bodyAt))] : []));

describe('Framer', () => {
  it('finds the same messages wherever the stream is cut', () => {
    const stream = bytes(`${message('Grüße 🎉')}\r\n\r\n${message('')}${message('zwei\r\n\r\nZeilen')}`);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const framer = new Framer();
      const frames = [...framer.push(stream.subarray(0, cut)), ...framer.push(stream.subarray(cut))];
      expect(bodies(frames), `cut at ${cut}`).toEqual(['Grüße 🎉', '', 'zwei\r\n\r\nZeilen']);
    }
  });

  it('finds them byte by byte', () => {
    const framer = new Framer();
    const frames: Frame[] = [];
    for (const byte of bytes(`${message('Grüße 🎉')}${message('zwei')}`)) frames.push(...framer.push(Uint8Array.of(byte)));
    expect(bodies(frames)).toEqual(['Grüße 🎉', 'zwei']);
  });

  it('tells a ping from a pong', () => {
    expect(new Framer().push(bytes('\r\n\r\n'))).toEqual([{ kind: 'ping' }]);
    expect(new Framer().push(bytes('\r\n'))).toEqual([{ kind: 'pong' }]);
  });

  it('reads Content-Length in its compact form and folded', () => {
    expect(bodies(new Framer().push(bytes('A b SIP/2.0\r\nl : 2\r\n\r\nab')))).toEqual(['ab']);
    expect(bodies(new Framer().push(bytes('A b SIP/2.0\r\nContent-Length:\r\n 2\r\n\r\nab')))).toEqual(['ab']);
  });

  it.each([
    ['no Content-Length', 'A b SIP/2.0\r\nSubject: x\r\n\r\n'],
    ['a negative one', 'A b SIP/2.0\r\nContent-Length: -999\r\n\r\n'],
    ['one that is no number', 'A b SIP/2.0\r\nContent-Length: 1e3\r\n\r\n'],
    ['two different ones', 'A b SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nab'],
    ['a head without an end', `A b SIP/2.0\r\nSubject: ${'x'.repeat(MAX_HEAD_BYTES)}`],
  ])('gives up a stream with %s', (_name, text) => {
    const framer = new Framer();
    expect(framer.push(bytes(text))).toMatchObject([{ kind: 'broken' }]);
    expect(framer.push(bytes(message('after')))).toEqual([]);
  });

  it('skips a body over MAX_BODY_BYTES and reads on behind it', () => {
    const framer = new Framer();
    const size = MAX_BODY_BYTES + 1;
    const frames = framer.push(bytes(`A b SIP/2.0\r\nContent-Length: ${size}\r\n\r\n`));
    expect(frames).toMatchObject([{ kind: 'message', bodySkipped: true }]);
    for (let left = size; left > 0; left -= 100_000) expect(framer.push(new Uint8Array(Math.min(left, 100_000)).fill(65))).toEqual([]);
    expect(bodies(framer.push(bytes(message('after'))))).toEqual(['after']);
  });

  it('over WebSocket takes each piece as a whole: a message, a ping, or an end', () => {
    const one = (text: string) => new Framer(true).push(bytes(text));
    expect(bodies(one(message('Grüße 🎉')))).toEqual(['Grüße 🎉']);
    expect(bodies(one('MESSAGE sip:a@lab.test SIP/2.0\r\nSubject: x\r\n\r\nzwei'))).toEqual(['zwei']);
    expect(bodies(one(`${message('eins')}rest`))).toEqual(['eins']);
    for (const before of ['\r\n', '\r\n\r\n', '\n', '\r\n\r\n\r\n']) {
      const [frame] = one(before + message('eins'));
      expect(bodies([frame as NonNullable<typeof frame>])).toEqual(['eins']);
      expect(frame?.kind === 'message' && new TextDecoder().decode(frame.bytes)).toBe(message('eins'));
    }
    expect([one('\r\n\r\n'), one('\r\n'), one('')]).toEqual([[{ kind: 'ping' }], [{ kind: 'pong' }], []]);
    expect(one('MESSAGE sip:a@lab.test SIP/2.0\r\nSubject: x')).toMatchObject([{ kind: 'broken' }]);
    expect(one('MESSAGE sip:a@lab.test SIP/2.0\r\nContent-Length: 9\r\n\r\nx')).toMatchObject([{ kind: 'broken' }]);
    expect(one('MESSAGE sip:a@lab.test SIP/2.0\r\nContent-Length: x\r\n\r\nx')).toMatchObject([{ kind: 'broken' }]);
    expect(one(`MESSAGE sip:a@lab.test SIP/2.0\r\nSubject: ${'x'.repeat(MAX_HEAD_BYTES)}\r\n\r\n`)).toMatchObject([{ kind: 'broken' }]);
    expect(one(`MESSAGE sip:a@lab.test SIP/2.0\r\nSubject: x\r\n\r\n${'x'.repeat(MAX_BODY_BYTES + 1)}`)).toMatchObject([
      { bodySkipped: true },
    ]);
  });
});
