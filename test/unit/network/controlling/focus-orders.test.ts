/** The Controlling Function while it makes a group: whatever its people do, in every order that SIP allows, it comes to the end that the order demands. */
import { describe, expect, it } from 'vitest';
import { ControllingFunction } from '../../../../network/controlling/controlling';
import { CLOSING_GRACE_MS } from '../../../../network/controlling/focus';
import { INVITATION_TIMEOUT_MS } from '../../../../network/controlling/inviting';
import { MsrpSwitch } from '../../../../network/msrp/switch';
import { uriOf } from '../../../../network/sip/header-value';
import { responseTo, SipRequest, type SipResponse } from '../../../../network/sip/message';
import { SipServer } from '../../../../network/sip/sip-server';
import type { ClientTransaction, ServerTransaction } from '../../../../network/sip/transaction';
import { sdp } from '../../../support/doubles/controlling-lab';
import { connectServers, settle, VirtualClock } from '../../../support/doubles/network-doubles';

const factory = 'sip:conference-factory@lab.test';

let count = 0;

function requestOf(name: string, method: string, uri: string): SipRequest {
  count += 1;
  return new SipRequest(method, uri)
    .append('Max-Forwards', '70')
    .append('From', `<sip:${name}@lab.test>;tag=${name}-${count}`)
    .append('To', `<${uri}>`)
    .append('Call-ID', `${name}-${count}`)
    .append('CSeq', `1 ${method}`)
    .append('Contact', `<sip:${name}@lab.test;gr=laptop>`)
    .append('P-Asserted-Identity', `<sip:${name}@lab.test>`)
    .append('Contribution-ID', 'group-1')
    .append('Conversation-ID', 'conversation-1');
}

function creation(): SipRequest {
  const entries = ['bob', 'carol'].map((name) => `<entry uri="sip:${name}@lab.test"/>`).join('');
  const list = `<?xml version="1.0"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`;
  const parts = [
    `--b\r\nContent-Type: application/sdp\r\n\r\n${sdp('alice', 'actpass')}\r\n`,
    `--b\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n${list}\r\n--b--\r\n`,
  ];
  return requestOf('alice', 'INVITE', factory)
    .append('Require', 'recipient-list-invite')
    .setBody('multipart/mixed;boundary=b', parts.join(''));
}

interface Dialog {
  request: SipRequest;
  response: SipResponse;
  isCaller: boolean;
}

/** Alice has asked for a group with Bob and Carol; the test is everybody and the core between them. */
async function asked() {
  const clock = new VirtualClock();
  const core = new SipServer({ clock });
  const server = new SipServer({ clock });
  const { atA: toCf, atB: toCore } = connectServers(core, server);
  const media = new MsrpSwitch({ clock });
  const cf = new ControllingFunction({ server, media, core: toCore, factory, host: 'cf.lab.test', resolve: () => toCore });
  const invites = new Map<string, ServerTransaction>();
  const byes: { to: string; reason: string }[] = [];
  core.onRequest = (transaction) => {
    const { request } = transaction;
    const to = /sip:([^@;]+)/.exec(request.uri)?.[1] ?? '';
    if (request.method === 'INVITE') {
      // A phone that is slow to hear of a CANCEL: its 200 crosses it.
      invites.set(to, transaction);
      transaction.onCancel = () => undefined;
      return;
    }
    if (request.method === 'BYE') byes.push({ to, reason: request.get('reason') ?? '' });
    transaction.reply(200);
  };
  const create: ClientTransaction = core.request(creation(), toCf, {});
  let answer: SipResponse | null = null;
  void create.final.then((response) => {
    answer = response;
  });
  await settle();
  const dialogs = new Map<string, Dialog>();
  const inDialog = ({ request, response, isCaller }: Dialog, method: string) =>
    new SipRequest(method, uriOf((isCaller ? response : request).get('contact') ?? ''))
      .append('Max-Forwards', '70')
      .append('From', (isCaller ? request.get('from') : response.get('to')) ?? '')
      .append('To', (isCaller ? response.get('to') : request.get('from')) ?? '')
      .append('Call-ID', request.callId)
      .append('CSeq', `2 ${method}`)
      .append('P-Asserted-Identity', ((isCaller ? request.get('from') : response.get('to')) ?? '').replace(/;.*/, ''));
  return {
    cf,
    clock,
    byes,
    answer: () => answer,
    respond(name: string, status: number) {
      const invite = invites.get(name);
      if (invite === undefined) throw new Error(`${name} was not invited`);
      const response = responseTo(invite.request, status, { toTag: `${name}-tag` });
      if (status < 300) response.set('Contact', `<sip:${name}@lab.test;gr=laptop>`).setBody('application/sdp', sdp(name, 'active'));
      invite.respond(response);
      if (status < 300) dialogs.set(name, { request: invite.request, response, isCaller: false });
    },
    cancel: () => create.cancel(),
    /** BYE with the wish to leave; null where there is no dialog yet. */
    async leave(name: string): Promise<number | null> {
      const dialog =
        name === 'alice' && answer !== null ? { request: create.request, response: answer, isCaller: true } : dialogs.get(name);
      if (dialog === undefined || dialog.response.status >= 300) return null;
      const request = inDialog(dialog, 'BYE').append('Reason', 'SIP;cause=200;text="Call completed"');
      return (await core.request(request, toCf, {}).final).status;
    },
    async subscribe(name: string): Promise<number> {
      const focus = cf.groups()[0]?.focus ?? '';
      const request = requestOf(name, 'SUBSCRIBE', focus).append('Event', 'conference').append('Expires', '600');
      return (await core.request(request, toCf, {}).final).status;
    },
    connected: () =>
      cf
        .groups()
        .filter((group) => group.active)
        .flatMap((group) =>
          group.participants.filter((one) => one.status === 'connected').map((one) => /sip:([^@]+)/.exec(one.address)?.[1]),
        ),
  };
}

