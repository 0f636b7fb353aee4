import { X } from 'lucide-react';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import type { ErrorValue } from '../../preload/contract';
import { useGround } from '../desk';
import { ErrorNote } from '../parts/ErrorNote';
import { words } from '../text';

/** The name of this device, to be typed over. */
export function RenameDevice({ name, onDone }: { name: string; onDone: () => void }) {
  const { store } = useGround();
  const [value, setValue] = useState(name);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ErrorValue | null>(null);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);

  const save = async (event: FormEvent) => {
    event.preventDefault();
    const wanted = value.trim();
    if (wanted === '' || wanted === name) {
      if (wanted === name) onDone();
      return;
    }
    setBusy(true);
    setError(null);
    const answer = await store.call('renameDevice', { name: wanted });
    setBusy(false);
    if (answer.ok) onDone();
    else setError(answer.error);
  };
  return (
    <div className="grow">
      <form className="rename" onSubmit={(event) => void save(event)}>
        <div className={`field${value.trim() === '' ? ' bad' : ''}`}>
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
        <button type="button" className="icon-button" aria-label={words.cancel} onClick={onDone}>
          <X size={16} strokeWidth={1.75} />
        </button>
      </form>
      {error === null ? null : <ErrorNote error={error} lead={words.devices.renameFailed} />}
    </div>
  );
}
