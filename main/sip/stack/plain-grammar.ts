/**
 * Reads the plain form in which `normalize.ts` shows sip.js every message, and spares it sip.js' own parser, which decodes all its tables again
 * for each header: a quarter of a millisecond a header, a third of the cost of an incoming text. `Grammar.parse` is the one seam through which
 * sip.js parses anything; whatever is not exactly in the plain form goes to the original, so every result equals the original's.
 */

import { Grammar } from 'sip.js/lib/grammar/grammar.js';
import { NameAddrHeader, URI } from 'sip.js/lib/grammar/index.js';

type Parse = (input: string, rule: string) => unknown;
type Reader = (input: string) => unknown;

/** Results of the original that are kept, and the longest input of which one is. */
export const MAX_KEPT_RESULTS = 64;
export const MAX_KEPT_INPUT = 128;
/** Rules whose results are flat values, and whose inputs in the plain form are the same few again and again. */
const KEPT_RULES: ReadonlySet<string> = new Set([
  'Content_Disposition',
  'Event',
  'Proxy_Authenticate',
  'Subscription_State',
  'WWW_Authenticate',
]);

const HOST = '[0-9a-z][0-9a-z-]*\\.invalid';
const TOKEN = "[A-Za-z0-9.!%*_+`'~-]+";
const WORD = '[A-Za-z0-9._+~-]+';

/** By name: where another one begins like one of these, sip.js' parser takes the beginning for the whole, and fails. */
const METHOD = '(?:ACK|BYE|CANCEL|INVITE|MESSAGE|NOTIFY|OPTIONS|REGISTER|SUBSCRIBE)';

const requestLine = new RegExp(`^(${METHOD}) sip:([0-9a-f]+)@(${HOST}) SIP/2\\.0$`);
const statusLine = /^SIP\/2\.0 ([1-6]\d\d) -$/;
const via = new RegExp(`^SIP/2\\.0/TCP (${HOST});branch=(${TOKEN})(?:;w=([0-9a-f]+))?$`);
const address = new RegExp(`^<sip:([0-9a-f]+)@(${HOST})(;lr)?>(?:;tag=(${TOKEN}))?$`);
const callId = new RegExp(`^${WORD}(?:@${WORD})?$`);
const cseq = new RegExp(`^(\\d{1,10}) (${METHOD})$`);
const number = /^\d{1,9}$/;

/** Undefined where the input is not in the plain form. */
const readers: Readonly<Record<string, Reader>> = {
  Request_Response(input) {
    const status = statusLine.exec(input);
    if (status !== null) return { sip_version: 'SIP/2.0', status_code: Number(status[1]), reason_phrase: '-' };
    const request = requestLine.exec(input);
    return request === null
      ? undefined
      : { method: request[1], uri: new URI('sip', request[2] ?? '', request[3] ?? ''), sip_version: 'SIP/2.0' };
  },
  Via(input) {
    const found = via.exec(input);
    if (found === null) return undefined;
    const [, host, branch, w] = found;
    return { protocol: 'SIP', transport: 'TCP', host_type: 'domain', host, branch, ...(w === undefined ? {} : { params: { w } }) };
  },
  From: (input) => readAddress(input, { mayBeTagged: true }),
  To: (input) => readAddress(input, { mayBeTagged: true }),
  Contact: (input) => listed(input, readAddress(input, {})),
  Record_Route: (input) => listed(input, readAddress(input, { isRoute: true })),
  Call_ID: (input) => (callId.test(input) ? input : undefined),
  CSeq(input) {
    const found = cseq.exec(input);
    return found === null ? undefined : { value: Number(found[1]), method: found[2] };
  },
  Content_Length: (input) => (number.test(input) ? Number(input) : undefined),
  Content_Type: (input) => (input === 'application/sdp' || input === 'application/octet-stream' ? input : undefined),
};

function readAddress(input: string, { mayBeTagged = false, isRoute = false }): NameAddrHeader | undefined {
  const found = address.exec(input);
  if (found === null) return undefined;
  const [, user = '', host = '', lr, tag] = found;
  if ((lr !== undefined) !== isRoute || (tag !== undefined && !mayBeTagged)) return undefined;
  const uri = new URI('sip', user, host, undefined, isRoute ? { lr: null } : {});
  return new NameAddrHeader(uri, undefined as unknown as string, tag === undefined ? {} : { tag });
}

/** The original gives the place after each entry of a list, and where the first began. */
function listed(input: string, parsed: NameAddrHeader | undefined): unknown {
  return parsed === undefined ? undefined : [{ position: input.length, offset: 0, parsed }];
}

/** A `Grammar.parse` that gives the results of `original`. What it gives is the caller's own: sip.js changes what it has parsed. */
export function plainGrammar(original: Parse): Parse {
  const kept = new Map<string, unknown>();
  return (input, rule) => {
    const read = Object.hasOwn(readers, rule) ? readers[rule]?.(input) : undefined;
    if (read !== undefined) return read;
    if (!KEPT_RULES.has(rule) || input.length > MAX_KEPT_INPUT) return original(input, rule);
    const key = `${rule} ${input}`;
    if (!kept.has(key)) {
      if (kept.size >= MAX_KEPT_RESULTS) kept.clear();
      kept.set(key, original(input, rule));
    }
    return structuredClone(kept.get(key));
  };
}

let isInstalled = false;

/** Has sip.js parse by this from now on. */
export function installPlainGrammar(): void {
  if (isInstalled) return;
  isInstalled = true;
  (Grammar as { parse: Parse }).parse = plainGrammar(Grammar.parse);
}
