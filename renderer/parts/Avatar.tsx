import { VenetianMask } from 'lucide-react';
import type { ConversationValue, PersonValue } from '../../preload/contract';
import { useIcon } from '../desk/use-icon';
import { fullName, hueOf, initials } from '../words/person';

type Size = 20 | 24 | 28 | 32 | 36 | 40 | 64;

/** Always beside the name it stands for, so a screen reader hears nothing of it. */
export function Avatar({ person, size = 40 }: { person: PersonValue; size?: Size }) {
  return (
    <span className={`avatar s${size} hue-${hueOf(person.address)}`} aria-hidden="true">
      {initials(fullName(person))}
    </span>
  );
}

/** One disc for a person; for a group its picture, or two overlapping ones. */
interface ConversationAvatarProps {
  conversation: Pick<ConversationValue, 'conversation' | 'kind' | 'people' | 'anonymous'> & Partial<Pick<ConversationValue, 'icon'>>;
  size?: Size;
}

export function ConversationAvatar({ conversation, size = 40 }: ConversationAvatarProps) {
  const [first, second] = conversation.people;
  const picture = useIcon({ conversation: conversation.conversation, icon: conversation.icon ?? null });
  if (picture !== null) return <img className={`avatar s${size}`} src={picture} alt="" draggable={false} data-testid="group-icon" />;
  if (first === undefined) return <Avatar person={{ address: conversation.conversation, name: '' }} size={size} />;
  if (conversation.anonymous === 'peer') {
    return (
      <span className={`avatar s${size} hue-n`} aria-hidden="true">
        <VenetianMask size={size / 2} strokeWidth={1.75} />
      </span>
    );
  }
  if (conversation.kind === 'oneToOne') return <Avatar person={first} size={size} />;
  return (
    <span className={`stacked s${size}`} aria-hidden="true">
      {[second, first].map((person, index) =>
        person === undefined ? (
          <span key="nobody" className="avatar hue-n" />
        ) : (
          <span key={person.address} className={`avatar hue-${hueOf(person.address)}`} data-place={index}>
            {initials(fullName(person))[0]}
          </span>
        ),
      )}
    </span>
  );
}
