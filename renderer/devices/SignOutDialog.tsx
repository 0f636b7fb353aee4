import { useState } from 'react';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Choice } from '../parts/Choice';
import { Dialog } from '../parts/Dialog';
import { DialogFoot } from '../parts/DialogFoot';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../words/text';
import { nameOf } from './DeviceCard';
import styles from './Pair.module.css';

type Chats = 'keep' | 'erase';

/** Asks before a device is signed out, and what becomes of its chats; `instanceId` null means every device. */
export function SignOutDialog({ instanceId }: { instanceId: string | null }) {
  const { desk } = useServices();
  const device = useChorus((state) => state.devices.find((each) => each.instanceId === instanceId));
  const isSelf = useChorus((state) => state.account?.instanceId === instanceId);
  const isOut = useChorus((state) => state.registration.error?.code === 'account/signed-out');
  const isPaired = useChorus((state) => instanceId !== null && state.ownDevices.with.includes(instanceId));
  const [chats, setChats] = useState<Chats>(isSelf && isOut ? 'erase' : 'keep');
  const { busy, error, call } = useCall();
  const signOut = async () => {
    const done =
      instanceId === null
        ? await call('signOutEverywhere', {})
        : isSelf
          ? await call('signOut', { chats })
          : chats === 'erase'
            ? await call('removeDevice', { instanceId, erase: true })
            : await call('signOutDevice', { instanceId });
    if (done !== null) desk.closeDialog();
  };
  const name = device === undefined ? words.devices.unnamed : nameOf(device);
  const options = isSelf
    ? ([
        ['keep', words.pair.keep, words.pair.keepBody],
        ['erase', words.pair.erase, words.pair.eraseBody],
      ] as const)
    : ([
        ['keep', words.pair.removeKeep, words.pair.removeKeepBody],
        ['erase', words.pair.removeErase, words.pair.removeEraseBody],
      ] as const);
  const title =
    instanceId === null
      ? words.devices.everywhereTitle
      : isSelf
        ? isOut
          ? words.pair.eraseTitle
          : words.pair.signOutHere
        : words.devices.signOutTitle(name);
  const isErasing = instanceId !== null && chats === 'erase';
  const act = !isErasing ? words.devices.signOut : isSelf ? (isOut ? words.pair.eraseNow : words.pair.signOutErase) : words.pair.remove;
  return (
    <Dialog
      title={title}
      testId="sign-out-dialog"
      onClose={() => desk.closeDialog()}
      foot={
        <DialogFoot
          act={act}
          testId="sign-out-confirm"
          disabled={busy || (isSelf && isOut && chats === 'keep')}
          onAct={() => void signOut()}
          isDangerous
        />
      }
    >
      {isSelf || isPaired ? (
        <Choice<Chats>
          label={words.pair.chats}
          className={styles.choices}
          value={chats}
          onChoose={setChats}
          disabled={busy}
          options={options.map(([value, what, about]) => ({
            value,
            className: styles.choice,
            testId: `sign-out-${value}`,
            content: (
              <>
                <b>{what}</b>
                <span>{about}</span>
              </>
            ),
          }))}
        />
      ) : (
        <p className="sub">{instanceId === null ? words.devices.everywhereBody : words.devices.signOutBody}</p>
      )}
      {error === null ? null : <ErrorNote error={error} who={name} />}
    </Dialog>
  );
}
