/**
 * Who is answered and who gets a report, and along which path (RFC 4975 sections 7.1.2 and 7.2): the same rules for a client, a switch and a relay.
 */
import type { MsrpRequest, MsrpResponse } from './msrp';

/** The parts of a request that its answer and its report need; the body need not be kept for them. */
export type Answerable = Pick<MsrpRequest, 'method' | 'transactionId' | 'toPath' | 'fromPath' | 'failureReport' | 'messageId'>;

/** RFC 4975 section 10, and LAB 500: the receiver has trouble of its own, for which the RFC has no code. */
const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  413: 'Message Too Large',
  415: 'Unsupported Media Type',
  481: 'No Such Session',
  500: 'Not Accepted',
  501: 'Unknown Method',
  506: 'Session Already Bound',
};

/**
 * The answer to a request, or null where none may be sent: never to a REPORT, never with Failure-Report "no", and with "partial" only an error.
 * The answer to a SEND goes one hop. Any other goes the whole path back, because a relay hands it on (RFC 4976 section 6.5).
 */
export function answerTo(request: Answerable, status: number, reason = reasons[status] ?? ''): MsrpResponse | null {
  const { method, failureReport, transactionId, toPath, fromPath } = request;
  if (method === 'REPORT' || failureReport === 'no' || (failureReport === 'partial' && status === 200)) return null;
  return {
    kind: 'response',
    transactionId,
    status,
    reason,
    toPath: method === 'SEND' ? fromPath.slice(0, 1) : [...fromPath],
    fromPath: toPath.slice(0, 1),
    continuation: '$',
  };
}

/** The success REPORT for a whole message of `total` octets. It goes back the whole path and gets no answer. */
export function successReport(request: Answerable, localPath: string, total: number, transactionId: string): MsrpRequest {
  return {
    kind: 'request',
    transactionId,
    method: 'REPORT',
    toPath: [...request.fromPath],
    fromPath: [localPath],
    headers: [],
    messageId: request.messageId,
    byteRange: { start: 1, end: total, total },
    contentType: null,
    successReport: false,
    failureReport: 'yes',
    status: { code: 200, reason: 'OK' },
    body: null,
    continuation: '$',
  };
}

/** Copies the parts that an answer needs, so that a request that waits for its answer does not keep its body alive. */
export function answerable({ method, transactionId, toPath, fromPath, failureReport, messageId }: MsrpRequest): Answerable {
  return { method, transactionId, toPath, fromPath, failureReport, messageId };
}
