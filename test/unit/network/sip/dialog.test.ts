import { describe, expect, it } from 'vitest';
import { Dialog, dialogIdOf, newRequest } from '../../../../network/sip/dialog';
import type { SipRequest } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ServerTransaction } from '../../../../network/sip/transaction';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

/** A confirmed dialog, both ends, with two record-routing hops between. */
async function established() {
  const clock = new VirtualClock();
  const [a, b] = [new SipServer({ clock }), new SipServer({ clock })];
  const { atA, atB } = connectServers(a, b);
  const got: ServerTransaction[] = [];
  const acks: SipRequest[] = [];
  const uas: Dialog[] = [];
  b.onAck = (ack) => acks.push(ack);
  b.onRequest = (transaction) => {
    if (transaction.request.toTag !== null) {
      got.push(transaction);
      return;
    }
    const dialog = Dialog.ofReceived(b, transaction, '<sip:grp@cf>;isfocus', () => atB);
    uas.push(dialog);
    transaction.respond(dialog.response(transaction, 180));
    transaction.respond(dialog.response(transaction, 200));
  };
  const backwards: ServerTransaction[] = [];
  a.onRequest = (transaction) => backwards.push(transaction);
  const invite = newRequest('INVITE', 'sip:grp@cf', { from: '"A" <sip:a@x>', to: '<sip:grp@cf>', contact: '<sip:a@x;gr=1>' });
  invite.append('Record-Route', '<sip:p2;lr>').append('Record-Route', '<sip:p1;lr>');
  const response = await a.request(invite, atA).final;
  const uac = Dialog.ofSent(a, invite, response, () => atA);
  const [other] = uas;
  if (uac === null || other === undefined) throw new Error('no dialog');
  return { uac, uas: other, got, backwards, acks, response };
}

describe('a dialog', () => {
  it('is the same seen from both ends; routes run in opposite orders; the 200 carries tag, Contact and Record-Route', async () => {
    const { uac, uas, response } = await established();
    expect([uac.state, uas.state]).toEqual(['confirmed', 'confirmed']);
    expect(uac.id.split('|')).toEqual([uas.callId, uas.remoteTag, uas.localTag]);
    expect(uas.routeSet).toEqual(['<sip:p2;lr>', '<sip:p1;lr>']);
    expect(uac.routeSet).toEqual(['<sip:p1;lr>', '<sip:p2;lr>']);
    expect([uac.remoteTarget, uas.remoteTarget]).toEqual(['sip:grp@cf', 'sip:a@x;gr=1']);
    expect(response.get('contact')).toBe('<sip:grp@cf>;isfocus');
  });

  it('ACK repeats the CSeq number of the INVITE and belongs to the dialog', async () => {
    const { uac, uas, acks } = await established();
    uac.ack();
    await settle();
    expect(acks[0]?.cseq).toEqual({ number: 1, method: 'ACK' });
    expect(dialogIdOf(acks[0] ?? newRequest('ACK', 'x:y', { from: '', to: '' }))).toBe(uas.id);
  });

  it('R77: the callee ends it along the reversed route, with a reason, and later requests are 481', async () => {
    const { uac, uas, backwards } = await established();
    uas.bye('SIP;cause=200;text="Call completed"');
    await settle();
    const [bye] = backwards;
    expect(bye?.request.all('route')).toEqual(['<sip:p2;lr>', '<sip:p1;lr>']);
    expect(bye?.request.uri).toBe('sip:a@x;gr=1');
    expect(bye?.request.get('reason')).toBe('SIP;cause=200;text="Call completed"');
    expect(bye === undefined ? 0 : uac.receive(bye.request)).toBeNull();
    expect([uac.state, uas.state]).toEqual(['ended', 'ended']);
    expect(uac.receive(uas.request('INFO'))).toBe(481);
  });

  it('an old CSeq is 500; a new Contact moves the target; 481 to a request ends it', async () => {
    const { uac, uas, got } = await established();
    const info = uac.request('INFO');
    const update = uac.request('UPDATE', '<sip:a@elsewhere>');
    expect(uas.receive(update)).toBeNull();
    expect(uas.remoteTarget).toBe('sip:a@elsewhere');
    expect(uas.receive(info)).toBe(500);
    uac.send(uac.request('INFO'));
    await settle();
    got[0]?.reply(481);
    await settle();
    expect(uac.state).toBe('ended');
  });
});
