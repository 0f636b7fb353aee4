/** Asks the switch of a group for a nickname (RFC 7701 section 7): a request without content and with one answer. */
import type { Clock } from '../../base/clock';
import { AppError } from '../../preload/contract/errors';
import { bodilessRequest, newTransactionId } from '../../protocol/msrp';
import { encodeNickname } from '../../protocol/nickname';
import type { MsrpConnection } from './connection';

/** How long a request may wait for its answer (RFC 4975 section 7.2). */
const responseTimeoutMs = 30_000;

export interface Route {
  connection: MsrpConnection;
  toPath: string[];
  fromPath: string[];
}

/**
 * Resolves with 200.
 * @throws AppError `msrp/rejected` (424 impossible name, 425 taken, 501 the switch knows no nicknames), `msrp/closed`, `net/timeout`
 */
export function requestNickname({ connection, toPath, fromPath }: Route, clock: Clock, nickname: string): Promise<void> {
  const transactionId = newTransactionId(() => clock.random(), null);
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      timer.dispose();
      lost.dispose();
      connection.forget(transactionId);
      settle();
    };
    const timer = clock.setTimer(responseTimeoutMs, () =>
      finish(() => reject(new AppError('net/timeout', { cause: 'no answer to a NICKNAME' }, 'user'))),
    );
    const lost = connection.onClose.on((reason) => finish(() => reject(new AppError('msrp/closed', { cause: reason }, 'auto'))));
    connection.request(
      bodilessRequest({ transactionId, method: 'NICKNAME', toPath, fromPath, headers: [['Use-Nickname', encodeNickname(nickname)]] }),
      ({ status, reason }) =>
        finish(() => (status === 200 ? resolve() : reject(new AppError('msrp/rejected', { status, reason }, 'user')))),
    );
  });
}
