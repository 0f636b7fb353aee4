import { describe, expect, it } from 'vitest';
import { type Frame, Framer } from '../../../../network/sip/framer';
import { parseVia, splitValues } from '../../../../network/sip/header-value';
import { responseTo, SipRequest, SipResponse } from '../../../../network/sip/message';
import { MAX_BODY_BYTES, MAX_HEAD_BYTES, parseMessage } from '../../../../network/sip/message-parser';
import { tortureMessages } from '../../../support/rfc4475/messages';
import { HOSTILE_MESSAGES } from '../hostile-messages';

/** RFC 4475, file by file: what it wants from an element that parses. Null: the message is in order for a parser; the reason to refuse it, if any, is of a later layer. */
const VERDICTS: Record<string, RegExp | null> = {
  badaspec: /white space inside a URI/,
  badbranch: null,
  baddate: null,
  baddn: /no empty line|display name/,
  badinv01: /parameter has no name/,
  badvers: /version SIP\/7.0/,
  bcast: null,
  bext01: null,
  bigcode: /status line/,
  clerr: /shorter than Content-Length/,
  cparam01: null,
  cparam02: null,
  dblreq: null,
  esc01: null,
  esc02: null,
  escnull: null,
  escruri: /carries headers/,
  insuf: /header is missing/,
  intmeth: null,
  inv2543: null,
  invut: null,
  longreq: null,
  ltgtruri: /angle brackets/,
  lwsdisp: null,
  lwsruri: /request line/,
  lwsstart: /request line/,
  mcl01: /more than once/,
  mismatch01: /CSeq/,
  mismatch02: /CSeq/,
  mpart01: null,
  multi01: /more than once/,
  ncl: /Content-Length/,
  noreason: null,
  novelsc: null,
  quotbal: /not closed/,
  regaut01: null,
  regbadct: /angle brackets/,
  regescrt: null,
  scalar02: /CSeq is too large/,
  scalarlg: /CSeq/,
  sdp01: null,
  semiuri: null,
  transports: null,
  trws: /request line/,
  unkscm: null,
  unksm2: null,
  unreason: null,
  wsinv: null,
  zeromf: null,
};

function read(name: string): Uint8Array {
  const bytes = tortureMessages.get(name);
  if (bytes === undefined) throw new Error(`RFC 4475 has no ${name}`);
  return bytes;
}

function request(bytes: Uint8Array): SipRequest {
  const message = parseMessage(bytes);
  if (!message.ok || message.value.kind !== 'request') throw new Error(message.ok ? 'a response' : message.reason);
  return message.value;
}

const text = (value: string) => new TextEncoder().encode(value);

describe('RFC 4475', () => {
  it('has a verdict for every file, and every file is there', () => {
    expect([...tortureMessages.keys()]).toEqual(Object.keys(VERDICTS).sort());
  });

  for (const [name, wanted] of Object.entries(VERDICTS)) {
    it(`${name}: ${wanted === null ? 'parsed' : `refused, ${wanted.source}`}`, () => {
      const message = parseMessage(read(name));
      if (wanted === null) expect(message.ok ? 'parsed' : message.reason).toBe('parsed');
      else expect(message.ok ? 'parsed' : message.reason).toMatch(wanted);
    });
  }

  it('wsinv: folding, blanks and compact names are read through', () => {
    const message = request(read('wsinv'));
    expect(message.toTag).toBe('1918181833n');
    expect(message.fromTag).toBe('98asjd8');
    expect(message.cseq).toEqual({ number: 9, method: 'INVITE' });
    expect(
      message
        .all('via')
        .map((via) => parseVia(via))
        .map((via) => via.ok && [via.value.transport, via.value.host, via.value.params.get('branch')]),
    ).toEqual([
      ['UDP', '192.0.2.2', '390skdjuw'],
      ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
      ['UDP', '192.168.255.111', 'z9hG4bK30239'],
    ]);
    expect(message.get('NewFangledHeader')).toBe('newfangled value continued newfangled value');
    expect(message.text.startsWith('v=0\r\n')).toBe(true);
  });

  it('longreq: every one of the thirty-odd Vias is found under its many spellings', () => {
    const message = request(read('longreq'));
    expect(message.all('via')).toHaveLength(34);
    expect(message.get('call-id')).toMatch(/^longreq\.onereally/);
  });

  it('dblreq: over a stream both requests come out', () => {
    const frames = new Framer().push(read('dblreq')).filter((frame) => frame.kind === 'message');
    expect(frames.map((frame) => request(frame.bytes).method)).toEqual(['REGISTER', 'INVITE']);
  });

  it('an answer can be given to every refused request but those without Via', () => {
    const unanswered = Object.keys(VERDICTS).filter((name) => {
      const message = parseMessage(read(name));
      return !message.ok && message.request === null;
    });
    expect(unanswered.sort()).toEqual(['bigcode', 'scalarlg']);
  });
});

