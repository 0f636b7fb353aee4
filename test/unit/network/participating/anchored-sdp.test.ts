import { describe, expect, it } from 'vitest';
import { type AnchorPlace, anchoredSdp } from '../../../../network/participating/anchored-sdp';

const place: AnchorPlace = {
  host: 'relay.test',
  port: 12_855,
  path: ['msrp://relay.test:12855/x;tcp'],
  setup: 'passive',
  fingerprint: null,
};
const offer = [
  ...['v=0', 'o=alice 1 2 IN IP4 10.0.0.1', 's=Alice', 'c=IN IP4 10.0.0.1', 't=0 0'],
  ...['m=audio 4002 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000', 'm=message 7001 TCP/MSRP *', 'a=path:msrp://10.0.0.1:7001/a;tcp', ''],
].join('\r\n');
const linesOf = (changed: AnchorPlace, hides = true) => anchoredSdp(offer, changed, hides).split('\r\n');

describe('the SDP of an anchored session', () => {
  it('names the port of the relay for the media, and none for any other stream', () => {
    expect(linesOf(place).filter((line) => line.startsWith('m='))).toEqual(['m=audio 0 RTP/AVP 0', 'm=message 12855 TCP/MSRP *']);
  });

  it('names port 9 where the relay connects (RFC 4145)', () => {
    expect(linesOf({ ...place, setup: 'active' })).toContain('m=message 9 TCP/MSRP *');
  });

  it('tells nothing of the sender who hides', () => {
    expect(linesOf(place).join()).not.toMatch(/alice|10\.0\.0\.1|7001|4002/i);
  });
});
