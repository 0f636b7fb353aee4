/** What a session makes of the other side's SDP. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recoveryDelayMs } from '../../../../main/cpm/session/media';
import { encodeCpim } from '../../../../protocol/cpim';
import { createLab, FakeInvite, type Lab, peerSdp, remoteParty } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const bob = 'sip:bob@lab.test';
const textFromBob = () =>
  encodeCpim({
    from: bob,
    to: [lab.self],
    dateTime: lab.clock.now(),
    messageId: 'from-bob',
    dispositions: ['positive-delivery'],
    contentType: 'text/plain',
    body: new TextEncoder().encode('Hi'),
  });

describe('offers and answers (RFC 3264)', () => {
  const audio = { media: 'audio', transport: 'RTP/AVP', formats: '0 8 101' };
  const video = { media: 'video', transport: 'UDP/TLS/RTP/SAVPF', formats: '96' };
  const linesOf = (sdp: string) => sdp.match(/^m=.*$/gm);
  const receive = async (offer: string) => {
    const invite = new FakeInvite({ remote: remoteParty(bob), headers: { contributionId: 'k', conversationId: 'c' }, sdp: offer });
    lab.messenger.incoming.invite(invite);
    await lab.settle();
    return invite;
  };

  it.each([
    ['before it', [audio, null], ['m=audio 0 RTP/AVP 0 8 101', expect.stringMatching(/^m=message [1-9]\d* TCP\/MSRP \*$/)]],
    [
      'around it',
      [audio, null, video],
      ['m=audio 0 RTP/AVP 0 8 101', expect.stringMatching(/^m=message/), 'm=video 0 UDP/TLS/RTP/SAVPF 96'],
    ],
  ])('every other m-line, %s, is answered in its place with port 0', async (_, streams, expected) => {
    const invite = await receive(peerSdp('active', { streams }).replace('m=audio 0', 'm=audio 49170'));
    expect(linesOf(invite.accepted ?? '')).toEqual(expected);
  });

  it('no m-line is left out again: neither in an answer to an offer without it nor in an own offer', async () => {
    const invite = await receive(peerSdp('active', { streams: [null, audio] }));
    const again = (await invite.handleOffer?.(peerSdp('active', { streams: [null, audio, video] }))) ?? '';
    expect(linesOf(again)?.slice(1)).toEqual(['m=audio 0 RTP/AVP 0 8 101', 'm=video 0 UDP/TLS/RTP/SAVPF 96']);
    expect(again).toContain(' 2 IN IP4 ');
    lab.media[0]?.lose();
    await lab.clock.advance(recoveryDelayMs * 2);
    expect(linesOf(invite.reoffered[0] ?? '')).toHaveLength(3);
  });

  it.each([
    ['sendrecv', 'sendrecv'],
    ['sendonly', 'recvonly'],
    ['recvonly', 'sendonly'],
    ['inactive', 'inactive'],
  ] as const)('%s is answered with %s', async (direction, answer) => {
    const invite = await receive(peerSdp('active', { direction }));
    expect(invite.accepted).toContain(`a=${answer}\r\n`);
    expect(await invite.handleOffer?.(peerSdp('active', { direction }))).toBe(invite.accepted);
  });

  it('a stream with port 0 is no stream', async () => {
    const invite = await receive(peerSdp('active', { port: 0 }));
    expect([invite.accepted, invite.rejected]).toEqual([null, 488]);
    const { invite: standing } = await lab.talkTo('sip:carol@lab.test');
    expect(await standing.session.handleOffer?.(peerSdp('active', { port: 0 }))).toBeNull();
  });

  it.each(['inactive', 'sendonly'] as const)(
    'while the other side is %s nothing is sent: texts wait, a receipt goes by MESSAGE',
    async (direction) => {
      const { conversation, invite, media } = await lab.talkTo(bob);
      await invite.session.handleOffer?.(peerSdp('active', { direction }));
      media.sent.length = 0;
      const { message } = lab.messenger.texts.send({ conversation }, 'Later', 'session');
      lab.messenger.texts.composing(conversation, true);
      await media.deliver(textFromBob());
      await lab.settle();
      expect([media.sent, lab.stateOf(message)]).toEqual([[], 'sending']);
      expect(lab.pagers.map(({ body }) => new TextDecoder().decode(body).includes('<delivered/>'))).toEqual([true]);
      await invite.session.handleOffer?.(peerSdp('active'));
      await lab.settle();
      expect(media.sent.map(({ body }) => body.includes('Later'))).toEqual([true]);
      expect(lab.stateOf(message)).toBe('sent');
    },
  );

  it('a text that waits for the other side goes by the next session when this one ends', async () => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    await invite.session.handleOffer?.(peerSdp('active', { direction: 'inactive' }));
    lab.messenger.texts.send({ conversation }, 'Later', 'session');
    await lab.settle();
    invite.session.hangUp();
    await lab.clock.advance(5_000);
    expect(media.sent.filter(({ body }) => body.includes('Later'))).toEqual([]);
    expect(lab.invites).toHaveLength(2);
  });
});

describe('what the other side takes (RFC 4975 section 8.6)', () => {
  const talk = async (accepted: { acceptTypes: string[]; wrappedTypes: string[] }) => {
    const { conversation, invite, media } = await lab.talkTo(bob);
    await invite.session.handleOffer?.(peerSdp('active', accepted));
    media.sent.length = 0;
    lab.pagers.length = 0;
    lab.messenger.texts.send({ conversation }, 'Text', 'session');
    lab.messenger.texts.composing(conversation, true);
    await media.deliver(textFromBob());
    await lab.settle();
    const kind = (body: string | Uint8Array) => {
      const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
      return text.includes('<delivered/>') ? 'receipt' : text.includes('<state>') ? 'composing' : 'text';
    };
    const inSession = media.sent.map(({ contentType, body }) => `${kind(body)} ${contentType.split(';')[0]}`);
    return [...inSession.sort(), ...lab.pagers.map(({ body }) => `${kind(body)} by MESSAGE`)];
  };

  it.each<[string, string[], string[], string[]]>([
    ['everything', ['*'], ['*'], ['composing application/im-iscomposing+xml', 'receipt message/cpim', 'text message/cpim']],
    ['nothing said', [], [], ['composing application/im-iscomposing+xml', 'receipt message/cpim', 'text message/cpim']],
    ['envelopes', ['message/cpim'], [], ['composing message/cpim', 'receipt message/cpim', 'text message/cpim']],
    ['no composing states', ['message/cpim'], ['text/plain', 'message/imdn+xml'], ['receipt message/cpim', 'text message/cpim']],
    ['composing states inside', ['message/cpim'], ['*'], ['composing message/cpim', 'receipt message/cpim', 'text message/cpim']],
    ['no receipts', ['message/cpim'], ['text/*'], ['text message/cpim', 'receipt by MESSAGE']],
    ['bare texts alone', ['text/plain'], [], ['text text/plain', 'receipt by MESSAGE']],
    ['other things', ['message/cpim', 'image/png'], ['image/png'], ['text by MESSAGE', 'receipt by MESSAGE']],
  ])('%s', async (_, acceptTypes, wrappedTypes, expected) => {
    expect((await talk({ acceptTypes, wrappedTypes })).sort()).toEqual([...expected].sort());
  });
});
