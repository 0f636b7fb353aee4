/**
 * Requests on a visit to a Participating Function. One goes out with two Route values, the function's and the core's with a token, and
 * comes back by the second (3GPP TS 24.229 5.4.3: `odi`, the original dialog identifier). By the token the core knows which stage of its
 * way the request has behind it.
 */
import { addressTarget, type Branch } from '../sip/proxy';
import { newToken } from '../sip/sip-server';
import type { Subscriber } from './directory';
import { routeParam } from './own-routes';

/** LAB: requests that may be on a visit at a time; one more gets 503. */
const MAX_VISITS = 20_000;

/** For whom the function serves the request: the caller or the called person. */
export type Stage = 'originating' | 'terminating';

interface Visit {
  participating: string;
  /** The URI of this core, to which the function sends the request back. */
  back: string;
  stage: Stage;
  served: Subscriber;
  /** Whether the served person has a device. */
  registered: boolean;
}

export class Visits {
  readonly #stages = new Map<string, Stage>();

  /** The branch that leads to the function, and what ends the visit; null when there are too many, or the function has no address. */
  begin({ participating, back, stage, served, registered }: Visit): { branch: Branch; end: () => void } | null {
    const target = addressTarget(participating);
    if (target === null || this.#stages.size >= MAX_VISITS) return null;
    const token = newToken();
    this.#stages.set(token, stage);
    const sescase = stage === 'originating' ? 'orig' : 'term';
    const branch: Branch = {
      target,
      routes: [`<${participating};lr>`, `<${back};lr;odi=${token}>`],
      edit: (copy) => copy.set('P-Served-User', `<${served.identities[0]}>;sescase=${sescase};regstate=${registered ? 'reg' : 'unreg'}`),
    };
    return { branch, end: () => this.#stages.delete(token) };
  }

  /** The stage that a request has behind it, by this core's own Route values in it; null for one that comes from no visit. */
  stageOf(ownRoutes: readonly string[]): Stage | null {
    for (const uri of ownRoutes) {
      const stage = this.#stages.get(routeParam(uri, 'odi') ?? '');
      if (stage !== undefined) return stage;
    }
    return null;
  }
}
