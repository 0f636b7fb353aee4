/** Requests of a member to the focus for another subject or picture, and their answers: messages of the group (application/vnd.oma.cpm-groupdata+xml). */
import { AppError } from '../../../preload/contract/errors';
import { parseCpim } from '../../../protocol/cpim';
import { encodeGroupData, GROUP_DATA_CONTENT_TYPE, type GroupDataRequest, parseGroupData } from '../../../protocol/group-data';
import { parseContentType } from '../../../protocol/multipart';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { cpimType, groupDataEnvelope } from '../conversation/envelope';
import type { CpmSession } from '../session/session';

/** LAB: how long a focus may take to answer such a request. */
export const groupDataTimeoutMs = 10_000;

export class GroupDataRequests {
  readonly #context: CpmContext;
  /** The requests that are not answered yet, by their id. */
  readonly #unanswered = new Map<string, (code: number) => void>();

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /**
   * Resolves when the focus has made the change.
   * @throws AppError `sip/rejected` with the focus' code (403 not allowed, 413 too long, 415 no such picture), `net/timeout`, `msrp/*`
   */
  async ask(group: ConversationRecord, session: CpmSession, change: Pick<GroupDataRequest, 'target' | 'action' | 'data'>): Promise<void> {
    const { clock, self } = this.#context;
    const id = clock.uuid();
    const code = new Promise<number | null>((resolve) => {
      const timer = clock.setTimer(groupDataTimeoutMs, () => resolve(null));
      this.#unanswered.set(id, (answered) => {
        timer.dispose();
        resolve(answered);
      });
    });
    const data = encodeGroupData({ kind: 'request', id, ...change });
    try {
      const focus = session.focus ?? group.focus ?? '';
      await session.send(cpimType, groupDataEnvelope(group.writesAs ?? self, focus, clock.now(), data));
      const answered = await code;
      if (answered === null) throw new AppError('net/timeout', { cause: `no answer to a new ${change.target}` }, 'user');
      if (answered !== 200) throw new AppError('sip/rejected', { status: answered }, 'user');
    } finally {
      this.#unanswered.get(id)?.(0);
      this.#unanswered.delete(id);
    }
  }

  /** Takes the answer of a focus. False: the content is no group data. A request from the focus is left out, since only a focus can fulfil one. */
  take(type: string, body: Uint8Array): boolean {
    if (parseContentType(type).type !== cpimType) return false;
    const envelope = parseCpim(body);
    if (!envelope.ok || parseContentType(envelope.value.contentType).type !== GROUP_DATA_CONTENT_TYPE) return false;
    const data = parseGroupData(envelope.value.body);
    if (!data.ok) return false;
    if (data.value.kind === 'response') this.#unanswered.get(data.value.id)?.(data.value.code);
    return true;
  }
}
