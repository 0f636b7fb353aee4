import { MonitorSmartphone } from 'lucide-react';
import { useChorus, useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { isolated } from '../words/person';
import { words } from '../words/text';
import styles from './Devices.module.css';

/** What the page of devices offers to make them hold the same: pairing here, answering a new device, older chats; and who was removed. */
export function Pairing() {
  const { desk } = useServices();
  const { paired, pairing, removals } = useChorus((state) => state.ownDevices);
  const isRegistered = useChorus((state) => state.registration.state === 'registered');
  const hasOthers = useChorus((state) => state.devices.some(({ self, state: its }) => !self && its === 'active'));
  const { busy, error, call } = useCall();
  const isAsked = pairing?.side === 'older' && pairing.state === 'code';
  const open = () => desk.set({ dialog: { dialog: 'pair' } });
  return (
    <>
      {isRegistered && (isAsked || (!paired && hasOthers)) ? (
        <section className={styles.block} data-testid="pairing-section">
          <h2>{isAsked ? words.pair.asks(isolated(pairing.name)) : words.pair.offer}</h2>
          <p>{isAsked ? words.pair.asksBody : words.pair.offerBody}</p>
          <div className={styles.choices}>
            <button type="button" className="button" data-testid="pairing-open-here" onClick={open}>
              <MonitorSmartphone size={16} strokeWidth={1.75} />
              {isAsked ? words.pair.answer : words.pair.start}
            </button>
          </div>
        </section>
      ) : null}
      {paired && hasOthers ? (
        <section className={styles.block}>
          <h2>{words.pair.older}</h2>
          <p>{words.pair.olderBody}</p>
          {error === null ? null : <ErrorNote error={error} />}
          <div className={styles.choices}>
            <button
              type="button"
              className="button"
              disabled={busy}
              data-testid="fetch-history"
              onClick={() => void call('fetchHistory', { history: 'all' })}
            >
              {words.pair.older}
            </button>
          </div>
        </section>
      ) : null}
      {removals.length === 0 ? null : (
        <section className={styles.block} data-testid="removals">
          <h2>{words.pair.removed}</h2>
          {removals.map(({ instanceId, name, state }) => (
            <p key={instanceId} data-state={state}>
              <b className="strong">{name === '' ? words.devices.unnamed : isolated(name)}.</b> {words.pair.removal[state]}
            </p>
          ))}
        </section>
      )}
    </>
  );
}
