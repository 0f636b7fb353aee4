import { expect, it } from 'vitest';
import { waysOf } from '../../../protocol/accepted-types';

it.each([
  [[], [], true, true],
  [[], ['image/png'], true, true],
  [['*'], [], true, true],
  [['text/*'], ['text/plain'], true, false],
  [['text/plain;charset=utf-8'], [], true, false],
  [['message/cpim'], [], false, true],
  [['message/cpim'], ['*'], false, true],
  [['message/cpim'], ['text/*'], false, true],
  [['message/cpim'], ['text/html'], false, false],
  [['message/cpim', 'text/plain'], [], true, true],
  [['message/cpim', 'text/plain'], ['text/html'], true, true],
  [['message/cpim', 'image/png'], [], false, false],
  [['image/png'], ['text/plain'], false, false],
])(
  'accept-types %j and accept-wrapped-types %j take a text as it is: %s, in an envelope: %s',
  (acceptTypes, wrappedTypes, bare, wrapped) => {
    expect(waysOf({ acceptTypes, wrappedTypes }, 'text/plain')).toEqual({ bare, wrapped });
  },
);
