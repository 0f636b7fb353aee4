/** A focus whose Contact is not the address of its group: the roster and the messages go to the address that was joined. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { focusAddresses } from '../../../../main/cpm/session/focus-address';
import { parseCpim } from '../../../../protocol/cpim';
import { createLab, type Lab } from '../../../support/doubles/cpm-lab';

let lab: Lab;
beforeEach(() => {
  lab = createLab();
});
afterEach(() => lab.dispose());

const room = 'sip:room@conference.lab.test';
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('the address of a focus', () => {
  it.each<[string, string | null, string[]]>([
    [room, room, [room]],
    ['sip:room@CONFERENCE.lab.test', room, ['sip:room@CONFERENCE.lab.test']],
    [room, null, [room]],
    ['', room, [room]],
    ['', null, []],
    ['sip:10.0.0.7:5060;transport=tcp', room, [room, 'sip:10.0.0.7:5060;transport=tcp']],
    ['sip:conference.lab.test', room, [room, 'sip:conference.lab.test']],
    ['sip:mod_sofia@10.0.0.7:5080', room, [room, 'sip:mod_sofia@10.0.0.7:5080']],
    ['sip:room-77@conference.lab.test', room, ['sip:room-77@conference.lab.test', room]],
  ])('Contact %j, joined at %j: %j', (contact, joined, expected) => {
    expect(focusAddresses(contact, joined)).toEqual(expected);
  });
});

/** Joins the room, whose focus shows this Contact. */
async function join(contactUri: string) {
  const joining = lab.messenger.groups.joining.at(room);
  await lab.settle();
  const group = { contributionId: null, conversationId: null, subject: 'Room' };
  lab.invites[0]?.session.answer('active', { isFocus: true, contactUri, group });
  return joining;
}
const asked = () => lab.subscriptions.map(({ focus }) => focus);
const tell = (index: number) =>
  lab.subscriptions[index]?.onDocument.emit(
    `<?xml version="1.0"?><conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="${room}" state="full" version="1"><users/></conference-info>`,
  );
const recipients = async (conversation: string) => {
  lab.messenger.texts.send({ conversation }, 'Hello', 'session');
  lab.messenger.texts.composing(conversation, true);
  await lab.settle();
  return lab.media[0]?.sent.splice(0).map(({ body }) => {
    const envelope = parseCpim(utf8(body));
    return envelope.ok ? envelope.value.to.join() : envelope.reason;
  });
};

describe('a group that was joined at its address', () => {
  it('whose Contact names a connection is asked and written to at the address', async () => {
    const conversation = await join('sip:10.0.0.7:5060;transport=tcp');
    expect(asked()).toEqual([room]);
    tell(0);
    expect(await recipients(conversation)).toEqual([room, room]);
    expect(lab.history.conversation(conversation)?.focus).toBe(room);
  });

  it('whose Contact is another room is asked there; where no roster comes, at the address, and is written to where it came from', async () => {
    const elsewhere = 'sip:room-77@conference.lab.test';
    const conversation = await join(elsewhere);
    expect(asked()).toEqual([elsewhere]);
    expect(await recipients(conversation)).toEqual([elsewhere, elsewhere]);
    lab.subscriptions[0]?.onEnd.emit();
    expect(asked()).toEqual([elsewhere, room]);
    tell(1);
    expect(await recipients(conversation)).toEqual([room, room]);
    expect(lab.history.conversation(conversation)?.focus).toBe(room);
    // Whoever joins it again comes back to the same conversation.
    lab.invites[0]?.session.hangUp();
    await lab.settle();
    const again = lab.messenger.groups.joining.at(room);
    await lab.settle();
    lab.invites.at(-1)?.session.answer('active', { isFocus: true, contactUri: elsewhere });
    expect(await again).toBe(conversation);
  });

  it('that gives no roster anywhere is asked again at both, after a pause', async () => {
    await join('sip:mod_sofia@10.0.0.7:5080');
    for (const index of [0, 1]) lab.subscriptions[index]?.onEnd.emit();
    expect(asked()).toEqual([room, 'sip:mod_sofia@10.0.0.7:5080']);
    await lab.clock.advance(30_000);
    expect(asked()).toEqual([room, 'sip:mod_sofia@10.0.0.7:5080', room]);
  });
});