/** Every order of some steps in which each comes after the one that it needs. */
function orders(steps: readonly string[], needs: Readonly<Record<string, string>>): string[][] {
  if (steps.length === 0) return [[]];
  return steps
    .filter((step) => !steps.includes(needs[step] ?? ''))
    .flatMap((step) => {
      const others = steps.filter((other) => other !== step);
      return orders(others, needs).map((rest) => [step, ...rest]);
    });
}

/** What the order demands: who is in at the end, and what Alice has heard. */
function demanded(order: readonly string[], refusals: readonly string[]) {
  const inside = new Set<string>();
  let heard: number | null = null;
  let open = 2;
  let isOver = false;
  for (const step of order) {
    const [name = '', what] = step.split(' ');
    if (what === '200') {
      open -= 1;
      if (!isOver) inside.add(name);
      if (heard === null) {
        heard = 200;
        inside.add('alice');
      }
    } else if (refusals.includes(step)) {
      open -= 1;
      if (heard === null && open === 0) {
        // The only two answers of these stories: somebody declined with 603, and somebody was away.
        heard = order.filter((one) => refusals.includes(one)).every((one) => one.endsWith('603')) ? 603 : 486;
        isOver = true;
      }
    } else if (what === 'CANCEL' && heard === null) {
      heard = 487;
      isOver = true;
    } else if (what === 'BYE') inside.delete(name);
  }
  return { heard, inside: isOver ? [] : [...inside].sort() };
}

const stories = [
  { who: 'both accept', steps: ['bob 200', 'carol 200', 'alice CANCEL', 'bob BYE', 'bob SUBSCRIBE'], refusals: [] },
  { who: 'Bob declines', steps: ['bob 603', 'carol 200', 'alice CANCEL', 'alice BYE', 'carol SUBSCRIBE'], refusals: ['bob 603'] },
  { who: 'Bob is away, Carol declines', steps: ['bob 480', 'carol 603', 'alice CANCEL'], refusals: ['bob 480', 'carol 603'] },
  { who: 'both decline', steps: ['bob 603', 'carol 603', 'alice CANCEL'], refusals: ['bob 603', 'carol 603'] },
];
const needs = { 'bob BYE': 'bob 200' };

describe('the Controlling Function', () => {
  it.each([...stories])('R61 R65 R68 R69: $who: in every order it ends as the order demands', async ({ steps, refusals }) => {
    for (const order of orders(steps, needs)) {
      const what = order.join(', ');
      const story = await asked();
      let isOver = false;
      for (const step of order) {
        const [name = '', act = ''] = step.split(' ');
        if (act === 'CANCEL') story.cancel();
        else if (act === 'BYE') await story.leave(name);
        else if (act === 'SUBSCRIBE') {
          const status = await story.subscribe(name);
          const isIn = story.connected().includes(name);
          // Only who is in may watch; of a group that is over there is nothing to watch.
          expect(status, `${step} in ${what}`).toBe(isIn ? 200 : isOver ? 404 : 403);
        } else story.respond(name, Number(act));
        await settle();
        isOver = story.connected().length === 0;
      }
      const { heard, inside } = demanded(
        // A BYE of Alice counts only once she has a dialog.
        order.filter((step, index) => step !== 'alice BYE' || demanded(order.slice(0, index), refusals).heard === 200),
        refusals,
      );
      expect(story.answer()?.status, what).toBe(heard);
      expect(story.connected().sort(), what).toEqual(inside);
      // A person who accepts after the group was given up is told so, and no invitation stays open.
      if (heard === 487) {
        const accepted = order.filter((step) => step.endsWith(' 200')).map((step) => step.split(' ')[0]);
        expect(story.byes.map(({ to }) => to).sort(), what).toEqual(accepted.sort());
      }
      story.clock.advance(Math.max(CLOSING_GRACE_MS, INVITATION_TIMEOUT_MS) + 1);
      await settle();
      expect(story.connected().sort(), what).toEqual(inside.length < 2 ? [] : inside);
      story.cf.close();
    }
  });
});
