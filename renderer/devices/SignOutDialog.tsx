import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../words/text';
import { nameOf } from './DeviceCard';

/** Asks before a device is signed out; `instanceId` null means every device. */
export function SignOutDialog({ instanceId }: { instanceId: string | null }) {
  const { desk } = useServices();
  const device = useChorus((state) => state.devices.find((each) => each.instanceId === instanceId));
  const { busy, error, call } = useCall();
  const signOut = async () => {
    const done = instanceId === null ? await call('signOutEverywhere', {}) : await call('signOutDevice', { instanceId });
    if (done !== null) desk.closeDialog();
  };
  const name = device === undefined ? words.devices.unnamed : nameOf(device);
  return (
    <Dialog
      title={instanceId === null ? words.devices.everywhereTitle : words.devices.signOutTitle(name)}
      testId="sign-out-dialog"
      onClose={() => desk.closeDialog()}
      foot={<DialogFoot act={words.devices.signOut} testId="sign-out-confirm" disabled={busy} onAct={() => void signOut()} isDangerous />}
    >
      <p className="sub">{instanceId === null ? words.devices.everywhereBody : words.devices.signOutBody}</p>
      {error === null ? null : <ErrorNote error={error} who={name} />}
    </Dialog>
  );
}
