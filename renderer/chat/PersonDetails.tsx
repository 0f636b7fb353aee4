import { useEffect, useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useServices } from '../desk/desk';
import { Avatar } from '../parts/Avatar';
import { BlockSwitch } from '../parts/BlockSwitch';
import { cx } from '../parts/cx';
import { DeviceIcon } from '../parts/DeviceIcon';
import section from '../parts/Section.module.css';
import { WriteAs } from '../parts/WriteAs';
import { deviceOf, firstName, fullName, plainAddress } from '../words/person';
import { capabilityWords, words } from '../words/text';
import personRow from './PersonRow.module.css';
import { Pseudonym } from './Pseudonym';

/** The details of a 1-1: the other person and their device, the address one writes as, and blocking. */
export function PersonDetails({ conversation }: { conversation: ConversationValue }) {
  const [person] = conversation.people;
  const isHidden = conversation.anonymous === 'peer';
  const capabilities = useCapabilities(person === undefined || isHidden ? null : person.address);
  if (person === undefined) return null;
  const device = conversation.peerDevice?.name ?? null;
  return (
    <>
      <section className={section.section}>
        <div className={personRow.person} data-testid="person" data-address={person.address}>
          <Avatar person={person} size={32} />
          <div className="cut">
            <div className={personRow.called}>
              <span className="cut">{isHidden ? words.anonymous.name : fullName(person)}</span>
            </div>
            <div className={personRow.personDevice}>
              <span className="cut">{isHidden ? words.anonymous.underPeer : plainAddress(person.address)}</span>
            </div>
            {device === null ? null : (
              <div className={cx(personRow.personDevice, personRow.here)}>
                <DeviceIcon name={device} size={14} />
                <span className="cut">{deviceOf(person, device)}</span>
              </div>
            )}
            {capabilities === null ? null : (
              <div className={personRow.personDevice} data-testid="participant-capabilities">
                <span className="cut">{words.group.canDo(capabilityWords(capabilities))}</span>
              </div>
            )}
          </div>
        </div>
      </section>
      {conversation.anonymous === 'self' ? (
        <section className={section.section}>
          <p className="hint">{words.anonymous.underSelf(firstName(person))}</p>
        </section>
      ) : (
        <>
          <WriteAs conversation={conversation} />
          <Pseudonym conversation={conversation} />
        </>
      )}
      {isHidden ? null : (
        <section className={section.section}>
          <BlockSwitch person={person} />
        </section>
      )}
    </>
  );
}

/** What somebody's devices can do, asked once while it is looked at; null while nobody has answered. */
export function useCapabilities(address: string | null): readonly string[] | null {
  const { store } = useServices();
  const [capabilities, setCapabilities] = useState<readonly string[] | null>(null);
  useEffect(() => {
    let isShown = true;
    setCapabilities(null);
    if (address === null) return;
    void store.call('capabilities', { address }).then((answer) => {
      if (isShown && answer.ok && answer.value.capabilities.length > 0) setCapabilities(answer.value.capabilities);
    });
    return () => {
      isShown = false;
    };
  }, [store, address]);
  return capabilities;
}
