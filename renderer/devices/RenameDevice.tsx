import { X } from 'lucide-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../words/text';
import styles from './RenameDevice.module.css';

/** The name of this device, to be typed over. */
export function RenameDevice({ name, onDone }: { name: string; onDone: () => void }) {
  const [value, setValue] = useState(name);
  const { busy, error, call } = useCall();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    const wanted = value.trim();
    if (wanted === '' || wanted === name) {
      if (wanted === name) onDone();
      return;
    }
    if ((await call('renameDevice', { name: wanted })) !== null) onDone();
  };
  return (
    <div className="grow">
      <form className={styles.rename} onSubmit={(event) => void save(event)}>
        <div className={cx('field', value.trim() === '' && 'bad')}>
          <input
            ref={field}
            value={value}
            maxLength={64}
            disabled={busy}
            aria-label={words.devices.name}
            data-testid="device-rename-input"
            onChange={(event) => setValue(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Escape') return;
              event.preventDefault();
              event.stopPropagation();
              onDone();
            }}
          />
        </div>
        <button type="submit" className="button primary tight" disabled={busy || value.trim() === ''} data-testid="device-rename-save">
          {words.save}
        </button>
        <button type="button" className="icon-button" aria-label={words.cancel} title={words.cancel} onClick={onDone}>
          <X size={16} strokeWidth={1.75} />
        </button>
      </form>
      {error === null ? null : <ErrorNote error={error} lead={words.devices.renameFailed} />}
    </div>
  );
}
