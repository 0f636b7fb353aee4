/** The service that the network asserts for a request (P-Asserted-Service, RFC 6050), against the one that the request asks devices for (R98). */
import { ICSI, isCpmService, wantedServices } from './feature-tags';

const KNOWN: ReadonlySet<string> = new Set(Object.values(ICSI));

export interface AssertedService {
  /** The request asks devices for one CPM service, and the network asserts another. */
  contradicts: boolean;
  /** The asserted services that are none of CPM, or none that is known here. */
  unknown: readonly string[];
}

/** Both from the header values of one request. Nothing is wrong where nothing is asserted. */
export function assertedService(asserted: readonly string[], acceptContacts: readonly string[]): AssertedService {
  const services = asserted.map((urn) => urn.trim().toLowerCase());
  const ofCpm = services.filter(isCpmService);
  const wanted = wantedServices(acceptContacts).filter(isCpmService);
  return {
    contradicts: ofCpm.length > 0 && wanted.length > 0 && !wanted.some((service) => ofCpm.includes(service)),
    unknown: services.filter((service) => !KNOWN.has(service)),
  };
}
