import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_UNPACKED_BYTES, unpackBody } from '../../../../main/sip/wire/content-encoding';
import { WireMessage } from '../../../../main/sip/wire/wire-message';
import { closeMemoryLabs, registeredLab } from '../../../support/doubles/sip-memory';
import { settled } from '../../../support/doubles/virtual-clock';

afterEach(closeMemoryLabs);

const TEXT = 'Grüße 🎉';
const plain = new TextEncoder().encode(TEXT);
const start = { kind: 'request', method: 'MESSAGE', uri: 'sip:alice@lab.test', version: 'SIP/2.0' } as const;
const coded = (coding: string, body: Uint8Array) => unpackBody(new WireMessage(start, [['content-encoding', coding]], body));

describe('a compressed body', () => {
  it.each([
    ['deflate', deflateSync(plain)],
    ['DEFLATE', deflateSync(plain)],
    ['deflate', deflateRawSync(plain)],
    ['gzip', gzipSync(plain)],
    ['identity', plain],
    ['identity, deflate', deflateSync(plain)],
  ])('in %s is unpacked', (coding, body) => {
    const message = coded(coding, body);
    expect(new TextDecoder().decode(message.body)).toBe(TEXT);
    expect(message.bodyFault).toBeNull();
  });

  it('that is empty stays empty', () => {
    expect(coded('deflate', new Uint8Array(0))).toMatchObject({ body: new Uint8Array(0), bodyFault: null });
  });

  it.each(['br', 'compress', 'deflate, gzip', '*'])('in %s is not known', (coding) => {
    expect(coded(coding, plain)).toMatchObject({ body: new Uint8Array(0), bodyFault: 'unknown-encoding' });
  });

  it('may become MAX_UNPACKED_BYTES and not one more, however small it is', () => {
    expect(coded('deflate', deflateSync(Buffer.alloc(MAX_UNPACKED_BYTES))).body).toHaveLength(MAX_UNPACKED_BYTES);
    for (const pack of [deflateSync, deflateRawSync, gzipSync]) {
      const bomb = pack(Buffer.alloc(MAX_UNPACKED_BYTES + 1));
      expect(bomb.length).toBeLessThan(2_000);
      expect(coded('deflate', bomb)).toMatchObject({ body: new Uint8Array(0), bodyFault: 'too-long' });
    }
  });

  it('that is cut off, or is none, is unreadable', () => {
    for (const body of [deflateSync(plain).subarray(0, 6), plain])
      expect(coded('deflate', body)).toMatchObject({ body: new Uint8Array(0), bodyFault: 'unreadable' });
  });
});

describe('a MESSAGE with a compressed body', () => {
  async function answerTo(coding: string, body: Uint8Array): Promise<{ status: number | null; got: string[] }> {
    const lab = await registeredLab();
    const got: string[] = [];
    lab.client.handleMessage = async (message) => {
      got.push(new TextDecoder().decode(message.body));
      return 200;
    };
    const headers = [
      'From: <sip:bob@lab.test>;tag=b',
      'To: <sip:alice@lab.test>',
      'Call-ID: packed',
      'CSeq: 1 MESSAGE',
      // The compact name of RFC 3261 section 20.12.
      `e: ${coding}`,
    ];
    lab.server.request('MESSAGE', 'sip:alice@lab.test', headers, body, 'message/cpim');
    await settled();
    const response = lab.server.responses().at(-1);
    return { status: response?.start.kind === 'response' ? response.start.status : null, got };
  }

  it('is handed up unpacked', async () => {
    expect(await answerTo('deflate', deflateSync(plain))).toEqual({ status: 200, got: [TEXT] });
  });

  it.each([
    ['deflate', deflateSync(Buffer.alloc(MAX_UNPACKED_BYTES + 1)), 413],
    ['deflate', plain, 400],
    ['br', plain, 415],
  ])('in %s that cannot be unpacked goes no further', async (coding, body, status) => {
    expect(await answerTo(coding, body)).toEqual({ status, got: [] });
  });
});
