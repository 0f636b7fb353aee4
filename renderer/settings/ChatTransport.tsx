import { type FormEvent, useState } from 'react';
import type { AccountValue, CallArgument, ErrorValue, MediaTls } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { cx } from '../parts/cx';
import { ErrorNote } from '../parts/ErrorNote';
import { Field } from '../parts/Field';
import { SelectRow } from '../parts/SelectRow';
import settingRow from '../parts/SettingRow.module.css';
import { explain } from '../words/errors';
import { words } from '../words/text';

const tlsChoices = Object.entries(words.settings.mediaTlsChoices);

/** How chats are carried: protected or not, through a relay or not. Holds for what is open, too; each change is tried before it is kept. */
export function ChatTransport({ account }: { account: AccountValue }) {
  const { busy, error, call } = useCall();
  const [relay, setRelay] = useState(account.msrpRelay ?? '');
  const [said, setSaid] = useState('');
  const change = async (wanted: CallArgument<'setMedia'>) => {
    setSaid('');
    const kept = await call('setMedia', wanted);
    if (kept === null) return;
    if (wanted.msrpRelay === undefined) {
      setSaid(words.settings.tlsKept[kept.mediaTls]);
      return;
    }
    setRelay(kept.msrpRelay ?? '');
    setSaid(words.settings.relayKept(kept.msrpRelay !== null));
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    void change({ msrpRelay: relay.trim() });
  };
  const problem = problemOf(error);
  const trouble = account.relay?.error ?? null;
  return (
    <section data-testid="media-way">
      <h2>{words.settings.media}</h2>
      <p className="sub">{words.settings.mediaHint}</p>
      <SelectRow
        name={words.settings.mediaTls}
        hint={words.settings.mediaTlsHint}
        value={account.mediaTls}
        options={tlsChoices}
        disabled={busy}
        testId="media-tls"
        onSelect={(mediaTls) => void change({ mediaTls: mediaTls as MediaTls })}
      />
      {account.kind === 'try' ? null : (
        <form className={cx(settingRow.option, settingRow.top)} onSubmit={save} noValidate>
          <div className={settingRow.what}>
            <Field
              label={words.first.msrpRelay}
              value={relay}
              onChange={setRelay}
              placeholder={words.first.examples.msrpRelay}
              hint={words.settings.relayHint}
              problem={problem}
              disabled={busy}
              testId="media-relay"
            />
          </div>
          <button
            type="submit"
            className="button"
            disabled={busy || relay.trim() === (account.msrpRelay ?? '')}
            data-testid="media-relay-save"
          >
            {busy ? words.settings.relayTrying : words.save}
          </button>
        </form>
      )}
      {trouble === null || error !== null ? null : <ErrorNote error={trouble} />}
      <p className="hint" role="status" data-testid="media-said">
        {said}
      </p>
      {error === null || problem !== undefined ? null : <ErrorNote error={error} lead={words.settings.failed} />}
    </section>
  );
}

/** What is wrong with the relay, to stand below its field. */
function problemOf(error: ErrorValue | null): string | undefined {
  if (error?.code === 'account/bad-option') return error.reason;
  return error?.code === 'msrp/relay' ? words.settings.relayRefused(explain(error).title) : undefined;
}
