import { VenetianMask } from 'lucide-react';
import type { ReactNode } from 'react';
import type { ConversationValue, PersonValue } from '../../preload/contract';
import { useIcon } from '../desk/use-icon';
import { fullName, hueOf, initials } from '../words/person';
import styles from './Avatar.module.css';
import { cx } from './cx';

type Size = 20 | 24 | 28 | 32 | 36 | 40 | 64;

const sizes: Record<Size, string | undefined> = {
  20: styles.s20,
  24: styles.s24,
  28: styles.s28,
  32: styles.s32,
  36: styles.s36,
  40: undefined,
  64: styles.s64,
};

const hues = { a: 'hue-a', b: 'hue-b', c: 'hue-c', d: 'hue-d', e: 'hue-e', f: 'hue-f' } as const;

/** The class that sets the colours of a person, always the same for one address. */
export const hueClass = (address: string): string => hues[hueOf(address)];

/** Always beside the name it stands for, so a screen reader hears nothing of it. */
export function Avatar({ person, size = 40 }: { person: PersonValue; size?: Size }) {
  return (
    <span className={cx(styles.avatar, sizes[size], hueClass(person.address))} aria-hidden="true">
      {initials(fullName({ address: person.address, name: person.name }))}
    </span>
  );
}

/** A disc of an avatar's size that holds an icon instead of a person. */
export function IconDisc({ size, children }: { size: Size; children: ReactNode }) {
  return (
    <span className={cx(styles.avatar, sizes[size], 'hue-n')} aria-hidden="true">
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
  if (picture !== null)
    return <img className={cx(styles.avatar, sizes[size])} src={picture} alt="" draggable={false} data-testid="group-icon" />;
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
    <span className={cx(styles.stacked, sizes[size])} aria-hidden="true">
      {[second, first].map((person, index) =>
        person === undefined ? (
          <span key="nobody" className={cx('hue-n', styles.avatar)} />
        ) : (
          <span key={person.address} className={cx(styles.avatar, hueClass(person.address))} data-place={index}>
            {initials(fullName(person))[0]}
          </span>
        ),
      )}
    </span>
  );
}
