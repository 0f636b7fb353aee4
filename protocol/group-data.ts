/**
 * How a member changes a group's subject or picture, and how the Controlling Function answers: application/vnd.oma.cpm-groupdata+xml inside
 * CPIM, sent to the focus. The schema is not public and several forms exist in the field. LAB: all are read by their local names; the first
 * form is written.
 */
import { utf8 } from './octets';
import { malformed, type Parsed, parsed } from './parsed';
import { attributeOf, escapeXml, numberOf, parseXml, type XmlElement } from './xml';

export const GROUP_DATA_CONTENT_TYPE = 'application/vnd.oma.cpm-groupdata+xml';
/** LAB: one of the two namespace names in public code. */
const NAMESPACE = 'urn:oma:xml:cpm:groupdata:1.0';
/** LAB: most characters in a group's subject. */
export const MAX_SUBJECT_CHARACTERS = 200;
/** LAB: most characters in the id that links request and response. */
export const MAX_GROUP_DATA_ID_CHARACTERS = 128;

export interface GroupDataRequest {
  kind: 'request';
  id: string;
  /** The part to change, `subject` or `icon`. An unknown target is answered with an error and not applied. */
  target: string;
  action: 'set' | 'delete';
  /** The subject, or the picture in the form that `parseGroupIcon` reads. */
  data: string | null;
}

/** `code` is like a SIP status: 200, 400 malformed, 403 not allowed, 404 no such target, 413 too long, 415 unsupported kind of picture. */
interface GroupDataResponse {
  kind: 'response';
  id: string;
  code: number;
}

export type GroupData = GroupDataRequest | GroupDataResponse;

export function parseGroupData(body: Uint8Array | string): Parsed<GroupData> {
  const document = parseXml(body);
  if (!document.ok) return document;
  const root = document.value;
  const element = [root, ...root.children, ...root.children.flatMap((child) => child.children)].find(
    ({ name }) => name === 'request' || name === 'response',
  );
  if (element === undefined) return malformed('neither a request nor a response');
  const id = fieldOf(element, 'id') ?? fieldOf(root, 'id');
  if (id === null || id.length > MAX_GROUP_DATA_ID_CHARACTERS) return malformed('a group data document without a usable id');
  if (element.name === 'response') {
    const code = numberOf(fieldOf(element, 'code'));
    return code === null ? malformed('a response without a code') : parsed({ kind: 'response', id, code });
  }
  const target = fieldOf(element, 'target');
  const action = fieldOf(element, 'action');
  if (target === null || (action !== 'set' && action !== 'delete')) return malformed('a request without target or action');
  const wrapped = element.children.find(({ name }) => name === 'data')?.children.find(({ name }) => name === target);
  return parsed({ kind: 'request', id, target, action, data: wrapped?.text.trim() || fieldOf(element, 'data') });
}

export function encodeGroupData(value: GroupData): Uint8Array {
  const inner =
    value.kind === 'response'
      ? `<response id="${escapeXml(value.id)}" code="${value.code}"/>`
      : `<request id="${escapeXml(value.id)}" target="${escapeXml(value.target)}" action="${value.action}">${
          value.data === null ? '' : `<data>${escapeXml(value.data)}</data>`
        }</request>`;
  return utf8(`<?xml version="1.0" encoding="UTF-8"?>\r\n<cpm-group-management xmlns="${NAMESPACE}">${inner}</cpm-group-management>`);
}

/** The value of an attribute or of a child element; the known forms differ in this. */
function fieldOf(element: XmlElement, name: string): string | null {
  return attributeOf(element, name)?.trim() || element.children.find((child) => child.name === name)?.text.trim() || null;
}
