/**
 * Tells in plain words what a packet means. The first matching pattern wins; if none matches, only method and status are shown: the
 * ladder never guesses. Some words depend on earlier packets (whose chat a BYE ends, who joined since the last roster); `Story` remembers
 * those, so packets must be passed in order.
 */
import { type ConferenceInfo, mergeConferenceInfo, parseConferenceInfo } from '../../protocol/conference-info';
import { type Imdn, parseImdn } from '../../protocol/imdn';
import { parseIsComposing } from '../../protocol/is-composing';
import { mergeRegInfo, parseRegInfo, type RegInfo } from '../../protocol/reginfo';
import { entryTarget, parseResourceLists } from '../../protocol/resource-lists';
import { capitalised, listed, nameOf, quoted } from './names';
import { type Content, envelopeOf, type MsrpPacket, type Packet, type SipPacket } from './packet';

/** The subject of a row. */
type Kind = 'registration' | 'session' | 'message' | 'receipt' | 'composing' | 'conference' | 'media' | 'other';

export interface Saying {
  kind: Kind;
  text: string;
  /** True for a message that only keeps the protocol going: 100, ACK, PRACK, the 200 to an MSRP chunk. */
  isMinor: boolean;
}

const says = (kind: Kind, text: string): Saying => ({ kind, text, isMinor: false });
const minor = (kind: Kind, text: string): Saying => ({ kind, text, isMinor: true });

const REFUSALS: Readonly<Record<number, string>> = {
  403: 'is not allowed to',
  404: 'is unknown',
  408: 'does not answer',
  480: 'is not signed in',
  486: 'declines on this device',
  487: 'is no longer asked',
  488: 'cannot take this offer',
  600: 'declines everywhere',
  603: 'declines everywhere',
};

/** The state that is kept from packet to packet. */
export class Story {
  /** Call-ID -> Contribution-ID of a session, and the Contribution-IDs that a group replaces. */
  readonly #contributions = new Map<string, string>();
  readonly #replaced = new Set<string>();
  /** Call-IDs of active registrations, and of those that a pending REGISTER ends. */
  readonly #registered = new Set<string>();
  readonly #leaving = new Set<string>();
  /** Call-IDs of third-party registrations. */
  readonly #told = new Set<string>();
  /** imdn.Message-ID -> the text, so that a receipt can name its message. */
  readonly #texts = new Map<string, string>();
  /** Hop and Call-ID -> the last document of that subscription on that hop. */
  readonly #rosters = new Map<string, ConferenceInfo>();
  readonly #registrations = new Map<string, RegInfo>();

  /** `hop` names the two lanes: a subscription's documents are compared with the previous one on the same hop. */
  say(packet: Packet, hop: string): Saying {
    if (packet.kind === 'msrp') return this.#msrp(packet);
    return packet.status === null ? this.#request(packet, hop) : this.#response(packet, packet.status);
  }

