/** "Somebody is writing", application/im-iscomposing+xml (RFC 3994). */
import { utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';
import { escapeXml, isElement, numberOf, parseXml, textOf } from './xml';

const NAMESPACE = 'urn:ietf:params:xml:ns:im-iscomposing';

export interface IsComposing {
  state: 'active' | 'idle';
  /** How long "active" stays valid without another notification, in seconds; null when absent. */
  refreshSeconds: number | null;
  /** The media type that is being composed; null when absent. */
  contentType: string | null;
}

/** Any state other than "active" counts as "idle" (RFC 3994 section 3.3). */
export function parseIsComposing(body: Uint8Array | string): Parsed<IsComposing> {
  const document = parseXml(body);
  if (!document.ok) return document;
  const root = document.value;
  if (!isElement(root, NAMESPACE, 'isComposing')) return malformed('not an isComposing document');
  const state = textOf(root, NAMESPACE, 'state');
  if (state === null) return malformed('an isComposing document without state');
  return parsed({
    state: state === 'active' ? 'active' : 'idle',
    refreshSeconds: numberOf(textOf(root, NAMESPACE, 'refresh')),
    contentType: textOf(root, NAMESPACE, 'contenttype'),
  });
}

export function encodeIsComposing(value: IsComposing): Uint8Array {
  const contentType = value.contentType === null ? '' : `<contenttype>${escapeXml(value.contentType)}</contenttype>`;
  const refresh = value.refreshSeconds === null ? '' : `<refresh>${Math.max(1, Math.round(value.refreshSeconds))}</refresh>`;
  return utf8(
    `<?xml version="1.0" encoding="UTF-8"?>\r\n<isComposing xmlns="${NAMESPACE}"><state>${value.state}</state>${contentType}${refresh}</isComposing>`,
  );
}
