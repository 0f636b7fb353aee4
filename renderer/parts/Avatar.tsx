import { VenetianMask } from 'lucide-react';
import type { ReactNode } from 'react';
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

/** A disc of an avatar's size that holds an icon instead of a person. */
export function IconDisc({ size, children }: { size: Size; children: ReactNode }) {
  return (
    <span className={`avatar s${size} hue-n`} aria-hidden="true">
      {children}
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
      <IconDisc size={size}>
        <VenetianMask size={size / 2} strokeWidth={1.75} />
      </IconDisc>
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
