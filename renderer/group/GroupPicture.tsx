import { useState } from 'react';
import type { ConversationValue } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { ConversationAvatar } from '../parts/Avatar';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import section from '../parts/Section.module.css';
import { conversationTitle } from '../words/person';
import { words } from '../words/text';
import styles from './GroupPicture.module.css';
import { iconOf, maxPictureBytes, pictureTypes } from './picture';

/** The group's picture and name. A member can change the picture for everyone. */
export function GroupPicture({ conversation }: { conversation: ConversationValue }) {
  const { busy, error, call, run } = useCall();
  const [problem, setProblem] = useState<'tooLarge' | 'unreadable' | null>(null);

  const give = (icon: string | null) => {
    setProblem(null);
    return call('setGroupIcon', { conversation: conversation.conversation, icon });
  };
  const chooseWords = conversation.icon === null ? words.group.choosePicture : words.group.changePicture;
  const choose = async (file: File) => {
    setProblem(null);
    const made = await run(async () => ({ ok: true, value: await iconOf(file) }));
    if (made === null) return;
    if (made.ok) await give(made.icon);
    else setProblem(made.problem);
  };

  return (
    <section className={cx(section.section, styles.groupLook)} aria-label={words.group.picture} data-testid="group-picture">
      <ConversationAvatar conversation={conversation} size={64} />
      <div className="cut">
        <p className={cx('cut', styles.called)}>{conversationTitle(conversation)}</p>
        {conversation.joined ? (
          <div className={styles.do}>
            <label className="link file" aria-disabled={busy}>
              {chooseWords}
              <input
                type="file"
                className="hidden-text"
                accept={pictureTypes}
                aria-label={chooseWords}
                disabled={busy}
                data-testid="group-picture-file"
                onChange={(event) => {
                  const [file] = event.target.files ?? [];
                  // The same file chosen again is another choice.
                  event.target.value = '';
                  if (file !== undefined) void choose(file);
                }}
              />
            </label>
            {conversation.icon === null ? null : (
              <button type="button" className="link" disabled={busy} data-testid="group-picture-remove" onClick={() => void give(null)}>
                {words.group.removePicture}
              </button>
            )}
          </div>
        ) : null}
        <p className="hint" role="status" data-testid="group-picture-said">
          {busy ? words.group.changingPicture : conversation.joined && problem === null ? words.group.pictureHint : ''}
        </p>
        {problem === null ? null : (
          <p className="hint bad" role="alert" data-testid="group-picture-problem">
            {problem === 'tooLarge' ? words.group.pictureTooLarge(maxPictureBytes / 1024 / 1024) : words.group.pictureUnreadable}
          </p>
        )}
        {error === null ? null : <ErrorNote error={error} lead={words.group.pictureFailed} />}
      </div>
    </section>
  );
}
