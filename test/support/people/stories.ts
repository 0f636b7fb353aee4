/**
 * Stories that run with headless clients and with windows. Each contains its assertions; a Person rejects when an expected event does not
 * happen.
 */
import { expect } from 'vitest';
import type { Person } from './person';

/** Alice and Bob chat, and each learns how far a text has come. At the end both have their chat open. */
export async function chatOfTwo(alice: Person, bob: Person): Promise<void> {
  await alice.newChat('Bob');
  await alice.say('Is room 4 free on Thursday?');
  await alice.sees('Is room 4 free', 'delivered');
  await bob.openChat('Alice');
  await bob.hears('Is room 4 free on Thursday?');
  await alice.sees('Is room 4 free', 'displayed');
  await bob.say('From nine. Shall we ask Carol?');
  await alice.hears('From nine. Shall we ask Carol?');
  await bob.sees('Shall we ask Carol?', 'displayed');
}

/**
 * Alice adds Carol to her open chat with Bob. Bob's chat continues in the group, Carol sees no earlier messages, and everybody receives
 * every new one.
 */
export async function growIntoGroup(alice: Person, bob: Person, carol: Person): Promise<void> {
  await alice.addPerson('Carol');
  await bob.seesChatGoOn();
  await Promise.all([bob.openChat('Alice, Carol'), carol.openChat('Alice, Bob')]);
  expect(await carol.texts()).toEqual([]);
  await alice.say('Could the kitchen do forty?');
  await Promise.all([bob.hears('the kitchen do forty'), carol.hears('the kitchen do forty')]);
  await alice.sees('the kitchen do forty', 'displayed');
  await carol.say('Forty is fine.');
  await Promise.all([alice.hears('Forty is fine.'), bob.hears('Forty is fine.')]);
  await bob.say('Twelve it is.');
  await Promise.all([alice.hears('Twelve it is.'), carol.hears('Twelve it is.')]);
  const said = ['Could the kitchen do forty?', 'Forty is fine.', 'Twelve it is.'];
  for (const one of [alice, bob, carol]) expect(await one.texts()).toEqual(said);
}
