import { describe, expect, it } from 'vitest';
import { type Answerable, answerTo, successReport } from '../../../protocol/msrp-rules';

const request = (changes: Partial<Answerable> = {}): Answerable => ({
  method: 'SEND',
  transactionId: 'a786hjs2',
  toPath: ['msrp://b:1/b;tcp', 'msrp://c:1/c;tcp'],
  fromPath: ['msrp://r:1/r;tcp', 'msrp://a:1/a;tcp'],
  failureReport: 'yes',
  messageId: 'm',
  ...changes,
});

describe('who is answered (RFC 4975 section 7.2)', () => {
  it.each([
    ['SEND', 'yes', 200, true],
    ['SEND', 'yes', 413, true],
    ['SEND', 'partial', 200, false],
    ['SEND', 'partial', 413, true],
    ['SEND', 'no', 200, false],
    ['SEND', 'no', 413, false],
    ['REPORT', 'yes', 481, false],
    ['AUTH', 'yes', 501, true],
  ] as const)('%s with Failure-Report %s and %d: %s', (method, failureReport, status, isAnswered) => {
    expect(answerTo(request({ method, failureReport }), status) !== null).toBe(isAnswered);
  });

  it('a SEND by the next hop alone, anything else along the whole path', () => {
    expect(answerTo(request(), 481)).toMatchObject({
      status: 481,
      reason: 'No Such Session',
      transactionId: 'a786hjs2',
      toPath: ['msrp://r:1/r;tcp'],
      fromPath: ['msrp://b:1/b;tcp'],
    });
    expect(answerTo(request({ method: 'NICKNAME' }), 424, 'No Such Name')).toMatchObject({
      reason: 'No Such Name',
      toPath: request().fromPath,
    });
  });

  it('a success REPORT goes the whole path back and names every octet', () => {
    expect(successReport(request(), 'msrp://b:1/b;tcp', 12, 'tid-1')).toMatchObject({
      method: 'REPORT',
      toPath: request().fromPath,
      fromPath: ['msrp://b:1/b;tcp'],
      messageId: 'm',
      byteRange: { start: 1, end: 12, total: 12 },
      status: { code: 200 },
    });
  });
});
