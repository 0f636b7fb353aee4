import { CircleAlert, CloudOff, LoaderCircle, LogOut, MonitorSmartphone, TriangleAlert, WifiOff, X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { useChorus, useDesk, useServices } from '../desk/desk';
import { Banner } from '../parts/Banner';
import { cx } from '../parts/cx';
import { duration, useLasting, useNow } from '../words/clock';
import { explain, warningWords } from '../words/errors';
import { fullName } from '../words/person';
import { words } from '../words/text';
import { FillingNotice } from './FillingNotice';
import { InvitationCard } from './InvitationCard';
import styles from './Notices.module.css';
import { PairingNotice } from './PairingNotice';

const narrow = matchMedia('(max-width: 719px)');
const watchNarrow = (listener: () => void): (() => void) => {
  narrow.addEventListener('change', listener);
  return () => narrow.removeEventListener('change', listener);
};

/** What concerns the whole program, once in the window: under the header of the middle, or in the list where that stands alone. */
export function Notices({ where }: { where: 'main' | 'list' }) {
  const isNarrow = useSyncExternalStore(watchNarrow, () => narrow.matches);
  const warnings = useChorus((state) => state.warnings);
  const invitations = useChorus((state) => state.invitations);
  const elsewhere = useChorus((state) => state.elsewhere);
  const dismissed = useDesk((state) => state.dismissed);
  /** Then the banner of the connection says the same. */
  const isStopped = useChorus((state) => state.registration.error?.code === 'identity/duplicate');
  const { desk } = useServices();
  if (where === 'list' && !isNarrow) return null;
  return (
    <div className={cx(styles.notices, where === 'list' && styles.inList)}>
      <ConnectionBanner />
      <PairingNotice />
      <FillingNotice />
      {warnings
        .filter((warning) => !dismissed.has(warning.code) && !(warning.code === 'duplicate-device' && isStopped))
        .map((warning) => (
          <Banner
            key={warning.code}
            kind="warn"
            icon={<TriangleAlert size={18} strokeWidth={1.75} />}
            testId="warning"
            act={
              <button
                type="button"
                className="icon-button"
                aria-label={words.dismiss}
                title={words.dismiss}
                onClick={() => desk.set({ dismissed: new Set([...dismissed, warning.code]) })}
              >
                <X size={16} strokeWidth={1.75} />
              </button>
            }
          >
            <span data-code={warning.code}>{warningWords[warning.code]}</span>
          </Banner>
        ))}
      {elsewhere === null || dismissed.has(elsewhere.invitation) ? null : (
        <Banner
          icon={<MonitorSmartphone size={18} strokeWidth={1.75} />}
          testId="answered-elsewhere"
          act={
            <button
              type="button"
              className="icon-button"
              aria-label={words.dismiss}
              title={words.dismiss}
              onClick={() => desk.set({ dismissed: new Set([...dismissed, elsewhere.invitation]) })}
            >
              <X size={16} strokeWidth={1.75} />
            </button>
          }
        >
          <span>{words.invitation.elsewhere(fullName(elsewhere.from))}</span>
        </Banner>
      )}
      {invitations.map((invitation) => (
        <InvitationCard key={invitation.invitation} invitation={invitation} />
      ))}
    </div>
  );
}

const spinnerAfterMs = 300;

/** Only what the registration really is; nothing while all is well. */
function ConnectionBanner() {
  const { store, desk } = useServices();
  const registration = useChorus((state) => state.registration);
  const account = useChorus((state) => state.account);
  // There the device's own card says it, with what to do.
  const isToldThere = useDesk((state) => state.place === 'devices') && registration.error?.code === 'identity/duplicate';
  const isLasting = useLasting(registration.state, spinnerAfterMs);
  const act = (label: string, testId: string, onClick: () => void) => (
    <button type="button" className="button tight" data-testid={testId} onClick={onClick}>
      {label}
    </button>
  );
  const spinner = <LoaderCircle className="spin" size={18} strokeWidth={1.75} />;
  const tryNow = act(words.connection.tryNow, 'connection-try-now', () => void store.call('register', {}));

  const signIn =
    account?.kind === 'sip'
      ? act(words.connection.signInAgain, 'sign-in-again', () => desk.set({ dialog: { dialog: 'signInAgain' } }))
      : act(words.connection.signInAgain, 'sign-in-again', () => void store.call('register', {}));

  switch (registration.state) {
    case 'registered':
      return null;
    case 'refreshing':
    case 'registering':
      return isLasting ? (
        <Banner kind="warn" icon={spinner} title={`${words.device.state.refreshing}.`} testId="connection-banner">
          {words.connection.checking(account?.deviceName ?? '')}
        </Banner>
      ) : null;
    case 'connecting':
      return isLasting ? (
        <Banner kind="warn" icon={spinner} title={words.connection.connecting[0]} testId="connection-banner">
          {words.connection.connecting[1]}
        </Banner>
      ) : null;
    case 'offline': {
      if (registration.error?.code === 'account/signed-out') {
        const said = explain(registration.error);
        return (
          <Banner
            kind="warn"
            icon={<LogOut size={18} strokeWidth={1.75} />}
            title={`${said.title}.`}
            testId="connection-banner"
            act={
              <>
                {act(words.pair.eraseNow, 'erase-chats', () =>
                  desk.set({ dialog: { dialog: 'signOut', instanceId: account?.instanceId ?? null } }),
                )}
                {signIn}
              </>
            }
          >
            {said.body}
          </Banner>
        );
      }
      return (
        <Banner icon={<WifiOff size={18} strokeWidth={1.75} />} title={words.connection.offline[0]} testId="connection-banner" act={tryNow}>
          {words.connection.offline[1]}
        </Banner>
      );
    }
    case 'waiting': {
      const why = registration.error === undefined ? words.connection.offline[0] : `${explain(registration.error).title}.`;
      return (
        <Banner icon={<WifiOff size={18} strokeWidth={1.75} />} title={why} testId="connection-banner" act={tryNow}>
          <NextTry at={registration.retryAt} />
        </Banner>
      );
    }
    case 'rejected': {
      if (isToldThere) return null;
      const said = registration.error === undefined ? null : explain(registration.error);
      const isOwnServer = account?.kind === 'sip';
      return (
        <Banner
          kind="bad"
          icon={isOwnServer ? <CircleAlert size={18} strokeWidth={1.75} /> : <CloudOff size={18} strokeWidth={1.75} />}
          title={said === null ? words.connection.rejected : `${said.title}.`}
          testId="connection-banner"
          act={
            registration.error?.code === 'identity/duplicate'
              ? act(words.places.devices, 'connection-devices', () => desk.set({ place: 'devices' }))
              : isOwnServer
                ? signIn
                : act(words.connection.tryAgain, 'connection-try-now', () => void store.call('register', {}))
          }
        >
          {said?.body}
        </Banner>
      );
    }
  }
}

function NextTry({ at }: { at: number | undefined }) {
  const now = useNow(1000);
  if (at === undefined) return <>{words.connection.offline[1]}</>;
  return <span className="num">{at <= now ? words.connection.waitingNow : words.connection.waiting(duration(at - now))}</span>;
}
