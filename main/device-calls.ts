/** The calls of the contract about one's own devices: their list, the name and the services of this one, and how its chats are carried. */
import type { Account } from './account/account';
import { cleanDeviceName } from './account/device-name';
import { signInTable } from './account/sign-in-options';
import type { Handlers } from './calls';

export interface DeviceCallDeps {
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in */
  account(): Account;
}

export function deviceCalls({ account }: DeviceCallDeps) {
  const untold = () => (account().value.untold ? { untold: true as const } : {});
  return {
    devices: () => account().freshDevices(),
    renameDevice: async ({ name }) => {
      const deviceName = cleanDeviceName(name);
      await account().rename(deviceName);
      return { name: deviceName, ...untold() };
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
      await account().setCapability(name, on);
      return untold();
    },
    setMedia: async (wanted) => {
      const before = account().value;
      const kept = { securesMedia: before.securesMedia, ...(before.msrpRelay === null ? {} : { msrpRelay: before.msrpRelay }) };
      const { securesMedia = false, msrpRelay = null } = signInTable.check(wanted, kept);
      await account().setMedia({ securesMedia, msrpRelay });
      return { securesMedia, msrpRelay };
    },
    writeAs: ({ address, conversation }) => {
      account().writeAs(address, conversation);
      return {};
    },
  } satisfies Partial<Handlers>;
}
