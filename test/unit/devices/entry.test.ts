import { describe, expect, it } from 'vitest';
import { deviceValue, type Entry, ownDevice } from '../../../main/devices/entry';
import { entryTarget } from '../../../protocol/resource-lists';

const AOR = 'sip:alice@lab.test';
const IMEI = 'urn:gsma:imei:90420156-025763-0';
const entry: Entry = {
  ...{ contact: 'sip:alice@127.0.0.1:5060;transport=tcp', id: null, instanceId: IMEI, name: 'Phone', expires: 600, toldAt: 0, icsis: [] },
  ...{ pubGruu: null, state: 'active', lastEvent: null },
};

describe('an own device that a group invites', () => {
  it('R9: is its GRUU, where it has one', () => {
    const gruu = `${AOR};gr=urn:uuid:1`;
    const device = ownDevice(deviceValue({ ...entry, pubGruu: gruu }, IMEI), AOR);
    expect([device?.target, device?.isAt(gruu), device?.isAt(`${AOR};gr=urn:uuid:2`), device?.isAt(entry.contact)]).toEqual([
      gruu,
      true,
      false,
      false,
    ]);
  });

  it('R8: is the person, with the instance of the device alone, where there are no GRUUs', () => {
    const device = ownDevice(deviceValue(entry, IMEI), AOR);
    const target = entryTarget(device?.target ?? '');
    expect(target.ok && target.value).toMatchObject({ uri: AOR, acceptContactInstance: IMEI });
    expect([device?.isAt('sip:alice@127.0.0.1:5060'), device?.isAt('sip:alice@127.0.0.1:5061')]).toEqual([true, false]);
  });

  it('is nothing, where neither names it', () => {
    expect(ownDevice(deviceValue(entry, entry.contact), AOR)).toBeNull();
    expect(ownDevice(deviceValue(entry, IMEI), 'tel:+4930123')).toBeNull();
  });
});
