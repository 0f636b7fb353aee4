/**
 * The one place where a call of the contract is checked, run, and its failure turned into a value. Both doors come through here:
 * `ipc.ts` (the window) and `headless.ts` (NDJSON). A decoder's output type must be the contract's argument; a missing one is a type error.
 */
import * as v from 'valibot';
import type { CallArgument, CallName, CallValue, Result } from '../preload/contract';
import { AppError, toAppError } from '../preload/contract/errors';
import { MAX_SUBJECT_CHARACTERS } from '../protocol/group-data';
import { isVisible } from '../protocol/visible-text';
import { maxCertificatesLength } from './account/option-kinds';
import { signInTable } from './account/sign-in-options';

/** One function for every call of the contract. */
export type Handlers = { [N in CallName]: (argument: CallArgument<N>) => CallValue<N> | Promise<CallValue<N>> };

/** The longest text one message may have, in UTF-16 code units. */
export const maxTextLength = 100_000;
/** The longest address, name or ID a caller may pass. */
const maxFieldLength = 1_000;
/** The longest data URI of a picture that a caller may pass; `group-icon.ts` limits the picture itself, with its own error. */
const maxIconLength = 100_000;
/** The longest path of a file that a caller may name, in UTF-16 code units. */
const maxPathLength = 4_096;
/** The most people one call may name. */
const maxPeople = 500;
/** LAB: the most people who are written to separately at a time. */
const maxSeparatePeople = 100;
/** LAB: the longest name of one's own towards a person or a group, in UTF-16 code units. */
const maxPseudonymLength = 64;
/** The longest time after which an idle session is ended, seconds: a day. */
const maxIdleSeconds = 86_400;
/** The longest pairing code that a caller may pass: six digits and what people type between them. */
const maxCodeLength = 32;
/** LAB: the longest time that a text may wait for somebody who is away, days. */
const maxWaitDays = 30;

const field = v.pipe(v.string(), v.minLength(1), v.maxLength(maxFieldLength));
/** `strictObject({})` alone would take an empty list, and give back an object. */
const none = v.custom<Record<string, never>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0,
  'takes no arguments',
);
/** Which account is meant; see the contract. */
const named = { account: v.optional(field) };
const ofAccount = v.pipe(
  v.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'takes an object'),
  v.strictObject(named),
);
const history = v.picklist(['all', 'days90', 'none']);
const inConversation = v.strictObject({ conversation: field });

