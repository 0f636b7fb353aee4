import { MonitorSmartphone, X } from 'lucide-react';
import { useChorus, useDesk, useServices } from '../desk/desk';
import { Banner } from '../parts/Banner';
import { isolated } from '../words/person';
import { words } from '../words/text';

/** Put away until the window is opened again. */
const OFFER = 'pairing-offer';

/** On a new device: where the chats can come from. On an older one: that a new device asks. It never takes the focus. */
export function PairingNotice() {
  const { desk } = useServices();
  const { paired, pairing } = useChorus((state) => state.ownDevices);
  const isRegistered = useChorus((state) => state.registration.state === 'registered');
  const others = useChorus((state) => state.devices.some(({ self, state: its }) => !self && its === 'active'));
  const isPutAway = useDesk((state) => state.dismissed.has(OFFER));
  // There the page itself offers it.
  const isToldThere = useDesk((state) => state.place === 'devices');
  const open = () => desk.set({ dialog: { dialog: 'pair' } });
  const icon = <MonitorSmartphone size={18} strokeWidth={1.75} />;
  const act = (label: string) => (
    <button type="button" className="button tight" data-testid="pairing-open" onClick={open}>
      {label}
    </button>
  );
  if (pairing?.side === 'older' && pairing.state === 'code') {
    return (
      <div role="alert">
        <Banner kind="warn" icon={icon} title={words.pair.asks(isolated(pairing.name))} testId="pairing-asked" act={act(words.pair.answer)}>
          {words.pair.asksBody}
        </Banner>
      </div>
    );
  }
  if (paired || !isRegistered || !others || isPutAway || isToldThere || pairing?.side === 'older') return null;
  return (
    <Banner
      icon={icon}
      title={`${words.pair.offer}.`}
      testId="pairing-offer"
      act={
        <>
          {act(words.pair.start)}
          <button
            type="button"
            className="icon-button"
            aria-label={words.dismiss}
            title={words.dismiss}
            onClick={() => desk.set({ dismissed: new Set([...desk.cell.get().dismissed, OFFER]) })}
          >
            <X size={16} strokeWidth={1.75} />
          </button>
        </>
      }
    >
      {words.pair.offerBody}
    </Banner>
  );
}
