import { ArrowUp, CornerUpRight, Lock } from 'lucide-react';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { ConversationValue, ErrorValue } from '../../preload/contract';
import { draftKey, privateDrafts, useChorus, useDesk, useServices } from '../desk/desk';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { conversationTitle, firstName, memberOf, plainAddress } from '../words/person';
import { names, words } from '../words/text';
import styles from './Composer.module.css';
import { ComposingSignal, isSomething } from './composing';

export function Composer({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useServices();
  const id = conversation.conversation;
  const onlyWith = useDesk((state) => state.privately.get(id));
  const kept = onlyWith === undefined ? conversation.draft : conversation.privateDrafts.find((one) => one.address === onlyWith)?.text;
  const text = useDesk((state) => state.drafts.get(draftKey(id, onlyWith)) ?? kept ?? '');
  const tellsTyping = useChorus((state) => state.preferences.composing);
  const [error, setError] = useState<ErrorValue | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const whom = useMemo(() => ({ conversation: id, ...(onlyWith === undefined ? {} : { onlyWith }) }), [id, onlyWith]);
  const signal = useMemo(() => new ComposingSignal((active) => void store.call('composing', { ...whom, active })), [store, whom]);
  useEffect(() => () => signal.stop(), [signal]);

  const write = (value: string) => {
    desk.setDraft(id, value, onlyWith);
    if (!tellsTyping) return;
    if (!isSomething(value)) signal.stop();
    else signal.typed();
  };

  const send = async () => {
    const said = text.trim();
    if (!isSomething(said)) return;
    // The field is free for the next message at once; what could not be taken over comes back into it.
    desk.setDraft(id, '', onlyWith);
    signal.stop();
    setError(null);
    field.current?.focus();
    const answer = await store.call('sendText', { ...whom, text: said });
    if (answer.ok) {
      // The new message must be visible even if the person had scrolled far back.
      if (store.cell.get().threads.get(id)?.atEnd === false) void store.readNewest(id);
      if (answer.value.conversation !== id && desk.cell.get().selected === id) desk.openChat(answer.value.conversation);
      return;
    }
    setError(answer.error);
    const since = desk.cell.get().drafts.get(draftKey(id, onlyWith)) ?? '';
    desk.setDraft(id, since === '' ? said : `${said}\n${since}`, onlyWith);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && onlyWith !== undefined) {
      desk.writePrivately(id, null);
      event.stopPropagation();
    }
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };

  const people = conversation.people.map(firstName);
  const all = conversation.kind === 'group' && people.length > 3 ? conversationTitle(conversation) : names(people);
  const alone = onlyWith === undefined ? null : firstName(memberOf(conversation, onlyWith));
  return (
    <div className={styles.composer}>
      {error === null ? null : (
        <div style={{ paddingBottom: 8 }}>
          <ErrorNote error={error} />
        </div>
      )}
      {conversation.continuedBy === null || conversation.kind === 'group' ? null : (
        <p className="hint">{words.chat.continuedHint(people[0] ?? '')}</p>
      )}
      {conversation.anonymous === null ? null : (
        <p className="hint" id="composer-hint" data-testid="anonymous-hint">
          {conversation.anonymous === 'self' ? words.anonymous.hintSelf(people[0] ?? '') : words.anonymous.hintPeer}
        </p>
      )}
      {conversation.repliesTo === undefined ? null : <RepliesTo conversation={conversation} where={plainAddress(conversation.repliesTo)} />}
      {conversation.kind === 'group' ? <Privately conversation={conversation} alone={alone} /> : null}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field inside takes the keys */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the click only widens the field */}
      <div className={cx(styles.compose, alone !== null && styles.private)} onClick={() => field.current?.focus()}>
        <textarea
          ref={field}
          id="composer"
          rows={1}
          value={text}
          placeholder={alone === null ? words.chat.placeholder(all) : words.chat.placeholderAlone(alone)}
          aria-label={alone === null ? words.chat.composer : words.chat.placeholderAlone(alone)}
          aria-describedby={conversation.anonymous === null && alone === null ? undefined : 'composer-hint'}
          spellCheck
          data-testid="composer"
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button
          type="button"
          className={cx('icon-button', styles.send)}
          aria-label={words.chat.send}
          title={words.chat.send}
          disabled={!isSomething(text)}
          data-testid="send"
          onClick={() => void send()}
        >
          <ArrowUp size={18} strokeWidth={1.75} />
        </button>
      </div>
    </div>
  );
}

/** Above the field: to whom the reply goes, since the other side asks for that, and the way back to the other side. */
function RepliesTo({ conversation, where }: { conversation: ConversationValue; where: string }) {
  const { store } = useServices();
  const who = conversation.people.map(firstName)[0] ?? '';
  return (
    <div className={styles.privately} aria-live="polite">
      <p data-testid="replies-to">
        <CornerUpRight size={14} strokeWidth={1.75} aria-hidden />
        <span>{words.repliesTo.goes(who, where)}</span>
        <button
          type="button"
          className="link"
          data-testid="reply-here"
          onClick={() => void store.call('answerHere', { conversation: conversation.conversation })}
        >
          {words.repliesTo.instead(who)}
        </button>
      </p>
    </div>
  );
}

/** Above the field: to whom alone is written and the way back; else what is half written for one member. Said, too, when it changes. */
function Privately({ conversation, alone }: { conversation: ConversationValue; alone: string | null }) {
  const { desk } = useServices();
  const drafts = useDesk((state) => state.drafts);
  const id = conversation.conversation;
  return (
    <div className={styles.privately} aria-live="polite">
      {alone !== null ? (
        <p data-testid="private-note">
          <Lock size={14} strokeWidth={1.75} aria-hidden />
          <span id="composer-hint">{words.chat.onlyTo(alone)}</span>
          <button type="button" className="link" data-testid="private-end" onClick={() => desk.writePrivately(id, null)}>
            {words.chat.toAll}
          </button>
        </p>
      ) : (
        privateDrafts(drafts, conversation).map(({ address }) => (
          <p key={address} data-testid="private-draft">
            <Lock size={14} strokeWidth={1.75} aria-hidden />
            <span>{words.chat.privateDraft(firstName(memberOf(conversation, address)))}</span>
            <button type="button" className="link" onClick={() => desk.writePrivately(id, address)}>
              {words.chat.goOnWriting}
            </button>
          </p>
        ))
      )}
    </div>
  );
}
