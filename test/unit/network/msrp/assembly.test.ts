import { describe, expect, it } from 'vitest';
import {
  MAX_CHUNKS,
  MAX_MESSAGE_BYTES,
  MAX_OPEN_MESSAGES,
  MAX_REFUSED,
  MsrpAssembly,
  type MsrpRequest,
} from '../../../../network/msrp/assembly';

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function chunk(body: string | Uint8Array, facts: Partial<MsrpRequest> = {}): MsrpRequest {
  const bytes = typeof body === 'string' ? utf8(body) : body;
  return {
    kind: 'request',
    transactionId: 'abcd1234',
    method: 'SEND',
    toPath: ['msrp://127.0.0.1:1/s;tcp'],
    fromPath: ['msrp://127.0.0.1:2/t;tcp'],
    headers: [],
    messageId: 'm1',
    byteRange: { start: 1, end: bytes.length, total: bytes.length },
    contentType: 'message/cpim',
    successReport: false,
    failureReport: 'yes',
    status: null,
    body: bytes,
    continuation: '$',
    ...facts,
  };
}

describe('putting MSRP chunks together', () => {
  it('takes a message of one chunk', () => {
    const step = new MsrpAssembly().take(chunk('hello'));
    expect(step.kind).toBe('complete');
    if (step.kind === 'complete') expect(text(step.message.body)).toBe('hello');
  });

  it('waits for every byte, in whatever order the chunks come, and forgives one that comes twice', () => {
    const pieces = [
      chunk('hel', { byteRange: { start: 1, end: 3, total: 8 }, continuation: '+' }),
      chunk('lo ', { byteRange: { start: 4, end: null, total: 8 }, continuation: '+' }),
      chunk('yo', { byteRange: { start: 7, end: 8, total: 8 } }),
    ];
    for (const order of [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
      [0, 0, 1, 1, 2],
    ]) {
      const assembly = new MsrpAssembly();
      const steps = order.map((index) => assembly.take(pieces[index] ?? chunk('')));
      expect(steps.slice(0, -1).every((step) => step.kind === 'more')).toBe(true);
      const last = steps.at(-1);
      expect(last?.kind === 'complete' && text(last.message.body)).toBe('hello yo');
      expect(assembly.openCount).toBe(0);
    }
  });

  it('remembers a limited number of refused messages, and forgets the oldest first', () => {
    const assembly = new MsrpAssembly();
    const tooLarge = (messageId: string) => chunk('x', { messageId, byteRange: { start: MAX_MESSAGE_BYTES + 1, end: null, total: null } });
    for (let count = 0; count < MAX_REFUSED; count += 1) expect(assembly.take(tooLarge(`m${count}`))).toMatchObject({ status: 413 });
    expect(assembly.take(chunk('again', { messageId: 'm0' }))).toEqual({ kind: 'refused', status: 413, reason: 'Stop Sending Message' });
    assembly.take(tooLarge('one more'));
    expect(assembly.take(chunk('again', { messageId: 'm0' })).kind).toBe('complete');
    expect(assembly.take(chunk('again', { messageId: 'm1' })).kind).toBe('refused');
  });

  it('keeps interleaved messages apart', () => {
    const assembly = new MsrpAssembly();
    assembly.take(chunk('a1', { messageId: 'a', byteRange: { start: 1, end: 2, total: 4 }, continuation: '+' }));
    assembly.take(chunk('b1', { messageId: 'b', byteRange: { start: 1, end: 2, total: 4 }, continuation: '+' }));
    const a = assembly.take(chunk('a2', { messageId: 'a', byteRange: { start: 3, end: 4, total: 4 } }));
    const b = assembly.take(chunk('b2', { messageId: 'b', byteRange: { start: 3, end: 4, total: 4 } }));
    expect([a, b].map((step) => step.kind === 'complete' && text(step.message.body))).toEqual(['a1a2', 'b1b2']);
  });

  it('learns the length from the last chunk when the total is unknown', () => {
    const assembly = new MsrpAssembly();
    assembly.take(chunk('ab', { byteRange: { start: 1, end: null, total: null }, continuation: '+' }));
    const step = assembly.take(chunk('cd', { byteRange: { start: 3, end: null, total: null } }));
    expect(step.kind === 'complete' && text(step.message.body)).toBe('abcd');
  });

  it('takes one chunk with everything as the whole message, whatever its Byte-Range claims', () => {
    for (const byteRange of [{ start: 1, end: 2, total: 2 }, { start: 1, end: 9, total: 9 }, { start: 1, end: null, total: 1 }, null]) {
      const step = new MsrpAssembly().take(chunk('é€', { byteRange }));
      expect(step.kind === 'complete' && text(step.message.body)).toBe('é€');
    }
  });

  it('takes a long chunk with everything, in parts, as the whole message', () => {
    const assembly = new MsrpAssembly();
    expect(assembly.take(chunk('abcd', { byteRange: { start: 1, end: null, total: 3 }, continuation: '+', goesOn: true })).kind).toBe(
      'more',
    );
    expect(assembly.take(chunk('efgh', { byteRange: { start: 5, end: null, total: 8 }, continuation: '+', goesOn: true })).kind).toBe(
      'more',
    );
    const step = assembly.take(chunk('ij', { byteRange: { start: 9, end: 10, total: 10 } }));
    expect(step.kind === 'complete' && text(step.message.body)).toBe('abcdefghij');
  });

  it('ends a message whose octets all came with "+" at a "$" without octets', () => {
    for (const body of [null, new Uint8Array()]) {
      const assembly = new MsrpAssembly();
      assembly.take(chunk('ab', { byteRange: { start: 1, end: 2, total: null }, continuation: '+' }));
      expect(assembly.knows('m1')).toBe(true);
      const step = assembly.take(chunk('', { body, byteRange: null, contentType: null }));
      expect(step.kind === 'complete' && text(step.message.body)).toBe('ab');
      expect(assembly.knows('m1')).toBe(false);
    }
  });

  it('refuses chunks that contradict themselves or what has come', () => {
    const start = { byteRange: { start: 1, end: 2, total: 9 }, continuation: '+' as const };
    expect(new MsrpAssembly().take(chunk('abc', start))).toMatchObject({ kind: 'refused', status: 400 });
    const assembly = new MsrpAssembly();
    assembly.take(chunk('abcd', { ...start, byteRange: { start: 1, end: 4, total: 9 } }));
    expect(assembly.take(chunk('ab', { byteRange: null }))).toMatchObject({ kind: 'refused', status: 400 });
  });

  it('forgets a message that the sender gives up', () => {
    const assembly = new MsrpAssembly();
    assembly.take(chunk('ab', { byteRange: { start: 1, end: 2, total: 4 }, continuation: '+' }));
    expect(assembly.take(chunk('', { continuation: '#' })).kind).toBe('aborted');
    expect(assembly.openCount).toBe(0);
  });

  it('answers 413 over MAX_MESSAGE_BYTES, declared or sent, and to every further chunk of it', () => {
    const assembly = new MsrpAssembly();
    const declared = assembly.take(chunk('ab', { byteRange: { start: 1, end: 2, total: MAX_MESSAGE_BYTES + 1 }, continuation: '+' }));
    expect(declared).toMatchObject({ kind: 'refused', status: 413 });
    expect(assembly.take(chunk('cd', { byteRange: { start: 3, end: 4, total: null }, continuation: '+' }))).toMatchObject({
      kind: 'refused',
      status: 413,
    });
    const far = assembly.take(chunk('zz', { messageId: 'm2', byteRange: { start: MAX_MESSAGE_BYTES, end: null, total: null } }));
    expect(far).toMatchObject({ kind: 'refused', status: 413 });
    expect(new MsrpAssembly().take(chunk(new Uint8Array(MAX_MESSAGE_BYTES))).kind).toBe('complete');
  });

  it('holds MAX_OPEN_MESSAGES at most', () => {
    const assembly = new MsrpAssembly();
    const open = (id: number) =>
      assembly.take(chunk('a', { messageId: `m${id}`, byteRange: { start: 1, end: 1, total: 2 }, continuation: '+' }));
    for (let id = 0; id < MAX_OPEN_MESSAGES; id += 1) expect(open(id).kind).toBe('more');
    expect(open(MAX_OPEN_MESSAGES)).toMatchObject({ kind: 'refused', status: 413 });
  });

  it('refuses more than MAX_CHUNKS pieces of one message', () => {
    const assembly = new MsrpAssembly();
    const step = (start: number) =>
      assembly.take(chunk('a', { byteRange: { start, end: start, total: MAX_CHUNKS + 10 }, continuation: '+' }));
    for (let start = 1; start <= MAX_CHUNKS; start += 1) expect(step(start).kind).toBe('more');
    expect(step(MAX_CHUNKS + 1)).toMatchObject({ kind: 'refused', status: 413 });
  });

  it('refuses a message without identity or type', () => {
    expect(new MsrpAssembly().take(chunk('a', { messageId: null }))).toMatchObject({ kind: 'refused', status: 400 });
    expect(new MsrpAssembly().take(chunk('a', { contentType: null }))).toMatchObject({ kind: 'refused', status: 400 });
  });
});
