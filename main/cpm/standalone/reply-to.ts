/**
 * Where the sender of a message by itself asks for answers (OMA CPM Reply-to Indication, R88). It is believed only where the network vouches for the sender:
 * a From alone anybody may write. And it is never followed silently: the person reads where the answer goes before it leaves.
 */
import type { IncomingPager } from '../../sip/client';
import type { CpmContext } from '../conversation/context';

/** The address that answers go to; nothing where they go to the sender. */
export function replyToOf(
  { isSelf }: Pick<CpmContext, 'isSelf'>,
  { remote, headers, hides = false }: Pick<IncomingPager, 'remote' | 'headers' | 'hides'>,
): { replyTo?: string } {
  const { replyTo } = headers;
  if (replyTo === undefined || !remote.asserted || hides || replyTo === remote.address || isSelf(replyTo)) return {};
  return { replyTo };
}
