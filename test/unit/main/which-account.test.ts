import { describe, expect, it } from 'vitest';
import { type Which, whichAccount } from '../../../main/which-account';
import { AppError } from '../../../preload/contract/errors';

/** An account that has the conversations, messages and invitations of these names. */
const account = (name: string, ...things: string[]) => ({
  aor: `sip:${name}@lab.test`,
  has: ({ conversation, message, invitation }: Which) => things.includes(conversation ?? message ?? invitation ?? ''),
});
const alice = account('alice', 'chat of alice', 'message of both');
const carol = account('carol', 'chat of carol', 'message of both', 'asked of carol');

const answer = (accounts: (typeof alice)[], which: Which): string | null => {
  try {
    return whichAccount(accounts, which)?.aor ?? null;
  } catch (error) {
    return error instanceof AppError ? error.code : 'foreign';
  }
};

describe('which account a call means', () => {
  it.each<[string, (typeof alice)[], Which, string | null]>([
    ['nobody where nobody is signed in', [], {}, null],
    ['nobody where nobody is signed in, even if one is named', [], { account: alice.aor }, null],
    ['the only one', [alice], {}, alice.aor],
    ['the only one, which says itself that it has no such chat', [alice], { conversation: 'chat of carol' }, alice.aor],
    ['the one that is named, in whatever form', [alice, carol], { account: 'sip:carol@LAB.test;transport=tcp' }, carol.aor],
    ['the one that is named, whoever has the message', [alice, carol], { account: carol.aor, message: 'message of both' }, carol.aor],
    ['no other than the one that is named', [alice], { account: carol.aor }, 'account/none'],
    ['the one that has the chat', [alice, carol], { conversation: 'chat of carol' }, carol.aor],
    ['the one that is asked', [alice, carol], { invitation: 'asked of carol' }, carol.aor],
    ['neither where both have the message', [alice, carol], { message: 'message of both' }, 'ipc/refused'],
    ['neither where nothing tells', [alice, carol], {}, 'ipc/refused'],
    ['the first, which says so, where none has it', [alice, carol], { conversation: 'unknown' }, alice.aor],
  ])('%s', (_title, accounts, which, expected) => {
    expect(answer(accounts, which)).toBe(expected);
  });
});
