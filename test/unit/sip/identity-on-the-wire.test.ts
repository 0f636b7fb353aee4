import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock';
import { RETRY_BASE_MS } from '../../../main/sip/registration/retry';
import { isContributionId } from '../../../protocol/cpm-headers';
import { closeMemoryLabs, INSTANCE, memoryLab, registered } from '../../support/doubles/sip-memory';

afterEach(closeMemoryLabs);

describe('what names this device and its sessions', () => {
  it('R18: the instance ID stays the same in a hundred refreshes, under another name and at another network address', async () => {
    const lab = memoryLab();
    lab.server.onRequest = (request, server) => server.reply(request, registered(request, 1200));
    await lab.client.registration.register();
    for (let refresh = 0; refresh < 100; refresh += 1) await lab.clock.advance(600_001);
    await lab.client.registration.rename('Kitchen');
    lab.server.cut();
    await lab.clock.advance(RETRY_BASE_MS);
    const contacts = lab.server.requests('REGISTER').map((request) => request.first('contact') ?? '');
    expect(contacts).toHaveLength(103);
    for (const contact of contacts) expect(contact).toContain(`;+sip.instance="<${INSTANCE}>"`);
    expect(new Set(contacts.map((contact) => /@([^;>]+)/.exec(contact)?.[1])).size).toBe(2);
  });

  it('R73: ten thousand IDs of sessions and messages are ten thousand different ones', () => {
    const ids = Array.from({ length: 10_000 }, () => systemClock.uuid());
    expect(new Set(ids).size).toBe(10_000);
    expect(ids.every(isContributionId)).toBe(true);
  });
});
