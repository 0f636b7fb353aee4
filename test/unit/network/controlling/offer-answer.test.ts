/** What the focus makes of an endpoint's SDP (RFC 3264). */
import { describe, expect, it } from 'vitest';
import { encodeSdp, type MsrpDescription, parseSdp } from '../../../../protocol/sdp';
import { cpim, creation, fixture, sdp } from '../../../support/doubles/controlling-lab';
import { settle } from '../../../support/doubles/network-doubles';

const audio = { media: 'audio', transport: 'RTP/AVP', formats: '0 8' };
const offer = (name: string, change: Partial<MsrpDescription>) => {
  const read = parseSdp(sdp(name, 'actpass'));
  if (!read.ok) throw new Error(read.reason);
  return encodeSdp({ ...read.value, ...change });
};

describe('an offer to the focus', () => {
  it('with more than the MSRP stream is answered m-line by m-line', async () => {
    const { send, answer } = fixture();
    const request = creation(['sip:bob@lab.test']);
    const { client } = await send(
      request.setBody(request.get('content-type') ?? '', request.text.replace('m=message', 'm=audio 4000 RTP/AVP 0 8\r\nm=message')),
    );
    await answer('bob', 200);
    expect((await client.final).text.match(/^m=.*(?= \*$| 0 8$)/gm)).toEqual([
      'm=audio 0 RTP/AVP',
      expect.stringMatching(/^m=message \d+ TCP\/MSRP$/),
    ]);
  });

  it.each([
    ['sendrecv', 'sendrecv', 0],
    ['sendonly', 'recvonly', 1],
    ['recvonly', 'sendonly', 1],
    ['inactive', 'inactive', 1],
  ] as const)('%s is answered with %s; the version grows with what changes', async (direction, answered, grown) => {
    const { group, final, inDialog } = fixture();
    const { dialog } = await group();
    const ask = async (cseq: number, change: Partial<MsrpDescription>) => {
      const request = inDialog(dialog('alice'), 'INVITE').set('CSeq', `${cseq} INVITE`).append('Contact', '<sip:alice@lab.test;gr=laptop>');
      const read = parseSdp((await final(request.setBody('application/sdp', offer('alice', change)))).text);
      if (!read.ok) throw new Error(read.reason);
      return read.value;
    };
    const before = await ask(2, {});
    const after = await ask(3, { direction });
    expect(after).toMatchObject({ direction: answered, path: before.path, version: before.version + grown });
    const wider = await ask(4, { direction, streams: [null, audio] });
    expect(wider).toMatchObject({ streams: [null, audio], version: after.version + 1 });
  });

  it('that takes nothing is sent nothing; what was said meanwhile comes when it takes messages again', async () => {
    const { group, final, inDialog } = fixture();
    const { dialog, person, focus } = await group();
    const ask = async (cseq: number, direction: MsrpDescription['direction']) => {
      const request = inDialog(dialog('alice'), 'INVITE').set('CSeq', `${cseq} INVITE`).append('Contact', '<sip:alice@lab.test;gr=laptop>');
      await final(request.setBody('application/sdp', offer('alice', { direction })));
    };
    await ask(2, 'inactive');
    person('bob').say(cpim('sip:bob@lab.test', [focus], 'Hello'));
    await settle();
    expect([person('alice').heard(), person('carol').heard()]).toEqual([[], ['Hello']]);
    await ask(3, 'sendrecv');
    await settle();
    expect(person('alice').heard()).toEqual(['Hello']);
  });

  it('is told of nobody who types where it takes no such hints, or nothing now', async () => {
    const { group, final, inDialog } = fixture();
    const { dialog, person, focus } = await group();
    const composing = cpim('sip:bob@lab.test', [focus], '<isComposing/>', 'application/im-iscomposing+xml');
    const ask = async (cseq: number, change: Partial<MsrpDescription>) => {
      const request = inDialog(dialog('alice'), 'INVITE').set('CSeq', `${cseq} INVITE`).append('Contact', '<sip:alice@lab.test;gr=laptop>');
      await final(request.setBody('application/sdp', offer('alice', change)));
      expect(person('bob').say(composing)).toMatchObject({ status: 200 });
      await settle();
      return person('alice').heard().length;
    };
    expect(await ask(2, { wrappedTypes: ['text/plain', 'message/imdn+xml'] })).toBe(0);
    expect(await ask(3, { direction: 'inactive' })).toBe(0);
    expect(await ask(4, {})).toBe(1);
    expect(person('carol').heard()).toHaveLength(3);
  });
});

describe('what a member takes (RFC 4975 section 8.6)', () => {
  const imdn = '<imdn/>';
  it.each<[string, Partial<MsrpDescription>, string[]]>([
    ['everything', { acceptTypes: ['message/cpim'], wrappedTypes: ['*'] }, ['Hello', imdn]],
    ['nothing said', { acceptTypes: [], wrappedTypes: [] }, ['Hello', imdn]],
    ['texts in envelopes', { acceptTypes: ['message/cpim'], wrappedTypes: ['text/plain'] }, ['Hello']],
    ['bare texts', { acceptTypes: ['text/plain'], wrappedTypes: [] }, ['text/plain;charset=UTF-8 sip:bob@lab.test: Hello']],
    ['pictures alone', { acceptTypes: ['image/png'], wrappedTypes: [] }, []],
  ])('%s: that is what the focus sends, and the rest stays away', async (_, change, expected) => {
    const { group, final, inDialog } = fixture();
    const { dialog, person, focus } = await group();
    const request = inDialog(dialog('alice'), 'INVITE').set('CSeq', '2 INVITE').append('Contact', '<sip:alice@lab.test;gr=laptop>');
    await final(request.setBody('application/sdp', offer('alice', change)));
    const bob = person('bob');
    expect(bob.say(cpim('sip:bob@lab.test', [focus], 'Hello'))).toMatchObject({ status: 200 });
    expect(bob.say(cpim('sip:bob@lab.test', ['sip:alice@lab.test'], imdn, 'message/imdn+xml'))).toMatchObject({ status: 200 });
    await settle();
    expect(person('alice').heard()).toEqual(expected);
    expect(person('carol').heard()).toEqual(['Hello']);
  });
});
