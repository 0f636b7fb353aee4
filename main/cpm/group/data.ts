/** What a member asks of a focus in a message of the group, and how it answers: another subject or picture (application/vnd.oma.cpm-groupdata+xml). */
import { AppError } from '../../../preload/contract/errors';
import { parseCpim } from '../../../protocol/cpim';
import { encodeGroupData, GROUP_DATA_CONTENT_TYPE, type GroupDataRequest, parseGroupData } from '../../../protocol/group-data';
import { parseContentType } from '../../../protocol/multipart';
import type { ConversationRecord } from '../../history/records';
import type { CpmContext } from '../conversation/context';
import { cpimType, groupDataEnvelope } from '../conversation/envelope';
import type { CpmSession } from '../session/session';

/** LAB: how long a focus may take to answer what is asked of it in a message. */
export const groupDataTimeoutMs = 10_000;

export class GroupDataRequests {
  readonly #context: CpmContext;
  /** What is not answered: by its id. */
  readonly #asked = new Map<string, (code: number) => void>();

  constructor(context: CpmContext) {
    this.#context = context;
  }

  /**
   * Resolves when the focus has done it.
   * @throws AppError `sip/rejected` with the focus' code (403 not allowed, 413 too long, 415 no such picture), `net/timeout`, `msrp/*`
   */
  async ask(group: ConversationRecord, session: CpmSession, wish: Pick<GroupDataRequest, 'target' | 'action' | 'data'>): Promise<void> {
    const { clock, self } = this.#context;
    const id = clock.uuid();
    const code = new Promise<number | null>((resolve) => {
      const timer = clock.setTimer(groupDataTimeoutMs, () => resolve(null));
      this.#asked.set(id, (answered) => {
        timer.dispose();
        resolve(answered);
      });
    });
    const data = encodeGroupData({ kind: 'request', id, ...wish });
    try {
      const focus = session.remote?.contactUri ?? group.focus ?? '';
      await session.send(cpimType, groupDataEnvelope(group.writesAs ?? self, focus, clock.now(), data));
      const answered = await code;
      if (answered === null) throw new AppError('net/timeout', { cause: `no answer to a new ${wish.target}` }, 'user');
      if (answered !== 200) throw new AppError('sip/rejected', { status: answered }, 'user');
    } finally {
      this.#asked.get(id)?.(0);
      this.#asked.delete(id);
    }
  }

  /** Whether content of a group is group data. What a focus wants changed is its own matter; its answers are taken here. */
  take(type: string, body: Uint8Array): boolean {
    if (parseContentType(type).type !== cpimType) return false;
    const envelope = parseCpim(body);
    if (!envelope.ok || parseContentType(envelope.value.contentType).type !== GROUP_DATA_CONTENT_TYPE) return false;
    const data = parseGroupData(envelope.value.body);
    if (!data.ok) return false;
    if (data.value.kind === 'response') this.#asked.get(data.value.id)?.(data.value.code);
    return true;
  }
}
