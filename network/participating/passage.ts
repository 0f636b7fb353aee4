/**
 * What the Participating Function does for one end of a dialog, as its own Record-Route tells it again later:
 *
 *   sc=orig|term  the case    ct=TAG  the caller's tag    h  the served user is anonymous    m=TOKEN  the media is anchored
 */
import { parseUri } from '../../protocol/uri';
import type { SipRequest } from '../sip/message';
import type { Side } from './anchor';
import type { SessionCase } from './policy';

export /** What this function does for one end of a dialog. */
interface Passage {
  sescase: SessionCase;
  /** Tag of the side that began the dialog. */
  callerTag: string;
  /** The served user is anonymous to the other side. */
  hides: boolean;
  /** Key of the anchored media. */
  media: string | null;
}

/** The Record-Route of this function, whose address is `uri`. */
export function recordRoute(uri: string, passage: Passage | undefined): string {
  if (passage === undefined) return `<${uri};lr>`;
  const marks = [
    `sc=${passage.sescase}`,
    ...(/^[A-Za-z0-9._~-]{1,64}$/.test(passage.callerTag) ? [`ct=${passage.callerTag}`] : []),
    ...(passage.hides ? ['h'] : []),
    ...(passage.media === null ? [] : [`m=${passage.media}`]),
  ];
  return `<${uri};lr;${marks.join(';')}>`;
}

/** Reads this function's own Record-Route, when it comes back as Route. */
export function readPassage(routeUri: string): Passage | null {
  const uri = parseUri(routeUri);
  if (!uri.ok || (uri.value.scheme !== 'sip' && uri.value.scheme !== 'sips')) return null;
  const { params } = uri.value;
  const sescase = params.get('sc');
  if (sescase !== 'orig' && sescase !== 'term') return null;
  return { sescase, callerTag: params.get('ct') ?? '', hides: params.has('h'), media: params.get('m') ?? null };
}

/** The side that sent a request of a dialog. */
export function sideOf(request: SipRequest, passages: readonly Passage[]): Side {
  const callerTag = passages[0]?.callerTag ?? '';
  return request.toTag === null || callerTag === '' || request.fromTag === callerTag ? 'caller' : 'called';
}

export function servedSide(sescase: SessionCase): Side {
  return sescase === 'orig' ? 'caller' : 'called';
}

export function otherSide(side: Side): Side {
  return side === 'caller' ? 'called' : 'caller';
}
