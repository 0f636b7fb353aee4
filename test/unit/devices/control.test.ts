import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/log';
import { DeviceControl, deviceControlType, maxControlBytes } from '../../../main/devices/control';
import type { IncomingPager, OutgoingPager } from '../../../main/sip/client';
import type { DeviceValue } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import { incomingPager, remoteParty } from '../../support/doubles/cpm-lab';
import { VirtualClock } from '../../support/doubles/virtual-clock';

const ALICE = 'sip:alice@lab.test';
const HERE = 'urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6';
const THERE = 'urn:uuid:11111111-2222-4333-8444-555555555555';

const device = (more: Partial<DeviceValue> = {}): DeviceValue => ({
  instanceId: THERE,
  name: 'Tablet',
  nickname: 'quiet lantern',
  self: false,
  contact: 'sip:alice@127.0.0.1:5999',
  expires: 600,
  expiresAt: 0,
  capabilities: [],
  pubGruu: `${ALICE};gr=${THERE}`,
  state: 'active',
  lastEvent: null,
  duplicate: null,
  ...more,
});

function lab(answer: AppError | null = null) {
  const sent: OutgoingPager[] = [];
  const signedOutBy: string[] = [];
  const control = new DeviceControl({
    clock: new VirtualClock(),
    log: silentLogger,
    sip: {
      sendPager: async (pager) => {
        sent.push(pager);
        if (answer !== null) throw answer;
        return { status: 200 };
      },
    },
    self: { aor: ALICE, instanceId: HERE, deviceName: () => 'Laptop' },
    signOut: async (by) => {
      signedOutBy.push(by);
    },
  });
  return { control, sent, signedOutBy };
}

const order = (body: string, from = remoteParty(ALICE)) => incomingPager(from, deviceControlType, body);
const withContribution = (pager: IncomingPager, contributionId = ''): IncomingPager => ({
  ...pager,
  headers: { ...pager.headers, contributionId },
});
const signOut = (instanceId = HERE) => JSON.stringify({ do: 'signOut', instanceId, from: 'Tablet' });

describe('what one device asks of another', () => {
  it('R8: is sent to its public GRUU, or names its instance if it has none', async () => {
    const { control, sent } = lab();
    expect((await control.test(device(), 'Test')).by).toBe('gruu');
    expect((await control.test(device({ pubGruu: null }), 'Test')).by).toBe('instance');
    expect(sent.map(({ target, acceptContactInstance }) => [target, acceptContactInstance])).toEqual([
      [`${ALICE};gr=${THERE}`, undefined],
      [ALICE, THERE],
    ]);
  });

  it('a test of this very device names it beside its GRUU, and what comes back is no message to the person', async () => {
    const { control, sent } = lab();
    const testing = control.test(device({ self: true, instanceId: HERE, pubGruu: `${ALICE};gr=${HERE}` }), 'Test');
    const [pager] = sent;
    expect(pager).toMatchObject({ target: `${ALICE};gr=${HERE}`, acceptContactInstance: HERE });
    const back = withContribution(incomingPager(remoteParty(ALICE), pager?.contentType ?? '', 'Test'), pager?.contributionId);
    expect(await control.receive(back)).toBe(200);
    await testing;
    // Afterwards, and from anybody else, it is a message like any other.
    expect(await control.receive(back)).toBeNull();
  });

  it('somebody else’s message with the name of a test is none', async () => {
    const { control, sent } = lab();
    const testing = control.test(device({ self: true, instanceId: HERE }), 'Test');
    const contributionId = sent[0]?.contributionId;
    expect(
      await control.receive(withContribution(incomingPager(remoteParty('sip:bob@lab.test'), 'message/cpim', 'Test'), contributionId)),
    ).toBeNull();
    await testing;
  });

  it('is not sent to a device that is gone, or that has no instance ID', async () => {
    const { control, sent } = lab();
    await expect(control.test(device({ state: 'terminated' }), 'Test')).rejects.toMatchObject({ code: 'device/unknown' });
    await expect(control.test(device({ instanceId: 'sip:alice@192.0.2.1' }), 'Test')).rejects.toMatchObject({ code: 'device/unknown' });
    expect(sent).toEqual([]);
  });

  it.each([
    [415, 'device/refuses'],
    [403, 'device/refuses'],
    [405, 'device/refuses'],
    [480, 'device/unknown'],
    [404, 'device/unknown'],
    [500, 'sip/rejected'],
  ])('answered %i when it was to sign out, is told as %s, with the other side’s words', async (status, code) => {
    const { control } = lab(new AppError('sip/rejected', { status, reason: 'No' }, 'user'));
    await expect(control.signOut(device())).rejects.toMatchObject({ code, detail: { status, reason: 'No' } });
  });

  it('is honoured of a device of the same person', async () => {
    const { control, signedOutBy } = lab();
    expect(await control.receive(order(signOut()))).toBe(200);
    expect(signedOutBy).toEqual(['Tablet']);
  });

  it.each([
    ['the network does not vouch for', signOut(), remoteParty(ALICE, { asserted: false }), 403],
    ['comes from somebody else', signOut(), remoteParty('sip:bob@lab.test'), 403],
    ['means another device', signOut(THERE), remoteParty(ALICE), 404],
    ['asks for what is not known', '{"do":"dance","instanceId":"x","from":"y"}', remoteParty(ALICE), 400],
    ['is no JSON', '{', remoteParty(ALICE), 400],
    ['is a list', '[]', remoteParty(ALICE), 400],
    ['is too long', signOut() + ' '.repeat(maxControlBytes), remoteParty(ALICE), 400],
  ])('does nothing when it %s', async (_title, body, from, status) => {
    const { control, signedOutBy } = lab();
    expect(await control.receive(order(body, from))).toBe(status);
    expect(signedOutBy).toEqual([]);
  });

  it('leaves every other message alone', async () => {
    const { control } = lab();
    expect(await control.receive({ ...order(''), contentType: 'message/cpim' })).toBeNull();
  });
});