describe('hostile messages of our own', () => {
  for (const { name, bytes, verdict, answerable } of HOSTILE_MESSAGES) {
    it(`${name}: ${verdict === 'parsed' ? 'parsed' : 'refused'}`, () => {
      const message = parseMessage(bytes);
      const said = message.ok ? 'parsed' : message.reason;
      if (verdict === 'parsed') expect(said).toBe('parsed');
      else expect(said).toMatch(verdict);
      if (answerable !== undefined) expect(!message.ok && message.request !== null).toBe(answerable);
      if (!message.ok && /longer than|too long|header lines/.test(message.reason) && !/start line/.test(message.reason))
        expect(message.status).toBe(413);
    });
  }

  it('none of them makes the framer throw, however it is cut, and what comes out is the same for every cut', () => {
    for (const { bytes } of HOSTILE_MESSAGES) {
      const whole = describeFrames(new Framer().push(bytes));
      const step = Math.max(1, Math.floor(bytes.length / 64));
      for (let at = 1; at < bytes.length; at += step) {
        const framer = new Framer();
        expect(describeFrames([...framer.push(bytes.slice(0, at)), ...framer.push(bytes.slice(at))])).toEqual(whole);
      }
    }
  });

  it('refusing is quick: no message of the allowed size holds the process up', () => {
    const begun = performance.now();
    for (const { bytes } of HOSTILE_MESSAGES) parseMessage(bytes);
    parseMessage(text(`INVITE ${';'.repeat(60_000)} SIP/2.0\r\n\r\n`));
    parseMessage(text(`INVITE sip:a@b SIP/2.0\r\nVia: ${'SIP/2.0/TCP a,'.repeat(1000)}\r\nFrom: ${'"'.repeat(16_000)}\r\n\r\n`));
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});

function describeFrames(frames: readonly Frame[]): string[] {
  return frames.map((frame) =>
    frame.kind === 'message'
      ? `message ${new TextDecoder('latin1').decode(frame.bytes)}`
      : frame.kind === 'broken'
        ? `broken ${frame.reason}`
        : 'ping',
  );
}

describe('the framer', () => {
  const body = 'Grüße 🦊';
  const one = text(
    `MESSAGE sip:bob@lab.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nl: ${text(body).length}\r\n\r\n${body}`,
  );
  const two = text('SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n');
  const stream = new Uint8Array([...text('\r\n'), ...one, ...text('\r\n\r\n'), ...two, ...one]);

  it('gives the same messages for a stream split at every byte, multibyte bodies included', () => {
    const whole = describeFrames(new Framer().push(stream));
    expect(whole.map((frame) => frame.slice(0, 11))).toEqual(['message MES', 'ping', 'message SIP', 'message MES']);
    for (let at = 0; at <= stream.length; at += 1) {
      const framer = new Framer();
      expect(describeFrames([...framer.push(stream.slice(0, at)), ...framer.push(stream.slice(at))])).toEqual(whole);
    }
  });

  it('gives the same messages byte by byte', () => {
    const framer = new Framer();
    const frames = [...stream].flatMap((byte) => framer.push(new Uint8Array([byte])));
    expect(describeFrames(frames)).toEqual(describeFrames(new Framer().push(stream)));
    expect(framer.inMessage).toBe(false);
  });

  it('tells one ping for each double CRLF, and none for a single one', () => {
    const framer = new Framer();
    expect(framer.push(text('\r\n'))).toEqual([]);
    expect(framer.push(text('\r\n'))).toEqual([{ kind: 'ping' }]);
    expect(framer.push(text('\r\n\r\n\r\n\r\n'))).toEqual([{ kind: 'ping' }, { kind: 'ping' }]);
  });

  it('MAX_HEAD_BYTES: a head that grows beyond it breaks the stream, with the lines before to answer, and nothing is kept', () => {
    const framer = new Framer();
    expect(framer.push(text(`INVITE sip:a@b SIP/2.0\r\nX: ${'a'.repeat(MAX_HEAD_BYTES)}`))).toEqual([
      { kind: 'broken', reason: `the head is longer than ${MAX_HEAD_BYTES} bytes`, head: text('INVITE sip:a@b SIP/2.0\r\n') },
    ]);
    expect(new Framer().push(text('a'.repeat(MAX_HEAD_BYTES + 1)))).toMatchObject([{ kind: 'broken', head: null }]);
    expect(framer.push(one)).toEqual([]);
    expect(framer.inMessage).toBe(false);
  });

  it('MAX_BODY_BYTES: a longer body is refused by its announced length, with the head to answer', () => {
    const [frame] = new Framer().push(text(`MESSAGE sip:a@b SIP/2.0\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`));
    expect(frame).toMatchObject({ kind: 'broken', reason: expect.stringContaining('body') });
    expect(frame?.kind === 'broken' && frame.head !== null).toBe(true);
  });
});

describe('a message', () => {
  const invite = () =>
    request(
      text(
        'INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/TCP one, SIP/2.0/TCP two\r\nVia: SIP/2.0/TCP three\r\nf: <sip:a@x>;tag=1\r\nt: <sip:b@x>\r\ni: c\r\nCSeq: 1 INVITE\r\nSubject: one, two\r\nl: 2\r\n\r\nhi',
      ),
    );

  it('is written as it was read, but for the true Content-Length', () => {
    const message = invite();
    message.body = text('hello');
    expect(new TextDecoder().decode(message.encode())).toBe(
      'INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/TCP one, SIP/2.0/TCP two\r\nVia: SIP/2.0/TCP three\r\nf: <sip:a@x>;tag=1\r\nt: <sip:b@x>\r\ni: c\r\nCSeq: 1 INVITE\r\nSubject: one, two\r\nContent-Length: 5\r\n\r\nhello',
    );
  });

  it('takes commas apart only where the header is a list', () => {
    expect(invite().all('via')).toEqual(['SIP/2.0/TCP one', 'SIP/2.0/TCP two', 'SIP/2.0/TCP three']);
    expect(invite().all('subject')).toEqual(['one, two']);
    expect(splitValues('"a, b" <sip:c,d@x>;p="e,f", <sip:g@x>')).toEqual(['"a, b" <sip:c,d@x>;p="e,f"', '<sip:g@x>']);
  });

  it('shift takes the topmost value only, also out of a shared line; insert puts one on top', () => {
    const message = invite();
    expect(message.shift('via')).toBe('SIP/2.0/TCP one');
    message.insert('Via', 'SIP/2.0/TCP zero');
    expect(message.all('v')).toEqual(['SIP/2.0/TCP zero', 'SIP/2.0/TCP two', 'SIP/2.0/TCP three']);
  });

  it('a line break in a value cannot make a header', () => {
    const message = new SipRequest('MESSAGE', 'sip:b@x\r\nX: 1').append('Subject', 'a\r\nX: 1');
    message.set('From', ['<sip:a@x>\r\n\r\nbody']);
    expect(
      new TextDecoder()
        .decode(message.encode())
        .split('\r\n')
        .filter((line) => line.startsWith('X:')),
    ).toEqual([]);
    expect(new TextDecoder().decode(new SipResponse(200, 'OK\r\nX: 1').encode())).not.toContain('\nX:');
  });

  it('a clone changes alone', () => {
    const message = invite();
    message.clone().set('Subject', 'other').remove('Via').body = text('x');
    expect(message.get('subject')).toBe('one, two');
    expect(message.all('via')).toHaveLength(3);
    expect(message.text).toBe('hi');
  });

  it('responseTo copies what RFC 3261 8.2.6 names, and tags To only once', () => {
    const response = responseTo(invite(), 486, { toTag: 'mine' });
    expect(response.all('via')).toHaveLength(3);
    expect([response.get('from'), response.get('to'), response.callId, response.get('cseq'), response.reason]).toEqual([
      '<sip:a@x>;tag=1',
      '<sip:b@x>;tag=mine',
      'c',
      '1 INVITE',
      'Busy Here',
    ]);
    expect(responseTo(invite().set('To', '<sip:b@x>;tag=old'), 200, { toTag: 'mine' }).toTag).toBe('old');
  });
});
