import { Plus, Users, X } from 'lucide-react';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import type { PersonValue } from '../../preload/contract';
import { phoneNumberOf } from '../../protocol/phone-number';
import { type Typist, typedAddress, wantsCountry } from '../../protocol/typed-address';
import { fullName, matches, plainAddress, typedGroup } from '../words/person';
import { words } from '../words/text';
import { Avatar, IconDisc } from './Avatar';
import { cx } from './cx';
import styles from './PeoplePicker.module.css';

interface PeoplePickerProps {
  /** Whom to offer; the chosen ones are left out of the list. */
  people: readonly PersonValue[];
  chosen: readonly PersonValue[];
  onChange: (chosen: readonly PersonValue[]) => void;
  /** True when a choice replaces the one before. */
  single?: boolean;
  ownAor: string;
  /** The country whose numbers are typed without a prefix. */
  country: string | undefined;
  disabled?: boolean;
  label: string;
  testId: string;
  onSubmit?: () => void;
  /** Where a typed address may be a group's, which is joined then. */
  onJoin?: (address: string) => void;
}

interface Offer {
  person: PersonValue;
  /** A known person, or the typed text as the address of a person or of a group. */
  kind: 'known' | 'typed' | 'group';
}

/** Chips, a field, and a list that answers to what is typed: known people first, the typed text as an address last. */
export function PeoplePicker({
  people,
  chosen,
  onChange,
  single = false,
  ownAor,
  country,
  disabled = false,
  label,
  testId,
  onSubmit,
  onJoin,
}: PeoplePickerProps) {
  const [typed, setTyped] = useState('');
  const [active, setActive] = useState<number | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const listId = useId();

  const named = { typed: onJoin === undefined ? words.addPeople.asAddress : words.newChat.writeTo, group: words.newChat.joinGroup };
  const offers = offersFor(typed, people, chosen, { aor: ownAor, country }, onJoin !== undefined);
  // With people chosen and nothing typed, Enter submits: it never takes a suggestion that was not pointed at.
  const byItself = typed.trim() === '' && chosen.length > 0 ? -1 : 0;
  const at = Math.min(active ?? byItself, offers.length - 1);

  useEffect(() => {
    if (!disabled) input.current?.focus();
  }, [disabled]);

  const choose = ({ person, kind }: Offer) => {
    // The typed address stays, so that it can be corrected if the group refuses.
    if (kind === 'group') return onJoin?.(person.address);
    onChange(single ? [person] : [...chosen, person]);
    setTyped('');
    setActive(null);
    input.current?.focus();
  };
  const remove = (address: string) => {
    onChange(chosen.filter((person) => person.address !== address));
    input.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const offer = offers[at];
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (offers.length > 0)
        setActive(event.key === 'ArrowDown' ? (at + 1) % offers.length : (Math.max(at, 0) - 1 + offers.length) % offers.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (offer !== undefined) choose(offer);
      else if (typed.trim() === '' && chosen.length > 0) onSubmit?.();
    } else if ((event.key === ',' || event.key === ';') && typed.trim() !== '') {
      event.preventDefault();
      if (offer !== undefined) choose(offer);
    } else if (event.key === 'Backspace' && typed === '') {
      const last = chosen[chosen.length - 1];
      if (last !== undefined) remove(last.address);
    }
  };

  return (
    <>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field inside takes the keys */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the click only widens the field */}
      <div className={styles.picker} onClick={() => input.current?.focus()}>
        {chosen.map((person) => (
          <span key={person.address} className={styles.chip} data-testid="people-chip" data-address={person.address}>
            <Avatar person={person} size={24} />
            <span className="cut">{fullName(person)}</span>
            <button
              type="button"
              aria-label={words.addPeople.remove(fullName(person))}
              title={words.addPeople.remove(fullName(person))}
              disabled={disabled}
              onClick={() => remove(person.address)}
            >
              <X size={14} strokeWidth={1.75} />
            </button>
          </span>
        ))}
        <input
          ref={input}
          value={typed}
          disabled={disabled}
          data-first-focus
          data-testid={testId}
          role="combobox"
          aria-label={label}
          aria-expanded={offers.length > 0}
          aria-controls={listId}
          aria-activedescendant={offers[at] === undefined ? undefined : `${listId}-${at}`}
          autoComplete="off"
          spellCheck={false}
          placeholder={chosen.length === 0 ? label : ''}
          onChange={(event) => {
            setTyped(event.target.value);
            setActive(null);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      {disabled ? null : offers.length === 0 ? (
        <p className={styles.noSuggestion}>
          {typed.trim() === ''
            ? chosen.length === 0
              ? words.addPeople.noneLeft
              : ''
            : country === undefined && wantsCountry(typed)
              ? words.addPeople.wantsCountry
              : words.addPeople.noMatch}
        </p>
      ) : (
        <div className={styles.suggestions} role="listbox" id={listId} aria-label={words.addPeople.suggestions}>
          {offers.map((offer, index) => (
            // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the field, aria-activedescendant points here
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field takes the keys
            <div
              key={`${offer.kind} ${offer.person.address}`}
              id={`${listId}-${index}`}
              className={cx(styles.suggestion, index === at && styles.on)}
              role="option"
              aria-selected={index === at}
              data-testid="people-suggestion"
              data-address={offer.person.address}
              onPointerMove={() => setActive(index)}
              data-kind={offer.kind}
              onClick={() => choose(offer)}
            >
              {offer.kind === 'known' ? (
                <Avatar person={offer.person} size={36} />
              ) : (
                <IconDisc size={36}>
                  {offer.kind === 'group' ? <Users size={18} strokeWidth={1.75} /> : <Plus size={18} strokeWidth={1.75} />}
                </IconDisc>
              )}
              <div className="cut">
                <div className={cx('cut', styles.name)}>
                  {offer.kind === 'known' ? (
                    <Marked text={fullName(offer.person)} query={typed} />
                  ) : (
                    named[offer.kind](plainAddress(offer.person.address))
                  )}
                </div>
                <div className="sub cut">
                  {offer.kind === 'known' ? (
                    <Marked text={plainAddress(offer.person.address)} query={typed} />
                  ) : offer.kind === 'group' ? (
                    words.newChat.joinGroupHint
                  ) : (
                    words.addPeople.useAddressHint
                  )}
                </div>
              </div>
              {index === at ? <span className="key">{words.addPeople.key}</span> : null}
            </div>
          ))}
        </div>
      )}
    </>
  );
}

function offersFor(
  typed: string,
  people: readonly PersonValue[],
  chosen: readonly PersonValue[],
  typist: Typist,
  takesGroups: boolean,
): Offer[] {
  const taken = new Set(chosen.map((person) => person.address));
  const address = typed.trim() === '' ? null : typedAddress(typed, typist);
  // A number is the same person's however it is written, and whether it is a SIP or a TEL address.
  const number = address === null ? null : phoneNumberOf(address);
  const isMeant = (person: PersonValue) => person.address === address || (number !== null && phoneNumberOf(person.address) === number);
  const found = people
    .filter(
      (person) =>
        !taken.has(person.address) &&
        (typed.trim() === '' || isMeant(person) || matches(typed.trim(), person.name, plainAddress(person.address))),
    )
    .map((person): Offer => ({ person, kind: 'known' }));
  const isKnown = address === null || address === typist.aor || taken.has(address) || people.some(isMeant);
  if (isKnown) return found;
  const person = { address, name: '' };
  const group = takesGroups ? typedGroup(typed, typist.aor) : null;
  if (group === null) return [...found, { person, kind: 'typed' }];
  const both: Offer[] = [
    { person, kind: 'typed' },
    { person, kind: 'group' },
  ];
  return [...found, ...(group === 'likely' ? both.reverse() : both)];
}

/** The part that was typed, marked in what was found. */
function Marked({ text, query }: { text: string; query: string }) {
  const at = query.trim() === '' ? -1 : text.toLowerCase().indexOf(query.trim().toLowerCase());
  if (at < 0) return <>{text}</>;
  const end = at + query.trim().length;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      {text.slice(end)}
    </>
  );
}
