import { ArrowUp } from 'lucide-react';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { ConversationValue, ErrorValue } from '../../preload/contract';
import { ComposingSignal } from '../composing';
import { useChorus, useDesk, useGround } from '../desk';
import { ErrorNote } from '../parts/ErrorNote';
import { conversationTitle, firstName } from '../person';
import { names, words } from '../text';

export function Composer({ conversation }: { conversation: ConversationValue }) {
  const { store, desk } = useGround();
  const id = conversation.conversation;
  const text = useDesk((state) => state.drafts.get(id) ?? conversation.draft);
  const tellsTyping = useChorus((state) => state.preferences.composing);
  const [error, setError] = useState<ErrorValue | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const signal = useMemo(() => new ComposingSignal((active) => void store.call('composing', { conversation: id, active })), [store, id]);
  useEffect(() => () => signal.stop(), [signal]);

  const write = (value: string) => {
    desk.setDraft(id, value);
    if (!tellsTyping) return;
    if (value.trim() === '') signal.stop();
    else signal.typed();
  };

  const send = async () => {
    const said = text.trim();
    if (said === '') return;
    // The field is free for the next message at once; what could not be taken over comes back into it.
    desk.setDraft(id, '');
    signal.stop();
    setError(null);
    field.current?.focus();
    const answer = await store.call('sendText', { conversation: id, text: said });
    if (answer.ok) {
      // What was written is to be seen, also by someone who wrote it far back in the conversation.
      if (store.cell.get().threads.get(id)?.atEnd === false) void store.readNewest(id);
      if (answer.value.conversation !== id && desk.cell.get().selected === id) desk.openChat(answer.value.conversation);
      return;
    }
    setError(answer.error);
    const since = desk.cell.get().drafts.get(id) ?? '';
    desk.setDraft(id, since === '' ? said : `${said}\n${since}`);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };

  const people = conversation.people.map(firstName);
  const whom = conversation.kind === 'group' && people.length > 3 ? conversationTitle(conversation) : names(people);
  return (
    <div className="composer">
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
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field inside takes the keys */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the click only widens the field */}
      <div className="compose" onClick={() => field.current?.focus()}>
        <textarea
          ref={field}
          id="composer"
          rows={1}
          value={text}
          placeholder={words.chat.placeholder(whom)}
          aria-label={words.chat.composer}
          aria-describedby={conversation.anonymous === null ? undefined : 'composer-hint'}
          spellCheck
          data-testid="composer"
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button
          type="button"
          className="icon-button send"
          aria-label={words.chat.send}
          title={words.chat.send}
          disabled={text.trim() === ''}
          data-testid="send"
          onClick={() => void send()}
        >
          <ArrowUp size={18} strokeWidth={1.75} />
        </button>
      </div>
    </div>
  );
}
