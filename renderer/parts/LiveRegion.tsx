import { useEffect, useState } from 'react';
import { useChorus } from '../desk/desk';
import { isMessageHidden } from '../desk/state';
import { fullName, senderOfMessage } from '../words/person';
import { words } from '../words/text';

/** A lively group is summed up by its latest message once it pauses this long. */
const sayAfterMs = 1500;

/** Says new messages to a screen reader, politely and not more than one at a time. */
export function LiveRegion() {
  const heard = useChorus((state) => (state.heard !== null && isMessageHidden(state, state.heard) ? null : state.heard));
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (heard === null) return;
    const who = fullName(senderOfMessage(heard));
    const timer = setTimeout(
      () => setSaid(words.chat.heard(heard.onlyWith === undefined ? who : words.me.alone(who, words.youSmall), heard.text)),
      sayAfterMs,
    );
    return () => clearTimeout(timer);
  }, [heard]);
  return (
    <div className="hidden-text" aria-live="polite" data-testid="live-region">
      {said}
    </div>
  );
}
