import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Emitter } from '../../../base/emitter';
import { silentLogger } from '../../../base/log';
import type { CpmContext } from '../../../main/cpm/conversation/context';
import { Messenger } from '../../../main/cpm/messenger';
import type { SyncFile } from '../../../main/history/store/connection';
import type { MediaWish, MsrpSession } from '../../../main/msrp/session';
import { defaultPreferences } from '../../../main/profile/settings';
import type {
  CpmHeaders,
  IncomingInvite,
  IncomingPager,
  OutgoingInvite,
  OutgoingPager,
  RemoteParty,
  SessionEnd,
  SipSession,
  SipSessionState,
} from '../../../main/sip/client';
import type { PreferencesValue, ToldByAccount } from '../../../preload/contract';
import { AppError } from '../../../preload/contract/errors';
import type { BodyPart } from '../../../protocol/multipart';
import { encodeSdp, type MsrpDescription } from '../../../protocol/sdp';
import { openOneHistory } from './one-history';
import { quickDisk } from './quick-disk';
import { settled, VirtualClock } from './virtual-clock';

const noHeaders: CpmHeaders = {
  conversationId: null,
  contributionId: null,
  inReplyTo: null,
  sessionReplaces: null,
  subject: null,
  calledAs: null,
  referredBy: null,
};

export function remoteParty(address: string, more: Partial<RemoteParty> = {}): RemoteParty {
  return {
    address,
    asserted: true,
    displayName: null,
    instanceId: null,
    deviceName: null,
    gruu: null,
    contactUri: `${address};gr=x`,
    isFocus: false,
    ...more,
  };
}

/** A pager message without CPM's headers. */
export function incomingPager(
  remote: RemoteParty,
  contentType: string,
  body: string | Uint8Array,
  requestId = 'call 1 MESSAGE',
): IncomingPager {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  return { remote, headers: noHeaders, requestId, contentType, body: bytes, icsis: [] };
}

/** The other side's SDP: that of a CPM client, but for what a test changes. */
export function peerSdp(
  setup: 'active' | 'passive' | 'actpass',
  { port = 9, isSecure = false, ...change }: Partial<MsrpDescription> & { isSecure?: boolean } = {},
): string {
  return encodeSdp({
    host: '127.0.0.1',
    port,
    path: port === 0 ? [] : [`${isSecure ? 'msrps' : 'msrp'}://127.0.0.1:9/peer;tcp`],
    setup,
    acceptTypes: ['message/cpim', 'application/im-iscomposing+xml'],
    wrappedTypes: ['text/plain', 'message/imdn+xml', 'application/im-iscomposing+xml'],
    direction: 'sendrecv',
    sessionId: '1',
    version: 1,
    transport: isSecure ? 'TCP/TLS/MSRP' : 'TCP/MSRP',
    attributes: [],
    ...change,
  });
}

/** A dialog controlled by the test, which plays the other side. */
export class FakeSession implements SipSession {
  readonly id = 'fake';
  readonly callId: string;
  readonly onState = new Emitter<SipSessionState>();
  readonly answered: Promise<{ sdp: string; headers: CpmHeaders }>;
  state: SipSessionState = 'inviting';
  hides = false;
  namesDevice = true;
  end: SessionEnd | null = null;
  byes: ({ cause: number; text: string } | undefined)[] = [];
  #answer: (value: { sdp: string; headers: CpmHeaders }) => void = () => {};
  #refuse: (error: AppError) => void = () => {};

  constructor(
    callId: string,
    public remote: RemoteParty,
    readonly headers: CpmHeaders = noHeaders,
  ) {
    this.callId = callId;
    this.answered = new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
    });
    this.answered.catch(() => {});
  }

  become(state: SipSessionState): void {
    this.state = state;
    this.onState.emit(state);
  }

  answer(setup: 'active' | 'passive' = 'active', remote: Partial<RemoteParty> = {}, sdp = peerSdp(setup)): void {
    this.remote = { ...this.remote, ...remote };
    this.become('established');
    this.#answer({ sdp, headers: noHeaders });
  }

  refuse(status: number, reason = ''): void {
    this.end = { by: 'remote', status, reason, cause: null, text: null };
    this.become('ended');
    this.#refuse(new AppError('sip/rejected', { status, reason }, 'user'));
  }

  fail(error: AppError): void {
    this.become('ended');
    this.#refuse(error);
  }

  hangUp(cause: number | null = null): void {
    this.end = { by: 'remote', status: null, reason: null, cause, text: null };
    this.become('ended');
  }

  /** Ends the dialog because the other side has stopped answering. */
  breakOff(): void {
    this.end = { by: 'local', status: 408, reason: 'Request Timeout', cause: null, text: null };
    this.become('ended');
  }

  readonly referred: string[] = [];

  async refer(target: string): Promise<void> {
    this.referred.push(target);
  }

  /** The offers of this side within the session, and the test's answers: SDP, or an error. */
  readonly reoffered: string[] = [];
  answerReoffer: (sdp: string) => Promise<string> = async () => peerSdp('active');
  handleOffer: SipSession['handleOffer'] = null;

  reoffer(sdp: string, _isWanted?: () => boolean): Promise<string> {
    this.reoffered.push(sdp);
    return this.answerReoffer(sdp);
  }

  async bye(reason?: { cause: number; text: string }): Promise<void> {
    this.byes.push(reason);
    const wasOpen = this.state !== 'established';
    this.end = { by: 'local', status: null, reason: null, cause: reason?.cause ?? null, text: reason?.text ?? null };
    this.become('ended');
    if (wasOpen) this.#refuse(new AppError('sip/rejected', { status: 487, reason: 'Request Terminated' }));
  }
}

