/**
 * A refusing Interworking Selection Function: it takes the requests for people outside of CPM (mailto:, wv:) that the Participating
 * Function sends it, and says that no gateway serves them. It selects nothing, since there is nothing to select from yet.
 */
import type { SipServer } from './sip-server';

export class RefusingInterworkingFunction {
  constructor(server: SipServer, host: string) {
    server.onRequest = (transaction) => {
      const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(transaction.request.uri)?.[1]?.toLowerCase() ?? 'these';
      transaction.reply(416, { headers: [['Warning', `399 ${host} "No gateway serves ${scheme} addresses"`]] });
    };
  }
}
