import type { InvitationValue } from '../../preload/contract';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Avatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { conversationTitle, firstName, fullName, isolated } from '../words/person';
import { names, words } from '../words/text';
import styles from './InvitationCard.module.css';

/** An invitation: who sent it, who else is invited, and which chat it would replace. */
export function InvitationCard({ invitation }: { invitation: InvitationValue }) {
  const own = useChorus((state) => state.account?.aor);
  const replaced = useChorus((state) => (invitation.replaces === null ? undefined : state.conversations.get(invitation.replaces)));
  const { busy, error, call } = useCall();
  const others = invitation.people.filter((person) => person.address !== own && person.address !== invitation.from.address);

  const answer = (accept: boolean) => call('answer', { invitation: invitation.invitation, accept });

  const who = fullName(invitation.from);
  return (
    <section className={cx('card', styles.invitation)} data-testid="invitation" data-invitation={invitation.invitation} role="alert">
      <Avatar person={invitation.from} size={40} />
      <div className="grow">
        <h2>{invitation.kind === 'group' ? words.invitation.group(who) : words.invitation.chat(who)}</h2>
        {invitation.subject === null ? null : <p className="strong">{isolated(invitation.subject)}</p>}
        {others.length === 0 ? null : <p>{words.invitation.with(names(others.map(fullName)))}</p>}
        {replaced === undefined ? null : (
          <p>{words.invitation.replaces(replaced.people[0] === undefined ? conversationTitle(replaced) : firstName(replaced.people[0]))}</p>
        )}
        {error === null ? null : (
          <div data-testid="invitation-error">
            <ErrorNote error={error} lead={words.invitation.failed} />
          </div>
        )}
        <div className={styles.do}>
          <button
            type="button"
            className="button primary"
            disabled={busy}
            data-testid="invitation-accept"
            onClick={() => void answer(true)}
          >
            {words.invitation.accept}
          </button>
          <button type="button" className="button" disabled={busy} data-testid="invitation-decline" onClick={() => void answer(false)}>
            {words.invitation.decline}
          </button>
        </div>
      </div>
    </section>
  );
}
