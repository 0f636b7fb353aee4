import type { AccountValue } from '../../preload/contract';
import { useCall } from '../desk/use-call';
import { ErrorNote } from '../parts/ErrorNote';
import { Switch } from '../parts/Switch';
import { words } from '../words/text';

/** The services this device offers to others. A change is registered at once (RFC 3840). */
export function Services({ offers }: { offers: AccountValue['offers'] }) {
  const { busy, error, call } = useCall();
  return (
    <section>
      <h2>{words.settings.offers}</h2>
      <p className="sub">{words.settings.offersHint}</p>
      {error === null ? null : <ErrorNote error={error} lead={words.settings.offerFailed} />}
      {offers.map(({ name, on }) => (
        <Switch
          key={name}
          name={words.settings.offer[name][0]}
          hint={words.settings.offer[name][1]}
          isOn={on}
          disabled={busy}
          testId={`offer-${name}`}
          onChange={(wanted) => void call('setCapability', { name, on: wanted })}
        />
      ))}
    </section>
  );
}
