/** The calls of the contract about one's own devices: their list, the name and the services of this one, and how its chats are carried. */
import type { Account } from './account/account';
import { cleanDeviceName } from './account/device-name';
import { signInTable } from './account/sign-in-options';
import type { Handlers } from './calls';
import type { Which } from './which-account';

export interface DeviceCallDeps {
  /** Asked at every call. @throws AppError the answer to the call, where nobody is signed in, or it is not clear which account is meant */
  account(which: Which): Account;
}

export function deviceCalls({ account }: DeviceCallDeps) {
  const untold = (one: Account) => (one.value.untold ? { untold: true as const } : {});
  return {
    devices: (which) => account(which).freshDevices(),
    renameDevice: async ({ name, ...which }) => {
      const deviceName = cleanDeviceName(name);
      const one = account(which);
      await one.rename(deviceName);
      return { name: deviceName, ...untold(one) };
    },
    capabilities: ({ address, ...which }) => account(which).capabilitiesOf(address),
    testDevice: ({ instanceId, text, ...which }) => account(which).testDevice(instanceId, text),
    signOutDevice: async ({ instanceId, ...which }) => {
      await account(which).signOutDevice(instanceId);
      return {};
    },
    ownDevices: (which) => account(which).ownDevices,
    startPairing: async ({ instanceId, ...which }) => {
      const one = account(which);
      await one.freshDevices();
      one.equal.startPairing(instanceId);
      return {};
    },
    typePairingCode: async ({ code, ...which }) => {
      await account(which).equal.type(code);
      return {};
    },
    confirmPairing: ({ history, ...which }) => {
      account(which).equal.confirm(history);
      return {};
    },
    cancelPairing: (which) => {
      account(which).equal.cancel();
      return {};
    },
    fetchHistory: ({ history, ...which }) => {
      account(which).equal.fetchHistory(history);
      return {};
    },
    removeDevice: ({ instanceId, erase, ...which }) => account(which).removeDevice(instanceId, erase),
    signOutEverywhere: async (which) => {
      await account(which).signOutEverywhere();
      return {};
    },
    setCapability: async ({ name, on, ...which }) => {
      const one = account(which);
      await one.setCapability(name, on);
      return untold(one);
    },
    setMedia: async ({ account: address, ...wanted }) => {
      const one = account({ account: address });
      const before = one.value;
      const kept = { mediaTls: before.mediaTls, ...(before.msrpRelay === null ? {} : { msrpRelay: before.msrpRelay }) };
      const { mediaTls = 'auto', msrpRelay = null } = signInTable.check(wanted, kept);
      await one.setMedia({ mediaTls, msrpRelay });
      return { mediaTls, msrpRelay };
    },
    gaps: (which) => account(which).gaps(which.conversation),
    writeAs: ({ address, ...which }) => {
      account(which).writeAs(address, which.conversation);
      return {};
    },
  } satisfies Partial<Handlers>;
}
