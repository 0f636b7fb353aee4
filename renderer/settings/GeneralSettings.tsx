import type { PreferencesValue } from '../../preload/contract';
import { countryCodes } from '../../protocol/typed-address';
import { useChorus } from '../desk/desk';
import { useCall } from '../desk/use-call';
import { Choice } from '../parts/Choice';
import { ErrorNote } from '../parts/ErrorNote';
import { SelectRow } from '../parts/SelectRow';
import { SettingRow } from '../parts/SettingRow';
import { Switch } from '../parts/Switch';
import { words } from '../words/text';

export function GeneralSettings() {
  const preferences = useChorus((state) => state.preferences);
  const { error, call } = useCall();
  const change = (patch: Partial<PreferencesValue>) => call('setPreferences', { ...preferences, ...patch });
  const { receipts } = preferences;
  const option = (value: string, content: string) => ({ value, content, testId: `option-${value}` });
  return (
    <>
      {error === null ? null : <ErrorNote error={error} lead={words.settings.failed} />}
      <section>
        <h2>{words.settings.appearance}</h2>
        <SettingRow name={words.settings.theme}>
          <div data-testid="theme">
            <Choice
              label={words.settings.theme}
              value={preferences.theme}
              onChoose={(theme) => void change({ theme: theme as PreferencesValue['theme'] })}
              options={(['system', 'light', 'dark'] as const).map((theme) => option(theme, words.settings.themes[theme]))}
            />
          </div>
        </SettingRow>
      </section>
      <section>
        <h2>{words.settings.messages}</h2>
        <Switch
          name={words.settings.read}
          hint={words.settings.readHint}
          isOn={receipts.displayed}
          testId="switch-read"
          onChange={(displayed) => void change({ receipts: { ...receipts, displayed } })}
        />
        <Switch
          name={words.settings.delivered}
          hint={words.settings.deliveredHint}
          isOn={receipts.delivered}
          testId="switch-delivered"
          onChange={(delivered) => void change({ receipts: { ...receipts, delivered } })}
        />
        <Switch
          name={words.settings.unasked}
          hint={words.settings.unaskedHint}
          isOn={receipts.unasked === true}
          disabled={!receipts.displayed && !receipts.delivered}
          testId="switch-unasked"
          onChange={(unasked) => void change({ receipts: { ...receipts, unasked } })}
        />
        <Switch
          name={words.settings.typing}
          isOn={preferences.composing}
          testId="switch-typing"
          onChange={(composing) => void change({ composing })}
        />
        <SelectRow
          name={words.settings.wait}
          hint={words.settings.waitHint}
          value={String(preferences.waitDays)}
          testId="wait-days"
          onSelect={(days) => void change({ waitDays: Number(days) })}
          options={waitChoices(preferences.waitDays).map((days) => [String(days), words.settings.waitFor(days)])}
        />
      </section>
      <section>
        <h2>{words.settings.people}</h2>
        <SelectRow
          name={words.settings.country}
          hint={words.settings.countryHint}
          value={preferences.country ?? ''}
          testId="country"
          onSelect={(country) => void change({ country: country === '' ? undefined : country })}
          options={[['', words.settings.noCountry], ...countryChoices()]}
        />
      </section>
      <section>
        <h2>{words.settings.invitations}</h2>
        <SelectRow
          name={words.settings.accept}
          hint={words.settings.acceptHint}
          value={preferences.accept}
          testId="accept"
          onSelect={(accept) => void change({ accept: accept as PreferencesValue['accept'] })}
          options={(['auto', 'open', 'reply', 'ask'] as const).map((accept) => [accept, words.settings.accepts[accept]])}
        />
        <SelectRow
          name={words.settings.idle}
          hint={words.settings.idleHint}
          value={String(preferences.idleSeconds)}
          testId="idle"
          onSelect={(seconds) => void change({ idleSeconds: Number(seconds) })}
          options={idleChoices(preferences.idleSeconds).map((seconds) => [String(seconds), words.settings.idleAfter(seconds)])}
        />
        <Switch
          name={words.settings.refuseAnonymous}
          hint={words.settings.refuseAnonymousHint}
          isOn={preferences.refuseAnonymous === true}
          testId="switch-refuse-anonymous"
          onChange={(refuseAnonymous) => void change({ refuseAnonymous })}
        />
      </section>
    </>
  );
}

/** Every country by its name, in the order of the names. */
function countryChoices(): [country: string, shown: string][] {
  const names = new Intl.DisplayNames('en', { type: 'region' });
  return countryCodes()
    .map(([country, code]): [string, string] => [country, words.settings.countryName(names.of(country) ?? country, code)])
    .sort(([, one], [, other]) => one.localeCompare(other, 'en'));
}

/** The usual choices, and the value that is set now if it is another one. */
const waitChoices = (now: number): readonly number[] => [...new Set([1, 3, 7, 14, 30, now])].sort((a, b) => a - b);

/** The usual choices, the value that is set now if it is another one, and never. */
const idleChoices = (now: number): readonly number[] =>
  [...new Set([60, 180, 900, 3_600, now].filter((seconds) => seconds > 0))].sort((a, b) => a - b).concat(0);
