/** The calls of the contract that are about one's own devices, and what this one is, offers and is called. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account';
import type { Handlers } from './calls';
import { cleanDeviceName } from './identity/device-name';
import type { StoredAccount } from './settings';

export interface DeviceCallDeps {
  /** Asked at every call; throws what is to be answered where nobody is signed in. */
  account(): Account;
  /** Changes the account that is kept on disk, where one is. */
  keep(change: (stored: StoredAccount) => StoredAccount): void;
  announce(event: AppEventBody): void;
}

export function deviceCalls({ account, keep, announce }: DeviceCallDeps) {
  return {
    devices: () => account().freshDevices(),
    renameDevice: async ({ name }) => {
      const deviceName = cleanDeviceName(name);
      await account().rename(deviceName);
      keep((stored) => ({ ...stored, deviceName }));
      return { name: deviceName };
    },
    capabilities: ({ address }) => account().capabilitiesOf(address),
    testDevice: ({ instanceId, text }) => account().testDevice(instanceId, text),
    signOutDevice: async ({ instanceId }) => {
      await account().signOutDevice(instanceId);
      return {};
    },
    signOutEverywhere: async () => {
      await account().signOutEverywhere();
      return {};
    },
    setCapability: async ({ name, on }) => {
      const servicesOff = await account().setCapability(name, on);
      keep((stored) => ({ ...stored, servicesOff }));
      announce({ event: 'account', account: account().value });
      return {};
    },
    writeAs: ({ address, conversation }) => {
      account().writeAs(address, conversation);
      if (conversation !== undefined) return {};
      const { writesAs } = account().value;
      keep(({ writesAs: _, ...plain }) => (writesAs === null ? plain : { ...plain, writesAs }));
      return {};
    },
  } satisfies Partial<Handlers>;
}
