/** The calls of the contract that are about one's own devices, what this one is, offers and is called, and how its chats are carried. */
import type { AppEventBody } from '../preload/contract';
import type { Account } from './account/account';
import { cleanDeviceName } from './account/device-name';
import type { Handlers } from './calls';
import type { StoredAccount } from './profile/settings';
import { signInParts } from './profile/sign-in-options';

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
    setMedia: async (wanted) => {
      const before = account().value;
      const kept = { securesMedia: before.securesMedia, ...(before.msrpRelay === null ? {} : { msrpRelay: before.msrpRelay }) };
      const { securesMedia = false, msrpRelay = null } = signInParts(wanted, kept);
      await account().setMedia({ securesMedia, msrpRelay });
      keep(({ securesMedia: _secures, msrpRelay: _relay, ...plain }) => ({
        ...plain,
        ...(securesMedia ? { securesMedia } : {}),
        ...(msrpRelay === null ? {} : { msrpRelay }),
      }));
      return { securesMedia, msrpRelay };
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
