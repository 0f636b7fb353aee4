/**
 * Which requests are answered or reported on, and along which path (RFC 4975 sections 7.1.2 and 7.2). Client, switch and relay follow the
 * same rules.
 */
import type { MsrpRequest, MsrpResponse } from './msrp';

/** The parts of a request that its answer and its report need. They keep no body in memory. */
export type Answerable = Pick<MsrpRequest, 'method' | 'transactionId' | 'toPath' | 'fromPath' | 'failureReport' | 'messageId'>;

/** The codes of RFC 4975 section 10, and LAB: 500 for a receiver with a fault of its own, for which the RFC has no code. */
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
 * The answer to a request, or null when none may be sent: a REPORT and a request with Failure-Report "no" get none, one with "partial" gets
 * only errors. The answer to a SEND goes one hop. Any other answer goes back along the whole path, because a relay forwards it (RFC 4976
 * section 6.5).
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

/** The success REPORT for a whole message of `total` octets. It goes back along the whole path and gets no answer. */
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

/** Copies the parts that an answer needs, so that a request waiting for its answer does not keep its body in memory. */
export function answerable({ method, transactionId, toPath, fromPath, failureReport, messageId }: MsrpRequest): Answerable {
  return { method, transactionId, toPath, fromPath, failureReport, messageId };
}
