import { useEffect } from 'react';
import { useChorus, useServices } from '../desk/desk';
import { Dialog } from '../parts/Dialog';
import { isolated } from '../words/person';
import { words } from '../words/text';
import { NewDevice } from './NewDevice';
import { TypeDigits } from './TypeDigits';

/** One dialog for both sides of a pairing: what it shows is where that stands. */
export function PairDialog() {
  const { desk, store } = useServices();
  const { pairing, paired } = useChorus((state) => state.ownDevices);
  const isOlder = pairing?.side === 'older' || (pairing === null && paired);
  const isDone = pairing?.side === 'new' && pairing.state === 'paired';
  useEffect(() => {
    if (isDone) desk.closeDialog();
  }, [isDone, desk]);
  // What the person has not answered stays; what has ended is forgotten.
  const close = () => {
    if (pairing !== null && (pairing.state === 'over' || pairing.state === 'paired' || pairing.side === 'new'))
      void store.call('cancelPairing', {});
    desk.closeDialog();
  };
  const title = isOlder ? words.pair.olderTitle(isolated(pairing?.name ?? '')) : words.pair.title;
  return (
    <Dialog title={title} testId="pair-dialog" onClose={close}>
      {isOlder ? <TypeDigits pairing={pairing} onClose={close} /> : <NewDevice pairing={pairing} onClose={close} />}
    </Dialog>
  );
}
