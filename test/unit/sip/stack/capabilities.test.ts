import { afterEach, describe, expect, it } from 'vitest';
import {
  closeMemoryLabs,
  MSG_ICSI,
  memoryLab,
  methodOf,
  OTHER_INSTANCE,
  registered,
  registeredLab,
  SESSION_ICSI,
} from '../../../support/doubles/sip-memory';

afterEach(closeMemoryLabs);

describe('asking for capabilities', () => {
  it('R76: reads the services, the device and the methods of the answer', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => {
      if (methodOf(request) !== 'OPTIONS') return;
      const contact = `"Bob's phone" <sip:bob@192.0.2.1>;+sip.instance="<${OTHER_INSTANCE}>";+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session,urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.msg"`;
      server.reply(request, { status: 200, headers: [`Contact: ${contact}`, 'Allow: INVITE, MESSAGE'] });
    };
    expect(await lab.client.queryCapabilities('sip:bob@lab.test')).toEqual({
      icsis: [SESSION_ICSI, MSG_ICSI],
      instanceId: OTHER_INSTANCE,
      deviceName: "Bob's phone",
      methods: ['INVITE', 'MESSAGE'],
    });
    const [request] = lab.server.requests('OPTIONS');
    expect(request?.start).toMatchObject({ uri: 'sip:bob@lab.test' });
    expect(request?.first('to')).toBe('<sip:bob@lab.test>');
  });

  it('an answer without capabilities is not a failure; a refusal is', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => server.reply(request, { status: 200 });
    expect(await lab.client.queryCapabilities('sip:bob@lab.test')).toEqual({ icsis: [], instanceId: null, deviceName: null, methods: [] });
    lab.server.onRequest = (request, server) => server.reply(request, { status: 480, reason: 'Away' });
    await expect(lab.client.queryCapabilities('sip:bob@lab.test')).rejects.toMatchObject({ code: 'sip/rejected', detail: { status: 480 } });
  });

  it('a lost flow ends the question', async () => {
    const lab = await registeredLab();
    lab.server.onRequest = (request, server) => methodOf(request) === 'REGISTER' && server.reply(request, registered(request));
    const asked = lab.client.queryCapabilities('sip:bob@lab.test').catch((error: unknown) => error);
    lab.server.cut();
    expect(await asked).toMatchObject({ code: 'net/unreachable' });
  });

  it('R14: nobody is asked before the registration', async () => {
    await expect(memoryLab().client.queryCapabilities('sip:bob@lab.test')).rejects.toMatchObject({ code: 'sip/not-registered' });
  });
});
