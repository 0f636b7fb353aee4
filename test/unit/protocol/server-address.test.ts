import { describe, expect, it } from 'vitest';
import { parseServer } from '../../../protocol/server-address';

const read = (text: string) => {
  const server = parseServer(text);
  return server.ok ? server.value : server.reason;
};

describe('parseServer', () => {
  it.each([
    ['sip:lab.test', { host: 'lab.test', port: null, transport: null, isSecure: false, path: '/' }],
    ['sip:127.0.0.1:5070;transport=tcp', { host: '127.0.0.1', port: 5070, transport: 'tcp', isSecure: false, path: '/' }],
    ['sip:lab.test;transport=TLS', { host: 'lab.test', port: null, transport: 'tls', isSecure: false, path: '/' }],
    ['sip:[::1]:5071;transport=ws', { host: '::1', port: 5071, transport: 'ws', isSecure: false, path: '/' }],
    ['sips:lab.test', { host: 'lab.test', port: null, transport: null, isSecure: true, path: '/' }],
    ['sips:lab.test;transport=tcp', { host: 'lab.test', port: null, transport: 'tls', isSecure: true, path: '/' }],
    ['sips:lab.test:443;transport=ws', { host: 'lab.test', port: 443, transport: 'wss', isSecure: true, path: '/' }],
    ['wss://sip.lab.test/ws?room=1', { host: 'sip.lab.test', port: 443, transport: 'wss', isSecure: true, path: '/ws?room=1' }],
    ['ws://[::1]:8080', { host: '::1', port: 8080, transport: 'ws', isSecure: false, path: '/' }],
  ])('reads %s', (text, server) => {
    expect(read(text)).toEqual(server);
  });

  it.each(['sip:lab.test;transport=udp', 'tel:+15550100', 'https://lab.test', 'wss://', 'wss://user:secret@lab.test', 'lab.test', ''])(
    'has a reason against %j',
    (text) => {
      expect(read(text)).toEqual(expect.any(String));
    },
  );
});
