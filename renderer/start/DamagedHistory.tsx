import { BookOpen, FileCode, FileText } from 'lucide-react';
import { useState } from 'react';
import type { RescueValue } from '../../preload/contract';
import { RescuedChat } from '../chat/RescuedChat';
import { useServices } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { ConversationAvatar } from '../parts/Avatar';
import { Cause } from '../parts/Cause';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { WelcomePage } from '../parts/WelcomePage';
import welcomePage from '../parts/WelcomePage.module.css';
import { fullTime } from '../words/clock';
import { conversationTitle } from '../words/person';
import { words } from '../words/text';
import styles from './DamagedHistory.module.css';

const look = { size: 16, strokeWidth: 1.75 } as const;

/** What can be read of a damaged history, to be saved, and the way on. Nothing runs meanwhile. */
export function DamagedHistory({ rescue }: { rescue: RescueValue }) {
  const { store } = useServices();
  const { busy, error, call, run } = useCall();
  const [said, setSaid] = useState('');
  const [reading, setReading] = useState<string | null>(null);
  const { source, copiedAt, conversations } = rescue;
  const read = conversations.find(({ conversation }) => conversation === reading);
  const save = async (conversation: string, format: 'html' | 'json') => {
    setSaid('');
    const saved = await call('exportConversation', { conversation, format });
    if (saved !== null && saved.path !== null) setSaid(words.chat.exported(saved.messages, saved.path));
  };
  const begin = () => {
    setSaid('');
    return run(async () => {
      const answer = await store.call('beginHistory', {});
      if (answer.ok) await store.start();
      return answer;
    });
  };
  return (
    <WelcomePage testId="damaged-history" title={words.rescue.title} lead={words.rescue.lead}>
      <p className={welcomePage.lead}>{source === 'copy' ? words.rescue.copy(fullTime(copiedAt ?? 0)) : words.rescue.what[source]}</p>
      {read === undefined ? null : <RescuedChat chat={read} onBack={() => setReading(null)} />}
      {conversations.length === 0 || read !== undefined ? null : (
        <section className={styles.rescued}>
          <h2>{words.rescue.chats}</h2>
          <p className="hint">{words.chat.exportBody}</p>
          <ul data-testid="rescued-chats">
            {conversations.map((conversation) => {
              const title = conversationTitle(conversation);
              return (
                <li key={conversation.conversation} data-testid="rescued-chat">
                  <ConversationAvatar conversation={conversation} />
                  <div className="cut">
                    <div className={cx('cut', styles.name)}>{title}</div>
                    <div className="sub">{words.rescue.messages(conversation.messages)}</div>
                  </div>
                  <button
                    type="button"
                    className="button"
                    aria-label={words.rescue.readChat(title)}
                    data-testid="rescue-read"
                    onClick={() => setReading(conversation.conversation)}
                  >
                    <BookOpen {...look} />
                    {words.rescue.read}
                  </button>
                  {(['html', 'json'] as const).map((format) => (
                    <button
                      key={format}
                      type="button"
                      className="button"
                      disabled={busy}
                      aria-label={format === 'html' ? words.rescue.saveHtml(title) : words.rescue.saveJson(title)}
                      data-testid={`rescue-${format}`}
                      onClick={() => void save(conversation.conversation, format)}
                    >
                      {format === 'html' ? <FileText {...look} /> : <FileCode {...look} />}
                      {words.rescue[format]}
                    </button>
                  ))}
                </li>
              );
            })}
          </ul>
        </section>
      )}
      <p className={styles.rescueSaid} role="status" data-testid="rescue-said">
        {said}
      </p>
      {error === null ? null : <ErrorNote error={error} />}
      <section className={styles.beginAnew}>
        <h2>{words.rescue.beginTitle}</h2>
        <p className="hint">{words.rescue.beginBody}</p>
        <div className={styles.choices}>
          <button type="button" className="button primary" disabled={busy} data-testid="begin-history" onClick={() => void begin()}>
            {words.rescue.begin}
          </button>
          <button type="button" className="button quiet" data-testid="rescue-quit" onClick={() => void store.call('quit', {})}>
            {words.rescue.quit}
          </button>
        </div>
      </section>
      <Cause error={rescue.error} />
    </WelcomePage>
  );
}
