/**
 * The media of one session, anchored at the relay (R49): each offer and answer that passes gets the relay's path in place of the sender's,
 * and the two legs of the relay are set up as the offers are answered.
 *
 *   open --offer--> offered --answer--> anchored --offer (re-INVITE)--> offered ...      any --refusal of the first, BYE--> closed
 *
 * A re-INVITE with the same paths keeps the legs. One with another path, or after the legs have ended, gets new ones (media recovery), and
 * the old ones end when it is answered. When a call forks, the first device that answers gets the leg; the caller ends the calls to the
 * others.
 */
import { type Fingerprint, fingerprintsOf, type MsrpDescription } from '../../protocol/sdp';
import type { MsrpRequest } from '../msrp/assembly';
import type { MediaRelay, RelayLeg, RelayPair } from '../msrp/relay';
import type { SipMessage } from '../sip/message';
import { anchoredSdp, type FoundSdp, refusedSdp, replaceSdp, sdpOf } from './anchored-sdp';

/** LAB: how long an anchored session may be without media before it is forgotten; until then a re-INVITE may bring the media back. */
export const MEDIA_LOST_GRACE_MS = 120_000;

export type Side = 'caller' | 'called';

interface Pending {
  from: Side;
  pair: RelayPair;
  /** The offerer's setup: which side connects. */
  setup: 'active' | 'passive' | 'actpass' | null;
  path: readonly string[];
  fingerprints: readonly Fingerprint[];
  description: MsrpDescription;
}

export interface AnchorDeps {
  relay: MediaRelay;
  /** The side that is anonymous. */
  hides: Side | null;
  /** Called for each SEND that goes through. */
  onSend?: (from: Side, request: MsrpRequest) => void;
  /** Called once: the session is over for the relay. */
  onClose(): void;
}

export class MediaAnchor {
  #pair: RelayPair | null = null;
  #pending: Pending | null = null;
  /** The side whose offer was answered last: each 2xx to it, also a repeated one, goes back to that side. */
  #offerer: Pick<Pending, 'from' | 'setup'> & { description: Pick<MsrpDescription, 'streams' | 'transport'> } = {
    from: 'caller',
    setup: null,
    description: { transport: 'TCP/MSRP' },
  };
  /** Tag of the device that has the leg: the first one that answered. */
  #calledTag: string | null = null;
  #lost: { dispose(): void } | null = null;
  #closed = false;

  constructor(private readonly deps: AnchorDeps) {}

  /** Takes the offer of `from` and changes it for the other side; false when it cannot be carried (no MSRP, or the relay is full). */
  offer(from: Side, message: SipMessage): boolean {
    const found = sdpOf(message);
    if (this.#closed || found === null || found === 'unreadable' || !isCarried(found.description)) return false;
    const { setup, path } = found.description;
    const standing = this.#pair !== null && !this.#pair.isClosed && samePath(this.#pair[from].remotePath, path) ? this.#pair : null;
    const isSecure = found.description.transport === 'TCP/TLS/MSRP';
    const pair = standing ?? this.#newPair(isSecure);
    // A session that has TLS keeps it.
    if (pair === null || pair.isSecure !== isSecure || (this.#pair?.isSecure === true && !isSecure)) return false;
    this.#pending = { from, pair, setup, path, fingerprints: fingerprintsOf(found.description), description: found.description };
    this.#write(message, found, pair[other(from)], 'actpass', from);
    return true;
  }

  /** Takes the answer in a 2xx and changes it for the offerer. An answer that cannot be carried becomes a refusal of the media. */
  answer(message: SipMessage): void {
    this.#calledTag ??= message.toTag;
    const found = sdpOf(message);
    if (found === null) return;
    const pending = this.#pending;
    const pair = pending?.pair ?? this.#pair;
    const offered = pending?.description ?? this.#offerer.description;
    if (found === 'unreadable' || pair === null || !isCarried(found.description) || !answers(pair, found.description)) {
      replaceSdp(message, refusedSdp(this.deps.relay.host, offered), Math.random);
      this.refused();
      return;
    }
    if (pending !== null) {
      const { from, setup, path, fingerprints } = pending;
      // RFC 6135: an active answerer connects to us, a passive one waits for our connection.
      pair[other(from)].expect(found.description.path, found.description.setup !== 'active', fingerprintsOf(found.description));
      // The offerer connects to us, unless it said that it waits.
      pair[from].expect(path, setup === 'passive', fingerprints);
      if (this.#pair !== pair) {
        const before = this.#pair;
        this.#pair = pair;
        before?.close();
      }
      this.#pending = null;
      this.#offerer = { from, setup, description: pending.description };
    }
    const { from, setup } = this.#offerer;
    this.#write(message, found, pair[from], setup === 'passive' ? 'active' : 'passive', other(from));
  }

  /** Whether a dialog, by the tag of the called side, is the one whose media is here, and not that of a device that answered too late. */
  isOf(calledTag: string | null): boolean {
    return this.#calledTag === null || this.#calledTag === calledTag;
  }

  /** The pending offer was refused: the session stays as it was. */
  refused(): void {
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null && pending.pair !== this.#pair) pending.pair.close();
    if (this.#pair === null) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lost?.dispose();
    this.#pending?.pair.close();
    this.#pair?.close();
    this.deps.onClose();
  }

  #newPair(isSecure: boolean): RelayPair | null {
    const { relay, onSend } = this.deps;
    const events = {
      ...(onSend === undefined ? {} : { onSend }),
      onClose: () => {
        if (this.#closed || pair !== this.#pair) return;
        this.#lost?.dispose();
        this.#lost = relay.clock.setTimer(MEDIA_LOST_GRACE_MS, () => {
          if (this.#pair?.isClosed === true) this.close();
        });
      },
    };
    const pair: RelayPair | null = relay.pair(events, isSecure);
    return pair;
  }

  #write(message: SipMessage, found: FoundSdp, leg: RelayLeg, setup: 'active' | 'passive' | 'actpass', writer: Side): void {
    const { hides } = this.deps;
    const { host, port, fingerprint } = leg.place;
    const place = { host, port, path: leg.describes(found.description.path), setup, fingerprint };
    replaceSdp(message, anchoredSdp(found.text, place, hides === writer), Math.random);
  }
}

function isCarried({ port }: MsrpDescription): boolean {
  return port !== 0;
}

/** Both legs are of one kind: TLS on one side requires TLS on the other. */
function answers(pair: RelayPair, { transport }: MsrpDescription): boolean {
  return pair.isSecure === (transport === 'TCP/TLS/MSRP');
}

function other(side: Side): Side {
  return side === 'caller' ? 'called' : 'caller';
}

function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length > 0 && a.join(' ') === b.join(' ');
}
