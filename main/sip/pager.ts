/** Pager messages: one SIP MESSAGE outside a dialog, sent or received (RFC 3428). */
import type { IncomingMessageRequest, IncomingResponse } from 'sip.js/lib/core/index.js';
import type { AppError } from '../../preload/contract/errors';
import { parseContentType } from '../../protocol/multipart';
import {
  type CpmHeaders,
  type CpmRequest,
  cpmRequestHeaders,
  type PlainRequest,
  plainRequestHeaders,
  type RemoteParty,
  readCpmHeaders,
  readIcsis,
  readRemoteParty,
} from './stack/cpm-request';
import { acceptLine } from './stack/normalize';
import type { Stack } from './stack/stack';
import type { WireMessage } from './wire/wire-message';

export interface OutgoingPager extends CpmRequest, PagerContent {
  /** Extensions without which the network must not take it. */
  require?: string[];
  /** Sent instead when the answer is 415 and accepts this type but not the other (RFC 3261 section 21.4.13). */
  simpler?: PagerContent;
}

/** A message to another device of the own address, outside of CPM. */
export interface PlainMessage extends PlainRequest, PagerContent {}

interface PagerContent {
  contentType: string;
  body: Uint8Array;
}

export interface IncomingPager {
  remote: RemoteParty;
  headers: CpmHeaders;
  /** Call-ID and CSeq: equal for a repetition, different for another message of the same sender. */
  requestId: string;
  contentType: string;
  body: Uint8Array;
  icsis: string[];
  /** The message came to this device's temporary GRUU: its sender does not know whose it is. */
  hides?: boolean;
}

/** Resolves with the 2xx; rejects with AppError. RFC 3428 section 4: a MESSAGE carries no Contact. */
export async function sendPager(
  stack: Stack,
  pager: OutgoingPager | PlainMessage,
  target: string,
  to: string,
  identity: string,
  routes: readonly string[],
): Promise<{ status: number }> {
  const send = (content: PagerContent) => sendOnce(stack, { ...pager, ...content }, target, to, identity, routes);
  const simpler = pager.icsi === null ? undefined : pager.simpler;
  const sent = await send(pager);
  if (sent.kind === 'taken') return { status: sent.status };
  if (simpler === undefined || !wantsInstead(sent.response, simpler, pager)) throw sent.error;
  const again = await send(simpler);
  if (again.kind === 'taken') return { status: again.status };
  throw again.error;
}

type Outcome = { kind: 'taken'; status: number } | { kind: 'refused'; error: AppError; response: WireMessage | null };

function sendOnce(
  stack: Stack,
  pager: OutgoingPager | PlainMessage,
  target: string,
  to: string,
  identity: string,
  routes: readonly string[],
): Promise<Outcome> {
  const request = stack.request('MESSAGE', {
    target,
    to,
    ...(pager.icsi !== null && pager.anonymous === true ? { hidesFrom: to } : { from: identity }),
    ...(pager.icsi !== null && pager.pseudonym !== undefined ? { displayName: pager.pseudonym } : {}),
    routes,
    headers: pager.icsi === null ? plainRequestHeaders(pager, identity) : pagerHeaders(pager, identity),
    body: { contentType: pager.contentType, content: pager.body },
  });
  return new Promise((resolve, reject) => {
    const tracked = stack.track(reject);
    const refused = ({ message }: IncomingResponse) => {
      tracked.dispose();
      resolve({ kind: 'refused', error: stack.failure(message, request), response: stack.original(message) });
    };
    stack.core.message(request, {
      onAccept: ({ message }) => {
        tracked.dispose();
        resolve({ kind: 'taken', status: message.statusCode ?? 200 });
      },
      onReject: refused,
      onRedirect: refused,
    });
  });
}

function pagerHeaders(pager: OutgoingPager, identity: string): [string, string][] {
  const require: [string, string][] = pager.require === undefined ? [] : [['Require', pager.require.join(', ')]];
  return [...cpmRequestHeaders(pager, identity), ...require];
}

/** Whether a refusal is a 415 whose Accept lists `simpler` and not the type that was sent. */
function wantsInstead(response: WireMessage | null, simpler: PagerContent, sent: PagerContent): boolean {
  if (response?.start.kind !== 'response' || response.start.status !== 415) return false;
  const accepted = new Set(response.list('accept').map((range) => parseContentType(range).type));
  return accepted.has(parseContentType(simpler.contentType).type) && !accepted.has(parseContentType(sent.contentType).type);
}

/**
 * Passes a MESSAGE to `handle` and answers with the status it resolves with; only then is the message acknowledged. Without a handler, or
 * when it fails, the answer is 500, and the sender tries again.
 */
export function receivePager(
  stack: Stack,
  request: IncomingMessageRequest,
  message: WireMessage,
  handle: ((pager: IncomingPager) => Promise<number>) | null,
): void {
  const answer = (status: number) => {
    const statusCode = Number.isInteger(status) && status >= 200 && status <= 699 ? status : 500;
    if (statusCode < 300) request.accept({ statusCode });
    else if (statusCode === 415) request.reject({ statusCode, extraHeaders: [acceptLine()] });
    else if (statusCode >= 400) request.reject({ statusCode });
    else request.reject({ statusCode: 500 });
  };
  const work = async () => {
    if (handle === null) throw new Error('nobody takes messages');
    return handle({
      remote: readRemoteParty(message, 'from'),
      headers: readCpmHeaders(message),
      requestId: `${message.first('call-id') ?? ''} ${message.first('cseq') ?? ''}`,
      // Without a content type, the content counts as data that cannot be shown.
      contentType: message.first('content-type') ?? 'application/octet-stream',
      body: message.body,
      icsis: readIcsis(message),
      hides: stack.cameHidden(message, readRemoteParty(message, 'from').address),
    });
  };
  work()
    .catch((error: unknown) => {
      stack.log.error('A received message could not be kept', {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      return 500;
    })
    .then(answer)
    .catch((error: unknown) => stack.log.warn('A received message could not be answered', { error: String(error) }));
}
