/** The devices of one's own address, as the registrar's binding list tells them (R30), in words a person knows. */
import type { DeviceValue } from '../../preload/contract';
import { ICSI } from '../protocol/feature-tags';
import { nickname, sameInstance } from '../protocol/instance-urn';
import type { Binding } from '../sip/client';

const capabilityOf: Record<string, string> = {
  [ICSI.session]: 'session',
  [ICSI.group]: 'group',
  [ICSI.msg]: 'pager',
  [ICSI.largemsg]: 'large',
  [ICSI.filetransfer]: 'file',
};

/** One value a device, this one first. A binding without an instance ID is shown by its contact. */
export function devicesOf(bindings: readonly Binding[], self: { instanceId: string; deviceName: string }): DeviceValue[] {
  const devices = bindings.map((binding): DeviceValue => {
    const isSelf = binding.instanceId !== null && sameInstance(binding.instanceId, self.instanceId);
    return {
      instanceId: binding.instanceId ?? binding.contact,
      name: binding.deviceName ?? (isSelf ? self.deviceName : ''),
      nickname: nickname(binding.instanceId ?? binding.contact),
      self: isSelf,
      contact: binding.contact,
      expires: binding.expires,
      capabilities: binding.icsis.flatMap((urn) => capabilityOf[urn] ?? []),
      pubGruu: binding.pubGruu,
      state: 'active',
    };
  });
  return devices.sort((one, other) => Number(other.self) - Number(one.self));
}
