import { describe, expect, it } from 'vitest';
import { parseReceipts } from '../../../main/command/client';
import { UsageError } from '../../../main/command/command-line';

describe('chorus client --receipts', () => {
  it('reads the receipts to send, and whether to send unrequested ones', () => {
    expect(parseReceipts(null)).toEqual({});
    expect(parseReceipts('none')).toEqual({ receipts: { delivered: false, displayed: false } });
    expect(parseReceipts('delivered,displayed')).toEqual({ receipts: { delivered: true, displayed: true } });
    expect(parseReceipts('displayed,unasked')).toEqual({ receipts: { delivered: false, displayed: true, unasked: true } });
    for (const wrong of ['all', 'none,unasked', '']) expect(() => parseReceipts(wrong), wrong).toThrow(UsageError);
  });
});