export class FakeInvite extends FakeSession implements IncomingInvite {
  readonly icsis: string[];
  readonly sdp: string | null;
  readonly parts: BodyPart[];
  rang = 0;
  accepted: string | null = null;
  rejected: number | null = null;
  /** Set before accepting: no ACK arrives. */
  withoutAck = false;

  constructor(options: {
    remote: RemoteParty;
    headers?: Partial<CpmHeaders>;
    parts?: BodyPart[];
    setup?: 'active' | 'passive' | 'actpass';
    sdp?: string;
    icsis?: string[];
    direction?: 'sendrecv' | 'sendonly';
  }) {
    super(`call-${Math.random()}`, options.remote, { ...noHeaders, ...options.headers });
    this.state = 'incoming';
    this.sdp = options.sdp ?? peerSdp(options.setup ?? 'actpass', { direction: options.direction ?? 'sendrecv' });
    this.icsis = options.icsis ?? [];
    this.parts = options.parts ?? [];
  }

  ring(): void {
    this.rang += 1;
  }

  async accept(sdp: string): Promise<void> {
    this.accepted = sdp;
    if (this.withoutAck) {
      this.become('ended');
      throw new AppError('net/timeout', { cause: 'no ACK' });
    }
    this.become('established');
  }

  async reject(status: number): Promise<void> {
    this.rejected = status;
    this.become('ended');
  }
}

export class FakeMsrp implements MsrpSession {
  readonly localPath = 'msrp://127.0.0.1:7000/own;tcp';
  readonly path = [this.localPath];
  readonly host = '127.0.0.1';
  readonly port = 7000;
  readonly fingerprint = null;
  readonly onState = new Emitter<MsrpSession['state']>();
  state: MsrpSession['state'] = 'prepared';
  openSink: MsrpSession['openSink'] = null;
  handleMessage: MsrpSession['handleMessage'] = null;
  readonly sent: { contentType: string; body: string }[] = [];
  startedAs: 'active' | 'passive' | null = null;
  failWith: AppError | null = null;

  constructor(readonly isSecure = false) {}

  /** Set before the start: the peer never connects. */
  static unbound = false;

  async start(_path: string[], role: 'active' | 'passive'): Promise<void> {
    this.startedAs = role;
    if (FakeMsrp.unbound) {
      await new Promise<void>((_resolve, reject) =>
        this.onState.on((state) => {
          if (state === 'closed') reject(new AppError('msrp/closed', { cause: 'closed before it stood' }, 'auto'));
        }),
      );
    }
    this.state = 'established';
    this.onState.emit('established');
  }

  async send(message: Parameters<MsrpSession['send']>[0]): Promise<void> {
    if (this.failWith !== null) throw this.failWith;
    if (!(message.body instanceof Uint8Array)) throw new Error('this double takes octets alone');
    this.sent.push({ contentType: message.contentType, body: new TextDecoder().decode(message.body) });
    if (message.onReport !== undefined) this.hopedReports.push(message.onReport);
  }
  /** Of the messages sent with Success-Report: the peer reports one as the test calls it. */
  readonly hopedReports: (() => void)[] = [];

  readonly nicknames: string[] = [];
  async nickname(nickname: string): Promise<void> {
    if (this.failWith !== null) throw this.failWith;
    this.nicknames.push(nickname);
  }

  close(): void {
    this.lose();
  }

  lose(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.onState.emit('closed');
  }

  async deliver(body: Uint8Array | string, contentType = 'message/cpim'): Promise<void> {
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
    await this.handleMessage?.({ messageId: 'm', contentType, body: bytes });
  }
}

