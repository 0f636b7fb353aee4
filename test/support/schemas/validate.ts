/**
 * What is wrong with an XML document that Chorus has written, by the schema of its media type. The schemas beside this file are our own, written from
 * the descriptions in the RFCs: RFC 3978, under which most of them stand, lets nobody copy theirs.
 */
import { readFileSync } from 'node:fs';
import { XmlDocument, XmlParseError, XmlValidateError, XsdValidator } from 'libxml2-wasm';
import { xmlRegisterFsInputProviders } from 'libxml2-wasm/lib/nodejs.mjs';
import { parseCpim } from '../../../protocol/cpim';
import { parseContentType, parseMultipart } from '../../../protocol/multipart';

const folder = 'test/support/schemas';

/** The schema of each type of document that Chorus writes. */
const schemas: Readonly<Record<string, string>> = {
  'message/imdn+xml': 'imdn.xsd',
  'application/im-iscomposing+xml': 'im-iscomposing.xsd',
  'application/conference-info+xml': 'conference-info.xsd',
  'application/reginfo+xml': 'reginfo.xsd',
  'application/resource-lists+xml': 'resource-lists.xsd',
  'application/vnd.oma.cpm-groupdata+xml': 'cpm-groupdata.xsd',
};

xmlRegisterFsInputProviders();
const validators = new Map<string, XsdValidator>();

function validatorOf(type: string): XsdValidator | null {
  const name = schemas[type];
  if (name === undefined) return null;
  let validator = validators.get(type);
  if (validator === undefined) {
    const schema = XmlDocument.fromBuffer(readFileSync(`${folder}/${name}`), { url: `${folder}/${name}` });
    validator = XsdValidator.fromDoc(schema);
    validators.set(type, validator);
  }
  return validator;
}

/** The faults of one document; empty for a valid one. A type that no schema describes is a fault. */
export function faultsOf(contentType: string, body: Uint8Array | string): string[] {
  const validator = validatorOf(parseContentType(contentType).type);
  if (validator === null) return [`no schema for ${contentType}`];
  let document: XmlDocument | null = null;
  try {
    document = typeof body === 'string' ? XmlDocument.fromString(body) : XmlDocument.fromBuffer(body);
    validator.validate(document);
    return [];
  } catch (error) {
    if (error instanceof XmlValidateError || error instanceof XmlParseError) return error.details.map(({ message }) => message.trim());
    throw error;
  } finally {
    document?.dispose();
  }
}

export interface XmlPart {
  contentType: string;
  body: Uint8Array;
}

/** Every XML document in a body, however deep in multiparts and CPIM envelopes. */
export function xmlIn(contentType: string, body: Uint8Array): XmlPart[] {
  const { type } = parseContentType(contentType);
  if (type.endsWith('+xml')) return [{ contentType, body }];
  if (type === 'message/cpim') {
    const envelope = parseCpim(body);
    return envelope.ok ? xmlIn(envelope.value.contentType, envelope.value.body) : [];
  }
  if (!type.startsWith('multipart/')) return [];
  const parts = parseMultipart(contentType, body);
  return parts.ok ? parts.value.flatMap((part) => xmlIn(part.contentType, part.body)) : [];
}
