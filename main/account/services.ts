/** The services that this version can offer to others, and the feature tags that it registers for them (R25). */
import type { AccountValue, CapabilityName } from '../../preload/contract';
import { ICSI } from '../../protocol/feature-tags';

const services: Partial<Record<CapabilityName, readonly string[]>> = {
  session: [ICSI.session, ICSI.group],
  pager: [ICSI.msg],
  large: [ICSI.largemsg],
};

export function canOffer(name: CapabilityName): boolean {
  return services[name] !== undefined;
}

/** Each service, and whether a device without `servicesOff` offers it. */
export function offersOf(servicesOff: Iterable<string>): AccountValue['offers'] {
  const off = new Set(servicesOff);
  return (Object.keys(services) as CapabilityName[]).map((name) => ({ name, on: !off.has(name) }));
}

/** The service identifiers that a device without `servicesOff` registers. */
export function icsisOf(servicesOff: ReadonlySet<string>): string[] {
  return Object.entries(services).flatMap(([name, urns]) => (servicesOff.has(name) ? [] : urns));
}
