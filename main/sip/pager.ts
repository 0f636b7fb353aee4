/** Pager messages: one SIP MESSAGE outside a dialog, in either direction (RFC 3428). */
import type { IncomingMessageRequest, IncomingResponse } from 'sip.js/lib/core/index.js';
import {
  type CpmHeaders,
  type CpmRequest,
  cpmRequestHeaders,
  type RemoteParty,
  readCpmHeaders,
  readIcsis,
  readRemoteParty,
} from './cpm-request';
import type { Stack } from './stack';
import type { WireMessage } from './wire-message';

export interface OutgoingPager extends CpmRequest {
  contentType: string;
  body: Uint8Array;
}

export interface IncomingPager {
  remote: RemoteParty;
  headers: CpmHeaders;
  contentType: string;
  body: Uint8Array;
  icsis: string[];
  /** It came to this device's temporary GRUU: whoever sent it does not know who this is. */
  hides?: boolean;
}

/** Resolves with the 2xx; rejects with AppError. RFC 3428 section 4: a MESSAGE carries no Contact. */
export function sendPager(
  stack: Stack,
  pager: OutgoingPager,
  target: string,
  to: string,
  identity: string,
  routes: readonly string[],
): Promise<{ status: number }> {
  const request = stack.request('MESSAGE', {
    target,
    to,
    ...(pager.anonymous === true ? { hidesFrom: to } : { from: identity }),
    routes,
    headers: cpmRequestHeaders(pager, identity),
    body: { contentType: pager.contentType, content: pager.body },
  });
  return new Promise((resolve, reject) => {
    const tracked = stack.track(reject);
    const refused = ({ message }: IncomingResponse) => {
      tracked.dispose();
      reject(stack.failure(message, request));
    };
    stack.core.message(request, {
      onAccept: ({ message }) => {
        tracked.dispose();
        resolve({ status: message.statusCode ?? 200 });
      },
      onReject: refused,
      onRedirect: refused,
    });
  });
}

/**
 * Hands a MESSAGE to `handle` and answers with the status that it resolves with: only then is the message acknowledged. Without a
 * handler, or when it fails, the answer is 500, and the sender's side tries again.
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
    else if (statusCode >= 400) request.reject({ statusCode });
    else request.reject({ statusCode: 500 });
  };
  const work = async () => {
    if (handle === null) throw new Error('nobody takes messages');
    return handle({
      remote: readRemoteParty(message, 'from'),
      headers: readCpmHeaders(message),
      contentType: message.first('content-type') ?? 'text/plain',
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