/** One messenger with a real history and a network played by the test. `after`: the same device, started again after `stop`. */
export function createLab(
  options: {
    self?: string;
    accept?: 'auto' | 'ask';
    sync?: SyncFile;
    after?: { store: { file: string }; clock: VirtualClock };
    clock?: VirtualClock;
    deviceName?: string;
  } = {},
) {
  const folder = options.after === undefined ? mkdtempSync(join(tmpdir(), 'chorus-lab-')) : dirname(options.after.store.file);
  const clock = options.after?.clock ?? options.clock ?? new VirtualClock();
  const store = { file: join(folder, 'history.db'), key: 'ab'.repeat(32), log: silentLogger, sync: options.sync ?? quickDisk };
  const history = openOneHistory(store);
  const invites: { request: OutgoingInvite; session: FakeSession }[] = [];
  const pagers: OutgoingPager[] = [];
  const media: FakeMsrp[] = [];
  const events: ToldByAccount[] = [];
  const subscriptions: { focus: string; onDocument: Emitter<string>; onEnd: Emitter<void>; disposed: boolean; renewals: number }[] = [];
  const state = {
    registered: true,
    pagerFails: null as AppError | null,
    /** Set to make the preparation of media fail. */
    mediaFails: null as AppError | null,
    /** Addresses and GRUUs that cannot be reached. */
    away: new Set<string>(),
    leak: null as AppError | null,
    /** What OPTIONS tells of an address; nobody answers for the others. */
    able: new Map<string, string[]>(),
    blocked: new Set<string>(),
    clockAhead: 0,
    mediaWish: 'clear' as MediaWish,
  };
  let preferences: PreferencesValue = {
    theme: 'system',
    receipts: { delivered: true, displayed: true },
    composing: true,
    accept: options.accept ?? 'auto',
    idleSeconds: defaultPreferences.idleSeconds,
    waitDays: defaultPreferences.waitDays,
  };
  const sip: CpmContext['sip'] = {
    invite(request) {
      if (!state.registered) throw new AppError('sip/not-registered', {}, 'auto');
      const session = new FakeSession(`call-${invites.length}`, remoteParty(request.target));
      session.hides = request.anonymous === true;
      invites.push({ request, session });
      return session;
    },
    async sendPager(request) {
      if (state.pagerFails !== null) throw state.pagerFails;
      if (state.away.has(request.target)) throw new AppError('sip/rejected', { status: 480 }, 'user');
      pagers.push(request);
      return { status: 200 };
    },
    async queryCapabilities(address) {
      const icsis = state.able.get(address);
      if (icsis === undefined) throw new AppError('sip/rejected', { status: 480 }, 'user');
      return { icsis, instanceId: null, deviceName: null, methods: [] };
    },
    canHide: true,
    gruu: `${options.self ?? 'sip:alice@lab.test'};gr=urn:uuid:aaaa`,
    guardContent: () => {
      if (state.leak !== null) throw state.leak;
    },
    subscribeConference(focus) {
      const subscription = { focus, onDocument: new Emitter<string>(), onEnd: new Emitter<void>(), disposed: false, renewals: 0 };
      subscriptions.push(subscription);
      return {
        ...subscription,
        renew() {
          subscription.renewals += 1;
        },
        dispose() {
          subscription.disposed = true;
        },
      };
    },
  };
  const self = options.self ?? 'sip:alice@lab.test';
  const messenger = new Messenger({
    clock,
    log: silentLogger,
    history,
    sip,
    msrp: {
      async prepare({ secure = false }: { secure?: boolean } = {}) {
        if (state.mediaFails !== null) throw state.mediaFails;
        const session = new FakeMsrp(secure);
        media.push(session);
        return session;
      },
    },
    self,
    otherDevices: () => [],
    isSelf: (address) => address === self,
    writesAs: () => null,
    selfName: 'Alice',
    deviceName: () => options.deviceName ?? 'Laptop',
    factory: 'sip:conference-factory@lab.test',
    knownPeople: [
      { address: 'sip:bob@lab.test', name: 'Bob' },
      { address: 'sip:carol@lab.test', name: 'Carol' },
    ],
    preferences: () => preferences,
    mediaWish: () => state.mediaWish,
    isBlocked: (address) => state.blocked.has(address),
    alsoBlock: (addresses) => {
      if (addresses.some((one) => state.blocked.has(one))) for (const one of addresses) state.blocked.add(one);
    },
    isRegistered: () => state.registered,
    clockAhead: () => state.clockAhead,
    announce: (event) => events.push(event),
  });
  return {
    messenger,
    clock,
    history,
    /** Opens the same history again. */
    store,
    invites,
    pagers,
    media,
    events,
    subscriptions,
    state,
    self,
    setPreferences: (change: Partial<PreferencesValue>) => {
      preferences = { ...preferences, ...change };
    },
    settle: () => settled(),
    /** An established 1-1 with Bob's laptop, opened by this side. */
    async talkTo(address: string) {
      const { conversation, message } = messenger.texts.send({ to: address }, 'Hello', 'session');
      await settled();
      const invite = invites.at(-1);
      if (invite === undefined) throw new Error('no invitation went out');
      invite.session.answer('active', { instanceId: 'urn:uuid:bbbb', gruu: `${address};gr=urn:uuid:bbbb`, deviceName: 'Laptop' });
      await settled();
      const session = media.at(-1);
      if (session === undefined) throw new Error('no media');
      return { conversation, message, invite, media: session };
    },
    stateOf: (message: string) => history.message(message)?.state,
    /** The states of everybody in a group, this account first. */
    participants: (group: string) => messenger.chats.participants(group).map((one) => one.state),
    stop() {
      messenger.dispose();
      history.dispose();
    },
    dispose() {
      messenger.dispose();
      history.dispose();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type Lab = ReturnType<typeof createLab>;
