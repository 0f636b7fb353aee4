import { describe, expect, it } from 'vitest';
import {
  attributeOf,
  childrenOf,
  escapeXml,
  MAX_XML_ATTRIBUTES,
  MAX_XML_CHARACTERS,
  MAX_XML_DEPTH,
  MAX_XML_ELEMENTS,
  parseXml,
  textOf,
} from '../../../protocol/xml';
import { parsedValue, reasonOf } from './wire-text';

describe('XML', () => {
  it('gives names without prefixes, namespaces, attributes and text', () => {
    const root = parsedValue(
      parseXml(
        '\uFEFF<?xml version="1.0" encoding="UTF-8"?><!-- c --><p:a xmlns:p="urn:p" xmlns="urn:d" b="1 &amp; 2" p:b="3">x<?pi?><c>y</c><![CDATA[<z>]]></p:a>',
      ),
    );
    expect(root).toEqual({
      namespace: 'urn:p',
      name: 'a',
      attributes: [
        { namespace: '', name: 'b', value: '1 & 2' },
        { namespace: 'urn:p', name: 'b', value: '3' },
      ],
      children: [{ namespace: 'urn:d', name: 'c', attributes: [], children: [], text: 'y' }],
      text: 'x<z>',
    });
    expect(attributeOf(root, 'b')).toBe('1 & 2');
    expect(textOf(root, 'urn:d', 'c')).toBe('y');
    expect(childrenOf(root, 'urn:other', 'c')).toEqual([]);
  });

  it.each([
    ['a DOCTYPE', '<!DOCTYPE a><a/>'],
    ['a DOCTYPE with entities', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an external DTD', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'],
    ['an unknown entity', '<a>&b;</a>'],
    ['an unbound prefix', '<p:a/>'],
    ['an open element', '<a><b></a>'],
    ['two roots', '<a/><b/>'],
    ['nothing', ''],
    ['text', 'hello'],
    ['half a tag', '<a'],
    ['a repeated attribute', '<a b="1" b="2"/>'],
    ['a NUL', '<a>\u0000</a>'],
    ['a NUL reference', '<a>&#0;</a>'],
  ])('refuses %s', (_, text) => {
    expect(parseXml(text).ok).toBe(false);
  });

  it('refuses by name of the limit', () => {
    const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
    expect(parseXml(nested(MAX_XML_DEPTH)).ok).toBe(true);
    expect(reasonOf(parseXml(nested(MAX_XML_DEPTH + 1)))).toBe('elements nested too deeply');
    expect(parseXml(nested(100_000)).ok).toBe(false);
    expect(parseXml(`<a>${'<b/>'.repeat(MAX_XML_ELEMENTS - 1)}</a>`).ok).toBe(true);
    expect(reasonOf(parseXml(`<a>${'<b/>'.repeat(MAX_XML_ELEMENTS)}</a>`))).toBe('too many elements');
    expect(reasonOf(parseXml(`<a>${'x'.repeat(MAX_XML_CHARACTERS)}</a>`))).toBe('XML document too large');
    const attributes = (count: number) => `<a ${Array.from({ length: count }, (_, index) => `b${index}=""`).join(' ')}/>`;
    expect(parseXml(attributes(MAX_XML_ATTRIBUTES)).ok).toBe(true);
    expect(reasonOf(parseXml(attributes(MAX_XML_ATTRIBUTES + 1)))).toBe('too many attributes');
  });

  it('escapes what could end text or attribute, keeps line ends, drops what XML cannot carry', () => {
    const hostile = '<a b="c" d=\'e\'>&amp;]]>\r\n\t\u0000\u0008\uFFFE\ud800 👋';
    const kept = '<a b="c" d=\'e\'>&amp;]]>\r\n\t 👋';
    const root = parsedValue(parseXml(`<x y="${escapeXml(hostile)}" z='${escapeXml(hostile)}'>${escapeXml(hostile)}</x>`));
    expect(root.text).toBe(kept);
    expect(root.attributes.map((attribute) => attribute.value)).toEqual([kept, kept]);
  });
});