  #request(packet: SipPacket, hop: string): Saying {
    const sender = capitalised(nameOf(packet.header('from')));
    const called = nameOf(packet.header('to'));
    switch (packet.method) {
      case 'REGISTER':
        return says('registration', this.#register(packet));
      case 'INVITE':
        return says('session', this.#invite(packet, sender, called));
      case 'ACK':
        return minor('session', 'Confirmed');
      case 'PRACK':
        return minor('session', 'The provisional answer is confirmed');
      case 'CANCEL':
        return says(
          'session',
          /cause\s*=\s*200/i.test(packet.header('reason') ?? '')
            ? `${capitalised(called)} stops ringing here: answered on another device`
            : `${sender} withdraws the invitation`,
        );
      case 'BYE':
        return says(
          'session',
          this.#isReplaced(packet) ? `${sender} leaves the chat: it goes on in the group` : `${sender} ends the session`,
        );
      case 'MESSAGE':
        return packet.contents.map((content) => this.#content(content, sender))[0] ?? says('message', `${sender} sends an empty message`);
      case 'SUBSCRIBE':
        return this.#subscribe(packet, sender, called);
      case 'NOTIFY':
        return this.#notify(packet, hop);
      case 'REFER':
        return says('conference', refers(packet, sender));
      case 'OPTIONS':
        return minor('other', `${sender} asks what ${called} can do`);
      case 'UPDATE':
        return says('session', 'The session is renewed');
      default:
        return says('other', packet.method);
    }
  }

  #register(packet: SipPacket): string {
    const name = capitalised(nameOf(packet.header('to')));
    const teller = capitalised(nameOf(packet.header('from')));
    const contact = packet.header('contact') ?? '';
    if (/[;,]\s*expires=0\b/i.test(contact) || packet.header('expires') === '0') {
      this.#leaving.add(packet.callId);
      return teller === name ? `${name} signs out` : `${teller} tells that ${name} is signed out`;
    }
    // TS 24.229 5.4.1.7: the core registers a user at a function, under its own name.
    if (teller !== name) {
      this.#told.add(packet.callId);
      return `${teller} tells that ${name} is signed in`;
    }
    if (this.#registered.has(packet.callId)) return `${name} renews the registration`;
    return packet.header('authorization') === null ? `${name} signs in` : `${name} signs in, with the proof asked for`;
  }

  #invite(packet: SipPacket, sender: string, called: string): string {
    const contribution = packet.header('contribution-id');
    if (contribution !== null) this.#contributions.set(packet.callId, contribution);
    const replaced = packet.header('session-replaces');
    if (replaced !== null) {
      this.#replaced.add(replaced);
      return `${sender} asks ${called} to move the chat into the group`;
    }
    if (packet.isInDialog) return 'The session is renewed or gets a new line';
    if (/;\s*isfocus/i.test(packet.header('contact') ?? '')) return `${sender} invites ${called}`;
    if (/oma\.cpm\.largemsg/i.test(packet.header('contact') ?? '')) return `${sender} sends ${called} a long message`;
    const invitees = packet.contents.flatMap((content) => this.#invitees(content));
    if (invitees.length > 0) return `${sender} asks for a group: ${invitees.join(', ')}`;
    const text = packet.contents.flatMap((content) => (envelopeOf(content) === null ? [] : [this.#content(content, sender).text]))[0];
    const inviting = called === 'the group' ? `${sender} comes back to the group` : `${sender} asks ${called} for a session`;
    return text === undefined ? inviting : `${inviting}; ${text}`;
  }

  /** The people in a resource list; those whose session will be replaced are marked. */
  #invitees({ type, body }: Content): string[] {
    const list = type === 'application/resource-lists+xml' ? parseResourceLists(body) : null;
    if (list === null || !list.ok) return [];
    return list.value.map((entry) => {
      const target = entryTarget(entry.uri);
      if (!target.ok) return nameOf(entry.uri);
      const name = nameOf(target.value.uri);
      if (target.value.sessionReplaces === null) return name;
      this.#replaced.add(target.value.sessionReplaces);
      return `${name} (instead of this very chat)`;
    });
  }

  #isReplaced({ callId }: SipPacket): boolean {
    return this.#replaced.has(this.#contributions.get(callId) ?? '');
  }

  #response(packet: SipPacket, status: number): Saying {
    const called = capitalised(nameOf(packet.header('to')));
    if (status === 100) return minor('other', 'Under way');
    switch (packet.method) {
      case 'REGISTER':
        return says('registration', this.#registration(packet, status));
      case 'INVITE':
        if (status < 200) return status === 180 ? says('session', `It rings at ${called}`) : minor('session', `${called} is being asked`);
        if (status < 300) return says('session', called === 'The group factory' ? 'The group stands' : `${called} accepts`);
        return says('session', `${called} ${REFUSALS[status] ?? 'refuses'} (${status})`);
      case 'BYE':
      case 'CANCEL':
        return minor('session', status < 300 ? 'Agreed' : `Refused (${status})`);
      case 'MESSAGE':
        return status < 300
          ? minor('message', 'Taken')
          : says('message', `Not taken: ${called} ${REFUSALS[status] ?? 'refuses'} (${status})`);
      default:
        return status < 300 ? minor('other', `${packet.method} is answered`) : says('other', `${packet.method} is refused (${status})`);
    }
  }

  #registration({ callId }: SipPacket, status: number): string {
    if (status === 401 || status === 407) return 'Proof of identity is asked for';
    if (status >= 300) return `The registration is refused (${status})`;
    if (this.#told.has(callId)) return 'Noted';
    if (this.#leaving.has(callId)) {
      this.#registered.delete(callId);
      return 'Signed out';
    }
    this.#registered.add(callId);
    return 'Signed in';
  }

  #subscribe(packet: SipPacket, sender: string, called: string): Saying {
    const ends = packet.header('expires') === '0';
    const event = (packet.header('event') ?? '').split(';')[0]?.trim();
    if (event === 'reg') return says('registration', `${sender} ${ends ? 'no longer watches' : 'watches'} the devices of ${called}`);
    if (event === 'conference') return says('conference', `${sender} ${ends ? 'no longer watches' : 'watches'} who is in ${called}`);
    return says('other', `SUBSCRIBE ${event}`);
  }

  #notify(packet: SipPacket, hop: string): Saying {
    const key = `${hop} ${packet.callId}`;
    for (const { type, body } of packet.contents) {
      const conference = type === 'application/conference-info+xml' ? parseConferenceInfo(body) : null;
      if (conference?.ok === true) return says('conference', this.#roster(key, conference.value));
      const registrations = type === 'application/reginfo+xml' ? parseRegInfo(body) : null;
      if (registrations?.ok === true) return says('registration', this.#devices(key, registrations.value));
    }
    return says('other', `NOTIFY ${packet.header('event') ?? ''}`.trim());
  }

  /** The difference from the previous document. */
  #roster(key: string, document: ConferenceInfo): string {
    const before = this.#rosters.get(key) ?? null;
    const now = mergeConferenceInfo(before, document);
    if (now === null) return 'Part of the roster is missing before this';
    this.#rosters.set(key, now);
    const [was, is] = [before === null ? [] : connected(before), connected(now)];
    const came = is.filter((name) => !was.includes(name));
    const went = was.filter((name) => !is.includes(name));
    if (before === null) return `In the group: ${listed(is)}`;
    const parts = [...(came.length > 0 ? [`${listed(came)} joined`] : []), ...(went.length > 0 ? [`${listed(went)} left`] : [])];
    return parts.length > 0 ? parts.join('; ') : 'The roster has news, and the same people in it';
  }

  #devices(key: string, document: RegInfo): string {
    const before = this.#registrations.get(key) ?? null;
    const now = mergeRegInfo(before, document);
    if (now === null) return 'Part of the registrations is missing before this';
    this.#registrations.set(key, now);
    const [was, is] = [before === null ? [] : signedIn(before), signedIn(now)];
    const owner = nameOf(now.registrations[0]?.aor ?? null);
    if (before === null) return is.length === 0 ? `${owner} has no device signed in` : `Signed in for ${owner}: ${listed(is)}`;
    const came = is.filter((name) => !was.includes(name));
    const went = was.filter((name) => !is.includes(name));
    const parts = [...(came.length > 0 ? [`${listed(came)} signed in`] : []), ...(went.length > 0 ? [`${listed(went)} signed out`] : [])];
    return `Devices of ${owner}: ${parts.length > 0 ? parts.join('; ') : 'as before'}`;
  }

  #msrp({ message, startLine }: MsrpPacket): Saying {
    if (message.kind === 'response')
      return message.status === 200
        ? minor('media', 'Taken')
        : says('media', `Not taken (${message.status} ${message.reason})`.replace(' )', ')'));
    if (message.method === 'REPORT') {
      const code = message.status?.code ?? 200;
      return code === 200 ? says('receipt', 'It has arrived whole') : says('receipt', `It has not arrived (${code})`);
    }
    if (message.method === 'NICKNAME') return says('conference', 'Asks for a name of its own in the group');
    if (message.method !== 'SEND') return says('media', startLine.split(' ').at(-1) ?? message.method);
    if (message.body === null || message.body.length === 0) return says('media', 'The line for messages opens');
    const type = (message.contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    if (message.continuation === '+' || (message.byteRange?.start ?? 1) > 1)
      return says('message', `Part of a message, ${rangeOf(message.byteRange)}`);
    return this.#content({ type, body: message.body }, null);
  }

  /** The content from a person or a client: a text, a receipt, "is writing". `sender` is the sender according to SIP. */
  #content(content: Content, sender: string | null): Saying {
    const inside = envelopeOf(content);
    const { type, body } = inside ?? content;
    const from = inside?.envelope.from ?? null;
    const author = capitalised(from === null ? (sender ?? 'Somebody') : nameOf(from));
    if (type === 'text/plain') {
      const text = quoted(body);
      if (inside?.envelope.messageId != null) this.#texts.set(inside.envelope.messageId, text);
      return says('message', `${author} writes ${text}`);
    }
    const imdn = type === 'message/imdn+xml' ? parseImdn(body) : null;
    if (imdn?.ok === true) return says('receipt', this.#receipt(imdn.value, author));
    const composing = type === 'application/im-iscomposing+xml' ? parseIsComposing(body) : null;
    if (composing?.ok === true)
      return says('composing', composing.value.state === 'active' ? `${author} is writing` : `${author} has stopped writing`);
    return says('message', `${author} sends ${type === '' ? 'something' : type}`);
  }

  #receipt({ messageId, kind, status }: Imdn, reader: string): string {
    const text = this.#texts.get(messageId) ?? 'a message';
    if (status === 'delivered') return `${reader} has received ${text}`;
    if (status === 'displayed') return `${reader} has read ${text}`;
    return `${reader} tells of ${text}: ${kind} ${status}`;
  }
}

function refers(packet: SipPacket, sender: string): string {
  const target = packet.header('refer-to') ?? '';
  const lists = packet.contents.flatMap(({ type, body }) => {
    const list = type === 'application/resource-lists+xml' ? parseResourceLists(body) : null;
    return list?.ok === true ? list.value.map(({ uri }) => uri) : [];
  });
  const people = (lists.length > 0 ? lists : [target]).map((uri) => nameOf(uri));
  return /method=BYE/i.test(target) ? `${sender} removes ${listed(people)}` : `${sender} adds ${listed(people)}`;
}

function connected({ users }: ConferenceInfo): string[] {
  return users
    .filter(({ endpoints }) => endpoints.some(({ status }) => status === 'connected'))
    .map(({ entity }) => nameOf(entity))
    .sort();
}

function signedIn({ registrations }: RegInfo): string[] {
  const devices = registrations.flatMap(({ contacts }) => contacts.filter(({ state }) => state === 'active'));
  return [...new Set(devices.map(({ displayName, id }) => displayName ?? id))].sort();
}

function rangeOf(range: { start: number; end: number | null; total: number | null } | null): string {
  return range === null ? 'of unknown length' : `bytes ${range.start} to ${range.end ?? '?'} of ${range.total ?? '?'}`;
}
