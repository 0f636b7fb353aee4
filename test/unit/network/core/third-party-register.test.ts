import { describe, expect, it } from 'vitest';
import { Directory } from '../../../../network/core/directory';
import type { Binding } from '../../../../network/core/registrar';
import { ThirdPartyRegister } from '../../../../network/core/third-party-register';
import type { SipRequest } from '../../../../network/sip/message';
import type { SipServer, Target } from '../../../../network/sip/sip-server';
import { VirtualClock } from '../../../support/doubles/network-doubles';

describe('the third-party REGISTER', () => {
  const clock = new VirtualClock();
  const sent: { request: SipRequest; target: Target }[] = [];
  const server = { clock, request: (request: SipRequest, target: Target) => sent.push({ request, target }) } as unknown as SipServer;
  const alice = new Directory('lab.test', [{ name: 'alice', password: 'secret' }]).find('sip:alice@lab.test');
  if (alice === null) throw new Error('no alice');
  let bindings: Binding[] = [];
  const until = (seconds: number) => ({ expiresAt: clock.now() + seconds * 1000 }) as Binding;
  const register = new ThirdPartyRegister({
    server,
    identity: 'sip:core.lab.test',
    contact: () => 'sip:127.0.0.1:1',
    bindings: () => bindings,
  });
  const told = () => {
    register.tell(alice, 'sip:127.0.0.1:9;transport=tcp');
    return sent.at(-1)?.request;
  };

  it('tells the longest registration of a person, whatever order the devices came in, and 0 when there is none', () => {
    bindings = [until(60), until(600), until(300)];
    expect(told()?.get('expires')).toBe('600');
    clock.advance(300_500);
    expect(told()?.get('expires')).toBe('300');
    bindings = [until(-5)];
    expect(told()?.get('expires')).toBe('0');
    bindings = [];
    expect(told()?.get('expires')).toBe('0');
  });

  it('comes as one registration: the same Call-ID, a rising CSeq, from the core for the person', () => {
    const [one, two] = [told(), told()];
    expect(two?.callId).toBe(one?.callId);
    expect((two?.cseq.number ?? 0) - (one?.cseq.number ?? 0)).toBe(1);
    expect(one?.get('to')).toBe('<sip:alice@lab.test>');
    expect(one?.get('from')).toMatch(/^<sip:core\.lab\.test>;tag=/);
  });
});
