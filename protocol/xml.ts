/**
 * Parses peers' XML documents into small trees (Namespaces in XML 1.0). The input may be hostile: a DOCTYPE is refused, so a document
 * cannot define entities, and size, depth, elements and attributes are limited. Comments and processing instructions are skipped.
 */
import { SaxesParser } from 'saxes';
import { decodeXml } from './charset';
import { malformed, type Parsed, parsed } from './parsed';

export const MAX_XML_CHARACTERS = 1024 * 1024;
export const MAX_XML_DEPTH = 32;
export const MAX_XML_ELEMENTS = 20_000;
export const MAX_XML_ATTRIBUTES = 32;

interface XmlAttribute {
  /** Empty for an attribute without a prefix. */
  namespace: string;
  /** Local name. */
  name: string;
  value: string;
}

export interface XmlElement {
  /** Empty when the document declares no namespace. */
  namespace: string;
  /** Local name. */
  name: string;
  attributes: XmlAttribute[];
  children: XmlElement[];
  /** The character data directly inside the element, joined. */
  text: string;
}

class Refused extends Error {}

/** Parses to the root element. Malformed or too large input, or a DOCTYPE, is returned as a refusal. Octets are read in the charset that they declare. */
export function parseXml(document: Uint8Array | string): Parsed<XmlElement> {
  if (document.length > 4 * MAX_XML_CHARACTERS) return malformed('XML document too large');
  const text = typeof document === 'string' ? document : decodeXml(document);
  if (text.length > MAX_XML_CHARACTERS) return malformed('XML document too large');
  const parser = new SaxesParser({ xmlns: true, position: false });
  const open: XmlElement[] = [];
  let root: XmlElement | null = null;
  let count = 0;
  const addText = (data: string) => {
    const element = open.at(-1);
    if (element !== undefined) element.text += data;
  };
  parser.on('error', (error) => {
    throw new Refused(error.message);
  });
  parser.on('doctype', () => {
    throw new Refused('a DOCTYPE is not allowed');
  });
  let attributes = 0;
  parser.on('opentagstart', () => {
    attributes = 0;
    count += 1;
    if (count > MAX_XML_ELEMENTS) throw new Refused('too many elements');
    if (open.length >= MAX_XML_DEPTH) throw new Refused('elements nested too deeply');
  });
  parser.on('attribute', () => {
    attributes += 1;
    if (attributes > MAX_XML_ATTRIBUTES) throw new Refused('too many attributes');
  });
  parser.on('opentag', (tag) => {
    const element: XmlElement = {
      namespace: tag.uri,
      name: tag.local,
      attributes: Object.values(tag.attributes)
        .filter((attribute) => attribute.prefix !== 'xmlns' && attribute.name !== 'xmlns')
        .map((attribute) => ({ namespace: attribute.uri, name: attribute.local, value: attribute.value })),
      children: [],
      text: '',
    };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => {
    open.pop();
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  try {
    // A byte order mark is legal before the declaration (XML 1.0 section 4.3.3), but saxes does not accept it after decoding.
    parser.write(text.replace(/^\uFEFF/, '').trimStart()).close();
  } catch (error) {
    return malformed(error instanceof Error ? error.message : 'not XML');
  }
  return root === null ? malformed('no root element') : parsed(root);
}

/** True when the element has that name, in that namespace or in none: many peers forget the declaration. */
export function isElement(element: XmlElement, namespace: string, name: string): boolean {
  return element.name === name && (element.namespace === namespace || element.namespace === '');
}

export function childrenOf(element: XmlElement, namespace: string, name: string): XmlElement[] {
  return element.children.filter((child) => isElement(child, namespace, name));
}

export function childOf(element: XmlElement, namespace: string, name: string): XmlElement | null {
  return element.children.find((child) => isElement(child, namespace, name)) ?? null;
}

/** The trimmed text of the first child with that name. Null when there is none or it is empty. */
export function textOf(element: XmlElement, namespace: string, name: string): string | null {
  return childOf(element, namespace, name)?.text.trim() || null;
}

/** The value of an attribute without a prefix, or null. */
export function attributeOf(element: XmlElement, name: string): string | null {
  return element.attributes.find((attribute) => attribute.name === name && attribute.namespace === '')?.value ?? null;
}

/** A non-negative whole number of at most ten digits, or null. */
export function numberOf(text: string | null): number | null {
  return text !== null && /^\s*\d{1,10}\s*$/.test(text) ? Number(text) : null;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** Escapes text for element content or a quoted attribute. Characters that XML 1.0 forbids are dropped; line ends become references. */
export function escapeXml(text: string): string {
  let out = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code === 9 || code === 10 || code === 13) out += `&#${code};`;
    else if (code >= 0x20 && !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff)
      out += ENTITIES[character] ?? character;
  }
  return out;
}
