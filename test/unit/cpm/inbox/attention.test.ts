import { expect, it } from 'vitest';
import { Attention, copyTellsAfterMs, maxWaitingCopies } from '../../../../main/cpm/inbox/attention';
import type { ToldByAccount } from '../../../../preload/contract';
import { messageRecord } from '../../../support/doubles/history-records';
import { VirtualClock } from '../../../support/doubles/virtual-clock';

it('is not drawn to each of many messages that a device is brought at once', async () => {
  const clock = new VirtualClock();
  const told: ToldByAccount[] = [];
  const history = { message: (id: string) => messageRecord(id) };
  const attention = new Attention({
    clock,
    history,
    announce: (event: ToldByAccount) => void told.push(event),
  } as unknown as ConstructorParameters<typeof Attention>[0]);
  for (let at = 0; at < maxWaitingCopies + 5; at += 1) attention.added(messageRecord(`m${at}`), 'after a while');
  await clock.advance(copyTellsAfterMs - 1);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toHaveLength(maxWaitingCopies);
  attention.added(messageRecord('later'), 'after a while');
  await clock.advance(copyTellsAfterMs);
  expect(told).toHaveLength(maxWaitingCopies + 1);
});