const decoders: { [N in CallName]: v.GenericSchema<unknown, CallArgument<N>> } = {
  snapshot: none,
  identity: ofAccount,
  register: ofAccount,
  unregister: ofAccount,
  devices: ofAccount,
  renameDevice: v.strictObject({ ...named, name: v.pipe(v.string(), v.maxLength(maxFieldLength)) }),
  capabilities: v.strictObject({ ...named, address: field }),
  testDevice: v.strictObject({
    ...named,
    instanceId: field,
    text: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(maxFieldLength))),
  }),
  signOutDevice: v.strictObject({ ...named, instanceId: field }),
  ownDevices: ofAccount,
  startPairing: v.strictObject({ ...named, instanceId: v.optional(field) }),
  typePairingCode: v.strictObject({ ...named, code: v.pipe(v.string(), v.maxLength(maxCodeLength)) }),
  confirmPairing: v.strictObject({ ...named, history }),
  cancelPairing: ofAccount,
  fetchHistory: v.strictObject({ ...named, history }),
  removeDevice: v.strictObject({ ...named, instanceId: field, erase: v.boolean() }),
  signOut: v.strictObject({ ...named, chats: v.picklist(['keep', 'erase']) }),
  signOutEverywhere: ofAccount,
  writeAs: v.strictObject({ ...named, address: v.nullable(field), conversation: v.optional(field) }),
  setCapability: v.strictObject({ ...named, name: v.picklist(['session', 'pager', 'large', 'file']), on: v.boolean() }),
  setMedia: signInTable.schemaOf(['mediaTls', 'msrpRelay'], named),
  resolveClone: v.strictObject({
    choice: v.picklist(['moved', 'newDevice']),
    name: v.optional(v.pipe(v.string(), v.maxLength(maxFieldLength))),
  }),
  conversations: ofAccount,
  messages: v.strictObject({
    conversation: field,
    before: v.optional(field),
    after: v.optional(field),
    around: v.optional(field),
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(500))),
  }),
  search: v.strictObject({
    ...named,
    text: v.pipe(v.string(), v.maxLength(maxFieldLength)),
    limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(200))),
    before: v.optional(v.strictObject({ message: field, direction: v.picklist(['in', 'out']) })),
    passing: v.optional(v.boolean()),
  }),
  sendText: v.strictObject({
    ...named,
    to: v.optional(field),
    conversation: v.optional(field),
    // A text in which nothing can be seen would be an empty bubble for everybody.
    text: v.pipe(v.string(), v.maxLength(maxTextLength), v.check(isVisible)),
    mode: v.optional(v.picklist(['session', 'pager'])),
    anonymous: v.optional(v.boolean()),
    onlyWith: v.optional(field),
    replyTo: v.optional(field),
  }),
  answerHere: inConversation,
  setPseudonym: v.strictObject({
    conversation: field,
    name: v.nullable(v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(maxPseudonymLength))),
  }),
  sendSeparately: v.strictObject({
    ...named,
    people: v.pipe(v.array(field), v.minLength(1), v.maxLength(maxSeparatePeople)),
    text: v.pipe(v.string(), v.minLength(1), v.maxLength(maxTextLength)),
  }),
  openConversation: v.strictObject({ ...named, to: field, anonymous: v.optional(v.boolean()) }),
  openSession: v.strictObject({ ...named, to: field }),
  closeSession: inConversation,
  answer: v.strictObject({ invitation: field, accept: v.boolean(), everywhere: v.optional(v.boolean()) }),
  addPeople: v.strictObject({
    conversation: field,
    people: v.pipe(v.array(field), v.minLength(1), v.maxLength(maxPeople)),
    subject: v.optional(v.pipe(v.string(), v.maxLength(maxFieldLength))),
  }),
  joinGroup: v.strictObject({ ...named, address: field }),
  participants: inConversation,
  gaps: inConversation,
  removePerson: v.strictObject({ conversation: field, address: field }),
  renameGroup: v.strictObject({
    conversation: field,
    subject: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(MAX_SUBJECT_CHARACTERS)),
  }),
  setNickname: v.strictObject({ conversation: field, nickname: v.pipe(v.string(), v.maxLength(maxFieldLength)) }),
  setGroupIcon: v.strictObject({
    conversation: field,
    icon: v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(maxIconLength))),
  }),
  groupIcon: inConversation,
  comeBack: inConversation,
  leave: inConversation,
  composing: v.strictObject({ conversation: field, active: v.boolean(), onlyWith: v.optional(field) }),
  markDisplayed: v.strictObject({ conversation: field, upTo: field }),
  retry: v.strictObject({ ...named, message: field }),
  discard: v.strictObject({ ...named, message: field }),
  block: v.strictObject({ address: field }),
  unblock: v.strictObject({ address: field }),
  skip: v.strictObject({ ...named, message: field }),
  deleteMessage: v.strictObject({ ...named, message: field, direction: v.picklist(['in', 'out']) }),
  deleteConversation: inConversation,
  setDraft: v.strictObject({ conversation: field, text: v.pipe(v.string(), v.maxLength(maxTextLength)), onlyWith: v.optional(field) }),
  markUnread: v.strictObject({ conversation: field, unread: v.boolean() }),
  exportConversation: v.strictObject({
    conversation: field,
    format: v.picklist(['html', 'json']),
    path: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(maxPathLength))),
  }),
  saveFile: v.strictObject({
    ...named,
    message: field,
    direction: v.picklist(['in', 'out']),
    path: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(maxPathLength))),
  }),
  beginHistory: none,
  setPreferences: v.strictObject({
    theme: v.picklist(['system', 'light', 'dark']),
    receipts: v.strictObject({ delivered: v.boolean(), displayed: v.boolean(), unasked: v.optional(v.boolean()) }),
    composing: v.boolean(),
    accept: v.picklist(['auto', 'open', 'reply', 'ask']),
    idleSeconds: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(maxIdleSeconds)),
    refuseAnonymous: v.optional(v.boolean()),
    country: v.optional(v.pipe(v.string(), v.regex(/^[A-Z]{2}$/))),
    waitDays: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maxWaitDays)),
  }),
  checkServer: v.strictObject({
    address: field,
    server: v.optional(field),
    ca: v.optional(v.pipe(v.string(), v.maxLength(maxCertificatesLength))),
  }),
  signIn: v.strictObject({
    address: field,
    password: v.pipe(v.string(), v.maxLength(maxFieldLength)),
    server: v.optional(field),
    deviceName: v.pipe(v.string(), v.maxLength(maxFieldLength)),
    options: v.optional(signInTable.schema),
    add: v.optional(v.boolean()),
  }),
  tryIt: v.strictObject({ person: field, deviceName: v.pipe(v.string(), v.maxLength(maxFieldLength)) }),
  openDevice: v.strictObject({ person: field }),
  quit: none,
};

/** Decodes, runs and answers one call. Never throws; an argument outside the contract changes nothing. */
export async function dispatch(handlers: Handlers, name: unknown, argument: unknown): Promise<Result<unknown>> {
  try {
    if (typeof name !== 'string' || !Object.hasOwn(decoders, name)) {
      throw new AppError('ipc/refused', { cause: `unknown call ${JSON.stringify(name)?.slice(0, 80)}` });
    }
    return { ok: true, value: await run(handlers, name as CallName, argument) };
  } catch (error) {
    return { ok: false, error: toAppError(error).toValue() };
  }
}

function run<N extends CallName>(handlers: Handlers, name: N, argument: unknown): CallValue<N> | Promise<CallValue<N>> {
  const decoded = v.safeParse(decoders[name], argument);
  if (!decoded.success) {
    const issue = decoded.issues[0];
    const path = issue.path?.map((item) => String(item.key)).join('.') ?? '';
    throw new AppError('ipc/refused', { cause: `${name}${path === '' ? '' : ` ${path}`}: ${issue.message}` });
  }
  return handlers[name](decoded.output);
}
