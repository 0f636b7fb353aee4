/** Four people in four windows: a group that not everybody joins at first, another name and a picture for it, a word between two, somebody put out of it. */
import { describe, it } from 'vitest';
import { chorusWindows } from '../support/windows/electron';
import { expect, WindowDriver } from '../support/windows/window-driver';

const windows = chorusWindows();
const sit = async (profile: string, place: number) => new WindowDriver(await windows.open(profile, { tile: `${place}/4` }));

describe('a group of four', () => {
  it('R58 R60 R61 R69: one person declines and joins later, the group gets another name and a picture, two members talk privately, one is removed; each window shows it', {
    timeout: 240_000,
  }, async () => {
    const [alice, bob, carol, dave] = await Promise.all([sit('alice', 1), sit('bob', 2), sit('carol', 3), sit('dave', 4)]);
    await alice.button('Start').click();
    await alice.isRegistered();
    await Promise.all([bob.tryItAs('Bob', 'Desktop'), carol.tryItAs('Carol', 'Laptop'), dave.tryItAs('Dave', 'Phone')]);
    await carol.goTo('settings');
    await carol.page.getByTestId('accept').selectOption('ask');
    await carol.goTo('chats');

    await alice.newChat('Bob');
    await alice.say('Shall we ask the others?');
    await alice.sees('Shall we ask the others?', 'delivered');
    await alice.button('Add people').click();
    for (const name of ['Carol', 'Dave']) {
      await alice.at('add-people-input').fill(name);
      await alice.at('people-suggestion').filter({ hasText: name }).click();
    }
    await alice.button('Create a group of 4').click();

    // Carol is asked: who invites, and who else is in; she says no, and the group stands without her.
    await expect(carol.at('invitation')).toContainText('Alice');
    await expect(carol.at('invitation')).toContainText('Dave');
    await carol.pictures('group-invitation');
    await carol.at('invitation-decline').click();
    await expect(carol.at('invitation')).toHaveCount(0);
    const step = (name: string) => alice.at('group-step').filter({ hasText: name }).first();
    await expect(step('Bob')).toContainText('moved here on Bob’s Desktop');
    await expect(step('Dave')).toContainText('joined on Dave’s Phone');
    await expect(alice.page.locator('[data-testid="group-step"][data-state="disconnected"]')).toContainText('Carol declined');
    await alice.pictures('group-partial');
    await alice.say('We are three so far.');
    await Promise.all([bob.openChat('Alice, Dave'), dave.openChat('Alice, Bob')]);
    await Promise.all([bob.hears('We are three so far.'), dave.hears('We are three so far.')]);
    await expect(carol.at('conversation')).toHaveCount(0);

    // Asked again, she comes; what was said before is not hers to read.
    await alice.at('invite-again').click();
    await carol.at('invitation-accept').click();
    await expect(step('Carol')).toContainText('joined on Carol’s Laptop');
    await carol.at('conversation').first().click();
    await expect(carol.at('message')).toHaveCount(0);

    await alice.at('chat-menu').click();
    await alice.at('rename-group').click();
    await alice.at('rename-group-name').fill('Thursday lunch');
    await alice.at('rename-group-confirm').click();
    for (const one of [alice, bob, carol, dave]) await expect(one.at('chat-title')).toHaveText('Thursday lunch');

    // A picture for the group, large as it comes from a camera; each window shows it, and the one who comes with it to a dark room, too.
    await alice.button('Details').click();
    await alice
      .at('group-picture-file')
      .setInputFiles({ name: 'lunch.png', mimeType: 'image/png', buffer: await alice.drawing(1600, 1200) });
    for (const one of [alice, bob, carol, dave]) {
      const inHead = one.at('chat').locator('header').getByTestId('group-icon');
      await expect(inHead).toHaveJSProperty('naturalWidth', 128);
      await expect(one.row('Thursday lunch').getByTestId('group-icon')).toBeVisible();
    }
    await alice.pictures('group-icon');

    // To Bob alone: nobody else has it, and his answer comes back the same way.
    await alice.at('composer').fill('Shall we');
    await alice.at('participant').filter({ hasText: 'Bob' }).getByTestId('person-menu').click();
    await alice.at('person-privately').click();
    await alice.pictures('group-private-writing');
    await alice.say('Bob, do you know about Carol’s birthday?');
    await expect(bob.bubble('birthday').getByTestId('message-private')).toContainText('Only you and Alice');
    await bob.bubble('birthday').hover();
    await bob.at('message-menu').last().click();
    await bob.at('message-answer-privately').click();
    await bob.say('A cake is on its way.');
    await expect(alice.bubble('A cake is on its way.').getByTestId('message-private')).toContainText('Only you and Bob');
    await alice.sees('Bob, do you know', 'displayed');
    await alice.pictures('group-private');
    await alice.at('private-end').click();
    await expect(alice.at('composer')).toHaveValue('Shall we');
    await alice.say('Shall we meet at twelve?');
    await Promise.all([carol.hears('Shall we meet at twelve?'), dave.hears('Shall we meet at twelve?')]);
    for (const one of [carol, dave]) await expect(one.at('message-private')).toHaveCount(0);
    for (const one of [carol, dave]) await expect(one.bubble('birthday')).toHaveCount(0);

    // In a window of this width the details have made way for what was written privately.
    await alice.button('Details').click();
    await alice.at('participant').filter({ hasText: 'Dave' }).getByTestId('person-menu').click();
    await alice.at('person-remove').click();
    await alice.pictures('group-remove');
    await alice.at('remove-person-confirm').click();
    await expect(dave.at('not-joined')).toContainText('An administrator removed you from this group.');
    await expect(dave.at('composer')).toHaveCount(0);
    await dave.pictures('group-removed');
    await alice.say('Twelve, then.');
    await Promise.all([bob.hears('Twelve, then.'), carol.hears('Twelve, then.')]);
    await expect(dave.bubble('Twelve, then.')).toHaveCount(0);
    await alice.sees('Twelve, then.', 'displayed');
    await alice.at('message-menu').last().focus();
    await alice.page.keyboard.press('Enter');
    await alice.at('message-info-open').click();
    for (const [name, device] of [
      ['Bob', 'Desktop'],
      ['Carol', 'Laptop'],
    ] as const) {
      const line = alice.at('message-receiver').filter({ hasText: name }).getByTestId('message-receipt');
      await expect(line).toContainText(`${name}’s ${device}`);
      await expect(line).toHaveAttribute('data-state', 'displayed');
    }
    await alice.pictures('group-message-info');
  });
});
