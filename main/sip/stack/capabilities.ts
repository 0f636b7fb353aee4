/**
 * What a device can do, as feature tags of a Contact (RFC 3840): what this device states in REGISTER and in answers to OPTIONS, and what
 * another device answers to OPTIONS (RFC 3261 section 11).
 */
import type { IncomingResponse } from 'sip.js/lib/core/index.js';
import { AppError } from '../../../preload/contract/errors';
import { ICSI, ICSI_PARAM, INSTANCE_PARAM, icsiValue, PAGER_LARGE_PARAM, parseIcsi } from '../../../protocol/feature-tags';
import { parseInstance } from '../../../protocol/instance-urn';
import { shownName } from '../../../protocol/shown-name';
import { isFeatureParam, parseNameAddr } from '../../../protocol/uri';
import type { WireMessage } from '../wire/wire-message';
import { ALLOWED_METHODS } from './normalize';
import type { Stack } from './stack';

export interface Capabilities {
  /** The device's services; empty when the answer lists none. */
  icsis: string[];
  /** The device that answered: all devices of a person are asked, and the first answer counts. */
  instanceId: string | null;
  /** LAB: taken from the display name of the Contact. */
  deviceName: string | null;
  /** Methods in upper case. */
  methods: string[];
}

export interface OwnCapabilities {
  instanceId: string;
  icsis: readonly string[];
  deviceName: string;
  /** Feature tags of other SIP services on the same device. They add to ours and never replace them. */
  featureTags: ReadonlyMap<string, string | null> | undefined;
}

/** The feature parameters in this device's Contact. */
export function capabilityParams({ instanceId, icsis, deviceName, featureTags = new Map() }: OwnCapabilities): Map<string, string | null> {
  const params = new Map<string, string | null>([[INSTANCE_PARAM, `<${instanceId}>`]]);
  const services = [...new Set([...icsis, ...parseIcsi(featureTags.get(ICSI_PARAM) ?? '')])];
  if (services.length > 0) params.set(ICSI_PARAM, icsiValue(services));
  if ([ICSI.msg, ICSI.largemsg].every((urn) => services.includes(urn))) params.set(PAGER_LARGE_PARAM, null);
  // RFC 3840 section 10: the value of a string feature is in angle brackets.
  if (deviceName !== '') params.set('description', `<${deviceName.replace(/[<>]/g, '')}>`);
  params.set('methods', ALLOWED_METHODS.join(','));
  for (const [name, value] of featureTags) {
    if (isFeatureParam(name) && !params.has(name.toLowerCase())) params.set(name.toLowerCase(), value);
  }
  return params;
}

/** Resolves with the 2xx; rejects with AppError. */
export function queryCapabilities(
  stack: Stack,
  parts: { target: string; to: string; from: string; displayName?: string; routes: readonly string[] },
): Promise<Capabilities> {
  const request = stack.request('OPTIONS', { ...parts, headers: [['Accept', 'application/sdp']] });
  return new Promise((resolve, reject) => {
    const tracked = stack.track(reject);
    const refused = ({ message }: IncomingResponse) => {
      tracked.dispose();
      reject(stack.failure(message, request));
    };
    stack.core.request(request, {
      onAccept: ({ message }) => {
        tracked.dispose();
        const response = stack.original(message);
        if (response === null) reject(new AppError('internal', { cause: 'a 200 of nobody' }));
        else resolve(readCapabilities(response));
      },
      onReject: refused,
      onRedirect: refused,
    });
  });
}

function readCapabilities(response: WireMessage): Capabilities {
  const contact = parseNameAddr(response.list('contact')[0] ?? '');
  const params: ReadonlyMap<string, string | null> = contact.ok ? contact.value.params : new Map();
  return {
    icsis: [...new Set([...parseIcsi(params.get(ICSI_PARAM) ?? ''), ...(params.has(PAGER_LARGE_PARAM) ? [ICSI.msg, ICSI.largemsg] : [])])],
    instanceId: parseInstance(params.get(INSTANCE_PARAM) ?? ''),
    deviceName: contact.ok ? shownName(contact.value.displayName ?? '') || null : null,
    methods: response.list('allow').map((method) => method.toUpperCase()),
  };
}
